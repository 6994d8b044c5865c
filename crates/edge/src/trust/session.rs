//! Opening sessions and legs (DESIGN §5.3 steps 2 and 3): what is checked, and which keys follow from it.
//!
//! A session is opened offline: certificate and attestation result verify under published keys, the request
//! under the device key. A result names the certificate that was issued with it, so one signature vouches for both, and a
//! result that this node has verified before is not verified again. The key schedule itself is [`glacis_seal::session`], shared with the device.
//! The ticket carries the session secret to every node of the cluster.

use crate::state::legs::Leg;
use crate::state::vouched::Vouched;
use glacis_seal::{Context, Purpose, published, session, sha256, thumbprint};
use glacis_wire::message::Signed;
use glacis_wire::message::enrol::{AttestationResult, DeviceCertificate};
use glacis_wire::message::policy::{KeySet, KeyUse};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::session::{SessionOpen, TicketBody};
use glacis_wire::{Decode, Digest, Encode, LegId, Thumbprint, Timestamp};
use std::sync::Mutex;
use std::time::Duration;

/// Longest life of a ticket. Source: build contract (sessions last 10 to 60 minutes, never past the attestation).
pub(crate) const TICKET_LIFE: Duration = Duration::from_secs(30 * 60);

/// What the cloud vouches for about the device that opens.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) certificate: DeviceCertificate,
    pub(crate) result: AttestationResult,
    /// SHA-256 of the encoded signed result.
    pub(crate) result_digest: Digest,
    /// When the ticket must expire at the latest.
    pub(crate) not_after: Timestamp,
}

/// Checks certificate and result against the published keys, the claimed device and the time.
pub(crate) fn standing(
    open: &SessionOpen,
    device: &Thumbprint,
    context: &Context,
    keys: &KeySet,
    known: &Vouched,
    now: Timestamp,
) -> Result<Standing, Refusal> {
    let result_digest = digest(&open.result)?;
    let result: AttestationResult = if known.knows(&result_digest, keys.version) {
        decoded(&open.result)?
    } else {
        let result = vouched(&open.result, context, Purpose::Result, keys)?;
        known.learn(&result_digest, keys.version);
        result
    };
    // The certificate that the result names stands under the result's signature.
    let is_named = result.certificate.contains(&digest(&open.certificate)?);
    let certificate: DeviceCertificate = if is_named {
        decoded(&open.certificate)?
    } else {
        vouched(&open.certificate, context, Purpose::Certificate, keys)?
    };
    let same = certificate.thumbprint == *device
        && result.thumbprint == *device
        && thumbprint(&certificate.device_key) == *device;
    if !same {
        return Err(Refusal::SessionRefused);
    }
    let not_after = certificate.not_after.min(result.not_after).min(now.after(TICKET_LIFE));
    if not_after <= now {
        return Err(Refusal::TicketExpired);
    }
    Ok(Standing { certificate, result, result_digest, not_after })
}

/// SHA-256 of a signed message as it is encoded.
fn digest(signed: &Signed) -> Result<Digest, Refusal> {
    signed.to_bytes().map(|encoded| sha256(&encoded)).map_err(|_| Refusal::SessionRefused)
}

fn decoded<T: Decode>(signed: &Signed) -> Result<T, Refusal> {
    T::from_bytes(&signed.body).map_err(|_| Refusal::SessionRefused)
}

fn vouched<T: Decode>(
    signed: &Signed,
    context: &Context,
    purpose: Purpose,
    keys: &KeySet,
) -> Result<T, Refusal> {
    published::open_signed(keys, KeyUse::Result, context, purpose, signed)
        .map_err(|_| Refusal::SessionRefused)
}

/// The keys of one leg, and what a ticket says, ready for the hot path.
/// `ticket` is the mark of its header.
pub(crate) fn leg(body: &TicketBody, id: &LegId, ticket: u64, context: &Context) -> Leg {
    Leg {
        thumbprint: body.thumbprint,
        ticket,
        request: session::request_secret(&body.secret, id, context),
        verdict: session::verdict_secret(&body.secret, &body.session, context),
        tier: body.tier,
        trust: body.trust,
        passkey: body.passkey.map(Box::new),
        not_after: body.not_after,
        moving: Mutex::default(),
    }
}
