//! Names of the sensors of this crate: stable in logs, metrics, mute lists and documents; not names of signals.
//!
//! A name is for ever: a mute list that was signed last year must mean the same sensor today. What a sensor sees,
//! costs and misses is in its own module and in `docs/reference/sensors.md`. Nothing here looks at anything.

/// A sensor of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SensorId {
    /// Another process traces this one (`ptrace`).
    Tracer,
    /// A guarded function no longer begins as its file says.
    Prologue,
    /// A guarded function holds a trap instruction that its file does not.
    Breakpoint,
}

impl SensorId {
    /// All of them, in order.
    pub const ALL: &[Self] = &[Self::Tracer, Self::Prologue, Self::Breakpoint];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracer => "tracer",
            Self::Prologue => "prologue",
            Self::Breakpoint => "breakpoint",
        }
    }

    /// The sensor of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.name() == name)
    }
}

impl std::fmt::Display for SensorId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_and_name_their_sensor() {
        let names: BTreeSet<_> = SensorId::ALL.iter().map(|id| id.name()).collect();
        assert_eq!(names.len(), SensorId::ALL.len());
        for id in SensorId::ALL {
            assert_eq!(SensorId::parse(id.name()), Some(*id));
        }
        assert_eq!(SensorId::parse("trace"), None);
    }
}
