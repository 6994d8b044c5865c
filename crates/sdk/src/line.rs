//! The session line of a client: enrolment, session, leg, and what cures a refusal.
//!
//! Flows ask for upkeep before each signed request: it yields the opening or leg that is missing,
//! and `None` when the line is up. Everything durable (number and chain of openings) is the middleware's.

use crate::flow::{Patience, bytes, own_answer, read, refusal_of};
use crate::outcome::{FlowError, FlowErrorKind};
use glacis_dtx::enrol::Draft;
use glacis_dtx::{
    EnrolError, Enrolled, Enrolment, Expected, KeyError, KeyStore, Opening, Role, Session, SessionError,
    Sessions, SignedRequest, UserVerification, Vault, VaultError,
};
use glacis_host::entropy;
use glacis_seal::httpsig::profile::AUTHORIZATION;
use glacis_seal::{Context, Purpose};
use glacis_wire::http::{MEDIA_TYPE, Request, Response, VERDICT};
use glacis_wire::message::Signature;
use glacis_wire::message::challenge::{ChallengeNonce, Proof};
use glacis_wire::message::decide::ClientVerdict;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Disclosed, Encode, EventId, PolicyDigest, SessionId, Timestamp};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Enrolment, session and leg of one device.
pub struct Line {
    vault: Arc<Vault>,
    keys: Arc<dyn KeyStore>,
    authority: String,
    enrolled: Option<Enrolled>,
    sessions: Option<Sessions>,
    session: Option<Session>,
    leg_lost: bool,
    /// Numbers that one write reserves, where sessions outlive the process.
    keep: Option<NonZeroU32>,
}

/// What was sent to keep the line up.
pub(crate) enum Upkeep {
    Opening(Box<Opening>),
    Leg,
}

impl Line {
    pub(crate) fn open(
        vault: Arc<Vault>,
        keys: Arc<dyn KeyStore>,
        authority: String,
    ) -> Result<Self, FlowError> {
        let enrolled =
            Enrolled::load(&vault).map_err(|error| FlowError::because(FlowErrorKind::Custody, error))?;
        Ok(Self {
            vault,
            keys,
            authority,
            enrolled,
            sessions: None,
            session: None,
            leg_lost: false,
            keep: None,
        })
    }

    /// Keeps sessions in the vault from now on, and continues the one that is there.
    pub(crate) fn keep(&mut self, block: NonZeroU32) -> Result<(), FlowError> {
        self.keep = Some(block);
        let Some(enrolled) = &self.enrolled else { return Ok(()) };
        let resumed = Session::resume(&self.vault, enrolled.thumbprint(), &self.authority, block, self.now());
        self.session = match resumed {
            // Somebody put an older session back. Its numbers are used; a new session has none.
            Err(SessionError::Vault(VaultError::Rollback(_))) => None,
            resumed => resumed.map_err(unkept)?,
        };
        Ok(())
    }

    /// Asks for a new leg before the next signature, whatever the edge still holds.
    pub(crate) const fn distrust_leg(&mut self) {
        self.leg_lost = true;
    }

