//! Clock skew: does the C library tell another time than the kernel?
//!
//! libfaketime and its kin answer for the C library; the kernel's clock is read past it in the same moment, with one
//! reading before and one after, so that a step or slew of the machine's clock makes no difference: both follow it.
//! The time of day is compared, and how much time has passed since the start (a clock that only runs faster).
//! A difference counts when it shows in several readings in a row.
//!
//! Not seen: a wrong clock of the whole machine, a time namespace (its own sensor), tools that replace the vdso.

use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_host::{ClockSkew as Skew, TwoClocks};
use glacis_seal::sha256;
use std::time::Duration;

/// Compares both clocks.
pub(super) struct ClockSkew(Option<TwoClocks>);

impl ClockSkew {
    /// Starts both.
    pub(super) fn new() -> Self {
        Self(TwoClocks::start())
    }
}

impl Symptom for ClockSkew {
    fn look(&mut self, _scene: &mut Scene) -> Sight {
        judge(|| self.0.as_ref().and_then(TwoClocks::read))
    }
}

fn judge(read: impl Fn() -> Option<Skew>) -> Sight {
    let mut found = [true; 2];
    for _ in 0..READINGS {
        let Some(skew) = read() else { return Sight::Unknown(Reason::NoBaseline) };
        let [wall, elapsed] = found;
        found = [wall && skew.wall > SKEW_MAX, elapsed && skew.elapsed > SKEW_MAX];
        if found == [false; 2] {
            return Sight::Clear;
        }
    }
    let what: &[u8] = match found {
        [true, _] => b"clock-skew\0wall",
        _ => b"clock-skew\0elapsed",
    };
    Sight::Detected(Confidence::High, sha256(what))
}

/// Skew that counts. Honest skew is zero: both are one clock. What is faked is faked by seconds.
const SKEW_MAX: Duration = Duration::from_millis(50);
/// So many times in a row.
const READINGS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn skew_counts_when_it_stays() {
        let hour = Duration::from_secs(3_600);
        let (wall, elapsed) = (sha256(b"clock-skew\0wall"), sha256(b"clock-skew\0elapsed"));
        let skew = |wall, elapsed| Some(Skew { wall, elapsed });
        let zero = Duration::ZERO;
        let detected = |evidence| Sight::Detected(Confidence::High, evidence);
        for (readings, want) in [
            ([skew(zero, zero); 3], Sight::Clear),
            ([skew(hour, zero); 3], detected(wall)),
            ([skew(zero, hour); 3], detected(elapsed)),
            ([skew(hour, hour); 3], detected(wall)),
            ([skew(hour, zero), skew(hour, zero), skew(zero, zero)], Sight::Clear),
            ([skew(hour, zero), skew(zero, hour), skew(zero, zero)], Sight::Clear),
            ([skew(Duration::from_millis(50), zero); 3], Sight::Clear),
            ([None; 3], Sight::Unknown(Reason::NoBaseline)),
        ] {
            let next = Cell::new(0);
            let read = || {
                next.set(next.get() + 1);
                readings.get(next.get() - 1).copied().flatten()
            };
            assert_eq!(judge(read), want, "{readings:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_one_time() {
        assert_eq!(ClockSkew::new().look(&mut Scene::new()), Sight::Clear);
    }
}
