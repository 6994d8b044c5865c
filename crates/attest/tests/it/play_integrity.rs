//! Family `play-integrity`: tokens of our own making in every grade, tokens of a JOSE library that is not ours, and what an
//! attacker does with either. There is no corpus: a real token opens with a real operator's key only.

use crate::android::{Ask, line, secs};
use crate::device_key;
use glacis_attest::play_integrity::{
    AppAccess, AppVerdict, DeviceActivity, DeviceVerdict, FAMILY, Licensing, PlayClaims, PlayKeys,
    PlayProtect, RequestKind, bound_challenge,
};
use glacis_attest::{AndroidApp, Appraisal, AttestError, Claims, Constraints, Question};
use glacis_seal::jwe::{self, WrapKey};
use glacis_seal::text::{base64, base64url};
use glacis_seal::{MacKey, Secret, SigningKey, jws, sha256};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Digest, Tier, Timestamp, Trust};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

const AT: &str = "2026-01-01T00:00Z";
const CHALLENGE: &[u8] = b"challenge";
const OUTER: &str = r#"{"alg":"A256KW","enc":"A256GCM"}"#;
const INNER: &str = r#"{"alg":"ES256"}"#;

/// The operator's key, which opens; Google's, which signs.
const OPENS: [u8; 32] = [11; 32];

fn google() -> SigningKey {
    crate::forge::key(12)
}

fn keys(opens: &[u8], signs: &SigningKey) -> PlayKeys {
    PlayKeys::parse(&base64(opens), &base64(&crate::forge::spki(signs))).unwrap()
}

fn signer() -> Digest {
    sha256(b"certificate")
}

fn ask() -> Ask {
    let mut ask = Ask::new(CHALLENGE, secs(AT));
    ask.anchors.play_integrity = vec![keys(&[1; 32], &crate::forge::key(1)), keys(&OPENS, &google())];
    let app = |package: &str, signer| AndroidApp { package: package.to_owned(), signers: vec![signer] };
    ask.references.android_apps = vec![app("other.app", sha256(b"other")), app("com.example", signer())];
    ask
}

/// A payload of the best grade, as a standard request gets it.
fn payload() -> Value {
    json!({
        "requestDetails": {
            "requestPackageName": "com.example",
            "requestHash": base64url(CHALLENGE),
            "timestampMillis": secs(AT).as_ms().to_string(),
        },
        "appIntegrity": {
            "appRecognitionVerdict": "PLAY_RECOGNIZED",
            "packageName": "com.example",
            "certificateSha256Digest": [base64url(signer().as_bytes())],
            "versionCode": "42",
        },
        "deviceIntegrity": {
            "deviceRecognitionVerdict": ["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY"],
            "deviceAttributes": {"sdkVersion": 36},
            "recentDeviceActivity": {"deviceActivityLevel": "LEVEL_1"},
            "deviceRecall": {
                "values": {"bitFirst": true, "bitSecond": false, "bitThird": true},
                "writeDates": {"yyyymmFirst": 202_510, "yyyymmThird": "202511"},
            },
        },
        "accountDetails": {"appLicensingVerdict": "LICENSED"},
        "environmentDetails": {
            "appAccessRiskVerdict": {"appsDetected": ["KNOWN_INSTALLED"]},
            "playProtectVerdict": "NO_ISSUES",
        },
    })
}

fn sealed(header: &str, inner: &[u8]) -> String {
    jwe::seal(header.as_bytes(), inner, &WrapKey::new(OPENS), (&Secret::new([2; 32]), [3; 12])).unwrap()
}

fn token_of(payload: &[u8]) -> String {
    let inner = jws::sign_es256(&google(), INNER.as_bytes(), payload).unwrap();
    sealed(OUTER, inner.as_bytes())
}

fn token(payload: &Value) -> String {
    token_of(payload.to_string().as_bytes())
}

fn appraise(ask: &Ask, token: &str) -> Result<Appraisal, AttestError> {
    ask.appraise(FAMILY, token.as_bytes())
}

