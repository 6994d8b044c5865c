//! The fast path against the full parser, and both against the text layer that devices write with.

use super::*;
use glacis_wire::LegId;

/// A small generator (xorshift64*), so that a failing case is its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }
}

fn fields(created: u64, number: u64) -> (String, String) {
    let input = format!(
        "glacis={};created={created};expires={};nonce=\"{number}\";keyid=\"{}{}",
        REQUEST.list,
        created + 30,
        glacis_seal::text::base64url(&[7; 16]),
        REQUEST.tail
    );
    let mut signature = String::new();
    httpsig::write_signature(&mut signature, profile::LABEL, &[9; 32]);
    (input, signature)
}

fn head<'a>(input: &'a str, signature: &'a str) -> RequestHead<'a> {
    let one = Once::One;
    let fields = Fields {
        signature_input: one(input),
        signature: one(signature),
        content_digest: one("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
        ticket: one(":AAAA:"),
        event: one(":AAAA:"),
        disclosure: one("::"),
        proof: one("::"),
        ..Fields::default()
    };
    RequestHead {
        method: "GET",
        authority: "a",
        path: "/x",
        query: "",
        fields,
        headers: crate::request::Headers::List(&[]),
    }
}

/// Runs both readers; panics where the fast one accepts what the full one reads otherwise.
fn agree(input: &str, signature: &str) -> bool {
    let Some(fast) = REQUEST.fast::<{ LegId::LEN }, 32>(input, signature) else { return false };
    let full = REQUEST.full::<{ LegId::LEN }, 32>(input, signature);
    let Ok(full) = full else { panic!("only the fast path accepts {input} / {signature}: {full:?}") };
    assert_eq!(
        (fast.created, fast.expires, fast.number),
        (full.created, full.expires, full.number),
        "{input}"
    );
    assert_eq!((fast.key, fast.signature), (full.key, full.signature), "{input}");
    let (mut one, mut other) = (String::new(), String::new());
    let head = head(input, signature);
    REQUEST.base(&head, &fast.params, &mut one).unwrap();
    REQUEST.base(&head, &full.params, &mut other).unwrap();
    assert_eq!(one, other, "{input}");
    true
}

#[test]
fn what_devices_write_takes_the_fast_path() {
    for number in [0, 1, 9, 10, u64::MAX - 1, u64::MAX] {
        let (input, signature) = fields(1_800_000_000, number);
        assert!(agree(&input, &signature), "{number}");
    }
    let head_text = fields(1, 1);
    let head = head(&head_text.0, &head_text.1);
    let read = REQUEST.read::<{ LegId::LEN }, 32>(&head).unwrap();
    assert!(matches!(read.params, Params::Plain(_)));
}

#[test]
fn fast_path_never_reads_what_the_full_parser_reads_otherwise() {
    const INSERT: &[u8] = b"();=\":, 0129azA-_\\\t\xc3";
    let cases = 40_000;
    let mut random = Random(0x5eed_0001);
    let mut accepted = 0;
    for case in 0..cases {
        let (mut input, mut signature) = fields(1_800_000_000 + case as u64 % 100, case as u64);
        let target = if random.below(3) == 0 { &mut signature } else { &mut input };
        let mut bytes = target.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, INSERT[random.below(INSERT.len())]),
                2 => bytes[at] = INSERT[random.below(INSERT.len())],
                _ => {
                    let other = random.below(bytes.len());
                    bytes.swap(at, other);
                }
            }
        }
        let Ok(text) = String::from_utf8(bytes) else { continue };
        *target = text;
        accepted += usize::from(agree(&input, &signature));
    }
    assert!(accepted > cases / 1_000, "mutations of digits stay acceptable: {accepted} of {cases}");
}

#[test]
fn other_orders_of_white_space_and_labels_go_through_the_full_parser() {
    let (input, signature) = fields(5, 1);
    for (input, signature) in [
        (input.replacen("(\"", "( \"", 1), signature.clone()),
        (format!("other=(\"@method\");alg=\"x\", {input}"), format!("other=:AAAA:, {signature}")),
    ] {
        assert!(REQUEST.fast::<{ LegId::LEN }, 32>(&input, &signature).is_none());
        let full = REQUEST.full::<{ LegId::LEN }, 32>(&input, &signature).unwrap();
        let mut base = String::new();
        REQUEST.base(&head(&input, &signature), &full.params, &mut base).unwrap();
        assert!(
            base.ends_with(&format!(
                "\"@signature-params\": {}",
                fields(5, 1).0.trim_start_matches("glacis=")
            ))
        );
    }
}
