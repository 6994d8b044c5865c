//! Configuration of a token as a PKCS#11 URI (RFC 7512), as other programs write it.
//!
//! `pkcs11:token=My%20token?module-path=/usr/lib/x.so&pin-source=file:/etc/pin&x-glacis-tier=hardware`. Of the RFC it
//! takes `token`, `serial` and `slot-id` (one of them), `module-path` and `pin-source`; whatever else is there is refused,
//! first of all `pin-value`. The vendor attribute `x-glacis-tier` is the operator's declaration; without it the tier is
//! `software`.

use super::{PinSource, Pkcs11Config, TokenName};
use glacis_wire::Tier;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

impl FromStr for Pkcs11Config {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = text.strip_prefix("pkcs11:").ok_or(UriError("a PKCS#11 URI begins with `pkcs11:`"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut token, mut module, mut pin, mut tier) = (None, None, None, None);
        for (name, value) in pairs(path, ';') {
            let value = decoded(value)?;
            let named = match name {
                "token" => TokenName::Label(value),
                "serial" => TokenName::Serial(value),
                "slot-id" => TokenName::Slot(value.parse().map_err(|_| UriError("slot-id is a number"))?),
                _ => return Err(UriError("only token, serial and slot-id stand before the `?`")),
            };
            set(&mut token, named)?;
        }
        for (name, value) in pairs(query, '&') {
            let value = decoded(value)?;
            match name {
                "module-path" => set(&mut module, PathBuf::from(value))?,
                "pin-source" => set(&mut pin, pin_source(&value)?)?,
                "pin-value" => return Err(UriError("a PIN is never an argument: use pin-source")),
                "x-glacis-tier" => set(&mut tier, parse_tier(&value)?)?,
                _ => {
                    return Err(UriError(
                        "only module-path, pin-source and x-glacis-tier stand behind the `?`",
                    ));
                }
            }
        }
        let module = module.filter(|path| path.is_absolute());
        Ok(Self {
            module: module.ok_or(UriError("module-path=/… names the module"))?,
            token: token.ok_or(UriError("token, serial or slot-id names the token"))?,
            pin,
            tier: tier.unwrap_or(Tier::Software),
        })
    }
}

impl fmt::Display for Pkcs11Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.token {
            TokenName::Label(label) => write!(f, "pkcs11:token={}", encoded(label))?,
            TokenName::Serial(serial) => write!(f, "pkcs11:serial={}", encoded(serial))?,
            TokenName::Slot(slot) => write!(f, "pkcs11:slot-id={slot}")?,
        }
        write!(f, "?module-path={}", encoded(&self.module.display().to_string()))?;
        if let Some(pin) = &self.pin {
            write!(f, "&pin-source={}", encoded(&pin.to_string()))?;
        }
        write!(f, "&x-glacis-tier={}", self.tier.name())
    }
}

/// A text is no PKCS#11 URI of the kind that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UriError(&'static str);

fn pairs(text: &str, between: char) -> impl Iterator<Item = (&str, &str)> {
    text.split(between).filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn set<T>(to: &mut Option<T>, value: T) -> Result<(), UriError> {
    match to.replace(value) {
        None => Ok(()),
        Some(_) => Err(UriError("an attribute is there twice, or the token is named in two ways")),
    }
}

fn pin_source(text: &str) -> Result<PinSource, UriError> {
    match text.split_once(':') {
        Some(("file", path)) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            Ok(PinSource::File(PathBuf::from(path)))
        }
        Some(("env", name)) if !name.is_empty() => Ok(PinSource::Variable(name.to_owned())),
        Some(("fd", number)) => {
            number.parse().map(PinSource::Descriptor).map_err(|_| UriError("fd: takes a number"))
        }
        None if text.starts_with('/') => Ok(PinSource::File(PathBuf::from(text))),
        _ => Err(UriError("pin-source is file:/path, env:NAME or fd:NUMBER")),
    }
}

/// `none` is no tier of a key store: it would say that there is no key.
fn parse_tier(text: &str) -> Result<Tier, UriError> {
    let found = Tier::ALL.into_iter().filter(|tier| *tier != Tier::None).find(|tier| tier.name() == text);
    found.ok_or(UriError("x-glacis-tier is software, hardware or strong"))
}

fn decoded(text: &str) -> Result<String, UriError> {
    let bad = UriError("percent encoding: two hexadecimal digits, and UTF-8 in the end");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or(bad);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).map_err(|_| bad)?);
    }
    String::from_utf8(bytes).map_err(|_| bad)
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    text.bytes().fold(String::new(), |mut out, byte| {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_says_where_the_token_is_and_reads_back() {
        let text = "pkcs11:token=My%20token?module-path=/usr/lib/x.so&pin-source=file:/etc/pin&x-glacis-tier=hardware";
        let config: Pkcs11Config = text.parse().unwrap();
        let want = Pkcs11Config {
            module: "/usr/lib/x.so".into(),
            token: TokenName::Label("My token".into()),
            pin: Some(PinSource::File("/etc/pin".into())),
            tier: Tier::Hardware,
        };
        assert_eq!(config, want);
        assert_eq!(config.to_string(), text);
        for (text, token, pin) in [
            (
                "pkcs11:slot-id=7?module-path=/m&pin-source=env:PIN",
                TokenName::Slot(7),
                PinSource::Variable("PIN".into()),
            ),
            (
                "pkcs11:serial=0a?module-path=/m&pin-source=fd:3",
                TokenName::Serial("0a".into()),
                PinSource::Descriptor(3),
            ),
            (
                "pkcs11:token=a?module-path=/m&pin-source=/p",
                TokenName::Label("a".into()),
                PinSource::File("/p".into()),
            ),
            (
                "pkcs11:token=a?module-path=/m&pin-source=file:///p",
                TokenName::Label("a".into()),
                PinSource::File("/p".into()),
            ),
        ] {
            let config: Pkcs11Config = text.parse().unwrap();
            assert_eq!(
                (&config.token, config.pin.as_ref(), config.tier),
                (&token, Some(&pin), Tier::Software),
                "{text}"
            );
            assert_eq!(config.to_string().parse::<Pkcs11Config>().unwrap(), config);
        }
    }

    #[test]
    fn what_is_not_understood_or_holds_a_pin_is_refused() {
        for text in [
            "",
            "pkcs11:",
            "tpm2:token=a",
            "pkcs11:token=a",
            "pkcs11:?module-path=/m",
            "pkcs11:token=a?module-path=m",
            "pkcs11:token=a;token=b?module-path=/m",
            "pkcs11:token=a;serial=b?module-path=/m",
            "pkcs11:token=a;object=b?module-path=/m",
            "pkcs11:slot-id=x?module-path=/m",
            "pkcs11:token=a?module-path=/m&pin-value=1234",
            "pkcs11:token=a?module-path=/m&pin-source=1234",
            "pkcs11:token=a?module-path=/m&pin-source=env:",
            "pkcs11:token=a?module-path=/m&x-glacis-tier=none",
            "pkcs11:token=a?module-path=/m&x-glacis-tier=best",
            "pkcs11:token=a?module-path=/m&x=y",
            "pkcs11:token=%4?module-path=/m",
            "pkcs11:token=%ff?module-path=/m",
        ] {
            let refused = text.parse::<Pkcs11Config>();
            assert!(refused.is_err(), "{text}");
            assert!(!refused.unwrap_err().to_string().contains("1234"), "an error shows no PIN");
        }
    }
}
