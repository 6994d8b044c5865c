//! Assertions: what a credential signs at a log-in, and everything that is none, by an authenticator of our own making.

use super::forged::{auth_head, bytes, map, text};
use crate::forge::{asn1_signature, key, spki};
use glacis_attest::webauthn::{AssertionAsked, AssertionClaims, StoredCredential, check_assertion};
use glacis_attest::{AttestError, Code, Site};
use glacis_seal::text::base64url;
use glacis_seal::{SigningKey, sha256};
use serde_json::{Value, json};

const ID: &[u8] = b"credential";
const USER: &[u8] = b"user-7";
const CHALLENGE: &[u8] = b"sixteen bytes or more";
const ORIGIN: &str = "https://site.test";
/// Present and verified.
const FLAGS: u8 = 0x05;

/// An assertion before it is signed.
#[derive(Clone)]
struct Draft {
    client: Value,
    auth: Vec<u8>,
    signer: u8,
    /// Members of the answer that are put in at the end.
    members: Vec<(&'static str, Value)>,
}

fn draft() -> Draft {
    let client = json!({"type": "webauthn.get", "challenge": base64url(CHALLENGE), "origin": ORIGIN});
    Draft { client, auth: auth_head("site.test", FLAGS, 8), signer: 5, members: Vec::new() }
}

impl Draft {
    fn with(mut self, name: &str, value: Value) -> Self {
        self.client[name] = value;
        self
    }

    fn auth(self, auth: Vec<u8>) -> Self {
        Self { auth, ..self }
    }

    fn answer(mut self, name: &'static str, value: Value) -> Self {
        self.members.push((name, value));
        self
    }

    fn signed(&self) -> Value {
        let client = self.client.to_string().into_bytes();
        let message = [&self.auth[..], sha256(&client).as_bytes()].concat();
        let signer: SigningKey = key(self.signer);
        let signature = asn1_signature(&signer.sign_raw(&message).unwrap());
        let id = base64url(ID);
        let mut assertion = json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "response": {
                "authenticatorData": base64url(&self.auth),
                "clientDataJSON": base64url(&client),
                "signature": base64url(&signature),
                "userHandle": base64url(USER),
            },
            "clientExtensionResults": {},
        });
        for (name, value) in &self.members {
            match assertion.get(*name) {
                Some(_) => assertion[*name] = value.clone(),
                None => assertion["response"][*name] = value.clone(),
            }
        }
        assertion
    }
}

/// What is stored and asked; the rest is strict.
#[derive(Clone)]
struct Known {
    key: Vec<u8>,
    algorithm: i64,
    counter: u32,
    backup_eligible: bool,
    user: Option<&'static [u8]>,
    site: Site,
    challenge: &'static [u8],
    user_verification: bool,
}

fn known() -> Known {
    Known {
        key: spki(&key(5)),
        algorithm: -7,
        counter: 7,
        backup_eligible: false,
        user: Some(USER),
        site: Site { id: "site.test".to_owned(), origins: vec![ORIGIN.to_owned()] },
        challenge: CHALLENGE,
        user_verification: true,
    }
}

impl Known {
    fn check_bytes(&self, assertion: &[u8]) -> Result<AssertionClaims, AttestError> {
        let stored = StoredCredential {
            id: ID,
            key: &self.key,
            algorithm: self.algorithm,
            counter: self.counter,
            backup_eligible: self.backup_eligible,
            user: self.user,
        };
        let asked = AssertionAsked {
            site: &self.site,
            challenge: self.challenge,
            user_verification: self.user_verification,
        };
        check_assertion(assertion, &stored, &asked)
    }

    fn check(&self, draft: &Draft) -> Result<AssertionClaims, Code> {
        self.check_bytes(draft.signed().to_string().as_bytes()).map_err(|error| error.code())
    }

    fn refusal(&self, draft: &Draft) -> Code {
        self.check(draft).unwrap_err()
    }
}

