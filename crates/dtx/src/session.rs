//! Sessions on the device (DESIGN §5.3 steps 2 to 4): one signature to open, then HMAC for every request.
//!
//! [`Sessions`] reserves number and chain value of an opening durably *before* the opening leaves, so a lost
//! answer leaves a gap and never a second branch. [`Session`] signs requests, renews its leg and checks verdicts;
//! it lives in memory and is opened anew after a restart, unless it is [kept](Session::keep).

use crate::enrol::Enrolled;
use crate::kept::{self, Keeper, Record};
use crate::keys::{KeyError, KeyStore};
use crate::role::Role;
use crate::vault::{Vault, VaultError};
use glacis_seal::httpsig::profile::{self, AUTHORIZATION, CONTENT_DIGEST, LABEL, SIGNATURE, SIGNATURE_INPUT};
use glacis_seal::httpsig::{self, Algorithm, Cover, HttpSigError, Params, content_digest, sfv};
use glacis_seal::session as schedule;
use glacis_seal::text::base64url;
use glacis_seal::{Context, MacKey, Purpose, SealError, Secret, Share, open_maced, sha256};
use glacis_wire::http::{self, Request};
use glacis_wire::limits::{MESSAGE_BYTES_MAX, PROOF_BYTES_MAX};
use glacis_wire::message::challenge::Proof;
use glacis_wire::message::decide::ClientVerdict;
use glacis_wire::message::session::{LegOpened, SessionOpen, SessionOpened};
use glacis_wire::message::{Maced, Text};
use glacis_wire::{
    Decode, DecodeError, Digest, Disclosed, Encode, EncodeError, EventId, LegId, Reader, SessionId,
    Thumbprint, Timestamp, Writer,
};
use std::num::NonZeroU32;
use std::sync::Arc;

/// The line of sessions of one device.
pub struct Sessions {
    vault: Arc<Vault>,
    keys: Arc<dyn KeyStore>,
    line: Line,
}

impl Sessions {
    /// Continues the line that the vault holds for this device key; a new key starts a new line.
    pub fn open(vault: Arc<Vault>, keys: Arc<dyn KeyStore>) -> Result<Self, SessionError> {
        let key = keys.public(Role::Device)?.ok_or(KeyError::Missing(Role::Device))?;
        let device = glacis_seal::thumbprint(&key);
        let line = match vault.get(RECORD)? {
            Some(content) => Line::from_bytes(&content).map_err(|_| VaultError::Sealed(RECORD.into()))?,
            None => Line::start(device),
        };
        let line = if line.device == device { line } else { Line::start(device) };
        Ok(Self { vault, keys, line })
    }

    /// Makes the next opening. Its number and chain value are durable when this returns, whether or not it is
    /// ever sent.
    pub fn begin(
        &mut self,
        enrolled: &Enrolled,
        authority: &str,
        now: Timestamp,
    ) -> Result<Opening, SessionError> {
        if enrolled.thumbprint() != self.line.device {
            return Err(SessionError::OtherDevice);
        }
        if enrolled.not_after() < now {
            return Err(SessionError::Expired);
        }
        let epoch_ctr = self.line.epoch_ctr.checked_add(1).ok_or(SessionError::Exhausted)?;
        let share = Share::generate(|out| self.vault.host().fill(out))?;
        let body = SessionOpen {
            certificate: enrolled.response().certificate.clone(),
            result: enrolled.response().result.clone(),
            share: share.public(),
            epoch_ctr,
            parent: self.line.chain,
        };
        let mut request = own_request(http::PATH_SESSION, authority, body.to_bytes()?);
        request.headers.push((CONTENT_DIGEST.into(), content_digest(&sha256(&request.body))));
        let params = params(
            now,
            (epoch_ctr, base64url(self.line.device.as_bytes())),
            (Algorithm::EcdsaP256Sha256, profile::TAG_SESSION),
        );
        let (mut base, mut input) = (String::new(), String::new());
        let cover = Cover { label: LABEL, components: profile::SESSION, params };
        httpsig::write_base(&mut base, &mut input, &request, &cover)?;
        let transcript = schedule::transcript(&base);
        let next = Line { epoch_ctr, chain: schedule::advance(&self.line.chain, &transcript), ..self.line };
        self.vault.put(RECORD, &next.to_bytes()?)?;
        self.line = next;
        let signature = self.keys.sign_raw(Role::Device, base.as_bytes())?;
        attach(&mut request, input, &signature);
        let context = self.vault.context().clone();
        Ok(Opening { request, context, share, transcript, authority: authority.to_owned() })
    }

    /// The chain value that the next opening will name as its parent.
    pub const fn chain(&self) -> Digest {
        self.line.chain
    }

