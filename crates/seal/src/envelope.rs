//! Signed and MAC'd messages: encode, protect, and the only ways back.
//!
//! Opening checks first and decodes second, so no decoder sees bytes that nobody vouched for.
//! Both take the purpose and the context from the caller, never from the message.

use crate::context::{Context, Purpose};
use crate::error::SealError;
use crate::key::{SigningKey, key_id, verify};
use crate::mac::MacKey;
use glacis_wire::message::{Bytes, Maced, PublicKey, Signed};
use glacis_wire::{Decode, Encode};

/// Encodes and signs.
pub fn sign_envelope(
    key: &SigningKey,
    context: &Context,
    purpose: Purpose,
    message: &impl Encode,
) -> Result<Signed, SealError> {
    let body = message.to_bytes()?;
    let signature = key.sign(context, purpose, &body)?;
    let signed = Signed { key: key.key_id(), body: Bytes(body), signature };
    // INVARIANT: what is signed can be sent; an oversized body fails here and not at the peer.
    signed.to_bytes()?;
    Ok(signed)
}

/// Checks the signature of exactly this key, then decodes.
pub fn open_envelope<T: Decode>(
    signed: &Signed,
    context: &Context,
    purpose: Purpose,
    key: &PublicKey,
) -> Result<T, SealError> {
    if signed.key != key_id(key) {
        return Err(SealError::WrongKey);
    }
    verify(key, context, purpose, &signed.body, &signed.signature)?;
    Ok(T::from_bytes(&signed.body)?)
}

/// Encodes and MACs.
pub fn mac_envelope(
    key: &MacKey,
    context: &Context,
    purpose: Purpose,
    message: &impl Encode,
) -> Result<Maced, SealError> {
    let body = message.to_bytes()?;
    let mac = key.mac(context, purpose, &body);
    let maced = Maced { body: Bytes(body), mac };
    maced.to_bytes()?;
    Ok(maced)
}

/// Checks the MAC, then decodes.
pub fn open_maced<T: Decode>(
    maced: &Maced,
    context: &Context,
    purpose: Purpose,
    key: &MacKey,
) -> Result<T, SealError> {
    key.verify(context, purpose, &maced.body, &maced.mac)?;
    Ok(T::from_bytes(&maced.body)?)
}