#[test]
fn a_log_in_is_of_one_credential_user_site_page_and_challenge() {
    let claims =
        AssertionClaims { counter: 8, user_verified: true, backed_up: false, origin: ORIGIN.to_owned() };
    assert_eq!(known().check(&draft()), Ok(claims));
    let no_user = draft().answer("userHandle", Value::Null);
    assert!(known().check(&no_user).is_ok(), "a credential that is not discoverable names no user");
    assert!(Known { user: None, ..known() }.check(&draft()).is_ok());
    let b64 = |bytes: &[u8]| json!(base64url(bytes));
    for (what, draft, want) in [
        ("another user", draft().answer("userHandle", b64(b"user-8")), Code::Binding),
        ("another credential", draft().answer("id", b64(b"x")).answer("rawId", b64(b"x")), Code::Binding),
        ("two ids", draft().answer("id", b64(b"x")), Code::Malformed),
        ("another kind", draft().answer("type", json!("password")), Code::Malformed),
        ("a registration", draft().with("type", json!("webauthn.create")), Code::Ceremony),
        ("a payment", draft().with("type", json!("payment.get")), Code::Ceremony),
        ("a frame", draft().with("crossOrigin", json!(true)), Code::Ceremony),
        ("a frame of a page", draft().with("topOrigin", json!("https://evil.test")), Code::Ceremony),
        ("another challenge", draft().with("challenge", b64(b"of yesterday")), Code::Challenge),
        ("a part of the challenge", draft().with("challenge", b64(&CHALLENGE[..8])), Code::Challenge),
        ("a phishing page", draft().with("origin", json!("https://site.test.evil.test")), Code::Origin),
        ("without TLS", draft().with("origin", json!("http://site.test")), Code::Origin),
        ("another port", draft().with("origin", json!("https://site.test:444")), Code::Origin),
        ("another site", draft().auth(auth_head("evil.test", FLAGS, 8)), Code::App),
        ("nobody there", draft().auth(auth_head("site.test", 0x04, 8)), Code::UserPresence),
        ("not verified", draft().auth(auth_head("site.test", 0x01, 8)), Code::UserVerification),
        ("a backup of none", draft().auth(auth_head("site.test", FLAGS | 0x10, 8)), Code::Malformed),
        ("a synced key now", draft().auth(auth_head("site.test", FLAGS | 0x08, 8)), Code::Binding),
        ("data of another key", Draft { signer: 6, ..draft() }, Code::Signature),
    ] {
        assert_eq!(known().refusal(&draft), want, "{what}");
    }
    let unverified = draft().auth(auth_head("site.test", 0x01, 8));
    let lax = Known { user_verification: false, ..known() };
    assert!(!lax.check(&unverified).unwrap().user_verified);
    let synced = Known { backup_eligible: true, ..known() };
    assert!(synced.check(&draft().auth(auth_head("site.test", FLAGS | 0x18, 8))).unwrap().backed_up);
    assert_eq!(synced.refusal(&draft()), Code::Binding, "eligible once and not any more");
}

#[test]
fn a_counter_only_grows_where_there_is_one() {
    let counted = |stored, sent| {
        let known = Known { counter: stored, ..known() };
        known.check(&draft().auth(auth_head("site.test", FLAGS, sent))).map(|claims| claims.counter)
    };
    for (stored, sent, want) in [
        (0, 0, Ok(0)),
        (0, 1, Ok(1)),
        (7, 8, Ok(8)),
        (7, u32::MAX, Ok(u32::MAX)),
        (7, 7, Err(Code::Counter)),
        (7, 6, Err(Code::Counter)),
        (7, 0, Err(Code::Counter)),
        (u32::MAX, u32::MAX, Err(Code::Counter)),
    ] {
        assert_eq!(counted(stored, sent), want, "{stored} {sent}");
    }
}

/// A signature is judged by what was stored and by nothing that arrives.
#[test]
fn the_algorithm_is_the_stored_one_and_fits_its_key() {
    for (algorithm, want) in [
        (-8, Code::Algorithm),
        (-35, Code::Algorithm),
        (-257, Code::Algorithm),
        (-65_535, Code::Algorithm),
        (5, Code::Algorithm),
        (0, Code::Algorithm),
    ] {
        assert_eq!(Known { algorithm, ..known() }.refusal(&draft()), want, "{algorithm}");
    }
    let other = Known { key: spki(&key(6)), ..known() };
    assert_eq!(other.refusal(&draft()), Code::Signature);
    let broken = Known { key: vec![1, 2, 3], ..known() };
    assert_eq!(broken.refusal(&draft()), Code::Malformed);
}

