//! Proxy: does the environment send this program's traffic elsewhere?
//!
//! `HTTPS_PROXY` and its kin lead every honest HTTP library through whatever they name; the variables of
//! proxychains say that a wrapper does. A proxy is a fact, not yet an attack: offices have them. The signal is for
//! policies that care, together with the key that the other end showed. Variables are read from the kernel's copy and
//! the live environment. `NO_PROXY` is not read: what it exempts is the library's matter.
//!
//! Not seen: transparent proxies, a system-wide setting that an app's own library reads elsewhere.

use super::preload::{ENVIRONMENT_BYTES_MAX, of_block};
use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_host::{kernel, variable};
use glacis_seal::sha256_parts;
use std::os::unix::ffi::OsStringExt;

/// Asks for the variables.
pub(super) struct Proxy;

impl Symptom for Proxy {
    fn look(&mut self, _scene: &mut Scene) -> Sight {
        let Ok(environ) = kernel::read("/proc/self/environ", ENVIRONMENT_BYTES_MAX) else {
            return Sight::Unknown(Reason::Unreadable);
        };
        let live = |name: &str| variable(name).map(OsStringExt::into_vec);
        match named(&environ, live) {
            Some(name) => Sight::Detected(Confidence::High, sha256_parts(&[b"proxy\0", name.as_bytes()])),
            None => Sight::Clear,
        }
    }
}

/// The first variable that names a proxy.
fn named(environ: &[u8], live: impl Fn(&str) -> Option<Vec<u8>>) -> Option<&'static str> {
    let is_set = |name: &&str| {
        of_block(environ, name.as_bytes()).any(|value| !value.is_empty())
            || live(name).is_some_and(|value| !value.is_empty())
    };
    VARIABLES.iter().find(|name| is_set(name)).copied()
}

/// Source: curl(1), and the wrapper script of proxychains 4.16. `HTTP_PROXY` in capitals is not honoured by careful
/// libraries (a server's request headers become such variables), but by enough others.
const VARIABLES: [&str; 9] = [
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "PROXYCHAINS_CONF_FILE",
    "PROXYCHAINS_SOCKS5_HOST",
    "PROXYCHAINS_DNS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_counts_in_either_place_and_only_with_a_value() {
        let nothing = |_: &str| None;
        assert_eq!(named(b"HOME=/\0HTTPS_PROXY=http://p:3128\0", nothing), Some("HTTPS_PROXY"));
        assert_eq!(named(b"HTTPS_PROXY=\0NO_PROXY=x\0MY_HTTPS_PROXY=y\0", nothing), None);
        let live = |name: &str| (name == "all_proxy").then(|| b"socks5://127.0.0.1".to_vec());
        assert_eq!(named(b"", live), Some("all_proxy"));
    }

    #[test]
    fn evidence_names_the_variable_and_never_its_value() {
        let evidence = |block: &'static [u8]| named(block, |_| None).map(str::as_bytes);
        assert_eq!(evidence(b"https_proxy=http://alice:secret@p\0"), evidence(b"https_proxy=http://bob@q\0"));
    }
}
