//! Learnt routes, modes that operators set, bypass: what acts, what survives a restart, what attackers try.

use crate::device::{get, post};
use crate::world::{ATTESTED, Authority, PEER, START, event, outcome, says, start, step, transfer};
use glacis_edge::config::Mode;
use glacis_edge::{
    BYPASS_MAX, Body, EdgeCore, Forward, LearntRoute, ModeError, OTHER, ROUTES_MAX, RequestHead, Step,
};
use glacis_host::{Clock, Files, MemoryFiles, SeededHost};
use glacis_wire::http::Request;
use glacis_wire::message::decide::OperatorAction;
use glacis_wire::{NodeOutcome, Realm, Verdict, Zone};
use std::sync::Arc;
use std::time::Duration;

/// A node as `glacis protect` configures one: everything is one event, unsigned is welcome, nothing acts.
struct Shield {
    authority: Authority,
    host: SeededHost,
    files: Arc<MemoryFiles>,
    core: Arc<EdgeCore>,
    extra: String,
}

fn config(extra: &str) -> String {
    format!(
        r#"
tenant = "acme"
realm = "demo"
node = "edge-1"
listen = "127.0.0.1:0"
cloud = "127.0.0.1:9"
{extra}
[upstream.app]
address = "127.0.0.1:9"
[[route]]
path = "/{{*}}"
upstream = "app"
event = "account.view"
device = "optional"
mode = "observe"
body_max_bytes = 10
"#
    )
}

impl Shield {
    fn new(extra: &str) -> Self {
        let shield = Self::bare(extra);
        let slices = vec![crate::world::slice("view", Zone::Edge)];
        shield.core.accept_bundle(&shield.authority.bundle(Zone::Edge, 1, slices)).unwrap();
        shield.core.accept_feed(&shield.authority.feed(1, &[]), START).unwrap();
        shield
    }

    fn bare(extra: &str) -> Self {
        let (authority, host) = (Authority::new("acme", Realm::Demo), SeededHost::new(7, START));
        let files = Arc::new(MemoryFiles::new());
        let core = start(&authority, &config(extra), &host, Arc::clone(&files) as Arc<dyn Files>);
        Self { authority, host, files, core, extra: extra.to_owned() }
    }

    fn restart(&mut self) {
        let files = Arc::clone(&self.files) as Arc<dyn Files>;
        self.core = start(&self.authority, &config(&self.extra), &self.host, files);
        self.core.accept_feed(&self.authority.feed_at(self.host.now(), 1, &[]), self.host.now()).unwrap();
    }

    /// Sends a request; a forwarded one is answered by its service with `status`.
    fn send(&self, request: &Request, status: u16) -> String {
        let step = step(&self.core, request, PEER, self.host.now());
        if let Step::Forward(forward) = &step
            && let Some(learn) = &forward.learn
        {
            self.core.learn(learn, Some(status));
        }
        outcome(step)
    }

    fn route(&self, name: &str) -> LearntRoute {
        let routes = self.core.routes();
        routes.iter().find(|route| route.route == name).unwrap_or_else(|| panic!("{routes:?}")).clone()
    }

    fn names(&self) -> Vec<String> {
        self.core.routes().into_iter().map(|route| route.route).collect()
    }

    fn actions(&self) -> Vec<OperatorAction> {
        self.core.duty().batch().unwrap().map(|batch| batch.report.operator.0).unwrap_or_default()
    }

    fn would_refuse(&self) -> Vec<(&'static str, u64)> {
        self.core.metrics().snapshot().would_refuse
    }
}

fn challenged(code: &str) -> bool {
    code.starts_with("401 ")
}