    /// The number of the newest opening.
    pub const fn epoch_ctr(&self) -> u64 {
        self.line.epoch_ctr
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sessions({}, opening {})", self.line.device, self.line.epoch_ctr)
    }
}

/// An opening on its way; the answer makes it a [`Session`].
pub struct Opening {
    request: Request,
    context: Context,
    share: Share,
    transcript: Digest,
    authority: String,
}

impl Opening {
    /// What is to be sent.
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Takes the answer: only who agreed on the same secret over the same transcript can have confirmed it.
    pub fn finish(self, opened: SessionOpened, now: Timestamp) -> Result<Session, SessionError> {
        let secret = schedule::secret(&self.share.agree(&opened.share)?, &self.transcript, &self.context);
        schedule::check_confirm(secret.expose(), &opened, &self.transcript, &self.context)?;
        if opened.not_after < now {
            return Err(SessionError::Expired);
        }
        Ok(Session::new(
            Held {
                id: opened.session,
                secret,
                ticket: sfv::bytes(&opened.ticket),
                authority: self.authority,
                not_after: opened.not_after,
            },
            opened.leg,
            self.context,
        ))
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening({})", self.transcript)
    }
}

/// An open session.
pub struct Session {
    context: Context,
    held: Held,
    request_key: MacKey,
    leg_key: MacKey,
    verdict_key: MacKey,
    leg: LegId,
    /// The leg as `keyid` says it.
    leg_text: String,
    legs: u64,
    seq: u64,
    base: String,
    input: String,
    keeper: Option<Keeper>,
}

/// What stays as it was opened.
struct Held {
    id: SessionId,
    secret: Secret,
    /// The ticket as its header says it.
    ticket: String,
    authority: String,
    not_after: Timestamp,
}

/// A signed request, and what its verdict must answer.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedRequest {
    /// What is to be sent.
    pub request: Request,
    /// What [`Session::check_verdict`] holds the answer against.
    pub expected: Expected,
}

/// What a verdict must be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The user action.
    pub event_id: EventId,
    /// SHA-256 of the request's signature bytes.
    pub request: Digest,
    /// SHA-256 of the request body.
    pub content: Digest,
}

impl Session {
    fn new(held: Held, leg: LegId, context: Context) -> Self {
        Self {
            leg_key: schedule::leg_key(held.secret.expose(), &held.id, &context),
            verdict_key: schedule::verdict_key(held.secret.expose(), &held.id, &context),
            request_key: schedule::request_key(held.secret.expose(), &leg, &context),
            context,
            held,
            leg,
            leg_text: base64url(leg.as_bytes()),
            legs: 0,
            seq: 0,
            base: String::with_capacity(BASE_BYTES),
            input: String::with_capacity(BASE_BYTES),
            keeper: None,
        }
    }

    /// Continues the session that [`keep`](Self::keep) stored, behind every number that it reserved.
    ///
    /// `None` where there is none, where it is another device's or for another authority, or where its ticket
    /// ended. [`VaultError::Rollback`] means that an older one was put back: [`forget`](Self::forget) it.
    pub fn resume(
        vault: &Arc<Vault>,
        device: Thumbprint,
        authority: &str,
        block: NonZeroU32,
        now: Timestamp,
    ) -> Result<Option<Self>, SessionError> {
        let Some(record) = Record::load(vault)? else { return Ok(None) };
        if record.device != device || record.authority.0 != authority || record.not_after < now {
            return Ok(None);
        }
        let held = Held {
            id: record.id,
            secret: record.secret,
            ticket: record.ticket.0,
            authority: record.authority.0,
            not_after: record.not_after,
        };
        let mut session = Self::new(held, record.leg, vault.context().clone());
        (session.legs, session.seq) = (record.legs, record.reserved);
        let vault = Arc::clone(vault);
        session.keeper = Some(Keeper { vault, device, block, reserved: record.reserved });
        Ok(Some(session))
    }

    /// Keeps this session in the vault from now on, so that another process can [`resume`](Self::resume) it. Each
    /// write reserves `block` numbers: 1 for a process that signs once, more for one that signs often.
    pub fn keep(
        &mut self,
        vault: Arc<Vault>,
        device: Thumbprint,
        block: NonZeroU32,
    ) -> Result<(), SessionError> {
        let reserved = self.seq;
        self.keeper = Some(Keeper { vault, device, block, reserved });
        self.store(reserved)
    }

    /// Destroys the stored session, if there is one.
    pub fn forget(vault: &Vault) -> Result<(), SessionError> {
        Ok(kept::discard(vault)?)
    }

    /// Whether another process can resume this session.
    pub const fn is_kept(&self) -> bool {
        self.keeper.is_some()
    }

    /// Names the session.
    pub const fn id(&self) -> SessionId {
        self.held.id
    }

