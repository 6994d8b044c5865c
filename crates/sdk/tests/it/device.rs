//! Enrolment, key rotation and restarts: what a device believes, and what it still holds afterwards.

use crate::edge::FakeEdge;
use crate::rig::{Rig, event, slice, transfer, with};
use glacis_sdk::drive::{Lost, Transport, Unattended, drive};
use glacis_sdk::flow::enrol::{Asked, AttestFailure, Attester, NoEvidence};
use glacis_sdk::flow::pull::Pulled;
use glacis_sdk::{Answered, Client, FlowErrorKind};
use glacis_seal::{Purpose, SigningKey, sign_envelope, verify};
use glacis_wire::http::{self, Request, Response};
use glacis_wire::message::enrol::{EnrolRequest, Evidence};
use glacis_wire::message::tpm::{Activation, ActivationRequest, TpmIdentity};
use glacis_wire::message::{Bytes, List, PublicKey, Text};
use glacis_wire::{Answer, Decode, Encode as _, Tier, Value};
use std::error::Error as _;
use std::time::Duration;

/// Loses the first `left` answers on `path`.
struct Lossy<'e> {
    edge: &'e mut FakeEdge,
    path: &'static str,
    left: u8,
}

impl Transport for Lossy<'_> {
    fn exchange(&mut self, request: &Request) -> Result<Response, Lost> {
        let answer = self.edge.exchange(request)?;
        if request.path == self.path && self.left > 0 {
            self.left -= 1;
            return Err(Lost);
        }
        Ok(answer)
    }
}

#[test]
fn a_client_may_move_between_threads() {
    fn movable<T: Send>() {}
    movable::<Client>();
}

#[test]
fn evidence_is_made_over_the_challenge_and_the_key_that_enrols() {
    #[derive(Default)]
    struct Platform(Vec<([u8; 32], PublicKey)>);
    impl Attester for Platform {
        fn evidence(
            &mut self,
            asked: &Asked<'_>,
            activation: Option<&Activation>,
        ) -> Result<Option<Evidence>, AttestFailure> {
            assert!(activation.is_none(), "it asked for none");
            self.0.push((asked.challenge.nonce, *asked.device_key));
            Ok(Some(Evidence { family: Text(String::from("test")), body: Bytes(vec![1, 2, 3]) }))
        }
    }
    let (mut rig, mut platform) = (Rig::new(21), Platform::default());
    let appraised = drive(&mut rig.client.enrol(&mut platform), &mut rig.edge, &mut Unattended).unwrap();
    assert_eq!(appraised.tier, Tier::Software);
    let sent = rig.edge.log.iter().find(|request| request.path == http::PATH_ENROL).unwrap();
    let body = EnrolRequest::from_bytes(&sent.body).unwrap().body;
    assert_eq!(platform.0, [(body.challenge.nonce, body.device_key)]);
    assert_eq!(body.evidence.unwrap().body.0, [1, 2, 3]);
    assert_eq!(rig.client.line().enrolment().unwrap().thumbprint(), appraised.thumbprint);
}

/// A platform that must open a secret first, and fails where it is told to.
struct Chip {
    fails: Option<&'static str>,
    opened: Vec<Activation>,
}

impl Attester for Chip {
    fn activation(&mut self, asked: &Asked<'_>) -> Result<Option<ActivationRequest>, AttestFailure> {
        if self.fails == Some("asking") {
            return Err(AttestFailure::new("the chip is in lockout"));
        }
        let identity =
            TpmIdentity { ek: Bytes(vec![1]), ek_certificates: List(vec![]), ak: Bytes(vec![2, 3]) };
        let (challenge, device_key) = (asked.challenge.clone(), *asked.device_key);
        Ok(Some(ActivationRequest { challenge, device_key, identity }))
    }

