//! Three gateways that share cluster keys and nothing else, each in a network namespace: one is killed, one is cut off.
//!
//! Devices go from node to node as a balancer of connections sends them. Their tickets open everywhere; each node gives them a leg
//! of its own, and what was sent to one node is worth nothing at another.

use super::clock::sent;
use super::{installed, ip, node_folder};
use crate::live::{Process, Service, control, wait_for};
use crate::{code, glacis, keys, stderr, stdout};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const NODES: usize = 3;
const DEVICES: usize = 4;

/// A namespace for each node, each with a link to here. Gone when dropped.
struct Net {
    names: Vec<String>,
}

impl Net {
    /// `None` where the kernel, or whoever runs us, does not allow it.
    fn new() -> Option<Self> {
        let id = std::process::id();
        let net = Self { names: (1..=NODES).map(|number| format!("gln{number}x{id}")).collect() };
        let made = net.names.iter().enumerate().all(|(at, name)| {
            let (here, there) = (address(at, 1), address(at, 2));
            let link = format!("glv{}x{id}", at + 1);
            let (here, there) = (format!("{here}/24"), format!("{there}/24"));
            ip(&["netns", "add", name])
                && ip(&["link", "add", &link, "type", "veth", "peer", "name", "up0", "netns", name])
                && ip(&["addr", "add", &here, "dev", &link])
                && ip(&["link", "set", &link, "up"])
                && ip(&["-n", name, "addr", "add", &there, "dev", "up0"])
                && ip(&["-n", name, "link", "set", "up0", "up"])
                && ip(&["-n", name, "link", "set", "lo", "up"])
                && ip(&["-n", name, "route", "add", "default", "via", &address(at, 1)])
        });
        made.then_some(net)
    }

    /// Cuts a node off from the control plane, or ends that.
    fn cut(&self, node: usize, change: &str, port: u16) -> bool {
        let port = port.to_string();
        let rule = ["OUTPUT", "-p", "tcp", "--dport", &port, "-j", "DROP"];
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[node], "iptables", change]).args(rule);
        command.output().is_ok_and(|done| done.status.success())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            // With a namespace go its links; what was never made cannot be removed.
            let _gone = ip(&["netns", "del", name]);
        }
    }
}

fn address(node: usize, host: u8) -> String {
    format!("10.214.{}.{host}", node + 1)
}

/// The one address that devices know: each connection goes to the next node that takes it.
struct Balancer {
    at: SocketAddr,
    /// The only node that is asked, 0 for the first; or all in turn.
    only: Arc<AtomicUsize>,
}

const IN_TURN: usize = usize::MAX;

impl Balancer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (at, only) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(IN_TURN)));
        let chosen = Arc::clone(&only);
        thread::spawn(move || {
            for (turn, client) in listener.incoming().flatten().enumerate() {
                let chosen = chosen.load(Ordering::Acquire);
                thread::spawn(move || carry(&client, turn, chosen));
            }
        });
        Self { at, only }
    }

    fn only(&self, node: usize) {
        self.only.store(node, Ordering::Release);
    }
}

fn carry(client: &TcpStream, turn: usize, only: usize) {
    let connect = |node: usize| {
        let at: SocketAddr = format!("{}:8080", address(node, 2)).parse().unwrap();
        TcpStream::connect_timeout(&at, Duration::from_secs(1)).ok()
    };
    let nodes = (0..NODES).map(|step| (turn + step) % NODES).filter(|node| only == IN_TURN || only == *node);
    let Some(node) = nodes.into_iter().find_map(connect) else { return };
    let pass = |mut from: &TcpStream, mut to: &TcpStream| {
        // Either end may be gone at any moment; the other then sees it.
        let _carried = std::io::copy(&mut from, &mut to);
        let _closed = to.shutdown(Shutdown::Write);
    };
    thread::scope(|threads| {
        threads.spawn(|| pass(client, &node));
        pass(&node, client);
    });
}

/// Everything at the edge: no request waits for the control plane.
const EVIL: &str = r#"
[[rule]]
id = "agent"
when = "http.user_agent == 'evil'"
effect = "block"
"#;

