//! What is told agrees with what is stored, and with what the engine decided.

use super::{Browser, Town, start, town};
use crate::world::policy_text;
use serde_json::{Value as Json, json};
use std::time::Duration;

fn detail(browser: &Browser, reference: &glacis_wire::Reference) -> Json {
    browser.json(&format!("/console/v1/decisions/{}", reference.text()))
}

fn rule<'d>(detail: &'d Json, id: &str) -> &'d Json {
    detail["policy"]["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == id).unwrap()
}

fn states(detail: &Json) -> Vec<&str> {
    detail["path"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect()
}

fn signal<'d>(detail: &'d Json, name: &str) -> &'d Json {
    detail["signals"].as_array().unwrap().iter().find(|signal| signal["signal"] == name).unwrap()
}

#[test]
fn a_blocked_transfer_is_told_with_its_rule_its_way_and_what_would_have_allowed_it() {
    let town = town(1_240);
    let browser = Browser::open(&town.running);
    let told = detail(&browser, &town.blocked);
    assert_eq!(told["line"]["verdict"], "block");
    assert_eq!(states(&told), ["passed", "passed", "passed", "stopped"]);
    let mule = rule(&told, "mule");
    assert_eq!((mule["state"].as_str(), mule["deciding"].as_bool()), (Some("true"), Some(true)));
    assert_eq!(rule(&told, "tampered-app")["state"], "false");
    assert_eq!(rule(&told, "burst")["deciding"], false);
    // The span of a condition is its text in the policy as published.
    assert_eq!(told["policy"]["text"], policy_text());
    let part = |span: &Json| {
        let [from, to] = [0, 1].map(|end| usize::try_from(span[end].as_u64().unwrap()).unwrap());
        policy_text().get(from..to).unwrap().to_owned()
    };
    assert_eq!(part(&mule["when_span"]), "payee in list.mules");
    assert!(part(&mule["span"]).starts_with("[[rule]]\nid = \"mule\""));
    assert!(!part(&mule["span"]).contains("stolen-account"));
    let would = &told["counterfactual"];
    assert_eq!(
        (would["verdict"].as_str(), would["verified"].as_bool()),
        (Some("allow"), Some(true)),
        "{would}"
    );
    assert_eq!(would["changes"][0]["signal"], "list.mules(payee)");
    assert_eq!((&would["changes"][0]["from"], &would["changes"][0]["to"]), (&json!("true"), &json!("false")));
    assert_eq!(told["audit"]["holds"], true);
    assert_eq!(signal(&told, "amount")["answer"], json!({ "value": 20 }));
    assert_eq!(signal(&told, "amount")["privacy"], "pseudonymous");
    assert_eq!(signal(&told, "list.mules(payee)")["zone"], "cloud");
}

#[test]
fn what_a_device_kept_is_not_held_and_only_its_condition_would_flip() {
    let town = town(1_241);
    let browser = Browser::open(&town.running);
    let told = detail(&browser, &town.hooked);
    assert_eq!(states(&told), ["passed", "passed", "stopped", "not-needed"]);
    let hooked = signal(&told, "app.hooked");
    assert_eq!((hooked["held"].as_bool(), hooked["disclosed"].as_str()), (Some(false), Some("condition")));
    assert_eq!(hooked["nodes"], json!([{ "when": "app.hooked", "outcome": "true" }]));
    assert!(hooked.get("answer").is_none());
    assert_eq!(rule(&told, "tampered-app")["state"], "true");
    assert_eq!(rule(&told, "tampered-app")["deciding"], true);
    assert_eq!(rule(&told, "mule")["state"], "not-needed", "the edge does not hold it");
    assert_eq!(rule(&told, "burst")["state"], "not-needed", "its feature was not asked for");
    assert_eq!(rule(&told, "stolen-account")["state"], "false", "whatever its feature would say");
    let would = &told["counterfactual"];
    assert_eq!(
        (would["verdict"].as_str(), would["verified"].as_bool()),
        (Some("allow"), Some(true)),
        "{would}"
    );
    let change = &would["changes"][0];
    assert_eq!((change["condition"].as_str(), change["private"].as_bool()), (Some("app.hooked"), Some(true)));
    assert!(change.get("signal").is_none());
}

