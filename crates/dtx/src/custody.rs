//! The seam of back ends: who keeps private keys, makes them, signs with them and destroys them.
//!
//! A back end knows nothing of roles, limits or expiry: [`KeyRing`](crate::KeyRing) keeps those for all of them, durably,
//! and asks the back end only when a signature may be made. Each call is about one key, named by its [`KeyTag`]. What a
//! back end returns is not believed: the ring checks points and signatures, unless the back end is this very code
//! ([`Habits::checked`]).

use crate::keys::{KeyError, UserVerification};
use crate::protection::Protection;
use crate::role::KeyOptions;
use glacis_wire::Digest;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{PublicKey, Signature};
use std::fmt;
use zeroize::Zeroizing;

/// A back end.
pub trait Custody: Send + Sync {
    /// A key, ready for use. It may be a mere name.
    type Key: Send + Sync;

    /// The kind of store, as its keys' record and the configuration name it, such as `software`.
    fn name(&self) -> &'static str;

    /// What it can be believed to protect.
    fn protection(&self) -> Protection;

    /// What the ring has to do for it.
    fn habits(&self) -> Habits;

    /// Makes a P-256 key, which the back end finds again by `tag` and what it returns. Never twice with the same tag.
    fn generate(&self, tag: &KeyTag, options: &KeyOptions) -> Result<Generated, KeyError>;

    /// Makes a key that evidence is to be about: on platforms that attest a key when they make it, over `challenge`.
    fn generate_over(
        &self,
        tag: &KeyTag,
        options: &KeyOptions,
        challenge: &[u8],
    ) -> Result<Generated, KeyError> {
        let _for_others = challenge;
        self.generate(tag, options)
    }

    /// Readies a key for use. Called when a device starts, also where nothing will be signed: it must not ask a user, nor
    /// a token that may be away.
    fn load(&self, stored: &Stored<'_>) -> Result<Self::Key, KeyError>;

    /// Signs a SHA-256 digest: ECDSA as r ‖ s. `verification` is there if the key's options demand it.
    fn sign(
        &self,
        key: &Self::Key,
        digest: &Digest,
        verification: Option<&UserVerification>,
    ) -> Result<Signature, KeyError>;

    /// Destroys a key. One that is not there is no error; an empty handle is one whose making may not have ended.
    fn destroy(&self, tag: &KeyTag, handle: &[u8]) -> Result<(), KeyError>;

    /// Native evidence about this key over `challenge`; `None` where nothing can be proven.
    fn attest(&self, key: &Self::Key, challenge: &[u8]) -> Result<Option<Evidence>, KeyError>;
}

/// What a ring has to do for a back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Keys are somewhere else than in the handle, so that making one is announced before and destroying one takes a call.
    pub outside: bool,
    /// What it returns is checked: each signature against the key that was generated.
    pub checked: bool,
}

/// Names one key of one ring to its back end: random, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyTag(pub [u8; Self::LEN]);

impl KeyTag {
    /// Length in bytes.
    pub const LEN: usize = 16;
}

impl fmt::Display for KeyTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&glacis_seal::text::hex(&self.0))
    }
}

/// A key that was made.
pub struct Generated {
    /// Its public key.
    pub public: PublicKey,
    /// What the ring keeps for the back end, sealed: a wrapped key, or nothing. At most [`HANDLE_BYTES_MAX`].
    pub handle: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generated({:?})", self.public)
    }
}

/// A key as the ring keeps it.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    /// Its name.
    pub tag: &'a KeyTag,
    /// Its public key.
    pub public: &'a PublicKey,
    /// As [`Generated::handle`].
    pub handle: &'a [u8],
    /// What it may do.
    pub options: &'a KeyOptions,
}

impl fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({}, {:?})", self.tag, self.public)
    }
}

/// A back end failed, or lied. Branch on [`kind`](Self::kind); [`remedy`](CustodyErrorKind::remedy) says what helps.
#[derive(Debug, thiserror::Error)]
#[error("the key store `{store}`: {kind}{}", .what.as_ref().map_or(String::new(), |what| format!(" ({what})")))]
pub struct CustodyError {
    store: &'static str,
    kind: CustodyErrorKind,
    what: Option<String>,
}

impl CustodyError {
    /// An error of this store.
    pub const fn new(store: &'static str, kind: CustodyErrorKind) -> Self {
        Self { store, kind, what: None }
    }

    /// Adds what the store said. Never a secret.
    #[must_use]
    pub fn said(mut self, what: impl Into<String>) -> Self {
        self.what = Some(what.into());
        self
    }

    /// Why; branch on it.
    pub const fn kind(&self) -> CustodyErrorKind {
        self.kind
    }

    /// Which store.
    pub const fn store(&self) -> &'static str {
        self.store
    }
}

/// Why a back end failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CustodyErrorKind {
    /// There is no such store: no module, no device, no token.
    Unavailable,
    /// It was there and is gone: pulled out, reset, its session closed.
    Gone,
    /// It does not answer in time.
    Late,
    /// Another process keeps it busy.
    Busy,
    /// The secret that opens it is not to be had.
    PinMissing,
    /// The secret that opens it is wrong. It is not tried again by itself: tokens lock.
    PinWrong,
    /// It is locked after wrong secrets.
    Locked,
    /// It does not hold the key any more.
    KeyLost,
    /// It is full.
    Full,
    /// It refuses, or the user did.
    Refused,
    /// It cannot do what is needed.
    Unsupported,
    /// It panicked.
    Panicked,
    /// What it returned is not true: another key's signature, no point of the curve, garbage.
    Lied,
    /// Anything else.
    Failed,
}

impl CustodyErrorKind {
    /// What helps.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Unavailable => "look at the path, slot or device that the configuration names",
            Self::Gone => "put the token back, then try again",
            Self::Late | Self::Busy => "try again; if it stays so, restart what serves the store",
            Self::PinMissing => "give the PIN by file, environment or descriptor, as configured",
            Self::PinWrong => {
                "correct the PIN where it is kept before anything else: the token counts wrong ones"
            }
            Self::Locked => "unlock the token with its own tool, or wait until its lockout has passed",
            Self::KeyLost => "the key is lost for good: renew it and enrol again",
            Self::Full => "destroy keys that nobody needs",
            Self::Refused => "ask the user again, or look at the permissions of the store",
            Self::Unsupported => "use another store: this one cannot do it",
            Self::Panicked | Self::Lied => {
                "do not trust this store: its software or hardware is broken or hostile"
            }
            Self::Failed => "look at what the store said",
        }
    }
}

impl fmt::Display for CustodyErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "is not there",
            Self::Gone => "is gone",
            Self::Late => "does not answer in time",
            Self::Busy => "is busy",
            Self::PinMissing => "has no PIN to be opened with",
            Self::PinWrong => "refuses the PIN",
            Self::Locked => "is locked",
            Self::KeyLost => "does not hold the key any more",
            Self::Full => "is full",
            Self::Refused => "refuses",
            Self::Unsupported => "cannot do this",
            Self::Panicked => "panicked",
            Self::Lied => "returned what is not true",
            Self::Failed => "failed",
        })
    }
}

/// Longest handle. Unit: bytes. A wrapped TPM key has about 350.
pub const HANDLE_BYTES_MAX: usize = 4_096;
