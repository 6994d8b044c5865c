//! Flows against an edge in memory: what is sent, what is believed, and what ends a flow.

use crate::edge::{Fault, refuse};
use crate::rig::{Rig, clear, event, slice, transfer, with};
use glacis_policy::{Binding, Owner, Slice};
use glacis_sdk::drive::{Reply, Transport, Unattended, User, drive};
use glacis_sdk::flow::pull::Pulled;
use glacis_sdk::flow::{Flow, Prompt, Step};
use glacis_sdk::signal::SignalSet;
use glacis_sdk::{Answered, FlowErrorKind, Outcome};
use glacis_wire::message::policy::{Metering, Published};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{
    Answer, AppName, Cause, Disclosed, Encode, Method, NodeOutcome, Realm, TenantId, Value, Verdict, http,
};
use std::time::Duration;

fn act(rig: &mut Rig) -> Result<Outcome, FlowErrorKind> {
    let mut user = rig.user.clone();
    let mut act = rig.client.act(transfer()).unwrap();
    drive(&mut act, &mut rig.edge, &mut user).map_err(|error| error.kind())
}

fn paths(rig: &Rig) -> Vec<&str> {
    rig.edge.log.iter().map(|request| request.path.as_str()).collect()
}

/// Requests of the action itself.
fn sent(rig: &Rig) -> Vec<&http::Request> {
    rig.edge.log.iter().filter(|request| request.path == "/transfers").collect()
}

fn detected() -> Answer {
    Answer::Value(Value::Bool(true))
}

#[test]
fn an_allowed_action_yields_the_upstreams_answer_and_later_ones_need_no_session() {
    let mut rig = Rig::ready();
    let outcome = act(&mut rig).unwrap();
    assert!(outcome.allowed());
    assert_eq!(outcome.zone, Answered::Remote);
    assert!(outcome.reference.is_some());
    assert_eq!(outcome.response.unwrap().body, b"/transfers");
    assert_eq!(paths(&rig), [http::PATH_SESSION, "/transfers"]);
    assert!(act(&mut rig).unwrap().allowed());
    assert_eq!(paths(&rig), [http::PATH_SESSION, "/transfers", "/transfers"]);
    let [one, two] = sent(&rig)[..] else { panic!("two actions") };
    assert_ne!(one.header(http::EVENT), two.header(http::EVENT), "two user actions, two event ids");
}

/// Over a budget the request goes out with everything withheld, nothing is decided here, and neither a restart nor a
/// newer policy gives anything back.
#[test]
fn over_its_budget_a_device_tells_nothing_and_decides_nothing() {
    let mut rig = Rig::enrolled();
    let bytes = slice(&rig.edge);
    rig.edge.metering = vec![Metering { event: event(), bits: 3, per_session: None, per_day: Some(7) }];
    rig.edge.publish(5, &event(), bytes.clone());
    drive(&mut rig.client.pull(), &mut rig.edge, &mut Unattended).unwrap();
    rig.signals(|| with("app.hooked", detected()));
    let tried = |rig: &mut Rig| {
        let mut act = rig.client.act(transfer()).unwrap();
        let told = act.disclosed().nodes.iter().any(|node| *node != NodeOutcome::Unknown);
        (told, drive(&mut act, &mut rig.edge, &mut Unattended).unwrap().zone)
    };
    for _ in 0..2 {
        assert_eq!(tried(&mut rig), (true, Answered::Device), "blocked before anything is sent");
    }
    assert_eq!(tried(&mut rig), (false, Answered::Remote), "nine bits of seven");
    let values = rig.client.act(transfer()).unwrap().disclosed().values.clone();
    assert_eq!(values, [Answer::unknown(Cause::Withheld)]);
    rig.restart();
    assert_eq!(tried(&mut rig), (false, Answered::Remote), "after a restart");
    rig.edge.publish(6, &event(), bytes);
    drive(&mut rig.client.pull(), &mut rig.edge, &mut Unattended).unwrap();
    assert_eq!(tried(&mut rig), (false, Answered::Remote), "under the next version");
    rig.host.advance(Duration::from_secs(24 * 60 * 60));
    assert!(tried(&mut rig).0, "the next day");
}