#[test]
fn an_outage_and_a_stance_say_so_instead_of_a_policy() {
    let town = town(1_242);
    let browser = Browser::open(&town.running);
    let late = detail(&browser, &town.outage);
    assert_eq!(states(&late), ["passed", "passed", "asked", "silent"]);
    assert_eq!(rule(&late, "stolen-account")["state"], "open");
    assert!(rule(&late, "stolen-account")["why"].as_str().unwrap().contains("unavailable"));
    let stance = detail(&browser, &town.hostile);
    assert_eq!(states(&stance), ["silent", "silent", "decided", "not-needed"]);
    assert_eq!(stance["counterfactual"]["none"], "no policy ran: the route's stance answered");
    let all = stance["policy"]["rules"].as_array().unwrap();
    assert!(all.iter().all(|rule| rule["state"] == "not-needed"), "{all:?}");
    let allowed = detail(&browser, &town.allowed);
    assert!(allowed["counterfactual"]["none"].as_str().unwrap().contains("nothing had to be different"));
}

#[test]
fn a_changed_row_no_longer_holds() {
    let town = town(1_243);
    let browser = Browser::open(&town.running);
    assert_eq!(detail(&browser, &town.allowed)["audit"]["holds"], true);
    let change = "UPDATE decision SET ingested = ingested + 1 WHERE id = 1";
    let handle = town.running.handle.as_ref().unwrap();
    handle.call_blocking(move |core| Ok(core.danger_connection().execute(change, []).unwrap())).unwrap();
    assert_eq!(detail(&browser, &town.allowed)["audit"]["holds"], false);
    assert_eq!(detail(&browser, &town.blocked)["audit"]["holds"], true, "another entry, of another decision");
}

#[test]
fn another_version_decides_again_on_what_it_asks_alike() {
    let Town { running, blocked, hooked, allowed, .. } = town(1_244);
    let milder = policy_text().replace(
        "id = \"mule\"\nwhen = \"payee in list.mules\"\neffect = \"block\"",
        "id = \"mule\"\nwhen = \"payee in list.mules\"\neffect = \"challenge(otp)\"",
    );
    let other = policy_text().replace("when = \"app.hooked\"", "when = \"app.hooked && app.hooked\"");
    assert!(milder != policy_text() && other != policy_text());
    let handle = running.handle.as_ref().unwrap();
    for (version, text) in [(2, milder), (3, other.replace("app.hooked && app.hooked", "!app.hooked"))] {
        let publish = running.world.publish_of_without_cases(version, &text);
        handle.call_blocking(move |core| core.publish(&publish)).unwrap();
    }
    let browser = Browser::open(&running);
    let replay = |reference: &glacis_wire::Reference, version: u64| {
        browser.json(&format!("/console/v1/decisions/{}/replay?version={version}", reference.text()))
    };
    for (reference, version, verdict, same) in
        [(&blocked, 1, "block", true), (&blocked, 2, "challenge(otp)", false), (&hooked, 2, "block", true)]
    {
        let told = replay(reference, version);
        assert_eq!((told["verdict"].as_str(), told["same"].as_bool()), (Some(verdict), Some(same)), "{told}");
        assert_eq!(told["device"], "same conditions");
    }
    // The third version asks the device another question: unknown(version), and the policy says what that means.
    let told = replay(&allowed, 3);
    assert!(told["device"].as_str().unwrap().starts_with("unknown"), "{told}");
    assert_eq!(
        (told["verdict"].as_str(), told["same"].as_bool()),
        (Some("challenge(passkey)"), Some(false)),
        "{told}"
    );
    assert_eq!(
        browser.get(&format!("/console/v1/decisions/{}/replay?version=9", blocked.text())).status,
        404
    );
    assert_eq!(detail(&browser, &blocked)["policy"]["versions"], json!([1]));
}

