//! The edge's own endpoints: sessions, legs, challenge nonces, device records, the device bundle, and what is
//! passed on to the cloud.
//!
//! Everything here is behind the prefix limit. What costs asymmetric work draws on its own budget, so a flood of
//! openings cannot starve bound sessions.

use super::caller::{Signed, content};
use super::{Body, EdgeCore, Held, Step, answer};
use crate::limit::Prefix;
use crate::request::{Once, RequestHead, SESSION, SignatureFields};
use crate::trust::proof::Binding;
use crate::trust::session;
use glacis_seal::key::verify_digest;
use glacis_seal::{Share, seal_ticket, sha256};
use glacis_wire::http::{self, Response};
use glacis_wire::limits::MESSAGE_BYTES_MAX;
use glacis_wire::message::challenge::ChallengeRequest;
use glacis_wire::message::decide::{AttributedBatch, DeviceBatch};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::session::{OpeningRecord, SessionOpen, SessionOpened, TicketBody};
use glacis_wire::{Decode, Encode, Thumbprint, Timestamp};
use std::net::IpAddr;

/// Longest body of a session opening: two signed envelopes. Unit: bytes.
const SESSION_BYTES_MAX: usize = 16_384;

/// A message to pass on to the cloud.
#[derive(Debug)]
pub struct Relay {
    /// The method.
    pub method: &'static str,
    /// Path at the cloud.
    pub path: &'static str,
    /// Query at the cloud, with its `?`; empty where there is none.
    pub query: String,
    /// The body, as the device sent it.
    pub body: Vec<u8>,
}

/// Which endpoint waits for its body.
#[derive(Debug)]
pub(super) enum Wanted {
    Session,
    Challenge(Box<Signed>),
    Records(Box<Signed>),
    Relay { path: &'static str, query: String },
}

impl EdgeCore {
    pub(super) fn own(
        &self,
        head: &RequestHead<'_>,
        body: Body<'_>,
        peer: IpAddr,
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        let relay = |path| Ok((MESSAGE_BYTES_MAX, Wanted::Relay { path, query: String::new() }));
        // The cloud counts enrolments of a prefix over all nodes.
        let from = |path| {
            let query = format!("?from={}", Prefix::from(peer));
            Ok((MESSAGE_BYTES_MAX, Wanted::Relay { path, query }))
        };
        let live = self.live();
        let config = &*live.config;
        let wanted: Result<(usize, Wanted), Refusal> = match (head.method, head.path) {
            ("POST", http::PATH_LEG) => {
                let opened = self.open_leg(config, head, now)?;
                return answer::message(200, &opened).map(Step::Answer);
            }
            ("GET", http::PATH_BUNDLE) => return self.device_bundle(head).map(Step::Answer),
            ("POST", http::PATH_SESSION) => Ok((SESSION_BYTES_MAX, Wanted::Session)),
            ("POST", http::PATH_CHALLENGE) => {
                Ok((MESSAGE_BYTES_MAX, Wanted::Challenge(Box::new(self.signed(config, head, now)?))))
            }
            ("POST", http::PATH_RECORDS) => {
                Ok((MESSAGE_BYTES_MAX, Wanted::Records(Box::new(self.signed(config, head, now)?))))
            }
            ("POST", http::PATH_ENROL_CHALLENGE) => relay("/v1/device/enrol/challenge"),
            ("POST", http::PATH_ENROL_ACTIVATION) => relay("/v1/device/enrol/activation"),
            ("POST", http::PATH_ENROL) => from("/v1/device/enrol"),
            ("POST", http::PATH_OTP_START) => relay("/v1/device/otp/start"),
            ("POST", http::PATH_OTP_VERIFY) => relay("/v1/device/otp/verify"),
            ("POST", http::PATH_PASSKEY_VERIFY) => relay("/v1/device/passkey/verify"),
            _ => Err(Refusal::NoRoute),
        };
        let (limit, wanted) = wanted?;
        match body {
            Body::Empty => self.own_body(wanted, head, &[], now),
            Body::Whole(bytes) if bytes.len() > limit => Err(Refusal::BodyTooLarge),
            Body::Whole(bytes) => self.own_body(wanted, head, bytes, now),
            Body::OutOfReach(refusal) => Err(refusal),
            Body::ToCome => Ok(Step::NeedBody(Box::new(Held { limit, what: super::Wanted::Own(wanted) }))),
        }
    }

