//! Kill -9 of a real gateway process under load: what a client was answered is in the journal afterwards
//! (invariant 10), and what an operator changed is in force.
//!
//! The parent runs this very test binary as the child, reads what clients were answered from a pipe (the ledger
//! outside of the node), kills it at a different point each round, and then opens the node's folder itself.

use crate::device::{Device, get, render};
use crate::gateway::{read_parts, upstream};
use crate::world::{ATTESTED, Authority, config, says, slice};
use glacis_edge::config::Mode;
use glacis_edge::gateway::Gateway;
use glacis_edge::{EdgeConfig, EdgeCore};
use glacis_host::{Clock, DirFiles, Host, SystemHost};
use glacis_wire::{EventId, NodeOutcome, Realm, Zone};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const ROUNDS: usize = 80;
const CLIENTS: u8 = 3;
/// A route that operators switch while it is asked.
const SWITCHED: &str = "GET /seen/{id}";

fn settings(extra: &str, behind: SocketAddr) -> String {
    let limits = "feed_stale_s = 3600\n[limits]\ndevice = { burst = 1000000, per_second = 1000000 }\n\
                  prefix = { burst = 1000000, per_second = 1000000 }\n";
    config(&Authority::new("acme", Realm::Demo).token, &format!("{limits}{extra}"))
        .replace("address = \"127.0.0.1:9\"", &format!("address = \"{behind}\""))
}

fn open(path: &Path, text: &str) -> Arc<EdgeCore> {
    let (authority, host) = (Authority::new("acme", Realm::Demo), Arc::new(SystemHost::new()));
    let config = EdgeConfig::parse("edge.toml", text).unwrap();
    let files = Arc::new(DirFiles::open(path).unwrap());
    let core =
        EdgeCore::new(config, authority.edge_keys(), Arc::clone(&host) as Arc<dyn Host>, files).unwrap();
    core.accept_bundle(&authority.bundle(Zone::Edge, 1, vec![slice("view", Zone::Edge)])).unwrap();
    core.accept_feed(&authority.feed_at(host.now(), 1, &[]), host.now()).unwrap();
    Arc::new(core)
}

fn say(line: &str) {
    // One write a line, so that a line is whole or not there.
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

fn exchange(socket: &mut TcpStream, request: &glacis_wire::http::Request) -> (String, Vec<u8>) {
    socket.write_all(&render(request)).unwrap();
    read_parts(socket)
}

/// A client of its own device: signed requests without end.
fn ask(address: SocketAddr, seed: u8) {
    let (authority, host) = (Authority::new("acme", Realm::Demo), SystemHost::new());
    let view = slice("view", Zone::Edge).policy;
    let mut device = Device::enrolled(&authority.context, &authority.result, seed, ATTESTED, host.now());
    let mut socket = TcpStream::connect(address).unwrap();
    let (request, share, transcript) = device.opening(host.now());
    let (head, body) = exchange(&mut socket, &request);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut session = device.finish(share, &transcript, &body);
    loop {
        let id = EventId::new(glacis_host::entropy::array(&host).unwrap());
        let clear = says(view, NodeOutcome::False);
        let request = session.sign(get("/accounts/1"), id, Some(&clear), None, host.now());
        let (head, _) = exchange(&mut socket, &request);
        let field = |name: &str| head.split("\r\n").find_map(|line| line.strip_prefix(name));
        assert!(head.starts_with("HTTP/1.1 200") && field("glacis-verdict: ").is_some(), "{head}");
        say(&format!("ack {}", field("glacis-reference: ").unwrap()));
    }
}

/// An operator who changes their mind without end.
fn switch(core: &EdgeCore, address: SocketAddr) {
    let mut socket = TcpStream::connect(address).unwrap();
    while core.routes().iter().all(|route| route.route != SWITCHED) {
        exchange(&mut socket, &get("/seen/1"));
    }
    for n in 0_u64.. {
        let mode = if n.is_multiple_of(2) { Mode::Enforce } else { Mode::Observe };
        core.set_mode(SWITCHED, mode, "ann").unwrap();
        say(&format!("set {mode:?}"));
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// The child: a gateway, its service, its clients and its operator, until it is killed.
#[test]
#[ignore = "run by the test below, which kills it"]
fn child_serves_until_killed() {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        // The parent must not wait for a child of which a part is gone.
        std::process::exit(101);
    }));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let (seed, path) = line.trim().split_once(' ').unwrap();
    let seed: u8 = seed.parse().unwrap();
    let (behind, seen) = upstream();
    let core = open(Path::new(path), &settings("", behind));
    let running = Gateway::bind(Arc::clone(&core)).unwrap().start().unwrap();
    let address = running.local_addr();
    std::thread::spawn(move || seen.iter().for_each(drop));
    std::thread::scope(|scope| {
        (0..CLIENTS).for_each(|client| drop(scope.spawn(move || ask(address, seed.wrapping_add(client)))));
        scope.spawn(|| switch(&core, address));
    });
}

