//! How a guarded action ended, and how a flow can fail to end.
//!
//! An [`Outcome`] exists only where a decision exists: taken on the device, or by edge or cloud and proven by a
//! MAC under a key of the session. Everything else is a [`FlowError`]; an answer that cannot be verified is one
//! too, whatever its status says, and never an allow.

use glacis_wire::http::Response;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{EventId, Method, Reference, Verdict};
use std::error::Error;
use std::fmt;

/// Who answered. A client is not told whether edge or cloud decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answered {
    /// The device's own slice.
    Device,
    /// Edge or cloud.
    Remote,
}

/// A decided action.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Who answered.
    pub zone: Answered,
    /// What was decided. A challenge here is one that the user did not pass.
    pub verdict: Verdict,
    /// The user action; stable over its retries and challenges.
    pub event_id: EventId,
    /// What the user may quote to support; none for a decision of the device.
    pub reference: Option<Reference>,
    /// What came back, verified to belong to this very request; none for a decision of the device.
    pub response: Option<Response>,
}

impl Outcome {
    /// Whether the action went on.
    pub const fn allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Allow)
    }

    /// The method that was asked for and not passed.
    pub const fn unanswered(&self) -> Option<Method> {
        match self.verdict {
            Verdict::Challenge(method) => Some(method),
            _ => None,
        }
    }
}

/// A flow ended without a decision. Branch on [`kind`](Self::kind).
#[derive(Debug)]
pub struct FlowError {
    kind: FlowErrorKind,
    reference: Option<Reference>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// Why a flow ended without a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlowErrorKind {
    /// The device is not enrolled, or its enrolment expired: enrol (again).
    NotEnrolled,
    /// Edge or cloud refused before deciding. The refusal is not authenticated: it may delay, never allow.
    Refused(Refusal),
    /// The answer of a protected route has no verdict, or one whose MAC does not hold.
    Unverifiable,
    /// The verdict is authentic and belongs to another event, request or content.
    Mismatched,
    /// The verdict is authentic and past its end.
    Stale,
    /// An own endpoint answered with something that is not its message.
    Unreadable,
    /// A published key set or bundle is unsigned, older than the one held, or not loadable.
    Unpublishable,
    /// The transport lost the request as often as the flow may try.
    Unreachable,
    /// The flow was refused as often as it may try to recover.
    Exhausted,
    /// Key store or storage failed.
    Custody,
    /// The platform has evidence and did not give it; nothing is enrolled without.
    Unattested,
    /// The request exceeds a limit of the protocol.
    TooLarge,
    /// No randomness.
    Entropy,
    /// The caller did something that the present step does not expect.
    Misuse,
}

impl FlowErrorKind {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotEnrolled => "not-enrolled",
            Self::Refused(refusal) => refusal.name(),
            Self::Unverifiable => "unverifiable",
            Self::Mismatched => "mismatched",
            Self::Stale => "stale",
            Self::Unreadable => "unreadable",
            Self::Unpublishable => "unpublishable",
            Self::Unreachable => "unreachable",
            Self::Exhausted => "exhausted",
            Self::Custody => "custody",
            Self::Unattested => "unattested",
            Self::TooLarge => "too-large",
            Self::Entropy => "entropy",
            Self::Misuse => "misuse",
        }
    }
}

impl FlowError {
    pub(crate) const fn new(kind: FlowErrorKind) -> Self {
        Self { kind, reference: None, cause: None }
    }

    pub(crate) fn because(kind: FlowErrorKind, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { kind, reference: None, cause: Some(Box::new(cause)) }
    }

    pub(crate) fn quoting(mut self, reference: Option<Reference>) -> Self {
        self.reference = reference;
        self
    }

    /// Why; stable.
    pub const fn kind(&self) -> FlowErrorKind {
        self.kind
    }

    /// What the user may quote to support, where a refusal gave one.
    pub const fn reference(&self) -> Option<Reference> {
        self.reference
    }
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no decision: {}", self.kind.name())?;
        self.reference.map_or(Ok(()), |reference| write!(f, " (reference {})", reference.text()))
    }
}

impl Error for FlowError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