    pub(super) fn own_body(
        &self,
        wanted: Wanted,
        head: &RequestHead<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        match wanted {
            Wanted::Session => self.open_session(head, body, now),
            Wanted::Challenge(signed) => self.issue_challenge(&signed, head, body, now),
            Wanted::Records(signed) => self.take_records(&signed, body, now),
            Wanted::Relay { path, query } => {
                let body = body.to_vec();
                Ok(Step::Relay(Box::new(Relay { method: "POST", path, query, body })))
            }
        }
    }

    /// The cloud's answer to a relayed message; `None` where there was none in time, or none authentic.
    pub fn relayed(&self, answer: Option<Response>) -> Response {
        match answer {
            Some(answer) => {
                let keep = |name: &str| matches!(name, "content-type" | http::REFERENCE | "retry-after");
                let headers = answer.headers.into_iter().filter(|(name, _)| keep(name)).collect();
                Response { headers, ..answer }
            }
            None => self.refusal(Refusal::Unavailable),
        }
    }

    fn open_session(&self, head: &RequestHead<'_>, body: &[u8], now: Timestamp) -> Result<Step, Refusal> {
        let signature: SignatureFields<'_, { Thumbprint::LEN }, 64> = SESSION.read(head)?;
        signature.check_time(now)?;
        if content(head)? != sha256(body) {
            return Err(Refusal::DigestMismatch);
        }
        let open = SessionOpen::from_bytes(body).map_err(|_| Refusal::SessionRefused)?;
        let device = Thumbprint::new(signature.key);
        if open.epoch_ctr != signature.number {
            return Err(Refusal::SessionRefused);
        }
        // Up to three verifications and one agreement follow.
        self.asymmetric(now)?;
        let standing = session::standing(&open, &device, &self.context, &self.keys(), &self.vouched, now)?;
        let (tier, trust) = (standing.result.tier, standing.result.trust);
        self.left_by_feed(&self.config(), &device, tier, trust, now).ok_or(Refusal::DeviceRefused)?;
        let transcript = self.with_base(|base| {
            SESSION.base(head, &signature.params, base)?;
            // The transcript is the very digest that was signed.
            let transcript = glacis_seal::session::transcript(base);
            verify_digest(&standing.certificate.device_key, &transcript, &signature.signature)
                .map_err(|_| Refusal::SignatureWrong)?;
            Ok(transcript)
        })?;
        // Only what the device signed counts against it: certificate and result are no secrets.
        if self.devices.take(&device, now).is_err() {
            return Err(Refusal::DeviceLimited);
        }
        let share = Share::generate(|out: &mut [u8]| self.host.fill(out)).map_err(|_| Refusal::Overloaded)?;
        let public = share.public();
        let agreed = share.agree(&open.share).map_err(|_| Refusal::SessionRefused)?;
        let secret = glacis_seal::session::secret(&agreed, &transcript, &self.context);
        let ticket = TicketBody {
            session: self.new_session()?,
            thumbprint: device,
            secret: *secret.expose(),
            tier,
            trust,
            passkey: standing.certificate.passkey,
            result: standing.result_digest,
            not_after: standing.not_after,
        };
        let record = OpeningRecord {
            thumbprint: device,
            epoch_ctr: open.epoch_ctr,
            parent: open.parent,
            chain: glacis_seal::session::advance(&open.parent, &transcript),
            opened_at: now,
            node: self.node.clone(),
        };
        let opened = self.first_leg(&ticket, public, &transcript)?;
        self.duty.opening(&record).map_err(|_| Refusal::Overloaded)?;
        self.facts.session();
        answer::message(200, &opened).map(Step::Answer)
    }

