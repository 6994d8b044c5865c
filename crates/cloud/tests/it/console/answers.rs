//! Every answer over a real store, held to its form: what the page is tested with cannot drift from what is sent.
//!
//! The forms are in `console/tests/fixtures/shapes.json`, made by `write_the_forms`; the page's own fixtures are held to
//! them here where they are JSON, and by the page's tests where they are not. The answers themselves
//! go to `target/console-answers`.

use super::authenticator::Authenticator;
use super::live::Stream;
use super::passkeys::{asked, sign_in_with};
use super::shape::{faults, join, shape};
use super::{Browser, Town, link_of, sign_in, start, town};
use crate::http::{request, send, signed};
use glacis_wire::message::enrol::EnrolChallenge;
use glacis_wire::{Decode as _, Encode as _, Thumbprint};
use serde_json::{Map, Value as Json, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../console/tests/fixtures")
}

/// Each answer by its name; several where the form has several cases.
fn answers(town: &Town) -> Vec<(&'static str, Json)> {
    let signed_in = sign_in(&town.running, &json!({ "link": link_of(&town.running) }));
    let browser = Browser::of(&town.running, &signed_in);
    let get = |path: String| browser.json(&format!("/console/v1/{path}"));
    let passkeys = passkeys(town, &browser);
    let mut all = vec![
        ("signed-in", signed_in.json()),
        ("session", get("session".to_owned())),
        ("overview", get("overview".to_owned())),
        ("decisions", get("decisions?limit=3".to_owned())),
        ("decisions", get("decisions".to_owned())),
        ("devices", get("devices".to_owned())),
        ("devices", get("devices?limit=1".to_owned())),
        ("device", get(format!("devices/{}", town.genuine.thumbprint))),
        ("device", get(format!("devices/{}", town.stolen.thumbprint))),
        ("search", get(format!("search?q={}", town.allowed.text()))),
        ("search", get(format!("search?q={}", start(&town.genuine.thumbprint.to_string(), 8)))),
        ("replay", get(format!("decisions/{}/replay?version=1", town.blocked.text()))),
    ];
    for reference in [town.allowed, town.blocked, town.hooked, town.outage, town.hostile] {
        all.push(("detail", get(format!("decisions/{}", reference.text()))));
    }
    all.push(("device", get(format!("devices/{}", follower(town)))));
    all.extend(passkeys);
    let mut stream = Stream::open(&browser, "");
    for name in ["history", "decisions"] {
        all.push((name_of(name), stream.next(name).data));
    }
    // A second that something was decided in, and one that nothing was.
    let facts = town.running.world.transfer(town.genuine.thumbprint, "ann", "bob", 20);
    let asked = signed(&town.running, request("POST", "/v1/decide", "", facts.to_bytes().unwrap()));
    assert_eq!(send(town.running.nodes, &asked).status, 200);
    for _ in 0..2 {
        town.running.world.host.advance(Duration::from_secs(1));
        all.push(("tick", stream.next("tick").data));
    }
    all
}

/// What is answered about passkeys: before there are any, to whoever adds one, and after it was used.
fn passkeys(town: &Town, browser: &Browser) -> Vec<(&'static str, Json)> {
    let running = &town.running;
    let mut passkey = Authenticator::new(1, running.console.at().port());
    let none = browser.json("/console/v1/passkeys");
    browser.added(&mut passkey, "laptop");
    let unused = browser.json("/console/v1/passkeys");
    let signed_in = sign_in_with(running, &mut passkey);
    let by_passkey = Browser::of(running, &signed_in);
    let wanted = browser.wanted("phone");
    let listed = by_passkey.json("/console/v1/passkeys");
    let lists = [none, unused, listed].map(|listed| ("passkeys", listed));
    let others =
        [("passkey-asked", asked(running)), ("passkey-wanted", wanted), ("signed-in", signed_in.json())];
    lists.into_iter().chain(others).collect()
}

/// A device whose key came in the place of another.
fn follower(town: &Town) -> Thumbprint {
    let (world, nodes) = (&town.running.world, town.running.nodes);
    let ask = |path: &str, body: Vec<u8>| {
        let answer = send(nodes, &signed(&town.running, request("POST", path, "", body)));
        assert_eq!(answer.status, 200, "{path}");
        answer.body
    };
    let challenge = || EnrolChallenge::from_bytes(&ask("/v1/device/enrol/challenge", Vec::new())).unwrap();
    let (old, new) = (world.device(), world.device());
    let first = world.enrolment(&old, &challenge(), None);
    let second = world.replacing(&old, &new, world.enrolment(&new, &challenge(), None));
    for enrolment in [first, second] {
        ask("/v1/device/enrol", enrolment.to_bytes().unwrap());
    }
    new.thumbprint
}

fn name_of(event: &'static str) -> &'static str {
    if event == "decisions" { "live-decisions" } else { event }
}

/// The form of each answer, by its name; the answers go to `target`.
fn forms() -> Map<String, Json> {
    let town = town(1_220);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console-answers");
    std::fs::create_dir_all(&target).unwrap();
    let mut forms: Map<String, Json> = Map::new();
    for (number, (name, answer)) in answers(&town).iter().enumerate() {
        let file = target.join(format!("{number:02}-{name}.json"));
        std::fs::write(file, serde_json::to_string_pretty(answer).unwrap()).unwrap();
        let known = forms.remove(*name).unwrap_or(json!("nothing"));
        forms.insert((*name).to_owned(), join(known, shape(answer)));
    }
    forms
}

fn text(forms: &Map<String, Json>) -> String {
    serde_json::to_string_pretty(forms).unwrap() + "\n"
}

#[test]
#[ignore = "run it to write console/tests/fixtures/shapes.json anew"]
fn write_the_forms() {
    std::fs::write(folder().join("shapes.json"), text(&forms())).unwrap();
}

#[test]
fn answers_have_the_form_that_the_page_is_tested_with() {
    let forms = forms();
    let kept = std::fs::read_to_string(folder().join("shapes.json")).unwrap();
    let how = "cargo test -p glacis-cloud --test it console::answers::write_the_forms -- --ignored";
    assert_eq!(kept, text(&forms), "the form of an answer changed: tell the page, then {how}");
    // Fixtures of the page that are JSON, by the name of the answer that they stand for.
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let form = forms.iter().find(|(form, _)| name == **form || name.starts_with(&format!("{form}.")));
        let (Some((_, form)), true) = (form, path.extension().is_some_and(|ending| ending == "json")) else {
            continue;
        };
        let fixture: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(faults(&fixture, form, &name), Vec::<String>::new());
    }
}