#[test]
fn routes_are_learnt_with_what_would_have_happened_and_enforced_by_name() {
    let shield = Shield::new("");
    for path in ["/accounts/17", "/accounts/18", "/Accounts/19/", "/login"] {
        assert_eq!(shield.send(&get(path), 200), "forward");
    }
    assert_eq!(shield.names(), ["GET /accounts/{id}", "GET /login"]);
    let accounts = shield.route("GET /accounts/{id}");
    assert_eq!((accounts.mode, accounts.set, accounts.observed.challenge), (Mode::Observe, false, 3));
    assert_eq!(accounts.requests(), 3);

    shield.core.set_mode("GET /accounts/{id}", Mode::Enforce, "ann").unwrap();
    assert!(challenged(&shield.send(&get("/accounts/17"), 200)));
    assert_eq!(shield.send(&get("/login"), 200), "forward", "only the route that was named");
    let accounts = shield.route("GET /accounts/{id}");
    assert_eq!((accounts.mode, accounts.set, accounts.enforced.challenge), (Mode::Enforce, true, 1));

    shield.core.set_mode("GET /accounts/{id}", Mode::Observe, "ann").unwrap();
    assert_eq!(shield.send(&get("/accounts/17"), 200), "forward");
    let actions = shield.actions();
    let told: Vec<_> = actions.iter().map(|a| (&*a.actor.0, &*a.action.0, &*a.detail.0)).collect();
    assert_eq!(
        told,
        [("ann", "mode", "enforce GET /accounts/{id}"), ("ann", "mode", "observe GET /accounts/{id}")]
    );
    assert_ne!(actions[0].id, actions[1].id);
}

/// A mode that hangs on a name must not be evaded by another spelling of it.
#[test]
fn no_spelling_of_an_enforced_route_gets_around_it() {
    let shield = Shield::new("");
    shield.send(&post("/login", vec![1]), 200);
    assert_eq!(shield.send(&get("//a/../b"), 200), "forward", "nothing is enforced yet");
    shield.core.set_mode("POST /login", Mode::Enforce, "ann").unwrap();
    for path in ["/login", "/Login", "/LOGIN/", "/login;x=1", "/login/;x", "/log%49n?x"] {
        let answer = shield.send(&post(path, vec![1]), 200);
        assert!(challenged(&answer) || answer == "body-unreadable", "{path}: {answer}");
    }
    // With anything enforced, a path with two readings is refused: a service may read the enforced one in it.
    for path in ["//login", "/x/../login", "/./login", "/%6cogin", "/x\\..\\login"] {
        assert_eq!(shield.send(&post(path, vec![1]), 200), "body-unreadable", "{path}");
    }
    for path in ["/login%3Bx", "/login%20", "/%20login", "/login."] {
        assert!(challenged(&shield.send(&post(path, vec![1]), 200)), "{path}");
    }
    shield.send(&get("/login"), 200);
    shield.core.set_mode("GET /login", Mode::Enforce, "ann").unwrap();
    for method in ["HEAD", "head", "get", "Get", "hEAD"] {
        let mut asked = get("/login");
        asked.method = method.into();
        assert!(challenged(&shield.send(&asked, 200)), "{method}");
    }
}

/// Many services read more as an id than we do: ` 17`, `+17`, `17.0`, `17a`, a name.
#[test]
fn an_enforced_id_is_any_segment() {
    let mut shield = Shield::new("");
    for path in ["/accounts/17", "/accounts/me", "/accounts/17/card", "/accounts"] {
        shield.send(&get(path), 200);
    }
    shield.core.set_mode("GET /accounts/{id}", Mode::Enforce, "ann").unwrap();
    for _start in 0..2 {
        for id in ["17", "+17", "17%20", "17.0", "17a", "0x11", "ann", "me", "{id}", "1;2"] {
            assert!(challenged(&shield.send(&get(&format!("/accounts/{id}")), 200)), "{id}");
        }
        for path in ["/accounts", "/accounts/", "/accounts/17/card", "/account/17"] {
            assert_eq!(shield.send(&get(path), 200), "forward", "{path}");
        }
        assert_eq!(shield.send(&post("/accounts/ann", vec![1]), 200), "forward");
        shield.restart();
    }
    shield.core.set_mode("GET /accounts/{id}", Mode::Observe, "ann").unwrap();
    assert_eq!(shield.send(&get("/accounts/me"), 200), "forward");
    shield.core.set_mode("GET /accounts/{id}", Mode::Enforce, "ann").unwrap();
    shield.core.set_mode("GET /accounts/me", Mode::Observe, "ann").unwrap();
    assert_eq!(shield.send(&get("/accounts/me"), 200), "forward", "a mode of its own goes before");
    assert!(challenged(&shield.send(&get("/accounts/you"), 200)));
}

