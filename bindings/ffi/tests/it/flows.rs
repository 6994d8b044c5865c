//! Flows: who has the client, what counts as lost, what ends one, and how errors are called.

use crate::edge::{Fault, refuse};
use crate::kit::{App, code, sends, transfer};
use glacis_ffi::surface::client::Client;
use glacis_ffi::surface::error::GlacisError;
use glacis_ffi::surface::flow::Flow;
use glacis_ffi::surface::types::{Ended, HttpResponse, Method, Reply, SignalValue, Step, Verdict};
use glacis_wire::message::refusal::Refusal;
use std::sync::Arc;

fn garbage(status: u16) -> HttpResponse {
    HttpResponse { status, headers: Vec::new(), body: b"<html>".to_vec() }
}

#[test]
fn a_client_enrols_acts_and_goes_on_after_a_restart() {
    let mut app = App::new();
    let client = app.open();
    assert_eq!(client.status().unwrap().enrolled, None);
    let ended = app.drive(&client.enrol().unwrap()).unwrap();
    let Ended::Enrolled { appraised } = ended else { panic!("{ended:?}") };
    assert_eq!((appraised.device.len(), appraised.tier.as_str()), (64, "software"));
    assert_eq!(client.status().unwrap().enrolled.unwrap().appraised, appraised);
    let outcome = app.decide(&client.act(transfer()).unwrap()).unwrap();
    assert_eq!((outcome.verdict, outcome.on_device), (Verdict::Allow, false));
    assert_eq!((outcome.event_id.len(), outcome.reference.unwrap().len()), (32, 12));
    assert_eq!(outcome.response.unwrap().body, b"/transfers");
    drop(client);
    let client = app.open();
    assert_eq!(client.status().unwrap().enrolled.unwrap().appraised, appraised);
    assert_eq!(app.decide(&client.act(transfer()).unwrap()).unwrap().verdict, Verdict::Allow);
}

#[test]
fn a_client_runs_one_flow_and_gets_free_when_it_ends_is_cancelled_or_dropped() {
    let mut app = App::new();
    let client = app.ready();
    let first = client.act(transfer()).unwrap();
    assert_eq!(code(client.act(transfer())), "busy");
    assert_eq!(code(client.status()), "busy");
    app.decide(&first).unwrap();
    assert!(client.status().is_ok(), "the end gives it back");

    let second = client.act(transfer()).unwrap();
    let _sent = sends(&second);
    second.cancel();
    assert!(client.status().is_ok());
    second.receive(garbage(200));
    second.reply(Reply::Approved);
    assert_eq!(code(second.next()), "ended");
    assert_eq!(code(first.next()), "ended");

    let third = client.act(transfer()).unwrap();
    let _sent = sends(&third);
    drop(third);
    assert_eq!(app.decide(&client.act(transfer()).unwrap()).unwrap().verdict, Verdict::Allow);
}

#[test]
fn an_abandoned_flow_never_begun_gives_its_client_back_too() {
    let mut app = App::new();
    let client = app.ready();
    drop(client.act(transfer()).unwrap());
    client.open_session().unwrap().cancel();
    assert!(client.report().unwrap().is_none(), "nothing to report, and free again");
    assert!(client.status().is_ok());
}

#[test]
fn a_shut_client_gives_its_folder_back_at_once_or_after_its_flow() {
    let mut app = App::new();
    let client = app.ready();
    let error = Client::with_software_keys(app.config()).unwrap_err();
    assert!(
        matches!(&error, GlacisError::Storage { because, .. } if because.contains("in use")),
        "{error:?}"
    );
    client.shut();
    client.shut();
    assert_eq!(code(client.act(transfer())), "shut");
    let client = app.open();
    let running = client.act(transfer()).unwrap();
    client.shut();
    assert_eq!(code(client.status()), "shut");
    assert!(Client::with_software_keys(app.config()).is_err(), "the flow still has the folder");
    assert_eq!(app.decide(&running).unwrap().verdict, Verdict::Allow, "it runs to its end");
    assert!(Client::with_software_keys(app.config()).is_ok());
}

