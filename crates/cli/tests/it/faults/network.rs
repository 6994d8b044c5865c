//! Gateway and control plane as two processes in two network namespaces: loss, partition, healing.

use super::{Ledger, Load, all_on_record, installed, ip, node_folder};
use crate::live::{Process, Service, ask, control, wait_for};
use crate::{code, glacis, stderr};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// Two namespaces: `edge`, reachable from here, and `cloud`, reachable from `edge` only. Gone when dropped.
struct Net {
    edge: String,
    cloud: String,
    here: String,
}

impl Net {
    /// `None` where the kernel, or whoever runs us, does not allow it.
    fn new() -> Option<Self> {
        let id = std::process::id();
        let net = Self { edge: format!("gle{id}"), cloud: format!("glc{id}"), here: format!("glh{id}") };
        let Self { edge, cloud, here } = &net;
        let steps: [&[&str]; 13] = [
            &["netns", "add", edge],
            &["netns", "add", cloud],
            &["link", "add", here, "type", "veth", "peer", "name", "out0", "netns", edge],
            &["addr", "add", "10.213.1.1/24", "dev", here],
            &["link", "set", here, "up"],
            &["-n", edge, "addr", "add", "10.213.1.2/24", "dev", "out0"],
            &["-n", edge, "link", "set", "out0", "up"],
            &["-n", edge, "link", "set", "lo", "up"],
            &["-n", edge, "link", "add", "up0", "type", "veth", "peer", "name", "down0", "netns", cloud],
            &["-n", edge, "addr", "add", "10.213.2.1/24", "dev", "up0"],
            &["-n", edge, "link", "set", "up0", "up"],
            &["-n", cloud, "addr", "add", "10.213.2.2/24", "dev", "down0"],
            &["-n", cloud, "link", "set", "down0", "up"],
        ];
        let made = steps.iter().all(|step| ip(step));
        (made && ip(&["-n", cloud, "link", "set", "lo", "up"])).then_some(net)
    }

    fn glacis(&self, namespace: &str, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_glacis")]).args(args);
        command
    }

    /// Three packets in ten from the control plane are lost.
    fn lose(&self, change: &str) -> bool {
        let rule = [
            "INPUT",
            "-i",
            "up0",
            "-m",
            "statistic",
            "--mode",
            "random",
            "--probability",
            "0.3",
            "-j",
            "DROP",
        ];
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.edge, "iptables", change]).args(rule);
        command.output().is_ok_and(|done| done.status.success())
    }

    fn link(&self, state: &str) {
        assert!(ip(&["-n", &self.cloud, "link", "set", "down0", state]));
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // What was never made cannot be removed.
        ip(&["link", "del", &self.here]);
        ip(&["netns", "del", &self.edge]);
        ip(&["netns", "del", &self.cloud]);
    }
}

const TENANT: &str = "tenant = \"local\"\nrealm = \"production\"\n";

/// Blocks what a list of the control plane holds; without an answer of the control plane it blocks as well.
const LISTED: &str = r#"
[[rule]]
id = "listed"
when = "http.user_agent in list.agents"
effect = "block"
text = "cloud"
"#;

const AGENTS: &str = r#"
[list.agents]
of = "string"
zone = "cloud"
privacy = "private"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 20
"#;

fn write(path: &Path, text: &str) -> String {
    std::fs::write(path, text).unwrap();
    path.to_string_lossy().into_owned()
}

fn edge_config(data: &Path, service: SocketAddr) -> String {
    format!(
        r#"{TENANT}data_dir = "{}"
log = "error"
[edge]
node = "edge-1"
listen = "10.213.1.2:8080"
cloud = "10.213.2.2:7401"
cloud_wait_ms = 400
bundle_every_ms = 300
feed_every_ms = 300
feed_stale_s = 3
feed_very_stale_s = 6
[edge.upstream.app]
address = "{service}"
[[edge.route]]
path = "/enforced/{{*}}"
upstream = "app"
event = "http.request"
device = "optional"
mode = "enforce"
fields."http.user_agent" = {{ header = "user-agent" }}
[[edge.route]]
path = "/{{*}}"
upstream = "app"
event = "http.request"
device = "optional"
mode = "observe"
fields."http.user_agent" = {{ header = "user-agent" }}
"#,
        data.display()
    )
}

