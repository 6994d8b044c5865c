//! Uprobes: has the kernel been told to trap this process's code?
//!
//! A uprobe (bpftrace, perf, a tracing service) replaces an instruction by a trap; on its first hit the kernel maps
//! `[uprobes]` into the process to run the replaced one, and never takes the mapping away. No tracer shows.
//! Observability tools do this too: whoever runs them on his own servers mutes the sensor there.
//!
//! Not seen: a probe that was never hit (the prologue and text-page sensors see its trap), and kernel probes.

use super::Confidence;
use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use glacis_seal::sha256;

/// Looks for the kernel's mapping.
pub(super) struct Uprobes;

impl Symptom for Uprobes {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        match scene.maps() {
            Ok(maps) if maps.rows().any(|row| maps.path(row).starts_with(b"[uprobes")) => {
                Sight::Detected(Confidence::High, sha256(b"uprobes\0mapping"))
            }
            Ok(_) => Sight::Clear,
            Err(reason) => Sight::Unknown(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::Reason;

    #[test]
    fn only_the_kernels_mapping_counts() {
        let detected = Sight::Detected(Confidence::High, sha256(b"uprobes\0mapping"));
        for (text, want) in [
            ("7000-8000 --xp 00000000 00:00 0   [uprobes]\n", detected),
            ("7000-8000 r-xp 00000000 00:00 0   [uprobes-trampoline]\n", detected),
            ("7000-8000 r-xp 00000000 fe:00 9   /tmp/[uprobes]\n", Sight::Clear),
            ("7000-8000 r-xp 00000000 00:00 0   [vdso]\n", Sight::Clear),
            ("7000-8000 --xp", Sight::Unknown(Reason::Malformed)),
        ] {
            assert_eq!(Uprobes.look(&mut Scene::with_maps(text)), want, "{text}");
        }
        assert_eq!(Uprobes.look(&mut Scene::blind()), Sight::Unknown(Reason::Unreadable));
    }
}