/// The name of a route is kept and written to files, so no request may make it long.
#[test]
fn no_spelling_makes_a_long_name() {
    let mut shield = Shield::new("");
    for long in ["%3B", "%20", ";", "."] {
        shield.send(&get(&format!("/login{}", long.repeat(2_000))), 200);
    }
    let names = shield.names();
    assert!(names.iter().all(|name| name.len() < 1_500), "{names:?}");
    for name in names.iter().filter(|name| *name != OTHER) {
        shield.core.set_mode(name, Mode::Enforce, "ann").unwrap();
    }
    shield.restart();
    assert_eq!(shield.core.routes().iter().filter(|route| route.set).count(), names.len());
}

/// A service that answers everything lets strangers fill the table; its routes can be enforced all the same.
#[test]
fn a_full_table_hides_no_route_from_its_operator() {
    let mut shield = Shield::new("");
    for n in 0..ROUTES_MAX {
        shield.send(&get(&format!("/page-{n}x")), 200);
    }
    assert_eq!(shield.send(&get("/login"), 200), "forward");
    assert!(!shield.names().contains(&"GET /login".to_owned()));
    shield.core.set_mode("GET /login", Mode::Enforce, "ann").unwrap();
    assert!(challenged(&shield.send(&get("/login"), 200)));
    shield.restart();
    assert!(challenged(&shield.send(&get("/Login/"), 200)));
}

/// A laxer route behind an enforced one must not take what services read as the enforced one.
#[test]
fn no_spelling_of_a_configured_route_falls_through_to_a_laxer_one() {
    let routes = r#"
[[route]]
method = "POST"
path = "/pay/{to}"
upstream = "app"
event = "account.view"
device = "optional"
mode = "enforce"
[[route]]
method = "GET"
path = "/pay"
upstream = "app"
event = "account.view"
device = "optional"
mode = "enforce"
"#;
    let lax = "[[route]]\npath = \"/{*}\"\nupstream = \"app\"\n";
    let text = config("").replacen("[[route]]", &format!("{routes}\n[[route]]"), 1);
    let (before, _) = text.rsplit_once("[[route]]").unwrap();
    for text in [text.clone(), format!("{before}{lax}")] {
        let (authority, host) = (Authority::new("acme", Realm::Demo), SeededHost::new(7, START));
        let core = start(&authority, &text, &host, Arc::new(MemoryFiles::new()));
        core.accept_bundle(&authority.bundle(Zone::Edge, 1, vec![crate::world::slice("view", Zone::Edge)]))
            .unwrap();
        core.accept_feed(&authority.feed(1, &[]), START).unwrap();
        let ask = |method: &str, path: &str| {
            let mut asked = if method.eq_ignore_ascii_case("post") { post(path, vec![1]) } else { get(path) };
            asked.method = method.into();
            outcome(step(&core, &asked, PEER, START))
        };
        assert!(challenged(&ask("POST", "/pay/bob")));
        assert!(challenged(&ask("GET", "/pay")));
        for (method, path) in [
            ("post", "/pay/bob"),
            ("POST", "/Pay/bob"),
            ("POST", "/pay/bob/"),
            ("POST", "/pay;x/bob"),
            ("POST", "/pay%3Bx/bob"),
            ("HEAD", "/pay"),
            ("GET", "/pay/"),
        ] {
            assert_eq!(ask(method, path), "body-unreadable", "{method} {path}");
        }
        for (method, path) in [("PUT", "/pay/bob"), ("POST", "/pay"), ("POST", "/pay/a/b"), ("GET", "/pays")]
        {
            assert_eq!(ask(method, path), "forward", "{method} {path}");
        }
        core.bypass(START.after(Duration::from_secs(60)), "ann", "").unwrap();
        assert_eq!(ask("POST", "/pay/bob/"), "forward");
    }
}