#[test]
fn a_disclosure_carries_every_node_and_every_declared_value() {
    let mut rig = Rig::ready();
    rig.signals(|| with("app.risk", Answer::Value(Value::Int(99))));
    let got = rig.client.act(transfer()).unwrap().disclosed().clone();
    assert_eq!(got.nodes, [NodeOutcome::False, NodeOutcome::False, NodeOutcome::True]);
    assert_eq!(got.values, [Answer::Value(Value::String(String::from("linux")))]);
    rig.signals(SignalSet::new);
    let got = rig.client.act(transfer()).unwrap().disclosed().clone();
    assert_eq!(got, Disclosed::withheld(rig.edge.policy, 3, 1), "no answer is withheld");
}

#[test]
fn without_a_slice_nothing_is_disclosed_and_the_edge_still_decides() {
    let mut rig = Rig::enrolled();
    rig.edge.decide = Box::new(|disclosed, _| match disclosed.nodes.len() + disclosed.values.len() {
        0 => Verdict::Block,
        _ => Verdict::Allow,
    });
    assert_eq!(act(&mut rig).unwrap().verdict, Verdict::Block);
}

#[test]
fn a_released_block_ends_on_the_device_without_a_request_and_is_reported_by_the_minute() {
    let mut rig = Rig::ready();
    rig.host.advance(Duration::from_millis(12_345));
    rig.signals(|| with("app.hooked", detected()));
    let outcome = act(&mut rig).unwrap();
    assert_eq!((outcome.zone, outcome.verdict), (Answered::Device, Verdict::Block));
    assert!(paths(&rig).is_empty());

    let mut report = rig.client.report().unwrap();
    assert_eq!(drive(&mut report, &mut rig.edge, &mut Unattended).unwrap(), 1);
    let [record] = &rig.edge.records[..] else { panic!("one record") };
    assert_eq!((record.event_id, record.verdict), (outcome.event_id, Verdict::Block));
    assert_eq!(record.decided.as_ms() % 60_000, 0);
    assert_eq!(rig.client.records(), 0);

    act(&mut rig).unwrap();
    assert!(rig.client.report().is_none(), "one batch a minute");
    rig.host.advance(Duration::from_secs(60));
    assert!(rig.client.report().is_some());
}

#[test]
fn a_stale_slice_discloses_but_decides_nothing_until_a_verdict_confirms_it() {
    let mut rig = Rig::ready();
    rig.host.advance(glacis_sdk::DEVICE_FINAL_TTL);
    rig.signals(|| with("app.hooked", detected()));
    rig.edge.decide = Box::new(|disclosed, _| match disclosed.nodes[0] {
        NodeOutcome::True => Verdict::Block,
        _ => Verdict::Allow,
    });
    let outcome = act(&mut rig).unwrap();
    assert_eq!((outcome.zone, outcome.verdict), (Answered::Remote, Verdict::Block));
    let outcome = act(&mut rig).unwrap();
    assert_eq!(outcome.zone, Answered::Device, "the verdict named the slice's policy");
}

#[test]
fn an_unknown_sensor_is_disclosed_as_unknown_and_decides_nothing_here() {
    let mut rig = Rig::ready();
    rig.signals(|| with("app.hooked", Answer::unknown(Cause::Withheld)));
    let outcome = act(&mut rig).unwrap();
    assert_eq!(outcome.zone, Answered::Remote);
    let got = rig.client.act(transfer()).unwrap().disclosed().clone();
    assert_eq!(got.nodes[0], NodeOutcome::Unknown);
}

#[test]
fn an_unknown_leg_is_renewed_once_and_the_same_event_goes_again() {
    let mut rig = Rig::ready();
    rig.edge.faults.push_back(Fault::ForgetLegs);
    assert!(act(&mut rig).unwrap().allowed());
    assert_eq!(paths(&rig), [http::PATH_SESSION, "/transfers", http::PATH_LEG, "/transfers"]);
    let [one, two] = sent(&rig)[..] else { panic!("two requests") };
    assert_eq!(one.header(http::EVENT), two.header(http::EVENT));
    assert_eq!(one.header(http::TICKET), two.header(http::TICKET));
    assert_ne!(one.header("signature-input"), two.header("signature-input"));
}

