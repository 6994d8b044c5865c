//! The decision API over loopback: verdicts, typing of fields, event ids, idempotency keys, conditions and pages.

use crate::http::{Answer, Running, post, request, root_token, send, start};
use glacis_wire::http::Request;
use serde_json::{Value, json};
use std::sync::mpsc;
use std::time::Duration;

const CONTENT: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
const OTHER: &str = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";

/// A token of these scopes.
pub(crate) fn token(running: &Running, root: &str, scopes: &Value) -> String {
    let body = json!({ "name": "backend", "scopes": scopes, "life_s": 200_000 });
    post(running, root, "/admin/v1/tokens", &body).json()["token"].as_str().unwrap().to_owned()
}

pub(crate) fn question(id: u8, fields: &Value) -> Value {
    json!({
        "event": "payment.transfer",
        "event_id": format!("{id:032x}"),
        "content": CONTENT,
        "principal": "ann",
        "fields": fields,
        "device_zone": "absent",
    })
}

struct Backend<'a> {
    running: &'a Running,
    token: String,
}

impl Backend<'_> {
    fn ask(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.call("POST", "/v1/decide", headers, body)
    }

    fn decide(&self, body: &Value) -> Answer {
        self.ask(&[], body.to_string().as_bytes())
    }

    fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let plain = request(method, path, "", body.to_vec());
        let mut fields = vec![("authorization".to_owned(), format!("Bearer {}", self.token))];
        fields.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        send(self.running.api, &Request { headers: fields, ..plain })
    }
}

fn backend(running: &Running) -> Backend<'_> {
    let root = root_token(running);
    Backend { running, token: token(running, &root, &json!(["decide"])) }
}

fn code(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    (answer.status, answer.json()["code"].as_str().unwrap().to_owned())
}

