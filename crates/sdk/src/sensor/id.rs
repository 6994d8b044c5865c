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
    /// A page of code is no longer the file's page.
    TextPages,
    /// Code is mapped that came from nowhere.
    CodeMaps,
    /// The kernel traps this process's code for an observer (`uprobe`).
    Uprobes,
    /// A thread runs code that came from nowhere.
    Threads,
    /// Open files appeared together with code that came from nowhere.
    Descriptors,
    /// A function of the C library no longer begins as its file says.
    LibcPrologue,
    /// Somebody else answers for functions of the C library.
    SymbolOwner,
    /// Code was put before the program's own libraries.
    Preload,
    /// This process's time since boot was shifted.
    TimeNamespace,
    /// The environment sends traffic through a proxy.
    Proxy,
    /// Another program runs this one's instructions.
    Emulator,
    /// The C library tells another time than the kernel.
    ClockSkew,
    /// Somebody changed guarded state of the app.
    Canary,
    /// A pinned host showed a foreign key.
    PeerKey,
}

impl SensorId {
    /// All of them, in order.
    pub const ALL: &[Self] = &[
        Self::Tracer,
        Self::Prologue,
        Self::Breakpoint,
        Self::TextPages,
        Self::CodeMaps,
        Self::Uprobes,
        Self::Threads,
        Self::Descriptors,
        Self::LibcPrologue,
        Self::SymbolOwner,
        Self::Preload,
        Self::TimeNamespace,
        Self::Proxy,
        Self::Emulator,
        Self::ClockSkew,
        Self::Canary,
        Self::PeerKey,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracer => "tracer",
            Self::Prologue => "prologue",
            Self::Breakpoint => "breakpoint",
            Self::TextPages => "text-pages",
            Self::CodeMaps => "code-maps",
            Self::Uprobes => "uprobes",
            Self::Threads => "threads",
            Self::Descriptors => "descriptors",
            Self::LibcPrologue => "libc-prologue",
            Self::SymbolOwner => "symbol-owner",
            Self::Preload => "preload",
            Self::TimeNamespace => "time-namespace",
            Self::Proxy => "proxy",
            Self::Emulator => "emulator",
            Self::ClockSkew => "clock-skew",
            Self::Canary => "canary",
            Self::PeerKey => "peer-key",
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
