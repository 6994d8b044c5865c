//! Attestation results and reference values: tokens, claims in both serialisations, manifests and their neighbours.
//!
//! Invariants: nothing panics; a token that is accepted is the one that was signed under the one key, for the one
//! audience; what is read is written and read again as the same; a document of reference values has one form.

use crate::evidence::signer;
use glacis_attest::Status;
use glacis_attest::corim;
use glacis_attest::ear::{
    Detail, Ear, Expected, Form, Found, PROFILE, Submod, VerifierId, VerifyKey, verify_cwt, verify_jwt,
};
use glacis_seal::SigningKey;
use glacis_wire::Timestamp;
use glacis_wire::message::enrol::TrustVector;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const AUDIENCE: &str = "glacis/ear/v1/fuzz/production";

/// Checks one result: 0 a JWT, 1 a CWT, 2 claims in JSON, 3 claims in CBOR.
pub fn ear(data: &[u8]) {
    let _ = accepts_ear(data);
}

/// Checks one document of reference values.
pub fn corim(data: &[u8]) {
    let _ = accepts_corim(data);
}

/// The same, and whether it is accepted.
pub(crate) fn accepts_ear(data: &[u8]) -> bool {
    let (Some((kind, body)), Some(key)) = (data.split_first(), signer(3)) else { return false };
    let keys = [VerifyKey::ours(key.public())];
    let expected = Expected { audience: Some(AUDIENCE), nonce: None, now: NOW };
    let outcome = match kind {
        0 => verify_jwt(&String::from_utf8_lossy(body), &keys, &expected),
        1 => verify_cwt(body, &keys, &expected),
        2 => Ear::from_bytes(body, Form::Json),
        _ => Ear::from_bytes(body, Form::Cbor),
    };
    let Ok(ear) = outcome else { return false };
    if *kind < 2 {
        assert_eq!(ear, result(), "nobody signed this");
    }
    let form = if kind % 2 == 0 { Form::Json } else { Form::Cbor };
    let Ok(again) = ear.to_bytes(form) else { panic!("what was read cannot be written") };
    assert_eq!(Ear::from_bytes(&again, form).as_ref(), Ok(&ear), "written as something else");
    true
}

/// The same, and whether it is accepted.
pub(crate) fn accepts_corim(data: &[u8]) -> bool {
    let _ = corim::read_template(data);
    let found = corim::read(data);
    if let (Ok(corim::Document::Signed(signed)), Some(key)) = (&found, signer(4)) {
        assert!(signed.verify(&key.public()).is_err(), "nobody signed this");
    }
    if found.is_ok() {
        assert_eq!(corim::reencode(data).as_deref(), Ok(data), "two forms of one document");
    }
    found.is_ok()
}

/// The one result that is signed.
fn result() -> Ear {
    let reasons = vec![Found { code: "unlocked".into(), detail: "x".into() }];
    let detail = Detail {
        family: "android-key".into(),
        tier: None,
        trust: None,
        reasons,
        relaxed: vec![],
        verified_at: NOW,
        not_after: Some(NOW),
        anchor: None,
        collateral: vec![],
        claims: Some(Default::default()),
    };
    let submod = Submod {
        status: Status::Warning,
        vector: Some(TrustVector { hardware: 32, ..TrustVector::default() }),
        policy: Some("policy".into()),
        detail: Some(detail),
        unknown: vec![],
    };
    Ear {
        issued_at: NOW,
        not_before: None,
        expires: None,
        issuer: None,
        audience: Some(AUDIENCE.into()),
        verifier: VerifierId { developer: "d".into(), build: "b".into() },
        nonce: Some(vec![7; 8]),
        raw_evidence: None,
        submods: vec![("android-key".into(), submod)],
        unknown: vec![],
    }
}

/// Seeds: target, name, bytes.
pub(crate) fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let with = |kind: u8, bytes: Vec<u8>| [vec![kind], bytes].concat();
    let signed = |key: SigningKey| {
        let (jwt, cwt) = (result().to_jwt(&key).ok()?, result().to_cwt(&key).ok()?);
        Some([("jwt", with(0, jwt.into_bytes())), ("cwt", with(1, cwt))])
    };
    let mut all: Vec<_> = signer(3).and_then(signed).into_iter().flatten().collect();
    let claims = [("json", 2, Form::Json), ("cbor", 3, Form::Cbor)];
    all.extend(
        claims
            .into_iter()
            .filter_map(|(name, kind, form)| Some((name, with(kind, result().to_bytes(form).ok()?)))),
    );
    let least = format!(
        r#"{{"eat_profile":"{PROFILE}","iat":1,"ear.verifier-id":{{"developer":"","build":""}},"submods":{{"a":{{"ear.status":"none"}}}}}}"#
    );
    all.push(("least", with(2, least.into_bytes())));
    let ears = all.into_iter().map(|(name, bytes)| ("ear", name, bytes));
    let corims = CORIMS.iter().map(|(name, bytes)| ("corim", *name, bytes.to_vec()));
    ears.chain(corims).collect()
}

/// Small documents of each kind, encoded by hand: a module with a digest, that module in a manifest, the manifest
/// signed, signed with no protected header, evidence, a query.
const CORIMS: &[(&str, &[u8])] = &[
    ("comid", COMID),
    ("corim", b"\xd9\x01\xf5\xa2\x00\x61\x69\x01\x81\xd9\x01\xfa\x58\x1b\xa2\x01\xa1\x00\x61\x61\x04\xa1\x00\x81\x82\xa1\x00\xa1\x01\x61\x76\x81\xa1\x01\xa1\x02\x81\x82\x01\x41\x00"),
    ("signed", b"\xd2\x84\x43\xa1\x01\x26\xa0\x49\xd9\x01\xf5\xa2\x00\x61\x69\x01\x80\x41\x00"),
    ("unprotected", b"\xd2\x84\x40\xa0\x49\xd9\x01\xf5\xa2\x00\x61\x69\x01\x80\x41\x00"),
    ("evidence", b"\xd9\x02\x3b\xa1\x00\xa1\x00\x81\x82\xa1\x00\xa1\x01\x61v\x81\xa1\x01\xa1\x01\xd9\x02\x28\x01"),
    ("query", b"\xa2\x00\x61p\x01\xa3\x00\x02\x01\xa1\x01\x81\x81\xd9\x02\x30\x41\x07\x02\x00"),
];
const COMID: &[u8] =
    b"\xa2\x01\xa1\x00\x61a\x04\xa1\x00\x81\x82\xa1\x00\xa1\x01\x61v\x81\xa1\x01\xa1\x02\x81\x82\x01\x41\x00";

#[cfg(test)]
mod tests {
    /// A seed that is refused at once would teach the fuzzer nothing.
    #[test]
    fn seeds_are_accepted() {
        let seeds = super::seeds();
        assert_eq!(seeds.len(), 11);
        for (target, name, bytes) in seeds {
            let accepted =
                if target == "ear" { super::accepts_ear(&bytes) } else { super::accepts_corim(&bytes) };
            assert!(accepted, "{target}/{name}");
        }
    }
}
