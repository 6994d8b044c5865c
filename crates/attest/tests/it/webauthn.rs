//! Family `webauthn` against the corpus: every registration, what is expected and why; forged statements; and what an
//! attacker does with genuine ones.

use crate::android::{Ask, line, secs};
use crate::corpus;
use crate::table::Line;
use glacis_attest::webauthn::{self, Voucher, WebauthnClaims};
use glacis_attest::{Appraisal, Claims, References, Relaxation, Site};
use glacis_seal::text::{base64url, parse_base64, parse_base64url};
use glacis_wire::{Tier, Timestamp, Trust};
use serde_json::{Value, json};

/// One registration of the corpus.
struct Row {
    file: &'static str,
    at: &'static str,
    challenge: &'static str,
    site: (&'static str, &'static str),
    want: &'static str,
    clause: &'static str,
}

const fn row(
    file: &'static str,
    at: &'static str,
    challenge: &'static str,
    site: (&'static str, &'static str),
    want: &'static str,
    clause: &'static str,
) -> Row {
    Row { file, at, challenge, site, want, clause }
}

/// Yubico's U2F Root CA Serial 457200631: <https://developers.yubico.com/U2F/yubico-u2f-ca-certs.txt>.
const YUBICO: &str = "\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAv48GLoQVZamomFhDLK1hYrICfj7TPdXkq6SOEyu1Od5sAiGsEgx8vL1J\
    pOTdigI/Wm70/TT+UjEtYUIt7rMaGBqJ10IHzumV8lAPWvigJKnRZwZ5croEngjnqfBHWRX7GkRbTI5MM+RnM9j8uLyGLwnTBz7c\
    Gs9G1bs53rniBM+k50IxOt0Xbds28J3m8ExuWcm3lksG88vgSd+GR3FITwGPPciUF7hNCMzGRXBAWzzUW1hAkSoI6v/6k/Z5gzhV\
    ZUkQrdsIqj0s5bsJ/r/rLkBAbFI0xjBHdubSl105DVttcCFm8XkslKE18C7xkusZcEEoDaZNql2MH/Il4O1VmQIDAQAB";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("packed-verify_attestation_from_yubikey_firefox", "2022-01-01T00:00Z", "8LBCiOY3q1cBZHFAWtS4AZZChzGphy67lK7I70zKi4yC7pgrQ2Pch7nAjLk1wq9greshIAsW2AjibhXjjI0TmQ", ("localhost", "http://localhost:5000"), "affirming, hardware:", "packed by Yubico's root of 2014"),
    row("fido_u2f-verify_attestation_from_yubikey_firefox", "2022-01-01T00:00Z", "ZJVNlmOrXwwgQkd1gDMly8BIiIMV4IQDDsCr6KPbCIHcOZ5waKHm-MZtuY748SCqg-NZVpRrYFyFrc36gQoFtw", ("localhost", "http://localhost:5000"), "affirming, hardware:", "U2F by Yubico's root of 2014"),
    row("fido_u2f-verify_attestation_with_unsupported_token_binding", "2022-01-01T00:00Z", "B20LZQA6vmohW2pvCTi3ylUNGet856po", ("duo.test", "https://api-duo1.duo.test"), "affirming, hardware:", "a token binding that is a text is ignored (Level 3 §5.8.1)"),
    row("fido_u2f-verify_attestation_with_unsupported_token_binding_status", "2022-01-01T00:00Z", "aGFGCbL0VkPf1FcCVnSAZp4ZUJTcfF9v", ("duo.test", "https://api-duo1.duo.test"), "refused: ceremony", "a state of token binding that does not exist (Level 2 §7.1 step 10)"),
    row("apple-verify_attestation_apple_passkey", "2021-09-01T00:00Z", "1nhqyMkfGAQL-tTcsfpuoyq8hqeoHr0d9tDmjv1BuJ97YTA3FLWS5EdY4qUg-Mzruc2siBdyVlnFIPB1g0Hh2A", ("dev2.dontneeda.pw", "https://dev2.dontneeda.pw:5000"), "affirming, hardware:", "Apple's anonymous attestation (§8.8)"),
    row("tpm-verify_attestation_dell_xps_13", "2021-06-23T17:05Z", "ZXlKaGJHY2lPaUpJVXpJMU5pSXNJblI1Y0NJNklrcFhWQ0o5LmV5SnBZWFFpT2pFMk1qUTBOak00TVRrc0ltVjRjQ0k2TVRZeU5EVTRNemd4T1N3aWMzVmlJam9pWW05aUluMC5RaHVrZ1k1dEwyZHM4dXdBcnRLUGFrSzdEanpkZm04OXlvU3g0Zl9DV09F", ("webauthntest.azurewebsites.net", "https://webauthntest.azurewebsites.net"), "refused: sha1", "signed with SHA-1 (§8.3), which has to be allowed by name"),
    row("tpm-verify_attestation_lenovo_carbon_x1", "2021-06-23T17:05Z", "ZXlKaGJHY2lPaUpJVXpJMU5pSXNJblI1Y0NJNklrcFhWQ0o5LmV5SnBZWFFpT2pFMk1qUTBOelUwTXpjc0ltVjRjQ0k2TVRZeU5EVTVOVFF6Tnl3aWMzVmlJam9pY205c2JHbHVJbjAucnBZM2pUZUR0czA5TXNIbTJVbXltZzlZZHZvenc2clFPelF6MzVibHlmNA", ("webauthntest.azurewebsites.net", "https://webauthntest.azurewebsites.net"), "refused: sha1", "signed with SHA-1 (§8.3), which has to be allowed by name"),
    row("misc-verifies_none_attestation_response", "2022-01-01T00:00Z", "TwN7n4WTyGKLc4ZY-qGsFqKnHM4nglqsyV0ICJlN2TO9XiRyFtrkaDwUvsql-gkLJXP6fnF1MlrZ53Mm4R7Cvw", ("localhost", "http://localhost:5000"), "none, software: no-attestation", "no statement (§8.7)"),
    row("misc-supports_multiple_expected_origins", "2022-01-01T00:00Z", "TwN7n4WTyGKLc4ZY-qGsFqKnHM4nglqsyV0ICJlN2TO9XiRyFtrkaDwUvsql-gkLJXP6fnF1MlrZ53Mm4R7Cvw", ("localhost", "http://localhost:5000"), "none, software: no-attestation", "no statement (§8.7)"),
    row("misc-verifies_registration_over_cable", "2022-01-01T00:00Z", "TwN7n4WTyGKLc4ZY-qGsFqKnHM4nglqsyV0ICJlN2TO9XiRyFtrkaDwUvsql-gkLJXP6fnF1MlrZ53Mm4R7Cvw", ("localhost", "http://localhost:5000"), "none, software: no-attestation", "no statement (§8.7)"),
    row("misc-supports_already_parsed_credential", "2022-01-01T00:00Z", "TwN7n4WTyGKLc4ZY-qGsFqKnHM4nglqsyV0ICJlN2TO9XiRyFtrkaDwUvsql-gkLJXP6fnF1MlrZ53Mm4R7Cvw", ("localhost", "http://localhost:5000"), "none, software: no-attestation", "no statement (§8.7)"),
    row("misc-raises_when_root_cert_invalid_for_response", "2022-01-01T00:00Z", "8LBCiOY3q1cBZHFAWtS4AZZChzGphy67lK7I70zKi4yC7pgrQ2Pch7nAjLk1wq9greshIAsW2AjibhXjjI0TmQ", ("localhost", "http://localhost:5000"), "affirming, hardware:", "the source expects a refusal under a root that is not Yubico's; under Yubico's it holds"),
    row("android_safetynet-verify_attestation_android_safetynet", "2021-11-15T00:00Z", "s8xrqLsxgewjto4sx3n1jTYIRQBpHWn3", ("pwl.ngrok.io", "https://devicemanagement-duo1.pwl.ngrok.io"), "refused: format", "SafetyNet was switched off; its format is not taken"),
];

