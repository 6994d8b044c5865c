//! Duplicates of signed requests over two nodes that share cluster keys and nothing else: none is decided again.
//!
//! Devices take their sessions from node to node by new legs, nodes are killed and come back empty, the clock goes on.
//! An attacker who recorded everything sends it again, to either node, as it was or bent to the newest leg.

use crate::device::{Device, Session, get};
use crate::world::{ATTESTED, Authority, PEER, START, config, slice, start, step};
use glacis_edge::{EdgeCore, Step};
use glacis_host::{Clock, MemoryFiles, SeededHost};
use glacis_wire::http::Request;
use glacis_wire::{EventId, LegId, Realm, Zone};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What a run saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests that their device made, each decided once.
    pub(crate) fresh: u64,
    /// Duplicates that were sent.
    pub(crate) duplicates: u64,
    /// Duplicates that were decided or let on: must be none.
    pub(crate) accepted: u64,
    /// Further legs that devices opened.
    pub(crate) legs: u64,
    /// Nodes that were killed.
    pub(crate) kills: u64,
    /// Refusals of duplicates by their code.
    pub(crate) refused: BTreeMap<String, u64>,
}

/// A request that went over the wire.
struct Recorded {
    request: Request,
    device: usize,
}

/// xorshift64*: good enough to choose, the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % below
    }
}

struct Run {
    authority: Authority,
    host: SeededHost,
    nodes: [Arc<EdgeCore>; 2],
    devices: Vec<(Device, Session, usize)>,
    tape: VecDeque<Recorded>,
    events: u64,
    dice: Dice,
    seen: Seen,
}

/// Sends `duplicates` duplicates; `seed` decides everything.
pub(crate) fn run(duplicates: u64, seed: u64) -> Seen {
    let authority = Authority::new("acme", Realm::Demo);
    let host = SeededHost::new(seed, START);
    let nodes = [1, 2].map(|number| node(&authority, &host, number));
    let dice = Dice(seed.wrapping_mul(2).wrapping_add(1));
    let (tape, seen) = (VecDeque::new(), Seen::default());
    let mut run = Run { authority, host, nodes, devices: Vec::new(), tape, events: 0, dice, seen };
    for at in 0..DEVICES {
        let seed = u8::try_from(at).unwrap() + 10;
        let mut device =
            Device::enrolled(&run.authority.context, &run.authority.result, seed, ATTESTED, run.host.now());
        let session = run.open(&mut device, at % 2);
        run.devices.push((device, session, at % 2));
    }
    while run.seen.duplicates < duplicates {
        match run.dice.below(1_000) {
            0..200 => run.fresh(),
            200..210 => run.take_over(),
            210..212 => run.host.advance(Duration::from_millis(500)),
            212 => run.kill(),
            213..216 => run.reopen(),
            _ => run.duplicate(),
        }
    }
    run.seen
}

fn node(authority: &Authority, host: &SeededHost, number: usize) -> Arc<EdgeCore> {
    let limits = "feed_stale_s = 86400\nfeed_very_stale_s = 86400\n[limits]\n\
                  prefix = { burst = 1000000, per_second = 1000000 }\n\
                  device = { burst = 1000000, per_second = 1000000 }\n\
                  asymmetric = { burst = 1000000, per_second = 1000000 }\n\
                  legs = 4096\nevents = 4096\njournal_bytes = 1073741824\n";
    let text = config(&authority.token, limits).replace("edge-1", &format!("edge-{number}"));
    let core = start(authority, &text, host, Arc::new(MemoryFiles::new()));
    let slices = vec![slice("view", Zone::Edge), slice("transfer", Zone::Edge)];
    assert!(core.accept_bundle(&authority.bundle(Zone::Edge, 1, slices)).unwrap());
    core.accept_feed(&authority.feed_at(host.now(), 1, &[]), host.now()).unwrap();
    core
}

/// In one word, where it is refused; `None` where it was decided or let on.
fn refusal(step: Step) -> Option<String> {
    match crate::world::outcome(step).as_str() {
        "forward" | "ask" => None,
        code if code.contains("verdict") => None,
        code => Some(code.to_owned()),
    }
}

impl Run {
    fn send(&self, node: usize, request: &Request) -> Step {
        step(&self.nodes[node], request, PEER, self.host.now())
    }

    fn open(&self, device: &mut Device, node: usize) -> Session {
        let (request, share, transcript) = device.opening(self.host.now());
        let Step::Answer(answer) = self.send(node, &request) else { panic!("an opening is answered") };
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        device.finish(share, &transcript, &answer.body)
    }