    /// When the ticket ends; open a new session before.
    pub const fn not_after(&self) -> Timestamp {
        self.held.not_after
    }

    /// The leg whose numbers are used now, and the last number used.
    pub const fn position(&self) -> (LegId, u64) {
        (self.leg, self.seq)
    }

    /// Signs a request of the app (step 3): adds digest, ticket, event, disclosure, proof and signature.
    ///
    /// `disclosed` is `None` only where no policy is involved (own endpoints, or no bundle yet). The app's headers
    /// must not hold any that this adds. An `authorization` header is covered if there is one.
    pub fn sign<'d>(
        &mut self,
        mut request: Request,
        event_id: EventId,
        disclosed: impl Into<Option<&'d Disclosed>>,
        proof: Option<&Proof>,
        now: Timestamp,
    ) -> Result<SignedRequest, SessionError> {
        if self.held.not_after < now {
            return Err(SessionError::Expired);
        }
        if request.headers.iter().any(|(name, _)| is_ours(name)) {
            return Err(SessionError::HeaderTaken);
        }
        let content = sha256(&request.body);
        let disclosed = disclosed.into().map(Encode::to_bytes).transpose()?.unwrap_or_default();
        let proof = proof.map(Encode::to_bytes).transpose()?.unwrap_or_default();
        if proof.len() > PROOF_BYTES_MAX {
            return Err(EncodeError { what: "challenge proof", limit: PROOF_BYTES_MAX }.into());
        }
        let components =
            match request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(AUTHORIZATION)).count() {
                0 => profile::REQUEST,
                1 => profile::REQUEST_WITH_PRINCIPAL,
                _ => return Err(SessionError::HeaderTaken),
            };
        request.headers.extend([
            (CONTENT_DIGEST.to_owned(), content_digest(&content)),
            (http::TICKET.to_owned(), self.held.ticket.clone()),
            (http::EVENT.to_owned(), sfv::bytes(event_id.as_bytes())),
            (http::DISCLOSURE.to_owned(), sfv::bytes(&disclosed)),
            (http::PROOF.to_owned(), sfv::bytes(&proof)),
        ]);
        let seq = self.seq.checked_add(1).ok_or(SessionError::Exhausted)?;
        let names = (seq, self.leg_text.clone());
        let params = params(now, names, (Algorithm::HmacSha256, profile::TAG_REQUEST));
        let cover = Cover { label: LABEL, components, params };
        httpsig::write_base(&mut self.base, &mut self.input, &request, &cover)?;
        self.reserve(seq)?;
        // A number is used up even if the request is never sent.
        self.seq = seq;
        let mac = self.request_key.mac_raw(self.base.as_bytes());
        attach(&mut request, self.input.clone(), &mac);
        Ok(SignedRequest { request, expected: Expected { event_id, request: sha256(&mac), content } })
    }

    /// Asks for a further leg with the same ticket, after the edge said `leg-unknown`.
    pub fn renew_leg(&mut self, now: Timestamp) -> Result<Request, SessionError> {
        if self.held.not_after < now {
            return Err(SessionError::Expired);
        }
        let mut request = own_request(http::PATH_LEG, &self.held.authority, Vec::new());
        request.headers.push((http::TICKET.to_owned(), self.held.ticket.clone()));
        self.legs = self.legs.checked_add(1).ok_or(SessionError::Exhausted)?;
        if let Some(reserved) = self.keeper.as_ref().map(|keeper| keeper.reserved) {
            self.store(reserved)?;
        }
        let names = (self.legs, base64url(self.held.id.as_bytes()));
        let params = params(now, names, (Algorithm::HmacSha256, profile::TAG_LEG));
        let cover = Cover { label: LABEL, components: profile::LEG, params };
        httpsig::write_base(&mut self.base, &mut self.input, &request, &cover)?;
        let mac = self.leg_key.mac_raw(self.base.as_bytes());
        attach(&mut request, self.input.clone(), &mac);
        Ok(request)
    }

    /// Takes a further leg: new request key, numbers from one.
    ///
    /// The answer needs no MAC: a leg that the edge does not hold only gets the next request refused.
    pub fn adopt_leg(&mut self, opened: &LegOpened) {
        self.request_key = schedule::request_key(self.held.secret.expose(), &opened.leg, &self.context);
        self.leg = opened.leg;
        self.leg_text = base64url(opened.leg.as_bytes());
        self.seq = 0;
        if let Some(keeper) = &mut self.keeper {
            // The first signature stores the leg with its first block; until then the stored one stays good.
            keeper.reserved = 0;
        }
    }

    /// Makes `seq` durable as reserved, with the rest of its block.
    fn reserve(&mut self, seq: u64) -> Result<(), SessionError> {
        match &self.keeper {
            Some(keeper) if seq > keeper.reserved => {
                let block = u64::from(keeper.block.get());
                let until = (seq - 1).checked_add(block).ok_or(SessionError::Exhausted)?;
                self.store(until)
            }
            _ => Ok(()),
        }
    }

    /// Stores a kept session with this number as the highest reserved one.
    fn store(&mut self, reserved: u64) -> Result<(), SessionError> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let record = Record {
            device: keeper.device,
            authority: Text(self.held.authority.clone()),
            id: self.held.id,
            secret: self.held.secret.clone(),
            ticket: Text(self.held.ticket.clone()),
            not_after: self.held.not_after,
            leg: self.leg,
            legs: self.legs,
            reserved,
        };
        record.store(&keeper.vault)?;
        keeper.reserved = reserved;
        Ok(())
    }

    /// Believes a verdict only under the session's key, about exactly this request, and in time.
    pub fn check_verdict(
        &self,
        header: &str,
        expected: &Expected,
        now: Timestamp,
    ) -> Result<ClientVerdict, SessionError> {
        let bytes = sfv::parse_bytes(header, MESSAGE_BYTES_MAX)?;
        let maced = Maced::from_bytes(&bytes).map_err(SealError::Decode)?;
        let verdict: ClientVerdict = open_maced(&maced, &self.context, Purpose::Verdict, &self.verdict_key)?;
        let about =
            Expected { event_id: verdict.event_id, request: verdict.request, content: verdict.content };
        if about != *expected {
            return Err(SessionError::OtherRequest);
        }
        if verdict.not_after < now {
            return Err(SessionError::Expired);
        }
        Ok(verdict)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, leg {}, request {})", self.held.id, self.leg_text, self.seq)
    }
}

