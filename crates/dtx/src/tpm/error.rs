//! Why a call to a TPM failed, in which command, and what helps.
//!
//! Branch on [`TpmError::fault`], never on the text. An error never says what was signed, sealed or authorised. None of
//! them is answered with something weaker: whoever asked for a TPM gets a TPM or an error.

use glacis_host::{TpmLinkError, TpmLinkErrorKind};
use glacis_seal::SealError;

/// A call to a TPM failed.
#[derive(Debug, thiserror::Error)]
#[error("TPM, {command}: {fault}")]
pub struct TpmError {
    command: &'static str,
    fault: TpmFault,
    #[source]
    cause: Option<TpmLinkError>,
}

impl TpmError {
    pub(super) const fn new(command: &'static str, fault: TpmFault) -> Self {
        Self { command, fault, cause: None }
    }

    pub(super) fn link(command: &'static str, cause: TpmLinkError) -> Self {
        Self { command, fault: TpmFault::Link(cause.kind()), cause: Some(cause) }
    }

    /// Why; branch on it.
    pub const fn fault(&self) -> TpmFault {
        self.fault
    }

    /// The command of the TPM that failed, in words.
    pub const fn command(&self) -> &'static str {
        self.command
    }

    /// What helps.
    pub const fn remedy(&self) -> &'static str {
        self.fault.remedy()
    }
}

/// Why a call to a TPM failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TpmFault {
    /// The chip was not reached.
    #[error("{0}")]
    Link(TpmLinkErrorKind),
    /// The answer does not have the form of an answer to this command.
    #[error("the answer is malformed ({0})")]
    Garbage(&'static str),
    /// The answer's proof does not hold: somebody between us and the chip changed it, or the chip lost its session.
    #[error("the answer is not authentic")]
    Forged,
    /// The answer is authentic, but not what was asked for.
    #[error("the answer is another than what was asked for ({0})")]
    Unexpected(&'static str),
    /// Keys, nonces or salts could not be made.
    #[error("{0}")]
    Seal(SealError),
    /// The storage root is another than before: another chip, or one that was cleared.
    #[error("this is another TPM than before, or it was cleared")]
    OtherTpm,
    /// Too many wrong authorisations: the chip answers none that counts until time has passed.
    #[error("the TPM is in lockout")]
    Lockout,
    /// A wrong authorisation, and the chip counted it.
    #[error("the authorisation is wrong, and was counted")]
    AuthCounted,
    /// A wrong authorisation, of something that does not count.
    #[error("the authorisation is wrong")]
    AuthWrong,
    /// The policy of the object does not hold now: other registers, another value, another command.
    #[error("the policy of the object does not hold")]
    PolicyFailed,
    /// Registers changed between two steps of one policy.
    #[error("registers changed meanwhile")]
    PcrChanged,
    /// A wrapped object that this chip, or this storage root, did not wrap; or it was changed.
    #[error("the object was not made by this TPM, or was changed")]
    NotOfThisTpm,
    /// No place for another object.
    #[error("the TPM has no place for another object")]
    ObjectsFull,
    /// No place for another session.
    #[error("the TPM has no place for another session")]
    SessionsFull,
    /// A handle that the chip does not know: it was reset, or somebody flushed it.
    #[error("the TPM does not know the handle")]
    HandleGone,
    /// A session that the chip does not know, for the same reasons.
    #[error("the TPM does not know the session")]
    SessionGone,
    /// There is no such index in the non-volatile memory.
    #[error("there is no such index")]
    NvMissing,
    /// The index is there already.
    #[error("the index is there already")]
    NvThere,
    /// The index was never written.
    #[error("the index was never written")]
    NvEmpty,
    /// The index may not be used like this.
    #[error("the index may not be used like this")]
    NvForbidden,
    /// No room in the non-volatile memory.
    #[error("the non-volatile memory is full")]
    NvFull,
    /// The chip was powered on and not started.
    #[error("the TPM was not started")]
    NotStarted,
    /// The chip failed its self-test.
    #[error("the TPM is in failure mode")]
    Broken,
    /// The chip asked for more time again and again.
    #[error("the TPM stays busy")]
    Busy,
    /// The chip cannot do this.
    #[error("the TPM does not support this")]
    Unsupported,
    /// Over a limit of ours, before anything was sent.
    #[error("{0} is over its limit")]
    Limit(&'static str),
    /// Any other code of the TPM.
    #[error("response code {0:#x}")]
    Code(u32),
}

impl TpmFault {
    /// What helps.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Link(kind) => link_remedy(kind),
            Self::Garbage(_) | Self::Forged | Self::Unexpected(_) => {
                "do not trust this TPM or the way to it: look for something between the process and the chip"
            }
            Self::Seal(_) => "look at the randomness of the operating system",
            Self::OtherTpm => "the keys of the old TPM are lost: wipe this device's store and enrol again",
            Self::Lockout => {
                "wait until the lockout has passed (`Tpm::lockout` says how long), or let its owner reset it"
            }
            Self::AuthCounted | Self::AuthWrong => {
                "correct the authorisation value before anything else: the TPM may count wrong ones"
            }
            Self::PolicyFailed => {
                "the machine is not in the state that was sealed for; restore it, or seal again"
            }
            Self::PcrChanged | Self::HandleGone | Self::SessionGone | Self::Busy => "try again",
            Self::NotOfThisTpm => {
                "the key or the sealed data belongs to another TPM: make it again and enrol again"
            }
            Self::ObjectsFull | Self::SessionsFull => {
                "use the kernel's resource manager (/dev/tpmrm0), or flush what other programs left"
            }
            Self::NvMissing | Self::NvEmpty => "define the index first",
            Self::NvThere => "use another index, or remove this one",
            Self::NvForbidden => "look at the attributes of the index; another program owns it",
            Self::NvFull => "remove indexes that nobody needs",
            Self::NotStarted => "start the TPM: firmware, kernel or the emulator's flags have to do that",
            Self::Broken => "reset the machine; if it stays so, the TPM is broken",
            Self::Unsupported => "use a TPM with P-256, SHA-256 and AES-128, or another key store",
            Self::Limit(_) => "ask for less",
            Self::Code(_) => "look the code up: `tpm2_rc_decode`",
        }
    }

    /// Whether it can be that the chip was reset or the connection broke between calls: worth one more try.
    pub(super) const fn is_stale(self) -> bool {
        matches!(self, Self::HandleGone | Self::SessionGone | Self::Link(TpmLinkErrorKind::Gone))
    }

    /// Whether what the chip holds of us is uncertain now.
    pub(super) const fn is_doubtful(self) -> bool {
        matches!(self, Self::Garbage(_) | Self::Forged | Self::Link(_) | Self::NotStarted) || self.is_stale()
    }
}

const fn link_remedy(kind: TpmLinkErrorKind) -> &'static str {
    match kind {
        TpmLinkErrorKind::Missing => "look at the device file or address that the configuration names",
        TpmLinkErrorKind::Denied => "let this user use the TPM: on most systems, the group `tss`",
        TpmLinkErrorKind::Busy => "use /dev/tpmrm0, which serves many processes, or end the other one",
        TpmLinkErrorKind::Late => "try again; another process may hold the TPM, or it makes a long key",
        TpmLinkErrorKind::Garbage => "do not trust what is behind this device file or address",
        _ => "try again; if it stays so, look at the kernel's log or at the emulator",
    }
}
