//! What a host refuses by itself: who has no secret, what it cannot do, a proxy that says too little.

use crate::conformance::{core, read};
use crate::device::get;
use crate::device::render;
use crate::fronts::{self, Front, SECRET, secret};
use crate::service;
use glacis_hosts::{HostError, HostKind, Hosted, PATH_ANSWER, PATH_AUTHORIZE, PEER};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

fn ask(at: SocketAddr, path: &str, headers: &str) -> String {
    let mut socket = TcpStream::connect(at).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: glacis\r\nconnection: close\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn without_the_secret_nobody_is_answered_and_without_an_address_nobody_is_decided_on() {
    let (_, core) = core(NOWHERE, false);
    let hosted = Hosted::start(core, HostKind::AuthRequest, &secret()).unwrap();
    let at = hosted.local_addr();
    let known = format!("x-glacis-secret: {SECRET}\r\n");
    let asked = "x-original-method: GET\r\nx-original-uri: /public/a\r\nx-original-protocol: HTTP/1.1\r\n";
    let from = format!("{PEER}: 192.0.2.7\r\n");
    for path in [PATH_AUTHORIZE, PATH_ANSWER, "/.glacis/bundle"] {
        for secret in ["", "x-glacis-secret: wrong\r\n", &format!("{known}{known}")] {
            let answer = ask(at, path, &format!("{secret}{from}{asked}"));
            assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\n"), "{path}: {answer}");
        }
    }
    let authorize = |headers: &str| ask(at, PATH_AUTHORIZE, &format!("{known}{headers}"));
    assert!(authorize(&format!("{from}{asked}")).starts_with("HTTP/1.1 204 "));
    assert!(authorize(asked).contains("\"code\":\"unavailable\""), "nobody says where the client is");
    // What is said twice, or not at all, is said in no way.
    for lacking in ["x-original-method: GET\r\nx-original-uri: /public/a\r\n", &format!("{asked}{asked}")] {
        assert!(authorize(&format!("{from}{lacking}")).starts_with("HTTP/1.1 403 "), "{lacking}");
    }
    // In HTTP/2 a body may come without a word of it.
    let second = asked.replace("HTTP/1.1", "HTTP/2.0");
    assert!(authorize(&format!("{from}{second}")).starts_with("HTTP/1.1 403 "));
    // nginx refused by itself: there is no answer to bring.
    assert!(ask(at, PATH_ANSWER, &known).starts_with("HTTP/1.1 403 "));
    hosted.shutdown();
}

#[test]
fn a_configuration_that_needs_bodies_or_an_open_address_is_refused_at_start() {
    let (_, core) = core(NOWHERE, true);
    let error = Hosted::start(core, HostKind::AuthRequest, &secret()).unwrap_err();
    assert!(matches!(error, HostError::Lack(_)), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("route `POST /upload` needs the request's body"), "{text}");
    assert!(text.contains("which the host `auth-request` lacks"), "{text}");
}

#[test]
fn the_example_has_a_pipeline() {
    let core = crate::example::pipeline().unwrap();
    assert!(glacis_hosts::LAYER.check(&core.config()).is_ok());
    assert_eq!(Arc::strong_count(&core), 1);
}

/// The status of a plain request through the proxy.
fn plain(front: &Front) -> u16 {
    let mut socket = TcpStream::connect(front.address).unwrap();
    socket.write_all(&render(&get("/public/a"))).unwrap();
    read(&mut socket).0
}

#[test]
fn a_proxy_that_nobody_answers_lets_nothing_pass() {
    let (address, seen) = service::start();
    for (start, refused) in [(fronts::envoy as fn(_, _) -> _, 503), (fronts::nginx, 500)] {
        let Some(mut front): Option<Front> = start(core(address, false).1, address) else { continue };
        assert_eq!(plain(&front), 200);
        assert!(seen.try_recv().is_ok());
        front.stop_host();
        assert_eq!(plain(&front), refused);
        assert!(seen.try_recv().is_err(), "something crossed");
    }
}

#[test]
fn fields_that_envoy_joined_are_refused() {
    let (address, seen) = service::start();
    let joined = |text: String| text.replace("encode_raw_headers: true", "encode_raw_headers: false");
    let Some(front) = fronts::envoy_with(core(address, true).1, address, joined) else { return };
    assert_eq!(plain(&front), 503);
    assert!(seen.try_recv().is_err(), "something crossed");
}