    /// The time of day, as the middleware's host tells it.
    pub fn now(&self) -> Timestamp {
        self.vault.host().now()
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Tenant and realm.
    pub fn context(&self) -> &Context {
        self.vault.context()
    }

    /// Host and port of the edge.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What the cloud vouches for, once enrolled.
    pub const fn enrolment(&self) -> Option<&Enrolled> {
        self.enrolled.as_ref()
    }

    /// The id of the open session.
    pub(crate) fn session_id(&self) -> Option<SessionId> {
        self.session.as_ref().map(Session::id)
    }

    /// The open session, for clients that build their own requests.
    pub const fn session(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// A new event id: one for each user action.
    ///
    /// # Errors
    /// [`FlowErrorKind::Entropy`].
    pub fn event_id(&self) -> Result<EventId, FlowError> {
        let random = entropy::array(self.vault.host().as_ref());
        random.map(EventId::new).map_err(|error| FlowError::because(FlowErrorKind::Entropy, error))
    }

    /// Signs a request of the app to the edge, on the open session.
    ///
    /// # Errors
    /// If there is no session, or the request cannot be signed.
    pub fn sign(
        &mut self,
        mut request: Request,
        event_id: EventId,
        disclosed: &Disclosed,
        proof: Option<&Proof>,
    ) -> Result<SignedRequest, FlowError> {
        request.authority.clone_from(&self.authority);
        let now = self.now();
        let session = self.session.as_mut().ok_or(FlowError::new(FlowErrorKind::Misuse))?;
        session.sign(request, event_id, disclosed, proof, now).map_err(unsigned)
    }

    /// Signs a message to one of the edge's own endpoints. It is no event, hence an id of its own and nothing
    /// disclosed; `principal` is the `authorization` of the action that it belongs to, if that has one.
    pub(crate) fn sign_own(
        &mut self,
        path: &str,
        principal: Option<&str>,
        body: &impl Encode,
    ) -> Result<SignedRequest, FlowError> {
        let principal = principal.map(|token| (AUTHORIZATION.to_owned(), token.to_owned()));
        let media_type = (String::from("content-type"), MEDIA_TYPE.to_owned());
        let request = Request {
            method: String::from("POST"),
            path: path.to_owned(),
            headers: [media_type].into_iter().chain(principal).collect(),
            body: bytes(body)?,
            ..Request::default()
        };
        let event_id = self.event_id()?;
        self.sign(request, event_id, &nothing(), None)
    }

    /// Signs a challenge nonce with the passkey; the user's approval is used up.
    pub(crate) fn sign_challenge(
        &self,
        nonce: &ChallengeNonce,
        verification: UserVerification,
    ) -> Result<Signature, FlowError> {
        let message = bytes(nonce)?;
        let signed = self.keys.sign_verified(
            Role::PASSKEY,
            verification,
            self.context(),
            Purpose::Challenge,
            &message,
        );
        signed.map_err(|error| {
            let kind = match error {
                KeyError::VerificationMismatch => FlowErrorKind::Misuse,
                _ => FlowErrorKind::Custody,
            };
            FlowError::because(kind, error)
        })
    }

    /// The verdict that a response carries, if it carries one: authentic, about exactly this request, in time.
    pub(crate) fn verdict(
        &self,
        response: &Response,
        expected: &Expected,
    ) -> Result<Option<ClientVerdict>, FlowError> {
        let mut fields = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(VERDICT));
        let Some((_, field)) = fields.next() else { return Ok(None) };
        let session = match (fields.next(), &self.session) {
            (None, Some(session)) => session,
            _ => return Err(FlowError::new(FlowErrorKind::Unverifiable)),
        };
        session.check_verdict(field, expected, self.now()).map(Some).map_err(|error| {
            let kind = match error {
                SessionError::OtherRequest => FlowErrorKind::Mismatched,
                SessionError::Expired => FlowErrorKind::Stale,
                _ => FlowErrorKind::Unverifiable,
            };
            FlowError::because(kind, error)
        })
    }

    /// The opening or leg that is missing, if one is.
    pub(crate) fn upkeep(&mut self) -> Result<Option<(Request, Upkeep)>, FlowError> {
        let now = self.now();
        if let Some(session) = &mut self.session
            && now.after(TICKET_MARGIN) < session.not_after()
        {
            if !self.leg_lost {
                return Ok(None);
            }
            let request = session.renew_leg(now).map_err(unsigned)?;
            return Ok(Some((request, Upkeep::Leg)));
        }
        self.session = None;
        let enrolled = self.enrolled.as_ref().ok_or(FlowError::new(FlowErrorKind::NotEnrolled))?;
        let sessions = match self.sessions.take() {
            Some(sessions) => sessions,
            None => Sessions::open(Arc::clone(&self.vault), Arc::clone(&self.keys)).map_err(unopened)?,
        };
        let opening =
            self.sessions.insert(sessions).begin(enrolled, &self.authority, now).map_err(unopened)?;
        Ok(Some((opening.request().clone(), Upkeep::Opening(Box::new(opening)))))
    }

    /// Takes the answer to [`Self::upkeep`].
    pub(crate) fn upkept(&mut self, upkeep: Upkeep, response: &Response) -> Result<(), FlowError> {
        let body = own_answer(response)?;
        match upkeep {
            Upkeep::Leg => {
                let leg = read(body)?;
                self.session.as_mut().ok_or(FlowError::new(FlowErrorKind::Misuse))?.adopt_leg(&leg);
            }
            Upkeep::Opening(opening) => {
                let opened = opening.finish(read(body)?, self.now());
                let mut opened =
                    opened.map_err(|error| FlowError::because(FlowErrorKind::Unverifiable, error))?;
                if let (Some(block), Some(enrolled)) = (self.keep, &self.enrolled) {
                    let device = enrolled.thumbprint();
                    opened.keep(Arc::clone(&self.vault), device, block).map_err(unkept)?;
                }
                self.session = Some(opened);
            }
        }
        self.leg_lost = false;
        Ok(())
    }

    /// Prepares the cure of an error and counts it; the error itself where there is none.
    pub(crate) fn recover(&mut self, patience: &mut Patience, error: FlowError) -> Result<(), FlowError> {
        match refusal_of(&error) {
            Some(Refusal::LegUnknown) => self.leg_lost = true,
            // An old copy of the files came back, and with it numbers that were used. A leg of its own has none.
            Some(Refusal::Replayed) if self.session.as_ref().is_some_and(Session::is_kept) => {
                self.leg_lost = true;
            }
            Some(Refusal::TicketExpired | Refusal::TicketInvalid) => self.session = None,
            _ => return Err(error),
        }
        patience.recover(error)
    }

    /// Begins an enrolment.
    pub(crate) fn draft(&self) -> Result<Enrolment<Draft>, EnrolError> {
        Enrolment::begin(Arc::clone(&self.keys), self.context().clone(), true)
    }

    /// An enrolment of a new key in the place of the present one.
    pub(crate) fn draft_successor(&self) -> Result<Enrolment<Draft>, EnrolError> {
        Enrolment::begin_successor(Arc::clone(&self.keys), self.context().clone())
    }

    /// Keeps an enrolment; whatever session there was belongs to the one before.
    pub(crate) fn enrolled(&mut self, enrolled: Enrolled) -> Result<(), FlowError> {
        Session::forget(&self.vault).map_err(unkept)?;
        enrolled.save(&self.vault).map_err(|error| FlowError::because(FlowErrorKind::Custody, error))?;
        self.enrolled = Some(enrolled);
        self.sessions = None;
        self.session = None;
        self.leg_lost = false;
        Ok(())
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("authority", &self.authority)
            .field("sessions", &self.sessions)
            .field("session", &self.session)
            .field("leg_lost", &self.leg_lost)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opening(opening) => opening.fmt(f),
            Self::Leg => f.write_str("Leg"),
        }
    }
}