/// What only observes must not take the room that decisions need.
#[test]
fn observed_requests_leave_room_for_enforced_ones() {
    let limits = "[limits]\njournal_bytes = 262144\n[limits.prefix]\nburst = 100000\nper_second = 100000\n";
    let shield = Shield::new(limits);
    shield.send(&get("/login"), 200);
    shield.core.set_mode("GET /login", Mode::Enforce, "ann").unwrap();
    for _ in 0..5_000 {
        assert_eq!(shield.send(&get("/page"), 200), "forward");
    }
    assert!(shield.core.duty().journal_bytes() <= 262_144 / 2 + 4_096);
    assert!(challenged(&shield.send(&get("/login"), 200)));
    let would = shield.would_refuse();
    assert!(would.iter().any(|(code, count)| *code == "overloaded" && *count > 0), "{would:?}");
}

#[test]
fn modes_and_bypass_survive_a_restart_and_a_bypass_ends_by_itself() {
    let mut shield = Shield::new("");
    shield.send(&get("/login"), 200);
    shield.core.set_mode("GET /login", Mode::Enforce, "ann").unwrap();
    let until = START.after(Duration::from_secs(600));
    shield.core.bypass(until, "ann", "upstream upgrade").unwrap();
    assert_eq!(shield.send(&get("/login"), 200), "forward");

    shield.restart();
    assert_eq!(shield.core.bypassed(), Some(until));
    assert_eq!(shield.send(&get("/login"), 200), "forward");
    assert_eq!(shield.route("GET /login").mode, Mode::Enforce, "what it is when the bypass is over");
    shield.host.advance(Duration::from_secs(599));
    assert!(shield.core.bypassed().is_some());
    shield.host.advance(Duration::from_secs(1));
    assert_eq!(shield.core.bypassed(), None);
    assert!(challenged(&shield.send(&get("/login"), 200)));

    shield.restart();
    assert_eq!(shield.core.bypassed(), None, "an ended bypass does not come back");
    shield.core.set_mode("GET /login", Mode::Enforce, "ann").unwrap();
    assert!(challenged(&shield.send(&get("/login"), 200)), "a mode that is set again stays");
    shield.core.bypass(shield.host.now().after(Duration::from_secs(60)), "ann", "").unwrap();
    shield.core.end_bypass("bob").unwrap();
    assert!(challenged(&shield.send(&get("/login"), 200)));
    assert!(matches!(shield.core.end_bypass("bob"), Err(ModeError::NoBypass)));
    let actions: Vec<_> = shield.actions().iter().map(|a| (a.actor.0.clone(), a.action.0.clone())).collect();
    let want =
        [("ann", "mode"), ("ann", "bypass"), ("ann", "mode"), ("ann", "bypass"), ("bob", "bypass-end")];
    assert_eq!(actions, want.map(|(actor, action)| (actor.to_owned(), action.to_owned())));
    assert!(shield.actions()[1].detail.ends_with("upstream upgrade"));
}

/// Who sets the clock back must not make a bypass last.
#[test]
fn a_bypass_does_not_hold_before_it_began() {
    let mut shield = Shield::new("");
    shield.send(&get("/login"), 200);
    shield.core.set_mode("GET /login", Mode::Enforce, "ann").unwrap();
    shield.host.advance(Duration::from_secs(7_200));
    shield.core.bypass(shield.host.now().after(Duration::from_secs(60)), "ann", "").unwrap();
    assert!(shield.core.bypassed().is_some());
    shield.host = SeededHost::new(8, START);
    shield.restart();
    assert_eq!(shield.core.bypassed(), None);
}

#[test]
fn what_an_operator_may_not_do_changes_nothing() {
    let shield = Shield::new("");
    shield.send(&get("/login"), 200);
    let (core, end) = (&shield.core, START.after(Duration::from_secs(60)));
    let set = |route: &str, actor: &str| core.set_mode(route, Mode::Enforce, actor);
    assert!(matches!(set("GET /typo", "ann"), Err(ModeError::Unknown(route)) if route == "GET /typo"));
    assert!(matches!(set("/login", "ann"), Err(ModeError::Malformed(_))));
    assert!(matches!(set(OTHER, "ann"), Err(ModeError::Malformed(_))));
    for actor in ["", "a\nb", &"a".repeat(65)] {
        assert!(matches!(set("GET /login", actor), Err(ModeError::Actor)), "{actor:?}");
        assert!(matches!(core.bypass(end, actor, ""), Err(ModeError::Actor)), "{actor:?}");
    }
    let late = START.after(BYPASS_MAX + Duration::from_secs(1));
    for until in [START, late, glacis_wire::Timestamp::from_ms(u64::MAX)] {
        assert!(matches!(core.bypass(until, "ann", ""), Err(ModeError::End)));
    }
    assert!(matches!(core.bypass(end, "ann", &"x".repeat(5_000)), Err(ModeError::Reason)));
    assert!(matches!(core.bypass(end, "ann", "a\nb"), Err(ModeError::Reason)));
    assert_eq!(shield.actions(), []);
    assert_eq!((core.bypassed(), shield.route("GET /login").mode), (None, Mode::Observe));
}

