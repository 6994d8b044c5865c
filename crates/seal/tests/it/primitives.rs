//! Each primitive round-trips, and refuses wrong key, wrong purpose, wrong tenant, wrong realm, cut and flipped
//! input.

use crate::{acme, damaged, entropy, others};
use glacis_seal::jws::{self, Key};
use glacis_seal::{
    ClusterKey, ClusterKeys, Context, MacKey, Purpose, SealError, SealKey, Secret, Share, SigningKey, hkdf,
    mac_envelope, open_envelope, open_maced, open_ticket, seal_ticket, sign_envelope, verify, verify_raw,
};
use glacis_wire::message::session::TicketBody;
use glacis_wire::message::{Maced, PublicKey, Signed};
use glacis_wire::{Decode, Digest, Encode, SessionId, Thumbprint, Tier, Timestamp, Trust};

fn key(seed: u8) -> SigningKey {
    SigningKey::generate(entropy(seed)).unwrap()
}

fn body() -> TicketBody {
    TicketBody {
        session: SessionId::new([1; 16]),
        thumbprint: Thumbprint::new([2; 32]),
        secret: [3; 32],
        tier: Tier::Strong,
        trust: Trust::Attested,
        passkey: Some(key(9).public()),
        result: Digest::new([4; 32]),
        not_after: Timestamp::from_ms(5),
    }
}

#[test]
fn keys_are_functions_of_their_entropy() {
    assert_eq!(key(1).public(), key(1).public());
    assert_ne!(key(1).public(), key(2).public());
    assert_eq!(SigningKey::from_scalar(key(1).scalar().expose()).unwrap().public(), key(1).public());
    let share = |seed| Share::generate(entropy(seed)).unwrap().public();
    assert_eq!(share(1), share(1));
    assert_ne!(share(1), share(2));
    let broken = |_: &mut [u8]| Err(());
    assert_eq!(SigningKey::generate(broken).unwrap_err(), SealError::Entropy);
    assert_eq!(Share::generate(broken).unwrap_err(), SealError::Entropy);
    assert_eq!(
        SigningKey::generate(|_: &mut [u8]| Ok::<_, ()>(())).unwrap_err(),
        SealError::Key,
        "zero for ever"
    );
}

#[test]
fn a_candidate_outside_the_group_is_drawn_again() {
    let mut draws = 0;
    let mut good = entropy(1);
    let key = SigningKey::generate(|out| {
        draws += 1;
        good(out)?;
        if draws == 1 {
            out.fill(0xff);
            good = entropy(1);
        }
        Ok::<_, ()>(())
    });
    assert_eq!((key.unwrap().public(), draws), (self::key(1).public(), 2));
    for scalar in [[0; 32], [0xff; 32]] {
        assert_eq!(SigningKey::from_scalar(&scalar).unwrap_err(), SealError::Key);
    }
}

#[test]
fn signatures_are_for_one_key_purpose_tenant_realm_and_message() {
    let (key, context) = (key(1), acme());
    let signature = key.sign(&context, Purpose::Bundle, b"message").unwrap();
    verify(&key.public(), &context, Purpose::Bundle, b"message", &signature).unwrap();
    let refused = |key: &PublicKey, context: &Context, purpose, message: &[u8]| {
        assert_eq!(verify(key, context, purpose, message, &signature), Err(SealError::Signature));
    };
    refused(&self::key(2).public(), &context, Purpose::Bundle, b"message");
    for purpose in Purpose::ALL.iter().filter(|purpose| **purpose != Purpose::Bundle) {
        refused(&key.public(), &context, *purpose, b"message");
    }
    others().iter().for_each(|other| refused(&key.public(), other, Purpose::Bundle, b"message"));
    damaged(b"message").for_each(|message| refused(&key.public(), &context, Purpose::Bundle, &message));
    for damaged in damaged(&signature) {
        assert_eq!(verify_raw(&key.public(), b"message", &damaged), Err(SealError::Signature));
        if let Ok(damaged) = damaged.try_into() {
            let result = verify(&key.public(), &context, Purpose::Bundle, b"message", &damaged);
            assert_eq!(result, Err(SealError::Signature));
        }
    }
}