/// The installation: the control plane's data folder, and one for each node.
fn all_installed(folder: &Path, service: &Service) -> (PathBuf, Vec<PathBuf>) {
    let cloud = installed(folder, service, EVIL, "");
    let further = ["--tenant", "local", "--realm", "production", "--node", "edge-2", "--node", "edge-3"];
    let made = keys(&cloud.join("keys"), &["make"], &further);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    let edges = (1..=NODES).map(|number| node_folder(folder, &cloud, number)).collect();
    (cloud, edges)
}

/// Three nodes and the control plane.
struct Cluster {
    net: Net,
    folder: tempfile::TempDir,
    service: Service,
    cloud: PathBuf,
    edges: Vec<PathBuf>,
    nodes_at: SocketAddr,
    balancer: Balancer,
}

impl Cluster {
    fn new(net: Net) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Nodes reach what listens on all of our addresses by the one on their own link.
        let service = Service::start_at("0.0.0.0:0".parse().unwrap());
        let nodes_at = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap();
        let behind = Service::start();
        let (cloud, edges) = all_installed(folder.path(), &behind);
        Self { net, folder, service, cloud, edges, nodes_at, balancer: Balancer::start() }
    }

    fn control_plane(&self) -> Process {
        let text = format!(
            "tenant = \"local\"\nrealm = \"production\"\ndata_dir = \"{}\"\nlog = \"error\"\n\
             [cloud]\nnodes_at = \"{}\"\nadmin_at = \"127.0.0.1:0\"\n",
            self.cloud.display(),
            self.nodes_at
        );
        let file = self.folder.path().join("cloud.toml");
        std::fs::write(&file, text).unwrap();
        let args = ["serve", "--config", &file.to_string_lossy(), "--role", "cloud"];
        let mut process = Process::start(self.folder.path(), "cloud", &args);
        process.address("control plane for gateways on ");
        process
    }

    fn node(&self, at: usize) -> Process {
        let (number, here) = (at + 1, address(at, 1));
        let text = format!(
            "tenant = \"local\"\nrealm = \"production\"\ndata_dir = \"{}\"\nlog = \"error\"\n[edge]\n\
             node = \"edge-{number}\"\nlisten = \"{}:8080\"\ncloud = \"{here}:{}\"\nbundle_every_ms = 300\n\
             feed_every_ms = 300\nfeed_stale_s = 300\nfeed_very_stale_s = 600\n[edge.upstream.app]\n\
             address = \"{here}:{}\"\n[[edge.route]]\npath = \"/{{*}}\"\nupstream = \"app\"\n\
             event = \"http.request\"\nfields.\"http.user_agent\" = {{ header = \"user-agent\" }}\n",
            self.edges[at].display(),
            address(at, 2),
            self.nodes_at.port(),
            self.service.at.port(),
        );
        let file = self.folder.path().join(format!("edge-{number}.toml"));
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.net.names[at],
            env!("CARGO_BIN_EXE_glacis"),
            "serve",
            "--config",
        ]);
        command.arg(&file).args(["--role", "edge"]);
        let mut process = Process::spawn(self.folder.path(), &format!("edge-{number}"), command);
        process.address("gateway on ");
        wait_for("policy and feed", || (self.status(at)?["ready"] == true).then_some(()));
        process
    }

    fn status(&self, at: usize) -> Option<serde_json::Value> {
        Some(control(&self.edges[at], "GET", "/edge/v1/status", "")?.json())
    }

    fn count(&self, at: usize, what: &str) -> u64 {
        self.status(at).unwrap()[what].as_u64().unwrap()
    }

    fn device(&self, number: usize) -> String {
        self.folder.path().join(format!("device-{number}")).to_string_lossy().into_owned()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.balancer.at)
    }

    fn enrol(&self, number: usize) {
        let keys = self.cloud.join("keys/key-set-1.json").to_string_lossy().into_owned();
        let url = self.url("");
        let args = ["device", "enrol", "--url", &url, "--dir", &self.device(number), "--key-set", &keys];
        let done = glacis(&args);
        assert_eq!(code(&done), 0, "{}", stderr(&done));
    }

    /// One action of a device: the reference of its verdict, or what was said where it was not let on.
    fn fetch(&self, device: usize) -> Result<String, String> {
        let url = self.url(&format!("/things/{device}"));
        let (dir, agent) = (self.device(device), "User-Agent: shop/1");
        let args = ["device", "fetch", "GET", &url, "--dir", &dir, "--json", "--timeout", "20", "-H", agent];
        let done = glacis(&args);
        let answer: Option<serde_json::Value> = serde_json::from_slice(&done.stdout).ok();
        let reference = answer.and_then(|answer| Some(answer["reference"].as_str()?.to_owned()));
        let said = || format!("{} {}{}", code(&done), stdout(&done), stderr(&done));
        reference.filter(|_| code(&done) == 0).ok_or_else(said)
    }
}