/// A change that cannot be audited or kept does not act.
#[test]
fn a_change_without_its_record_does_not_act() {
    let mut shield = Shield::new("[limits]\njournal_bytes = 262144\n");
    shield.send(&get("/login"), 200);
    let mut refused = None;
    for n in 0..5_000 {
        let mode = if n % 2 == 0 { Mode::Enforce } else { Mode::Observe };
        if let Err(error) = shield.core.set_mode("GET /login", mode, "ann") {
            refused = Some((n, mode, error));
            break;
        }
    }
    let (n, mode, error) = refused.unwrap();
    assert!(matches!(error, ModeError::Keep(_)), "{error}");
    assert_ne!(shield.route("GET /login").mode, mode);
    let mut shipped = 0;
    while let Some(batch) = shield.core.duty().batch().unwrap() {
        shipped += batch.report.operator.len();
        shield.core.duty().acknowledge(&batch).unwrap();
    }
    assert_eq!(shipped, n, "one entry for every change that acted");
    shield.core.set_mode("GET /login", mode, "ann").unwrap();
    shield.restart();
    let known = shield.core.routes().into_iter().find(|route| route.route == "GET /login");
    assert_eq!(known.is_some_and(|route| route.mode == Mode::Enforce), mode == Mode::Enforce);
}

#[test]
fn a_file_of_modes_that_cannot_be_read_stops_the_node() {
    let shield = Shield::new("");
    shield.send(&get("/login"), 200);
    shield.core.set_mode("GET /login", Mode::Enforce, "ann").unwrap();
    let good = shield.files.read("modes").unwrap().unwrap();
    for len in 0..good.len() {
        shield.files.replace("modes", &good[..len]).unwrap();
        let config = glacis_edge::EdgeConfig::parse("edge.toml", &config("")).unwrap();
        let files = Arc::clone(&shield.files) as Arc<dyn Files>;
        let core = EdgeCore::new(config, shield.authority.edge_keys(), Arc::new(shield.host.clone()), files);
        assert!(core.unwrap_err().to_string().contains("modes"), "{len}");
    }
}

/// Who asks for many paths must not fill the table against the routes that there are.
#[test]
fn the_table_of_routes_is_bounded_and_not_filled_by_strangers() {
    let shield = Shield::new("[limits.prefix]\nburst = 100000\nper_second = 100000\n");
    for n in 0..1_000 {
        shield.send(&get(&format!("/scan-{n}x")), 404);
        let mut odd = get("/");
        odd.method = format!("M{}", "X".repeat(n % 30));
        shield.send(&odd, 405);
    }
    assert_eq!(shield.names(), [OTHER]);
    for n in 0..ROUTES_MAX + 50 {
        shield.send(&get(&format!("/page-{n}x")), 200);
    }
    assert_eq!(shield.core.routes().len(), ROUTES_MAX + 1);
    let sum: u64 = shield.core.routes().iter().map(LearntRoute::requests).sum();
    assert_eq!(sum, 2_000 + u64::try_from(ROUTES_MAX).unwrap() + 50, "every request is counted once");
}

