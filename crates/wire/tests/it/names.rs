//! Names admit exactly their characters; references read out loud survive.

use glacis_wire::message::refusal::Refusal;
use glacis_wire::*;

#[test]
fn names_admit_exactly_their_characters() {
    for (text, tenant, signal, event) in [
        ("acme", true, true, true),
        ("acme-2", true, false, true),
        ("app.hooked", false, true, true),
        ("list.mules(payee)", false, true, false),
        ("Acme", false, false, false),
        ("", false, false, false),
        ("a b", false, false, false),
        ("é", false, false, false),
    ] {
        assert_eq!(TenantId::parse(text).is_ok(), tenant, "tenant {text}");
        assert_eq!(SignalName::parse(text).is_ok(), signal, "signal {text}");
        assert_eq!(EventName::parse(text).is_ok(), event, "event {text}");
    }
    assert!(TenantId::parse(&"a".repeat(33)).is_err());
}

#[test]
fn a_reference_survives_being_read_out() {
    for seed in 0..500_u64 {
        let reference = Reference::from_random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        let text = reference.text();
        assert_eq!(text.len(), 12);
        assert_eq!(Reference::parse(&text), Some(reference));
        assert_eq!(Reference::parse(&text.to_lowercase()), Some(reference));
    }
    assert_eq!(Reference::parse("short"), None);
    assert_eq!(
        Reference::parse("ILOUILOUILOU"),
        None,
        "letters that look like digits are not in the alphabet"
    );
}

#[test]
fn every_refusal_has_its_own_name_code_and_a_client_or_server_status() {
    for (at, refusal) in Refusal::ALL.iter().enumerate() {
        assert_eq!(refusal.to_bytes().unwrap(), [u8::try_from(at).unwrap()]);
        assert!((400..600).contains(&refusal.status()), "{}", refusal.name());
        assert!(Refusal::ALL.iter().skip(at + 1).all(|other| other.name() != refusal.name()));
    }
}