    fn evidence(
        &mut self,
        asked: &Asked<'_>,
        activation: Option<&Activation>,
    ) -> Result<Option<Evidence>, AttestFailure> {
        if self.fails == Some("answering") {
            return Err(AttestFailure::new("the chip is gone"));
        }
        let activation = activation.unwrap();
        assert_eq!(activation.credential.0, asked.challenge.nonce, "the answer to this challenge");
        self.opened.push(activation.clone());
        Ok(Some(Evidence { family: Text(String::from("tpm")), body: Bytes(vec![7]) }))
    }
}

#[test]
fn a_platform_that_asks_first_gets_its_answer_before_it_gives_evidence() {
    let (mut rig, mut chip) = (Rig::new(23), Chip { fails: None, opened: Vec::new() });
    drive(&mut rig.client.enrol(&mut chip), &mut rig.edge, &mut Unattended).unwrap();
    let paths: Vec<&str> = rig.edge.log.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, [http::PATH_ENROL_CHALLENGE, http::PATH_ENROL_ACTIVATION, http::PATH_ENROL]);
    assert_eq!(chip.opened.len(), 1);
    assert_eq!(chip.opened[0].secret.0, [2, 3]);
}

#[test]
fn a_platform_that_fails_enrols_nothing_not_even_as_software() {
    for fails in ["asking", "answering"] {
        let (mut rig, mut chip) = (Rig::new(24), Chip { fails: Some(fails), opened: Vec::new() });
        let error = drive(&mut rig.client.enrol(&mut chip), &mut rig.edge, &mut Unattended).unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Unattested, "{fails}");
        assert!(error.source().unwrap().to_string().contains("chip"), "{error:?}");
        assert!(rig.edge.log.iter().all(|request| request.path != http::PATH_ENROL), "{fails}");
        assert!(rig.client.line().enrolment().is_none());
    }
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one_which_vouches_for_it() {
    let mut rig = Rig::new(25);
    drive(&mut rig.client.enrol(&mut NoEvidence), &mut rig.edge, &mut Unattended).unwrap();
    let old = rig.client.line().enrolment().unwrap().certificate().clone();
    drive(&mut rig.client.open(), &mut rig.edge, &mut Unattended).unwrap();
    // An answer that is lost changes nothing yet.
    let before = rig.edge.log.len();
    let mut lossy = Lossy { edge: &mut rig.edge, path: http::PATH_ENROL, left: 1 };
    drive(&mut rig.client.replace_key(&mut NoEvidence), &mut lossy, &mut Unattended).unwrap();
    let new = rig.client.line().enrolment().unwrap().certificate().clone();
    assert_ne!(new.device_key, old.device_key);
    assert_eq!(new.passkey, old.passkey, "the user's key stays");
    let enrolments: Vec<EnrolRequest> = rig.edge.log[before..]
        .iter()
        .filter(|request| request.path == http::PATH_ENROL)
        .map(|request| EnrolRequest::from_bytes(&request.body).unwrap())
        .collect();
    assert_eq!(enrolments.len(), 2);
    for EnrolRequest { body, extras, .. } in &enrolments {
        assert_eq!(body.device_key, new.device_key, "one successor, however often it is sent");
        let replaces = extras.replaces.as_ref().unwrap();
        assert_eq!(replaces.thumbprint, old.thumbprint);
        let bytes = body.to_bytes().unwrap();
        let context = &rig.edge.context;
        verify(&old.device_key, context, Purpose::Succession, &bytes, &replaces.signature).unwrap();
    }
    drive(&mut rig.client.open(), &mut rig.edge, &mut Unattended).unwrap();
}

#[test]
fn a_lost_enrolment_answer_begins_again_with_a_new_challenge_and_the_same_key() {
    let mut rig = Rig::new(22);
    let mut lossy = Lossy { edge: &mut rig.edge, path: http::PATH_ENROL, left: 2 };
    drive(&mut rig.client.enrol(&mut NoEvidence), &mut lossy, &mut Unattended).unwrap();
    let sent: Vec<_> = rig.edge.log.iter().filter(|request| request.path == http::PATH_ENROL).collect();
    let bodies: Vec<_> =
        sent.iter().map(|request| EnrolRequest::from_bytes(&request.body).unwrap().body).collect();
    assert_eq!(bodies.len(), 3);
    assert_ne!(bodies[0].challenge.nonce, bodies[2].challenge.nonce);
    assert_eq!(bodies[0].device_key, bodies[2].device_key);
}

