//! Floods over real sockets, all from the address of an honest device: its session goes on, the flood is told to wait.
//!
//! Nothing here is timed. What is asserted is who is answered, and how; shares of throughput are the bench's matter.

use crate::device::{Device, Session, get, render};
use crate::gateway::{Town, read_parts};
use crate::world::{ATTESTED, event, says, slice};
use glacis_host::Clock as _;
use glacis_wire::http::Request;
use glacis_wire::{EventId, NodeOutcome, Zone};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Requests of the honest device while a flood is on.
const BOUND: u64 = 300;
/// Requests of the flood at the least.
const FLOOD: u64 = 600;

fn town() -> Town {
    let limits = "[limits]\nprefix = { burst = 50, per_second = 50 }\n\
                  device = { burst = 1000000, per_second = 1000000 }\n\
                  asymmetric = { burst = 20, per_second = 20 }\nhead_wait_ms = 1000\nconnections = 200\n";
    Town::with(|text| text.replacen("[token]", &format!("{limits}[token]"), 1))
}

/// What the flood was answered, by status; with 429 and 503 goes `retry-after`.
type Told = Mutex<BTreeMap<String, u64>>;

fn tell(told: &Told, head: &str) {
    let status = head.split(' ').nth(1).unwrap_or("none").to_owned();
    let lower = head.to_ascii_lowercase();
    if matches!(status.as_str(), "429" | "503") {
        assert!(lower.contains("retry-after: 1"), "{head}");
    }
    *told.lock().unwrap().entry(status).or_default() += 1;
}

/// Runs `flood` in four threads until it had [`FLOOD`] answers and the device its [`BOUND`], all of them 200.
fn through(town: &Town, flood: impl Fn(SocketAddr, u64) -> Option<String> + Sync) -> BTreeMap<String, u64> {
    let (mut session, at) = (town.session(), town.address());
    let (told, stop, sent) = (Told::default(), AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    match flood(at, number) {
                        Some(head) => tell(&told, &head),
                        None => tell(&told, "HTTP/1.1 closed"),
                    }
                }
            });
        }
        let mut socket = town.connect();
        let mut asked = 0;
        while asked < BOUND || sent.load(Ordering::Relaxed) < FLOOD {
            bound(town, &mut session, &mut socket, asked);
            asked += 1;
        }
        stop.store(true, Ordering::Release);
    });
    told.into_inner().unwrap()
}

/// One request of the device's session, which must be let on.
fn bound(town: &Town, session: &mut Session, socket: &mut TcpStream, number: u64) {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let said = says(slice("view", Zone::Edge).policy, NodeOutcome::False);
    let request = session.sign(get("/accounts/1"), EventId::new(id), Some(&said), None, town.host.now());
    socket.write_all(&render(&request)).unwrap();
    let (head, _) = read_parts(socket);
    assert!(head.starts_with("HTTP/1.1 200 "), "request {number}: {head}");
}

/// The head of the answer on a connection of its own; `None` where it is closed without one.
fn ask(at: SocketAddr, bytes: &[u8]) -> Option<String> {
    let mut socket = TcpStream::connect(at).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(String::from_utf8_lossy(&answer[..end]).into_owned());
        }
        match socket.read(&mut piece) {
            Ok(count @ 1..) => answer.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}

fn opening(town: &Town, seed: u8) -> Request {
    let now = town.host.now();
    let mut device = Device::enrolled(&town.world.context, &town.world.result, seed, ATTESTED, now);
    device.opening(now).0
}

#[test]
fn a_flood_of_session_openings_starves_no_bound_session() {
    let town = town();
    let requests: Vec<Vec<u8>> = (0..64).map(|seed| render(&opening(&town, seed + 100))).collect();
    let told = through(&town, |at, number| {
        let request = usize::try_from(number).unwrap() % requests.len();
        ask(at, &requests[request])
    });
    assert!(told.get("429").copied().unwrap_or(0) > FLOOD / 4, "{told:?}");
    assert!(told.keys().all(|status| matches!(status.as_str(), "200" | "401" | "429" | "503")), "{told:?}");
}

#[test]
fn garbage_in_heads_and_tickets_starves_no_bound_session() {
    let town = town();
    let (session, host) = (town.session(), Arc::clone(&town.host));
    let told = through(&town, |at, number| {
        let mut session = session.clone();
        let mut request = session.sign(get("/accounts/1"), event(1), None, None, host.now());
        let garbage = format!(":{}:", "QUJD".repeat(1 + usize::try_from(number % 50).unwrap()));
        for (name, value) in &mut request.headers {
            match (number % 4, name.as_str()) {
                (0, "glacis-ticket") | (1, "signature") => value.clone_from(&garbage),
                (2, "signature-input") => value.push_str(";x=1;y"),
                _ => {}
            }
        }
        if number % 4 == 3 {
            return ask(at, b"GET /accounts/1 HTTP/1.1\r\nhost: a\r\nbad header\x01: 1\r\n\r\n");
        }
        ask(at, &render(&request))
    });
    assert!(!told.contains_key("200"), "{told:?}");
    let refused: u64 = ["400", "401", "429"].iter().filter_map(|status| told.get(*status)).sum();
    assert!(refused > FLOOD / 2, "{told:?}");
}

#[test]
fn ten_times_the_limit_sheds_strangers_and_says_when_to_come_again() {
    let town = town();
    let told = through(&town, |at, _| ask(at, &render(&get("/public/x"))));
    let shed = told.get("429").copied().unwrap_or(0);
    assert!(shed > FLOOD / 4, "{told:?}");
    assert!(told.keys().all(|status| matches!(status.as_str(), "200" | "429" | "503")), "{told:?}");
}

/// Half-sent heads and bodies in drips: each connection ends by itself, and none is in the way.
#[test]
fn slow_clients_hold_nothing_that_others_need() {
    let town = town();
    let mut session = town.session();
    let slow: Vec<TcpStream> = (0..150)
        .map(|number| {
            let mut socket = TcpStream::connect(town.address()).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let part: &[u8] = match number % 3 {
                0 => b"G",
                1 => b"GET /public/x HTTP/1.1\r\nhost: a\r\nx-drip: ",
                _ => b"",
            };
            socket.write_all(part).unwrap();
            socket
        })
        .collect();
    let mut socket = town.connect();
    for number in 0..BOUND {
        bound(&town, &mut session, &mut socket, number);
        // A drip does not start the clock of a head anew.
        for mut drip in slow.iter().skip(1).step_by(3).take(5) {
            let _refused = drip.write_all(b"x");
        }
    }
    for mut socket in slow {
        // Whatever it is told on the way, it ends.
        let mut rest = Vec::new();
        let _reset = socket.read_to_end(&mut rest);
        assert!(!String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200 "));
    }
    bound(&town, &mut session, &mut socket, BOUND);
}
