//! Who sent a request: a device's session behind a valid signature, or nobody.
//!
//! Order, cheapest first: both signature fields → leg → ticket text → time → number still fresh → MAC → number
//! used up → device not refused → device's rate. The number is used up only after the MAC holds, so a forger
//! moves no window.

use super::EdgeCore;
use super::live::Live;
use crate::config::EdgeConfig;
use crate::request::{
    LEG, Once, Profile, REQUEST, REQUEST_WITH_PRINCIPAL, RequestHead, SignatureFields, sequence,
    sequence_array,
};
use crate::state::legs::{Leg, VerifiedToken};
use crate::state::lock;
use crate::trust::feed::Freshness;
use crate::trust::session;
use glacis_seal::httpsig::parse_content_digest;
use glacis_seal::ticket::open_ticket;
use glacis_seal::{MacKey, SealError, sha256};
use glacis_wire::message::challenge::Proof;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::session::{LegOpened, TicketBody};
use glacis_wire::{Decode, Digest, Disclosed, EventId, LegId, Thumbprint, Tier, Timestamp, Trust};
use std::sync::Arc;

/// A device behind a verified request signature. [`EdgeCore::signed`] is the only way to one.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) leg: Arc<Leg>,
    pub(super) tier: Tier,
    pub(super) trust: Trust,
    pub(super) event_id: EventId,
    /// What the body must hash to.
    pub(super) content: Digest,
    /// SHA-256 of the signature bytes.
    pub(super) request: Digest,
    /// `None` where the device sent an empty one: it has no policy yet, or none is involved.
    pub(super) disclosed: Option<Disclosed>,
    pub(super) proof: Option<Box<Proof>>,
}

