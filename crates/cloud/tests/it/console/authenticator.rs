//! An authenticator of our own, with the browser around it: makes passkeys and signs with them, and does it wrong where a
//! test says so.

use glacis_seal::text::{base64url, parse_base64url};
use glacis_seal::{SigningKey, sha256};
use serde_json::{Value as Json, json};

/// Present and verified.
pub(crate) const VERIFIED: u8 = 0x05;
/// Present only.
pub(crate) const PRESENT: u8 = 0x01;

/// One passkey, and where its browser is.
#[derive(Clone)]
pub(crate) struct Authenticator {
    /// Its key.
    pub(crate) seed: u8,
    /// Names it.
    pub(crate) id: Vec<u8>,
    /// The user that it was made for.
    pub(crate) user: String,
    /// The page.
    pub(crate) origin: String,
    /// The relying party that the authenticator is asked for.
    pub(crate) relying_party: String,
    pub(crate) flags: u8,
    /// Grows with each signature unless it is zero.
    pub(crate) counter: u32,
    /// COSE's number of the algorithm that the key says it is for.
    pub(crate) algorithm: i8,
}

fn head(major: u8, length: usize) -> Vec<u8> {
    match u8::try_from(length).unwrap() {
        short @ 0..=23 => vec![major << 5 | short],
        long => vec![major << 5 | 24, long],
    }
}

fn text(value: &str) -> Vec<u8> {
    [head(3, value.len()), value.as_bytes().to_vec()].concat()
}

fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, value.len()), value.to_vec()].concat()
}

fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let body = entries.iter().flat_map(|(name, value)| [name.clone(), value.clone()].concat());
    head(5, entries.len()).into_iter().chain(body).collect()
}

/// A whole number below 24 either way.
fn number(value: i8) -> Vec<u8> {
    let raw = if value < 0 { 0x20 | u8::try_from(-1 - value).unwrap() } else { u8::try_from(value).unwrap() };
    vec![raw]
}

/// An ECDSA signature as DER.
fn der(fixed: &[u8; 64]) -> Vec<u8> {
    let half = |bytes: &[u8]| {
        let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        if digits.first().is_none_or(|first| first & 0x80 != 0) {
            digits.insert(0, 0);
        }
        [vec![2, u8::try_from(digits.len()).unwrap()], digits].concat()
    };
    let body = [half(&fixed[..32]), half(&fixed[32..])].concat();
    [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
}

impl Authenticator {
    /// In a browser that has the console open by its name `localhost`.
    pub(crate) fn new(seed: u8, port: u16) -> Self {
        Self {
            seed,
            id: vec![seed; 20],
            user: String::new(),
            origin: format!("http://localhost:{port}"),
            relying_party: "localhost".to_owned(),
            flags: VERIFIED,
            counter: 1,
            algorithm: -7,
        }
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_scalar(&[self.seed; 32]).unwrap()
    }

    fn auth_head(&self, flags: u8) -> Vec<u8> {
        let site = sha256(self.relying_party.as_bytes());
        [&site.as_bytes()[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        json!({ "type": kind, "challenge": challenge, "origin": self.origin }).to_string().into_bytes()
    }

    fn answer(&self, response: Json) -> String {
        let id = base64url(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response }).to_string()
    }

    /// The registration that `wanted` asks for, as the browser's text.
    pub(crate) fn make(&mut self, wanted: &Json) -> String {
        wanted["user"].as_str().unwrap().clone_into(&mut self.user);
        let point = self.key().public().0;
        let key = map(&[
            (number(1), number(2)),
            (number(3), number(self.algorithm)),
            (number(-1), number(1)),
            (number(-2), bytes(&point[1..33])),
            (number(-3), bytes(&point[33..])),
        ]);
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let auth = [&self.auth_head(self.flags | 0x40)[..], &[0; 16], &length, &self.id, &key].concat();
        let object = map(&[
            (text("fmt"), text("none")),
            (text("attStmt"), map(&[])),
            (text("authData"), bytes(&auth)),
        ]);
        let client = self.client_data("webauthn.create", wanted["challenge"].as_str().unwrap());
        self.answer(json!({ "attestationObject": base64url(&object), "clientDataJSON": base64url(&client) }))
    }

    /// The assertion over a challenge, as the browser's text.
    pub(crate) fn sign(&mut self, challenge: &str) -> String {
        if self.counter > 0 {
            self.counter += 1;
        }
        let client = self.client_data("webauthn.get", challenge);
        let auth = self.auth_head(self.flags);
        let message = [&auth[..], sha256(&client).as_bytes()].concat();
        let signature = der(&self.key().sign_raw(&message).unwrap());
        self.answer(json!({
            "authenticatorData": base64url(&auth),
            "clientDataJSON": base64url(&client),
            "signature": base64url(&signature),
            "userHandle": self.user,
        }))
    }
}

#[test]
fn names_and_challenges_come_as_base64url() {
    let mut authenticator = Authenticator::new(1, 80);
    let made = authenticator.make(&json!({ "user": "AAAA", "challenge": "AAAA" }));
    let made: Json = serde_json::from_str(&made).unwrap();
    assert_eq!(parse_base64url(made["id"].as_str().unwrap()).unwrap(), authenticator.id);
}
