//! Diagnostic notation of CBOR (RFC 8949 §8), as far as the corpus uses it, to bytes: a second opinion on every document,
//! since these texts are what their authors wrote and the documents are what their tools made of them.

/// The bytes of a text; none if it is not of this notation.
pub(crate) fn encode(text: &str) -> Option<Vec<u8>> {
    let mut input = Input { rest: text };
    let mut out = Vec::new();
    input.value(&mut out)?;
    input.blank()?;
    input.rest.is_empty().then_some(out)
}

struct Input<'a> {
    rest: &'a str,
}

impl Input<'_> {
    /// White space and comments, which stand between slashes.
    fn blank(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.trim_start();
            let Some(comment) = self.rest.strip_prefix('/') else { return Some(()) };
            // `/ ** … ** /` and `/** … ** /` end at the next slash too.
            self.rest = comment.split_once('/')?.1;
        }
    }

    fn is(&mut self, sign: &str) -> Option<bool> {
        self.blank()?;
        let Some(rest) = self.rest.strip_prefix(sign) else { return Some(false) };
        self.rest = rest;
        Some(true)
    }

    fn value(&mut self, out: &mut Vec<u8>) -> Option<()> {
        if self.is("{")? {
            let items = self.items("}", true)?;
            head(out, 5, items.0 / 2);
            out.extend(items.1);
        } else if self.is("[")? {
            let items = self.items("]", false)?;
            head(out, 4, items.0);
            out.extend(items.1);
        } else if self.is("<<")? {
            let (count, bytes) = self.items(">>", false)?;
            assert_eq!(count, 1, "one item in bytes");
            head(out, 2, bytes.len() as u64);
            out.extend(bytes);
        } else if self.is("h'")? {
            let (digits, rest) = self.rest.split_once('\'')?;
            self.rest = rest;
            let bytes = glacis_seal::text::parse_hex(&digits.split_whitespace().collect::<String>())?;
            head(out, 2, bytes.len() as u64);
            out.extend(bytes);
        } else if self.is("\"")? {
            let end = self.rest.find('"')?;
            let text: String = self.rest.get(..end)?.replace("\\n", "\n");
            assert!(!text.contains('\\'), "no other escape");
            self.rest = self.rest.get(end + 1..)?;
            head(out, 3, text.len() as u64);
            out.extend(text.bytes());
        } else if self.is("true")? {
            out.push(0xf5);
        } else if self.is("false")? {
            out.push(0xf4);
        } else if self.is("null")? {
            out.push(0xf6);
        } else {
            self.number(out)?;
        }
        Some(())
    }

    /// A number, or a tag before what is in parentheses.
    fn number(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let negative = self.is("-")?;
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(self.rest.len());
        let number: u64 = self.rest.get(..end)?.parse().ok()?;
        self.rest = self.rest.get(end..)?;
        if negative {
            head(out, 1, number.checked_sub(1)?);
        } else if self.is("(")? {
            head(out, 6, number);
            self.value(out)?;
            return self.is(")")?.then_some(());
        } else {
            head(out, 0, number);
        }
        Some(())
    }

    /// Items up to a sign, separated by commas; in a map, a colon stands in every pair.
    fn items(&mut self, end: &str, pairs: bool) -> Option<(u64, Vec<u8>)> {
        let (mut count, mut bytes) = (0, Vec::new());
        while !self.is(end)? {
            if count > 0 && (!pairs || count % 2 == 0) && !self.is(",")? {
                return None;
            }
            if self.is(end)? {
                break;
            }
            self.value(&mut bytes)?;
            count += 1;
            if pairs && count % 2 == 1 && !self.is(":")? {
                return None;
            }
        }
        Some((count, bytes))
    }
}

fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let digits = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | digits[7]),
        24..=0xff => out.extend([major | 24, digits[7]]),
        0x100..=0xffff => out.extend([&[major | 25], &digits[6..]].concat()),
        0x1_0000..=0xffff_ffff => out.extend([&[major | 26], &digits[4..]].concat()),
        _ => out.extend([&[major | 27], &digits[..]].concat()),
    }
}
