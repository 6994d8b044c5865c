//! Preload: was code put before the program's own libraries?
//!
//! `LD_PRELOAD` and `LD_AUDIT` are asked for in the environment that the kernel keeps from the start
//! (`/proc/self/environ`) and in the live one, which a preloaded module can clean up. What it cannot clean up
//! easily is its place: a module that the dynamic linker lists before everything that the program was linked with
//! was preloaded.
//!
//! Known benign causes are named in [`HostProfile::preloads`](super::HostProfile): allocators, sanitizers, tools
//! of a build. Modules that the machine's own `/etc/ld.so.preload` names belong to the machine, not to an attacker
//! without privilege. Not seen: a module that was linked into the file (its digest is attestation's matter).

use super::modules::file_name;
use super::scene::Scene;
use super::suite::{Preload as Allowed, Sight};
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_host::{kernel, variable};
use glacis_seal::{sha256, sha256_parts};
use std::os::unix::ffi::OsStringExt;

/// Watches environment and order of modules.
pub(super) struct Preload(Vec<Allowed>);

impl Preload {
    /// With what is allowed to be preloaded.
    pub(super) fn new(allowed: &[Allowed]) -> Self {
        Self(allowed.to_vec())
    }

    fn find(&self, scene: &mut Scene) -> Result<Option<Vec<u8>>, Reason> {
        let environ =
            kernel::read("/proc/self/environ", ENVIRONMENT_BYTES_MAX).map_err(|_| Reason::Unreadable)?;
        for name in ["LD_PRELOAD", "LD_AUDIT"] {
            let live = variable(name).map(OsStringExt::into_vec);
            let values = of_block(&environ, name.as_bytes()).map(<[u8]>::to_vec).chain(live);
            for value in values {
                let entries =
                    value.split(|byte| matches!(byte, b':' | b' ')).filter(|entry| !entry.is_empty());
                // An audit module sees every symbol that is bound: nothing of the kind is ever normal.
                let stranger =
                    entries.into_iter().find(|entry| name == "LD_AUDIT" || !is_allowed(&self.0, entry));
                if let Some(entry) = stranger {
                    return Ok(Some([name.as_bytes(), b"=", file_name(entry)].concat()));
                }
            }
        }
        let scope = match scene.scope() {
            Ok(scope) => scope,
            // Linked statically: nothing can be preloaded.
            Err(Reason::NoBaseline) => return Ok(None),
            Err(reason) => return Err(reason),
        };
        let machine = kernel::read("/etc/ld.so.preload", LIST_BYTES_MAX).unwrap_or_default();
        let is_machines = |name: &[u8]| {
            machine.split(u8::is_ascii_whitespace).any(|known| file_name(known) == file_name(name))
        };
        let stranger =
            scope.preloaded().find(|module| !is_machines(&module.name) && !is_allowed(&self.0, &module.name));
        Ok(stranger.map(|module| [b"module=", file_name(&module.name)].concat()))
    }
}

/// Whether the host lets the module at `path` be there.
pub(super) fn is_allowed(allowed: &[Allowed], path: &[u8]) -> bool {
    allowed.iter().any(|allowed| match allowed {
        Allowed::Named(name) => file_name(path) == name.as_bytes(),
        Allowed::Digest(digest) => {
            kernel::read(path, MODULE_BYTES_MAX).is_ok_and(|bytes| sha256(&bytes) == *digest)
        }
    })
}

impl Symptom for Preload {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        match self.find(scene) {
            Ok(None) => Sight::Clear,
            Ok(Some(what)) => Sight::Detected(Confidence::High, sha256_parts(&[b"preload\0", &what])),
            Err(reason) => Sight::Unknown(reason),
        }
    }
}

/// Most that the kernel lets an environment be, with the arguments: a quarter of an 8 MiB stack by default.
pub(super) const ENVIRONMENT_BYTES_MAX: usize = 8 << 20;
const LIST_BYTES_MAX: usize = 64 << 10;
const MODULE_BYTES_MAX: usize = 256 << 20;

/// Values of a variable in a block of `NAME=value` texts that end in zeros.
pub(super) fn of_block<'a>(block: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let value = move |entry: &'a [u8]| entry.strip_prefix(name)?.strip_prefix(b"=");
    block.split(|byte| *byte == 0).filter_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn variables_are_whole_names() {
        let block =
            b"HOME=/home/a\0LD_PRELOAD=/a.so\0XLD_PRELOAD=/b.so\0LD_PRELOADED=/c.so\0LD_PRELOAD=/d.so\0";
        let values: Vec<_> = of_block(block, b"LD_PRELOAD").collect();
        assert_eq!(values, [b"/a.so".as_slice(), b"/d.so"]);
        assert_eq!(of_block(b"", b"LD_PRELOAD").count(), 0);
        assert_eq!(of_block(b"LD_PRELOAD=", b"LD_PRELOAD").next(), Some(b"".as_slice()));
    }

    #[test]
    fn what_is_allowed_is_allowed_by_name_or_by_its_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"an allocator").unwrap();
        let path = file.path().as_os_str().as_bytes();
        let by_name = [Allowed::Named(String::from("libjemalloc.so.2"))];
        assert!(is_allowed(&by_name, b"/usr/lib/libjemalloc.so.2"));
        assert!(!is_allowed(&by_name, b"/usr/lib/libjemalloc.so.2.so"));
        assert!(!is_allowed(&by_name, path));
        let by_digest = [Allowed::Digest(sha256(b"an allocator"))];
        assert!(is_allowed(&by_digest, path) && !is_allowed(&by_digest, b"/nonexistent"));
    }

    #[test]
    fn nothing_is_preloaded_here_and_an_unreadable_memory_is_unknown() {
        assert_eq!(Preload::new(&[]).look(&mut Scene::new()), Sight::Clear);
        assert_eq!(Preload::new(&[]).look(&mut Scene::blind()), Sight::Unknown(Reason::Unreadable));
    }
}