#[test]
fn an_expired_ticket_opens_a_new_session_and_the_same_event_goes_again() {
    let mut rig = Rig::ready();
    assert!(act(&mut rig).unwrap().allowed());
    rig.edge.faults.push_back(Fault::ExpireTicket);
    assert!(act(&mut rig).unwrap().allowed());
    assert_eq!(
        paths(&rig),
        [http::PATH_SESSION, "/transfers", "/transfers", http::PATH_SESSION, "/transfers"]
    );
    let requests = sent(&rig);
    assert_eq!(requests[1].header(http::EVENT), requests[2].header(http::EVENT));
    assert_ne!(requests[1].header(http::TICKET), requests[2].header(http::TICKET));
}

#[test]
fn a_ticket_near_its_end_is_replaced_before_it_is_used() {
    let mut rig = Rig::ready();
    assert!(act(&mut rig).unwrap().allowed());
    rig.host.advance(Duration::from_secs(1_790));
    assert!(act(&mut rig).unwrap().allowed());
    assert_eq!(paths(&rig), [http::PATH_SESSION, "/transfers", http::PATH_SESSION, "/transfers"]);
}

#[test]
fn refusals_without_end_exhaust_the_flow() {
    let mut rig = Rig::ready();
    rig.edge.faults.extend(std::iter::repeat_n(Fault::ForgetLegs, 50));
    assert_eq!(act(&mut rig), Err(FlowErrorKind::Exhausted));
    assert!(rig.edge.log.len() < 12, "{:?}", paths(&rig));
}

#[test]
fn a_lost_answer_is_asked_for_again_under_the_same_event_id_and_decided_once() {
    let mut rig = Rig::ready();
    rig.edge.faults.push_back(Fault::LoseAnswer);
    let outcome = act(&mut rig).unwrap();
    assert!(outcome.allowed());
    let (_, _, times) = rig.edge.decided[&outcome.event_id];
    assert_eq!((times, rig.edge.decided.len()), (2, 1));
    rig.edge.faults.extend(std::iter::repeat_n(Fault::LoseAnswer, 50));
    assert_eq!(act(&mut rig), Err(FlowErrorKind::Unreachable));
}

#[test]
fn shedding_is_an_error_with_its_code_and_reference() {
    let mut rig = Rig::ready();
    rig.edge.faults.push_back(Fault::Overload);
    let mut act = rig.client.act(transfer()).unwrap();
    let error = drive(&mut act, &mut rig.edge, &mut Unattended).unwrap_err();
    assert_eq!(error.kind(), FlowErrorKind::Refused(Refusal::Overloaded));
    assert!(error.reference().is_some());
}

#[test]
fn no_answer_without_an_authentic_verdict_about_this_request_is_an_allow() {
    let earlier = {
        let mut rig = Rig::ready();
        assert!(act(&mut rig).unwrap().allowed());
        rig.edge.answers.pop().unwrap()
    };
    for (fault, want) in [
        (Fault::ForgeMac, FlowErrorKind::Unverifiable),
        (Fault::NoVerdict, FlowErrorKind::Unverifiable),
        (Fault::TwoVerdicts, FlowErrorKind::Unverifiable),
        (Fault::WrongEvent, FlowErrorKind::Mismatched),
        (Fault::WrongRequest, FlowErrorKind::Mismatched),
        (Fault::PastEnd, FlowErrorKind::Stale),
        // Of another device's session: its key is another.
        (Fault::Replay(earlier), FlowErrorKind::Unverifiable),
    ] {
        let mut rig = Rig::with_seed(11);
        rig.edge.faults.push_back(fault.clone());
        assert_eq!(act(&mut rig), Err(want), "{fault:?}");
        assert!(act(&mut rig).unwrap().allowed(), "the next action is unharmed");
    }
}

#[test]
fn a_challenge_for_another_request_is_not_shown_to_the_user() {
    let mut rig = Rig::ready();
    rig.edge.decide = Box::new(|_, _| Verdict::Challenge(Method::Passkey));
    rig.edge.faults.push_back(Fault::WrongNonce);
    assert_eq!(act(&mut rig), Err(FlowErrorKind::Mismatched));
    assert_eq!(sent(&rig).len(), 1);
}

