//! A file system of its own for tests that fill one; shared by the test binaries of several crates.
//!
//! Mounting needs the right to: where it is missing, the test says that it skips.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs; gone when dropped.
pub(crate) struct Tmpfs {
    /// Where it is.
    pub(crate) at: PathBuf,
}

impl Tmpfs {
    /// Mounts one at `at` with `options`, such as `size=3m`; `None` where that is not permitted.
    pub(crate) fn mount(at: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        done.ok()?.status.success().then(|| Self { at: at.to_owned() })
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // A process that another test is just forking may hold our files for a moment.
        for _ in 0..50 {
            let done = Command::new("umount").arg(&self.at).output();
            if done.is_ok_and(|done| done.status.success()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        println!("could not unmount {}", self.at.display());
    }
}
