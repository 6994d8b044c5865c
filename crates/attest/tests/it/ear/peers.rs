//! Peers that are not ours, in both directions: PyJWT for JWT, the package `cwt` for CWT.

use super::*;
use std::io::Write as _;
use std::process::{Command, Stdio};

#[expect(clippy::disallowed_methods, reason = "tests find the interpreter through the environment")]
fn python() -> Option<String> {
    std::env::var("GLACIS_PYTHON").ok()
}

/// Runs a script with JSON on its standard input and reads JSON from its standard output.
fn ask(python: &str, script: &str, input: &Value) -> Value {
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn jwk(key: &SigningKey, private: bool) -> Value {
    let public = key.public();
    let mut jwk = json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "peer",
        "x": base64url(&public.0[1..33]), "y": base64url(&public.0[33..]),
    });
    if private {
        jwk["d"] = json!(base64url(key.scalar().expose()));
    }
    jwk
}

/// Verifies our tokens, signs theirs; says which of ours verify, and which of a stranger's do.
const SCRIPT: &str = r#"
import base64, json, sys
import cbor2, jwt
from cwt import COSE, COSEKey, VerifyError
ask = json.load(sys.stdin)
b64 = lambda text: base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
un64 = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b'=').decode()
out = {}
public = jwt.PyJWK(ask['public']).key
options = {'verify_exp': False, 'verify_iat': False}
out['jwt_header'] = jwt.get_unverified_header(ask['jwt'])
out['jwt'] = jwt.decode(ask['jwt'], public, algorithms=['ES256'], audience=ask['audience'], options=options)
try:
    jwt.decode(ask['jwt_stranger'], public, algorithms=['ES256'], audience=ask['audience'], options=options)
    out['jwt_stranger'] = 'taken'
except jwt.InvalidSignatureError:
    out['jwt_stranger'] = 'refused'
point = ask['public']
# Our name of a key is bytes, which a JWK has no form for.
key = COSEKey.new({1: 2, 2: b64(ask['kid']), 3: -7, 4: [2], -1: 1, -2: b64(point['x']), -3: b64(point['y'])})
cose = COSE.new()
def opened(raw):
    tagged = cbor2.loads(raw)
    assert tagged.tag == 61, tagged.tag
    return cbor2.loads(cose.decode(cbor2.dumps(tagged.value), key))
claims = opened(b64(ask['cwt']))
out['cwt'] = {'profile': claims[265], 'iat': claims[6], 'aud': claims[3], 'nonce': un64(claims[10]),
    'status': {name: found[1000] for name, found in claims[266].items()}}
try:
    opened(b64(ask['cwt_changed']))
    out['cwt_changed'] = 'taken'
except VerifyError:
    out['cwt_changed'] = 'refused'
private = jwt.PyJWK(ask['private']).key
out['signed_jwt'] = jwt.encode(ask['claims'], private, algorithm='ES256', headers={'kid': 'peer'})
signer = COSEKey.from_jwk(ask['private'])
payload = b64(ask['claims_cbor'])
out['signed_cwt'] = un64(cose.encode(payload, signer, protected={1: -7, 4: b'peer'}))
print(json.dumps(out))
"#;

#[test]
fn peers_verify_ours_and_sign_what_we_verify() {
    let Some(python) = python() else {
        println!("skipped: python: GLACIS_PYTHON names no interpreter; `cargo xtask python` makes one");
        return;
    };
    let (ours, stranger, peer, audience) = (signer("result"), signer("stranger"), signer("peer"), audience());
    let ear = refusal();
    let cwt = ear.to_cwt(&ours).unwrap();
    let mut changed = cwt.clone();
    *changed.last_mut().unwrap() ^= 1;
    // What the peer signs has everything that a result of ours has, and a claim that nobody here knows.
    let theirs = Ear { unknown: vec![(Label::Name("x".into()), Item::Text("y".into()))], ..ear.clone() };
    let claims: Value = serde_json::from_slice(&theirs.to_bytes(Form::Json).unwrap()).unwrap();
    let answer = ask(
        &python,
        SCRIPT,
        &json!({
            "public": jwk(&ours, false), "private": jwk(&peer, true), "audience": audience,
            "jwt": ear.to_jwt(&ours).unwrap(), "jwt_stranger": ear.to_jwt(&stranger).unwrap(),
            "cwt": base64url(&cwt), "cwt_changed": base64url(&changed), "kid": base64url(ours.key_id().as_bytes()),
            "claims": claims, "claims_cbor": base64url(&theirs.to_bytes(Form::Cbor).unwrap()),
        }),
    );
    let own: Value = serde_json::from_slice(&ear.to_bytes(Form::Json).unwrap()).unwrap();
    assert_eq!(answer["jwt"], own, "PyJWT reads what we wrote");
    assert_eq!(answer["jwt_header"]["typ"], "eat+jwt");
    assert_eq!(
        answer["cwt"],
        json!({
            "profile": PROFILE, "iat": NOW.as_secs(), "aud": audience, "nonce": base64url(NONCE),
            "status": {"no-family": 96},
        })
    );
    assert_eq!((&answer["jwt_stranger"], &answer["cwt_changed"]), (&json!("refused"), &json!("refused")));
    let trusted = vec![VerifyKey::from_jwk(jwk(&peer, false).to_string().as_bytes()).unwrap()];
    let jwt = answer["signed_jwt"].as_str().unwrap();
    let cwt = parse_base64url(answer["signed_cwt"].as_str().unwrap()).unwrap();
    assert_eq!(verify_jwt(jwt, &trusted, &expected(&audience)).unwrap(), theirs);
    assert_eq!(verify_cwt(&cwt, &trusted, &expected(&audience)).unwrap(), theirs);
    let others = keys();
    assert_eq!(verify_jwt(jwt, &others, &expected(&audience)).unwrap_err().code(), Code::ResultKey);
    assert_eq!(verify_cwt(&cwt, &others, &expected(&audience)).unwrap_err().code(), Code::ResultKey);
}