#[test]
fn an_old_allow_of_the_same_session_does_not_allow_again() {
    let mut rig = Rig::ready();
    assert!(act(&mut rig).unwrap().allowed());
    let old = rig.edge.answers.last().unwrap().clone();
    rig.edge.decide = Box::new(|_, _| Verdict::Block);
    rig.edge.faults.push_back(Fault::Replay(old));
    assert_eq!(act(&mut rig), Err(FlowErrorKind::Mismatched));
}

#[test]
fn a_refusal_dressed_as_success_is_no_allow() {
    let mut rig = Rig::ready();
    let mut act = rig.client.act(transfer()).unwrap();
    let Step::Send(open) = act.next() else { panic!("opens a session") };
    act.receive(rig.edge.exchange(&open).unwrap());
    let Step::Send(_) = act.next() else { panic!("sends") };
    let mut answer = refuse(Refusal::LegUnknown);
    answer.status = 200;
    act.receive(answer);
    let Step::Done(Err(error)) = act.next() else { panic!("ends") };
    assert_eq!(error.kind(), FlowErrorKind::Unverifiable);
}

#[test]
fn a_passkey_challenge_is_answered_and_the_event_decided_again() {
    let mut rig = Rig::ready();
    rig.edge.decide = Box::new(|_, passed| match passed {
        Some(Method::Passkey) => Verdict::Allow,
        _ => Verdict::Challenge(Method::Passkey),
    });
    let outcome = act(&mut rig).unwrap();
    assert!(outcome.allowed());
    let [one, two] = sent(&rig)[..] else { panic!("asked, answered") };
    assert_eq!(one.header(http::EVENT), two.header(http::EVENT));
    assert_eq!(one.header(http::DISCLOSURE), two.header(http::DISCLOSURE));
    assert_eq!((one.header(http::PROOF), two.header(http::PROOF) == Some("::")), (Some("::"), false));
}

#[test]
fn an_otp_challenge_sends_a_code_and_trades_it_after_a_typo() {
    let mut rig = Rig::ready();
    rig.edge.decide = Box::new(|_, passed| match passed {
        Some(Method::Otp) => Verdict::Allow,
        _ => Verdict::Challenge(Method::Otp),
    });
    rig.user.codes = vec!["000000", "424242"];
    assert!(act(&mut rig).unwrap().allowed());
    assert_eq!(
        paths(&rig)[1..],
        ["/transfers", http::PATH_OTP_START, http::PATH_OTP_VERIFY, http::PATH_OTP_VERIFY, "/transfers"]
    );
}

#[test]
fn a_passkey_challenge_trades_an_assertion_of_the_platform_after_a_wrong_one() {
    let mut rig = Rig::ready();
    rig.edge.decide = Box::new(|_, passed| match passed {
        Some(Method::Passkey) => Verdict::Allow,
        _ => Verdict::Challenge(Method::Passkey),
    });
    rig.user.asserts = vec![false, true];
    assert!(act(&mut rig).unwrap().allowed());
    assert_eq!(
        paths(&rig)[1..],
        ["/transfers", http::PATH_PASSKEY_VERIFY, http::PATH_PASSKEY_VERIFY, "/transfers"]
    );
    // Three wrong ones are enough, and one that no message can carry is none.
    rig.user.asserts = vec![false; 5];
    let before = rig.edge.log.len();
    assert_eq!(act(&mut rig).unwrap().unanswered(), Some(Method::Passkey));
    let tries = |rig: &Rig, from: usize| {
        paths(rig)[from..].iter().filter(|path| **path == http::PATH_PASSKEY_VERIFY).count()
    };
    assert_eq!(tries(&rig, before), 3);
    struct Large;
    impl User for Large {
        fn prompt(&mut self, _prompt: &Prompt) -> Reply {
            Reply::Assertion(vec![b'x'; (16 << 10) + 1])
        }
    }
    let before = rig.edge.log.len();
    let mut large = rig.client.act(transfer()).unwrap();
    let outcome = drive(&mut large, &mut rig.edge, &mut Large).unwrap();
    assert_eq!((outcome.unanswered(), tries(&rig, before)), (Some(Method::Passkey), 0));
}