#[test]
fn three_nodes_share_keys_alone_and_one_may_die_and_one_be_cut_off() {
    let Some(net) = Net::new() else {
        println!("skipped: netns: this machine does not let us make network namespaces");
        return;
    };
    let cluster = Cluster::new(net);
    let control_plane = cluster.control_plane();
    let mut nodes: Vec<Option<Process>> = (0..NODES).map(|at| Some(cluster.node(at))).collect();
    (0..DEVICES).for_each(|number| cluster.enrol(number));

    // Each device opens one session at its first node and takes its ticket to the others.
    let references = Mutex::new(Vec::new());
    let keep = |reference: String| references.lock().unwrap().push(reference);
    for device in 0..DEVICES {
        for step in 0..NODES {
            cluster.balancer.only((device + step) % NODES);
            keep(cluster.fetch(device).unwrap());
        }
    }
    let total = |what: &str| (0..NODES).map(|at| cluster.count(at, what)).sum::<u64>();
    assert_eq!(
        total("sessions"),
        u64::try_from(DEVICES).unwrap(),
        "one session a device, tickets for the rest"
    );
    assert!((0..NODES).all(|at| cluster.count(at, "legs") > 0), "each node gave legs");

    // What was signed for one node is worth nothing at the others, and nothing twice.
    let (headers, url) = (cluster.folder.path().join("headers"), cluster.url("/once"));
    cluster.balancer.only(0);
    let signed = glacis(&["device", "sign", "GET", &url, "--renew", "--dir", &cluster.device(0)]);
    assert_eq!(code(&signed), 0, "{}", stderr(&signed));
    std::fs::write(&headers, &signed.stdout).unwrap();
    let statuses = [0, 0, 1, 2].map(|node| {
        cluster.balancer.only(node);
        sent(&url, &headers)
    });
    assert_eq!(statuses, [200, 401, 401, 401]);
    cluster.balancer.only(IN_TURN);

    // A node is killed under load, later another is cut off from the control plane; whoever was there goes on elsewhere.
    let (stop, done, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|threads| {
        for device in 0..DEVICES {
            let (cluster, stop, done, failed, keep) = (&cluster, &stop, &done, &failed, &keep);
            threads.spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    match cluster.fetch(device) {
                        Ok(reference) => {
                            keep(reference);
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        // Only what was on its way to the node that died.
                        Err(error) => {
                            println!("failed: {error}");
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        let grows = |what: &str, by: u64| {
            let before = done.load(Ordering::Relaxed);
            wait_for(what, || (done.load(Ordering::Relaxed) >= before + by).then_some(()));
        };
        grows("load", 20);
        nodes[1].take().unwrap().kill();
        grows("answers after the kill", 20);
        assert!(cluster.net.cut(2, "-A", cluster.nodes_at.port()), "iptables");
        let before = cluster.count(2, "requests");
        grows("answers while one node is cut off", 20);
        assert!(cluster.count(2, "requests") > before, "it decides without the control plane");
        assert!(cluster.net.cut(2, "-D", cluster.nodes_at.port()), "iptables");
        stop.store(true, Ordering::Release);
    });
    let failed = failed.into_inner();
    assert!(
        failed <= u64::try_from(DEVICES).unwrap(),
        "{failed} failed; one a device may have been under way"
    );

    // It comes back with its journal: what it had acknowledged is on record, and its tickets open again.
    nodes[1] = Some(cluster.node(1));
    cluster.balancer.only(1);
    keep(cluster.fetch(0).unwrap());
    let references = references.into_inner().unwrap();
    for reference in &references {
        wait_for(&format!("record of {reference}"), || {
            let path = format!("/admin/v1/records/{reference}");
            (control(&cluster.cloud, "GET", &path, "")?.status == 200).then_some(())
        });
    }
    println!("{} acknowledged, all on record; {failed} lost with their node", references.len());
    drop((nodes, control_plane));
}
