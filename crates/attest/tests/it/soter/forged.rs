//! Devices of our own making in every form, and evidence that is wrong in one thing each.

use super::{Ask, appraise, check_ask, claims, line, secs};
use crate::forge::{Draft, context, enumerated, int, key, octets, seq, set, spki, tlv};
use crate::rsa::{ASK, ATTK, AUTH_KEY, RsaKey, SHORT, STRANGER};
use glacis_attest::soter::{FAMILY, SoterVoucher, bound_challenge};
use glacis_attest::{Relaxation, Roots};
use glacis_seal::text::{base64, base64url};
use glacis_wire::Tier;
use serde_json::{Value, json};
use std::sync::OnceLock;

const CHALLENGE: &[u8] = b"challenge";
const STATEMENT: &str = "1.3.6.1.4.1.11129.2.1.17";
const CRL: &str = "2.5.29.31";

pub(super) fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", base64(der))
}

/// A statement about a key.
fn about(key: &RsaKey, counter: u64, salt: u64) -> Value {
    json!({
        "pub_key": pem("PUBLIC KEY", &key.spki()), "cpu_id": "cpu", "counter": counter, "uid": "10", "rsa_pss_saltlen": salt,
    })
}

fn final_statement() -> Value {
    json!({
        "raw": "challenge", "fid": "1", "counter": 3, "tee_n": "tee", "tee_v": "1", "fp_n": "sensor", "fp_v": "2",
        "cpu_id": "cpu", "uid": 10, "rsa_pss_saltlen": 32,
    })
}

fn signed(statement: &Value, key: &RsaKey, salt: usize) -> Value {
    let text = statement.to_string();
    json!({"json": base64url(text.as_bytes()), "signature": base64url(&key.sign(text.as_bytes(), salt))})
}

/// The older form: the device's key, the app's by its word, the scene's, the final statement.
fn older() -> Value {
    static MADE: OnceLock<Value> = OnceLock::new();
    let make = || {
        json!({
            "attk": {"key": base64url(&ATTK.spki())},
            "ask": signed(&about(&ASK, 1, 20), &ATTK, 20),
            "auth_key": signed(&about(&AUTH_KEY, 2, 32), &ASK, 32),
            "final": signed(&final_statement(), &AUTH_KEY, 32),
        })
    };
    MADE.get_or_init(make).clone()
}

fn ask() -> Ask {
    let mut ask = Ask::new(CHALLENGE, secs("2026-01-01T00:00Z"));
    ask.anchors.roots = Roots { soter: vec![ATTK.spki()], ..Roots::default() };
    ask
}

/// What the hardware enforces about an app's key.
fn enforced(purpose: u64, padding: u64, origin: u64) -> Vec<Vec<u8>> {
    vec![
        context(1, &set(&[int(purpose)])),
        context(2, &int(1)),
        context(3, &int(2_048)),
        context(5, &set(&[int(4)])),
        context(6, &set(&[int(padding)])),
        context(200, &int(65_537)),
        context(702, &int(origin)),
    ]
}

fn description(level: u8, challenge: &Value, hardware: &[Vec<u8>]) -> Vec<u8> {
    let (version, level) = (int(3), enumerated(level));
    let challenge = octets(challenge.to_string().as_bytes());
    seq(&[version.clone(), level.clone(), version, level, challenge, octets(b""), seq(&[]), seq(hardware)])
}

const SOTER: u64 = 0xff01_0001;

fn stated() -> Value {
    json!({"cpu_id": "cpu", "counter": 1, "uid": "10", "rsa_pss_saltlen": 32})
}

/// A certificate about the app's key, well-formed: device key 3 below issuer key 2 below root key 1.
fn leaf() -> Draft {
    let description = description(1, &stated(), &enforced(SOTER, 3, 0));
    Draft::new("app key", "device").with(STATEMENT, false, description)
}