fn claims(appraisal: &Appraisal) -> &PlayClaims {
    let Claims::PlayIntegrity(claims) = &appraisal.claims else { panic!("{:?}", appraisal.claims) };
    claims
}

/// The payload with one value changed; `null` takes it out.
fn with(path: &[&str], value: Value) -> Value {
    let mut changed = payload();
    let mut place = &mut changed;
    for name in path {
        place = &mut place[*name];
    }
    *place = value;
    changed
}

#[test]
fn every_claim_of_the_best_verdict_is_read() {
    let found = appraise(&ask(), &token(&payload()));
    assert_eq!(line(&found), "affirming, software: key-unproven");
    let found = found.unwrap();
    assert_eq!((found.tier, found.trust), (Tier::Software, Trust::Attested));
    assert_eq!((found.vector.executables, found.vector.hardware), (2, 2));
    assert_eq!(
        (found.vector.instance_identity, found.vector.storage_opaque),
        (0, 0),
        "no key is in a verdict"
    );
    assert_eq!(found.not_after, secs("2026-01-02T00:00Z"));
    assert_eq!(found.basis.anchor, Some(sha256(&crate::forge::spki(&google()))));
    let claims = claims(&found);
    assert_eq!((claims.package.as_str(), claims.request, claims.app), {
        ("com.example", RequestKind::Standard, AppVerdict::Recognized)
    });
    assert_eq!((claims.signers.as_slice(), claims.app_version), (&[signer()][..], Some(42)));
    assert_eq!(
        claims.device.as_deref(),
        Some(&[DeviceVerdict::Basic, DeviceVerdict::Device, DeviceVerdict::Strong][..])
    );
    assert_eq!((claims.sdk_version, claims.activity), (Some(36), Some(DeviceActivity::Level1)));
    let recall = claims.recall.clone().unwrap();
    assert_eq!((recall.bits, recall.written), ([true, false, true], [Some(202_510), None, Some(202_511)]));
    assert_eq!(
        (claims.licensing, claims.play_protect),
        (Some(Licensing::Licensed), Some(PlayProtect::NoIssues))
    );
    assert_eq!(claims.app_access, [AppAccess::KnownInstalled]);
    let shown = found.claims.json().unwrap();
    assert_eq!(
        shown["device"],
        json!(["MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY"])
    );
    assert_eq!(shown["made_at"], "2026-01-01T00:00:00Z");
    assert!(!format!("{:?}", ask().anchors).contains("11, 11"), "the operator's key prints nothing");
}