    fn first_leg(
        &self,
        ticket: &TicketBody,
        share: [u8; 32],
        transcript: &glacis_wire::Digest,
    ) -> Result<SessionOpened, Refusal> {
        let fill = |out: &mut [u8]| self.host.fill(out);
        let sealed = seal_ticket(&self.tickets().current, &self.context, fill, ticket);
        let sealed = sealed.map_err(|_| Refusal::Overloaded)?;
        let text = crate::request::render_sequence(&sealed);
        let id = self.new_leg()?;
        self.legs.insert(id, session::leg(ticket, &id, self.legs.mark(&text), &self.context));
        let mut opened = SessionOpened {
            share,
            session: ticket.session,
            ticket: sealed,
            leg: id,
            not_after: ticket.not_after,
            confirm: [0; 32],
        };
        opened.confirm = glacis_seal::session::confirm(&ticket.secret, &opened, transcript, &self.context)
            .map_err(|_| Refusal::Overloaded)?;
        Ok(opened)
    }

    /// A nonce for a device that starts a challenge on its own.
    fn issue_challenge(
        &self,
        signed: &Signed,
        head: &RequestHead<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Step, Refusal> {
        if signed.content != sha256(body) {
            return Err(Refusal::DigestMismatch);
        }
        let wanted = ChallengeRequest::from_bytes(body).map_err(|_| Refusal::BodyUnreadable)?;
        let live = self.live();
        let claim = live.config.routes.iter().find_map(|route| route.principal.as_ref());
        let principal = match claim {
            Some(wanted) => self.principal(&live, (head, &wanted.claim), Some(&*signed.leg), now)?,
            None => None,
        };
        let binding = Binding {
            thumbprint: signed.leg.thumbprint,
            event: wanted.event,
            content: wanted.content,
            principal: principal.as_deref().unwrap_or(""),
        };
        let nonce = self.challenger.issue(binding, wanted.method, &*self.host, now)?;
        answer::message(200, &nonce).map(Step::Answer)
    }

    /// Records of what a device decided on its own; answered when they are in the journal.
    fn take_records(&self, signed: &Signed, body: &[u8], now: Timestamp) -> Result<Step, Refusal> {
        if signed.content != sha256(body) {
            return Err(Refusal::DigestMismatch);
        }
        let batch = DeviceBatch::from_bytes(body).map_err(|_| Refusal::BodyUnreadable)?;
        let attributed = AttributedBatch {
            thumbprint: signed.leg.thumbprint,
            tier: signed.tier,
            trust: signed.trust,
            received: now,
            batch,
        };
        self.duty.devices(&attributed).map_err(|_| Refusal::Overloaded)?;
        Ok(Step::Answer(answer::bytes(202, Vec::new())))
    }

    /// The newest device bundle, with the key sets that the asker (`?keys=N`) does not hold yet.
    fn device_bundle(&self, head: &RequestHead<'_>) -> Result<Response, Refusal> {
        let held = match head.query {
            "" => 0,
            query => {
                query.strip_prefix("?keys=").and_then(|n| n.parse().ok()).ok_or(Refusal::BodyUnreadable)?
            }
        };
        let (version, published) = self.device_published(held).ok_or(Refusal::Unavailable)?;
        let etag = format!("\"{version}-{held}\"");
        let headers = |mut response: Response| {
            response.headers.push(("etag".to_owned(), etag.clone()));
            response
        };
        if head.fields.if_none_match == Once::One(&etag) {
            return Ok(headers(Response { status: 304, ..Response::default() }));
        }
        let bytes = published.to_bytes().map_err(|_| Refusal::Unavailable)?;
        Ok(headers(answer::bytes(200, bytes)))
    }
}