#[test]
fn an_enrolment_that_nobody_trusted_signed_is_not_believed() {
    let mut rig = Rig::new(23);
    let honest = rig.edge.result_key.public();
    rig.edge.result_key = SigningKey::from_scalar(&[7; 32]).unwrap();
    assert_ne!(rig.edge.result_key.public(), honest);
    let error = drive(&mut rig.client.enrol(&mut NoEvidence), &mut rig.edge, &mut Unattended).unwrap_err();
    assert_eq!(error.kind(), FlowErrorKind::Unverifiable);
    assert!(rig.client.line().enrolment().is_none());
}

#[test]
fn an_expired_enrolment_asks_for_a_new_one() {
    let mut rig = Rig::ready();
    rig.host.advance(Duration::from_secs(2 * 86_400));
    let mut act = rig.client.act(transfer()).unwrap();
    let error = drive(&mut act, &mut rig.edge, &mut Unattended).unwrap_err();
    assert_eq!(error.kind(), FlowErrorKind::NotEnrolled);
}

#[test]
fn enrolment_slices_and_the_session_line_survive_a_restart() {
    let mut rig = Rig::ready();
    drive(&mut rig.client.open(), &mut rig.edge, &mut Unattended).unwrap();
    rig.restart();
    // The fake edge panics where two openings name one parent.
    let mut act = rig.client.act(transfer()).unwrap();
    assert!(drive(&mut act, &mut rig.edge, &mut Unattended).unwrap().allowed());
    rig.signals(|| with("app.hooked", Answer::Value(Value::Bool(true))));
    let mut act = rig.client.act(transfer()).unwrap();
    let outcome = drive(&mut act, &mut rig.edge, &mut Unattended).unwrap();
    assert_eq!(outcome.zone, Answered::Device, "the accepted slice is loaded without a pull");
}

#[test]
fn an_opening_whose_answer_was_lost_leaves_a_gap_and_no_fork() {
    let mut rig = Rig::ready();
    let mut lossy = Lossy { edge: &mut rig.edge, path: http::PATH_SESSION, left: 3 };
    drive(&mut rig.client.open(), &mut lossy, &mut Unattended).unwrap();
    assert_eq!(rig.edge.log.iter().filter(|request| request.path == http::PATH_SESSION).count(), 4);
}

fn pull(rig: &mut Rig) -> Result<Pulled, FlowErrorKind> {
    drive(&mut rig.client.pull(), &mut rig.edge, &mut Unattended).map_err(|error| error.kind())
}

#[test]
fn keys_rotate_only_through_a_key_set_that_the_one_before_signed() {
    let mut rig = Rig::ready();
    let bytes = slice(&rig.edge);
    let old = std::mem::replace(&mut rig.edge.policy_key, SigningKey::from_scalar(&[9; 32]).unwrap());
    let next = rig.edge.key_set(2);
    rig.edge.publish(6, &event(), bytes);
    assert_eq!(pull(&mut rig), Err(FlowErrorKind::Unpublishable), "signed by a key of no key set");

    let stranger = sign_envelope(&rig.edge.policy_key, &rig.edge.context, Purpose::KeySet, &next).unwrap();
    rig.edge.published.as_mut().unwrap().key_sets = List(vec![stranger]);
    assert_eq!(pull(&mut rig), Err(FlowErrorKind::Unpublishable), "a key cannot introduce itself");

    let signed = sign_envelope(&old, &rig.edge.context, Purpose::KeySet, &next).unwrap();
    rig.edge.published.as_mut().unwrap().key_sets = List(vec![signed]);
    assert_eq!(pull(&mut rig), Ok(Pulled::Newer(6)));
    assert_eq!(rig.client.key_set().version, 2);
    rig.restart();
    assert_eq!(rig.client.key_set().version, 2, "also after a restart with the older pinned set");
}

