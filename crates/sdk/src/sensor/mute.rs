//! Mute lists: which sensors are not believed on which versions of the system.
//!
//! A sensor that takes a new version of a system for an attack must not take an app from its users until the next
//! release of the app. A muted sensor is not run and reads `Unknown(Muted)`: never clear, and what unknown means is
//! in the policy. A mute can therefore only disable. The list comes from the signed policy bundle; whoever makes
//! one has verified that already, nothing here does.

use super::{Reason, SensorId};

/// A version of a system: up to three numbers, the rest is zero. `6.1` is before `6.1.1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub [u32; 3]);

impl Version {
    /// Reads the leading numbers of a text such as `6.18.44-generic` or `14`.
    ///
    /// # Errors
    /// If it does not begin with a number.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut parts = [0; 3];
        let mut rest = text.trim();
        for (place, part) in parts.iter_mut().enumerate() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, tail) = rest.split_at_checked(digits).ok_or(Reason::Malformed)?;
            match number.parse() {
                Ok(number) => *part = number,
                Err(_) if place > 0 => break,
                Err(_) => return Err(Reason::Malformed),
            }
            let Some(next) = tail.strip_prefix('.') else { break };
            rest = next;
        }
        Ok(Self(parts))
    }
}

/// Versions from the first, inclusive, to the second, exclusive; an end that is not given is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The first that is meant.
    pub from: Option<Version>,
    /// The first after it that is not.
    pub before: Option<Version>,
}

impl Versions {
    /// Every version, also an unknown one.
    pub const ALL: Self = Self { from: None, before: None };

    /// Whether a version is meant. One that is not known is meant by [`Self::ALL`] only.
    fn hold(&self, version: Option<Version>) -> bool {
        let Some(version) = version else { return *self == Self::ALL };
        self.from.is_none_or(|from| from <= version) && self.before.is_none_or(|before| version < before)
    }
}

/// One sensor that is not believed on some systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mute {
    /// Which.
    pub sensor: SensorId,
    /// On which versions of the operating system, as the app states its own.
    pub system: Versions,
    /// On which versions of the kernel.
    pub kernel: Versions,
}

impl Mute {
    /// Everywhere.
    pub const fn everywhere(sensor: SensorId) -> Self {
        Self { sensor, system: Versions::ALL, kernel: Versions::ALL }
    }
}

/// Sensors that are not believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MuteList(pub Vec<Mute>);

impl MuteList {
    /// Whether `sensor` is muted on this system and kernel.
    pub fn holds(&self, sensor: SensorId, system: Option<Version>, kernel: Option<Version>) -> bool {
        let meant =
            |mute: &Mute| mute.sensor == sensor && mute.system.hold(system) && mute.kernel.hold(kernel);
        self.0.iter().any(meant)
    }
}

/// The version of the running kernel, from itself: whoever could misstate it could mute.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn kernel() -> Option<Version> {
    let text = glacis_host::kernel::read("/proc/sys/kernel/osrelease", 1_024).ok()?;
    Version::parse(str::from_utf8(&text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn v(parts: [u32; 3]) -> Option<Version> {
        Some(Version(parts))
    }

    #[test]
    fn versions_are_their_leading_numbers() {
        for (text, want) in [
            ("6.18.44-fc-v595\n", Ok(Version([6, 18, 44]))),
            ("14", Ok(Version([14, 0, 0]))),
            ("4.19.157.perf+", Ok(Version([4, 19, 157]))),
            ("6.", Ok(Version([6, 0, 0]))),
            ("6.x", Ok(Version([6, 0, 0]))),
            ("", Err(Reason::Malformed)),
            ("v6", Err(Reason::Malformed)),
            ("99999999999", Err(Reason::Malformed)),
        ] {
            assert_eq!(Version::parse(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_mute_holds_on_its_versions_and_for_its_sensor_only() {
        let some = Versions { from: v([14, 0, 0]), before: v([14, 0, 2]) };
        let list = MuteList(vec![Mute { system: some, ..Mute::everywhere(SensorId::Tracer) }]);
        for (system, want) in [
            (v([14, 0, 0]), true),
            (v([14, 0, 1]), true),
            (v([14, 0, 2]), false),
            (v([13, 9, 9]), false),
            (None, false),
        ] {
            assert_eq!(list.holds(SensorId::Tracer, system, v([6, 1, 0])), want, "{system:?}");
            assert!(!list.holds(SensorId::Prologue, system, v([6, 1, 0])));
        }
        let kernels = Versions { from: None, before: v([5, 0, 0]) };
        let list = MuteList(vec![Mute { kernel: kernels, ..Mute::everywhere(SensorId::Tracer) }]);
        assert!(list.holds(SensorId::Tracer, None, v([4, 19, 1])));
        assert!(!list.holds(SensorId::Tracer, None, v([5, 0, 0])));
        assert!(!list.holds(SensorId::Tracer, None, None), "an unknown kernel is in no range");
        assert!(MuteList(vec![Mute::everywhere(SensorId::Tracer)]).holds(SensorId::Tracer, None, None));
    }
}
