//! An authenticator in software, for tests that register passkeys and pass challenges with them; shared by the test
//! binaries of several crates. It signs whatever it is told to, so it makes what an attacker would send as well.

use glacis_seal::text::base64url;
use glacis_seal::{SigningKey, sha256};
use serde_json::{Value, json};

/// User present.
const PRESENT: u8 = 1;
/// User verified.
const VERIFIED: u8 = 1 << 2;
/// A credential follows.
const ATTESTED: u8 = 1 << 6;

/// One authenticator with one credential. Its fields may be changed between two answers.
pub(crate) struct Authenticator {
    key: SigningKey,
    /// Name of the credential.
    pub(crate) id: Vec<u8>,
    /// What it keeps of the user, from the options of the registration.
    pub(crate) user: Vec<u8>,
    /// The relying party that it thinks it is asked by.
    pub(crate) rp: String,
    /// The page that asks.
    pub(crate) origin: String,
    /// Signatures made so far; counted up before each answer, unless it is zero.
    pub(crate) counter: u32,
    /// Whether it verified its user.
    pub(crate) verifies: bool,
}

impl Authenticator {
    /// One whose key and name come from `number`, with a credential for `user`.
    pub(crate) fn new(number: u8, (rp, origin): (&str, &str), user: &[u8]) -> Self {
        Self {
            key: SigningKey::from_scalar(&[number; 32]).unwrap(),
            id: vec![number; 16],
            user: user.to_vec(),
            rp: rp.to_owned(),
            origin: origin.to_owned(),
            counter: 1,
            verifies: true,
        }
    }

    /// A `RegistrationResponseJSON` without a statement of the authenticator's maker.
    pub(crate) fn register(&mut self, challenge: &[u8]) -> Value {
        let public = self.key.public().0;
        // ES256 on P-256; the point is 4 ‖ x ‖ y.
        let (x, y) = (public.get(1..33).unwrap(), public.get(33..).unwrap());
        let cose =
            [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21][..], &head(2, x.len()), x, &[0x22], &head(2, y.len()), y]
                .concat();
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let data = [self.data(ATTESTED), vec![0; 16], length.to_vec(), self.id.clone(), cose].concat();
        let text = |text: &str| [&head(3, text.len())[..], text.as_bytes()].concat();
        let object = [
            vec![0xa3],
            text("fmt"),
            text("none"),
            text("attStmt"),
            vec![0xa0],
            text("authData"),
            head(2, data.len()),
            data,
        ]
        .concat();
        self.answer(&json!({
            "clientDataJSON": base64url(&self.client("webauthn.create", challenge)),
            "attestationObject": base64url(&object),
        }))
    }

    /// An `AuthenticationResponseJSON`.
    pub(crate) fn assert(&mut self, challenge: &[u8]) -> Value {
        self.counter += u32::from(self.counter > 0);
        let (data, client) = (self.data(0), self.client("webauthn.get", challenge));
        let signature = self.key.sign_raw(&[&data[..], sha256(&client).as_bytes()].concat()).unwrap();
        self.answer(&json!({
            "clientDataJSON": base64url(&client),
            "authenticatorData": base64url(&data),
            "signature": base64url(&der(&signature)),
            "userHandle": base64url(&self.user),
        }))
    }

    fn answer(&self, response: &Value) -> Value {
        let id = base64url(&self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {},
        })
    }

    fn client(&self, kind: &str, challenge: &[u8]) -> Vec<u8> {
        let client = json!({
            "type": kind, "challenge": base64url(challenge), "origin": self.origin, "crossOrigin": false,
        });
        client.to_string().into_bytes()
    }

    /// Authenticator data up to the counter.
    fn data(&self, more: u8) -> Vec<u8> {
        let flags = PRESENT | if self.verifies { VERIFIED } else { 0 } | more;
        [&sha256(self.rp.as_bytes()).as_bytes()[..], &[flags], &self.counter.to_be_bytes()].concat()
    }
}

/// Head of a CBOR item below 65,536.
fn head(major: u8, count: usize) -> Vec<u8> {
    let count = u16::try_from(count).unwrap();
    match u8::try_from(count) {
        Ok(small) if small < 24 => vec![major << 5 | small],
        Ok(byte) => vec![major << 5 | 24, byte],
        Err(_) => [&[major << 5 | 25][..], &count.to_be_bytes()].concat(),
    }
}

/// `r ‖ s` as DER.
fn der(signature: &[u8; 64]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let start = half.iter().position(|byte| *byte != 0).unwrap();
        let digits = half.get(start..).unwrap();
        let pad: &[u8] = if digits.first().unwrap() & 0x80 != 0 { &[0] } else { &[] };
        let length = u8::try_from(pad.len() + digits.len()).unwrap();
        [&[2, length][..], pad, digits].concat()
    };
    let (r, s) = signature.split_at(32);
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat()
}