    /// A device asks for something new, and is decided on.
    fn fresh(&mut self) {
        let at = self.dice.below(DEVICES);
        self.events += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.events.to_be_bytes());
        let now = self.host.now();
        let (_, session, node) = &mut self.devices[at];
        let request = session.sign(get("/maybe"), EventId::new(id), None, None, now);
        let node = *node;
        let refused = refusal(self.send(node, &request));
        assert_eq!(refused, None, "an honest request is decided");
        self.seen.fresh += 1;
        self.tape.push_back(Recorded { request, device: at });
        if self.tape.len() > TAPE {
            self.tape.pop_front();
        }
        self.settle();
    }

    /// The journal is shipped, as a living cloud would have it.
    fn settle(&self) {
        for core in &self.nodes {
            if core.duty().journal_bytes() > 4 << 20 {
                while let Some(batch) = core.duty().batch().unwrap() {
                    core.duty().acknowledge(&batch).unwrap();
                }
            }
        }
    }

    /// A device goes to the other node, where only its ticket is known.
    fn take_over(&mut self) {
        let at = self.dice.below(DEVICES);
        let now = self.host.now();
        let (_, session, node) = &self.devices[at];
        let (to, request) = (1 - *node, session.leg_request(now));
        self.adopt(at, to, &request);
    }

    fn adopt(&mut self, at: usize, to: usize, request: &Request) {
        let Step::Answer(answer) = self.send(to, request) else { panic!("a leg request is answered") };
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let (_, session, node) = &mut self.devices[at];
        session.adopt(&answer.body);
        *node = to;
        self.seen.legs += 1;
    }

    /// Sessions end; devices open others.
    fn reopen(&mut self) {
        let at = self.dice.below(DEVICES);
        let node = self.dice.below(2);
        let (mut device, _, _) = self.devices.remove(at);
        let session = self.open(&mut device, node);
        self.devices.insert(at, (device, session, node));
    }

    /// A node dies with all that it remembered and comes back empty; its devices take new legs somewhere.
    fn kill(&mut self) {
        let dead = self.dice.below(2);
        self.nodes[dead] = node(&self.authority, &self.host, dead + 1);
        self.seen.kills += 1;
        let now = self.host.now();
        for at in 0..DEVICES {
            let (_, session, node) = &self.devices[at];
            if *node == dead {
                let request = session.leg_request(now);
                let to = self.dice.below(2);
                self.adopt(at, to, &request);
            }
        }
    }

    /// Somebody sends once more what was sent.
    fn duplicate(&mut self) {
        if self.tape.is_empty() {
            return;
        }
        let recorded = self.dice.below(self.tape.len());
        let to = self.dice.below(2);
        let bend = self.dice.below(8) == 0;
        let recorded = &self.tape[recorded];
        let mut request = recorded.request.clone();
        if bend {
            // The leg that its device has now, in place of the one that signed.
            let (_, session, _) = &self.devices[recorded.device];
            bend_to(&mut request, &session.leg);
        }
        self.seen.duplicates += 1;
        match refusal(self.send(to, &request)) {
            Some(code) => *self.seen.refused.entry(code).or_default() += 1,
            None => self.seen.accepted += 1,
        }
    }
}

fn bend_to(request: &mut Request, leg: &LegId) {
    let id = glacis_seal::text::base64url(leg.as_bytes());
    for (name, value) in &mut request.headers {
        if name == "signature-input"
            && let Some((before, rest)) = value.split_once("keyid=\"")
            && let Some((_, after)) = rest.split_once('"')
        {
            *value = format!("{before}keyid=\"{id}\"{after}");
        }
    }
}

const DEVICES: usize = 16;
/// Requests that the attacker holds, the newest ones.
const TAPE: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::event;
    use std::hash::{BuildHasher, Hasher, RandomState};

    #[test]
    fn no_duplicate_is_decided_again_on_either_node() {
        let fresh = RandomState::new().build_hasher().finish();
        println!("fresh seed {fresh}");
        for seed in [1, fresh] {
            let seen = run(10_000, seed);
            assert_eq!(seen.accepted, 0, "seed {seed}: {seen:?}");
            let code = |code: &str| seen.refused.get(code).copied().unwrap_or(0);
            // Each way to be refused was tried: by the window, by a node that never saw the leg, by the MAC.
            assert!(code("replayed") > 100 && code("leg-unknown") > 100, "seed {seed}: {seen:?}");
            assert!(code("signature-wrong") + code("ticket-invalid") > 10, "seed {seed}: {seen:?}");
            assert!(seen.legs > 10 && seen.kills > 1 && seen.fresh > 1_000, "seed {seed}: {seen:?}");
        }
    }

    /// The positive control: the same duplicates at a node that remembers nothing of windows are seen.
    #[test]
    fn a_request_that_is_signed_anew_is_no_duplicate() {
        let authority = Authority::new("acme", Realm::Demo);
        let host = SeededHost::new(3, START);
        let core = node(&authority, &host, 1);
        let mut device = Device::enrolled(&authority.context, &authority.result, 9, ATTESTED, host.now());
        let (request, share, transcript) = device.opening(host.now());
        let Step::Answer(answer) = step(&core, &request, PEER, host.now()) else { panic!("no answer") };
        let mut session = device.finish(share, &transcript, &answer.body);
        for _ in 0..3 {
            let request = session.sign(get("/maybe"), event(1), None, None, host.now());
            assert_eq!(
                refusal(step(&core, &request, PEER, host.now())),
                None,
                "a retry of the device itself"
            );
            let again = refusal(step(&core, &request, PEER, host.now()));
            assert_eq!(again.as_deref(), Some("replayed"));
        }
    }
}
