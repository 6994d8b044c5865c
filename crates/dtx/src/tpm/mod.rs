//! A TPM 2.0 on the device: keys that cannot leave it, what it attests, what it seals, what it counts (ADR 17).
//!
//! [`Tpm`] speaks to the chip through a [`TpmLink`](glacis_host::TpmLink), in Rust alone: no TPM library is linked or
//! looked for. Every command that uses a key goes through an HMAC session that is salted by the storage root, so that a
//! listener on the bus learns no secret and a changed answer is noticed. [`Tpm`] is its own resource manager: chips have
//! three places for objects and three for sessions, and whatever is put there is taken out again, also after an error.
//!
//! [`DeviceTpm`] joins the chip with the vault: it opens the key store `tpm2` and makes evidence. It judges nothing: the
//! evidence says what the chip says, and a verifier that shares no code with this module decides
//! what that is worth.

mod certificate;
mod client;
mod code;
mod command;
mod counter;
mod custody;
mod device;
mod endorsement;
mod error;
mod evidence;
mod fields;
mod key;
mod live;
mod lockout;
mod pcr;
mod policy;
mod public;
mod quote;
mod sealed;
mod session;

pub use client::{Keep, Tpm, TpmInfo, TpmOptions};
pub use counter::{COUNTER_INDEXES, Counter};
pub use custody::{Tpm2KeyStore, TpmCustody};
pub use device::{DeviceTpm, DeviceTpmError};
pub use endorsement::EndorsementKind;
pub use error::{TpmError, TpmFault};
pub use evidence::Measured;
pub use key::{KeyUse, TpmKey};
pub use lockout::Lockout;
pub use pcr::{PcrBank, PcrSelection};
pub use public::{Name, Public};
pub use quote::Quoted;
pub use sealed::{SECRET_BYTES_MAX, SealPolicy, Sealed};
