//! The key schedule of a session (DESIGN §5.3 steps 2 and 3): one place for device and edge.
//!
//! `transcript = SHA-256(signature base of the opening)`, `chain = SHA-256(parent ‖ transcript)`,
//! `S = HKDF(X25519, salt = transcript)`; every further key is derived from S under a purpose of its own, salted
//! with the id of the session or leg that it belongs to.

use crate::context::{Context, Purpose};
use crate::error::SealError;
use crate::hash::{sha256, sha256_parts};
use crate::kdf::hkdf;
use crate::mac::MacKey;
use crate::secret::Secret;
use glacis_wire::message::session::SessionOpened;
use glacis_wire::{Digest, Encode, LegId, SessionId};

/// Names one opening: SHA-256 of its signature base, which is also what the device's signature is over.
pub fn transcript(base: &str) -> Digest {
    sha256(base.as_bytes())
}

/// The chain value after an opening.
pub fn advance(parent: &Digest, transcript: &Digest) -> Digest {
    sha256_parts(&[parent.as_bytes(), transcript.as_bytes()])
}

/// The session secret S, from the X25519 result.
pub fn secret(shared: &Secret, transcript: &Digest, context: &Context) -> Secret {
    hkdf(shared.expose(), transcript.as_bytes(), context, Purpose::Session, b"secret")
}

/// MACs the requests of one leg.
pub fn request_key(secret: &[u8; 32], leg: &LegId, context: &Context) -> MacKey {
    MacKey::new(request_secret(secret, leg, context))
}

/// What [`request_key`] is made of: an edge keeps it for very many legs, and a prepared key takes twenty times its place.
pub fn request_secret(secret: &[u8; 32], leg: &LegId, context: &Context) -> Secret {
    hkdf(secret, leg.as_bytes(), context, Purpose::Request, b"")
}

/// MACs openings of further legs.
pub fn leg_key(secret: &[u8; 32], session: &SessionId, context: &Context) -> MacKey {
    MacKey::new(hkdf(secret, session.as_bytes(), context, Purpose::Leg, b""))
}

/// MACs verdicts to the client.
pub fn verdict_key(secret: &[u8; 32], session: &SessionId, context: &Context) -> MacKey {
    MacKey::new(verdict_secret(secret, session, context))
}

/// What [`verdict_key`] is made of.
pub fn verdict_secret(secret: &[u8; 32], session: &SessionId, context: &Context) -> Secret {
    hkdf(secret, session.as_bytes(), context, Purpose::Verdict, b"")
}

/// The confirmation of an opening: HMAC over the transcript and every field of `opened` before `confirm`.
pub fn confirm(
    secret: &[u8; 32],
    opened: &SessionOpened,
    transcript: &Digest,
    context: &Context,
) -> Result<[u8; 32], SealError> {
    let (key, said) = confirmation(secret, opened, context)?;
    Ok(key.mac_parts(context, Purpose::Session, &[transcript.as_bytes(), &said]))
}

/// Checks the confirmation that `opened` carries.
pub fn check_confirm(
    secret: &[u8; 32],
    opened: &SessionOpened,
    transcript: &Digest,
    context: &Context,
) -> Result<(), SealError> {
    let (key, said) = confirmation(secret, opened, context)?;
    key.verify_parts(context, Purpose::Session, &[transcript.as_bytes(), &said], &opened.confirm)
}

fn confirmation(
    secret: &[u8; 32],
    opened: &SessionOpened,
    context: &Context,
) -> Result<(MacKey, Vec<u8>), SealError> {
    let key = MacKey::new(hkdf(secret, opened.session.as_bytes(), context, Purpose::Session, b"confirm"));
    let mut said = opened.to_bytes()?;
    // `confirm` is the last field and has a fixed length.
    said.truncate(said.len().saturating_sub(opened.confirm.len()));
    Ok((key, said))
}