/// What the verdict says decides vector and trust; the tier is the same, since no verdict is about a key.
#[test]
fn grades_are_worth_what_the_table_says() {
    let device = |labels: &[&str], sdk: Value| {
        let mut changed = with(&["deviceIntegrity", "deviceRecognitionVerdict"], json!(labels));
        changed["deviceIntegrity"]["deviceAttributes"]["sdkVersion"] = sdk;
        changed
    };
    let basic = "MEETS_BASIC_INTEGRITY";
    let ordinary = "MEETS_DEVICE_INTEGRITY";
    let app = |verdict: &str| with(&["appIntegrity", "appRecognitionVerdict"], json!(verdict));
    let environment = |name: &str, value: Value| with(&["environmentDetails", name], value);
    let apps = |words: &[&str]| environment("appAccessRiskVerdict", json!({"appsDetected": words}));
    let rows = [
        (device(&[ordinary], json!(33)), "affirming, software: key-unproven", Trust::Attested),
        (device(&[ordinary], json!(32)), "affirming, software: key-unproven", Trust::Claimed),
        (device(&[ordinary], json!(null)), "affirming, software: key-unproven", Trust::Claimed),
        (
            device(&["MEETS_STRONG_INTEGRITY"], json!(null)),
            "affirming, software: key-unproven",
            Trust::Attested,
        ),
        (device(&[basic], json!(36)), "warning, software: device-unrecognized key-unproven", Trust::Claimed),
        (device(&[], json!(36)), "warning, software: device-unrecognized key-unproven", Trust::Claimed),
        (
            device(&["MEETS_VIRTUAL_INTEGRITY"], json!(36)),
            "warning, software: virtual-device key-unproven",
            Trust::Claimed,
        ),
        (
            device(&["MEETS_VIRTUAL_INTEGRITY", ordinary], json!(36)),
            "warning, software: virtual-device key-unproven",
            Trust::Claimed,
        ),
        (device(&["UNKNOWN"], json!(36)), "none, software: unevaluated key-unproven", Trust::Claimed),
        (device(&["MEETS_NEXT"], json!(36)), "none, software: unevaluated key-unproven", Trust::Claimed),
        (with(&["deviceIntegrity"], json!(null)), "none, software: unevaluated key-unproven", Trust::Claimed),
        (app("UNRECOGNIZED_VERSION"), "warning, software: app-foreign key-unproven", Trust::Claimed),
        (app("UNEVALUATED"), "affirming, software: app-unstated key-unproven", Trust::Claimed),
        (app("PLAY_RECOGNIZED_BY_NEXT"), "affirming, software: app-unstated key-unproven", Trust::Claimed),
        (
            with(
                &["appIntegrity", "certificateSha256Digest"],
                json!([base64url(sha256(b"other").as_bytes())]),
            ),
            "warning, software: app-foreign key-unproven",
            Trust::Claimed,
        ),
        (
            with(&["appIntegrity", "certificateSha256Digest"], json!(null)),
            "warning, software: app-foreign key-unproven",
            Trust::Claimed,
        ),
        (
            with(&["accountDetails", "appLicensingVerdict"], json!("UNLICENSED")),
            "affirming, software: unlicensed key-unproven",
            Trust::Attested,
        ),
        (
            with(&["deviceIntegrity", "recentDeviceActivity", "deviceActivityLevel"], json!("LEVEL_4")),
            "affirming, software: hyperactive key-unproven",
            Trust::Attested,
        ),
        (
            apps(&["KNOWN_INSTALLED", "UNKNOWN_INSTALLED"]),
            "affirming, software: key-unproven",
            Trust::Attested,
        ),
        (apps(&["UNKNOWN_CAPTURING"]), "affirming, software: risky-apps key-unproven", Trust::Attested),
        (
            environment("playProtectVerdict", json!("POSSIBLE_RISK")),
            "affirming, software: harmful-apps key-unproven",
            Trust::Attested,
        ),
        (
            environment("playProtectVerdict", json!("HIGH_RISK")),
            "warning, software: harmful-apps key-unproven",
            Trust::Attested,
        ),
    ];
    for (payload, want, trust) in rows {
        let found = appraise(&ask(), &token(&payload));
        assert_eq!(line(&found), want, "{payload}");
        assert_eq!(found.unwrap().trust, trust, "{payload}");
    }
}

/// No claims is a posture: authentic, fresh, ours, and empty.
#[test]
fn a_verdict_that_evaluated_nothing_is_a_posture_and_no_error() {
    let mut nothing = payload();
    nothing["appIntegrity"] = json!({"appRecognitionVerdict": "UNEVALUATED"});
    nothing["accountDetails"] = json!({"appLicensingVerdict": "UNEVALUATED"});
    for name in ["deviceIntegrity", "environmentDetails"] {
        nothing.as_object_mut().unwrap().remove(name);
    }
    let found = appraise(&ask(), &token(&nothing));
    assert_eq!(line(&found), "none, software: unevaluated app-unstated key-unproven");
    assert_eq!(found.unwrap().trust, Trust::Claimed);
}

