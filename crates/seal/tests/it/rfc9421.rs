//! RFC 9421 Appendix B, from the shared corpus: bases of every message, signatures of our two algorithms.

use glacis_seal::httpsig::{self, Cover, Derived, Message, content_digest};
use glacis_seal::{MacKey, PublicKey, SigningKey, sha256, verify_raw};
use glacis_wire::http::Request;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Vector {
    id: String,
    algorithm: String,
    keyid: String,
    label: String,
    message: Http,
    signature_base: Option<String>,
    signature_input: String,
    signature: String,
    expect: String,
}

#[derive(Deserialize)]
struct Http {
    headers: Vec<(String, String)>,
    method: Option<String>,
    target: Option<String>,
    status: Option<u16>,
}

#[derive(Deserialize)]
struct Key {
    jwk: Option<BTreeMap<String, String>>,
    base64: Option<String>,
}

/// A vector's message as whoever owns the HTTP library would show it.
struct Shown {
    http: Http,
    status: Option<String>,
    authority: Option<String>,
}

impl Message for Shown {
    fn derived(&self, which: Derived) -> Option<&str> {
        let target = self.http.target.as_deref();
        let (path, query) = target.map_or((None, None), |target| match target.find('?') {
            Some(at) => (target.get(..at), target.get(at..)),
            None => (Some(target), Some("")),
        });
        match which {
            Derived::Method => self.http.method.as_deref(),
            Derived::Authority => self.authority.as_deref(),
            Derived::Path => path,
            Derived::Query => query,
            Derived::Scheme => None,
            Derived::Status => self.status.as_deref(),
        }
    }

    fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.http
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_bytes())
    }
}

impl Shown {
    fn new(http: Http) -> Self {
        let host = http.headers.iter().find(|(name, _)| name == "Host").map(|(_, value)| value.clone());
        Self { status: http.status.map(|status| status.to_string()), authority: host, http }
    }
}

/// A file of the corpus; `None` (said aloud) where there is no corpus, which is a failure in CI.
#[expect(clippy::disallowed_methods, reason = "tests find the corpus through the environment")]
fn corpus<T: for<'a> Deserialize<'a>>(file: &str) -> Option<T> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let path =
        std::env::var_os("GLACIS_VECTORS").map_or_else(default, PathBuf::from).join("rfc9421").join(file);
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no corpus: {error}");
            println!("skipped: no corpus ({error})");
            None
        }
    }
}

fn decode(text: &str) -> Vec<u8> {
    // The corpus writes base64url in JWKs and base64 elsewhere.
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    glacis_seal::text::parse_base64url(&text).unwrap()
}

fn public(key: &Key) -> PublicKey {
    let jwk = key.jwk.as_ref().unwrap();
    PublicKey([vec![4], decode(&jwk["x"]), decode(&jwk["y"])].concat().try_into().unwrap())
}

#[test]
fn every_base_of_appendix_b_is_rebuilt_from_its_message() {
    let Some(vectors) = corpus::<Vec<Vector>>("vectors.json") else { return };
    let mut built = 0;
    let mut base = String::new();
    for vector in vectors {
        let input = httpsig::parse_input(&vector.signature_input, &vector.label).unwrap().unwrap();
        assert_eq!(input.params.keyid.as_deref(), Some(vector.keyid.as_str()), "{}", vector.id);
        input.write_base(&mut base, &Shown::new(vector.message)).unwrap();
        match vector.signature_base {
            Some(want) => assert_eq!(base, want, "{}", vector.id),
            // B.4.4: its base exists, but differs from the one that was signed.
            None => assert_eq!(vector.expect, "invalid", "{}", vector.id),
        }
        built += 1;
    }
    assert_eq!(built, 6, "the corpus as its manifest lists it");
}