#[test]
fn an_answer_that_never_comes_ends_the_flow_whether_said_or_not() {
    let mut app = App::new();
    let client = app.ready();
    let (said, unsaid) = (client.act(transfer()).unwrap(), |flow: &Flow| flow.next());
    let mut sent = Vec::new();
    let ended = loop {
        match said.next() {
            Ok(Step::Send { request }) => sent.push(request.body),
            other => break other,
        }
        said.lost();
        said.lost();
    };
    assert_eq!((code(ended), sent.len()), ("unreachable".to_owned(), 4));
    let flow = client.act(transfer()).unwrap();
    let steps = std::iter::repeat_with(|| unsaid(&flow)).take_while(|step| step.is_ok()).count();
    assert_eq!(steps, 4, "asking again counts as lost");
    app.edge.faults.push_back(Fault::LoseAnswer);
    assert_eq!(app.decide(&client.act(transfer()).unwrap()).unwrap().verdict, Verdict::Allow);
}

#[test]
fn a_late_answer_and_one_that_nobody_awaits_change_nothing() {
    let mut app = App::new();
    let client = app.ready();
    let flow = client.act(transfer()).unwrap();
    flow.receive(garbage(200));
    let first = sends(&flow);
    let late = app.exchange(first).unwrap();
    flow.lost();
    flow.receive(late.clone());
    let second = sends(&flow);
    assert_eq!(second.path, "/transfers");
    flow.receive(app.exchange(second).unwrap());
    flow.receive(late);
    let Step::Done { ended: Ended::Decided { outcome } } = flow.next().unwrap() else { panic!("no end") };
    assert_eq!(outcome.verdict, Verdict::Allow);
}

#[test]
fn what_is_no_verdict_is_never_an_allow() {
    for fault in
        [Fault::ForgeMac, Fault::WrongEvent, Fault::WrongRequest, Fault::NoVerdict, Fault::TwoVerdicts]
    {
        let mut app = App::new();
        let client = app.ready();
        app.edge.faults.push_back(fault.clone());
        let error = app.decide(&client.act(transfer()).unwrap()).unwrap_err();
        assert!(matches!(error, GlacisError::Undecided { .. }), "{fault:?}: {error:?}");
    }
}

#[test]
fn a_refusal_has_its_code_its_remedy_and_its_own_kind() {
    let mut app = App::new();
    let client = app.ready();
    app.edge.faults.push_back(Fault::Overload);
    let error = app.decide(&client.act(transfer()).unwrap()).unwrap_err();
    let GlacisError::Refused { code, remedy, .. } = &error else { panic!("{error:?}") };
    assert_eq!((code.as_str(), remedy.as_str()), ("overloaded", "try again later"));
    let flow = client.act(transfer()).unwrap();
    let _sent = sends(&flow);
    let refusal = refuse(Refusal::DeviceRefused);
    flow.receive(HttpResponse { status: refusal.status, headers: Vec::new(), body: refusal.body });
    let Err(GlacisError::Refused { code, remedy, .. }) = flow.next() else { panic!("no refusal") };
    assert_eq!(code, "device-refused");
    assert!(remedy.contains("enrol"), "{remedy}");
}

