//! Registrations of our own making: formats that the corpus lacks, and statements that are wrong in one thing each.

use super::register;
use crate::android::{Ask, line, secs};
use crate::forge::{
    Draft, asn1_signature, context, enumerated, int, key, name, octets, oid, seq, set, spki, tlv,
};
use glacis_attest::{References, Roots, Site};
use glacis_seal::text::base64url;
use glacis_seal::{SigningKey, sha256};
use glacis_wire::Tier;
use serde_json::{Value, json};

const ID: &[u8] = b"credential";

/// CBOR, as much as attestation objects need.
fn head(major: u8, length: usize) -> Vec<u8> {
    let major = major << 5;
    match length {
        0..=23 => vec![major | u8::try_from(length).unwrap()],
        24..=255 => vec![major | 24, u8::try_from(length).unwrap()],
        _ => [&[major | 25][..], &u16::try_from(length).unwrap().to_be_bytes()].concat(),
    }
}

pub(super) fn text(value: &str) -> Vec<u8> {
    [head(3, value.len()), value.as_bytes().to_vec()].concat()
}

pub(super) fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, value.len()), value.to_vec()].concat()
}

pub(super) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let body = entries.iter().flat_map(|(name, value)| [name.clone(), value.clone()].concat());
    head(5, entries.len()).into_iter().chain(body).collect()
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len()), items.concat()].concat()
}

const ES256: &[u8] = &[0x26];

fn cose(key: &SigningKey) -> Vec<u8> {
    let point = key.public().0;
    map(&[
        (vec![1], vec![2]),
        (vec![3], ES256.to_vec()),
        (vec![0x20], vec![1]),
        (vec![0x21], bytes(&point[1..33])),
        (vec![0x22], bytes(&point[33..])),
    ])
}

/// The head of authenticator data, which is all of it in an assertion.
pub(super) fn auth_head(site: &str, flags: u8, counter: u32) -> Vec<u8> {
    [sha256(site.as_bytes()).as_bytes().to_vec(), vec![flags], counter.to_be_bytes().to_vec()].concat()
}

fn auth_data(flags: u8, credential: &SigningKey) -> Vec<u8> {
    let parts = [auth_head("site.test", flags, 1), vec![9; 16], vec![0, 10]];
    [parts.concat(), ID.to_vec(), cose(credential)].concat()
}

fn client_data() -> Vec<u8> {
    let challenge = base64url(b"challenge");
    json!({"type": "webauthn.create", "challenge": challenge, "origin": "https://site.test"})
        .to_string()
        .into_bytes()
}

fn credential(format: &str, statement: Vec<u8>, auth_data: &[u8]) -> Value {
    let object = map(&[
        (text("fmt"), text(format)),
        (text("attStmt"), statement),
        (text("authData"), bytes(auth_data)),
    ]);
    let response =
        json!({"attestationObject": base64url(&object), "clientDataJSON": base64url(&client_data())});
    let id = base64url(ID);
    json!({"id": id, "rawId": id, "type": "public-key", "response": response})
}

fn signature(signer: &SigningKey, auth_data: &[u8]) -> Vec<u8> {
    let message = [auth_data, sha256(&client_data()).as_bytes()].concat();
    asn1_signature(&signer.sign_raw(&message).unwrap())
}

fn ask() -> Ask {
    let mut ask = Ask::new(b"challenge", secs("2026-01-01T00:00Z"));
    let site = Site { id: "site.test".to_owned(), origins: vec!["https://site.test".to_owned()] };
    ask.references = References { sites: vec![site], ..References::default() };
    ask.anchors.roots =
        Roots { android: vec![spki(&key(1))], authenticators: vec![spki(&key(1))], ..Roots::default() };
    ask
}

const USED: u8 = 0x41;

fn packed(signer: &SigningKey, chain: Option<Vec<Vec<u8>>>, auth_data: &[u8]) -> Vec<u8> {
    let mut members =
        vec![(text("alg"), ES256.to_vec()), (text("sig"), bytes(&signature(signer, auth_data)))];
    members.extend(
        chain.map(|chain| (text("x5c"), list(&chain.iter().map(|cert| bytes(cert)).collect::<Vec<_>>()))),
    );
    map(&members)
}

#[test]
fn a_statement_by_the_credential_itself_vouches_for_nothing() {
    let auth = auth_data(USED, &key(5));
    let own = credential("packed", packed(&key(5), None, &auth), &auth);
    assert_eq!(line(&register(&ask(), &own)), "none, software: self-attestation");
    let other = credential("packed", packed(&key(6), None, &auth), &auth);
    assert_eq!(line(&register(&ask(), &other)), "refused: signature");
}