#[test]
fn signatures_of_our_algorithms_in_appendix_b_verify_and_no_damaged_base_does() {
    let (Some(vectors), Some(keys)) =
        (corpus::<Vec<Vector>>("vectors.json"), corpus::<BTreeMap<String, Key>>("keys.json"))
    else {
        return;
    };
    let mut checked = Vec::new();
    for vector in vectors.iter().filter(|vector| vector.signature_base.is_some()) {
        let key = &keys[&vector.keyid];
        let base = vector.signature_base.as_deref().unwrap();
        let signature = || httpsig::parse_signature(&vector.signature, &vector.label).unwrap().unwrap();
        let verify = |base: &str| match vector.algorithm.as_str() {
            "hmac-sha256" => {
                let key = MacKey::from_shared(&decode(key.base64.as_deref().unwrap())).unwrap();
                Some(key.verify_raw(base.as_bytes(), &signature()))
            }
            "ecdsa-p256-sha256" => Some(verify_raw(&public(key), base.as_bytes(), &signature())),
            _ => None,
        };
        let Some(result) = verify(base) else { continue };
        assert_eq!(result.is_ok(), vector.expect == "valid", "{}", vector.id);
        for at in 0..base.len() {
            let mut damaged = base.as_bytes().to_vec();
            damaged[at] ^= 1;
            assert!(
                verify(std::str::from_utf8(&damaged).unwrap()).unwrap().is_err(),
                "{} byte {at}",
                vector.id
            );
        }
        checked.push(vector.id.clone());
    }
    assert_eq!(checked, ["RFC9421-B.2.4", "RFC9421-B.2.5"]);
}

#[test]
fn the_rfc_key_pair_is_ours_too() {
    let Some(keys) = corpus::<BTreeMap<String, Key>>("keys.json") else { return };
    let key = &keys["test-key-ecc-p256"];
    let scalar = decode(&key.jwk.as_ref().unwrap()["d"]).try_into().unwrap();
    let ours = SigningKey::from_scalar(&scalar).unwrap();
    assert_eq!(ours.public(), public(key));
    verify_raw(&public(key), b"base", &ours.sign_raw(b"base").unwrap()).unwrap();
}

/// B.4.2 and B.4.3 in spirit: what a proxy may do to a message does not change its base, what it may not does.
#[test]
fn a_base_survives_what_proxies_may_do_and_nothing_else() {
    let request = Request {
        method: "GET".into(),
        authority: "example.org".into(),
        path: "/demo".into(),
        query: "?a=1".into(),
        headers: vec![("Accept".into(), "application/json".into()), ("Accept".into(), "*/*".into())],
        body: Vec::new(),
    };
    let cover = Cover {
        label: "s",
        components: &["@method", "@path", "@authority", "accept"],
        params: httpsig::Params::default(),
    };
    let base = |request: &Request| {
        let (mut base, mut input) = (String::new(), String::new());
        httpsig::write_base(&mut base, &mut input, request, &cover).unwrap();
        base
    };
    let original = base(&request);
    let after = |change: fn(&mut Request)| {
        let mut request = request.clone();
        change(&mut request);
        base(&request)
    };
    assert_eq!(after(|r| r.headers = vec![("accept".into(), "  application/json, */* ".into())]), original);
    assert_eq!(after(|r| r.headers.insert(0, ("x".into(), "y".into()))), original);
    assert_eq!(after(|r| r.query = "?b=2".into()), original, "not covered");
    assert_eq!(after(|r| r.authority = "EXAMPLE.org".into()), original);
    assert_ne!(after(|r| r.headers.reverse()), original);
    assert_ne!(after(|r| r.method = "POST".into()), original);
    assert_ne!(after(|r| r.authority = "example.com".into()), original);
    assert_ne!(after(|r| r.path = "/Demo".into()), original);
}

#[test]
fn sha_256_digest_of_rfc_9530_appendix_d() {
    assert_eq!(
        content_digest(&sha256(b"{\"hello\": \"world\"}\n")),
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    );
}
