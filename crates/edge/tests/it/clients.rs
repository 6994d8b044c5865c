//! Clients that others wrote, through the gateway: curl, wrk, h2load, Chromium, grpcio, websockets.

use crate::gateway::Town;
use crate::tls::{Pki, town as secured};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

/// What a program printed; it must end well.
fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
    said.into_owned()
}

/// More requests a second than any limit of the default would let through from one address.
fn wide(text: String) -> String {
    let limits = "[limits]\nprefix = { burst = 1000000, per_second = 1000000 }\n";
    text.replacen("[token]", &format!("{limits}[token]"), 1)
}

#[test]
fn curl_speaks_each_protocol_with_and_without_tls() {
    let (pki, plain) = (Pki::new(), Town::new());
    let town = secured(&pki, "");
    let ca = pki.path().join("ca.pem");
    let port = town.address.port();
    let resolve = format!("localhost:{port}:127.0.0.1");
    let url = format!("https://localhost:{port}/public/a");
    let version = ["-s", "-o", "-", "-w", " %{http_version} %{http_code}"];
    let curl = |args: &[&str], url: &str| {
        let mut command = Command::new("curl");
        command.args(version).args(["--cacert"]).arg(&ca).args(["--resolve", &resolve]).args(args).arg(url);
        run(&mut command)
    };
    assert_eq!(curl(&["--http1.1"], &url), "ok 1.1 200");
    assert_eq!(curl(&["--http2"], &url), "ok 2 200");
    let clear = format!("http://{}/public/a", plain.address);
    assert_eq!(curl(&["--http1.0"], &clear), "ok 1 200");
    assert_eq!(curl(&["--http1.1"], &clear), "ok 1.1 200");
    assert_eq!(curl(&["--http2-prior-knowledge"], &clear), "ok 2 200");
    // An upload that asks first, and one of unknown length.
    assert_eq!(
        curl(
            &[
                "-H",
                "Expect: 100-continue",
                "--data-binary",
                concat!("@", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")
            ],
            &clear
        ),
        "ok 1.1 200"
    );
    assert_eq!(curl(&["-T", "-", "-H", "Transfer-Encoding: chunked"], &clear), "ok 1.1 200");
    // An answer to `HEAD` has no body, whoever gives it.
    let head = curl(&["--http2-prior-knowledge", "-I"], &format!("http://{}/nowhere", plain.address));
    assert!(head.ends_with(" 2 404") && head.contains("content-length: "), "{head}");
    let nowhere = format!("http://{}/nowhere", plain.address);
    assert!(curl(&["--http2-prior-knowledge"], &nowhere).ends_with(" 2 404"));
}

#[test]
fn wrk_and_h2load_see_no_failed_request() {
    let town = Town::with(wide);
    let url = format!("http://{}/public/a", town.address);
    let said = run(Command::new("wrk").args(["-t1", "-c16", "-d1s", &url]));
    assert!(
        said.contains("requests in") && !said.contains("Non-2xx") && !said.contains("Socket errors"),
        "{said}"
    );
    let loads: [&[&str]; 2] = [&["--h1", "-n2000", "-c8"], &["-n4000", "-c4", "-m16"]];
    for load in loads {
        let said = run(Command::new("h2load").args(load).arg(&url));
        let count = load.iter().find_map(|arg| arg.strip_prefix("-n")).unwrap();
        assert!(said.contains(&format!("{count} succeeded, 0 failed, 0 errored, 0 timeout")), "{said}");
    }
}

#[test]
fn chromium_shows_a_page_over_http2_and_tls() {
    let pki = Pki::new();
    let (plain, town) = (Town::new(), secured(&pki, ""));
    for url in [
        format!("http://{}/public/page", plain.address),
        format!("https://localhost:{}/public/page", town.address.port()),
    ] {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromium");
        command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        command.args(["--ignore-certificate-errors", "--virtual-time-budget=5000", "--dump-dom"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg(&url);
        let page = run(&mut command);
        assert!(page.contains("ok</"), "{url}: {page}");
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Runs a script that is service and client at once, with the gateway between.
fn between(script: &str, keys: &str, summary: &str) {
    let Some(python) = crate::service::python() else {
        println!("skipped: python: GLACIS_PYTHON names no interpreter with what {script} needs");
        return;
    };
    let behind = free_port();
    let town = Town::in_front_of(behind, |text| {
        let text = text.replace("forwarded_for = true", &format!("forwarded_for = true\n{keys}"));
        let any = "path = \"/public/{*}\"\n";
        wide(text.replace(any, &format!("{any}body_max_bytes = 8388608\n")))
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http2").join(script);
    let mut command = Command::new(python);
    command.arg(script).arg(behind.port().to_string()).arg(town.address.to_string());
    let said = run(&mut command);
    assert!(said.contains(summary), "{said}");
}

#[test]
fn grpc_passes_in_all_its_forms() {
    between("grpc_echo.py", "protocol = \"http2\"", "11 right, 0 WRONG");
}

#[test]
fn websockets_pass_whatever_is_in_them() {
    between("websockets_echo.py", "", "9 right, 0 WRONG");
}