#[test]
fn devices_are_found_by_tier_by_listing_and_by_name_and_pages_hold_together() {
    let town = town(1_245);
    let browser = Browser::open(&town.running);
    let all = browser.json("/console/v1/devices");
    assert_eq!(all["tiers"], json!({ "none": 0, "software": 2, "hardware": 0, "strong": 1 }), "{all}");
    let names = |page: &Json| -> Vec<String> {
        page["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["thumbprint"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&all).len(), 3);
    let mut paged = Vec::new();
    let mut target = "/console/v1/devices?limit=1".to_owned();
    loop {
        let page = browser.json(&target);
        paged.extend(names(&page));
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/console/v1/devices?limit=1&cursor={next}");
    }
    assert_eq!(paged, names(&all));
    let (genuine, stolen) = (town.genuine.thumbprint.to_string(), town.stolen.thumbprint.to_string());
    assert_eq!(names(&browser.json("/console/v1/devices?tier=strong")), [genuine.as_str()]);
    assert_eq!(names(&browser.json("/console/v1/devices?listed=cap")), [stolen.as_str()]);
    assert_eq!(names(&browser.json("/console/v1/devices?listed=refuse")), Vec::<String>::new());
    assert_eq!(
        names(&browser.json(&format!("/console/v1/devices?q={}", start(&genuine, 9).to_uppercase()))),
        [genuine.as_str()]
    );
    let first = browser.json("/console/v1/devices?limit=1");
    let foreign = format!("/console/v1/devices?tier=strong&cursor={}", first["next"].as_str().unwrap());
    assert_eq!(browser.get(&foreign).status, 400, "a cursor belongs to its filter");
    let row = |name: &str| {
        all["devices"].as_array().unwrap().iter().find(|row| row["thumbprint"] == name).unwrap().clone()
    };
    assert_eq!((row(&stolen)["listed"].as_str(), row(&stolen)["forks"].as_u64()), (Some("cap"), Some(1)));
    assert!(row(&genuine)["last_seen_ms"].is_u64());
}

#[test]
fn a_device_is_told_with_its_sessions_its_fork_and_its_decisions() {
    let town = town(1_246);
    let browser = Browser::open(&town.running);
    let told = browser.json(&format!("/console/v1/devices/{}", town.stolen.thumbprint));
    let counters: Vec<(u64, bool)> = told["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| (session["counter"].as_u64().unwrap(), session["forked"].as_bool().unwrap()))
        .collect();
    assert_eq!(counters, [(2, true), (2, true), (1, false)]);
    assert_eq!(told["forks"].as_array().unwrap().len(), 1);
    let reasons: Vec<&str> =
        told["history"].as_array().unwrap().iter().map(|change| change["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["enrolled", "session-fork"]);
    assert_eq!(told["sessions"][2]["tier"], "hardware", "the tier that it had then");
    let told = browser.json(&format!("/console/v1/devices/{}", town.genuine.thumbprint));
    let references: Vec<&str> = told["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["reference"].as_str().unwrap())
        .collect();
    let want = [&town.outage, &town.hooked, &town.blocked, &town.allowed].map(|reference| reference.text());
    assert_eq!(references, want);
    assert_eq!(told["appraisal"]["tier"], "strong");
    assert!(told["appraisal"]["vector"]["hardware"].is_i64());
}

#[test]
fn search_finds_by_reference_by_its_beginning_by_thumbprint_and_by_event() {
    let town = town(1_247);
    let browser = Browser::open(&town.running);
    let reference = town.blocked.text();
    let groups: Vec<String> =
        reference.chars().collect::<Vec<_>>().chunks(4).map(|group| group.iter().collect()).collect();
    let spoken = groups.join("-").to_lowercase();
    let event = detail(&browser, &town.blocked)["record"]["facts"]["event_id"].as_str().unwrap().to_owned();
    let unsigned =
        detail(&browser, &town.hostile)["record"]["facts"]["event_id"].as_str().unwrap().to_owned();
    for (q, want) in [
        (reference.as_str(), &reference),
        (&spoken, &reference),
        (start(&reference, 5), &reference),
        (&event, &reference),
        (&unsigned, &town.hostile.text()),
    ] {
        let found = browser.json(&format!("/console/v1/search?q={q}"));
        let found: Vec<&str> = found["decisions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["reference"].as_str().unwrap())
            .collect();
        assert_eq!(found, [want], "{q}");
    }
    let thumbprint = town.genuine.thumbprint.to_string();
    let found = browser.json(&format!("/console/v1/search?q={}", start(&thumbprint, 12)));
    assert_eq!(found["devices"][0]["thumbprint"], thumbprint);
    for nothing in ["abc", "%20", "'%20OR%201=1", "zzzz!", &"a".repeat(200)] {
        let found = browser.json(&format!("/console/v1/search?q={nothing}"));
        assert_eq!(found, json!({ "decisions": [], "devices": [] }), "{nothing}");
    }
}

#[test]
fn pages_of_decisions_give_each_row_once_those_of_devices_among_them() {
    let town = town(1_248);
    let browser = Browser::open(&town.running);
    let mut rows = Vec::new();
    let mut target = "/console/v1/decisions?limit=2".to_owned();
    loop {
        let page = browser.json(&target);
        rows.extend(
            page["rows"].as_array().unwrap().iter().map(|row| row["row"].as_str().unwrap().to_owned()),
        );
        let Some(before) = page["before"].as_str() else { break };
        target = format!("/console/v1/decisions?limit=2&before={before}");
    }
    let mut sorted = rows.clone();
    sorted.sort();
    assert_eq!(sorted, ["1", "2", "3", "4", "5", "d1"], "{rows:?}");
    let overview = browser.json("/console/v1/overview");
    assert_eq!(
        (overview["decisions"].as_u64(), overview["events"].as_u64(), overview["devices"].as_u64()),
        (Some(5), Some(5), Some(3))
    );
    assert_eq!(overview["feed"], json!({ "refused": 0, "capped": 1 }));
    assert_eq!(
        Duration::from_micros(overview["took_resolution_us"].as_u64().unwrap()),
        Duration::from_millis(1)
    );
}