fn spawn(path: &Path, seed: u8) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_serves_until_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{seed} {}", path.display()).unwrap();
    child
}

/// What the outside knows of a child that was killed.
#[derive(Default)]
struct Known {
    references: Vec<String>,
    modes: Vec<String>,
}

/// Runs a child and kills it after `acks` answers.
fn run_and_kill(path: &Path, seed: u8, acks: usize) -> Known {
    let mut child = spawn(path, seed);
    let mut known = Known::default();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let Ok(line) = line else { break };
        known.references.extend(line.strip_prefix("ack ").map(str::to_owned));
        known.modes.extend(line.strip_prefix("set ").map(str::to_owned));
        if known.references.len() == acks {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(known.references.len() >= acks, "the child ended by itself after {}", known.references.len());
    known
}

/// Everything that the node owes, as the cloud would get it.
fn ship(core: &EdgeCore) -> (BTreeSet<String>, usize) {
    let (mut references, mut actions) = (BTreeSet::new(), 0);
    while let Some(batch) = core.duty().batch().unwrap() {
        references.extend(batch.report.records.iter().map(|record| record.reference.text()));
        actions += batch.report.operator.len();
        core.duty().acknowledge(&batch).unwrap();
    }
    (references, actions)
}

#[test]
fn invariant_10_nothing_answered_is_lost_by_kill_9_of_the_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge");
    let text = settings("", "127.0.0.1:9".parse().unwrap());
    let (mut answered, mut shipped) = (BTreeSet::new(), BTreeSet::new());
    let (mut set, mut audited, mut changes) = (0, 0, 0);
    for round in 0..ROUNDS {
        // Other devices each round; a key of the test kit is made of one byte that is neither 0 nor 64.
        let seed = u8::try_from(round % 20).unwrap() * CLIENTS + 1;
        let known = run_and_kill(&path, seed, [1, 2, 3, 9, 30, 70][round % 6] + round);
        set += known.modes.len();
        changes += known.modes.len();
        answered.extend(known.references);
        let core = open(&path, &text);
        // One more change may be kept than was heard of; it is audited all the same.
        let heard = known.modes.last().map(String::as_str);
        let acts = core.routes().iter().any(|route| route.route == SWITCHED && route.mode == Mode::Enforce);
        let (references, actions) = if round % 3 == 2 { ship(&core) } else { Default::default() };
        shipped.extend(references);
        audited += actions;
        if round % 3 == 2 {
            assert!(audited >= set, "round {round}: {set} changes acted, {audited} are audited");
            assert!(answered.is_subset(&shipped), "round {round}: an answer is lost");
            let unheard = audited - set;
            let fits = heard.is_none_or(|heard| acts == (heard == "Enforce"));
            assert!(fits || unheard > 0, "round {round}: {heard:?}, {acts}");
            (set, audited) = (0, 0);
        }
    }
    assert!(answered.len() > ROUNDS);
    println!("{ROUNDS} kills, {} answers and {changes} changes, all found", answered.len());
}