#[test]
fn a_challenge_asks_the_same_until_the_user_answers_and_an_approval_is_decided_again() {
    let mut app = App::new();
    let client = app.ready();
    app.edge.decide = Box::new(|_, proof| match proof {
        None => glacis_wire::Verdict::Challenge(glacis_wire::Method::Passkey),
        Some(_) => glacis_wire::Verdict::Allow,
    });
    let flow = client.act(transfer()).unwrap();
    flow.receive({
        let request = sends(&flow);
        app.exchange(request).unwrap()
    });
    let Step::Ask { prompt } = flow.next().unwrap() else { panic!("no prompt") };
    assert_eq!(prompt.method, Method::Passkey);
    assert_eq!(prompt.webauthn.as_ref().map(Vec::len), Some(32));
    flow.lost();
    assert_eq!(flow.next().unwrap(), Step::Ask { prompt: prompt.clone() });
    flow.reply(Reply::Approved);
    flow.reply(Reply::Declined);
    assert_eq!(app.decide(&flow).unwrap().verdict, Verdict::Allow);

    let declined = app.decide(&client.act(transfer()).unwrap()).unwrap();
    assert_eq!(declined.verdict, Verdict::Challenge { method: Method::Passkey });
    let flow = client.act(transfer()).unwrap();
    flow.receive({
        let request = sends(&flow);
        app.exchange(request).unwrap()
    });
    assert!(matches!(flow.next(), Ok(Step::Ask { .. })));
    flow.reply(Reply::Assertion { json: "{}".to_owned() });
    assert_eq!(sends(&flow).path, glacis_wire::http::PATH_PASSKEY_VERIFY);
    flow.cancel();
    let flow = client.act(transfer()).unwrap();
    flow.receive({
        let request = sends(&flow);
        app.exchange(request).unwrap()
    });
    assert!(matches!(flow.next(), Ok(Step::Ask { .. })));
    flow.reply(Reply::Code { code: "424242".to_owned() });
    let outcome = app.decide(&flow).unwrap();
    assert_eq!(outcome.verdict, Verdict::Challenge { method: Method::Passkey }, "a code is no passkey");
}

#[test]
fn what_an_app_gives_wrongly_is_refused_before_anything_begins() {
    let mut app = App::new();
    let mut config = app.config();
    config.key_set.truncate(9);
    assert_eq!(code(Client::with_software_keys(config)), "key-set");
    let config = glacis_ffi::surface::types::ClientConfig { app: Some("no app".into()), ..app.config() };
    assert_eq!(code(Client::with_software_keys(config)), "name");
    let client = app.open();
    assert_eq!(code(app.decide(&client.act(transfer()).unwrap())), "not-enrolled");
    for name in ["", "Not A Name", &"x".repeat(4096)] {
        let mut action = transfer();
        action.signals.insert(name.to_owned(), SignalValue::Truth { value: true });
        let error = client.act(action).unwrap_err();
        assert!(error.code() == "name" && error.to_string().len() < 400, "{error}");
        let mut action = transfer();
        action.event = name.to_owned();
        assert_eq!(code(client.act(action)), "name");
    }
    assert!(client.status().is_ok(), "a refused action leaves the client free");
    app.drive(&client.enrol().unwrap()).unwrap();
    let mut action = transfer();
    let field = ("glacis-event".to_owned(), ":AAAA:".to_owned());
    action.request.headers.push(glacis_ffi::surface::types::HttpHeader { name: field.0, value: field.1 });
    let error = app.decide(&client.act(action).unwrap()).unwrap_err();
    assert!(matches!(error, GlacisError::Setup { .. }), "a header that signing sets: {error:?}");
    assert!(client.status().is_ok());
}

#[test]
fn threads_that_fight_for_a_client_get_it_one_after_the_other() {
    let mut app = App::new();
    let client = app.ready();
    let begun: Vec<_> = (0..8)
        .map(|_| {
            let client = Arc::clone(&client);
            std::thread::spawn(move || client.act(transfer()).map(|flow| (flow.next().is_ok(), flow)))
        })
        .collect();
    let begun: Vec<_> = begun.into_iter().map(|thread| thread.join().unwrap()).collect();
    let (got, refused): (Vec<_>, Vec<_>) = begun.into_iter().partition(Result::is_ok);
    assert_eq!(got.len(), 1, "each flow lives until all have tried");
    assert!(refused.into_iter().all(|other| code(other.map(|(sent, _)| sent)) == "busy"));
    drop(got);
    assert_eq!(app.decide(&client.act(transfer()).unwrap()).unwrap().verdict, Verdict::Allow);
}
