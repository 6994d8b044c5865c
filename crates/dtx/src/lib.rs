//! Trusted middleware on the device: key custody, sealed storage, enrolment, sessions and policy custody.
//!
//! Sans-I/O: it makes and reads messages of `glacis_wire`; whoever embeds it moves them. State that must survive
//! a restart goes through a [`Vault`] before the message that depends on it leaves. It decides no event and holds
//! no policy meaning: [`PolicyStore`] keeps signed bytes and refuses older ones (invariant 4).
//!
//! What a back end is worth it says itself ([`KeyStore::protection`]); the software one claims `software`.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod custody;
pub mod enrol;
pub mod foreign;
mod kept;
pub mod keys;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
pub mod policy;
pub mod protection;
mod ring;
pub mod role;
pub mod session;
#[cfg(feature = "simulated")]
pub mod simulated;
mod software;
pub mod tpm;
pub mod vault;

pub use custody::{Custody, CustodyError, CustodyErrorKind};
pub use enrol::{EnrolError, Enrolled, Enrolment};
pub use keys::{End, KeyError, KeyInfo, KeyStore, UserVerification};
pub use policy::{PolicyError, PolicyStore};
pub use protection::{
    Basis, Candidate, ChoiceError, Chosen, Offer, Protection, Requirement, Uniqueness, choose,
    choose_of_offers,
};
pub use ring::KeyRing;
pub use role::{KeyOptions, Role, Scene};
pub use session::{Expected, Opening, Session, SessionError, Sessions, SignedRequest};
pub use software::{SoftwareCustody, SoftwareKeyStore};
pub use vault::{Vault, VaultError};
