//! A full disk under the node: enforcing refuses, observing goes on, nothing answered is lost, and the same
//! process goes on once there is room. The journal is filled at many offsets, so that segments begin on a full disk.

use crate::device::{Session, get};
use crate::tmpfs::Tmpfs;
use crate::world::{ATTESTED, Authority, PEER, START, config, outcome, says, slice, step};
use glacis_edge::config::Mode;
use glacis_edge::{EdgeConfig, EdgeCore, Step};
use glacis_host::{Clock, DirFiles, FileErrorKind, Host, SeededHost};
use glacis_wire::http::Request;
use glacis_wire::{EventId, NodeOutcome, PolicyDigest, Realm, Zone};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

impl Tmpfs {
    /// Leaves about this much room.
    fn leave(&self, bytes: usize) {
        let ballast = self.at.join("ballast");
        let _ = std::fs::remove_file(&ballast);
        // Until nothing fits, then as much less.
        let mut file = std::fs::File::create(&ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4_096]).is_ok() {}
        let full = file.metadata().unwrap().len();
        file.set_len(full.saturating_sub(bytes as u64)).unwrap();
    }

    fn empty(&self) {
        std::fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

struct Node {
    authority: Authority,
    host: SeededHost,
    core: EdgeCore,
    session: Session,
    view: PolicyDigest,
    next: u32,
}

fn start(at: &Path, authority: &Authority, host: &SeededHost) -> EdgeCore {
    let limits = "feed_stale_s = 3600\n[limits]\njournal_bytes = 262144\n\
                  device = { burst = 1000000, per_second = 1000000 }\n\
                  prefix = { burst = 1000000, per_second = 1000000 }\n";
    let config = EdgeConfig::parse("edge.toml", &config(&authority.token, limits)).unwrap();
    let host: Arc<dyn Host> = Arc::new(host.clone());
    // A child that another test starts at this moment has the lock until it has its own program.
    let files = (0..100).find_map(|_| match DirFiles::open(at) {
        Err(error) if error.kind() == FileErrorKind::InUse => {
            std::thread::sleep(Duration::from_millis(50));
            None
        }
        opened => Some(opened.unwrap()),
    });
    let files = Arc::new(files.unwrap());
    EdgeCore::new(config, authority.edge_keys(), host, files).unwrap()
}

impl Node {
    fn new(at: &Path) -> Self {
        let (authority, host) = (Authority::new("acme", Realm::Demo), SeededHost::new(7, START));
        let core = start(at, &authority, &host);
        core.accept_bundle(&authority.bundle(Zone::Edge, 1, vec![slice("view", Zone::Edge)])).unwrap();
        core.accept_feed(&authority.feed(1, &[]), START).unwrap();
        let session = Self::open(&authority, &core, &host);
        Self { authority, host, core, session, view: slice("view", Zone::Edge).policy, next: 0 }
    }

    fn open(authority: &Authority, core: &EdgeCore, host: &SeededHost) -> Session {
        let (context, result) = (&authority.context, &authority.result);
        let mut device = crate::device::Device::enrolled(context, result, 91, ATTESTED, host.now());
        let (request, share, transcript) = device.opening(host.now());
        let Step::Answer(answer) = step(core, &request, PEER, host.now()) else { panic!("no answer") };
        assert_eq!(answer.status, 200);
        device.finish(share, &transcript, &answer.body)
    }

    /// A signed request that is allowed; its reference, or the code of the refusal.
    fn ask(&mut self) -> Result<String, String> {
        self.next += 1;
        let mut id = [0; 16];
        id[..4].copy_from_slice(&self.next.to_be_bytes());
        let clear = says(self.view, NodeOutcome::False);
        let request: Request =
            self.session.sign(get("/accounts/1"), EventId::new(id), Some(&clear), None, self.host.now());
        match step(&self.core, &request, PEER, self.host.now()) {
            Step::Forward(forward) => Ok(forward.reference.unwrap()),
            other => Err(outcome(other)),
        }
    }

    fn ship(&self) -> BTreeSet<String> {
        let mut shipped = BTreeSet::new();
        while let Some(batch) = self.core.duty().batch().unwrap() {
            shipped.extend(batch.report.records.iter().map(|record| record.reference.text()));
            self.core.duty().acknowledge(&batch).unwrap();
        }
        shipped
    }
}

#[test]
fn a_full_disk_refuses_observes_and_recovers_at_every_offset() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(&dir.path().join("disk"), "size=2m") else {
        println!("skipped: tmpfs: mounting is not permitted here");
        return;
    };
    let folder = disk.at.join("edge");
    let mut node = Node::new(&folder);
    let mut answered = BTreeSet::new();
    for round in 0..24 {
        disk.leave(round * 7_168);
        let code = loop {
            match node.ask() {
                Ok(reference) => drop(answered.insert(reference)),
                Err(code) => break code,
            }
        };
        assert_eq!(code, "overloaded", "round {round}: refused, not decided without a record");
        let observed = step(&node.core, &get("/seen/1"), PEER, node.host.now());
        assert_eq!(outcome(observed), "forward", "round {round}");
        assert!(node.core.set_mode("GET /seen/{id}", Mode::Enforce, "ann").is_err());
        assert!(node.core.bypass(START.after(std::time::Duration::from_secs(60)), "ann", "").is_err());
        assert_eq!(node.core.bypassed(), None, "what is not audited does not act");
        if round % 5 == 4 {
            // Restarted while the disk is full.
            drop(node.core);
            node.core = start(&folder, &node.authority, &node.host);
            node.core.accept_feed(&node.authority.feed(1, &[]), START).unwrap();
            disk.empty();
            node.session = Node::open(&node.authority, &node.core, &node.host);
        } else {
            disk.empty();
        }
        let reference = node.ask().unwrap_or_else(|code| panic!("round {round}: {code} with room again"));
        answered.insert(reference);
        let shipped = node.ship();
        assert!(answered.is_subset(&shipped), "round {round}: an answer is lost");
        answered.clear();
    }
}