/// SHA-256 of nothing.
pub(super) const EMPTY: Digest = Digest::new([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);
/// The field value of [`EMPTY`], as our devices write it.
const EMPTY_FIELD: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";

impl EdgeCore {
    /// Verifies the request signature.
    pub(super) fn signed(
        &self,
        config: &EdgeConfig,
        head: &RequestHead<'_>,
        now: Timestamp,
    ) -> Result<Signed, Refusal> {
        let fields = &head.fields;
        let profile = if fields.authorization.is_absent() { REQUEST } else { REQUEST_WITH_PRINCIPAL };
        let signature: SignatureFields<'_, { LegId::LEN }, 32> = profile.read(head)?;
        let leg = self.legs.find(&LegId::new(signature.key)).ok_or(Refusal::LegUnknown)?;
        match fields.ticket {
            Once::One(ticket) if self.legs.mark(ticket) == leg.ticket => {}
            Once::Many => return Err(Refusal::SignatureMalformed),
            _ => return Err(Refusal::TicketInvalid),
        }
        if now > leg.not_after {
            return Err(Refusal::TicketExpired);
        }
        signature.check_time(now)?;
        if !lock(&leg.moving).window.is_fresh(signature.number) {
            return Err(Refusal::Replayed);
        }
        self.check_mac(&profile, head, &signature, &MacKey::new(leg.request.clone()))?;
        if !lock(&leg.moving).window.commit(signature.number) {
            return Err(Refusal::Replayed);
        }
        let (tier, trust) = self.standing(config, &leg, now)?;
        if self.devices.take(&leg.thumbprint, now).is_err() {
            return Err(Refusal::DeviceLimited);
        }
        let request = sha256(&signature.signature);
        let (content, event_id) = (content(head)?, event_id(head)?);
        let (disclosed, proof) = (disclosure(head)?, proof(head)?);
        Ok(Signed { leg, tier, trust, event_id, content, request, disclosed, proof })
    }

    fn check_mac<const K: usize>(
        &self,
        profile: &Profile,
        head: &RequestHead<'_>,
        signature: &SignatureFields<'_, K, 32>,
        key: &MacKey,
    ) -> Result<(), Refusal> {
        self.with_base(|base| {
            profile.base(head, &signature.params, base)?;
            key.verify_raw(base.as_bytes(), &signature.signature).map_err(|_| Refusal::SignatureWrong)
        })
    }

    /// What feed and feed age leave of the device's tier and trust.
    fn standing(&self, config: &EdgeConfig, leg: &Leg, now: Timestamp) -> Result<(Tier, Trust), Refusal> {
        self.left_by_feed(config, &leg.thumbprint, leg.tier, leg.trust, now).ok_or(Refusal::DeviceRefused)
    }

    /// The same of what a device is worth by itself; none where it is refused.
    pub(crate) fn left_by_feed(
        &self,
        config: &EdgeConfig,
        device: &Thumbprint,
        tier: Tier,
        trust: Trust,
        now: Timestamp,
    ) -> Option<(Tier, Trust)> {
        let feed = self.feed();
        let freshness = feed.freshness(config.feed_stale, config.feed_very_stale, now);
        feed.apply(device, freshness, tier, trust)
    }

    /// Whether the feed lets a policy be run at all.
    pub(super) fn feed_is_usable(&self, config: &EdgeConfig, now: Timestamp) -> bool {
        let freshness = self.feed().freshness(config.feed_stale, config.feed_very_stale, now);
        freshness != Freshness::VeryStale
    }

    /// Opens a further leg of a session: the ticket opens, and the session's key signed.
    pub(super) fn open_leg(
        &self,
        config: &EdgeConfig,
        head: &RequestHead<'_>,
        now: Timestamp,
    ) -> Result<LegOpened, Refusal> {
        let signature: SignatureFields<'_, 16, 32> = LEG.read(head)?;
        let Once::One(text) = head.fields.ticket else { return Err(Refusal::SignatureMalformed) };
        signature.check_time(now)?;
        let ticket = self.ticket(text, now)?;
        if *ticket.session.as_bytes() != signature.key {
            return Err(Refusal::SignatureWrong);
        }
        let key = glacis_seal::session::leg_key(&ticket.secret, &ticket.session, &self.context);
        self.check_mac(&LEG, head, &signature, &key)?;
        let id = self.new_leg()?;
        let leg = session::leg(&ticket, &id, self.legs.mark(text), &self.context);
        self.standing(config, &leg, now)?;
        if self.devices.take(&leg.thumbprint, now).is_err() {
            return Err(Refusal::DeviceLimited);
        }
        self.legs.insert(id, leg);
        self.facts.leg();
        Ok(LegOpened { leg: id })
    }

    fn ticket(&self, text: &str, now: Timestamp) -> Result<TicketBody, Refusal> {
        let sealed = sequence(text).ok_or(Refusal::TicketInvalid)?;
        let body = open_ticket(&self.tickets(), &self.context, &sealed).map_err(|error| match error {
            SealError::UnknownEpoch => Refusal::TicketExpired,
            _ => Refusal::TicketInvalid,
        })?;
        if now > body.not_after { Err(Refusal::TicketExpired) } else { Ok(body) }
    }

    /// The principal of a signed or unsigned request; `None` where no token came.
    pub(super) fn principal(
        &self,
        live: &Live,
        (head, claim): (&RequestHead<'_>, &str),
        leg: Option<&Leg>,
        now: Timestamp,
    ) -> Result<Option<Arc<str>>, Refusal> {
        let header = match head.fields.authorization {
            Once::Absent => return Ok(None),
            Once::Many => return Err(Refusal::PrincipalWrong),
            Once::One(header) => header,
        };
        let verifier = live.tokens.as_ref().ok_or(Refusal::PrincipalWrong)?;
        if let Some(leg) = leg {
            let known = lock(&leg.moving);
            let same = |token: &&VerifiedToken| {
                Arc::ptr_eq(&token.by, verifier) && *token.text == *header && *token.claim == *claim
            };
            if let Some(token) = known.token.as_deref().filter(same).filter(|token| token.is_valid(now)) {
                return Ok(Some(Arc::clone(&token.principal)));
            }
        }
        if verifier.is_asymmetric() {
            self.asymmetric(now)?;
        }
        let token = verifier.verify(header, claim, now)?;
        let principal = Arc::clone(&token.principal);
        if let Some(leg) = leg {
            lock(&leg.moving).token = Some(Box::new(token));
        }
        Ok(Some(principal))
    }
}

/// The digest that a signed request says its body has.
pub(super) fn content(head: &RequestHead<'_>) -> Result<Digest, Refusal> {
    match head.fields.content_digest {
        Once::One(EMPTY_FIELD) => Ok(EMPTY),
        Once::One(value) => parse_content_digest(value).map_err(|_| Refusal::SignatureMalformed),
        Once::Absent => Err(Refusal::SignatureCoverage),
        Once::Many => Err(Refusal::SignatureMalformed),
    }
}

fn event_id(head: &RequestHead<'_>) -> Result<EventId, Refusal> {
    let id = head.fields.event.one().and_then(sequence_array);
    id.map(EventId::new).ok_or(Refusal::SignatureMalformed)
}

fn disclosure(head: &RequestHead<'_>) -> Result<Option<Disclosed>, Refusal> {
    let bytes = head.fields.disclosure.one().and_then(sequence).ok_or(Refusal::DisclosureMalformed)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    Disclosed::from_bytes(&bytes).map(Some).map_err(|_| Refusal::DisclosureMalformed)
}

fn proof(head: &RequestHead<'_>) -> Result<Option<Box<Proof>>, Refusal> {
    match head.fields.proof {
        Once::One("::") => Ok(None),
        Once::One(value) => {
            let bytes = sequence(value).ok_or(Refusal::ProofWrong)?;
            Proof::from_bytes(&bytes).map(|proof| Some(Box::new(proof))).map_err(|_| Refusal::ProofWrong)
        }
        _ => Err(Refusal::SignatureCoverage),
    }
}
