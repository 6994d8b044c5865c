//! The seam between the suite's thread and a sensor, and the list of all sensors with their intervals.
//!
//! A [`Symptom`] takes its baseline when it is made and then looks, again and again, on one thread: it may keep
//! files open and remember its last look. It never blocks and follows no pointer; what it cannot read is unknown.

use super::breakpoint::Breakpoint;
use super::clock_skew::ClockSkew;
use super::code_maps::CodeMaps;
use super::descriptors::Descriptors;
use super::emulator::Emulator;
use super::libc_prologue::LibcPrologue;
use super::peer_key::PeerKeys;
use super::preload::Preload;
use super::prologue::PrologueProbe;
use super::proxy::Proxy;
use super::scene::Scene;
use super::state::{Canary, GuardedState};
use super::suite::{Sight, SuiteConfig};
use super::symbol_owner::SymbolOwner;
use super::text_pages::TextPages;
use super::threads::Threads;
use super::time_namespace::TimeNamespace;
use super::tracer::TracerProbe;
use super::uprobes::Uprobes;
use super::watch::{Look, Probe};
use super::{Confidence, SensorId};
use std::time::Duration;

/// Looks for one symptom, on the suite's thread.
pub(super) trait Symptom {
    /// Looks once. Bounded in time.
    fn look(&mut self, scene: &mut Scene) -> Sight;
}

/// What the app tells sensors while they run.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) state: GuardedState,
    pub(super) peers: PeerKeys,
}

/// A sensor that also stands alone.
struct Alone<P>(P);

impl<P: Probe> Symptom for Alone<P> {
    fn look(&mut self, _scene: &mut Scene) -> Sight {
        match self.0.look() {
            Look::Clear => Sight::Clear,
            Look::Detected(evidence) => Sight::Detected(Confidence::High, evidence),
            Look::Unknown(reason) => Sight::Unknown(reason),
        }
    }
}

/// A sensor and how often it looks unless the budget forces less.
pub(super) fn crew(
    id: SensorId,
    config: &SuiteConfig,
    told: &Told,
    scene: &mut Scene,
) -> (Duration, Box<dyn Symptom>) {
    match id {
        SensorId::Tracer => (ms(50), Box::new(Alone(TracerProbe::new()))),
        SensorId::Prologue => (ms(250), Box::new(Alone(PrologueProbe::new(&config.guarded)))),
        SensorId::Breakpoint => (ms(250), Box::new(Breakpoint::new(&config.guarded, scene))),
        SensorId::TextPages => (ms(1_000), Box::new(TextPages::new())),
        SensorId::CodeMaps => (ms(500), Box::new(CodeMaps::new(config.host.jit))),
        SensorId::Uprobes => (ms(1_000), Box::new(Uprobes)),
        SensorId::Threads => (ms(2_000), Box::new(Threads::new(config.host.jit))),
        SensorId::Descriptors => (ms(1_000), Box::new(Descriptors::new(config.host.jit))),
        SensorId::LibcPrologue => (ms(1_000), Box::new(LibcPrologue::new(scene))),
        SensorId::SymbolOwner => (ms(2_000), Box::new(SymbolOwner::new(&config.host.preloads))),
        SensorId::Preload => (ms(5_000), Box::new(Preload::new(&config.host.preloads))),
        SensorId::TimeNamespace => (ms(10_000), Box::new(TimeNamespace)),
        SensorId::Proxy => (ms(10_000), Box::new(Proxy)),
        SensorId::ClockSkew => (ms(2_000), Box::new(ClockSkew::new())),
        SensorId::Canary => (ms(500), Box::new(Canary::new(told.state.clone()))),
        SensorId::PeerKey => (ms(1_000), Box::new(told.peers.clone())),
        SensorId::Emulator => (ms(10_000), Box::new(Emulator)),
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