fn exported(leaf: &Draft) -> String {
    let device = Draft::new("device", "issuer").sign(&key(3), &key(2));
    let issuer = Draft::new("issuer", "root").ca(None).sign(&key(2), &key(1));
    certs(&[leaf.sign_for(ASK.spki(), &key(3)), device, issuer])
}

fn certs(chain: &[Vec<u8>]) -> String {
    json!({"certs": chain.iter().map(|cert| pem("CERTIFICATE", cert)).collect::<Vec<_>>()}).to_string()
}

/// The newer form: the app's key by a certificate of the device's key store.
fn newer(exported: &str) -> Value {
    let mut body = older();
    body.as_object_mut().unwrap().remove("attk");
    body["ask"] = json!({"certs": base64url(exported.as_bytes())});
    body
}

fn makers() -> Ask {
    let mut ask = ask();
    ask.anchors.roots.soter = vec![spki(&key(1))];
    ask
}

#[test]
fn the_forge_makes_evidence_that_holds_in_every_form() {
    let found = appraise(&ask(), &older());
    assert_eq!(line(&found), "affirming, hardware:");
    assert_eq!(claims(&found.unwrap()).voucher, SoterVoucher::DeviceKey);
    let found = appraise(&makers(), &newer(&exported(&leaf())));
    assert_eq!(line(&found), "affirming, hardware:");
    let found = found.unwrap();
    assert_eq!(claims(&found).voucher, SoterVoucher::Maker);
    // Rests on the maker: its keys and the serials of its own certificates, none of the device's.
    assert_eq!((found.basis.serials.len(), found.basis.issuers.len()), (1, 2));
    assert_eq!(found.not_after, secs("2040-01-01T00:00Z"));
    let mut by_chain = older();
    let device = Draft::new("device", "root").sign_for(ATTK.spki(), &key(1));
    by_chain["attk"] = json!({"certs": base64url(certs(&[device]).as_bytes())});
    assert_eq!(line(&appraise(&makers(), &by_chain)), "affirming, hardware:");
    let mut known = older();
    known.as_object_mut().unwrap().remove("attk");
    known["ask"] = json!({"key": base64url(&ASK.spki())});
    let mut confirmed = ask();
    confirmed.anchors.roots.soter = vec![ASK.spki()];
    assert_eq!(line(&appraise(&confirmed, &known)), "affirming, hardware:");
}

/// The device key that enrols is bound by what the scene's key signs, and no more is known of it.
#[test]
fn a_device_key_is_bound_and_worth_software() {
    let device_key = crate::device_key("x");
    let mut asked = ask();
    let raw = bound_challenge(&asked.anchors.context, CHALLENGE, &device_key);
    let mut last = final_statement();
    last["raw"] = json!(raw);
    let mut body = older();
    body["final"] = signed(&last, &AUTH_KEY, 32);
    assert_eq!(line(&appraise(&asked, &body)), "refused: challenge", "bound, and no key is asked for");
    asked.device_key = Some(device_key);
    let found = appraise(&asked, &body);
    assert_eq!(line(&found), "affirming, software: key-unproven");
    assert_eq!(found.unwrap().vector.storage_opaque, 0);
    asked.device_key = Some(crate::device_key("y"));
    assert_eq!(line(&appraise(&asked, &body)), "refused: challenge", "another device's key");
    asked.device_key = Some(crate::device_key("x"));
    asked.anchors.context = crate::context("other", glacis_wire::Realm::Production);
    assert_eq!(line(&appraise(&asked, &body)), "refused: challenge", "made for another operator");
}