static ALLOWED: AtomicU64 = AtomicU64::new(0);
static CLOSED: AtomicU64 = AtomicU64::new(0);
static STANCE: AtomicU64 = AtomicU64::new(0);

/// Allowed by the control plane, closed by the policy without it, or refused where no policy may be run.
fn enforced(status: u16) {
    let counter = match status {
        200 => &ALLOWED,
        403 => &CLOSED,
        503 => &STANCE,
        _ => panic!("status {status}"),
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

fn count_grows(what: &str, counter: &AtomicU64) {
    let before = counter.load(Ordering::Relaxed);
    wait_for(what, || (counter.load(Ordering::Relaxed) > before + 20).then_some(()));
}

#[test]
fn loss_and_partition_close_by_policy_and_lose_nothing_acknowledged() {
    let Some(net) = Net::new() else {
        println!("skipped: netns: this machine does not let us make network namespaces");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start_at("10.213.1.1:0".parse().unwrap());
    let cloud = installed(folder.path(), &service, LISTED, AGENTS);
    let edge = node_folder(folder.path(), &cloud, 1);
    let cloud_config = format!(
        "{TENANT}data_dir = \"{}\"\nlog = \"error\"\n[cloud]\nnodes_at = \"10.213.2.2:7401\"\nadmin_at = \"127.0.0.1:7402\"\n",
        cloud.display()
    );
    let cloud_config = write(&folder.path().join("cloud.toml"), &cloud_config);
    let edge_config = write(&folder.path().join("edge.toml"), &edge_config(&edge, service.at));
    let check = glacis(&["serve", "--config", &edge_config, "--role", "cloud", "--check-config"]);
    assert_eq!(code(&check), 2, "{}", stderr(&check));
    let serve = |name: &str, namespace: &str, config: &str| {
        let command = net.glacis(namespace, &["serve", "--config", config, "--role", name]);
        Process::spawn(folder.path(), name, command)
    };
    let mut control_plane = serve("cloud", &net.cloud, &cloud_config);
    control_plane.address("control plane for gateways on ");
    let mut gateway = serve("edge", &net.edge, &edge_config);
    let at = gateway.address("gateway on ");
    wait_for("policy and feed", || {
        (control(&edge, "GET", "/edge/v1/status", "")?.json()["ready"] == true).then_some(())
    });

    let ledger = Ledger::default();
    let acting = Load::start(at, "/enforced", &ledger, enforced);
    let watching =
        Load::start(at, "/observed", &ledger, |status| assert_eq!(status, 200, "observing refuses nothing"));
    count_grows("answers of the control plane", &ALLOWED);
    assert!(net.lose("-A"), "iptables");
    count_grows("answers of the control plane under loss", &ALLOWED);
    assert!(net.lose("-D"), "iptables");
    net.link("down");
    count_grows("verdicts closed by policy without the control plane", &CLOSED);
    count_grows("no policy run on a feed that is too old", &STANCE);
    assert_eq!(ask(at, "GET", "/observed/partitioned", "").unwrap().status, 200);
    net.link("up");
    count_grows("answers of the control plane after healing", &ALLOWED);
    let answers = acting.stop() + watching.stop();
    let kept = all_on_record(&cloud, &ledger);
    println!(
        "{answers} answers: {} allowed, {} closed by policy, {} by stance; {kept} acknowledged, all on record",
        ALLOWED.load(Ordering::Relaxed),
        CLOSED.load(Ordering::Relaxed),
        STANCE.load(Ordering::Relaxed)
    );
    for process in [&mut gateway, &mut control_plane] {
        process.signal("-TERM");
        assert!(process.wait().success(), "{}", process.printed());
    }
}