#[test]
fn an_unanswered_challenge_is_the_outcome() {
    let mut rig = Rig::ready();
    rig.edge.decide = Box::new(|_, _| Verdict::Challenge(Method::Otp));
    rig.user.codes = vec!["0", "1", "2", "3", "4", "5"];
    let outcome = act(&mut rig).unwrap();
    assert_eq!((outcome.zone, outcome.unanswered()), (Answered::Remote, Some(Method::Otp)));
    let tries = paths(&rig).iter().filter(|path| **path == http::PATH_OTP_VERIFY).count();
    assert_eq!(tries, 3);
    rig.user.declines = true;
    assert_eq!(act(&mut rig).unwrap().unanswered(), Some(Method::Otp));
}

#[test]
fn challenges_without_end_end() {
    let mut rig = Rig::ready();
    rig.edge.decide = Box::new(|_, _| Verdict::Challenge(Method::Passkey));
    assert_eq!(act(&mut rig).unwrap().unanswered(), Some(Method::Passkey));
    assert_eq!(sent(&rig).len(), 5, "four challenges answered");
}

#[test]
fn a_challenge_that_the_device_starts_saves_the_first_decision() {
    let mut rig = Rig::ready();
    rig.signals(|| with("sms.forwarder", detected()));
    rig.edge.decide = Box::new(|_, passed| match passed {
        Some(Method::Passkey) => Verdict::Allow,
        _ => Verdict::Challenge(Method::Passkey),
    });
    let outcome = act(&mut rig).unwrap();
    assert!(outcome.allowed());
    assert_eq!(paths(&rig), [http::PATH_SESSION, http::PATH_CHALLENGE, "/transfers"]);

    rig.user.declines = true;
    let outcome = act(&mut rig).unwrap();
    assert_eq!((outcome.zone, outcome.unanswered()), (Answered::Device, Some(Method::Passkey)));
    assert_eq!(rig.client.records(), 1);
}

#[test]
fn replies_that_do_not_fit_the_prompt_leave_the_challenge_unanswered() {
    struct Odd;
    impl User for Odd {
        fn prompt(&mut self, _prompt: &Prompt) -> Reply {
            Reply::Code(String::from("1234567890123"))
        }
    }
    let mut rig = Rig::ready();
    rig.edge.decide = Box::new(|_, _| Verdict::Challenge(Method::Otp));
    let mut act = rig.client.act(transfer()).unwrap();
    let outcome = drive(&mut act, &mut rig.edge, &mut Odd).unwrap();
    assert_eq!(outcome.unanswered(), Some(Method::Otp));
}

#[test]
fn header_fields_that_signing_sets_are_refused_from_the_app() {
    let mut rig = Rig::ready();
    for name in ["Glacis-Ticket", "glacis-x", "Signature", "signature-input", "Content-Digest"] {
        let mut action = transfer();
        action.request.headers.push((name.to_owned(), String::from("x")));
        let mut act = rig.client.act(action).unwrap();
        let error = drive(&mut act, &mut rig.edge, &mut Unattended).unwrap_err();
        assert_eq!(error.kind(), FlowErrorKind::Misuse, "{name}");
    }
}

fn pull(rig: &mut Rig) -> Result<Pulled, FlowErrorKind> {
    drive(&mut rig.client.pull(), &mut rig.edge, &mut Unattended).map_err(|error| error.kind())
}

/// Whether the slice in force still blocks a hooked app here.
fn still_blocks(rig: &mut Rig) -> bool {
    rig.signals(|| with("app.hooked", detected()));
    let blocks = act(rig).is_ok_and(|outcome| outcome.zone == Answered::Device);
    rig.signals(clear);
    blocks
}

#[test]
fn invariant_4_an_older_bundle_is_refused_and_the_live_one_stays_also_after_a_restart() {
    let mut rig = Rig::ready();
    let bytes = slice(&rig.edge);
    assert_eq!(pull(&mut rig), Ok(Pulled::Unchanged));
    rig.edge.publish(7, &event(), bytes.clone());
    assert_eq!(pull(&mut rig), Ok(Pulled::Newer(7)));
    rig.edge.publish(6, &event(), bytes.clone());
    assert_eq!(pull(&mut rig), Err(FlowErrorKind::Unpublishable));
    assert!(still_blocks(&mut rig));
    rig.restart();
    assert_eq!(pull(&mut rig), Err(FlowErrorKind::Unpublishable));
    rig.edge.publish(8, &event(), bytes);
    assert_eq!(pull(&mut rig), Ok(Pulled::Newer(8)));
    assert!(still_blocks(&mut rig));
}

