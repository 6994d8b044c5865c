//! From sensors to signals: which name a policy knows a sensor's symptom by, and how several make one answer.
//!
//! | signal | true when | sensors |
//! |---|---|---|
//! | `app.debugger` | somebody outside stops or traces this process | tracer, breakpoint, uprobes |
//! | `app.hooked` | code or data of this process is not its builder's | prologue, text-pages, code-maps, threads, descriptors, libc-prologue, symbol-owner, preload, canary |
//! | `app.emulator` | another program runs it | emulator |
//! | `app.clock_forged` | it is told another time than the machine has | clock-skew, time-namespace |
//! | `net.proxy` | its traffic is sent through a proxy | proxy |
//! | `net.foreign_key` | a pinned host showed a foreign key | peer-key |
//!
//! One detection makes the answer true. It is false only if nothing was detected, no sensor failed to look, and the
//! signal's essential sensors (those that work on every platform) were clear. A sensor that cannot work in this
//! program (no baseline, nothing reported yet), that is muted or not run is left out, so that a mute cannot withhold a
//! signal that others still answer; if all are left out, the answer is withheld.

use super::{Reading, Reason, SensorId, State};
use glacis_wire::{Answer, Cause, Value};

/// The signals that sensors answer.
pub const SIGNALS: [&str; 6] =
    ["app.debugger", "app.hooked", "app.emulator", "app.clock_forged", "net.proxy", "net.foreign_key"];

impl SensorId {
    /// The signal that this sensor helps to answer.
    pub const fn signal(self) -> &'static str {
        match self {
            Self::Tracer | Self::Breakpoint | Self::Uprobes => "app.debugger",
            Self::Prologue
            | Self::TextPages
            | Self::CodeMaps
            | Self::Threads
            | Self::Descriptors
            | Self::LibcPrologue
            | Self::SymbolOwner
            | Self::Preload
            | Self::Canary => "app.hooked",
            Self::Emulator => "app.emulator",
            Self::ClockSkew | Self::TimeNamespace => "app.clock_forged",
            Self::Proxy => "net.proxy",
            Self::PeerKey => "net.foreign_key",
        }
    }

    /// Whether the signal is not answered by the others alone.
    const fn is_essential(self) -> bool {
        matches!(self, Self::Tracer | Self::CodeMaps | Self::Emulator | Self::Proxy | Self::PeerKey)
    }
}

/// The answer to `signal` from the readings of a suite.
pub fn answer(signal: &str, readings: &[(SensorId, Reading)]) -> Answer {
    let parts = || readings.iter().filter(|(id, _)| id.signal() == signal);
    if parts().any(|(_, reading)| reading.state == State::Detected) {
        return Answer::Value(Value::Bool(true));
    }
    let spoils = |(id, reading): &(SensorId, Reading)| match reading.state {
        State::Unknown(Reason::Muted | Reason::Off) => false,
        State::Unknown(Reason::NoBaseline | Reason::Unobserved) => id.is_essential(),
        State::Unknown(_) => true,
        State::Clear | State::Detected => false,
    };
    let has_clear = parts().any(|(_, reading)| reading.state == State::Clear);
    if has_clear && !parts().any(spoils) {
        Answer::Value(Value::Bool(false))
    } else {
        Answer::unknown(Cause::Withheld)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::Confidence;
    use glacis_seal::sha256;
    use glacis_wire::{SignalName, Timestamp};

    fn reading(state: State) -> Reading {
        Reading { state, confidence: Confidence::High, at: Timestamp::from_ms(1), evidence: sha256(&[]) }
    }

    #[test]
    fn every_sensor_has_one_of_the_signals_and_every_signal_is_a_name_with_a_sensor() {
        for id in SensorId::ALL {
            assert!(SIGNALS.contains(&id.signal()), "{id}");
        }
        for signal in SIGNALS {
            assert!(SignalName::parse(signal).is_ok(), "{signal}");
            assert!(SensorId::ALL.iter().any(|id| id.signal() == signal), "{signal}");
        }
    }

    #[test]
    fn one_detection_is_enough_and_clear_must_be_earned() {
        use SensorId::{CodeMaps, LibcPrologue, Prologue, Tracer};
        use State::{Clear, Detected, Unknown};
        let (yes, no) = (Answer::Value(Value::Bool(true)), Answer::Value(Value::Bool(false)));
        let withheld = Answer::unknown(Cause::Withheld);
        for (states, want) in [
            (vec![(CodeMaps, Clear), (Prologue, Clear)], &no),
            (vec![(CodeMaps, Clear), (Prologue, Detected)], &yes),
            (vec![(CodeMaps, Unknown(Reason::Stale)), (Prologue, Detected)], &yes),
            (vec![(CodeMaps, Clear), (Prologue, Unknown(Reason::NoBaseline))], &no),
            (vec![(CodeMaps, Clear), (LibcPrologue, Unknown(Reason::Unreadable))], &withheld),
            (vec![(CodeMaps, Unknown(Reason::NoBaseline)), (Prologue, Clear)], &withheld),
            (vec![(CodeMaps, Unknown(Reason::Muted)), (Prologue, Clear)], &no),
            (vec![(CodeMaps, Unknown(Reason::Muted))], &withheld),
            (vec![(CodeMaps, Unknown(Reason::Pending)), (Prologue, Clear)], &withheld),
            // Another signal's sensor says nothing here.
            (vec![(Tracer, Detected), (CodeMaps, Clear)], &no),
            (vec![], &withheld),
        ] {
            let readings: Vec<_> = states.iter().map(|(id, state)| (*id, reading(*state))).collect();
            assert_eq!(&answer("app.hooked", &readings), want, "{states:?}");
        }
    }
}
