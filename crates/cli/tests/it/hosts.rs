//! `glacis serve` with a host in the gateway's place: it pulls, decides and ships as the gateway does.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use crate::installation::{private_folder, shipped};
use crate::live::{Process, ask, ask_with, wait_for};
use crate::{code, glacis, keys, stderr};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A running installation whose edge is asked by a proxy.
struct Beside {
    folder: tempfile::TempDir,
    process: Process,
    health: SocketAddr,
    at: SocketAddr,
}

fn write_config(folder: &Path, kind: &str) -> String {
    let text = format!(
        "tenant = \"acme\"\nrealm = \"production\"\ndata_dir = \"data\"\n\
         [cloud]\nnodes_at = \"127.0.0.1:0\"\nadmin_at = \"127.0.0.1:0\"\n\
         [health]\nlisten = \"127.0.0.1:0\"\n[host]\nkind = \"{kind}\"\nsecret_file = \"host.secret\"\n\
         [edge]\nnode = \"edge-1\"\nlisten = \"127.0.0.1:0\"\n[edge.upstream.shop]\naddress = \"127.0.0.1:9\"\n\
         [[edge.route]]\nmethod = \"GET\"\npath = \"/kiosk\"\nupstream = \"shop\"\nevent = \"account.view\"\n\
         device = \"none\"\nbody_max_bytes = 0\n"
    );
    let file = folder.join("glacis.toml");
    std::fs::write(&file, text).unwrap();
    file.to_string_lossy().into_owned()
}

impl Beside {
    fn start(kind: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        private_folder(&data);
        let owner = ["--tenant", "acme", "--realm", "production", "--node", "edge-1"];
        assert_eq!(code(&keys(&data.join("keys"), &["make"], &owner)), 0);
        let config = write_config(folder.path(), kind);
        let refused = glacis(&["serve", "--config", &config]);
        assert!(stderr(&refused).contains("host: cannot read"), "{}", stderr(&refused));
        let secret = folder.path().join("host.secret");
        std::fs::write(&secret, SECRET).unwrap();
        let mode = |mode| std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let refused = glacis(&["serve", "--config", &config]);
        assert!(stderr(&refused).contains("chmod 600 it"), "{}", stderr(&refused));
        mode(0o600);
        let mut process = Process::start(folder.path(), "serve", &["serve", "--config", &config]);
        let at = process.address(&format!("glacis: {kind} on "));
        let health = process.address("health and metrics on ");
        let beside = Self { folder, process, health, at };
        let published = beside.run(&["policy", "publish", &shipped("view")]);
        assert_eq!(code(&published), 0, "{}", stderr(&published));
        wait_for("policy and feed", || {
            (ask(beside.health, "GET", "/readyz", "")?.status == 200).then_some(())
        });
        beside
    }

    fn run(&self, args: &[&str]) -> std::process::Output {
        let data = self.folder.path().join("data").to_string_lossy().into_owned();
        glacis(&[args, &["--data-dir", &data]].concat())
    }
}

#[test]
fn a_host_in_the_gateways_place_pulls_decides_and_ships() {
    let beside = Beside::start("auth-request");
    let fields = [
        ("x-glacis-secret", SECRET),
        ("x-glacis-peer", "192.0.2.7"),
        ("x-original-method", "GET"),
        ("x-original-uri", "/kiosk"),
        ("x-original-host", "shop.test"),
        ("x-original-protocol", "HTTP/1.1"),
    ];
    let answer = ask_with(beside.at, "GET", "/authorize", &fields, "").unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
    assert!(answer.header("glacis-decision").is_some());
    let reference = answer.header("glacis-reference").unwrap().to_owned();
    wait_for("the record at the control plane", || {
        (code(&beside.run(&["explain", &reference])) == 0).then_some(())
    });
    assert_eq!(ask_with(beside.at, "GET", "/authorize", &fields[1..], "").unwrap().status, 403, "no secret");
    let Beside { mut process, .. } = beside;
    process.signal("-TERM");
    assert!(process.wait().success(), "an orderly end");
}
