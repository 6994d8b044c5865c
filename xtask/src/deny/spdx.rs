//! SPDX licence expressions: `OR`, `AND`, `WITH`, brackets, and the old `/` for `OR`.
//!
//! An expression is acceptable if the licences on the list satisfy it: `OR` needs one side, `AND` both.
//! `X WITH Y` is one licence of its own name. Anything that does not parse is refused, never guessed.

/// Whether the licences that `allowed` accepts satisfy `expression`; an error says where it does not parse.
pub(super) fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let words = split(expression);
    let mut parser = Parser { words: &words, at: 0, depth: 0, allowed };
    let value = parser.either()?;
    match parser.peek() {
        None => Ok(value),
        Some(word) => Err(format!("`{expression}`: unexpected `{word}`")),
    }
}

fn split(expression: &str) -> Vec<String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

struct Parser<'a> {
    words: &'a [String],
    at: usize,
    depth: usize,
    allowed: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Option<String> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word
    }

    fn either(&mut self) -> Result<bool, String> {
        let mut value = self.both()?;
        while self.peek() == Some("OR") {
            self.at += 1;
            let right = self.both()?;
            value = value || right;
        }
        Ok(value)
    }

    fn both(&mut self) -> Result<bool, String> {
        let mut value = self.one()?;
        while self.peek() == Some("AND") {
            self.at += 1;
            let right = self.one()?;
            value = value && right;
        }
        Ok(value)
    }

    fn one(&mut self) -> Result<bool, String> {
        match self.next().as_deref() {
            Some("(") => self.bracket(),
            None | Some(")" | "OR" | "AND" | "WITH") => Err("a licence name is missing".to_owned()),
            Some(name) if self.peek() == Some("WITH") => {
                self.at += 1;
                let exception = self.next().ok_or_else(|| format!("`{name} WITH` lacks its exception"))?;
                Ok((self.allowed)(&format!("{name} WITH {exception}")))
            }
            Some(name) => Ok((self.allowed)(name)),
        }
    }

    fn bracket(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("too many brackets".to_owned());
        }
        let value = self.either()?;
        if self.next().as_deref() != Some(")") {
            return Err("a bracket is not closed".to_owned());
        }
        self.depth -= 1;
        Ok(value)
    }
}

/// LIMIT: real expressions have two levels; the bound keeps the parser off the end of the stack.
const DEPTH_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_evaluated_as_spdx_says() {
        let allowed = |name: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&name);
        for (expression, want) in [
            ("MIT", Ok(true)),
            ("GPL-3.0", Ok(false)),
            ("MIT OR GPL-3.0", Ok(true)),
            ("MIT/GPL-3.0", Ok(true)),
            ("MIT AND GPL-3.0", Ok(false)),
            ("GPL-3.0 OR MIT AND ISC", Ok(true)),
            ("(GPL-3.0 OR MIT) AND ISC", Ok(true)),
            ("(GPL-3.0 OR MIT) AND OpenSSL", Ok(false)),
            ("ISC AND (MIT OR GPL-2.0) AND (ISC OR X)", Ok(true)),
            ("Apache-2.0 WITH LLVM-exception", Ok(true)),
            ("Apache-2.0", Ok(false)),
            ("MIT WITH LLVM-exception", Ok(false)),
        ] {
            assert_eq!(satisfied(expression, &allowed), want, "{expression}");
        }
    }

    #[test]
    fn what_does_not_parse_is_refused() {
        let deep = format!("{}MIT{}", "(".repeat(100), ")".repeat(100));
        for expression in ["", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT MIT", "MIT WITH", deep.as_str()] {
            assert!(satisfied(expression, &|_| true).is_err(), "{expression}");
        }
    }
}
