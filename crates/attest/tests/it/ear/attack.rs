//! Forged, replayed, bent, cut and swollen results.

use super::*;

fn jwt_code(token: &str) -> &'static str {
    let audience = audience();
    verify_jwt(token, &keys(), &expected(&audience)).map_or_else(|refused| refused.code().name(), |_| "taken")
}

fn cwt_code(token: &[u8]) -> &'static str {
    let audience = audience();
    verify_cwt(token, &keys(), &expected(&audience)).map_or_else(|refused| refused.code().name(), |_| "taken")
}

fn claims() -> Value {
    serde_json::from_slice(&refusal().to_bytes(Form::Json).unwrap()).unwrap()
}

fn header() -> Value {
    json!({"alg": "ES256", "typ": "eat+jwt", "kid": signer("result").key_id().to_string()})
}

/// Signed by our key, whatever it says.
fn signed(header: &Value, payload: &str) -> String {
    jws::sign_es256(&signer("result"), header.to_string().as_bytes(), payload.as_bytes()).unwrap()
}

#[test]
fn a_token_chooses_neither_its_algorithm_nor_its_key() {
    let payload = claims().to_string();
    let with = |name: &str, value: Value| {
        let mut changed = header();
        changed[name] = value;
        jwt_code(&signed(&changed, &payload))
    };
    assert_eq!(jwt_code(&signed(&header(), &payload)), "taken");
    for alg in ["none", "None", "HS256", "RS256", "ES384", "es256", ""] {
        assert_eq!(with("alg", json!(alg)), "result-algorithm", "{alg}");
    }
    assert_eq!(with("alg", json!(null)), "result-type");
    assert_eq!(with("kid", json!("0".repeat(32))), "result-key");
    assert_eq!(with("kid", json!(7)), "result-type");
    assert_eq!(with("typ", json!("at+jwt")), "result-type");
    for typ in ["JWT", "application/eat+jwt", "EAT+JWT"] {
        assert_eq!(with("typ", json!(typ)), "taken", "{typ}");
    }
    assert_eq!(with("crit", json!(["x"])), "result-type");
    assert_eq!(with("b64", json!(false)), "result-type");
    assert_eq!(with("jwk", json!({"kty": "oct"})), "taken", "a key in a token is not looked at");
    // The classic: HMAC under the public key, and no signature at all.
    let public = signer("result").public();
    let mac = MacKey::from_shared(&public.0).unwrap();
    let mut hs = header();
    hs["alg"] = json!("HS256");
    let hs = jws::sign_hs256(&mac, hs.to_string().as_bytes(), payload.as_bytes());
    assert_eq!(jwt_code(&hs), "result-algorithm");
    let lying = jws::sign_hs256(&mac, header().to_string().as_bytes(), payload.as_bytes());
    assert_eq!(jwt_code(&lying), "result-signature");
    let mut none = header();
    none["alg"] = json!("none");
    let bare = format!("{}.{}.", base64url(none.to_string().as_bytes()), base64url(payload.as_bytes()));
    assert_eq!(jwt_code(&bare), "result-algorithm");
    let bare = format!("{}.{}.", base64url(header().to_string().as_bytes()), base64url(payload.as_bytes()));
    assert_eq!(jwt_code(&bare), "result-signature");
    let stranger =
        jws::sign_es256(&signer("stranger"), header().to_string().as_bytes(), payload.as_bytes()).unwrap();
    assert_eq!(jwt_code(&stranger), "result-signature", "a stranger under our name");
    assert_eq!(jwt_code(&refusal().to_jwt(&signer("stranger")).unwrap()), "result-key");
    // A header twice says two things.
    let twice = format!(r#"{{"alg":"ES256","alg":"ES256","kid":"{}"}}"#, signer("result").key_id());
    let twice = jws::sign_es256(&signer("result"), twice.as_bytes(), payload.as_bytes()).unwrap();
    assert_eq!(jwt_code(&twice), "result-type");
}

#[test]
fn without_a_name_there_is_one_key_or_none() {
    let audience = audience();
    let token =
        jws::sign_es256(&signer("result"), br#"{"alg":"ES256"}"#, claims().to_string().as_bytes()).unwrap();
    let both = [keys(), vec![VerifyKey::ours(signer("other").public())]].concat();
    assert!(verify_jwt(&token, &keys(), &expected(&audience)).is_ok());
    let refused = verify_jwt(&token, &both, &expected(&audience)).unwrap_err();
    assert_eq!(refused.code(), Code::ResultKey);
    assert!(verify_jwt(&refusal().to_jwt(&signer("result")).unwrap(), &both, &expected(&audience)).is_ok());
    let none = verify_jwt(&token, &[], &expected(&audience)).unwrap_err();
    assert_eq!(none.code(), Code::ResultKey);
}

#[test]
fn a_result_is_for_one_audience_one_question_and_its_time() {
    let (key, audience) = (signer("result"), audience());
    let ear = refusal();
    let (jwt, cwt) = (ear.to_jwt(&key).unwrap(), ear.to_cwt(&key).unwrap());
    let check = |expected: &Expected<'_>| {
        let outcomes = [verify_jwt(&jwt, &keys(), expected), verify_cwt(&cwt, &keys(), expected)];
        let [one, other] =
            outcomes.map(|outcome| outcome.map_or_else(|refused| refused.code().name(), |_| "taken"));
        assert_eq!(one, other);
        one
    };
    let good = expected(&audience);
    assert_eq!(check(&good), "taken");
    assert_eq!(check(&Expected { nonce: None, ..good }), "taken");
    for context in [context("acme", Realm::Production), context("acm", Realm::Demo)] {
        let other = context.audience(Purpose::Ear);
        assert_eq!(check(&Expected { audience: Some(&other), ..good }), "result-audience");
    }
    assert_eq!(check(&Expected { audience: None, ..good }), "result-audience", "addressed to somebody else");
    assert_eq!(check(&Expected { nonce: Some(b"another nonce"), ..good }), "result-nonce");
    let at = |now: Timestamp| Expected { now, ..good };
    let (end, second) = (ear.expires.unwrap(), Duration::from_secs(1));
    assert_eq!(check(&at(end.before(second))), "taken");
    assert_eq!(check(&at(end)), "result-expired");
    assert_eq!(check(&at(Timestamp::from_ms(u64::MAX))), "result-expired");
    assert_eq!(check(&at(NOW.before(Duration::from_secs(60)))), "taken", "clocks differ");
    assert_eq!(check(&at(NOW.before(Duration::from_secs(61)))), "result-not-yet-valid");
    let later = Ear { not_before: Some(NOW.after(Duration::from_secs(90))), ..ear.clone() };
    let refused = verify_jwt(&later.to_jwt(&key).unwrap(), &keys(), &good).unwrap_err();
    assert_eq!(refused.code(), Code::ResultNotYetValid);
    let open = Ear { audience: None, nonce: None, ..ear };
    let refused = verify_jwt(&open.to_jwt(&key).unwrap(), &keys(), &good).unwrap_err();
    assert_eq!(refused.code(), Code::ResultAudience, "addressed to nobody");
    let refused = verify_jwt(&open.to_jwt(&key).unwrap(), &keys(), &Expected { audience: None, ..good });
    assert_eq!(refused.unwrap_err().code(), Code::ResultNonce, "nothing is echoed");
}

#[test]
fn claims_that_are_bent_or_contradict_each_other_are_refused() {
    let family = "no-family";
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = claims();
        change(&mut changed);
        jwt_code(&signed(&header(), &changed.to_string()))
    };
    let top = |name: &'static str, value: Value| with(&move |claims| claims[name] = value.clone());
    let sub = |name: &'static str, value: Value| {
        with(&move |claims| claims["submods"][family][name] = value.clone())
    };
    assert_eq!(top("more", json!({"kept": [1, 2.5, null]})), "taken", "an unknown claim is kept");
    assert_eq!(top("eat_profile", json!("tag:ietf.org,2026:rats/ear#04")), "result-profile");
    assert_eq!(top("eat_profile", json!(1)), "result-malformed");
    for (name, value) in [
        ("iat", json!(1000.0)),
        ("iat", json!("1000")),
        ("iat", json!(-1)),
        ("iat", json!(u64::MAX)),
        ("exp", json!(1e9)),
        ("aud", json!(["glacis/ear/v1/acme/demo"])),
        ("eat_nonce", json!("AAA")),
        ("eat_nonce", json!(["AAAAAAAAAAA", "AAAAAAAAAAA"])),
        ("eat_nonce", json!("no base64!!!")),
        ("ear.verifier-id", json!({"developer": "x"})),
        ("ear.verifier-id", json!({"developer": "x", "build": "y", "more": 1})),
        ("ear.raw-evidence", json!("+")),
        ("submods", json!({})),
        ("submods", json!([])),
        ("submods", json!({"a": 1})),
    ] {
        assert_eq!(top(name, value.clone()), "result-malformed", "{name} {value}");
    }
    for (name, value) in [
        ("ear.status", json!("good")),
        ("ear.status", json!(3)),
        ("ear.status", json!("affirming")),
        ("ear.status", json!("warning")),
        ("ear.status", json!("none")),
        ("ear.trustworthiness-vector", json!({})),
        ("ear.trustworthiness-vector", json!({"hardware": 128})),
        ("ear.trustworthiness-vector", json!({"hardware": 2.0})),
        ("ear.trustworthiness-vector", json!({"hardware": 2, "ninth": 2})),
        ("urn:glacis:attest:appraisal", json!({"family": "x"})),
        ("urn:glacis:attest:appraisal", json!({"family": "x", "verified_at_ms": 1, "more": 1})),
        ("urn:glacis:attest:appraisal", json!({"family": "x", "verified_at_ms": 1, "tier": "best"})),
    ] {
        assert_eq!(sub(name, value.clone()), "result-malformed", "{name} {value}");
    }
    assert_eq!(sub("ear.status", json!(96)), "taken", "by number");
    for name in ["eat_profile", "iat", "ear.verifier-id", "submods"] {
        let gone = with(&|claims| drop(claims.as_object_mut().unwrap().remove(name)));
        assert_eq!(gone, "result-malformed", "no {name}");
    }
    // A name twice, and a document with something behind it.
    let text = claims().to_string();
    let twice = text.replacen('{', r#"{"iat":1,"#, 1);
    assert_eq!(jwt_code(&signed(&header(), &twice)), "result-malformed");
    assert_eq!(jwt_code(&signed(&header(), &format!("{text} {{}}"))), "result-malformed");
    assert_eq!(jwt_code(&signed(&header(), "")), "result-malformed");
}