#[test]
fn apps_are_those_that_are_expected() {
    let check = |payload: &Value| line(&appraise(&ask(), &token(payload)));
    assert_eq!(check(&with(&["requestDetails", "requestPackageName"], json!("evil.app"))), "refused: app");
    assert_eq!(check(&with(&["requestDetails", "requestPackageName"], json!("other.app"))), "refused: app");
    assert_eq!(check(&with(&["appIntegrity", "packageName"], json!("evil.app"))), "refused: app");
    // Another of our apps, by the signer of this one.
    let mut other = with(&["requestDetails", "requestPackageName"], json!("other.app"));
    other["appIntegrity"]["packageName"] = json!("other.app");
    assert_eq!(check(&other), "warning, software: app-foreign key-unproven");
    // The same package with another signer beside it, as one that is distributed in two ways.
    let mut twice = ask();
    let other_signer = vec![sha256(b"other")];
    let elsewhere = AndroidApp { package: "com.example".to_owned(), signers: other_signer };
    twice.references.android_apps.insert(0, elsewhere);
    assert_eq!(line(&appraise(&twice, &token(&payload()))), "affirming, software: key-unproven");
    let mut anybody = ask();
    anybody.references.android_apps.clear();
    let found = appraise(&anybody, &token(&other)).unwrap();
    assert_eq!(
        (found.trust, found.vector.executables),
        (Trust::Claimed, 0),
        "nothing expected, nothing claimed"
    );
}

/// Both kinds of request, and a challenge that is bound to a device key.
#[test]
fn a_verdict_is_for_one_challenge_and_one_device_key() {
    let asked = |details: Value| {
        let mut changed = payload();
        changed["requestDetails"].as_object_mut().unwrap().remove("requestHash");
        for (name, value) in details.as_object().unwrap() {
            changed["requestDetails"][name] = value.clone();
        }
        token(&changed)
    };
    let check = |ask: &Ask, details: Value| line(&appraise(ask, &asked(details)));
    let good = "affirming, software: key-unproven";
    let text = base64url(b"challenge?");
    let mut ten = ask();
    ten.challenge = b"challenge?".to_vec();
    assert_eq!(check(&ten, json!({"nonce": text})), good);
    assert_eq!(check(&ten, json!({"nonce": format!("{text}==")})), good);
    for nonce in
        [format!("{text}="), format!("{text}==="), base64url(b"other"), String::new(), " ".to_owned()]
    {
        assert_eq!(check(&ten, json!({"nonce": nonce})), "refused: challenge", "{nonce}");
    }
    assert_eq!(check(&ten, json!({"requestHash": text})), good);
    assert_eq!(check(&ten, json!({"requestHash": format!("{text}==")})), "refused: challenge");
    assert_eq!(check(&ten, json!({"nonce": text, "requestHash": text})), "refused: malformed", "both ways");
    assert_eq!(check(&ten, json!({})), "refused: malformed", "for nothing");
    assert_eq!(check(&ten, json!({"nonce": 1})), "refused: malformed");
    let mut keyed = ask();
    let bound = bound_challenge(&keyed.anchors.context, CHALLENGE, &device_key("x"));
    keyed.device_key = Some(device_key("x"));
    assert_eq!(check(&keyed, json!({"requestHash": bound})), good);
    assert_eq!(check(&keyed, json!({"nonce": bound})), good);
    assert_eq!(
        check(&keyed, json!({"requestHash": base64url(CHALLENGE)})),
        "refused: challenge",
        "bound to no key"
    );
    let other = Ask { device_key: Some(device_key("y")), ..keyed.clone() };
    assert_eq!(check(&other, json!({"requestHash": bound})), "refused: challenge", "bound to another key");
    let replayed = Ask { challenge: b"next".to_vec(), ..keyed.clone() };
    assert_eq!(check(&replayed, json!({"requestHash": bound})), "refused: challenge", "a replay");
    let mut elsewhere = keyed;
    elsewhere.anchors.context = crate::context("other", glacis_wire::Realm::Production);
    assert_eq!(check(&elsewhere, json!({"requestHash": bound})), "refused: challenge", "another operator's");
}

