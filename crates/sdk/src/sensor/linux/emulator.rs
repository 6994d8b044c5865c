//! Emulator: does another program run this one's instructions?
//!
//! An emulator in user mode (qemu-user, valgrind) answers questions about `/proc/self` in place of the kernel, to
//! look like the program it runs. It answers for the names that programs use, not for every name of the same
//! thing: `/proc/self/exe` says the app, `/proc/thread-self/exe` says the emulator. Two names of one link that
//! disagree are a lie of somebody between us and the kernel, whatever its name. The second sign: the kernel gives
//! every 64-bit program a vdso, an emulator does not, and shows no executable mapping either.
//!
//! Not seen: a virtual machine. Whole machines are emulated for good reasons (this is no phone's sensor), and the
//! processor's own hint of a hypervisor is true on every rented server.

use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason, auxv};
use glacis_host::kernel;
use glacis_seal::sha256;

/// Asks for one thing by two names.
pub(super) struct Emulator;

impl Symptom for Emulator {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        let link = |path: &str| kernel::read_link(path).map_err(|_| Reason::Unreadable);
        let maps = scene.maps();
        let has_vdso = auxv::read().map(|auxv| auxv.vdso().is_some());
        let has_code = maps.map(|maps| maps.executable().any(|row| row.file.is_some()));
        judge(link("/proc/self/exe"), link("/proc/thread-self/exe"), has_vdso, has_code)
    }
}

fn judge(
    by_process: Result<Vec<u8>, Reason>,
    by_thread: Result<Vec<u8>, Reason>,
    has_vdso: Result<bool, Reason>,
    has_code: Result<bool, Reason>,
) -> Sight {
    match (by_process, by_thread) {
        (Ok(process), Ok(thread)) if process != thread => {
            Sight::Detected(Confidence::High, sha256(b"emulator\0two names"))
        }
        _ if has_vdso == Ok(false) && has_code == Ok(false) => {
            Sight::Detected(Confidence::Medium, sha256(b"emulator\0no vdso, no code"))
        }
        (Err(reason), _) | (_, Err(reason)) => Sight::Unknown(reason),
        (Ok(_), Ok(_)) => Sight::Clear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_that_disagree_are_an_emulator_and_a_missing_vdso_alone_is_not() {
        let name = |name: &str| Ok(name.as_bytes().to_vec());
        let (differ, bare) = (sha256(b"emulator\0two names"), sha256(b"emulator\0no vdso, no code"));
        let refused = || Err(Reason::Unreadable);
        for (by_process, by_thread, has_vdso, has_code, want) in [
            (name("/app"), name("/app"), Ok(true), Ok(true), Sight::Clear),
            (
                name("/app"),
                name("/usr/bin/qemu"),
                Ok(true),
                Ok(true),
                Sight::Detected(Confidence::High, differ),
            ),
            (name("/app"), name("/app"), Ok(false), Ok(true), Sight::Clear),
            (name("/app"), name("/app"), Ok(false), Ok(false), Sight::Detected(Confidence::Medium, bare)),
            (name("/app"), refused(), Ok(true), Ok(true), Sight::Unknown(Reason::Unreadable)),
            (refused(), refused(), Err(Reason::Unreadable), Ok(true), Sight::Unknown(Reason::Unreadable)),
        ] {
            let case = format!("{by_process:?} {by_thread:?} {has_vdso:?} {has_code:?}");
            assert_eq!(judge(by_process, by_thread, has_vdso, has_code), want, "{case}");
        }
    }

    #[test]
    fn this_process_is_its_own() {
        assert_eq!(Emulator.look(&mut Scene::new()), Sight::Clear);
    }
}