#[test]
fn a_backend_gets_a_verdict_that_is_bound_to_its_action() {
    let running = start(300);
    let root = root_token(&running);
    let backend = Backend { running: &running, token: token(&running, &root, &json!(["decide"])) };
    let mule = json!({ "item": "m1", "present": true });
    assert_eq!(post(&running, &root, "/admin/v1/lists/mules", &mule).status, 200);
    let allowed = backend.decide(&question(1, &json!({ "amount": 5, "payee": "bob" })));
    assert_eq!(allowed.status, 200, "{allowed:?}");
    let told = allowed.json();
    assert_eq!((told["verdict"].clone(), told["repeated"].clone()), (json!("allow"), json!(false)));
    assert_eq!((told["content"].clone(), told["policy"]["version"].clone()), (json!(CONTENT), json!(1)));
    assert_eq!(told["not_after"], 1_800_000_060_000_u64);
    let blocked = backend.decide(&question(2, &json!({ "amount": 5, "payee": "m1" }))).json();
    assert_eq!(blocked["verdict"], "block");
    let reference = blocked["reference"].as_str().unwrap();
    let path = format!("/v1/decisions/{reference}");
    let decision = backend.call("GET", &path, &[], &[]).json();
    assert_eq!((decision["verdict"].clone(), decision["reasons"].clone()), (json!("block"), json!(["mule"])));
    let said = backend.call("POST", &format!("{path}/feedback"), &[], br#"{"outcome":"fraud"}"#);
    assert_eq!((said.status, said.json()), (201, json!({ "reference": reference })));
    assert_eq!(backend.call("GET", &path, &[], &[]).json()["feedback"][0]["by"], "backend");
    let again = backend.decide(&question(2, &json!({ "amount": 5, "payee": "m1" }))).json();
    assert_eq!((again["reference"].clone(), again["repeated"].clone()), (json!(reference), json!(true)));
    // Features and lists are those of edges: three transfers within the hour are a burst.
    for id in 3..=5 {
        backend.decide(&question(id, &json!({ "amount": 5, "payee": "bob" })));
    }
    let burst = backend.decide(&question(6, &json!({ "amount": 5, "payee": "bob" }))).json();
    assert_eq!(burst["obligations"], json!(["review"]));
}

#[test]
fn an_event_id_stands_for_one_action() {
    let running = start(301);
    let backend = backend(&running);
    let first = question(1, &json!({ "amount": 5, "payee": "bob" }));
    assert_eq!(backend.decide(&first).status, 200);
    let mut other_content = first.clone();
    other_content["content"] = json!(OTHER);
    let mut other_user = first.clone();
    other_user["principal"] = json!("eve");
    let other_fields = question(1, &json!({ "amount": 6, "payee": "bob" }));
    for other in [other_content, other_user, other_fields, question(1, &json!({ "payee": "bob" }))] {
        assert_eq!(code(&backend.decide(&other)), (409, "event-conflict".to_owned()), "{other}");
    }
    assert_eq!(backend.decide(&first).json()["repeated"], true);
}

#[test]
fn what_the_catalogue_does_not_declare_is_refused_by_pointer() {
    let running = start(302);
    let backend = backend(&running);
    for (fields, pointer) in [
        (json!({ "amount": "5" }), "/fields/amount"),
        (json!({ "amount": 5.5 }), "/fields/amount"),
        (json!({ "payee": 5 }), "/fields/payee"),
        (json!({ "payee": "x".repeat(65) }), "/fields/payee"),
        (json!({ "nothing": 1 }), "/fields/nothing"),
        (json!({ "a/b~c": 1 }), "/fields/a~1b~0c"),
        // Other zones speak for themselves: a backend cannot say what a device, an edge or the cloud knows.
        (json!({ "app.hooked": false }), "/fields/app.hooked"),
        (json!({ "device.tier": "strong" }), "/fields/device.tier"),
        (json!({ "user.transfers_1h": 0 }), "/fields/user.transfers_1h"),
        (json!({ "list.mules(payee)": false }), "/fields/list.mules(payee)"),
        (json!({ "user": "ann" }), "/fields/user"),
    ] {
        let answer = backend.decide(&question(1, &fields));
        assert_eq!(code(&answer), (422, "unprocessable".to_owned()), "{fields}");
        assert_eq!(answer.json()["pointer"], pointer);
    }
    let mut long = question(1, &json!({}));
    long["principal"] = json!("x".repeat(65));
    assert_eq!(backend.decide(&long).json()["pointer"], "/principal");
    let mut unknown = question(1, &json!({}));
    unknown["event"] = json!("payment.refund");
    assert_eq!(code(&backend.decide(&unknown)), (404, "no-policy".to_owned()));
    let status = |body: &str| backend.ask(&[], body.as_bytes()).status;
    let valid = question(1, &json!({})).to_string();
    for bad in [
        "",
        "[]",
        "{}",
        &format!("{valid},"),
        &valid.replace("\"event\"", "\"evnt\""),
        &valid.replace("absent", "none"),
        &valid.replace("sha-256", "sha-512"),
        &valid.replace("hSuFU", ""),
        &valid.replace("SuFU=:", "SuFV=:"),
        &valid.replace(&"0".repeat(31), &"g".repeat(31)),
        &valid.replace("\"fields\":{}", r#""fields":{"payee":"a","payee":"b"}"#),
        &valid.replace("{\"content\"", "{\"event\":\"payment.transfer\",\"content\""),
    ] {
        assert_ne!(bad, valid);
        assert_eq!(status(bad), 400, "{bad}");
    }
    assert_eq!(backend.decide(&question(1, &json!({ "payee": null }))).json()["repeated"], false);
}

#[test]
fn a_key_gives_the_same_bytes_again_and_only_for_the_same_request() {
    let running = start(303);
    let root = root_token(&running);
    let one = Backend { running: &running, token: token(&running, &root, &json!(["decide"])) };
    let two = Backend { running: &running, token: token(&running, &root, &json!(["decide"])) };
    let body = question(1, &json!({ "amount": 5, "payee": "bob" })).to_string();
    let key: &[(&str, &str)] = &[("idempotency-key", "\"k-1\"")];
    let first = one.ask(key, body.as_bytes());
    assert_eq!(first.status, 200);
    running.world.host.advance(Duration::from_secs(3_600));
    let again = one.ask(&[("idempotency-key", "k-1")], body.as_bytes());
    assert_eq!(
        (again.status, again.body),
        (200, first.body.clone()),
        "byte for byte, with or without quotes"
    );
    let without = one.ask(&[], body.as_bytes());
    assert_ne!(without.body, first.body, "a new answer says that it is a repetition");
    let other = question(2, &json!({})).to_string();
    assert_eq!(code(&one.ask(key, other.as_bytes())), (422, "idempotency-key-reused".to_owned()));
    assert_eq!(two.ask(key, other.as_bytes()).status, 200, "another token, another key");
    let conflict = body.replace(CONTENT, OTHER);
    let kept = one.ask(&[("idempotency-key", "k-2")], conflict.as_bytes());
    assert_eq!(code(&kept), (409, "event-conflict".to_owned()));
    assert_eq!(one.ask(&[("idempotency-key", "k-2")], conflict.as_bytes()).body, kept.body);
    running.world.host.advance(Duration::from_secs(86_400));
    assert_eq!(one.ask(key, question(3, &json!({})).to_string().as_bytes()).status, 200, "a day later");
    for bad in ["", "\"\"", "a b", "ä", &"k".repeat(65)] {
        assert_eq!(one.ask(&[("idempotency-key", bad)], body.as_bytes()).status, 400, "{bad}");
    }
    let twice = [("idempotency-key", "k-3"), ("idempotency-key", "k-4")];
    assert_eq!(one.ask(&twice, body.as_bytes()).status, 400);
}

#[test]
fn of_two_requests_in_flight_under_one_key_one_is_told_to_wait() {
    let running = start(304);
    let backend = backend(&running);
    let body = question(1, &json!({})).to_string();
    let (held, hold) = mpsc::channel::<()>();
    let (entered, wait) = mpsc::channel();
    let handle = running.handle.clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            handle.call_blocking(move |_core| {
                entered.send(()).unwrap();
                let _ = hold.recv();
                Ok(())
            })
        });
        wait.recv().unwrap();
        let (answered, answers) = mpsc::channel();
        for _ in 0..2 {
            let (answered, backend, body) = (answered.clone(), &backend, &body);
            scope.spawn(move || {
                answered.send(backend.ask(&[("idempotency-key", "k")], body.as_bytes())).unwrap();
            });
        }
        // The writer is held, so only the one that is refused can answer.
        let refused = answers.recv().unwrap();
        assert_eq!(code(&refused), (409, "idempotency-key-in-flight".to_owned()));
        drop(held);
        assert_eq!(answers.recv().unwrap().status, 200);
    });
}

