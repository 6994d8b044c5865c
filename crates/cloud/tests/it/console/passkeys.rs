//! Signing in with a passkey: what a good one opens, and everything that opens nothing.

use super::attack::{actions, code};
use super::authenticator::{Authenticator, PRESENT, VERIFIED};
use super::{Browser, OWN, ask, link_of, sign_in};
use crate::http::{Answer, Running, admin, post, root_token, start, start_on, start_with, try_start_at};
use crate::world::{START, World};
use glacis_cloud::Place;
use glacis_cloud::server::BindError;
use glacis_host::SeededHost;
use serde_json::{Value as Json, json};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// The window in which failed tries are counted.
const MINUTE: Duration = Duration::from_secs(60);

impl Browser {
    fn send(&self, method: &str, target: &str, body: &Json) -> Answer {
        let fields = [("cookie", self.cookie.as_str()), OWN];
        ask(self.at, method, target, &fields, &body.to_string())
    }

    fn begin(&self, name: &str) -> Answer {
        let body = json!({ "name": name, "adds": self.adds });
        self.send("POST", "/console/v1/passkeys/challenge", &body)
    }

    /// What a passkey must be made for.
    pub(super) fn wanted(&self, name: &str) -> Json {
        let answer = self.begin(name);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    fn add(&self, registration: &str) -> Answer {
        self.send("POST", "/console/v1/passkeys", &json!({ "registration": registration }))
    }

    /// Adds the passkey of `authenticator`; gives its number.
    pub(super) fn added(&self, authenticator: &mut Authenticator, name: &str) -> u64 {
        let answer = self.add(&authenticator.make(&self.wanted(name)));
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        answer.json()["id"].as_u64().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let listed = self.json("/console/v1/passkeys");
        let names = listed["passkeys"].as_array().unwrap().iter();
        names.map(|passkey| passkey["name"].as_str().unwrap().to_owned()).collect()
    }

    fn remove(&self, id: u64) -> u16 {
        self.ask("DELETE", &format!("/console/v1/passkeys/{id}"), &[OWN]).status
    }
}

/// What an authenticator is asked at a log-in, as anybody is told.
pub(super) fn asked(running: &Running) -> Json {
    let answer = ask(running.console.at(), "POST", "/console/v1/session/challenge", &[OWN], "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["relying_party"], "localhost");
    answer.json()
}

/// The challenge in [`asked`].
fn challenge(running: &Running) -> String {
    asked(running)["challenge"].as_str().unwrap().to_owned()
}

fn enter(running: &Running, challenge: &str, assertion: &str) -> Answer {
    sign_in(running, &json!({ "passkey": { "challenge": challenge, "assertion": assertion } }))
}

pub(super) fn sign_in_with(running: &Running, authenticator: &mut Authenticator) -> Answer {
    let challenge = challenge(running);
    enter(running, &challenge, &authenticator.sign(&challenge))
}

fn authenticator(running: &Running, seed: u8) -> Authenticator {
    Authenticator::new(seed, running.console.at().port())
}

/// A token of scope `read`, and its number.
fn token(running: &Running, root: &str, name: &str) -> (String, u64) {
    let body = json!({ "name": name, "scopes": ["read"], "life_s": 86_400 });
    let made = post(running, root, "/admin/v1/tokens", &body).json()["token"].as_str().unwrap().to_owned();
    let listed = admin(running, root, "GET", "/admin/v1/tokens", Vec::new()).json();
    let rows = listed["tokens"].as_array().unwrap();
    let id = rows.iter().find(|row| row["name"] == name).unwrap()["id"].as_u64().unwrap();
    (made, id)
}

fn with_token(running: &Running, token: &str) -> Browser {
    Browser::with(running, &json!({ "token": token }))
}

#[test]
fn a_passkey_signs_in_until_it_is_removed_and_all_of_it_is_under_the_audit_chain() {
    let running = start(1_240);
    let browser = Browser::open(&running);
    let mut laptop = authenticator(&running, 1);
    let wanted = browser.wanted("laptop");
    assert_eq!(
        (&wanted["relying_party"], &wanted["algorithms"]),
        (&json!("localhost"), &json!([-7, -8, -257]))
    );
    assert_eq!(wanted["user_name"], "laptop (acme, demo)");
    let id = browser.added(&mut laptop, "laptop");
    assert_eq!(browser.json("/console/v1/passkeys")["passkeys"][0]["used_ms"], Json::Null);
    running.world.host.advance(MINUTE);
    let first = sign_in_with(&running, &mut laptop);
    assert_eq!(first.json()["scopes"], json!(["read"]), "exactly what a session may do");
    assert_eq!(first.json()["actor"], format!("passkey {id}: laptop"));
    assert!(first.header("set-cookie").unwrap().contains("HttpOnly"));
    let by_passkey = Browser::of(&running, &first);
    assert_eq!(by_passkey.get("/console/v1/overview").status, 200);
    let listed = browser.json("/console/v1/passkeys")["passkeys"][0].clone();
    assert!(listed["used_ms"].as_u64() > listed["made_ms"].as_u64());
    assert_eq!(listed["by"], "local");
    let known = browser.wanted("again")["known"].clone();
    assert_eq!(known.as_array().unwrap().len(), 1, "its authenticator is asked to make no second one");
    assert_eq!(browser.remove(id), 204);
    assert_eq!(by_passkey.get("/console/v1/overview").status, 401, "its sessions end with it");
    assert_eq!(sign_in_with(&running, &mut laptop).status, 401);
    assert_eq!((browser.remove(id), browser.names().len()), (404, 0));
    let wanted = [
        "local console-sign-in by a link".to_owned(),
        format!("passkey {id}: laptop console-sign-in by passkey {id}"),
    ];
    assert_eq!(actions(&running), wanted);
    let rows = running.handle.as_ref().unwrap().call_blocking(|core| {
        let sql = "SELECT operator_passkey.by, operator_passkey_end.by FROM operator_passkey \
                   JOIN operator_passkey_end ON passkey = operator_passkey.id";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        Ok(core.danger_connection().query_row(sql, [], read).unwrap())
    });
    assert_eq!(rows.unwrap(), ("local".to_owned(), "local".to_owned()), "who added and removed it stays");
}

/// A change to a passkey that its authenticator, or the page, makes before it signs.
type Wrong = fn(&mut Authenticator);

#[test]
fn what_is_wrong_in_one_thing_signs_nobody_in() {
    let running = start(1_241);
    let browser = Browser::open(&running);
    let mut good = authenticator(&running, 1);
    browser.added(&mut good, "good");
    let cases: [(&str, Wrong); 9] = [
        ("a page on another port", |a| a.origin = "http://localhost:9999".to_owned()),
        ("a page of another name", |a| a.origin = a.origin.replace("localhost", "evil.example")),
        ("the address in numbers", |a| a.origin = a.origin.replace("localhost", "127.0.0.1")),
        ("TLS that is not there", |a| a.origin = a.origin.replace("http:", "https:")),
        ("another relying party", |a| a.relying_party = "evil.example".to_owned()),
        ("nobody verified", |a| a.flags = PRESENT),
        ("nobody there", |a| a.flags = 0x04),
        ("another user", |a| a.user = "AAAA".to_owned()),
        ("no user", |a| a.user = String::new()),
    ];
    for (what, change) in cases {
        running.world.host.advance(MINUTE);
        let mut wrong = good.clone();
        change(&mut wrong);
        let refused = sign_in_with(&running, &mut wrong);
        assert_eq!((refused.status, code(&refused)), (401, "unauthenticated".to_owned()), "{what}");
        assert!(refused.header("set-cookie").is_none(), "{what}");
    }
    running.world.host.advance(MINUTE);
    let mut forged = authenticator(&running, 2);
    (forged.id, forged.user) = (good.id.clone(), good.user.clone());
    assert_eq!(sign_in_with(&running, &mut forged).status, 401, "another key");
    let stranger = &mut authenticator(&running, 3);
    stranger.user = good.user.clone();
    assert_eq!(sign_in_with(&running, stranger).status, 401, "a credential that nobody added");
    for junk in ["", "{}", "null", "[]", "{\"id\":\"AQ\"}", &"[".repeat(9_000)] {
        running.world.host.advance(MINUTE);
        assert_eq!(enter(&running, &challenge(&running), junk).status, 401, "{}", junk.len());
    }
    running.world.host.advance(MINUTE);
    assert_eq!(sign_in_with(&running, &mut good).status, 201, "the good one all the while");
    let refusals = actions(&running).into_iter().filter(|line| line.contains("refused")).count();
    assert_eq!(refusals, 0, "only copies are news");
}

#[test]
fn a_challenge_of_a_log_in_is_good_once_not_for_long_and_only_if_it_was_made_here() {
    let (running, other) = (start(1_242), start(1_243));
    let mut passkey = authenticator(&running, 1);
    Browser::open(&running).added(&mut passkey, "one");
    let first = challenge(&running);
    let assertion = passkey.sign(&first);
    assert_eq!(enter(&running, &first, &assertion).status, 201);
    assert_eq!(enter(&running, &first, &assertion).status, 401, "replayed");
    assert_eq!(enter(&running, &first, &passkey.sign(&first)).status, 401, "signed anew");
    let burnt = challenge(&running);
    assert_eq!(enter(&running, &burnt, "{}").status, 401);
    assert_eq!(enter(&running, &burnt, &passkey.sign(&burnt)).status, 401, "a failed try uses it up");
    running.world.host.advance(MINUTE);
    let swapped = challenge(&running);
    let signed = passkey.sign(&challenge(&running));
    assert_eq!(enter(&running, &swapped, &signed).status, 401, "signed for another challenge");
    let foreign = challenge(&other);
    assert_eq!(enter(&running, &foreign, &passkey.sign(&foreign)).status, 401, "of another installation");
    let wanted = Browser::open(&running).wanted("two")["challenge"].as_str().unwrap().to_owned();
    assert_eq!(enter(&running, &wanted, &passkey.sign(&wanted)).status, 401, "a challenge to add one");
    let old = challenge(&running);
    running.world.host.advance(5 * MINUTE);
    assert_eq!(enter(&running, &old, &passkey.sign(&old)).status, 401, "too old");
    assert_eq!(sign_in_with(&running, &mut passkey).status, 201);
}

#[test]
fn a_copied_authenticator_is_refused_and_audited_and_the_original_goes_on() {
    let running = start(1_244);
    let mut original = authenticator(&running, 1);
    let id = Browser::open(&running).added(&mut original, "key");
    let mut copy = original.clone();
    assert_eq!(sign_in_with(&running, &mut original).status, 201);
    assert_eq!(sign_in_with(&running, &mut copy).status, 401, "the same counter again");
    copy.counter = 0;
    assert_eq!(sign_in_with(&running, &mut copy).status, 401, "none where there was one");
    assert_eq!(sign_in_with(&running, &mut original).status, 201);
    let notes = actions(&running);
    let refused = format!("passkey {id}: key console-passkey-refused ");
    assert_eq!(notes.iter().filter(|note| note.starts_with(&refused)).count(), 2, "{notes:?}");
    let mut uncounted = Authenticator { counter: 0, ..authenticator(&running, 2) };
    Browser::open(&running).added(&mut uncounted, "synced");
    for _ in 0..2 {
        assert_eq!(sign_in_with(&running, &mut uncounted).status, 201, "one that counts nothing");
    }
}

#[test]
fn a_registration_is_for_its_session_its_page_and_its_challenge() {
    let running = start(1_245);
    let (browser, other) = (Browser::open(&running), Browser::open(&running));
    let mut passkey = authenticator(&running, 1);
    let theirs = passkey.make(&other.wanted("theirs"));
    assert_eq!(browser.add(&theirs).status, 409, "nothing was begun here");
    browser.wanted("mine");
    assert_eq!(browser.add(&theirs).status, 400, "the challenge of another session");
    let first = browser.wanted("first");
    browser.wanted("second");
    assert_eq!(browser.add(&passkey.make(&first)).status, 400, "a newer challenge took its place");
    let wanted = browser.wanted("mine");
    let assertion = passkey.sign(wanted["challenge"].as_str().unwrap());
    assert_eq!(browser.add(&assertion).status, 400, "an assertion");
    let cases: [(&str, Wrong); 5] = [
        ("another page", |a| a.origin = "http://localhost:9999".to_owned()),
        ("the address in numbers", |a| a.origin = a.origin.replace("localhost", "127.0.0.1")),
        ("another relying party", |a| a.relying_party = "evil.example".to_owned()),
        ("nobody verified", |a| a.flags = PRESENT),
        ("an algorithm that was not asked for", |a| a.algorithm = -9),
    ];
    for (what, change) in cases {
        let mut wrong = passkey.clone();
        change(&mut wrong);
        let refused = browser.add(&wrong.make(&browser.wanted("wrong")));
        assert_eq!((refused.status, code(&refused)), (400, "invalid".to_owned()), "{what}");
    }
    let wanted = browser.wanted("late");
    running.world.host.advance(5 * MINUTE);
    assert_eq!(browser.add(&passkey.make(&wanted)).status, 409, "too old");
    let wanted = browser.wanted("good");
    let made = passkey.make(&wanted);
    assert_eq!(browser.add(&made).status, 201);
    assert_eq!(browser.add(&made).status, 409, "replayed");
    assert_eq!(browser.add(&passkey.make(&browser.wanted("twice"))).status, 409, "the same credential");
    for name in ["", "\u{7}", &"x".repeat(65)] {
        assert_eq!(browser.begin(name).status, 400, "{name:?}");
    }
    assert_eq!(browser.names(), ["good"]);
}

#[test]
fn a_passkey_of_a_token_lapses_with_the_token() {
    let running = start(1_246);
    let root = root_token(&running);
    let (secret, id) = token(&running, &root, "desk");
    let mut passkey = authenticator(&running, 1);
    with_token(&running, &secret).added(&mut passkey, "phone");
    let by_passkey = Browser::of(&running, &sign_in_with(&running, &mut passkey));
    assert_eq!(by_passkey.names(), ["phone"]);
    assert_eq!(admin(&running, &root, "DELETE", &format!("/admin/v1/tokens/{id}"), Vec::new()).status, 200);
    for _ in 0..2 {
        assert_eq!(by_passkey.get("/console/v1/overview").status, 401, "the session ends at once");
    }
    assert_eq!(sign_in_with(&running, &mut passkey).status, 401, "and there is no way back");
    assert_eq!(Browser::open(&running).names().len(), 0);
    let (secret, _) = token(&running, &root, "short");
    let mut other = authenticator(&running, 2);
    with_token(&running, &secret).added(&mut other, "tablet");
    assert_eq!(sign_in_with(&running, &mut other).status, 201);
    running.world.host.advance(Duration::from_secs(86_400));
    assert_eq!(sign_in_with(&running, &mut other).status, 401, "an end that came by itself");
}

#[test]
fn nobody_leaves_more_behind_than_what_they_came_with() {
    let running = start(1_247);
    let root = root_token(&running);
    let (one, two) = (token(&running, &root, "one").0, token(&running, &root, "two").0);
    let (local, first, second) =
        (Browser::open(&running), with_token(&running, &one), with_token(&running, &two));
    let mut keys = [1, 2, 3].map(|seed| authenticator(&running, seed));
    let ids =
        [local.added(&mut keys[0], "l"), first.added(&mut keys[1], "a"), second.added(&mut keys[2], "b")];
    assert_eq!(local.names(), ["b", "a", "l"]);
    assert_eq!((first.names(), second.names()), (vec!["a".to_owned()], vec!["b".to_owned()]));
    assert_eq!((first.remove(ids[0]), first.remove(ids[2])), (404, 404), "what is not theirs is not there");
    let by_passkey = Browser::of(&running, &sign_in_with(&running, &mut keys[1]));
    assert_eq!(by_passkey.names(), ["a"]);
    assert_eq!((by_passkey.remove(ids[0]), by_passkey.remove(ids[2])), (404, 404));
    // A passkey adds none, so that removing it is the end of whoever took it.
    let why = by_passkey.json("/console/v1/passkeys")["why_not"].as_str().unwrap().to_owned();
    assert!(why.contains("a passkey adds no others"), "{why}");
    let refused = by_passkey.begin("c");
    assert_eq!((refused.status, code(&refused)), (403, "forbidden".to_owned()));
    assert_eq!(by_passkey.add("{}").status, 403);
    // Nor does a browser that was left alone, also if it began in time.
    assert_eq!(local.json("/console/v1/passkeys")["why_not"], Json::Null);
    let wanted = local.wanted("late");
    running.world.host.advance(15 * MINUTE);
    assert!(local.json("/console/v1/passkeys")["why_not"].as_str().unwrap().contains("15 minutes"));
    assert_eq!(local.begin("c").status, 403);
    assert_eq!(local.add(&authenticator(&running, 4).make(&wanted)).status, 403);
    assert_eq!(local.remove(ids[1]), 204, "removing is always possible");
    assert_eq!(by_passkey.get("/console/v1/session").status, 401);
    assert_eq!(by_passkey.remove(ids[1]), 401);
}

/// A browser sends the cookie to every server of this machine, so any of them may be who asks here.
#[test]
fn a_cookie_alone_adds_no_passkey_and_learns_nothing_that_would() {
    let running = start(1_256);
    let (browser, other) = (Browser::open(&running), Browser::open(&running));
    let secret = browser.cookie.split_once('=').unwrap().1;
    for adds in [json!({}), json!({ "adds": null }), json!({ "adds": "" }), json!({ "adds": secret })]
        .into_iter()
        .chain([json!({ "adds": other.adds })])
    {
        let mut body = adds.clone();
        body["name"] = json!("thief");
        let refused = browser.send("POST", "/console/v1/passkeys/challenge", &body);
        assert_eq!((refused.status, code(&refused)), (403, "forbidden".to_owned()), "{adds}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("sign out, then in again by a link or a token"), "{detail}");
    }
    let adds = browser.adds.as_str().unwrap();
    for target in ["/console/v1/session", "/console/v1/passkeys", "/console/v1/overview"] {
        let told = browser.get(target);
        assert_eq!(told.status, 200, "{target}");
        assert!(!String::from_utf8_lossy(&told.body).contains(adds), "{target}");
    }
    // What the page began is no use either to whoever did not hear for which challenge.
    let wanted = browser.wanted("own");
    let mut thief = authenticator(&running, 1);
    let guess = json!({ "user": wanted["user"], "challenge": challenge(&running) });
    assert_eq!(browser.add(&thief.make(&guess)).status, 400);
    assert_eq!(browser.names().len(), 0);
    browser.added(&mut authenticator(&running, 2), "own");
    assert_eq!(browser.ask("DELETE", "/console/v1/session", &[OWN]).status, 204);
    assert_eq!(browser.begin("late").status, 401, "it ends with its session");
}

#[test]
fn a_passkey_that_came_by_a_link_sees_and_removes_those_of_links_alone() {
    let running = start(1_257);
    let root = root_token(&running);
    let (local, desk) = (Browser::open(&running), with_token(&running, &token(&running, &root, "desk").0));
    let mut keys = [1, 2, 3].map(|seed| authenticator(&running, seed));
    let ids = [local.added(&mut keys[0], "a"), local.added(&mut keys[1], "b"), desk.added(&mut keys[2], "t")];
    let by_passkey = Browser::of(&running, &sign_in_with(&running, &mut keys[0]));
    assert_eq!(by_passkey.names(), ["b", "a"]);
    assert_eq!(by_passkey.remove(ids[2]), 404, "what came by a token is not there");
    assert_eq!(sign_in_with(&running, &mut keys[2]).status, 201, "and is as good as before");
    assert_eq!((by_passkey.remove(ids[1]), by_passkey.remove(ids[0])), (204, 204));
    assert_eq!(by_passkey.get("/console/v1/session").status, 401, "it removed itself");
    assert_eq!(local.names(), ["t"]);
    assert_eq!(local.remove(ids[2]), 204);
}

#[test]
fn a_store_that_fails_counts_as_no_try() {
    let running = start(1_258);
    let mut own = authenticator(&running, 1);
    Browser::open(&running).added(&mut own, "one");
    let rename = |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        let handle = running.handle.as_ref().unwrap();
        let renamed =
            handle.call_blocking(move |core| Ok(core.danger_connection().execute_batch(&sql).is_ok()));
        assert!(renamed.unwrap());
    };
    rename("operator_passkey_use", "away");
    for _ in 0..7 {
        assert_eq!(sign_in_with(&running, &mut own).status, 500);
    }
    rename("away", "operator_passkey_use");
    assert_eq!(sign_in_with(&running, &mut own).status, 201);
}

#[test]
fn passkeys_and_challenges_are_bounded_and_a_flood_keeps_nobody_out() {
    let running = start(1_248);
    let root = root_token(&running);
    let desk = with_token(&running, &token(&running, &root, "desk").0);
    for seed in 1..=16 {
        desk.added(&mut authenticator(&running, seed), "key");
    }
    let full = desk.begin("more");
    assert_eq!((full.status, code(&full)), (409, "conflict".to_owned()));
    assert!(desk.json("/console/v1/passkeys")["why_not"].as_str().unwrap().contains("16 passkeys"));
    let mut own = authenticator(&running, 17);
    Browser::open(&running).added(&mut own, "of somebody else");
    let waiting = challenge(&running);
    for _ in 0..300 {
        challenge(&running);
    }
    assert_eq!(enter(&running, &waiting, &own.sign(&waiting)).status, 201, "it was not pushed out");
    running.world.host.advance(MINUTE);
    let statuses: Vec<u16> = (0..7).map(|_| enter(&running, "AAAA", "{}").status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429], "as tokens are");
    assert_eq!(sign_in(&running, &json!({ "token": "glacis_x" })).status, 429, "and together with them");
    assert_eq!(sign_in(&running, &json!({ "link": link_of(&running) })).status, 201);
    running.world.host.advance(MINUTE);
    assert_eq!(sign_in_with(&running, &mut own).status, 201);
}

#[test]
fn no_other_site_reaches_what_passkeys_need() {
    let running = start(1_249);
    let at = running.console.at();
    let browser = Browser::open(&running);
    let id = browser.added(&mut authenticator(&running, 1), "one");
    let cookie = ("cookie", browser.cookie.as_str());
    for (method, target) in [
        ("POST", "/console/v1/session/challenge".to_owned()),
        ("POST", "/console/v1/passkeys/challenge".to_owned()),
        ("POST", "/console/v1/passkeys".to_owned()),
        ("DELETE", format!("/console/v1/passkeys/{id}")),
    ] {
        for fields in [&[cookie][..], &[cookie, OWN, ("origin", "http://localhost:9999")]] {
            assert_eq!(ask(at, method, &target, fields, "").status, 403, "{method} {target}");
        }
        let rebound = [cookie, OWN, ("host", "evil.example")];
        assert_eq!(ask(at, method, &target, &rebound, "").status, 421, "{method} {target}");
        if target != "/console/v1/session/challenge" {
            assert_eq!(ask(at, method, &target, &[OWN], "").status, 401, "{method} {target}");
        }
    }
    assert_eq!(ask(at, "GET", "/console/v1/passkeys", &[], "").status, 401);
    assert_eq!(browser.names(), ["one"]);
    for both in [
        json!({ "link": "a", "passkey": { "challenge": "", "assertion": "" } }),
        json!({ "passkey": {} }),
        json!({ "passkey": "x" }),
        json!({ "passkey": { "challenge": "", "assertion": "", "more": 1 } }),
    ] {
        assert_eq!(sign_in(&running, &both).status, 400, "{both}");
    }
}

/// Browsers take `localhost` for either address: nobody else may answer at the other one.
#[test]
fn the_port_is_the_consoles_at_every_address_of_localhost() {
    let running = start(1_254);
    let at = running.console.at();
    // A port that is taken at one of the two alone.
    let (_holder, taken) = loop {
        let Ok(holder) = TcpListener::bind("[::1]:0") else { return };
        let taken = SocketAddr::new(at.ip(), holder.local_addr().unwrap().port());
        if TcpListener::bind(taken).is_ok() {
            break (holder, taken);
        }
    };
    let other: SocketAddr = format!("[::1]:{}", at.port()).parse().unwrap();
    assert_eq!(TcpListener::bind(other).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    let named = format!("localhost:{}", at.port());
    assert_eq!(ask(other, "GET", "/login", &[("host", &named)], "").status, 200, "the same console");
    assert_eq!(ask(other, "GET", "/login", &[], "").status, 421, "by its name alone");
    let refused = try_start_at(World::new(1_255), taken).unwrap_err();
    assert!(matches!(refused, BindError::Listen { at, .. } if at.ip().is_ipv6()), "{refused}");
}

#[test]
fn a_passkey_survives_a_restart_and_a_row_that_was_slipped_in_shows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let world = World::new(1_252);
    let core = world.open(&Place::File(&path));
    let running = start_with(world, core, None);
    let mut passkey = authenticator(&running, 1);
    Browser::open(&running).added(&mut passkey, "one");
    let before = challenge(&running);
    assert_eq!(sign_in_with(&running, &mut passkey).status, 201);
    drop(running);
    let world = World::new(1_252);
    let core = world.open(&Place::File(&path));
    let running = start_on(world, core, Arc::new(SeededHost::new(1_253, START)));
    passkey.origin = authenticator(&running, 1).origin;
    assert_eq!(enter(&running, &before, &passkey.sign(&before)).status, 401, "of the process before");
    let mut copy = Authenticator { counter: 1, ..passkey.clone() };
    assert_eq!(sign_in_with(&running, &mut copy).status, 401, "the counter was kept");
    assert_eq!(sign_in_with(&running, &mut passkey).status, 201);
    let fault = running.handle.as_ref().unwrap().call_blocking(|core| {
        assert_eq!(core.verify_audit_whole()?.fault, None);
        let sql = "INSERT INTO operator_passkey (name, credential, user, key, algorithm, backup_eligible, at, by) \
                   SELECT name, x'00', user, key, algorithm, backup_eligible, at, by FROM operator_passkey";
        core.danger_connection().execute(sql, []).unwrap();
        Ok(core.verify_audit_whole()?.fault)
    });
    assert!(fault.unwrap().unwrap().contains("operator_passkey"));
    assert_eq!(passkey.flags, VERIFIED);
}
