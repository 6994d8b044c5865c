//! Live sessions: what one takes of a node's memory, and many of them over the wire.
//!
//! The heap is counted where memory is asked for; resident memory stands beside it, with what tables of fixed size
//! come to when they are used.

use crate::bars::Bar;
use crate::meter;
use crate::pipeline::{opened, passes};
use glacis_bench_edge::Outcome;
use glacis_bench_edge::load::{Enrolled, Fleet, Target, all_clear, drive};
use glacis_bench_edge::process::resident_kb;
use glacis_bench_edge::world::{PolicySize, core};
use glacis_edge::EdgeCore;
use glacis_host::{Clock, SystemHost};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Source: acceptance of the gateway. Unit: bytes.
const SESSION_BYTES_MAX: f64 = 250.0;
/// Devices that open the sessions of the library; each opens many, so that the bench enrols in seconds.
const DEVICES: usize = 1_000;

/// What was measured.
pub(crate) struct Sessions {
    live: usize,
    heap_bytes: f64,
    resident_bytes: f64,
    wire: usize,
}

impl Sessions {
    /// `live` sessions in one node through the library.
    pub(crate) fn measure(scratch: &Path, live: usize) -> Outcome<Self> {
        meter::begin_counting();
        let size = PolicySize::TwoHundred;
        let core = core(("127.0.0.1:1", "127.0.0.1:2"), &scratch.join("sessions"), size)?;
        let (now, disclosed) = (SystemHost::new().now(), all_clear(size)?);
        let mut devices = Vec::new();
        for number in 0..DEVICES {
            let mut enrolled = Enrolled::new(u32::try_from(number)?, now)?;
            enrolled.open(now, |request| opened(&core, request, now))?;
            devices.push(enrolled);
        }
        let (heap, resident) = (meter::held_bytes(), resident_kb("self")?);
        let mut last = None;
        for at in 0..live {
            // Time goes on, or the address prefix of this bench would be over its limit.
            let now = now.after(Duration::from_millis(u64::try_from(at / 500)?));
            let device = &mut devices[at % DEVICES];
            let device = device.open(now, |request| opened(&core, request, now))?;
            if at % SHIPPED_EVERY == 0 || at + 1 == live {
                ship(&core)?;
            }
            if at + DEVICES >= live {
                last.get_or_insert_with(Vec::new).push(device);
            }
        }
        // The devices of this bench are not the node's.
        let mut kept = last.take().unwrap_or_default();
        for device in &mut kept {
            if !passes(&core, &device.request(Target::Event, &disclosed, now), now) {
                return Err("a session does not work".into());
            }
        }
        drop(kept);
        let each = |bytes: i64| bytes as f64 / live as f64;
        Ok(Self {
            live,
            heap_bytes: each(meter::held_bytes() - heap),
            resident_bytes: each(1_024 * (i64::try_from(resident_kb("self")?)? - i64::try_from(resident)?)),
            wire: 0,
        })
    }

    /// Opens `count` sessions through a gateway's sockets, then sends a request of each.
    pub(crate) fn over_the_wire(&mut self, gateway: SocketAddr, count: usize) -> Outcome<()> {
        let mut fleet = Fleet::open(gateway, count, PolicySize::TwoHundred)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let batches = fleet.asking(Target::Event, 1);
        let mut batches = batches.into_iter();
        loop {
            let some: Vec<_> = batches.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.wire += runtime.block_on(drive(gateway, some, true))?.requests;
        }
    }

    pub(crate) fn bars(&self) -> Vec<Bar> {
        let what = format!("bytes a live session, {} of them (heap)", self.live);
        vec![Bar::new(what, self.heap_bytes, SESSION_BYTES_MAX)]
    }

    pub(crate) fn print(&self) {
        println!(
            "{} sessions in one node: {:.0} bytes each on the heap, {:.0} resident; {} opened over the wire, each then served",
            self.live, self.heap_bytes, self.resident_bytes, self.wire
        );
    }

    pub(crate) fn json(&self) -> Value {
        json!({"live": self.live, "heap_bytes": self.heap_bytes, "resident_bytes": self.resident_bytes, "wire": self.wire})
    }
}

/// Takes the records of openings, as the cloud does all the time: they are no part of a session.
fn ship(core: &EdgeCore) -> Outcome<()> {
    while let Some(batch) = core.duty().batch()? {
        core.duty().acknowledge(&batch)?;
    }
    Ok(())
}

/// Openings between two looks at what is owed.
const SHIPPED_EVERY: usize = 10_000;
/// Connections at once when every session sends its request.
const AT_ONCE: usize = 500;