#[test]
fn http_is_spoken_as_its_rfc_says() {
    let running = start(305);
    let root = root_token(&running);
    let backend = Backend { running: &running, token: token(&running, &root, &json!(["decide"])) };
    let body = question(1, &json!({})).to_string();
    let ask = |headers: &[(&str, &str)]| backend.ask(headers, body.as_bytes()).status;
    assert_eq!(ask(&[("content-type", "application/json; charset=utf-8")]), 200);
    assert_eq!(ask(&[("content-type", "text/plain")]), 415);
    assert_eq!(ask(&[("content-type", "application/json"), ("content-encoding", "gzip")]), 415);
    assert_eq!(ask(&[("accept", "text/html")]), 406);
    assert_eq!(ask(&[("accept", "text/html, */*;q=0.1")]), 200);
    assert_eq!(backend.ask(&[], &vec![b' '; (64 << 10) + 1]).status, 413);
    let wrong = backend.call("DELETE", "/v1/decide", &[], &[]);
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
    let options = backend.call("OPTIONS", "/v1/decide", &[], &[]);
    assert_eq!((options.status, options.header("allow"), options.body.len()), (204, Some("POST"), 0));
    let head = backend.call("HEAD", "/v1/openapi.json", &[], &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(code(&backend.call("GET", "/v1/nothing", &[], &[])), (404, "not-found".to_owned()));
    let weak = Backend { running: &running, token: token(&running, &root, &json!(["read"])) };
    assert_eq!(code(&weak.decide(&question(2, &json!({})))), (403, "forbidden".to_owned()));
    let stranger = Backend { running: &running, token: "glacis_guess".to_owned() };
    let refused = stranger.decide(&question(2, &json!({})));
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
}

#[test]
fn a_change_is_made_only_to_the_version_it_is_meant_for() {
    let running = start(306);
    let root = root_token(&running);
    let change = |tags: &[&str], item: &str| {
        let body = json!({ "item": item, "present": true }).to_string().into_bytes();
        let mut change = request("POST", "/admin/v1/lists/mules", "", body);
        change.headers.push(("authorization".to_owned(), format!("Bearer {root}")));
        change.headers.extend(tags.iter().map(|tag| ("if-match".to_owned(), (*tag).to_owned())));
        send(running.admin, &change)
    };
    assert_eq!(code(&change(&["*"], "a")), (412, "precondition-failed".to_owned()), "nothing is there");
    let first = change(&["\"0\""], "a");
    assert_eq!((first.status, first.header("etag")), (200, Some("\"1\"")));
    assert_eq!(change(&["\"0\""], "b").status, 412);
    assert_eq!(change(&["\"0\", \"1\""], "b").status, 200);
    assert_eq!(change(&["*"], "c").status, 200);
    assert_eq!(change(&["W/\"3\""], "d").status, 412, "weak tags never match");
    assert_eq!(change(&["3"], "d").status, 400);
    let list = crate::http::admin(&running, &root, "GET", "/admin/v1/lists/mules", Vec::new());
    assert_eq!((list.header("etag"), list.json()["items"].as_array().unwrap().len()), (Some("\"3\""), 3));
    let policies = crate::http::admin(&running, &root, "GET", "/admin/v1/policies", Vec::new());
    assert_eq!(policies.header("etag"), Some("\"1\""));
}

#[test]
fn pages_follow_each_other_and_only_by_their_own_cursors() {
    let running = start(307);
    let root = root_token(&running);
    let get = |path: &str| crate::http::admin(&running, &root, "GET", path, Vec::new());
    let backend = Backend { running: &running, token: token(&running, &root, &json!(["decide"])) };
    for at in 1..=5_u8 {
        let item = json!({ "item": format!("m{at}"), "present": true });
        assert_eq!(post(&running, &root, "/admin/v1/lists/mules", &item).status, 200);
        assert_eq!(backend.decide(&question(at, &json!({}))).status, 200);
        let conflict = question(at, &json!({ "amount": 1 }));
        assert_eq!(backend.decide(&conflict).status, 409);
        token(&running, &root, &json!(["read"]));
    }
    let mut cursors = Vec::new();
    for (path, rows, all) in [
        ("/admin/v1/lists/mules?", "items", 5_usize),
        ("/admin/v1/events?from=1&", "events", 5),
        ("/admin/v1/incidents?", "incidents", 5),
        ("/admin/v1/tokens?", "tokens", 8),
    ] {
        let (mut seen, mut next, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let from = if next.is_empty() { path.to_owned() } else { path.replace("from=1&", "") };
            let page = get(&format!("{from}limit=2{next}"));
            assert_eq!(page.status, 200, "{path}{next}: {:?}", page.json());
            let page = page.json();
            seen.extend(page[rows].as_array().unwrap().iter().cloned());
            pages += 1;
            let Some(cursor) = page["next"].as_str() else { break };
            next = format!("&cursor={cursor}");
            cursors.push((rows, cursor.to_owned()));
        }
        assert_eq!((seen.len(), pages), (all, all.div_ceil(2)), "{path}");
        let different: std::collections::BTreeSet<String> = seen.iter().map(Value::to_string).collect();
        assert!(rows == "incidents" || different.len() == all, "no row comes twice: {path}");
    }
    let status = |path: &str, cursor: &str| get(&format!("{path}?cursor={cursor}")).status;
    for (rows, cursor) in &cursors {
        for (other, path) in [
            ("items", "/admin/v1/lists/mules"),
            ("other list", "/admin/v1/lists/mulesx"),
            ("events", "/admin/v1/events"),
            ("incidents", "/admin/v1/incidents"),
            ("devices", "/admin/v1/devices"),
            ("tokens", "/admin/v1/tokens"),
        ] {
            assert_eq!(status(path, cursor), if other == *rows { 200 } else { 400 }, "{rows} at {other}");
        }
        let (first, rest) = cursor.split_at(1);
        let changed = format!("{}{rest}", if first == "A" { "B" } else { "A" });
        let (cut, _) = cursor.split_at(cursor.len() - 2);
        for bad in [changed.as_str(), cut, "x", "", "%00"] {
            assert_eq!(status("/admin/v1/incidents", bad), 400, "{bad}");
        }
    }
    for bad in
        ["limit=0", "limit=1001", "limit=-1", "limit=x", "limt=1", "from=1&cursor=x", "limit=1&limit=2"]
    {
        assert_eq!(get(&format!("/admin/v1/events?{bad}")).status, 400, "{bad}");
    }
}

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

fn document() -> String {
    format!("{}\n", glacis_cloud::server::openapi())
}

#[test]
#[ignore = "run it to write docs/openapi.json anew"]
fn write_the_document() {
    std::fs::write(DOCUMENT, document()).unwrap();
}

#[test]
fn the_document_in_the_repository_is_the_one_that_is_served() {
    let kept = std::fs::read_to_string(DOCUMENT).unwrap();
    let how = "cargo test -p glacis-cloud --test it api::write_the_document -- --ignored";
    assert!(kept == document(), "docs/openapi.json is not what is served; {how}");
    let running = start(308);
    for at in [running.api, running.admin] {
        let served = send(at, &request("GET", "/v1/openapi.json", "", Vec::new()));
        assert_eq!((served.status, served.header("content-type")), (200, Some("application/json")));
        assert_eq!(served.body, kept.trim_end().as_bytes());
    }
}