/// The newest opening of one device key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    device: Thumbprint,
    epoch_ctr: u64,
    chain: Digest,
}

impl Line {
    const fn start(device: Thumbprint) -> Self {
        Self { device, epoch_ctr: 0, chain: Digest::new([0; Digest::LEN]) }
    }
}

impl Encode for Line {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.device.encode(out)?;
        self.epoch_ctr.encode(out)?;
        self.chain.encode(out)
    }
}

impl Decode for Line {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: Decode::decode(input)?,
            epoch_ctr: Decode::decode(input)?,
            chain: Decode::decode(input)?,
        })
    }
}

/// Why a session could not be opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Certificate, result, ticket or verdict is past its end.
    #[error("expired")]
    Expired,
    /// The enrolment is about another device key.
    #[error("the enrolment is about another device key")]
    OtherDevice,
    /// The verdict is about another request.
    #[error("the verdict is about another request")]
    OtherRequest,
    /// The request already has a header that signing adds, or two `authorization`.
    #[error("the request already has a header that belongs to signing")]
    HeaderTaken,
    /// No number is left.
    #[error("no number is left")]
    Exhausted,
    /// The request cannot be signed, or a field cannot be read.
    #[error("signature fields: {0}")]
    Fields(#[from] HttpSigError),
    /// Agreement, confirmation or MAC failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key store failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The vault failed; nothing was sent.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A message is over its limit.
    #[error(transparent)]
    Limit(#[from] EncodeError),
}

/// Headers that only signing may add.
fn is_ours(name: &str) -> bool {
    let ours = [CONTENT_DIGEST, SIGNATURE, SIGNATURE_INPUT].iter().any(|own| name.eq_ignore_ascii_case(own));
    ours || name.get(..http::OUR_PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(http::OUR_PREFIX))
}

fn own_request(path: &str, authority: &str, body: Vec<u8>) -> Request {
    let headers = match body.is_empty() {
        true => Vec::new(),
        false => vec![("content-type".to_owned(), http::MEDIA_TYPE.to_owned())],
    };
    Request {
        method: "POST".to_owned(),
        authority: authority.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        headers,
        body,
    }
}

fn params(
    now: Timestamp,
    (nonce, keyid): (u64, String),
    (alg, tag): (Algorithm, &'static str),
) -> Params<'static> {
    let created = now.as_secs();
    Params {
        created: Some(created),
        expires: Some(created.saturating_add(profile::LIFETIME_MAX.as_secs())),
        nonce: Some(nonce.to_string().into()),
        keyid: Some(keyid.into()),
        alg: Some(alg.name().into()),
        tag: Some(tag.into()),
    }
}

fn attach(request: &mut Request, input: String, signature: &[u8]) {
    let mut field = String::with_capacity(100);
    httpsig::write_signature(&mut field, LABEL, signature);
    request.headers.push((SIGNATURE_INPUT.to_owned(), input));
    request.headers.push((SIGNATURE.to_owned(), field));
}

const RECORD: &str = "sessions";
/// Room for a usual signature base; it grows if a disclosure is long.
const BASE_BYTES: usize = 1_024;