/// The registration of a row and what is asked about it; `None` where there is no corpus.
fn case(row: &Row) -> Option<(Value, Ask)> {
    let text = corpus::text(&format!("webauthn/{}.json", row.file))?;
    let mut credential = serde_json::from_str::<Value>(&text).unwrap()["credential"].clone();
    // Two sources wrote base64 where the standard says base64url.
    for name in ["attestationObject", "clientDataJSON"] {
        let text = credential["response"][name].as_str().unwrap().trim_end_matches('=');
        credential["response"][name] = Value::String(text.replace('+', "-").replace('/', "_"));
    }
    let mut ask = Ask::new(&parse_base64url(row.challenge).unwrap(), secs(row.at));
    let site =
        Site { id: row.site.0.to_owned(), origins: vec!["https://a.test".to_owned(), row.site.1.to_owned()] };
    let other = Site { id: "other.test".to_owned(), origins: vec!["https://other.test".to_owned()] };
    ask.references = References { sites: vec![other, site], ..References::default() };
    ask.anchors.roots.authenticators = vec![parse_base64(YUBICO).unwrap()];
    Some((credential, ask))
}

fn named(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.file.starts_with(name)).unwrap()
}

fn register(ask: &Ask, credential: &Value) -> Result<Appraisal, glacis_attest::AttestError> {
    ask.appraise(webauthn::FAMILY, credential.to_string().as_bytes())
}