/// Every level counts on, for one device and one app.
#[test]
fn levels_are_of_one_device_and_count_up() {
    let statement = |level: &str, member: &str, value: Value| {
        let mut statement = match level {
            "ask" => about(&ASK, 1, 20),
            "auth_key" => about(&AUTH_KEY, 2, 32),
            _ => final_statement(),
        };
        statement[member] = value;
        statement
    };
    let with = |level: &str, member: &str, value: Value| {
        let (signer, salt) = match level {
            "ask" => (&ATTK, 20),
            "auth_key" => (&ASK, 32),
            _ => (&AUTH_KEY, 32),
        };
        let mut body = older();
        body[level] = signed(&statement(level, member, value), signer, salt);
        line(&appraise(&ask(), &body))
    };
    // Refused before anybody looks at the signature.
    let unsigned = |level: &str, member: &str, value: Value| {
        let text = statement(level, member, value).to_string();
        let mut body = older();
        body[level] = json!({"json": base64url(text.as_bytes()), "signature": base64url(&[0; 256])});
        line(&appraise(&ask(), &body))
    };
    for counter in [2, 9] {
        assert_eq!(with("ask", "counter", json!(counter)), "refused: counter", "{counter}");
    }
    for (level, counter) in [("auth_key", 3), ("final", 2), ("final", 0)] {
        assert_eq!(unsigned(level, "counter", json!(counter)), "refused: counter", "{level} {counter}");
    }
    assert_eq!(with("auth_key", "counter", json!(1)), "refused: counter", "as far as the app's key");
    assert_eq!(with("ask", "cpu_id", json!("other")), "refused: binding");
    assert_eq!(with("ask", "uid", json!("11")), "refused: binding");
    for level in ["auth_key", "final"] {
        assert_eq!(unsigned(level, "cpu_id", json!("other")), "refused: binding", "{level}");
        assert_eq!(unsigned(level, "uid", json!("11")), "refused: binding", "{level}");
    }
    for level in ["ask", "auth_key", "final"] {
        assert_eq!(
            with(level, "uid", json!(10)),
            "affirming, hardware:",
            "{level}: a number is the same number"
        );
        for (member, value) in [
            ("cpu_id", json!("")),
            ("cpu_id", json!(1)),
            ("uid", json!(null)),
            ("uid", json!([])),
            ("counter", json!(-1)),
            ("counter", json!("1")),
            ("counter", json!(1.5)),
        ] {
            assert_eq!(
                unsigned(level, member, value.clone()),
                "refused: malformed",
                "{level} {member} {value}"
            );
        }
    }
    assert_eq!(unsigned("final", "raw", json!("other")), "refused: challenge");
    assert_eq!(
        unsigned("final", "pub_key", json!("x")),
        "refused: malformed",
        "a key in the final statement"
    );
    assert_eq!(
        unsigned("auth_key", "raw", json!("x")),
        "refused: malformed",
        "a challenge in a key's statement"
    );
    assert_eq!(with("final", "bo_t", json!("1")), "affirming, hardware:", "members that newer devices add");
}

/// The statement names the salt; two lengths are in use, and the one that is named is the one that counts.
#[test]
fn salts_are_those_that_are_named() {
    let check = |named: Value, signed_with: usize| {
        let mut last = final_statement();
        last["rsa_pss_saltlen"] = named;
        let mut body = older();
        body["final"] = signed(&last, &AUTH_KEY, signed_with);
        line(&appraise(&ask(), &body))
    };
    assert_eq!(check(json!(32), 32), "affirming, hardware:");
    assert_eq!(check(json!(20), 20), "affirming, hardware:");
    assert_eq!(check(json!(null), 20), "affirming, hardware:");
    assert_eq!(check(json!(20), 32), "refused: signature");
    assert_eq!(check(json!(32), 20), "refused: signature");
    assert_eq!(check(json!(null), 32), "refused: signature");
    for named in [json!(0), json!(21), json!(222), json!("20"), json!(-20)] {
        assert_eq!(check(named.clone(), 20), "refused: algorithm", "{named}");
    }
}

