//! Kept connections to a service that closes them whenever it likes: nobody pays for a connection of the gateway's.
//!
//! A request without effect is answered as if it had come over a connection of its own; one with an effect is never
//! sent twice.

use crate::golden::Shield;
use crate::passage::{Upstream, rest, until};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(client: &mut TcpStream, path: &str) {
    client.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
}

fn post(client: &mut TcpStream, path: &str) {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    client.write_all(head.as_bytes()).unwrap();
}

/// A client and the service's side of a link that has answered one request.
fn kept(town: &Upstream) -> (TcpStream, TcpStream) {
    let mut client = town.client();
    get(&mut client, "/first");
    let mut behind = town.accept();
    until(&mut behind, "\r\n\r\n");
    behind.write_all(OK).unwrap();
    until(&mut client, "\r\n\r\nok");
    (client, behind)
}

#[test]
fn a_get_that_a_kept_link_lost_is_sent_once_more_and_a_post_is_not() {
    let town = Upstream::new();
    let (mut client, mut behind) = kept(&town);
    get(&mut client, "/again");
    assert!(until(&mut behind, "\r\n\r\n").starts_with("GET /again "));
    drop(behind);
    let mut fresh = town.accept();
    assert!(until(&mut fresh, "\r\n\r\n").starts_with("GET /again "));
    fresh.write_all(OK).unwrap();
    assert!(until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 "));

    let town = Upstream::new();
    let (mut client, mut behind) = kept(&town);
    post(&mut client, "/pay");
    assert!(until(&mut behind, "\r\n\r\nhi").starts_with("POST /pay "));
    drop(behind);
    assert!(until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 502 "));
    let mut client = town.client();
    get(&mut client, "/next");
    let next = until(&mut town.accept(), "\r\n\r\n");
    assert!(next.starts_with("GET /next "), "nothing came between: {next}");
}

#[test]
fn once_a_link_was_lost_what_cannot_be_sent_again_gets_its_own() {
    let town = Upstream::new();
    let (mut client, mut behind) = kept(&town);
    get(&mut client, "/again");
    until(&mut behind, "\r\n\r\n");
    drop(behind);
    let mut fresh = town.accept();
    until(&mut fresh, "\r\n\r\n");
    fresh.write_all(OK).unwrap();
    until(&mut client, "\r\n\r\nok");
    post(&mut client, "/pay");
    let mut own = town.accept();
    assert!(until(&mut own, "\r\n\r\nhi").starts_with("POST /pay "));
    own.write_all(OK).unwrap();
    assert!(until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_was_answered_in_part_or_lost_twice_is_not_sent_again() {
    let town = Upstream::new();
    let (mut client, mut behind) = kept(&town);
    get(&mut client, "/half");
    until(&mut behind, "\r\n\r\n");
    behind.write_all(b"HTTP/1.1 2").unwrap();
    drop(behind);
    assert!(until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 502 "));

    let (mut client, mut behind) = kept(&town);
    get(&mut client, "/twice");
    until(&mut behind, "\r\n\r\n");
    drop(behind);
    drop(town.accept());
    assert!(until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 502 "));
    let mut client = town.client();
    get(&mut client, "/next");
    assert!(until(&mut town.accept(), "\r\n\r\n").starts_with("GET /next "));
}

#[test]
fn a_streamed_body_is_never_sent_again() {
    let town = Upstream::new();
    let (mut client, mut behind) = kept(&town);
    client.write_all(b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").unwrap();
    until(&mut behind, "hi\r\n");
    drop(behind);
    client.write_all(b"0\r\n\r\n").unwrap();
    assert!(until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 502 "));
}

#[test]
fn a_link_that_was_closed_or_spoke_unasked_takes_no_request_of_either_kind() {
    let town = Upstream::new();
    let forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    for unasked in [&b""[..], forged] {
        for send in [get, post] {
            let (mut client, mut behind) = kept(&town);
            behind.write_all(unasked).unwrap();
            drop(behind);
            // What was written is in the gateway's socket when the call returns: one machine.
            send(&mut client, "/real");
            let mut fresh = town.accept();
            until(&mut fresh, " /real HTTP/1.1\r\n");
            until(&mut fresh, "\r\n\r\n");
            fresh.write_all(OK).unwrap();
            assert!(until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 "));
        }
    }
}

#[test]
fn idle_links_end_by_themselves() {
    let town = Upstream::with("idle_ms = 250\n");
    let (_client, mut behind) = kept(&town);
    assert_eq!(rest(&mut behind), b"", "closed while nobody asks anything");
    let town = Upstream::with("idle_ms = 0\n");
    let (_client, mut behind) = kept(&town);
    assert_eq!(rest(&mut behind), b"", "never kept");
}

/// How a service ends connections.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// A moment after its first answer, without a word.
    After(Duration),
    /// When the second request is there: done, and no answer.
    Done,
    /// In the middle of reading the second request.
    Reading,
}

/// What a service did, by request.
type Done = Arc<Mutex<BTreeMap<String, usize>>>;

/// A service each of whose connections answers one request and leaves in one of several ways.
fn fickle() -> (SocketAddr, Done) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let done = Done::default();
    let ways = [
        Leaving::After(Duration::ZERO),
        Leaving::After(Duration::from_micros(50)),
        Leaving::Done,
        Leaving::After(Duration::from_micros(400)),
        Leaving::Reading,
        Leaving::After(Duration::from_millis(3)),
    ];
    let its = Arc::clone(&done);
    std::thread::spawn(move || {
        for (socket, way) in listener.incoming().flatten().zip(ways.into_iter().cycle()) {
            let its = Arc::clone(&its);
            std::thread::spawn(move || leave(socket, way, &its));
        }
    });
    (address, done)
}

fn leave(mut socket: TcpStream, way: Leaving, done: &Done) {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let Some(()) = carry_out(&mut socket, done) else { return };
    if socket.write_all(OK).is_err() {
        return;
    }
    match way {
        Leaving::After(pause) => std::thread::sleep(pause),
        Leaving::Done => drop(carry_out(&mut socket, done)),
        Leaving::Reading => drop(socket.read(&mut [0; 5])),
    }
}

/// Reads a request and does what it asks.
fn carry_out(socket: &mut TcpStream, done: &Done) -> Option<()> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") && !bytes.ends_with(b"\r\n\r\nhi") {
        let mut byte = [0];
        if socket.read(&mut byte).ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") && bytes.starts_with(b"POST") {
            socket.read_exact(&mut [0; 2]).ok()?;
        }
    }
    let request = String::from_utf8_lossy(&bytes).split(" HTTP").next()?.to_owned();
    *done.lock().unwrap().entry(request).or_default() += 1;
    Some(())
}

#[test]
fn under_load_every_get_is_answered_and_no_post_is_done_twice() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 60;
    let (behind, done) = fickle();
    let shield = Shield::before(behind, "127.0.0.1:9".parse().unwrap(), "account.view");
    let (address, lost) = (shield.address, AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for who in 0..CLIENTS {
            let (done, lost) = (&done, &lost);
            scope.spawn(move || {
                let mut client = TcpStream::connect(address).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                for n in 0..REQUESTS {
                    let path = format!("/{who}/{n}");
                    let posts = n % 3 == 2;
                    if posts {
                        post(&mut client, &path)
                    } else {
                        get(&mut client, &path)
                    }
                    let head = until(&mut client, "\r\n\r\n");
                    if head.starts_with("HTTP/1.1 200 ") {
                        until(&mut client, "ok");
                    } else {
                        assert!(posts && head.starts_with("HTTP/1.1 502 "), "{path}: {head}");
                        lost.fetch_add(1, Ordering::Relaxed);
                        client = TcpStream::connect(address).unwrap();
                        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    }
                    let times = done.lock().unwrap().get(&format!("POST {path}")).copied().unwrap_or(0);
                    assert!(
                        times <= 1 && (!posts || times == 1 || !head.contains(" 200 ")),
                        "{path}: {times}"
                    );
                }
            });
        }
    });
    let done = done.lock().unwrap();
    let repeated = done.iter().filter(|(_, times)| **times > 1).map(|(request, _)| request);
    let posts: Vec<&String> = repeated.filter(|request| request.starts_with("POST")).collect();
    assert_eq!(posts, Vec::<&String>::new());
    eprintln!("{} of {} posts lost with their connections", lost.into_inner(), CLIENTS * REQUESTS / 3);
}
