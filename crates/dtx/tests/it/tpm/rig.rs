//! What these tests do to the emulator, and between it and us.

pub(crate) use crate::swtpm::Swtpm;
use crate::swtpm::skipped;
use glacis_dtx::tpm::{Tpm, TpmOptions};
use glacis_host::{Host, SystemHost, TpmLink, TpmLinkError, TpmSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

impl Swtpm {
    /// A reset: ends the process and starts it on the same state and port.
    pub(crate) fn reset(&mut self) {
        self.stop();
        for _ in 0..50 {
            assert!(self.launch());
            if self.listens() {
                return;
            }
            self.stop();
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("swtpm does not start again on port {}", self.port);
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn link(&self) -> Box<dyn TpmLink> {
        Box::new(TpmSocket::new(self.address()))
    }

    pub(crate) fn open(&self) -> Tpm {
        Tpm::open(self.link(), host(), options()).unwrap()
    }

    /// A tool of `tpm2-tools` on this chip, in its folder; what it wrote.
    pub(crate) fn tool(&self, args: &[&str]) -> String {
        let done = Command::new("tpm2")
            .args(args)
            .current_dir(self.folder())
            .env("TPM2TOOLS_TCTI", format!("swtpm:host=127.0.0.1,port={}", self.port))
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }
}

pub(crate) fn host() -> Arc<dyn Host> {
    Arc::new(SystemHost::new())
}

/// Long enough for a busy machine.
pub(crate) fn options() -> TpmOptions {
    TpmOptions { wait: Duration::from_secs(60), ..TpmOptions::default() }
}

/// Whether the machine has `tpm2-tools`.
pub(crate) fn has_tools() -> bool {
    let found = Command::new("tpm2").arg("--version").output().is_ok_and(|done| done.status.success());
    found || skipped::<()>("tpm2").is_some()
}

/// A link that tells a test what passes, or does something to it.
pub(crate) struct Between<F> {
    pub(crate) link: Box<dyn TpmLink>,
    pub(crate) change: F,
}

impl<F> TpmLink for Between<F>
where
    F: FnMut(&[u8], &mut dyn FnMut() -> Result<Vec<u8>, TpmLinkError>) -> Result<Vec<u8>, TpmLinkError>
        + Send,
{
    fn exchange(&mut self, command: &[u8], wait: Duration) -> Result<Vec<u8>, TpmLinkError> {
        let link = &mut self.link;
        (self.change)(command, &mut || link.exchange(command, wait))
    }
}