/// Keys that are too short, of another kind, of strangers, or of another level.
#[test]
fn only_the_level_above_signs() {
    let check = |body: &Value| line(&appraise(&ask(), body));
    for level in ["ask", "auth_key", "final"] {
        let statement = match level {
            "ask" => about(&ASK, 1, 20),
            "auth_key" => about(&AUTH_KEY, 2, 20),
            _ => final_statement(),
        };
        let salt = if level == "final" { 32 } else { 20 };
        for forger in [&STRANGER, if level == "ask" { &ASK } else { &ATTK }] {
            let mut body = older();
            body[level] = signed(&statement, forger, salt);
            assert_eq!(check(&body), "refused: signature", "{level}");
        }
    }
    let mut short = older();
    short["auth_key"] = signed(&about(&SHORT, 2, 32), &ASK, 32);
    short["final"] = signed(&final_statement(), &SHORT, 32);
    assert_eq!(check(&short), "refused: signature", "1024 bits verify nothing");
    let mut curve = about(&AUTH_KEY, 2, 32);
    curve["pub_key"] = json!(pem("PUBLIC KEY", &spki(&key(4))));
    let mut body = older();
    body["auth_key"] = signed(&curve, &ASK, 32);
    assert_eq!(check(&body), "refused: algorithm", "a scene's key that is not RSA");
    body = older();
    body["attk"] = json!({"key": base64url(&spki(&key(4)))});
    let mut with_curve = ask();
    with_curve.anchors.roots.soter.push(spki(&key(4)));
    assert_eq!(line(&appraise(&with_curve, &body)), "refused: algorithm", "a device's key that is not RSA");
    // A level cannot be left out: the statement about the app's key is no statement of the app's key.
    let skipped = json!({
        "ask": {"key": base64url(&ATTK.spki())},
        "auth_key": older()["ask"],
        "final": older()["auth_key"],
    });
    assert_eq!(check(&skipped), "refused: malformed");
    body = older();
    body["attk"] = json!({"key": base64url(&STRANGER.spki())});
    assert_eq!(check(&body), "refused: unknown-root");
    body["attk"] = json!({"key": base64url(&ATTK.spki()), "certs": "e30"});
    assert_eq!(check(&body), "refused: malformed", "two that vouch");
}

/// A key stands under the label of a key, once, and in nothing else.
#[test]
fn keys_come_under_their_own_label() {
    let check = |text: String| {
        let mut statement = about(&AUTH_KEY, 2, 32);
        statement["pub_key"] = json!(text);
        let mut body = older();
        // Refused before anybody looks at the signature.
        body["auth_key"] =
            json!({"json": base64url(statement.to_string().as_bytes()), "signature": base64url(&[0; 256])});
        line(&appraise(&ask(), &body))
    };
    let good = pem("PUBLIC KEY", &AUTH_KEY.spki());
    assert_eq!(check(good.clone()), "refused: signature");
    for (what, wrong) in [
        ("a certificate's label", pem("CERTIFICATE", &AUTH_KEY.spki())),
        ("four dashes", good.replacen("KEY-----", "KEY----", 1)),
        ("the label of PKCS#1", pem("RSA PUBLIC KEY", &AUTH_KEY.spki())),
        ("two keys", format!("{good}{good}")),
        ("no key", "key".to_owned()),
        ("cut", good.chars().take(100).collect()),
        ("base64url", good.replace('+', "-").replace('/', "_")),
    ] {
        assert_eq!(check(wrong), "refused: malformed", "{what}");
    }
}

