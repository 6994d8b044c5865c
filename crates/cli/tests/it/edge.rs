//! `glacis edge status|reload|drain|attack-mode|bypass` against a running gateway.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::installation::private_folder;
use crate::live::{Process, Service, ask, protect, wait_for};
use crate::{code, glacis, keys, stderr, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

/// `glacis serve` with a file that the test changes.
struct Node {
    folder: TempDir,
    service: Service,
    process: Process,
    at: SocketAddr,
}

impl Node {
    fn start() -> Self {
        let (folder, service) = (tempfile::tempdir().unwrap(), Service::start());
        let data = folder.path().join("data");
        private_folder(&data);
        let owner = ["--tenant", "acme", "--realm", "production", "--node", "edge-1"];
        assert_eq!(code(&keys(&data.join("keys"), &["make"], &owner)), 0);
        let config = folder.path().join("glacis.toml");
        std::fs::write(&config, text(&service.url(), "[]")).unwrap();
        let mut process =
            Process::start(folder.path(), "serve", &["serve", "--config", &config.to_string_lossy()]);
        let at = process.address("glacis: gateway on ");
        wait_for("control socket", || data.join("control.sock").exists().then_some(()));
        Self { folder, service, process, at }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("glacis.toml")
    }

    fn write(&self, routes: &str) {
        std::fs::write(self.file(), text(&self.service.url(), routes)).unwrap();
    }

    fn edge(&self, args: &[&str]) -> Output {
        let data = self.folder.path().join("data").to_string_lossy().into_owned();
        glacis(&[&["edge"], args, &["--data-dir", &data]].concat())
    }

    fn status(&self, path: &str) -> u16 {
        ask(self.at, "GET", path, "").unwrap().status
    }
}

/// The file, with further routes; `[]` where there are none.
fn text(url: &str, routes: &str) -> String {
    let behind = url.trim_start_matches("http://");
    let routes = if routes == "[]" { "" } else { routes };
    format!(
        "tenant = \"acme\"\nrealm = \"production\"\ndata_dir = \"data\"\n[cloud]\nnodes_at = \"127.0.0.1:0\"\n\
         admin_at = \"127.0.0.1:0\"\n[edge]\nnode = \"edge-1\"\nlisten = \"127.0.0.1:0\"\n\
         [edge.upstream.app]\naddress = \"{behind}\"\n[[edge.route]]\npath = \"/a\"\nupstream = \"app\"\n{routes}"
    )
}

const FURTHER: &str = "[[edge.route]]\npath = \"/b\"\nupstream = \"app\"\n";

#[test]
fn a_changed_file_is_read_again_on_command_and_on_sighup() {
    let node = Node::start();
    assert_eq!((node.status("/a"), node.status("/b")), (200, 404));
    let same = node.edge(&["reload"]);
    assert_eq!(code(&same), 0, "{}", stderr(&same));
    assert!(stdout(&same).contains("in force already"), "{}", stdout(&same));

    node.write(FURTHER);
    let dry = node.edge(&["reload", "--dry-run"]);
    assert!(code(&dry) == 0 && stdout(&dry).contains("would change"), "{}", stdout(&dry));
    assert_eq!(node.status("/b"), 404, "a dry run changes nothing");
    let done = node.edge(&["reload", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(json, serde_json::json!({ "changed": true, "restart": [], "dry_run": false }));
    assert_eq!((node.status("/a"), node.status("/b")), (200, 200));

    node.write("[]");
    node.process.signal("-HUP");
    wait_for("the signal", || (node.status("/b") == 404).then_some(()));
    assert_eq!(node.status("/a"), 200);
}

#[test]
fn a_file_that_cannot_be_taken_changes_nothing_and_is_explained() {
    let node = Node::start();
    for (bad, said) in [
        ("[[edge.route]]\npath = \"/b\"\nupstream = \"ap\"\n", "upstream"),
        ("nonsense", "glacis.toml"),
        ("[[edge.route]]\npath = \"/b\"\nupstrem = \"app\"\n", "`edge.route.upstream`"),
    ] {
        node.write(bad);
        let refused = node.edge(&["reload"]);
        assert!(code(&refused) != 0 && stderr(&refused).contains(said), "{bad}: {}", stderr(&refused));
        node.process.signal("-HUP");
        assert_eq!((node.status("/a"), node.status("/b")), (200, 404));
    }
    wait_for("the log", || node.process.printed().contains("configuration refused").then_some(()));
    let other =
        text(&node.service.url(), FURTHER).replace("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:1\"");
    std::fs::write(node.file(), other).unwrap();
    let refused = node.edge(&["reload"]);
    assert!(code(&refused) != 0 && stderr(&refused).contains("listen cannot change"), "{}", stderr(&refused));
    assert_eq!(node.status("/b"), 404, "nothing of it was taken");
    let other = text(&node.service.url(), FURTHER).replace("[cloud]", "log = \"debug\"\n[cloud]");
    std::fs::write(node.file(), other).unwrap();
    let done = node.edge(&["reload"]);
    assert!(stdout(&done).contains("waiting for a restart: log"), "{}{}", stdout(&done), stderr(&done));
    assert_eq!(node.status("/b"), 200);
    std::fs::remove_file(node.file()).unwrap();
    let gone = node.edge(&["reload"]);
    assert!(code(&gone) != 0 && stderr(&gone).contains("glacis.toml"), "{}", stderr(&gone));
    assert_eq!(node.status("/a"), 200);
}

#[test]
fn a_drain_waits_for_connections_and_is_taken_back() {
    let node = Node::start();
    let held = std::net::TcpStream::connect(node.at).unwrap();
    wait_for("the connection", || stdout(&node.edge(&["status"])).contains("1 open").then_some(()));
    let waited = node.edge(&["drain", "--wait", "1s"]);
    assert_eq!(code(&waited), 1, "somebody is still there: {}", stdout(&waited));
    assert!(stdout(&node.edge(&["status"])).contains("draining"));
    drop(held);
    let waited = node.edge(&["drain", "--wait", "30s", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&waited.stdout).unwrap();
    assert_eq!((code(&waited), json["connections"].as_u64()), (0, Some(0)));
    assert_eq!(node.status("/a"), 200, "whoever comes all the same is answered");
    assert_eq!(code(&node.edge(&["drain", "--end"])), 0);
    assert!(!stdout(&node.edge(&["status"])).contains("draining"));
}

#[test]
fn attack_mode_and_bypass_are_shown_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("data"));
    let (_process, at) = protect(folder.path(), &service, &data);
    let dir = data.to_string_lossy().into_owned();
    let run = |args: &[&str]| glacis(&[&["edge"], args, &["--data-dir", &dir]].concat());
    assert_eq!(ask(at, "GET", "/a", "").unwrap().status, 200);
    assert_eq!(code(&run(&["attack-mode", "--for", "10m", "--weight", "8", "--reason", "flood"])), 0);
    assert_eq!(code(&run(&["bypass", "--for", "10m"])), 0);
    let shown = stdout(&run(&["status"]));
    assert!(shown.contains("attack mode") && shown.contains("weight 8"), "{shown}");
    assert!(shown.contains("every route observes until 20"), "{shown}");
    let json: serde_json::Value = serde_json::from_slice(&run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(json["attack_mode"]["weight"], 8);
    assert_eq!(code(&run(&["attack-mode", "--end"])), 0);
    assert_eq!(code(&run(&["attack-mode", "--end"])), 4, "it is over already");
    assert_eq!(code(&run(&["bypass", "--end"])), 0);
    for (args, want) in [
        (&["attack-mode"][..], 2),
        (&["attack-mode", "--for", "25h"], 2),
        (&["attack-mode", "--for", "10m", "--weight", "1"], 2),
        (&["attack-mode", "--for", "10m", "--end"], 2),
        (&["drain", "--end", "--wait", "1s"], 2),
    ] {
        let output = run(args);
        assert_eq!(code(&output), want, "{args:?}: {}", stderr(&output));
    }
    let none = run(&["reload"]);
    assert!(code(&none) != 0 && stderr(&none).contains("without a configuration file"), "{}", stderr(&none));
    assert_eq!(code(&glacis(&["edge", "status", "--data-dir", "/nowhere"])), 5);
}