#[test]
fn observing_never_refuses() {
    let shield = Shield::bare("[limits.prefix]\nburst = 10\nper_second = 1\n");
    assert_eq!(shield.send(&get("/a"), 200), "forward", "without a policy");
    let slices = vec![crate::world::slice("view", Zone::Edge)];
    shield.core.accept_bundle(&shield.authority.bundle(Zone::Edge, 1, slices)).unwrap();
    assert_eq!(shield.send(&get("/a"), 200), "forward", "without a feed");
    shield.core.accept_feed(&shield.authority.feed(1, &[]), START).unwrap();
    assert_eq!(shield.send(&post("/a", vec![0; 11]), 200), "forward", "over the body limit");

    let mut broken = get("/a");
    broken.headers.push(("signature-input".into(), "glacis=(\"@method\";created=x".into()));
    broken.headers.push(("signature".into(), "glacis=:AAAA:".into()));
    assert_eq!(shield.send(&broken, 200), "forward", "a signature that is none");
    broken.headers.push(("signature".into(), "glacis=:AAAA:".into()));
    assert_eq!(shield.send(&broken, 200), "forward", "and one that comes twice");
    for _ in 0..20 {
        assert_eq!(shield.send(&get("/a"), 200), "forward", "over the limit of its address prefix");
    }
    let would = shield.would_refuse();
    let of = |code: &str| would.iter().find(|(name, _)| *name == code).map_or(0, |(_, count)| *count);
    assert_eq!((of("signature-malformed"), of("prefix-limited")), (2, 15), "{would:?}");
    assert_eq!(shield.core.metrics().snapshot().refused, []);
    let a = shield.route("GET /a");
    assert_eq!(a.observed.refused, 2 + 15, "{a:?}");
    assert_eq!(a.observed.block, 2, "no policy, no feed: its stance is closed");
}

/// The body of an unsigned request is not waited for where nothing acts, and is never cut.
#[test]
fn observing_streams_bodies_of_any_length() {
    let shield = Shield::new("");
    let upload = post("/upload", vec![7; 1_000]);
    let head = RequestHead::of(&upload);
    let begin = |core: &EdgeCore| core.begin(&head, Body::ToCome, PEER, START);
    let Step::Forward(forward) = begin(&shield.core) else { panic!("waits for a body") };
    let Forward { body_max, content, learn, .. } = *forward;
    assert_eq!((body_max, content), (usize::MAX, None));
    shield.core.learn(&learn.unwrap(), Some(201));
    shield.core.set_mode("POST /upload", Mode::Enforce, "ann").unwrap();
    let Step::NeedBody(held) = begin(&shield.core) else { panic!("enforcing needs the body") };
    assert_eq!(outcome(shield.core.body_too_large(held)), "body-too-large");
    shield.core.bypass(START.after(Duration::from_secs(9)), "ann", "").unwrap();
    assert!(matches!(begin(&shield.core), Step::Forward(_)));
}

/// A record says that its verdict did not act, in every zone that may read it.
#[test]
fn records_say_whether_their_verdict_acted() {
    let shield = Shield::new("");
    shield.send(&get("/a"), 200);
    shield.core.set_mode("GET /a", Mode::Enforce, "ann").unwrap();
    shield.send(&get("/a"), 200);
    let records = shield.core.duty().batch().unwrap().unwrap().report.records.0;
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let mode = record.facts.observed.iter().find(|stated| stated.signal.as_str() == "route.mode");
            (matches!(record.verdict, Verdict::Challenge(_)), mode.is_some())
        })
        .collect();
    assert_eq!(told, [(true, true), (true, false)]);
}

/// A route whose stance is to refuse says so about a request, not about its event.
#[test]
fn an_event_refused_without_a_policy_is_decided_when_there_is_one() {
    let world = crate::world::World::bare("");
    world.core.accept_feed(&world.authority.feed(1, &[]), START).unwrap();
    let mut session = world.session(80, ATTESTED);
    let clear = says(world.view, NodeOutcome::False);
    let request = session.sign(get("/accounts/1"), event(1), Some(&clear), None, world.now());
    assert_eq!(world.code(&request), "unavailable");
    world.publish(1);
    let request = session.sign(get("/accounts/1"), event(1), Some(&clear), None, world.now());
    assert_eq!(world.code(&request), "forward");
    let request = session.sign(transfer("{"), event(2), None, None, world.now());
    assert_eq!(world.code(&request), "body-unreadable");
}
