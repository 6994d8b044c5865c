//! Attack mode and drain: what they do to whom, and that they end.

use crate::device::{Session, get};
use crate::golden::Shield;
use crate::passage::until;
use crate::world::{ATTESTED, World, event, says, start};
use glacis_edge::ModeError;
use glacis_host::Files;
use glacis_wire::NodeOutcome;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const LIMITS: &str = "[limits]\nprefix = { burst = 40, per_second = 1 }\n";

/// How many of `count` requests that nobody vouches for are let on.
fn strangers(world: &World, count: usize) -> usize {
    (0..count).filter(|_| world.code(&get("/public/x")) == "forward").count()
}

fn signed(world: &World, session: &mut Session, n: u8) -> String {
    let said = says(world.view, NodeOutcome::False);
    world.code(&session.sign(get("/accounts/1"), event(n), Some(&said), None, world.now()))
}

#[test]
fn a_prefix_that_asks_too_much_is_shed_but_for_sessions_of_devices() {
    let world = World::with(LIMITS);
    let mut session = world.session(1, ATTESTED);
    assert!(strangers(&world, 100) < 40);
    for n in 0..20 {
        assert_eq!(signed(&world, &mut session, n), "forward");
    }
    // Garbage that looks like a session takes nobody past the limit.
    let mut forged = session.sign(get("/accounts/1"), event(99), None, None, world.now());
    for (name, value) in &mut forged.headers {
        if name == "signature" {
            *value = format!("glacis=:{}:", "A".repeat(43) + "=");
        }
    }
    let refused = world.answer(&forged);
    assert!(refused.status >= 400);
    let shed = world.answer(&get("/maybe"));
    assert_eq!((shed.status, shed.header("retry-after")), (429, Some("1")));
    // Openings are what a flood would be made of.
    let mut other = world.device(2, ATTESTED);
    assert_eq!(world.code(&other.opening(world.now()).0), "prefix-limited");
}

#[test]
fn attack_mode_weighs_strangers_and_ends_by_itself() {
    let world = World::with(LIMITS);
    let mut session = world.session(1, ATTESTED);
    world.pass(60);
    world.refresh_feed();
    let until = world.now().after(Duration::from_secs(300));
    world.core.attack(until, 10, "ann", "flood").unwrap();
    assert_eq!(world.core.attacked(), Some((until, 10)));
    assert_eq!(strangers(&world, 20), 4, "each counts as ten of forty");
    for n in 0..20 {
        assert_eq!(signed(&world, &mut session, n), "forward");
    }
    world.pass(299);
    world.refresh_feed();
    assert_eq!(strangers(&world, 20), 4);
    world.pass(61);
    world.refresh_feed();
    assert_eq!(world.core.attacked(), None);
    assert_eq!(strangers(&world, 60), 40);
    assert!(matches!(world.core.end_attack("ann"), Err(ModeError::NoAttack)));
}

#[test]
fn attack_mode_survives_a_restart_is_audited_and_has_bounds() {
    let world = World::with(LIMITS);
    let until = world.now().after(Duration::from_secs(300));
    for (until, weight) in
        [(world.now(), 4), (world.now().after(Duration::from_secs(86_401)), 4), (until, 1), (until, 1_001)]
    {
        assert!(world.core.attack(until, weight, "ann", "").is_err(), "{until:?} {weight}");
    }
    assert!(
        world.core.attack(until, 4, "", "").is_err() && world.core.attack(until, 4, "ann", "a\nb").is_err()
    );
    assert_eq!(world.core.attacked(), None);
    world.core.attack(until, 4, "ann", "flood").unwrap();
    let files = Arc::clone(&world.files) as Arc<dyn Files>;
    let text = crate::world::config(&world.authority.token, LIMITS);
    let again = start(&world.authority, &text, &world.host, files);
    assert_eq!(again.attacked(), Some((until, 4)));
    again.end_attack("bob").unwrap();
    assert_eq!(again.attacked(), None);
    let batch = again.duty().batch().unwrap().unwrap();
    let said: Vec<_> =
        batch.report.operator.iter().map(|a| (a.action.0.as_str(), a.detail.0.as_str())).collect();
    let detail = format!("until {} ms, weight 4: flood", until.as_ms());
    assert_eq!(said, [("attack-mode", detail.as_str()), ("attack-mode-end", "")]);
}

/// The clock of a node that was set back, or a file that somebody kept: neither makes attack mode last.
#[test]
fn attack_mode_does_not_hold_before_it_began() {
    let world = World::new();
    world.pass(7_200);
    world.core.attack(world.now().after(Duration::from_secs(60)), 4, "ann", "").unwrap();
    let early = glacis_host::SeededHost::new(8, crate::world::START);
    let files = Arc::clone(&world.files) as Arc<dyn Files>;
    let again = start(&world.authority, &crate::world::config(&world.authority.token, ""), &early, files);
    assert_eq!(again.attacked(), None);
}

/// Modes of a node before attack mode existed.
#[test]
fn a_file_of_modes_of_the_version_before_is_read() {
    let world = World::new();
    let bypass = world.now().after(Duration::from_secs(60));
    world.core.bypass(bypass, "ann", "").unwrap();
    let mut bytes = world.files.read("modes").unwrap().unwrap();
    // The version before ends after the bypass: a flag, two times and a weight less.
    bytes[0] = 1;
    bytes.truncate(bytes.len() - (1 + 8 + 8 + 4));
    world.files.replace("modes", &bytes).unwrap();
    let files = Arc::clone(&world.files) as Arc<dyn Files>;
    let text = crate::world::config(&world.authority.token, "");
    let again = start(&world.authority, &text, &world.host, files);
    assert_eq!((again.bypassed(), again.attacked()), (Some(bypass), None));
}

#[test]
fn a_draining_node_answers_whoever_comes_and_ends_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let behind = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut piece = [0; 4_096];
                while let Ok(1..) = socket.read(&mut piece) {
                    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                }
            });
        }
    });
    let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let shield = Shield::before(behind, nobody, "account.view");
    let ask = |socket: &mut TcpStream| {
        socket.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let head = until(socket, "\r\n\r\n").to_ascii_lowercase();
        let mut body = [0; 2];
        socket.read_exact(&mut body).unwrap();
        head
    };
    let connect = || {
        let socket = TcpStream::connect(shield.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    };
    let mut kept = connect();
    assert!(!ask(&mut kept).contains("connection: close"));
    shield.core().drain(true, "ann").unwrap();
    assert!(shield.core().is_draining());
    for mut socket in [kept, connect()] {
        let head = ask(&mut socket);
        assert!(head.starts_with("http/1.1 200 ") && head.contains("connection: close"), "{head}");
        assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0, "and is closed");
    }
    shield.core().drain(false, "ann").unwrap();
    let mut kept = connect();
    assert!(!ask(&mut kept).contains("connection: close"));
    ask(&mut kept);
}