#[test]
fn a_verdict_is_of_now() {
    let fresh = token(&payload());
    let at = |now: Timestamp| line(&appraise(&Ask { now, ..ask() }, &fresh));
    let (made, second) = (secs(AT), Duration::from_secs(1));
    let before = |seconds: u64| Timestamp::from_secs(made.as_secs() - seconds);
    assert_eq!(at(made.after(600 * second)), "affirming, software: key-unproven");
    assert_eq!(at(made.after(601 * second)), "refused: stale-verdict");
    assert_eq!(at(before(60)), "affirming, software: key-unproven", "clocks differ");
    assert_eq!(at(before(61)), "refused: future-verdict");
    for wrong in
        [json!("later"), json!(""), json!("-1"), json!(1.5), json!(null), json!("99999999999999999999")]
    {
        let changed = with(&["requestDetails", "timestampMillis"], wrong.clone());
        assert_eq!(line(&appraise(&ask(), &token(&changed))), "refused: malformed", "{wrong}");
    }
    let far = with(&["requestDetails", "timestampMillis"], json!(u64::MAX));
    assert_eq!(line(&appraise(&ask(), &token(&far))), "refused: future-verdict");
    let evidence = Evidence { family: Text(FAMILY.to_owned()), body: Bytes(fresh.into_bytes()) };
    let ask = ask();
    let constraints = Constraints { verdict_age_max: Duration::from_secs(1), ..Constraints::default() };
    let question = Question {
        anchors: &ask.anchors,
        references: &ask.references,
        revocations: None,
        constraints: &constraints,
        challenge: CHALLENGE,
        device_key: None,
        activation: None,
        now: made.after(2 * second),
    };
    assert_eq!(line(&glacis_attest::appraise(&evidence, &question)), "refused: stale-verdict");
}

