//! Enrolment: what is sent, and which answers are believed.

use crate::{NOW, answer, challenge, challenged, context, device, key, key_set, key_store, vault};
use glacis_dtx::enrol::Draft;
use glacis_dtx::{EnrolError, Enrolled, Enrolment, KeyStore, Role};
use glacis_host::MemoryFiles;
use glacis_seal::{Purpose, verify};
use glacis_wire::message::enrol::{EnrolRequest, Evidence};
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Decode, Encode, Timestamp};
use std::sync::Arc;

#[test]
fn the_request_is_signed_by_the_key_that_it_enrols() {
    let keys = key_store(&vault(MemoryFiles::new()));
    let enrolment = challenged(&keys, true);
    assert_eq!(enrolment.challenge(), &challenge());
    let evidence = Evidence { family: Text("simulated".to_owned()), body: Bytes(vec![1, 2]) };
    let request = enrolment.evidenced(Some(evidence.clone())).unwrap().request().unwrap();
    assert_eq!(EnrolRequest::from_bytes(&request.to_bytes().unwrap()).unwrap(), request);
    let body = &request.body;
    assert_eq!(
        (Some(body.device_key), body.passkey),
        (keys.public(Role::Device).unwrap(), keys.public(Role::PASSKEY).unwrap())
    );
    assert!(body.passkey.is_some());
    assert_eq!((&body.challenge, &body.evidence), (&challenge(), &Some(evidence)));
    let signed = body.to_bytes().unwrap();
    verify(&body.device_key, &context(), Purpose::Enrol, &signed, &request.signature).unwrap();
}

#[test]
fn an_authentic_answer_enrols_and_survives_a_restart() {
    let (files, vault, _, enrolled) = device();
    assert_eq!(Enrolled::load(&vault).unwrap(), None);
    enrolled.save(&vault).unwrap();
    let again = crate::vault(files);
    assert_eq!(Enrolled::load(&again).unwrap().unwrap(), enrolled);
    assert_eq!(enrolled.thumbprint(), enrolled.result().thumbprint);
    assert_eq!(enrolled.not_after(), Timestamp::from_secs(2_000_000));
}

#[test]
fn an_expired_challenge_is_not_answered() {
    let keys = key_store(&vault(MemoryFiles::new()));
    let draft = Enrolment::<Draft>::begin(keys, context(), false).unwrap();
    let late = challenge().not_after.after(std::time::Duration::from_millis(1));
    assert!(matches!(draft.challenged(challenge(), late), Err(EnrolError::Expired)));
}

#[test]
fn answers_by_another_key_about_another_device_or_too_late_are_refused() {
    let keys = key_store(&vault(MemoryFiles::new()));
    let device_key = keys.create(Role::Device).unwrap();
    let finish = |keys: &Arc<dyn KeyStore>, response, now| {
        challenged(keys, false).evidenced(None).unwrap().finish(response, &key_set(1, &["policy"]), now)
    };
    finish(&keys, answer(device_key, None, "result"), NOW).unwrap();
    for signer in ["policy", "somebody"] {
        let result = finish(&keys, answer(device_key, None, signer), NOW);
        assert!(matches!(result, Err(EnrolError::Untrusted(_))), "{signer}: {result:?}");
    }
    let other = key("other").public();
    assert!(matches!(finish(&keys, answer(other, None, "result"), NOW), Err(EnrolError::OtherDevice)));
    let passkey = finish(&keys, answer(device_key, Some(other), "result"), NOW);
    assert!(matches!(passkey, Err(EnrolError::OtherDevice)), "a passkey that is not ours");
    let late = finish(&keys, answer(device_key, None, "result"), Timestamp::from_secs(2_000_001));
    assert!(matches!(late, Err(EnrolError::Expired)));
    let mut mixed = answer(device_key, None, "result");
    mixed.result = answer(other, None, "result").result;
    assert!(
        matches!(finish(&keys, mixed, NOW), Err(EnrolError::OtherDevice)),
        "a result about another device"
    );
    let mut swapped = answer(device_key, None, "result");
    std::mem::swap(&mut swapped.certificate, &mut swapped.result);
    assert!(matches!(finish(&keys, swapped, NOW), Err(EnrolError::Untrusted(_))), "one for the other");
    let mut flipped = answer(device_key, None, "result");
    flipped.certificate.signature[10] ^= 1;
    assert!(matches!(finish(&keys, flipped, NOW), Err(EnrolError::Untrusted(_))));
}

#[test]
fn an_old_key_vouches_for_exactly_this_enrolment_and_never_for_itself() {
    let old = key_store(&vault(MemoryFiles::new()));
    old.create(Role::Device).unwrap();
    let keys = key_store(&vault(MemoryFiles::new()));
    // Both worlds have one seed, and so the same first key.
    keys.create(Role::Device).unwrap();
    keys.renew(Role::Device).unwrap();
    let enrolment = challenged(&keys, false).evidenced(None).unwrap().replacing(&*old).unwrap();
    let request = enrolment.request().unwrap();
    assert_eq!(EnrolRequest::from_bytes(&request.to_bytes().unwrap()).unwrap(), request);
    let old_key = old.public(Role::Device).unwrap().unwrap();
    let predecessor = request.extras.replaces.clone().unwrap();
    assert_eq!(predecessor.thumbprint, glacis_seal::thumbprint(&old_key));
    let body = request.body.to_bytes().unwrap();
    verify(&old_key, &context(), Purpose::Succession, &body, &predecessor.signature).unwrap();
    let signed = EnrolRequest::signed_bytes(&request.body, &request.extras).unwrap();
    verify(&request.body.device_key, &context(), Purpose::Enrol, &signed, &request.signature).unwrap();
    verify(&request.body.device_key, &context(), Purpose::Enrol, &body, &request.signature).unwrap_err();
    let same = challenged(&keys, false).evidenced(None).unwrap().replacing(&*keys);
    assert!(matches!(same, Err(EnrolError::SameKey)));
    let empty = key_store(&vault(MemoryFiles::new()));
    let none = challenged(&keys, false).evidenced(None).unwrap().replacing(&*empty);
    assert!(matches!(none, Err(EnrolError::Key(_))));
}