fn claims(appraisal: &Appraisal) -> &WebauthnClaims {
    let Claims::Webauthn(claims) = &appraisal.claims else { panic!("{:?}", appraisal.claims) };
    claims
}

/// Every file of the family, for the table of the documentation; none where there is no corpus.
pub(crate) fn rows() -> Option<Vec<Line>> {
    let row = |row: &Row| {
        let (credential, ask) = case(row)?;
        let outcome = line(&register(&ask, &credential));
        Some(Line::new(&format!("webauthn/{}.json", row.file), row.want, &outcome, row.clause))
    };
    ROWS.iter().map(row).collect()
}

#[test]
fn every_registration_of_the_corpus_comes_out_as_the_table_says() {
    for row in ROWS {
        let Some((credential, ask)) = case(row) else { return };
        let outcome = register(&ask, &credential);
        assert_eq!(line(&outcome), row.want, "{} ({}) {:?}", row.file, row.clause, outcome.err());
    }
    for found in corpus::files("webauthn").iter().filter(|file| file.ends_with(".json")) {
        assert!(
            ROWS.iter().any(|row| format!("webauthn/{}.json", row.file) == *found),
            "{found} is in no row"
        );
    }
}

#[test]
fn old_tpms_verify_where_sha_1_and_a_stranger_are_allowed_and_are_worth_little() {
    for name in ["tpm-verify_attestation_dell", "tpm-verify_attestation_lenovo"] {
        let Some((credential, ask)) = case(named(name)) else { return };
        let allow = [Relaxation::DangerSha1, Relaxation::DangerUnanchored];
        let only_sha_1 = ask.clone().allowing(&allow[..1]);
        assert_eq!(line(&register(&only_sha_1, &credential)), "refused: unknown-root", "{name}");
        let both = ask.clone().allowing(&allow);
        let outcome = register(&both, &credential);
        assert_eq!(
            line(&outcome),
            "none, software: unanchored relaxed relaxed",
            "{name}: {:?}",
            outcome.err()
        );
        let found = register(&both, &credential).unwrap();
        assert_eq!((claims(&found).voucher, found.tier), (Voucher::Stranger, Tier::Software));
        assert!(claims(&found).tpm_manufacturer.as_deref().is_some_and(|id| id.starts_with("id:")), "{name}");
    }
}

/// A maker that is not anchored vouches for nothing, and the root of another family is no root of this one.
#[test]
fn authenticators_need_an_anchored_maker() {
    for name in ["packed", "fido_u2f-verify_attestation_from", "misc-raises"] {
        let Some((credential, mut ask)) = case(named(name)) else { return };
        ask.anchors.roots.authenticators = ask.anchors.roots.apple_webauthn.clone();
        assert_eq!(line(&register(&ask, &credential)), "refused: unknown-root", "{name}");
        let allowed = ask.allowing(&[Relaxation::DangerUnanchored]);
        assert_eq!(line(&register(&allowed, &credential)), "none, software: unanchored relaxed", "{name}");
    }
    let Some((credential, mut ask)) = case(named("apple")) else { return };
    ask.anchors.roots.apple_webauthn = ask.anchors.roots.app_attest.clone();
    ask = ask.allowing(&[Relaxation::DangerUnanchored]);
    assert_eq!(line(&register(&ask, &credential)), "refused: unknown-root");
}

#[test]
fn registrations_are_for_one_challenge_site_origin_and_key() {
    for row in ROWS.iter().filter(|row| !row.want.starts_with("refused")) {
        let Some((credential, ask)) = case(row) else { return };
        let good = register(&ask, &credential).unwrap();
        assert_eq!((good.trust, claims(&good).origin.as_str()), (Trust::Claimed, row.site.1));
        assert_eq!(claims(&good).site, row.site.0);
        let check = |ask: Ask| line(&register(&ask, &credential));
        assert_eq!(check(Ask { challenge: b"other".to_vec(), ..ask.clone() }), "refused: challenge");
        assert_eq!(check(Ask { references: References::default(), ..ask.clone() }), "refused: app");
        let site = |id: &str, origin: &str| References {
            sites: vec![Site { id: id.to_owned(), origins: vec![origin.to_owned()] }],
            ..References::default()
        };
        let evil = site(row.site.0, "https://evil.test");
        assert_eq!(check(Ask { references: evil, ..ask.clone() }), "refused: origin");
        assert_eq!(check(Ask { references: site("evil.test", row.site.1), ..ask.clone() }), "refused: app");
        let stranger = Ask { device_key: Some(crate::device_key("x")), ..ask.clone() };
        assert_eq!(check(stranger), "refused: device-key");
    }
}