/// A token never chooses how it is opened or checked.
#[test]
fn no_other_algorithm_is_taken() {
    let check = |token: &str| line(&appraise(&ask(), token));
    let body = payload().to_string();
    let inner = |header: &str| jws::sign_es256(&google(), header.as_bytes(), body.as_bytes()).unwrap();
    for (header, want) in [
        (r#"{"alg":"none"}"#, "refused: algorithm"),
        (r#"{"alg":"HS256"}"#, "refused: algorithm"),
        (r#"{"alg":"RS256"}"#, "refused: algorithm"),
        (r#"{"alg":"ES384"}"#, "refused: algorithm"),
        (r#"{"alg":"es256"}"#, "refused: algorithm"),
        (r#"{"alg":["ES256"]}"#, "refused: algorithm"),
        ("{}", "refused: algorithm"),
        (r#"{"alg":"none","alg":"ES256"}"#, "refused: malformed"),
        (r#"{"alg":"ES256","crit":["exp"]}"#, "refused: format"),
        (r#"{"alg":"ES256","b64":false}"#, "refused: format"),
        (r#"{"alg":"ES256","typ":"JWT","kid":"1"}"#, "affirming, software: key-unproven"),
        ("[]", "refused: malformed"),
    ] {
        assert_eq!(check(&sealed(OUTER, inner(header).as_bytes())), want, "{header}");
    }
    // Signed with the public key as if it were a shared secret, which naive libraries take.
    for secret in [sha256(&google().public().0), sha256(&crate::forge::spki(&google()))] {
        let forged =
            jws::sign_hs256(&MacKey::new(*secret.as_bytes()), br#"{"alg":"HS256"}"#, body.as_bytes());
        assert_eq!(check(&sealed(OUTER, forged.as_bytes())), "refused: algorithm");
        let lying = jws::sign_hs256(&MacKey::new(*secret.as_bytes()), INNER.as_bytes(), body.as_bytes());
        assert_eq!(check(&sealed(OUTER, lying.as_bytes())), "refused: signature");
    }
    let unsigned = format!("{}.{}.", base64url(br#"{"alg":"none"}"#), base64url(body.as_bytes()));
    assert_eq!(check(&sealed(OUTER, unsigned.as_bytes())), "refused: algorithm");
    let empty = format!("{}.{}.", base64url(INNER.as_bytes()), base64url(body.as_bytes()));
    assert_eq!(check(&sealed(OUTER, empty.as_bytes())), "refused: signature");
    let good = inner(INNER);
    for (header, want) in [
        (r#"{"alg":"dir","enc":"A256GCM"}"#, "refused: algorithm"),
        (r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, "refused: algorithm"),
        (r#"{"alg":"A128KW","enc":"A256GCM"}"#, "refused: algorithm"),
        (r#"{"alg":"A256KW","enc":"A128CBC-HS256"}"#, "refused: algorithm"),
        (r#"{"alg":"A256KW"}"#, "refused: algorithm"),
        (r#"{"alg":"A256KW","enc":"A256GCM","zip":"DEF"}"#, "refused: format"),
        (r#"{"alg":"A256KW","enc":"A256GCM","crit":["zip"]}"#, "refused: format"),
        (r#"{"alg":"A256KW","enc":"A256GCM","kid":"1"}"#, "affirming, software: key-unproven"),
    ] {
        assert_eq!(check(&sealed(header, good.as_bytes())), want, "{header}");
    }
    // A token that is signed and not sealed, or sealed and not signed.
    assert_eq!(check(&good), "refused: algorithm");
    assert_eq!(check(&sealed(OUTER, body.as_bytes())), "refused: malformed");
}

#[test]
fn tokens_of_others_do_not_open_or_do_not_verify() {
    let mut ask = ask();
    let good = token(&payload());
    ask.anchors.play_integrity = vec![keys(&[1; 32], &google())];
    assert_eq!(line(&appraise(&ask, &good)), "refused: decryption");
    ask.anchors.play_integrity = vec![keys(&OPENS, &crate::forge::key(1))];
    assert_eq!(
        line(&appraise(&ask, &good)),
        "refused: signature",
        "the operator's own app, by somebody else's word"
    );
    ask.anchors.play_integrity = Vec::new();
    assert_eq!(line(&appraise(&ask, &good)), "refused: no-token-keys");
    // LIMIT: the seventeenth key is not tried.
    ask.anchors.play_integrity = vec![keys(&[1; 32], &google()); 16];
    ask.anchors.play_integrity.push(keys(&OPENS, &google()));
    assert_eq!(line(&appraise(&ask, &good)), "refused: decryption");
    let spki = base64(&crate::forge::spki(&google()));
    for (opens, signs) in [
        (base64(&[1; 16]), spki.clone()),
        (base64(&[1; 33]), spki.clone()),
        (String::new(), spki.clone()),
        (base64url(&OPENS), base64url(&crate::forge::spki(&google()))),
        (base64(&OPENS), base64(&google().public().0)),
        (base64(&OPENS), base64(&[0; 91])),
    ] {
        assert_eq!(PlayKeys::parse(&opens, &signs), None, "{opens} {signs}");
    }
}

/// Payloads that say something twice, too deep, too much, or of the wrong type.
#[test]
fn payloads_are_read_in_one_way_or_not_at_all() {
    let text = payload().to_string();
    let check = |payload: &str| line(&appraise(&ask(), &token_of(payload.as_bytes())));
    let twice = text.replacen('{', r#"{"requestDetails":{},"#, 1);
    assert_eq!(check(&twice), "refused: malformed");
    let inside = text.replacen(r#""packageName""#, r#""packageName":"evil.app","packageName""#, 1);
    assert_eq!(check(&inside), "refused: malformed");
    let escaped = text.replacen(r#""packageName""#, r#""p\u0061ckageName":"evil.app","packageName""#, 1);
    assert_eq!(check(&escaped), "refused: malformed", "the same name in another spelling");
    assert_eq!(
        check(&text.replacen('{', r#"{"next":{"unknown":[1,2]},"#, 1)),
        "affirming, software: key-unproven"
    );
    assert_eq!(
        check(&text.replacen('{', r#"{"next":{"a":1,"a":2},"#, 1)),
        "refused: malformed",
        "also unread ones"
    );
    assert_eq!(
        check(&text.replacen('{', &format!(r#"{{"next":{}1{},"#, "[".repeat(9), "]".repeat(9)), 1)),
        "refused: malformed"
    );
    assert_eq!(
        check(&text.replacen('{', &format!(r#"{{"next":[{}1],"#, "1,".repeat(600)), 1)),
        "refused: malformed"
    );
    assert_eq!(check("[]"), "refused: malformed");
    for (path, value) in [
        (&["deviceIntegrity", "deviceRecognitionVerdict"][..], json!("MEETS_STRONG_INTEGRITY")),
        (&["deviceIntegrity", "deviceRecognitionVerdict"], json!([1])),
        (&["deviceIntegrity", "deviceRecognitionVerdict"], json!(vec!["MEETS_STRONG_INTEGRITY"; 33])),
        (&["deviceIntegrity", "deviceAttributes", "sdkVersion"], json!("new")),
        (&["deviceIntegrity", "deviceRecall", "values", "bitFirst"], json!("true")),
        (&["deviceIntegrity", "deviceRecall", "writeDates", "yyyymmFirst"], json!(u64::MAX)),
        (&["appIntegrity", "appRecognitionVerdict"], json!(["PLAY_RECOGNIZED"])),
        (&["appIntegrity", "certificateSha256Digest"], json!(["AAAA"])),
        (&["appIntegrity", "certificateSha256Digest"], json!([base64(signer().as_bytes())])),
        (&["appIntegrity", "certificateSha256Digest"], json!({})),
        (&["requestDetails", "requestPackageName"], json!(null)),
        (&["requestDetails"], json!([])),
        (&["environmentDetails", "playProtectVerdict"], json!({})),
        (&["environmentDetails"], json!("none")),
        (&["environmentDetails", "appAccessRiskVerdict"], json!([])),
        (&["deviceIntegrity"], json!([])),
        (&["deviceIntegrity", "deviceRecall"], json!(5)),
        (&["accountDetails"], json!(true)),
    ] {
        let changed = with(path, value.clone());
        assert_eq!(line(&appraise(&ask(), &token(&changed))), "refused: malformed", "{path:?} {value}");
    }
}

/// Cut at every byte; every bit flipped, of the token and of what is inside it.
#[test]
fn no_cut_or_flipped_token_is_believed() {
    let ask = ask();
    let inner = jws::sign_es256(&google(), INNER.as_bytes(), payload().to_string().as_bytes()).unwrap();
    let token = sealed(OUTER, inner.as_bytes());
    assert!(token.len() <= 4_096 && appraise(&ask, &token).is_ok());
    for len in 0..token.len() {
        assert!(ask.appraise(FAMILY, &token.as_bytes()[..len]).is_err(), "cut to {len}");
    }
    for len in 0..inner.len() {
        let cut = sealed(OUTER, &inner.as_bytes()[..len]);
        assert!(appraise(&ask, &cut).is_err(), "what is inside cut to {len}");
    }
    for (what, bytes, wrap) in [("the token", &token, false), ("what is inside", &inner, true)] {
        let mut flipped = bytes.clone().into_bytes();
        for bit in 0..8 * flipped.len() {
            flipped[bit / 8] ^= 1 << (bit % 8);
            let passed = if wrap {
                appraise(&ask, &sealed(OUTER, &flipped)).is_ok()
            } else {
                ask.appraise(FAMILY, &flipped).is_ok()
            };
            assert!(!passed, "{what}, bit {bit}: no bit is without a meaning");
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }
    for more in ["\n", " ", ".", "=", "A"] {
        assert!(appraise(&ask, &format!("{token}{more}")).is_err(), "{more:?}");
        assert!(appraise(&ask, &format!("{more}{token}")).is_err(), "{more:?}");
    }
    let refused = |bytes: &[u8]| ask.appraise(FAMILY, bytes).unwrap_err().code().name();
    assert_eq!(refused(&vec![b'A'; 16_385]), "too-large");
    assert_eq!(refused(&vec![b'A'; 70_000]), "too-large");
    assert_eq!(refused(&[0xff; 100]), "malformed");
    assert_eq!(refused(b""), "malformed");
    assert_eq!(refused("..........".as_bytes()), "malformed");
    for family in ["android-key", "app-attest", "soter", "tpm", "webauthn"] {
        if glacis_attest::FAMILIES.contains(&family) {
            assert!(ask.appraise(family, token.as_bytes()).is_err(), "{family}");
        }
    }
}

/// Tokens that `jwcrypto` makes are taken, and none of the others that it can make.
#[test]
fn tokens_of_an_independent_library_are_taken_and_its_variants_are_not() {
    #[expect(clippy::disallowed_methods, reason = "the test step of CI says where its environment is")]
    let Ok(python) = std::env::var("GLACIS_PYTHON") else {
        println!("skipped: python: GLACIS_PYTHON names no interpreter; `cargo xtask python` makes one");
        return;
    };
    let script = "import sys, json\n\
        from jwcrypto import jwk, jwe, jws\n\
        want = json.load(sys.stdin)\n\
        public = jwk.JWK.generate(kty='EC', crv='P-256')\n\
        kek = jwk.JWK.generate(kty='oct', size=256)\n\
        rsa = jwk.JWK.generate(kty='RSA', size=2048)\n\
        def signed(alg='ES256', key=public):\n    \
            token = jws.JWS(want['payload'])\n    \
            token.add_signature(key, None, json.dumps({'alg': alg}))\n    \
            return token.serialize(compact=True)\n\
        def sealed(text, alg='A256KW', enc='A256GCM', key=kek, **more):\n    \
            token = jwe.JWE(text.encode(), json.dumps({'alg': alg, 'enc': enc, **more}))\n    \
            token.add_recipient(key)\n    \
            return token.serialize(compact=True)\n\
        good = sealed(signed())\n\
        opened = jwe.JWE(); opened.deserialize(good, kek)\n\
        p384 = jwk.JWK.generate(kty='EC', crv='P-384')\n\
        small = jwk.JWK.generate(kty='oct', size=128)\n\
        secret = jwk.JWK(kty='oct', k=kek.export(as_dict=True)['k'])\n\
        import base64\n\
        der = public.export_to_pem().decode().split('-----')[2].replace('\\n', '')\n\
        raw = kek.export(as_dict=True)['k']\n\
        opens = base64.b64encode(base64.urlsafe_b64decode(raw + '=' * (-len(raw) % 4))).decode()\n\
        json.dump({'opens': opens, 'signs': der, 'good': [good, sealed(signed())], 'bad': {\n    \
            'dir': sealed(signed(), alg='dir'), 'A128KW': sealed(signed(), alg='A128KW', key=small),\n    \
            'RSA-OAEP': sealed(signed(), alg='RSA-OAEP', key=rsa), 'CBC': sealed(signed(), enc='A256CBC-HS512'),\n    \
            'zip': sealed(signed(), zip='DEF'), 'GCMKW': sealed(signed(), alg='A256GCMKW'),\n    \
            'ES384': sealed(signed('ES384', p384)), 'RS256': sealed(signed('RS256', rsa)),\n    \
            'HS256': sealed(signed('HS256', secret)), 'another key': sealed(signed(key=jwk.JWK.generate(kty='EC', crv='P-256'))),\n    \
            'unsigned': sealed(want['payload']), 'unsealed': signed()}}, sys.stdout)\n";
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = json!({"payload": payload().to_string()}).to_string();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut ask = ask();
    let keys = PlayKeys::parse(&text(&made["opens"]), &text(&made["signs"]));
    ask.anchors.play_integrity = vec![keys.unwrap()];
    for token in made["good"].as_array().unwrap() {
        let token = text(token);
        let found = appraise(&ask, &token);
        assert_eq!(line(&found), "affirming, software: key-unproven", "{:?}", found.err());
        for bit in 0..8 * token.len() {
            let mut flipped = token.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ask.appraise(FAMILY, &flipped).is_err(), "bit {bit}");
        }
    }
    let bad = made["bad"].as_object().unwrap();
    assert_eq!(bad.len(), 12);
    for (name, token) in bad {
        let refused = appraise(&ask, &text(token)).unwrap_err().code().name();
        let want = match name.as_str() {
            "zip" => "format",
            "another key" => "signature",
            "unsigned" => "malformed",
            _ => "algorithm",
        };
        assert_eq!(refused, want, "{name}");
    }
}
