//! Everybody who should not get in, or not so much: replays, guesses, other sites, other names, floods.

use super::{Browser, OWN, ask, link_of, raw, sign_in};
use crate::http::{admin, post, root_token, start};
use glacis_cloud::CloudErrorKind;
use serde_json::{Value as Json, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

pub(super) fn code(answer: &crate::http::Answer) -> String {
    answer.json()["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_link_is_good_once_and_a_session_has_its_cookie_and_its_end() {
    let running = start(1_201);
    let at = running.console.at();
    assert_eq!(ask(at, "GET", "/console/v1/session", &[], "").status, 401);
    let link = link_of(&running);
    let first = sign_in(&running, &json!({ "link": link }));
    assert_eq!(first.status, 201);
    assert_eq!(first.json()["actor"], "local");
    assert_eq!(first.json()["scopes"], json!(["read"]));
    let cookie = first.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/console", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(cookie.starts_with(&format!("glacis_console_{}=", at.port())), "{cookie}");
    let again = sign_in(&running, &json!({ "link": link }));
    assert_eq!((again.status, code(&again)), (401, "unauthenticated".to_owned()), "replayed");
    let browser = Browser::of(&running, &first);
    assert_eq!(browser.json("/console/v1/session")["actor"], "local");
    let out = browser.ask("DELETE", "/console/v1/session", &[OWN]);
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    for target in ["/console/v1/session", "/console/v1/overview", "/console/v1/live", "/console/v1/decisions"]
    {
        assert_eq!(browser.get(target).status, 401, "{target}");
    }
    let notes = actions(&running);
    assert_eq!(notes, ["local console-sign-in by a link", "local console-sign-out "]);
}

/// What the audit chain has of the console; checks that the chain holds.
pub(super) fn actions(running: &crate::http::Running) -> Vec<String> {
    let read = running.handle.as_ref().unwrap().call_blocking(|core| {
        assert_eq!(core.verify_audit_whole()?.fault, None);
        let sql = "SELECT actor || ' ' || action || ' ' || detail FROM operator_action ORDER BY id";
        let mut statement = core.danger_connection().prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        Ok(rows.map(Result::unwrap).collect::<Vec<_>>())
    });
    read.unwrap()
}

#[test]
fn an_old_link_and_an_old_session_are_void() {
    let running = start(1_202);
    let old = link_of(&running);
    let browser = Browser::open(&running);
    running.world.host.advance(Duration::from_secs(15 * 60));
    assert_eq!(sign_in(&running, &json!({ "link": old })).status, 401);
    assert_eq!(browser.get("/console/v1/overview").status, 200);
    running.world.host.advance(Duration::from_secs(12 * 3_600));
    assert_eq!(browser.get("/console/v1/overview").status, 401);
}

#[test]
fn guesses_are_counted_and_a_good_link_opens_all_the_same() {
    let running = start(1_203);
    let link = link_of(&running);
    let guess = json!({ "link": format!("glacis_link_{}", "A".repeat(43)) });
    let statuses: Vec<u16> = (0..7).map(|_| sign_in(&running, &guess).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    let limited = sign_in(&running, &json!({ "token": "glacis_x" }));
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("60")));
    assert_eq!(sign_in(&running, &json!({ "link": link })).status, 201);
    for bad in [
        json!({}),
        json!({ "link": "a", "token": "b" }),
        json!({ "link": 1 }),
        json!({ "name": "x" }),
        json!([]),
    ] {
        assert_eq!(sign_in(&running, &bad).status, 400, "{bad}");
    }
    let large = ask(running.console.at(), "POST", "/console/v1/session", &[OWN], &" ".repeat((64 << 10) + 1));
    assert_eq!(large.status, 413);
}

#[test]
fn a_session_of_a_token_ends_with_the_token_and_needs_its_scope() {
    let running = start(1_204);
    let root = root_token(&running);
    let make = |scopes: Json| {
        let made = post(
            &running,
            &root,
            "/admin/v1/tokens",
            &json!({ "name": "desk", "scopes": scopes, "life_s": 999 }),
        );
        made.json()["token"].as_str().unwrap().to_owned()
    };
    let (reads, decides) = (make(json!(["read"])), make(json!(["decide"])));
    assert_eq!(sign_in(&running, &json!({ "token": decides })).status, 401);
    let browser = Browser::with(&running, &json!({ "token": reads }));
    assert_eq!(browser.json("/console/v1/session")["actor"], "desk");
    let tokens = admin(&running, &root, "GET", "/admin/v1/tokens", Vec::new()).json();
    let rows = tokens["tokens"].as_array().unwrap();
    let id = rows.iter().find(|row| row["scopes"] == json!(["read"])).unwrap()["id"].as_u64().unwrap();
    assert_eq!(admin(&running, &root, "DELETE", &format!("/admin/v1/tokens/{id}"), Vec::new()).status, 200);
    for _ in 0..2 {
        let refused = browser.get("/console/v1/overview");
        assert_eq!((refused.status, code(&refused)), (401, "unauthenticated".to_owned()));
    }
    assert!(!actions(&running).join("\n").contains("glacis_"), "no secret is in the audit chain");
}

#[test]
fn no_token_has_a_name_that_records_have_for_others() {
    let running = start(1_213);
    let root = root_token(&running);
    for (name, status) in
        [("local", 400), ("passkey 1: laptop", 400), ("passkey ", 400), ("locals", 201), ("passkeys", 201)]
    {
        let body = json!({ "name": name, "scopes": ["read"], "life_s": 999 });
        assert_eq!(post(&running, &root, "/admin/v1/tokens", &body).status, status, "{name}");
    }
}

#[test]
fn a_page_of_another_site_gets_nowhere() {
    let running = start(1_205);
    let at = running.console.at();
    let browser = Browser::open(&running);
    let link = link_of(&running);
    let body = json!({ "link": link }).to_string();
    let own_origin = format!("http://{at}");
    for fields in [
        &[][..],
        &[OWN, ("sec-fetch-site", "cross-site")],
        &[OWN, ("sec-fetch-site", "same-site")],
        &[OWN, ("origin", "http://evil.example")],
        &[OWN, ("origin", "null")],
        &[("origin", own_origin.as_str())],
    ] {
        let forged = ask(at, "POST", "/console/v1/session", fields, &body);
        assert_eq!((forged.status, code(&forged)), (403, "cross-site".to_owned()), "{fields:?}");
        let mut out = vec![("cookie", browser.cookie.as_str())];
        out.extend(fields);
        assert_eq!(ask(at, "DELETE", "/console/v1/session", &out, "").status, 403, "{fields:?}");
    }
    for site in ["cross-site", "same-site"] {
        let fields = [("cookie", browser.cookie.as_str()), ("sec-fetch-site", site)];
        assert_eq!(ask(at, "GET", "/console/v1/live", &fields, "").status, 403, "{site}");
    }
    assert_eq!(browser.get("/console/v1/session").status, 200, "nobody was signed out");
    assert_eq!(sign_in(&running, &json!({ "link": link })).status, 201, "and the link was not used up");
}

#[test]
fn a_name_that_only_resolves_here_is_refused_for_every_path() {
    let running = start(1_206);
    let at = running.console.at();
    let browser = Browser::open(&running);
    let port = at.port();
    for host in
        ["evil.example", &format!("evil.example:{port}"), "127.0.0.1", &format!("127.0.0.1:{}", port ^ 1)]
    {
        for target in ["/", "/assets/app.js", "/console/v1/overview"] {
            let fields = [("host", host), ("cookie", browser.cookie.as_str())];
            let refused = ask(at, "GET", target, &fields, "");
            assert_eq!((refused.status, code(&refused)), (421, "wrong-host".to_owned()), "{host} {target}");
        }
    }
    let fields = [("host", &*format!("localhost:{port}")), ("cookie", browser.cookie.as_str())];
    assert_eq!(ask(at, "GET", "/console/v1/overview", &fields, "").status, 200);
    let absolute = format!(
        "GET http://evil.example:{port}/console/v1/overview HTTP/1.1\r\nhost: {at}\r\ncookie: {}\r\nconnection: close\r\n\r\n",
        browser.cookie
    );
    assert_eq!(raw(at, &absolute, "").status, 421, "the name of the target counts as well");
    let twice = format!("GET / HTTP/1.1\r\nhost: {at}\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    assert_eq!(raw(at, &twice, "").status, 400);
}

#[test]
fn a_cookie_of_another_installation_opens_nothing_here() {
    let (ours, theirs) = (start(1_207), start(1_208));
    let browser = Browser::open(&theirs);
    let secret = browser.cookie.split_once('=').unwrap().1;
    let renamed = format!("glacis_console_{}={secret}", ours.console.at().port());
    for cookie in [browser.cookie.as_str(), renamed.as_str()] {
        let fields = [("cookie", cookie)];
        assert_eq!(ask(ours.console.at(), "GET", "/console/v1/overview", &fields, "").status, 401);
    }
    let link = link_of(&theirs);
    assert_eq!(sign_in(&ours, &json!({ "link": link })).status, 401);
    assert_eq!(sign_in(&theirs, &json!({ "link": link })).status, 201);
}

#[test]
fn every_answer_is_guarded_and_large_heads_are_refused() {
    let running = start(1_209);
    let at = running.console.at();
    let browser = Browser::open(&running);
    let answers = [
        ask(at, "GET", "/", &[], ""),
        ask(at, "GET", "/nothing", &[], ""),
        ask(at, "GET", "/", &[("host", "evil.example")], ""),
        ask(at, "POST", "/console/v1/session", &[], "{}"),
        ask(at, "POST", "/", &[], ""),
        browser.get("/console/v1/overview"),
        browser.get("/console/v1/decisions/0000"),
        browser.get("/console/v1/devices?limit=0"),
    ];
    for answer in answers {
        let field = |name| answer.header(name).unwrap_or_default().to_owned();
        let policy = field("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'")
                && policy.contains("require-trusted-types-for 'script'")
        );
        assert_eq!(field("x-content-type-options"), "nosniff");
        assert_eq!(field("referrer-policy"), "no-referrer");
        assert_eq!(field("cross-origin-opener-policy"), "same-origin");
        assert_eq!(field("cross-origin-resource-policy"), "same-origin");
        assert!(["no-store", "no-cache"].contains(&&*field("cache-control")), "{}", answer.status);
        assert!(answer.header("access-control-allow-origin").is_none());
    }
    let large = ask(at, "GET", "/", &[("x-filler", &"a".repeat(64 << 10))], "");
    assert!(large.status == 431 || large.status == 0, "{}", large.status);
    assert_eq!(browser.get("/console/v1/overview").status, 200, "others are served on");
}

#[test]
fn files_have_a_tag_that_saves_sending_them_again() {
    let running = start(1_210);
    let at = running.console.at();
    let page = ask(at, "GET", "/login", &[], "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let tag = page.header("etag").unwrap();
    assert!(tag.starts_with('"') && tag.len() == 45, "strong, of the whole digest: {tag}");
    let again = ask(at, "GET", "/login", &[("if-none-match", tag)], "");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let other = ask(at, "GET", "/login", &[("if-none-match", "\"other\"")], "");
    assert_eq!(other.status, 200);
    for target in
        ["/assets/../../Cargo.toml", "/assets/%2e%2e/index.html", "/etc/passwd", "/console", "/console/v1"]
    {
        assert_eq!(ask(at, "GET", target, &[], "").status, 404, "{target}");
    }
}

#[test]
fn more_streams_than_may_be_are_told_to_come_later_and_end_with_the_session() {
    let running = start(1_211);
    let browser = Browser::open(&running);
    let at = running.console.at();
    let head = format!("GET /console/v1/live HTTP/1.1\r\nhost: {at}\r\ncookie: {}\r\n\r\n", browser.cookie);
    let mut streams: Vec<TcpStream> = (0..32)
        .map(|_| {
            let mut stream = TcpStream::connect(at).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).unwrap();
            assert_eq!(&status, b"HTTP/1.1 200");
            stream
        })
        .collect();
    let refused = browser.get("/console/v1/live");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(browser.get("/console/v1/overview").status, 200, "the rest works on");
    assert_eq!(browser.ask("DELETE", "/console/v1/session", &[OWN]).status, 204);
    for stream in &mut streams {
        let mut rest = String::new();
        while !rest.contains("event: bye") {
            let mut chunk = [0; 4_096];
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the stream says why it ends: {rest}");
            rest.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
        assert!(rest.contains("data: {\"reason\":\"signed-out\"}"), "{rest}");
    }
}

#[test]
fn slow_looks_are_few_at_once_and_nobody_can_ask_for_more_than_a_page() {
    let running = start(1_212);
    let browser = Browser::open(&running);
    for target in [
        "/console/v1/decisions?limit=1001",
        "/console/v1/decisions?before=x",
        "/console/v1/decisions?before=1.1&after=1.1",
        "/console/v1/decisions?what=1",
        "/console/v1/devices?limit=201",
        "/console/v1/devices?tier=best",
        "/console/v1/devices?listed=no",
        "/console/v1/devices?q=xyz",
        "/console/v1/devices?cursor=AAAA",
        "/console/v1/live?after=1",
        "/console/v1/search",
        "/console/v1/overview?x=1",
    ] {
        assert_eq!(browser.get(target).status, 400, "{target}");
    }
    let unknown = browser.get("/console/v1/decisions/ABCD12345678");
    assert_eq!((unknown.status, code(&unknown)), (404, "not-found".to_owned()));
    assert_eq!(browser.get(&format!("/console/v1/devices/{}", "ab".repeat(32))).status, 404);
    for method in ["PUT", "PATCH"] {
        assert_eq!(browser.ask(method, "/console/v1/overview", &[OWN]).status, 405, "{method}");
    }
    assert_eq!(CloudErrorKind::CrossSite.status(), 403);
}