#[test]
fn authenticator_data_of_an_assertion_has_no_credential_and_nothing_left_over() {
    let head = |flags| auth_head("site.test", flags, 8);
    let credential = [head(FLAGS | 0x40), vec![9; 16], vec![0, 1, 7], map(&[])].concat();
    let extensions = map(&[(text("credProtect"), vec![2])]);
    for (what, auth, want) in [
        ("a credential", credential, Err(Code::Malformed)),
        ("more bytes", [head(FLAGS), vec![0]].concat(), Err(Code::Malformed)),
        ("extensions that are not there", head(FLAGS | 0x80), Err(Code::Malformed)),
        ("no map", [head(FLAGS | 0x80), bytes(b"x")].concat(), Err(Code::Malformed)),
        ("extensions", [head(FLAGS | 0x80), extensions].concat(), Ok(8)),
        ("too short", head(FLAGS)[..36].to_vec(), Err(Code::Malformed)),
        ("empty", Vec::new(), Err(Code::Malformed)),
    ] {
        let outcome = known().check(&draft().auth(auth)).map(|claims| claims.counter);
        assert_eq!(outcome, want, "{what}");
    }
}

#[test]
fn no_cut_or_changed_assertion_logs_in() {
    let good = draft().signed().to_string().into_bytes();
    let claims = known().check_bytes(&good).unwrap();
    for len in 0..good.len() {
        assert!(known().check_bytes(&good[..len]).is_err(), "cut to {len}");
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut flipped = good.clone();
            flipped[at] ^= 1 << bit;
            // What passes names a member that nobody reads otherwise, and says the same.
            if let Ok(passed) = known().check_bytes(&flipped) {
                assert_eq!(passed, claims, "{at}.{bit}");
                let same =
                    serde_json::from_slice::<Value>(&flipped).unwrap()["response"]["signature"].clone();
                assert_eq!(same, serde_json::from_slice::<Value>(&good).unwrap()["response"]["signature"]);
            }
        }
    }
    let good = String::from_utf8(good).unwrap();
    let twice = good.replacen("\"signature\":", "\"signature\":\"AA\",\"signature\":", 1);
    let padded = good.replacen("\"type\"", &format!("\"pad\":\"{}\",\"type\"", "x".repeat(16 << 10)), 1);
    let nested = "[".repeat(10_000);
    for (what, body, want) in [
        ("a member twice", twice, Code::Malformed),
        ("too long", padded, Code::TooLarge),
        ("deep", nested, Code::Malformed),
        ("empty", String::new(), Code::Malformed),
        ("null", "null".to_owned(), Code::Malformed),
    ] {
        assert_eq!(known().check_bytes(body.as_bytes()).unwrap_err().code(), want, "{what}");
    }
}

/// Two members of one name in the client data, which the signature covers: a page's script could read one and we another.
#[test]
fn client_data_with_a_member_twice_is_refused() {
    let client = format!(
        "{{\"type\":\"webauthn.get\",\"challenge\":\"{}\",\"origin\":\"https://evil.test\",\"origin\":\"{ORIGIN}\"}}",
        base64url(CHALLENGE)
    );
    let auth = auth_head("site.test", FLAGS, 8);
    let message = [&auth[..], sha256(client.as_bytes()).as_bytes()].concat();
    let signature = asn1_signature(&key(5).sign_raw(&message).unwrap());
    let mut assertion = draft().signed();
    assertion["response"]["clientDataJSON"] = json!(base64url(client.as_bytes()));
    assertion["response"]["signature"] = json!(base64url(&signature));
    let refused = known().check_bytes(assertion.to_string().as_bytes()).unwrap_err();
    assert_eq!(refused.code(), Code::Malformed);
}
