//! Verifiers of attestation evidence: bytes, anchors and a time in, one appraisal out.
//!
//! One module and one feature a family. A family that this build does not have refuses; it never skips
//! (invariant 9). Nothing here reads a clock, a file or a socket (invariant 3), and nothing here makes evidence:
//! prover and verifier share the bytes of `glacis_wire::message` and no code.
//!
//! Strict by default: whatever passes less than every check needed a [`Relaxation`] whose name says `danger`, and the
//! appraisal says which. Why something was refused, or is not worth more, is a [`Code`] of one table.

mod appraisal;
mod cbor;
pub mod cmw;
pub mod code;
pub mod collateral;
pub mod corim;
mod cose;
pub mod ear;
pub mod pem;
mod question;
mod revocation;
mod roots;
pub mod standing;

#[cfg(any(feature = "android-key", feature = "app-attest", feature = "tpm", feature = "webauthn"))]
mod anchor;
#[cfg(any(feature = "android-key", feature = "app-attest", feature = "tpm", feature = "webauthn"))]
mod asn1;
#[cfg(any(feature = "app-attest", feature = "webauthn"))]
mod authdata;
#[cfg(any(feature = "play-integrity", feature = "soter"))]
mod json;
#[cfg(any(feature = "tpm", feature = "webauthn"))]
mod names;
#[cfg(any(feature = "android-key", feature = "app-attest", feature = "tpm", feature = "webauthn"))]
mod path;
#[cfg(any(feature = "android-key", feature = "app-attest", feature = "tpm", feature = "webauthn"))]
mod relaxed;
#[cfg(any(feature = "tpm", feature = "webauthn"))]
#[cfg_attr(not(feature = "tpm"), expect(dead_code, reason = "a format of WebAuthn reads a part of it"))]
mod structures;
#[cfg(any(feature = "android-key", feature = "app-attest", feature = "tpm", feature = "webauthn"))]
mod x509;

#[cfg(feature = "android-key")]
pub mod android;
#[cfg(feature = "app-attest")]
pub mod apple;
#[cfg(feature = "play-integrity")]
pub mod play_integrity;
#[cfg(feature = "simulated")]
mod simulated;
#[cfg(feature = "soter")]
pub mod soter;
#[cfg(feature = "tpm")]
pub mod tpm;
#[cfg(feature = "webauthn")]
pub mod webauthn;

#[cfg(any(feature = "android-key", feature = "app-attest", feature = "tpm", feature = "webauthn"))]
pub use anchor::{anchors, google_roots};
pub use appraisal::{Appraisal, AttestError, Basis, Claims, Reason, Status, named};
pub use code::Code;
pub use collateral::{Collateral, CollateralError};
use glacis_wire::limits::EVIDENCE_BYTES_MAX;
use glacis_wire::message::enrol::Evidence;
pub use question::{
    Anchors, AndroidApp, Constraints, Question, References, Relaxation, Released, Roots, Site,
};
pub use revocation::{Revocations, Status as RevocationStatus};
#[cfg(feature = "simulated")]
pub use simulated::SimulatedClaims;
pub use standing::{Facts, Kept, Standing};
#[cfg(any(feature = "android-key", feature = "app-attest", feature = "tpm", feature = "webauthn"))]
pub use x509::public_key_of;

/// Families that this build verifies; every other is [`Code::UnknownFamily`].
pub const FAMILIES: &[&str] = &[
    #[cfg(feature = "simulated")]
    glacis_wire::message::simulated::FAMILY,
    #[cfg(feature = "android-key")]
    android::FAMILY,
    #[cfg(feature = "app-attest")]
    apple::FAMILY,
    #[cfg(feature = "play-integrity")]
    play_integrity::FAMILY,
    #[cfg(feature = "soter")]
    soter::FAMILY,
    #[cfg(feature = "tpm")]
    tpm::FAMILY,
    #[cfg(feature = "webauthn")]
    webauthn::FAMILY,
];

/// Appraises evidence.
///
/// That the challenge was issued by us, is fresh and unspent is the caller's to check, as is the proof that the device
/// holds the key.
///
/// # Errors
/// Evidence that proves nothing, with the code that says why.
pub fn appraise(evidence: &Evidence, question: &Question<'_>) -> Result<Appraisal, AttestError> {
    // LIMIT: the wire's own; checked here too, since not all evidence comes over the wire.
    if evidence.body.len() > EVIDENCE_BYTES_MAX {
        return Err(Code::TooLarge.into());
    }
    match &*evidence.family {
        #[cfg(feature = "simulated")]
        glacis_wire::message::simulated::FAMILY => simulated::appraise(&evidence.body, question),
        #[cfg(feature = "android-key")]
        android::FAMILY => android::appraise(&evidence.body, question),
        #[cfg(feature = "app-attest")]
        apple::FAMILY => apple::appraise(&evidence.body, question),
        #[cfg(feature = "play-integrity")]
        play_integrity::FAMILY => play_integrity::appraise(&evidence.body, question),
        #[cfg(feature = "soter")]
        soter::FAMILY => soter::appraise(&evidence.body, question),
        #[cfg(feature = "tpm")]
        tpm::FAMILY => tpm::appraise(&evidence.body, question),
        #[cfg(feature = "webauthn")]
        webauthn::FAMILY => webauthn::appraise(&evidence.body, question),
        _ => {
            // Without any family there is nobody to hand this to.
            let _ = question;
            Err(Code::UnknownFamily.into())
        }
    }
}
