//! `glacis protect` and `glacis serve` as an operator meets them: start, health, modes, signals, refusals.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::live::{Process, Service, ask, control, protect, wait_for};
use crate::{code, glacis, stderr, stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn routes(data: &Path) -> serde_json::Value {
    control(data, "GET", "/edge/v1/routes", "").unwrap().json()
}

fn mode(data: &Path, route: &str, mode: &str) -> u16 {
    let body = serde_json::json!({ "route": route, "mode": mode }).to_string();
    control(data, "POST", "/edge/v1/routes/mode", &body).unwrap().status
}

#[test]
fn from_nothing_everything_is_observed_then_one_route_is_enforced_and_a_bypass_lifts_it() {
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("data"));
    let (mut process, at) = protect(folder.path(), &service, &data);
    let health = process.address("health and metrics on http://");
    wait_for("policy and feed", || (ask(health, "GET", "/readyz", "")?.status == 200).then_some(()));
    let login = ask(at, "POST", "/login", "user=a").unwrap();
    assert_eq!((login.status, login.body.as_str()), (200, "hello POST /login"));
    assert!(login.header("glacis-reference").is_some(), "{login:?}");
    assert_eq!(ask(at, "GET", "/accounts/4711", "").unwrap().status, 200);
    let seen = routes(&data);
    let find = |seen: &serde_json::Value, name: &str| {
        let all = seen["routes"].as_array().unwrap().iter();
        all.clone().find(|route| route["route"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(find(&seen, "POST /login")["observed"]["block"], 1, "{seen}");
    assert_eq!(find(&seen, "GET /accounts/{id}")["mode"], "observe", "{seen}");

    assert_eq!(mode(&data, "POST /login", "enforce"), 200);
    let refused = ask(at, "POST", "/login", "user=a").unwrap();
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(!refused.body.contains("unsigned"), "clients get a reference, not a reason");
    assert_eq!(ask(at, "GET", "/accounts/4711", "").unwrap().status, 200, "other routes still observe");
    let bypass = control(&data, "POST", "/edge/v1/bypass", r#"{"for_s":600,"reason":"drill"}"#).unwrap();
    assert_eq!(bypass.status, 200, "{bypass:?}");
    assert_eq!(ask(at, "POST", "/login", "user=a").unwrap().status, 200, "a bypass lifts it");
    assert_eq!(control(&data, "DELETE", "/edge/v1/bypass", "").unwrap().status, 200);
    assert_eq!(ask(at, "POST", "/login", "user=a").unwrap().status, 403, "its end restores it");
    let again = control(&data, "DELETE", "/edge/v1/bypass", "").unwrap();
    assert_eq!((again.status, again.json()["code"].as_str()), (404, Some("not-found")));
    assert_eq!(mode(&data, "POST /never-seen", "enforce"), 404);
    assert_eq!(mode(&data, "nonsense", "enforce"), 400);
    assert_eq!(control(&data, "POST", "/edge/v1/routes/mode", "{\"rout\":1}").unwrap().status, 400);

    let reference = refused.header("glacis-reference").unwrap().to_owned();
    let record = wait_for("the record of the refusal", || {
        let answer = control(&data, "GET", &format!("/admin/v1/records/{reference}"), "")?;
        (answer.status == 200).then(|| answer.json())
    });
    assert!(record.to_string().contains("unsigned"), "{record}");
    let metrics = ask(health, "GET", "/metrics", "").unwrap().body;
    assert!(metrics.contains("glacis_edge_decisions_total{zone=\"edge\",verdict=\"block\"}"), "{metrics}");
    assert!(metrics.contains("glacis_ready{check=\"feed\"} 1") && metrics.ends_with("# EOF\n"), "{metrics}");

    process.signal("-TERM");
    assert_eq!(process.wait().code(), Some(0), "{}", process.printed());
    assert!(!data.join("control.sock").exists());
    let (_again, at) = protect(folder.path(), &service, &data);
    wait_for("the mode after a restart", || (ask(at, "POST", "/login", "")?.status == 403).then_some(()));
}

#[test]
fn the_data_folder_is_private_and_serves_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("data"));
    let (process, _at) = protect(folder.path(), &service, &data);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("keys"))), (0o700, 0o700));
    for file in ["cloud.db", "control.sock", "keys/policy-1.json"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    let (url, dir) = (service.url(), data.to_string_lossy().into_owned());
    let second = glacis(&["protect", &url, "--listen", "127.0.0.1:0", "--data-dir", &dir]);
    assert_ne!(code(&second), 0);
    assert!(control(&data, "GET", "/edge/v1/status", "").unwrap().status == 200, "the first is left alone");
    process.kill();
    assert!(data.join("control.sock").exists(), "left behind by kill -9");
    let (_third, _at) = protect(folder.path(), &service, &data);
    assert_eq!(control(&data, "GET", "/edge/v1/status", "").unwrap().status, 200);
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let open = glacis(&["protect", &url, "--listen", "127.0.0.1:0", "--data-dir", &dir]);
    assert_eq!(code(&open), 3, "{}", stderr(&open));
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn what_cannot_be_protected_is_refused_with_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data").to_string_lossy().into_owned();
    for url in ["https://127.0.0.1:1", "127.0.0.1:1", "http://127.0.0.1:1/app"] {
        let output = glacis(&["protect", url, "--listen", "127.0.0.1:0", "--data-dir", &dir]);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        assert!(stderr(&output).contains("G7020"), "{}", stderr(&output));
    }
    let keys = [
        "keys",
        "make",
        "--dir",
        &format!("{dir}/keys"),
        "--tenant",
        "local",
        "--realm",
        "demo",
        "--node",
        "edge-1",
    ];
    assert_eq!(code(&glacis(&keys)), 0);
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    let demo = glacis(&["protect", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--data-dir", &dir]);
    assert_eq!(code(&demo), 3, "demo keys: {}", stderr(&demo));
}

#[test]
fn check_config_accepts_the_samples_and_places_mistakes() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples");
    for name in ["basic.toml", "advanced.toml"] {
        let file = samples.join(name).to_string_lossy().into_owned();
        let output = glacis(&["serve", "--config", &file, "--check-config"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(stdout(&output).contains("realm production"), "{}", stdout(&output));
        let json = glacis(&["serve", "--config", &file, "--check-config", "--json"]);
        assert!(serde_json::from_slice::<serde_json::Value>(&json.stdout).is_ok());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("glacis.toml");
    let text = std::fs::read_to_string(samples.join("basic.toml")).unwrap();
    std::fs::write(&file, text.replace("mode = \"observe\"", "mod = \"observe\"")).unwrap();
    let file = file.to_string_lossy().into_owned();
    let output = glacis(&["serve", "--config", &file, "--check-config"]);
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("unknown key `edge.route.mod`; did you mean `mode`?"),
        "{}",
        stderr(&output)
    );
    assert_eq!(code(&glacis(&["serve", "--config", "/nowhere.toml", "--check-config"])), 2);
}

#[test]
fn a_second_signal_does_not_wait_for_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("data"));
    let (mut process, at) = protect(folder.path(), &service, &data);
    // A request under way holds up the drain.
    let mut slow = std::net::TcpStream::connect(at).unwrap();
    std::io::Write::write_all(&mut slow, b"POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12")
        .unwrap();
    wait_for("the request at the gateway", || {
        let status = control(&data, "GET", "/edge/v1/status", "")?.json();
        (status["requests"].as_u64()? > 0).then_some(())
    });
    process.signal("-INT");
    wait_for("the end of the control socket", || (!data.join("control.sock").exists()).then_some(()));
    process.signal("-INT");
    assert_eq!(process.wait().code(), Some(130), "{}", process.printed());
}

#[test]
fn a_gateway_with_the_key_before_a_rotation_is_still_known_and_another_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("cloud"));
    let (mut first, _at) = protect(folder.path(), &service, &data);
    first.signal("-TERM");
    assert_eq!(first.wait().code(), Some(0));
    let edge = folder.path().join("edge");
    assert!(Command::new("cp").arg("-a").arg(&data).arg(&edge).status().unwrap().success());
    let keys = data.join("keys").to_string_lossy().into_owned();
    let rotate = || glacis(&["keys", "rotate", "node", "--node", "edge-1", "--dir", &keys]);
    let owner = "tenant = \"local\"\nrealm = \"production\"\n";
    let cloud_file = folder.path().join("cloud.toml").to_string_lossy().into_owned();
    let listen = "nodes_at = \"127.0.0.1:0\"\nadmin_at = \"127.0.0.1:0\"\n";
    std::fs::write(&cloud_file, format!("{owner}data_dir = \"cloud\"\n[cloud]\n{listen}")).unwrap();
    let edge_file = folder.path().join("edge.toml").to_string_lossy().into_owned();
    for (rotations, known) in [(1, true), (2, false)] {
        assert_eq!(code(&rotate()), 0);
        let args = ["serve", "--config", &cloud_file, "--role", "cloud"];
        let mut control_plane = Process::start(folder.path(), "rotated", &args);
        let nodes = control_plane.address("control plane for gateways on ");
        let text = format!(
            "{owner}data_dir = \"edge\"\n[edge]\nnode = \"edge-1\"\nlisten = \"127.0.0.1:0\"\ncloud = \"{nodes}\"\n\
             feed_every_ms = 100\n[edge.upstream.app]\naddress = \"{}\"\n[[edge.route]]\npath = \"/{{*}}\"\n\
             upstream = \"app\"\n",
            service.at
        );
        std::fs::write(&edge_file, text).unwrap();
        let mut gateway = Process::start(folder.path(), "old", &["serve", "--config", &edge_file]);
        gateway.address("gateway on ");
        let ready = || Some(control(&edge, "GET", "/edge/v1/status", "")?.json()["ready"] == true);
        if known {
            wait_for("policy and feed under the key before", || ready().filter(|ready| *ready));
        } else {
            std::thread::sleep(std::time::Duration::from_millis(800));
            assert_eq!(ready(), Some(false), "after {rotations} rotations");
        }
    }
}