#[test]
fn an_answer_that_names_a_newer_bundle_is_a_hint_to_pull() {
    let mut rig = Rig::ready();
    assert!(!rig.client.is_behind());
    rig.edge.version = Some(6);
    let mut act = rig.client.act(transfer()).unwrap();
    drive(&mut act, &mut rig.edge, &mut Unattended).unwrap();
    assert!(rig.client.is_behind());
    let bytes = slice(&rig.edge);
    rig.edge.publish(6, &event(), bytes);
    assert_eq!(pull(&mut rig), Ok(Pulled::Newer(6)));
    assert!(!rig.client.is_behind());
}

#[cfg(feature = "observe")]
#[test]
fn an_observer_sees_the_signals_of_a_decided_action_and_no_byte_that_leaves_changes() {
    use std::sync::{Arc, Mutex};
    let run = |observed: bool| {
        let mut rig = Rig::with_seed(31);
        let seen = Arc::new(Mutex::new(Vec::new()));
        if observed {
            let sink = Arc::clone(&seen);
            rig.client.observe(Box::new(move |seeing| sink.lock().unwrap().push(seeing)));
        }
        let mut act = rig.client.act(transfer()).unwrap();
        let outcome = drive(&mut act, &mut rig.edge, &mut Unattended).unwrap();
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        // The opening's ECDSA signature is randomised.
        let sent: Vec<_> = rig.edge.log.into_iter().filter(|request| request.path == "/transfers").collect();
        (seen, sent, outcome)
    };
    let ((none, plain, _), (seen, watched, outcome)) = (run(false), run(true));
    assert_eq!(plain, watched);
    assert!(none.is_empty());
    let [seen] = &seen[..] else { panic!("one observation") };
    assert_eq!(
        (seen.event_id, seen.zone, seen.verdict),
        (outcome.event_id, Answered::Remote, outcome.verdict)
    );
    assert_eq!(seen.signals.len(), 5);
}

/// A platform that proves something about a key once, or as often as it is asked.
struct Proves {
    again: bool,
}

impl Attester for Proves {
    fn evidence(
        &mut self,
        _asked: &Asked<'_>,
        _activation: Option<&Activation>,
    ) -> Result<Option<Evidence>, AttestFailure> {
        Ok(Some(Evidence { family: Text(String::from("phone")), body: Bytes(vec![1]) }))
    }

    fn attests_again(&self) -> bool {
        self.again
    }
}

#[test]
fn an_attestation_is_made_anew_in_its_last_quarter_by_the_same_key_only_where_the_platform_proves_again() {
    for again in [true, false] {
        let (mut rig, mut platform) = (Rig::new(26), Proves { again });
        assert!(!rig.client.is_attestation_due(), "nothing was proven yet");
        drive(&mut rig.client.attest_anew(&mut platform), &mut rig.edge, &mut Unattended).unwrap();
        let first = rig.client.line().enrolment().unwrap();
        let (key, from, until) =
            (first.certificate().device_key, first.result().verified_at, first.not_after());
        let quarter = until.since(from) / 4;
        rig.host.set_now(until.before(quarter).before(Duration::from_millis(1)));
        assert!(!rig.client.is_attestation_due());
        for due in [until.before(quarter), until, until.after(quarter)] {
            rig.host.set_now(due);
            assert!(rig.client.is_attestation_due(), "{due:?}");
        }
        rig.host.set_now(until.before(quarter));
        rig.edge.log.clear();
        drive(&mut rig.client.attest_anew(&mut platform), &mut rig.edge, &mut Unattended).unwrap();
        let sent = rig.edge.log.iter().find(|request| request.path == http::PATH_ENROL).unwrap();
        let sent = EnrolRequest::from_bytes(&sent.body).unwrap();
        assert_eq!(sent.body.device_key == key, again);
        assert_eq!(sent.extras.replaces.is_none(), again);
        // This edge answers a key that it knows as it did before.
        assert_eq!(rig.client.is_attestation_due(), again);
    }
}
