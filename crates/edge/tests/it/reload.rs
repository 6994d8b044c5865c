//! Other settings while the node runs: nothing fails, nothing is half in force, and what cannot change is refused.

use crate::device::Session;
use crate::golden::Shield;
use crate::passage::until;
use crate::world::{ATTESTED, World, event, outcome, says, slice, transfer};
use glacis_edge::{EdgeConfig, ReloadError, Step};
use glacis_seal::SigningKey;
use glacis_wire::http::Request;
use glacis_wire::{NodeOutcome, Zone};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// Reloads the settings of the test with a change.
fn reload(world: &World, token: &SigningKey, change: impl Fn(String) -> String) -> Result<bool, ReloadError> {
    world.core.reload(other(token, change), "ann")
}

fn other(token: &SigningKey, change: impl Fn(String) -> String) -> EdgeConfig {
    let text = change(crate::world::config(token, ""));
    EdgeConfig::parse("edge.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// Each request is an event of its own.
fn signed(session: &mut Session, request: Request, world: &World) -> Request {
    static EVENTS: AtomicU8 = AtomicU8::new(0);
    let id = event(EVENTS.fetch_add(1, Ordering::Relaxed));
    let said = says(world.view, NodeOutcome::False);
    session.sign(request, id, Some(&said), None, world.now())
}

#[test]
fn another_route_is_in_force_at_once_and_with_its_policy() {
    let world = World::new();
    let mut session = world.session(1, ATTESTED);
    let mut ask = |path: &str| world.code(&signed(&mut session, crate::device::get(path), &world));
    assert_eq!(ask("/fresh"), "no-route");
    let changed = reload(&world, &world.authority.token, |text| {
        // In front, so that every other route has another number.
        text.replacen(
            "[[route]]",
            "[[route]]\npath = \"/fresh\"\nupstream = \"shop\"\nevent = \"account.view\"\n\n[[route]]",
            1,
        )
    });
    assert!(changed.unwrap());
    assert_eq!(ask("/fresh"), "forward");
    assert_eq!(ask("/accounts/7"), "forward");
    let record = world.records().pop().unwrap();
    assert_eq!(record.facts.policy, world.view, "decided by the policy of its event");
    // A bundle that comes later is planned for the routes of now.
    world.publish(2);
    assert_eq!(ask("/fresh"), "forward");
}

#[test]
fn a_request_under_way_ends_with_the_settings_it_began_with() {
    let world = World::new();
    let mut session = world.session(1, ATTESTED);
    let body = r#"{"payee":"a","amount":5000,"currency":"EUR"}"#;
    let mut request = transfer(body);
    let token = world.authority.token("ann", world.now().after(Duration::from_secs(600)));
    request.headers.push(("authorization".into(), token));
    let pending = world.ask(&signed(&mut session, request, &world));
    reload(&world, &world.authority.token, |text| {
        let (before, _) = text.split_once("[[route]]").unwrap();
        format!("{before}[[route]]\npath = \"/only\"\nupstream = \"shop\"\n")
            .replace("127.0.0.1:9\"\n\n[[route]]", "127.0.0.1:8\"\n\n[[route]]")
    })
    .unwrap();
    let said = outcome(world.core.resume(pending, None, world.now()));
    assert!(said == "forward" || said.contains("verdict"), "decided by the route that it came on: {said}");
    let mut other_request = || world.code(&signed(&mut session, crate::device::get("/accounts/7"), &world));
    assert_eq!(other_request(), "no-route");
}

#[test]
fn a_token_of_the_old_key_is_not_believed_under_another() {
    let world = World::new();
    let mut session = world.session(1, ATTESTED);
    let token = world.authority.token("ann", world.now().after(Duration::from_secs(600)));
    let mut ask = || {
        let mut request = transfer(r#"{"payee":"a","amount":1,"currency":"EUR"}"#);
        request.headers.push(("authorization".into(), token.clone()));
        world.step(&signed(&mut session, request, &world))
    };
    assert!(!matches!(ask(), Step::Answer(answer) if answer.status == 401));
    // Cached on the leg by now; an unchanged key keeps it, another drops it.
    reload(&world, &world.authority.token, |text| text.replace("max_bytes = 64", "max_bytes = 63")).unwrap();
    assert!(outcome(ask()) != "principal-wrong");
    reload(&world, &crate::device::key(77), |text| text).unwrap();
    assert_eq!(outcome(ask()), "principal-wrong");
}

#[test]
fn what_a_running_node_cannot_change_is_refused_whole() {
    let world = World::new();
    let refused = reload(&world, &world.authority.token, |text| {
        text.replace("edge-1", "edge-2").replace("/kiosk", "/booth").replace("127.0.0.1:0", "127.0.0.1:1")
    });
    let Err(ReloadError::Fixed(keys)) = refused else { panic!("{refused:?}") };
    assert_eq!(keys, ["node", "listen"]);
    assert_eq!(world.code(&crate::device::get("/booth")), "no-route");
    assert!(world.code(&crate::device::get("/kiosk")) != "no-route", "nothing of it was taken");
    assert!(!reload(&world, &world.authority.token, |text| text).unwrap(), "the same is no news");
    assert_eq!(world.core.metrics().snapshot().reloads, 0);
}

#[test]
fn limits_follow_and_modes_that_operators_set_stay() {
    let world = World::new();
    let mut session = world.session(1, ATTESTED);
    let mut ask = |path: &str| world.step(&signed(&mut session, crate::device::get(path), &world));
    let Step::Forward(forward) = ask("/accounts/7") else { panic!("not forwarded") };
    world.core.learn(forward.learn.as_ref().unwrap(), Some(200));
    world.core.set_mode("GET /accounts/{id}", glacis_edge::config::Mode::Observe, "ann").unwrap();
    let tight = "[limits]\ndevice = { burst = 1, per_second = 1 }\n";
    reload(&world, &world.authority.token, |text| text.replacen("[token]", &format!("{tight}[token]"), 1))
        .unwrap();
    world.pass(10);
    world.refresh_feed();
    assert_eq!(outcome(ask("/maybe")), "forward");
    assert_eq!(outcome(ask("/maybe")), "device-limited", "one at once from now on");
    let route =
        world.core.routes().into_iter().find(|route| route.route.starts_with("GET /accounts")).unwrap();
    assert!(route.set && route.mode == glacis_edge::config::Mode::Observe);
    let slices = vec![slice("view", Zone::Edge)];
    assert!(world.core.accept_bundle(&world.authority.bundle(Zone::Edge, 9, slices)).unwrap());
}

/// A service that answers every request with its name, and grants every WebSocket.
struct Named {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Named {
    fn new(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                std::thread::spawn(move || serve(socket, name));
            }
        });
        Self { address, stop }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut socket: TcpStream, name: &str) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            bytes.drain(..end + 4);
            if head.contains("upgrade: websocket") {
                let granted =
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                socket.write_all(granted.as_bytes()).unwrap();
                while let Ok(count @ 1..) = socket.read(&mut piece) {
                    socket.write_all(&piece[..count]).unwrap();
                }
                return;
            }
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        match socket.read(&mut piece) {
            Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
}

/// Sends requests over one connection until `stop`; each must be answered by one of `names`.
fn drive(address: SocketAddr, names: &[&str], stop: &AtomicBool, done: &AtomicU64) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    while !stop.load(Ordering::Acquire) {
        socket.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let head = until(&mut socket, "\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut body = vec![0; names[0].len()];
        socket.read_exact(&mut body).unwrap();
        assert!(names.iter().any(|name| name.as_bytes() == body), "{}", String::from_utf8_lossy(&body));
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn reloads_under_load_fail_no_request_and_cut_no_websocket() {
    let (red, blue) = (Named::new("red1"), Named::new("blue"));
    let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let shield = Shield::before(red.address, nobody, "account.view");
    let mut socket = TcpStream::connect(shield.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
        .write_all(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    assert!(until(&mut socket, "\r\n\r\n").starts_with("HTTP/1.1 101 "));
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| drive(shield.address, &["red1", "blue"], &stop, &done));
        }
        let mut reloads = 0;
        while done.load(Ordering::Relaxed) < REQUESTS || reloads < 50 {
            let behind = if reloads % 2 == 0 { blue.address } else { red.address };
            let text = Shield::text(behind, "", nobody, "account.view");
            let config = EdgeConfig::parse("edge.toml", &text).unwrap();
            assert!(shield.core().reload(config, "ann").unwrap());
            reloads += 1;
            socket.write_all(b"still here?").unwrap();
            let mut echo = [0; 11];
            socket.read_exact(&mut echo).unwrap();
            assert_eq!(&echo, b"still here?");
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Release);
    });
    assert!(done.load(Ordering::Relaxed) >= REQUESTS);
}

/// Requests that pass while settings change.
const REQUESTS: u64 = 5_000;
