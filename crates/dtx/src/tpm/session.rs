//! Authorisations of one command: an empty password, or a session that proves a value and hides a parameter.
//!
//! A session's nonces move with each command that succeeds; who cannot check an answer's proof cannot go on with the
//! session, so it is spoilt. Authorisation values are borrowed for one command and kept nowhere.

use super::command::Hide;
use super::error::{TpmError, TpmFault};
use super::fields::put_sized;
use glacis_host::EntropyError;
use glacis_seal::SealError;
use glacis_seal::tpm::{Nonces, SessionKey};
use glacis_wire::Writer;

/// A session that the chip knows.
pub(super) struct Session {
    pub(super) handle: u32,
    key: SessionKey,
    nonce_tpm: Vec<u8>,
    nonce_caller: Vec<u8>,
    is_usable: bool,
}

impl Session {
    pub(super) fn new(handle: u32, key: SessionKey, nonce_tpm: &[u8]) -> Self {
        Self { handle, key, nonce_tpm: nonce_tpm.to_vec(), nonce_caller: Vec::new(), is_usable: true }
    }

    /// Whether another command may use it.
    pub(super) const fn is_usable(&self) -> bool {
        self.is_usable
    }

    /// For a command, where we spoke last.
    fn asking(&self) -> Nonces<'_> {
        Nonces { newer: &self.nonce_caller, older: &self.nonce_tpm }
    }

    /// For an answer, where the chip spoke last.
    fn answering(&self) -> Nonces<'_> {
        Nonces { newer: &self.nonce_tpm, older: &self.nonce_caller }
    }
}

/// What stands for the use of one handle.
pub(super) enum Authorisation<'a> {
    /// The empty password, for what everybody may use.
    Nobody,
    /// A session, with the authorisation value of what it stands for.
    Session { session: &'a mut Session, auth: &'a [u8], is_last: bool },
}

/// What an answer carries for one session.
pub(super) struct Said<'a> {
    pub(super) nonce: &'a [u8],
    pub(super) attributes: u8,
    pub(super) proof: &'a [u8],
}

impl<'a> Authorisation<'a> {
    pub(super) const fn session(session: &'a mut Session, auth: &'a [u8]) -> Self {
        Self::Session { session, auth, is_last: false }
    }

    /// As [`session`](Self::session), and the chip ends the session if the command succeeds.
    pub(super) const fn last(session: &'a mut Session, auth: &'a [u8]) -> Self {
        Self::Session { session, auth, is_last: true }
    }

    /// Makes our nonce for one command.
    pub(super) fn draw(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> Result<(), EntropyError>,
    ) -> Result<(), TpmFault> {
        if let Self::Session { session, .. } = self {
            session.nonce_caller = vec![0; NONCE_BYTES];
            fill(&mut session.nonce_caller).map_err(|_| TpmFault::Seal(SealError::Entropy))?;
        }
        Ok(())
    }

    pub(super) fn encrypt(&self, parameter: &mut [u8]) -> Result<(), TpmFault> {
        match self {
            Self::Nobody => Err(TpmFault::Limit("an open parameter")),
            Self::Session { session, auth, .. } => {
                session.key.encrypt(auth, session.asking(), parameter).map_err(TpmFault::Seal)
            }
        }
    }

    pub(super) fn decrypt(&self, parameter: &mut [u8]) -> Result<(), TpmFault> {
        match self {
            Self::Nobody => Err(TpmFault::Limit("an open parameter")),
            Self::Session { session, auth, .. } => {
                session.key.decrypt(auth, session.answering(), parameter).map_err(TpmFault::Seal)
            }
        }
    }

    /// Writes `TPMS_AUTH_COMMAND` over this digest of the command.
    pub(super) fn put(&self, out: &mut Writer, digest: &[u8], hide: Hide) -> Result<(), TpmError> {
        match self {
            Self::Nobody => {
                out.u32(PASSWORD);
                put_sized(out, &[])?;
                out.u8(0);
                put_sized(out, &[])
            }
            Self::Session { session, auth, is_last } => {
                let attributes = attributes(*is_last, hide);
                out.u32(session.handle);
                put_sized(out, &session.nonce_caller)?;
                out.u8(attributes);
                put_sized(out, &session.key.mac(auth, digest, session.asking(), attributes))
            }
        }
    }

    /// Checks the proof of an answer with this digest, and takes over the chip's nonce.
    pub(super) fn check(&mut self, digest: &[u8], said: &Said<'_>) -> Result<(), TpmFault> {
        match self {
            Self::Nobody => {
                let is_empty = said.nonce.is_empty() && said.proof.is_empty();
                if is_empty { Ok(()) } else { Err(TpmFault::Garbage("an authorisation")) }
            }
            Self::Session { session, auth, .. } => {
                if !(NONCE_BYTES_MIN..=NONCE_BYTES).contains(&said.nonce.len()) {
                    return Err(TpmFault::Garbage("a nonce"));
                }
                session.nonce_tpm = said.nonce.to_vec();
                session.is_usable = said.attributes & CONTINUE != 0;
                session
                    .key
                    .verify(auth, digest, session.answering(), (said.attributes, said.proof))
                    .map_err(|_| TpmFault::Forged)
            }
        }
    }

    /// The session's state is unknown from now on.
    pub(super) fn spoil(&mut self) {
        if let Self::Session { session, .. } = self {
            session.is_usable = false;
        }
    }
}

const fn attributes(is_last: bool, hide: Hide) -> u8 {
    let hidden = match hide {
        Hide::Nothing => 0,
        Hide::Call => DECRYPT,
        Hide::Answer => ENCRYPT,
    };
    if is_last { hidden } else { hidden | CONTINUE }
}

/// `TPM_RS_PW`.
const PASSWORD: u32 = 0x4000_0009;
/// Ours have as many bytes as the hash; the chip's have as many as ours.
pub(super) const NONCE_BYTES: usize = 32;
/// Source: Part 1, §19.6.5: at least 16 bytes.
pub(super) const NONCE_BYTES_MIN: usize = 16;
/// `TPMA_SESSION`: Part 2, §8.4.
const CONTINUE: u8 = 1;
const DECRYPT: u8 = 1 << 5;
const ENCRYPT: u8 = 1 << 6;