/// Whether a new leg or session cures this error.
pub(crate) const fn is_curable(error: &FlowError) -> bool {
    matches!(refusal_of(error), Some(Refusal::LegUnknown | Refusal::TicketExpired | Refusal::TicketInvalid))
}

/// The disclosure of a device that has no slice: of no policy, no node, no value. Whoever reads it knows nothing,
/// and closes by policy (invariant 7).
pub fn nothing() -> Disclosed {
    Disclosed::withheld(PolicyDigest::new([0; PolicyDigest::LEN]), 0, 0)
}

fn unkept(error: SessionError) -> FlowError {
    FlowError::because(FlowErrorKind::Custody, error)
}

fn unopened(error: SessionError) -> FlowError {
    let kind = match error {
        SessionError::Expired | SessionError::OtherDevice | SessionError::Key(KeyError::Missing(_)) => {
            FlowErrorKind::NotEnrolled
        }
        _ => FlowErrorKind::Custody,
    };
    FlowError::because(kind, error)
}

fn unsigned(error: SessionError) -> FlowError {
    let kind = match error {
        SessionError::HeaderTaken | SessionError::Fields(_) | SessionError::Expired => FlowErrorKind::Misuse,
        SessionError::Limit(_) => FlowErrorKind::TooLarge,
        _ => FlowErrorKind::Custody,
    };
    FlowError::because(kind, error)
}

/// A ticket that ends within this is not used any more: it must outlive a request with its longest signature.
const TICKET_MARGIN: Duration = Duration::from_secs(60);