/// What real chains get wrong, each alone, and what must never pass beside it.
#[test]
fn each_quirk_needs_its_own_name_and_costs_the_tier() {
    let check = |leaf: &Draft, allow: &[Relaxation]| {
        line(&appraise(&makers().allowing(allow), &newer(&exported(leaf))))
    };
    let renamed = Draft { issuer: crate::forge::common_name("key store"), ..leaf() };
    let (name, der) = (Relaxation::DangerNameChain, Relaxation::DangerLenientDer);
    assert_eq!(check(&renamed, &[]), "refused: name-chain");
    assert_eq!(check(&renamed, &[der]), "refused: name-chain");
    assert_eq!(check(&renamed, &[name]), "affirming, software: relaxed");
    for empty in [&[][..], &[0]] {
        let empty = leaf().with(CRL, false, empty.to_vec());
        assert_eq!(check(&empty, &[name]), "refused: malformed");
        assert_eq!(check(&empty, &[der]), "affirming, software: relaxed");
    }
    let all = Relaxation::ALL;
    assert_eq!(check(&leaf().with(CRL, false, seq(&[])), &[]), "affirming, hardware:");
    assert_eq!(check(&leaf().with(CRL, false, vec![0xff]), all), "refused: malformed");
    assert_eq!(check(&leaf().with("1.2.3.4", true, vec![5, 0]), all), "refused: critical-extension");
    assert_eq!(check(&leaf().ca(None), all), "refused: purpose");
}

/// The attack on naive verifiers: an app lets the device attest an ordinary key over a challenge that looks like SOTER's.
#[test]
fn an_ordinary_attested_key_is_no_key_of_soter() {
    let check = |hardware: &[Vec<u8>], level: u8| {
        let leaf =
            Draft::new("app key", "device").with(STATEMENT, false, description(level, &stated(), hardware));
        line(&appraise(&makers(), &newer(&exported(&leaf))))
    };
    assert_eq!(check(&enforced(SOTER, 3, 0), 1), "affirming, hardware:");
    assert_eq!(check(&enforced(SOTER, 3, 0), 2), "affirming, hardware:");
    assert_eq!(check(&enforced(2, 3, 0), 1), "refused: purpose", "a key that signs for its app");
    assert_eq!(check(&enforced(SOTER, 5, 0), 1), "refused: purpose", "PKCS#1 v1.5");
    assert_eq!(check(&enforced(SOTER, 3, 2), 1), "refused: key-origin", "imported");
    assert_eq!(check(&enforced(SOTER, 3, 0), 0), "refused: software-level");
    assert_eq!(check(&[], 1), "refused: purpose");
    let mut both = enforced(SOTER, 3, 0);
    both[0] = context(1, &set(&[int(2), int(SOTER)]));
    assert_eq!(check(&both, 1), "refused: purpose", "a key that serves SOTER and its app");
}

