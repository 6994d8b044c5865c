//! Somebody else answers at the address: whatever he says, the command ends in bounded time with exit code 5 or 3,
//! signs nothing and prints nothing that he chose for a terminal.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::installation::{Installation, shipped};
use crate::{code, glacis, stderr, stdout};
use glacis_cloud::Publish;
use glacis_seal::text::{base64url, parse_base64url};
use glacis_wire::{Decode as _, Encode as _};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;
use std::thread;

/// A server that gives every request this answer.
fn liar(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 8192];
            let read = stream.read(&mut head).unwrap_or(0);
            answer(&String::from_utf8_lossy(head.get(..read).unwrap()), &mut stream);
        }
    });
    at
}

/// Runs a command against it.
fn against(at: SocketAddr, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "glacis_token\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (url, file) = (format!("http://{at}"), file.to_string_lossy().into_owned());
    glacis(&[args, &["--url", &url, "--token-file", &file, "--timeout", "2"]].concat())
}

fn says(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn nonsense_is_an_answer_that_makes_no_sense() {
    for answer in [
        says("not json"),
        says("{}"),
        says("[]"),
        says("{\"tenant\":7}"),
        says("{\"tenant\":\"a\",\"realm\":[]}"),
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned(),
        "HTTP/1.1 302 Found\r\nlocation: http://elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
        String::new(),
    ] {
        let text = answer.clone();
        let at = liar(move |_, stream| drop(stream.write_all(answer.as_bytes())));
        let output = against(at, &["status"]);
        assert_eq!(code(&output), 5, "{text}: {}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{text}");
    }
}

#[test]
fn an_answer_without_end_and_a_silent_server_are_given_up() {
    let endless = liar(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while stream.write_all(b"1\r\n \r\n").is_ok() {}
    });
    let silent = liar(|_, stream| drop(stream.read(&mut [0; 1])));
    for at in [endless, silent] {
        let output = against(at, &["status"]);
        assert_eq!(code(&output), 5, "{}", stderr(&output));
        assert!(
            stderr(&output).contains("G8002") || stderr(&output).contains("G8003"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn pages_without_end_are_given_up() {
    for page in [
        r#"{"tokens":[],"next":"abc"}"#,
        r#"{"tokens":[{"id":1,"name":"x","scopes":[],"expires_ms":1,"ended_ms":null}],"next":"abc"}"#,
    ] {
        let at = liar(move |_, stream| drop(stream.write_all(says(page).as_bytes())));
        let output = against(at, &["token", "list"]);
        assert_eq!(code(&output), 5, "{}", stderr(&output));
    }
    let at = liar(|_, stream| drop(stream.write_all(says(r#"{"decisions":[],"after":5}"#).as_bytes())));
    assert_eq!(code(&against(at, &["events", "tail"])), 0);
}

#[test]
fn what_he_says_does_not_drive_the_terminal() {
    let problem = "{\"code\":\"forbidden\",\"title\":\"x\",\"detail\":\"\\u001b]0;owned\\u0007\\u202e\"}";
    let at = liar(move |_, stream| {
        let head = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{problem}", problem.len());
        let _ = stream.write_all(head.as_bytes());
    });
    let output = against(at, &["status"]);
    assert_eq!(code(&output), 3);
    assert!(!stderr(&output).contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", stderr(&output));
}

#[test]
fn a_cloud_that_gives_out_another_policy_gets_it_not_signed() {
    let at = Installation::start();
    at.publish("transfer");
    let told = crate::live::control(&at.data(), "GET", "/admin/v1/policies/1", "").unwrap().json();
    let bytes = parse_base64url(told["publish"].as_str().unwrap()).unwrap();
    // Sources that compile and mean something else, under the signatures of the true ones.
    let mut forged = Publish::from_bytes(&bytes).unwrap();
    let text = &mut forged.sources.0[0].policy.text.0;
    assert!(text.contains("payee in list.mules"));
    *text = text.replace("payee in list.mules", "payee in list.mules && amount > 1000000");
    forged.sources.0[0].cases = None;
    let forged = base64url(&forged.to_bytes().unwrap());
    let forged = serde_json::json!({ "version": 1, "publish": forged }).to_string();
    let posted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&posted);
    let liar = liar(move |head, stream| {
        seen.fetch_or(head.starts_with("POST"), std::sync::atomic::Ordering::SeqCst);
        let standing = r#"{"live":1,"current":true,"key_set":1,"policies":[],"versions":[]}"#;
        let answer = if head.starts_with("GET /admin/v1/policies/1 ") { &forged } else { standing };
        let _ = stream.write_all(says(answer).as_bytes());
    });
    let ring = at.data().join("keys").to_string_lossy().into_owned();
    for args in [
        &["policy", "publish", &shipped("view"), "--keys", &ring][..],
        &["policy", "rollback", "1", "--keys", &ring],
    ] {
        let output = against(liar, args);
        assert_eq!(code(&output), 3, "{}", stderr(&output));
        assert!(stderr(&output).contains("G8006"), "{}", stderr(&output));
        assert!(!posted.load(std::sync::atomic::Ordering::SeqCst), "nothing signed left this machine");
    }
}