#[test]
fn raw_and_prefixed_signatures_do_not_pass_for_each_other() {
    let (key, context) = (key(1), acme());
    let raw = key.sign_raw(b"message").unwrap();
    verify_raw(&key.public(), b"message", &raw).unwrap();
    assert!(verify(&key.public(), &context, Purpose::Bundle, b"message", &raw).is_err());
    let prefixed = key.sign(&context, Purpose::Bundle, b"message").unwrap();
    assert!(verify_raw(&key.public(), b"message", &prefixed).is_err());
}

#[test]
fn a_point_off_the_curve_is_no_key() {
    let mut point = key(1).public();
    glacis_seal::key::check_public(&point).unwrap();
    point.0[64] ^= 1;
    assert_eq!(glacis_seal::key::check_public(&point), Err(SealError::Key));
    assert_eq!(verify_raw(&point, b"m", &[0; 64]), Err(SealError::Signature));
}

#[test]
fn macs_are_for_one_key_purpose_tenant_realm_and_message() {
    let (key, context) = (MacKey::new([1; 32]), acme());
    let mac = key.mac(&context, Purpose::Nonce, b"message");
    key.verify(&context, Purpose::Nonce, b"message", &mac).unwrap();
    assert_eq!(mac, key.mac_parts(&context, Purpose::Nonce, &[b"mess", b"", b"age"]));
    let refused = |result| assert_eq!(result, Err(SealError::Mac));
    refused(MacKey::new([2; 32]).verify(&context, Purpose::Nonce, b"message", &mac));
    for purpose in Purpose::ALL.iter().filter(|purpose| **purpose != Purpose::Nonce) {
        refused(key.verify(&context, *purpose, b"message", &mac));
    }
    others().iter().for_each(|other| refused(key.verify(other, Purpose::Nonce, b"message", &mac)));
    damaged(b"message").for_each(|message| refused(key.verify(&context, Purpose::Nonce, &message, &mac)));
    damaged(&mac).for_each(|mac| refused(key.verify(&context, Purpose::Nonce, b"message", &mac)));
    let raw = key.mac_raw(b"message");
    key.verify_raw(b"message", &raw).unwrap();
    damaged(&raw).for_each(|mac| refused(key.verify_raw(b"message", &mac)));
    refused(key.verify_raw(b"message", &mac));
    refused(key.verify(&context, Purpose::Nonce, b"message", &raw));
    assert_eq!(MacKey::from_shared(&[0; 31]).unwrap_err(), SealError::Key);
    MacKey::from_shared(&[1; 32]).unwrap().verify_raw(b"message", &raw).unwrap();
}

#[test]
fn derived_secrets_differ_in_every_input() {
    let base = || hkdf(b"secret", b"salt", &acme(), Purpose::Session, b"info");
    let mut derived = vec![
        base(),
        hkdf(b"secret2", b"salt", &acme(), Purpose::Session, b"info"),
        hkdf(b"secret", b"salt2", &acme(), Purpose::Session, b"info"),
        hkdf(b"secret", b"salt", &acme(), Purpose::Request, b"info"),
        hkdf(b"secret", b"salt", &acme(), Purpose::Session, b"info2"),
        hkdf(b"secret", b"salt", &acme(), Purpose::Session, b""),
    ];
    derived.extend(others().iter().map(|other| hkdf(b"secret", b"salt", other, Purpose::Session, b"info")));
    assert_eq!(derived[0], base());
    for (at, one) in derived.iter().enumerate() {
        assert!(derived.iter().skip(at + 1).all(|other| other != one), "input {at}");
    }
}