#[test]
fn chains_end_at_an_anchored_maker_and_carry_one_statement() {
    let device = Draft::new("device", "issuer");
    let issuer = Draft::new("issuer", "root").ca(None).sign(&key(2), &key(1));
    let check = |chain: &[Vec<u8>]| line(&appraise(&makers(), &newer(&certs(chain))));
    let good = leaf().sign_for(ASK.spki(), &key(3));
    let device_cert = device.sign(&key(3), &key(2));
    assert_eq!(check(&[good.clone(), device_cert.clone(), issuer.clone()]), "affirming, hardware:");
    assert_eq!(check(std::slice::from_ref(&good)), "refused: unknown-root");
    assert_eq!(check(&[good.clone(), device_cert.clone()]), "refused: unknown-root");
    assert_eq!(
        check(&[good.clone(), issuer.clone(), device_cert.clone()]),
        "refused: unknown-root",
        "out of order"
    );
    let theirs = leaf().sign_for(ASK.spki(), &key(9));
    assert_eq!(check(&[theirs, device_cert.clone(), issuer.clone()]), "refused: signature");
    // A key that the device attested signs a certificate of the attacker's making.
    let attested = Draft::new("device", "issuer").with(STATEMENT, false, description(1, &stated(), &[]));
    let chain = [good.clone(), attested.sign(&key(3), &key(2)), issuer.clone()];
    assert_eq!(check(&chain), "refused: extension-place");
    // The device's key may issue no links.
    let below = Draft::new("device", "inner").sign(&key(3), &key(4));
    let inner = Draft::new("inner", "issuer").sign(&key(4), &key(2));
    assert_eq!(check(&[good.clone(), below, inner, issuer.clone()]), "refused: not-ca");
    // An ordinary key that a key store attested, and that its app may sign with, in the place of a device's.
    let store = Draft::new("store", "root").ca(None).sign(&key(2), &key(1));
    let ordinary = Draft::new("device", "store")
        .with(STATEMENT, false, description(1, &stated(), &enforced(2, 3, 0)))
        .sign_for(ATTK.spki(), &key(2));
    let mut by_app = older();
    by_app["attk"] = json!({"certs": base64url(certs(&[ordinary, store.clone()]).as_bytes())});
    assert_eq!(line(&appraise(&makers(), &by_app)), "refused: extension-place");
    let made = Draft::new("device", "store").sign_for(ATTK.spki(), &key(2));
    by_app["attk"] = json!({"certs": base64url(certs(&[made, store]).as_bytes())});
    assert_eq!(line(&appraise(&makers(), &by_app)), "affirming, hardware:");
    let bare = Draft::new("app key", "device").sign_for(ASK.spki(), &key(3));
    assert_eq!(check(&[bare, device_cert.clone(), issuer.clone()]), "refused: no-statement");
    let odd = Draft::new("app key", "device").with(
        STATEMENT,
        false,
        description(1, &json!("not an object"), &enforced(SOTER, 3, 0)),
    );
    assert_eq!(
        check(&[odd.sign_for(ASK.spki(), &key(3)), device_cert.clone(), issuer.clone()]),
        "refused: malformed"
    );
    let curve = leaf().sign(&key(5), &key(3));
    assert_eq!(check(&[curve, device_cert.clone(), issuer.clone()]), "refused: algorithm");
    let many: Vec<Vec<u8>> = vec![issuer.clone(); 9];
    assert_eq!(check(&many), "refused: too-large");
    // Another app's chain in the place of this one's.
    let stranger = leaf().sign_for(STRANGER.spki(), &key(3));
    assert_eq!(check(&[stranger, device_cert, issuer]), "refused: signature");
}

/// Bombs: deep, long, many, and numbers that are none.
#[test]
fn bombs_are_refused_at_once() {
    let refused = |body: &[u8]| ask().appraise(FAMILY, body).unwrap_err().code().name();
    assert_eq!(refused("[".repeat(60_000).as_bytes()), "malformed");
    assert_eq!(refused(format!("{{\"ask\":{}1{}}}", "[".repeat(50), "]".repeat(50)).as_bytes()), "malformed");
    assert_eq!(refused(format!("{{\"ask\":[{}1]}}", "1,".repeat(20_000)).as_bytes()), "malformed");
    assert_eq!(refused(&vec![b'{'; 70_000]), "too-large");
    assert_eq!(check_ask(&makers(), &vec![b'{'; 70_000]).unwrap_err().code().name(), "too-large");
    let mut long = older();
    long["final"]["json"] = json!(base64url(&vec![b' '; 5_000]));
    assert_eq!(line(&appraise(&ask(), &long)), "refused: too-large");
    let mut wide = older();
    wide["final"]["signature"] = json!(base64url(&[1; 1_025]));
    assert_eq!(line(&appraise(&ask(), &wide)), "refused: too-large");
    // A line break within a text is no JSON, although one of the source's later examples has it.
    let text = about(&AUTH_KEY, 2, 32).to_string().replace("\\n", "\n");
    let mut raw = older();
    raw["auth_key"] =
        json!({"json": base64url(text.as_bytes()), "signature": base64url(&ASK.sign(text.as_bytes(), 32))});
    assert_eq!(line(&appraise(&ask(), &raw)), "refused: malformed");
    assert_eq!(check_ask(&makers(), tlv(&[0x30], &[]).as_slice()).unwrap_err().code().name(), "malformed");
    assert_eq!(appraise(&ask(), &older()).unwrap().tier, Tier::Hardware);
}
