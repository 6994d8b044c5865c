//! Every reader of foreign text or bytes is total, and what it accepts it writes back the same.

use crate::{acme, property};
use glacis_seal::httpsig::{self, Params, profile, sfv};
use glacis_seal::jws::{self, Key};
use glacis_seal::{ClusterKey, ClusterKeys, MacKey, Secret, open_ticket, text};
use glacis_wire::http::Request;
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_assert, prop_assert_eq};
use proptest::prop_oneof;
use proptest::strategy::Strategy;

/// Text that looks like signature fields: pieces of the grammar in any order.
fn field() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("glacis=(".to_owned()),
        Just("glacis=".to_owned()),
        Just("glacis=:AQID:".to_owned()),
        Just("\"@method\" ".to_owned()),
        Just("\"@path\"".to_owned()),
        Just("\"@query-param\";name=\"a\"".to_owned()),
        Just(")".to_owned()),
        Just(";created=1".to_owned()),
        Just(";expires=17".to_owned()),
        Just(";nonce=\"1\"".to_owned()),
        Just(";tag=\"a\\\"b\\\\\"".to_owned()),
        Just(";x=?0;y=1.500;z=-0;w=:AQ==:;v=@5;u=%\"a%20\"".to_owned()),
        Just(", ".to_owned()),
        Just("other=1;a".to_owned()),
        Just("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:".to_owned()),
        "[ -~\\t]{0,4}",
        ".{0,2}",
    ];
    vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

fn request() -> Request {
    Request { method: "GET".into(), path: "/p".into(), query: "?a=1".into(), ..Request::default() }
}

#[test]
fn signature_field_readers_are_total_and_canonical() {
    let accepted = std::cell::Cell::new(0_u32);
    property(field(), |field| {
        let _ = httpsig::parse_signature(&field, "glacis");
        let _ = httpsig::parse_content_digest(&field);
        let _ = sfv::parse_bytes(&field, 64);
        let _ = sfv::parse_bytes_array::<3>(&field);
        if let Ok(Some(input)) = httpsig::parse_input(&field, "glacis") {
            let mut base = String::new();
            if input.write_base(&mut base, &request()).is_ok() {
                accepted.set(accepted.get() + 1);
                // The canonical member parses to the same and has the same base.
                let (_, member) = base.rsplit_once("\"@signature-params\": ").unwrap();
                let field = format!("glacis={member}");
                let again = httpsig::parse_input(&field, "glacis").unwrap().unwrap();
                prop_assert_eq!(&again.components, &input.components);
                prop_assert_eq!(&again.params, &input.params);
                let mut second = String::new();
                again.write_base(&mut second, &request()).unwrap();
                prop_assert_eq!(second, base);
            }
        }
        Ok(())
    });
    assert!(accepted.get() > 0, "the generator makes valid fields, too");
}

#[test]
fn parameters_round_trip_whatever_their_text() {
    let text = || proptest::option::of("[ -~]{0,20}");
    let seconds = || proptest::option::of(0..1_000_000_000_000_000_u64);
    property(
        (seconds(), seconds(), text(), text(), text(), text()),
        |(created, expires, nonce, keyid, alg, tag)| {
            let params = Params {
                created,
                expires,
                nonce: nonce.map(Into::into),
                keyid: keyid.map(Into::into),
                alg: alg.map(Into::into),
                tag: tag.map(Into::into),
            };
            let (mut base, mut input) = (String::new(), String::new());
            let cover = httpsig::Cover { label: "glacis", components: &["@method"], params: params.clone() };
            httpsig::write_base(&mut base, &mut input, &request(), &cover).unwrap();
            let parsed = httpsig::parse_input(&input, "glacis").unwrap().unwrap();
            prop_assert_eq!(parsed.params, params);
            Ok(())
        },
    );
}

#[test]
fn byte_sequences_and_signatures_round_trip() {
    property(vec(any::<u8>(), 0..80), |bytes| {
        let field = sfv::bytes(&bytes);
        prop_assert_eq!(sfv::parse_bytes(&field, bytes.len()).unwrap(), bytes.clone());
        prop_assert!(bytes.is_empty() || sfv::parse_bytes(&field, bytes.len() - 1).is_err());
        prop_assert_eq!(text::parse_base64url(&text::base64url(&bytes)).unwrap(), bytes.clone());
        let mut field = String::new();
        httpsig::write_signature(&mut field, profile::LABEL, &bytes);
        match httpsig::parse_signature(&field, profile::LABEL) {
            Ok(Some(signature)) => prop_assert_eq!(signature.to_vec(), bytes),
            _ => prop_assert!(bytes.len() > 64),
        }
        Ok(())
    });
}

#[test]
fn ticket_and_token_readers_are_total() {
    let keys = ClusterKeys {
        current: ClusterKey { epoch: 0, secret: Secret::new([1; 32]) },
        previous: None,
        next: None,
    };
    let mac = MacKey::new([1; 32]);
    property((vec(any::<u8>(), 0..200), field()), |(mut bytes, text)| {
        prop_assert!(open_ticket(&keys, &acme(), &bytes).is_err());
        // The same with a header that is right.
        bytes.splice(0..0, [1, 0, 0, 0, 0]);
        prop_assert!(open_ticket(&keys, &acme(), &bytes).is_err());
        prop_assert!(jws::verify(&text, Key::Hs256(&mac)).is_err());
        let token = format!("e30.e30.{text}");
        prop_assert!(jws::verify(&token, Key::Hs256(&mac)).is_err());
        Ok(())
    });
}