#[test]
fn invariant_4_a_bundle_without_a_valid_signature_is_refused_and_the_live_one_stays() {
    let mut rig = Rig::ready();
    let bytes = slice(&rig.edge);
    rig.edge.publish(9, &event(), bytes.clone());
    let good = rig.edge.published.clone().unwrap();
    let edits: [fn(&mut Published); 4] = [
        |published| published.bundle.signature = [0; 64],
        |published| published.bundle.signature[0] ^= 1,
        |published| published.bundle.key = glacis_wire::KeyId::new([0; 16]),
        |published| published.bundle.body.0[40] ^= 1,
    ];
    for (at, edit) in edits.iter().enumerate() {
        let mut bad = good.clone();
        edit(&mut bad);
        rig.edge.published = Some(bad);
        assert_eq!(pull(&mut rig), Err(FlowErrorKind::Unpublishable), "edit {at}");
        assert!(still_blocks(&mut rig));
    }
    rig.edge.published = Some(good.clone());
    let truncated = good.to_bytes().unwrap();
    assert!(truncated.len() > 100);
    assert_eq!(pull(&mut rig), Ok(Pulled::Newer(9)));
}

/// The slice of the rig, bound to another.
fn bound(rig: &Rig, edit: impl Fn(&mut Binding)) -> Vec<u8> {
    let mut parts = Slice::load(&slice(&rig.edge)).unwrap().parts().clone();
    edit(&mut parts.binding);
    parts.encode().unwrap()
}

#[test]
fn a_bundle_with_a_slice_of_another_tenant_is_refused_and_the_live_one_stays() {
    let mut rig = Rig::ready();
    let owner = |tenant: &str, realm| Some(Owner { tenant: TenantId::parse(tenant).unwrap(), realm });
    for owner in [owner("other", Realm::Demo), owner("acme", Realm::Production), None] {
        let bytes = bound(&rig, |binding| binding.owner.clone_from(&owner));
        rig.edge.publish(9, &event(), bytes);
        assert_eq!(pull(&mut rig), Err(FlowErrorKind::Unpublishable), "{owner:?}");
        assert!(still_blocks(&mut rig));
    }
}

/// The bundle of a tenant is one for all of its apps.
#[test]
fn a_slice_of_another_app_is_not_run() {
    let mut rig = Rig::ready();
    let bytes = bound(&rig, |binding| binding.app = AppName::parse("com.example.other").ok());
    rig.edge.publish(9, &event(), bytes);
    assert_eq!(pull(&mut rig), Ok(Pulled::Newer(9)));
    assert!(rig.client.slice(&event()).is_none());
}

#[test]
fn a_bundle_whose_slice_does_not_load_is_refused_and_the_live_one_stays() {
    let mut rig = Rig::ready();
    rig.edge.publish(9, &event(), b"GLSL?".to_vec());
    assert_eq!(pull(&mut rig), Err(FlowErrorKind::Unpublishable));
    assert!(still_blocks(&mut rig));
    let bytes = slice(&rig.edge);
    rig.edge.publish(9, &event(), bytes);
    assert_eq!(pull(&mut rig), Ok(Pulled::Newer(9)), "the broken one was never accepted");
}

#[test]
fn a_client_that_is_not_enrolled_says_so() {
    let mut rig = Rig::new(3);
    assert_eq!(act(&mut rig), Err(FlowErrorKind::NotEnrolled));
    assert!(rig.edge.log.is_empty());
}

#[test]
fn asking_twice_is_a_loss_and_asking_after_the_end_is_misuse() {
    let mut rig = Rig::ready();
    let mut open = rig.client.open();
    for _ in 0..4 {
        assert!(matches!(open.next(), Step::Send(_)));
    }
    let Step::Done(Err(error)) = open.next() else { panic!("ends") };
    assert_eq!(error.kind(), FlowErrorKind::Unreachable);

    let mut act = rig.client.act(transfer()).unwrap();
    drive(&mut act, &mut rig.edge, &mut Unattended).unwrap();
    let Step::Done(Err(error)) = act.next() else { panic!("stays ended") };
    assert_eq!(error.kind(), FlowErrorKind::Misuse);
}