#[test]
fn bombs_end_at_the_limits() {
    let deep = |depth: usize| format!(r#"{{"deep":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let code = |text: &str| Ear::from_bytes(text.as_bytes(), Form::Json).unwrap_err().code();
    for depth in [25, 127, 1_000, 60_000] {
        assert_eq!(code(&deep(depth)), Code::ResultMalformed, "{depth}");
    }
    assert_eq!(code(&format!("[{}1]", "1,".repeat(9_000))), Code::ResultMalformed);
    assert_eq!(code(&" ".repeat(200_000)), Code::ResultTooLarge);
    assert_eq!(jwt_code(&"a".repeat(200_000)), "result-too-large");
    assert_eq!(cwt_code(&vec![0; 200_000]), "result-too-large");
    for bomb in [vec![0x81; 100_000], vec![0xd2; 100_000], vec![0xbb; 100_000]] {
        assert_eq!(cwt_code(&bomb), "result-type");
        let refused = Ear::from_bytes(&bomb, Form::Cbor).unwrap_err();
        assert_eq!(refused.code(), Code::ResultMalformed);
    }
    let mut large = refusal();
    large.raw_evidence = Some(vec![0; 200_000]);
    for form in [Form::Json, Form::Cbor] {
        assert_eq!(large.to_bytes(form).unwrap_err().code(), Code::ResultTooLarge);
    }
    large.raw_evidence = Some(vec![0; 64 << 10]);
    assert!(large.to_jwt(&signer("result")).is_ok(), "the longest evidence fits");
}

/// The parts of a message of ours: protected headers, unprotected, payload, signature.
pub(crate) fn message(protected: &[u8], unprotected: &[u8], payload: &[u8]) -> Vec<u8> {
    let bytes = |bytes: &[u8]| {
        let [high, low] = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        match (high, low) {
            (0, 0..=23) => [&[0x40 | low][..], bytes].concat(),
            (0, _) => [&[0x58, low][..], bytes].concat(),
            _ => [&[0x59, high, low][..], bytes].concat(),
        }
    };
    let signed = [&[0x84, 0x6a][..], b"Signature1", &bytes(protected), &[0x40], &bytes(payload)].concat();
    let signature = signer("result").sign_raw(&signed).unwrap();
    [&[0xd2, 0x84][..], &bytes(protected), unprotected, &bytes(payload), &bytes(&signature)].concat()
}

#[test]
fn messages_of_cose_are_tagged_signed_and_whole() {
    let payload = refusal().to_bytes(Form::Cbor).unwrap();
    let id = *signer("result").key_id().as_bytes();
    let named = |alg: &[u8]| [&[0xa2, 1][..], alg, &[4, 0x50], &id].concat();
    let es256 = named(&[0x26]);
    let good = message(&es256, &[0xa0], &payload);
    assert_eq!(cwt_code(&good), "taken");
    assert_eq!(cwt_code(&[&[0xd8, 61][..], &good].concat()), "taken");
    assert_eq!(cwt_code(&good[1..]), "result-type", "no tag");
    assert_eq!(cwt_code(&[&[0xd1][..], &good[1..]].concat()), "result-type", "tag of a MAC");
    assert_eq!(cwt_code(&[&[0xd8, 61, 0xd8, 61][..], &good].concat()), "result-type");
    assert_eq!(cwt_code(&[&good[..], &[0]].concat()), "result-type");
    // Algorithms: EdDSA, ES384, HMAC, as a text, none, or where nobody signed it.
    for alg in [&[0x27][..], &[0x38, 34], &[0x05], b"\x65ES256", &[0xf6]] {
        assert_eq!(cwt_code(&message(&named(alg), &[0xa0], &payload)), "result-algorithm");
    }
    assert_eq!(cwt_code(&message(&[], &[0xa1, 1, 0x26], &payload)), "result-algorithm");
    assert_eq!(cwt_code(&message(&es256, &[0xa1, 1, 0x26], &payload)), "result-type", "one label in both");
    let foreign = [&[0xa2, 1, 0x26, 4, 0x50][..], &[7; 16]].concat();
    assert_eq!(cwt_code(&message(&foreign, &[0xa0], &payload)), "result-key");
    let outside = [&[0xa1, 4, 0x50][..], &id].concat();
    assert_eq!(cwt_code(&message(&[0xa1, 1, 0x26], &outside, &payload)), "taken", "a name only chooses");
    let critical = [&[0xa3, 1, 0x26, 2, 0x81, 0x18, 99, 4, 0x50][..], &id].concat();
    assert_eq!(cwt_code(&message(&critical, &[0xa0], &payload)), "result-type");
    let typed = |kind: &[u8]| [&[0xa3, 1, 0x26][..], &[4, 0x50], &id, &[16], kind].concat();
    assert_eq!(cwt_code(&message(&typed(b"\x63jwt"), &[0xa0], &payload)), "result-type");
    assert_eq!(cwt_code(&message(&typed(&[0x19, 1, 7]), &[0xa0], &payload)), "taken", "263");
    // A payload that is elsewhere, and one of the other serialisation.
    let mut detached = good.clone();
    let at = good.windows(payload.len()).position(|part| part == payload).unwrap();
    detached.splice(at - 3..at + payload.len(), [0xf6]);
    assert_eq!(cwt_code(&detached), "result-type");
    let json = refusal().to_bytes(Form::Json).unwrap();
    assert_eq!(cwt_code(&message(&es256, &[0xa0], &json)), "result-malformed");
    // A JWT is no CWT and the other way round.
    assert_eq!(cwt_code(refusal().to_jwt(&signer("result")).unwrap().as_bytes()), "result-type");
}

/// What one key signs for one format is nothing in another.
#[test]
fn signatures_of_other_formats_do_not_pass() {
    let key = signer("result");
    let token = refusal().to_jwt(&key).unwrap();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let context = context("acme", Realm::Demo);
    for purpose in Purpose::ALL {
        let signature = key.sign(&context, *purpose, signed.as_bytes()).unwrap();
        assert_eq!(
            jwt_code(&format!("{signed}.{}", base64url(&signature))),
            "result-signature",
            "{purpose:?}"
        );
    }
}

#[test]
fn no_cut_and_no_flipped_bit_passes() {
    let key = signer("result");
    let (jwt, cwt) = (refusal().to_jwt(&key).unwrap(), refusal().to_cwt(&key).unwrap());
    assert!(jwt.len() <= 4_096 && cwt.len() <= 4_096);
    for length in 0..jwt.len() {
        assert_ne!(jwt_code(&jwt[..length]), "taken", "cut to {length}");
    }
    for length in 0..cwt.len() {
        assert_ne!(cwt_code(&cwt[..length]), "taken", "cut to {length}");
    }
    for bit in 0..jwt.len() * 8 {
        let mut flipped = jwt.clone().into_bytes();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(flipped) = String::from_utf8(flipped) else { continue };
        assert_ne!(jwt_code(&flipped), "taken", "bit {bit}");
    }
    for bit in 0..cwt.len() * 8 {
        let mut flipped = cwt.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(cwt_code(&flipped), "taken", "bit {bit}");
    }
}

/// Unsigned claims may be changed by anybody; what counts is that nothing panics and that what is read is written as it
/// is read again.
#[test]
fn cut_and_flipped_claims_are_refused_or_read_as_what_they_say() {
    let Some(mut all) = examples() else { return };
    let cbor = refusal().to_bytes(Form::Cbor).unwrap();
    for (file, bytes) in &all {
        for length in 0..bytes.len() {
            let cut = Ear::from_bytes(&bytes[..length], Form::Json);
            assert!(
                cut.is_err() || bytes[length..].iter().all(u8::is_ascii_whitespace),
                "{file} cut to {length}"
            );
        }
    }
    for length in 0..cbor.len() {
        assert!(Ear::from_bytes(&cbor[..length], Form::Cbor).is_err(), "cut to {length}");
    }
    all.push(("cbor".into(), cbor));
    for (file, bytes) in &all {
        let form = if file == "cbor" { Form::Cbor } else { Form::Json };
        let mut read = 0;
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(ear) = Ear::from_bytes(&flipped, form) else { continue };
            let again = ear.to_bytes(form).unwrap();
            assert_eq!(Ear::from_bytes(&again, form).unwrap(), ear, "{file}, bit {bit}");
            read += 1;
        }
        assert!(read > 0, "{file}: some letters of a text may be any");
    }
}
