//! Peer key: does the other end show the key that the app was built with?
//!
//! A proxy that reads encrypted traffic shows its own key. This crate opens no socket, so the app's transport says
//! which public key it saw ([`Suite::observe_peer_key`](super::Suite::observe_peer_key)); here it is compared with
//! the pins of that host. Seen once, a foreign key is latched like any detection, and the host's name and the key
//! go into the evidence as a digest only.
//!
//! Not seen: a transport that reports nothing (unknown, never clear), hosts without pins.

use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_seal::sha256_parts;
use glacis_wire::Digest;
use std::sync::{Arc, Mutex, PoisonError};

/// Keys that a host may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// The host's name, in lower case, as the app connects to it.
    pub host: String,
    /// SHA-256 of each public key (SubjectPublicKeyInfo) that it may show.
    pub keys: Vec<Digest>,
}

/// What was seen of peers. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct PeerKeys {
    pins: Arc<Vec<Pins>>,
    sight: Arc<Mutex<Sight>>,
}

impl PeerKeys {
    pub(super) fn new(pins: &[Pins]) -> Self {
        let reason = if pins.is_empty() { Reason::NoBaseline } else { Reason::Unobserved };
        Self { pins: Arc::new(pins.to_vec()), sight: Arc::new(Mutex::new(Sight::Unknown(reason))) }
    }

    /// Whether `key` is a pin of `host`, or the host has none.
    pub(super) fn is_pinned(&self, host: &str, key: &Digest) -> bool {
        let pins = self.pins.iter().find(|pins| pins.host.eq_ignore_ascii_case(host));
        pins.is_none_or(|pins| pins.keys.contains(key))
    }

    /// Judges a key that `host` showed; nothing if no pins are known of it.
    pub(super) fn observe(&self, host: &str, key: &Digest) -> Option<Sight> {
        let pins = self.pins.iter().find(|pins| pins.host.eq_ignore_ascii_case(host))?;
        let mut sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        if !pins.keys.contains(key) {
            let evidence = sha256_parts(&[b"peer-key\0", pins.host.as_bytes(), b"\0", key.as_bytes()]);
            *sight = Sight::Detected(Confidence::High, evidence);
        } else if !matches!(*sight, Sight::Detected(..)) {
            *sight = Sight::Clear;
        }
        Some(*sight)
    }
}

impl Symptom for PeerKeys {
    fn look(&mut self, _scene: &mut Scene) -> Sight {
        *self.sight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_seal::sha256;

    #[test]
    fn a_foreign_key_of_a_pinned_host_is_detected_and_stays() {
        let (good, foreign) = (sha256(b"good"), sha256(b"foreign"));
        let pins = [Pins { host: String::from("api.example.com"), keys: vec![sha256(b"next"), good] }];
        let mut keys = PeerKeys::new(&pins);
        assert_eq!(keys.look(&mut Scene::new()), Sight::Unknown(Reason::Unobserved));
        assert_eq!(keys.observe("other.example.com", &foreign), None);
        assert_eq!(keys.look(&mut Scene::new()), Sight::Unknown(Reason::Unobserved));
        assert_eq!(keys.observe("API.example.com", &good), Some(Sight::Clear));
        assert_eq!(keys.look(&mut Scene::new()), Sight::Clear);
        assert!(matches!(keys.observe("api.example.com", &foreign), Some(Sight::Detected(..))));
        let seen = keys.look(&mut Scene::new());
        assert_eq!(keys.observe("api.example.com", &good), Some(seen));
        assert!(matches!(seen, Sight::Detected(Confidence::High, _)));
        assert_eq!(PeerKeys::new(&[]).look(&mut Scene::new()), Sight::Unknown(Reason::NoBaseline));
    }
}
