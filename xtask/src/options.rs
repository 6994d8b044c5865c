//! Arguments of a task: words, `--flag` and `--name value` (or `--name=value`), nothing else.
//!
//! A task takes what it knows and then calls [`Options::finish`], which refuses whatever is left, so that a
//! typo never runs a task with its defaults.

use crate::error::Failure;

/// Arguments not yet taken.
#[derive(Debug)]
pub(crate) struct Options {
    rest: Vec<String>,
}

impl Options {
    /// Splits `--name=value` into two words.
    pub(crate) fn parse(args: &[String]) -> Result<Self, Failure> {
        let mut rest = Vec::new();
        for arg in args {
            match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => {
                    rest.push(name.to_owned());
                    rest.push(value.to_owned());
                }
                _ => rest.push(arg.clone()),
            }
        }
        Ok(Self { rest })
    }

    /// Takes a flag.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.rest.len();
        self.rest.retain(|arg| arg != name);
        self.rest.len() != before
    }

    /// Takes an option with its value.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(at) = self.rest.iter().position(|arg| arg == name) else { return Ok(None) };
        if at + 1 >= self.rest.len() {
            return Err(Failure::new(format!("{name} needs a value")));
        }
        let value = self.rest.remove(at + 1);
        self.rest.remove(at);
        Ok(Some(value))
    }

    /// Takes an option whose value is a number.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        text.replace('_', "")
            .parse()
            .map(Some)
            .map_err(|_| Failure::new(format!("{name} needs a whole number, not `{text}`")))
    }

    /// Takes the first word that is not an option.
    pub(crate) fn word(&mut self) -> Option<String> {
        let at = self.rest.iter().position(|arg| !arg.starts_with('-'))?;
        Some(self.rest.remove(at))
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.rest.first() {
            None => Ok(()),
            Some(arg) => Err(Failure::new(format!("unexpected argument `{arg}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_arguments_are_taken_and_unknown_ones_refused() {
        let args = ["equality", "--seed=7", "--cases", "1_000", "--check", "--typo"].map(String::from);
        let mut options = Options::parse(&args).unwrap();
        assert_eq!(options.number("--seed").unwrap(), Some(7));
        assert_eq!(options.number("--cases").unwrap(), Some(1000));
        assert!(options.flag("--check"));
        assert_eq!(options.word().as_deref(), Some("equality"));
        assert!(options.finish().unwrap_err().to_string().contains("--typo"));
    }

    #[test]
    fn an_option_without_its_value_is_refused() {
        let mut options = Options::parse(&["--seed".to_owned()]).unwrap();
        assert!(options.number("--seed").is_err());
    }
}