/// The client data is hashed as it arrived: other client data fits no statement.
#[test]
fn exchanged_client_data_fits_no_statement() {
    for name in ["packed", "fido_u2f-verify_attestation_from", "apple"] {
        let Some((credential, ask)) = case(named(name)) else { return };
        let client = parse_base64url(credential["response"]["clientDataJSON"].as_str().unwrap()).unwrap();
        let mut client: Value = serde_json::from_slice(&client).unwrap();
        let mut with = |name: &str, value: Value| {
            let kept = client.as_object_mut().unwrap().insert(name.to_owned(), value);
            let mut changed = credential.clone();
            changed["response"]["clientDataJSON"] = Value::String(base64url(client.to_string().as_bytes()));
            match kept {
                Some(kept) => client[name] = kept,
                None => drop(client.as_object_mut().unwrap().remove(name)),
            }
            line(&register(&ask, &changed))
        };
        let wrong = if name == "apple" { "refused: binding" } else { "refused: signature" };
        assert_eq!(with("more", json!(1)), wrong);
        assert_eq!(with("type", json!("webauthn.get")), "refused: ceremony");
        assert_eq!(with("crossOrigin", json!(true)), "refused: ceremony");
        assert_eq!(with("topOrigin", json!("https://top.test")), "refused: ceremony");
        assert_eq!(with("origin", json!("https://evil.test")), "refused: origin");
        assert_eq!(with("challenge", json!("AAAA")), "refused: challenge");
        assert_eq!(with("challenge", json!("A+A=")), "refused: malformed");
        assert_eq!(with("tokenBinding", json!({"status": "odd"})), "refused: ceremony");
    }
}

/// Flips and cuts of the attestation object, for each format that states something.
#[test]
fn no_cut_or_flipped_object_is_believed() {
    for (name, allow) in [
        ("packed", &[][..]),
        ("fido_u2f-verify_attestation_from", &[]),
        ("apple", &[]),
        ("tpm-verify_attestation_dell", &[Relaxation::DangerSha1, Relaxation::DangerUnanchored]),
    ] {
        let Some((credential, ask)) = case(named(name)) else { return };
        let ask = ask.allowing(allow);
        let object = parse_base64url(credential["response"]["attestationObject"].as_str().unwrap()).unwrap();
        let genuine = register(&ask, &credential).unwrap();
        let with = |bytes: &[u8]| {
            let mut changed = credential.clone();
            changed["response"]["attestationObject"] = Value::String(base64url(bytes));
            register(&ask, &changed)
        };
        for len in (0..object.len()).step_by(5) {
            assert!(with(&object[..len]).is_err(), "{name} cut to {len}");
        }
        assert!(with(&[&object[..], &[0]].concat()).is_err());
        let mut passed = 0;
        for at in (0..object.len()).filter(|at| at % 3 == 0 || at + 400 > object.len()) {
            let mut flipped = object.clone();
            flipped[at] ^= 1 << (at % 8);
            let Ok(found) = with(&flipped) else { continue };
            assert_eq!(found.claims, genuine.claims, "{name}: a flip at {at} changes what is believed");
            passed += 1;
        }
        // Under a stranger nobody checks the last certificate's signature and serial; the relaxation says so.
        assert!(passed == 0 || name.starts_with("tpm"), "{name}: {passed}");
    }
}

#[test]
fn user_verification_is_demanded_where_it_is_asked_for() {
    let Some((credential, ask)) = case(named("fido_u2f-verify_attestation_from")) else { return };
    assert!(!claims(&register(&ask, &credential).unwrap()).user_verified);
    let constraints =
        glacis_attest::Constraints { user_verification: true, ..glacis_attest::Constraints::default() };
    let question = glacis_attest::Question {
        anchors: &ask.anchors,
        references: &ask.references,
        revocations: None,
        constraints: &constraints,
        challenge: &ask.challenge,
        device_key: None,
        activation: None,
        now: ask.now,
    };
    let evidence = glacis_wire::message::enrol::Evidence {
        family: glacis_wire::message::Text(webauthn::FAMILY.to_owned()),
        body: glacis_wire::message::Bytes(credential.to_string().into_bytes()),
    };
    assert_eq!(line(&glacis_attest::appraise(&evidence, &question)), "refused: user-verification");
}

#[test]
fn a_certificate_of_another_time_is_refused() {
    let Some((credential, ask)) = case(named("apple")) else { return };
    let at = |now: Timestamp| line(&register(&Ask { now, ..ask.clone() }, &credential));
    assert_eq!(at(secs("2021-09-05T00:00Z")), "refused: expired");
    assert_eq!(at(secs("2021-08-01T00:00Z")), "refused: not-yet-valid");
}

mod forged;
mod login;