#[test]
fn x25519_agrees_with_rfc_7748_and_refuses_points_of_small_order() {
    // RFC 7748 §6.1.
    let hex = |text: &str| -> [u8; 32] {
        let nibble = |at: usize| char::from(text.as_bytes()[at]).to_digit(16).unwrap();
        std::array::from_fn(|at| u8::try_from(nibble(2 * at) << 4 | nibble(2 * at + 1)).unwrap())
    };
    let alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let share = |scalar: [u8; 32]| {
        let fill = |out: &mut [u8]| {
            out.copy_from_slice(&scalar);
            Ok::<_, ()>(())
        };
        Share::generate(fill).unwrap()
    };
    let bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    assert_eq!(share(bob).public(), hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
    let (a, b) = (share(alice), share(bob));
    let (a_public, b_public) = (a.public(), b.public());
    let shared = a.agree(&b_public).unwrap();
    assert_eq!(a_public, hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
    assert_eq!(shared.expose(), &hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"));
    assert_eq!(shared, b.agree(&a_public).unwrap());
    assert_ne!(shared, share(alice).agree(&a_public).unwrap());
    // Orders 1, 2, 4 and 8 (RFC 7748 §6.1 demands the check for all-zero results).
    for small in [
        [0; 32],
        hex("0100000000000000000000000000000000000000000000000000000000000000"),
        hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ] {
        assert_eq!(share(alice).agree(&small).unwrap_err(), SealError::Agreement);
    }
}

#[test]
fn sealed_boxes_open_only_as_they_were_sealed() {
    let (key, context) = (SealKey::new([1; 32]), acme());
    let sealed = key.seal(&context, Purpose::Storage, [7; 12], b"aad", b"plain").unwrap();
    let open = |key: &SealKey, context: &Context, purpose, nonce, aad: &[u8], sealed: &[u8]| {
        key.open(context, purpose, nonce, aad, sealed)
    };
    assert_eq!(open(&key, &context, Purpose::Storage, [7; 12], b"aad", &sealed).unwrap(), b"plain");
    let refused = |result: Result<Vec<u8>, SealError>| assert_eq!(result, Err(SealError::Sealed));
    refused(open(&SealKey::new([2; 32]), &context, Purpose::Storage, [7; 12], b"aad", &sealed));
    refused(open(&key, &context, Purpose::Ticket, [7; 12], b"aad", &sealed));
    others().iter().for_each(|other| refused(open(&key, other, Purpose::Storage, [7; 12], b"aad", &sealed)));
    refused(open(&key, &context, Purpose::Storage, [8; 12], b"aad", &sealed));
    refused(open(&key, &context, Purpose::Storage, [7; 12], b"aae", &sealed));
    damaged(&sealed)
        .for_each(|sealed| refused(open(&key, &context, Purpose::Storage, [7; 12], b"aad", &sealed)));
    let derived = key.derive(b"salt", &context, Purpose::Storage, b"name");
    refused(open(&derived, &context, Purpose::Storage, [7; 12], b"aad", &sealed));
}

#[test]
fn envelopes_are_checked_before_they_are_read() {
    let (key, context, message) = (key(1), acme(), body());
    let signed = sign_envelope(&key, &context, Purpose::Result, &message).unwrap();
    assert_eq!(Signed::from_bytes(&signed.to_bytes().unwrap()).unwrap(), signed);
    let open = |signed: &Signed, context: &Context, purpose, key: &PublicKey| {
        open_envelope::<TicketBody>(signed, context, purpose, key)
    };
    assert_eq!(open(&signed, &context, Purpose::Result, &key.public()).unwrap(), message);
    assert_eq!(open(&signed, &context, Purpose::Result, &self::key(2).public()), Err(SealError::WrongKey));
    assert_eq!(open(&signed, &context, Purpose::Certificate, &key.public()), Err(SealError::Signature));
    for other in others() {
        assert_eq!(open(&signed, &other, Purpose::Result, &key.public()), Err(SealError::Signature));
    }
    for bytes in damaged(&signed.body) {
        let forged = Signed { body: glacis_wire::message::Bytes(bytes), ..signed.clone() };
        assert_eq!(open(&forged, &context, Purpose::Result, &key.public()), Err(SealError::Signature));
    }
    let nonsense = sign_envelope(&key, &context, Purpose::Result, &7_u8).unwrap();
    assert!(matches!(open(&nonsense, &context, Purpose::Result, &key.public()), Err(SealError::Decode(_))));
}

#[test]
fn mac_envelopes_are_checked_before_they_are_read() {
    let (key, context, message) = (MacKey::new([1; 32]), acme(), body());
    let maced = mac_envelope(&key, &context, Purpose::Verdict, &message).unwrap();
    let open = |maced: &Maced, context: &Context, purpose, key: &MacKey| {
        open_maced::<TicketBody>(maced, context, purpose, key)
    };
    assert_eq!(open(&maced, &context, Purpose::Verdict, &key).unwrap(), message);
    assert_eq!(open(&maced, &context, Purpose::Verdict, &MacKey::new([2; 32])), Err(SealError::Mac));
    assert_eq!(open(&maced, &context, Purpose::Decision, &key), Err(SealError::Mac));
    for other in others() {
        assert_eq!(open(&maced, &other, Purpose::Verdict, &key), Err(SealError::Mac));
    }
    for bytes in damaged(&maced.to_bytes().unwrap()) {
        if let Ok(forged) = Maced::from_bytes(&bytes) {
            assert_eq!(open(&forged, &context, Purpose::Verdict, &key), Err(SealError::Mac));
        }
    }
}

#[test]
fn tickets_open_under_every_epoch_in_force_and_no_other() {
    let epoch = |epoch: u32| ClusterKey { epoch, secret: Secret::new([u8::try_from(epoch).unwrap(); 32]) };
    let keys = |current, previous: Option<u32>, next: Option<u32>| ClusterKeys {
        current: epoch(current),
        previous: previous.map(epoch),
        next: next.map(epoch),
    };
    let ticket = seal_ticket(&epoch(5), &acme(), entropy(1), &body()).unwrap();
    for keys in [keys(5, None, None), keys(6, Some(5), None), keys(4, None, Some(5))] {
        assert_eq!(open_ticket(&keys, &acme(), &ticket).unwrap(), body());
    }
    assert_eq!(open_ticket(&keys(7, Some(6), Some(8)), &acme(), &ticket), Err(SealError::UnknownEpoch));
    let renumbered = ClusterKeys { current: ClusterKey { epoch: 5, ..epoch(6) }, previous: None, next: None };
    assert_eq!(open_ticket(&renumbered, &acme(), &ticket), Err(SealError::Sealed));
    for other in others() {
        assert_eq!(open_ticket(&keys(5, None, None), &other, &ticket), Err(SealError::Sealed));
    }
    for damaged in damaged(&ticket) {
        assert!(open_ticket(&keys(5, Some(4), Some(6)), &acme(), &damaged).is_err());
    }
    let again = seal_ticket(&epoch(5), &acme(), entropy(2), &body()).unwrap();
    assert_ne!(again, ticket, "each ticket has a salt of its own");
}

#[test]
fn tokens_verify_under_the_key_that_the_caller_chose() {
    let (es, hs) = (key(1), MacKey::new([1; 32]));
    let (es_public, hs_other) = (es.public(), MacKey::new([2; 32]));
    let header = br#"{"alg":"ES256"}"#;
    let token = jws::sign_es256(&es, header, b"{}").unwrap();
    let verified = jws::verify(&token, Key::Es256(&es_public)).unwrap();
    assert_eq!((verified.header.as_slice(), verified.payload.as_slice()), (&header[..], &b"{}"[..]));
    assert!(jws::verify(&token, Key::Es256(&key(2).public())).is_err());
    assert!(jws::verify(&token, Key::Hs256(&hs)).is_err(), "the token does not choose the algorithm");
    let token_hs = jws::sign_hs256(&hs, br#"{"alg":"HS256"}"#, b"payload");
    assert_eq!(jws::verify(&token_hs, Key::Hs256(&hs)).unwrap().payload, b"payload");
    assert!(jws::verify(&token_hs, Key::Hs256(&hs_other)).is_err());
    for (token, key) in [(&token, Key::Es256(&es_public)), (&token_hs, Key::Hs256(&hs))] {
        for damaged in damaged(token.as_bytes()).filter_map(|bytes| String::from_utf8(bytes).ok()) {
            assert!(jws::verify(&damaged, key).is_err(), "{damaged}");
        }
    }
    for none in ["", ".", "..", "a.b", "e30.e30.", "e30..", "e30.e30.e30.e30"] {
        assert!(
            jws::verify(none, Key::Es256(&es_public)).is_err() && jws::verify(none, Key::Hs256(&hs)).is_err()
        );
    }
}

/// RFC 7515 appendix A.3: ES256 over the example claims.
#[test]
fn the_token_of_rfc_7515_appendix_a_3_verifies() {
    let part = |text: &str| glacis_seal::text::parse_base64url(text).unwrap();
    let x = part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
    let y = part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let key = PublicKey([vec![4], x, y].concat().try_into().unwrap());
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert_eq!(jws::verify(token, Key::Es256(&key)).unwrap().header, br#"{"alg":"ES256"}"#);
}

#[test]
fn secrets_print_nothing() {
    let text = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        MacKey::new([0xab; 32]),
        SealKey::new([0xab; 32]),
        Share::generate(entropy(1)).unwrap(),
        ClusterKey { epoch: 1, secret: Secret::new([0xab; 32]) },
        key(1),
    );
    assert!(!text.contains("171") && !text.contains("abab"), "{text}");
    let scalar: String = key(1).scalar().expose().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!text.contains(scalar.get(..16).unwrap()), "{text}");
}