fn authenticator(unit: &str) -> Draft {
    let part = |attribute: &str, text: &str| set(&[seq(&[oid(attribute), tlv(&[12], text.as_bytes())])]);
    let subject =
        [part("2.5.4.6", "SE"), part("2.5.4.10", "Maker"), part("2.5.4.11", unit), part("2.5.4.3", "Key")];
    Draft { subject: seq(&subject), ..Draft::new("", "root") }
}

#[test]
fn packed_certificates_are_of_an_authenticator_and_of_its_model() {
    let auth = auth_data(USED, &key(5));
    let check = |draft: &Draft| {
        let chain = vec![draft.sign(&key(2), &key(1))];
        line(&register(&ask(), &credential("packed", packed(&key(2), Some(chain), &auth), &auth)))
    };
    let good = authenticator("Authenticator Attestation");
    assert_eq!(check(&good), "affirming, hardware:");
    assert_eq!(check(&authenticator("Something")), "refused: purpose");
    assert_eq!(check(&good.clone().ca(None)), "refused: purpose");
    let model = |bytes: &[u8]| good.clone().with("1.3.6.1.4.1.45724.1.1.4", false, octets(bytes));
    assert_eq!(check(&model(&[9; 16])), "affirming, hardware:");
    assert_eq!(check(&model(&[8; 16])), "refused: binding");
    assert_eq!(check(&model(&[9; 15])), "refused: binding");
}

#[test]
fn presence_and_flags_count() {
    let check = |flags| {
        let auth = auth_data(flags, &key(5));
        line(&register(&ask(), &credential("none", map(&[]), &auth)))
    };
    assert_eq!(check(0x41), "none, software: no-attestation");
    assert_eq!(check(0x40), "refused: user-presence");
    assert_eq!(check(0x51), "refused: malformed", "backed up without being eligible");
    assert_eq!(check(0x59), "none, software: no-attestation");
    assert_eq!(check(0xc1), "refused: malformed", "extensions that are not there");
    assert_eq!(check(0x01), "refused: malformed", "no credential");
}

#[test]
fn no_statement_means_no_member_and_unknown_formats_are_refused_by_name() {
    let auth = auth_data(USED, &key(5));
    let filled = credential("none", map(&[(text("sig"), bytes(b""))]), &auth);
    assert_eq!(line(&register(&ask(), &filled)), "refused: malformed");
    let unknown = register(&ask(), &credential("compound", map(&[]), &auth)).unwrap_err();
    assert_eq!((unknown.code().name(), unknown.detail()), ("format", "compound"));
    let mut renamed = credential("none", map(&[]), &auth);
    renamed["id"] = json!(base64url(b"other"));
    assert_eq!(line(&register(&ask(), &renamed)), "refused: malformed");
    renamed["rawId"] = renamed["id"].clone();
    assert_eq!(line(&register(&ask(), &renamed)), "refused: binding");
}

/// A statement of Android's secure hardware for `challenge`.
fn description(challenge: &[u8], software: &[Vec<u8>], purpose: u64) -> Vec<u8> {
    let root = seq(&[octets(&[9; 32]), tlv(&[1], &[0xff]), enumerated(0), octets(&[8; 32])]);
    let hardware = [context(1, &set(&[int(purpose)])), context(702, &int(0)), context(704, &root)];
    seq(&[
        int(400),
        enumerated(1),
        int(400),
        enumerated(1),
        octets(challenge),
        octets(b""),
        seq(software),
        seq(&hardware),
    ])
}

#[test]
fn android_statements_are_about_the_registration_the_key_and_one_app() {
    let auth = auth_data(USED, &key(5));
    let hash = *sha256(&client_data()).as_bytes();
    let check = |description: Vec<u8>, attested: &SigningKey, signer: &SigningKey| {
        let leaf = Draft { issuer: name("2.5.4.3", "issuer"), ..Draft::new("leaf", "issuer") }
            .with("1.3.6.1.4.1.11129.2.1.17", false, description)
            .sign(attested, &key(2));
        let issuer = Draft::new("issuer", "root").ca(None).sign(&key(2), &key(1));
        let statement = packed(signer, Some(vec![leaf, issuer]), &auth);
        register(&ask(), &credential("android-key", statement, &auth))
    };
    let good = check(description(&hash, &[], 2), &key(5), &key(5));
    assert_eq!(line(&good), "affirming, hardware:");
    assert_eq!(good.unwrap().tier, Tier::Hardware);
    assert_eq!(line(&check(description(&[0; 32], &[], 2), &key(5), &key(5))), "refused: binding");
    assert_eq!(line(&check(description(&hash, &[], 2), &key(6), &key(6))), "refused: binding");
    assert_eq!(line(&check(description(&hash, &[], 2), &key(5), &key(6))), "refused: signature");
    assert_eq!(line(&check(description(&hash, &[], 3), &key(5), &key(5))), "refused: purpose");
    let everybody = [context(600, &tlv(&[5], &[]))];
    assert_eq!(line(&check(description(&hash, &everybody, 2), &key(5), &key(5))), "refused: purpose");
}
