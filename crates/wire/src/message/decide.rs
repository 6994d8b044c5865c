//! Decisions and their records: facts up, verdict down, nothing private in either.
//!
//! A record holds what a trusted zone knew when it decided, so that the decision can be settled, explained and
//! replayed later. Of the device it holds what was disclosed, never the signals behind it.

use super::challenge::ChallengeNonce;
use super::refusal::Refusal;
use super::session::OpeningRecord;
use super::{List, Text, code, message};
use crate::answer::Answer;
use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use crate::disclosure::Disclosed;
use crate::id::{Digest, EventId, EventName, NodeName, PolicyDigest, Reference, SignalName, Thumbprint};
use crate::limits::{
    BATCH_RECORDS_MAX, OPERATOR_DETAIL_BYTES_MAX, OPERATOR_NAME_BYTES_MAX, PRINCIPAL_BYTES_MAX,
    REASON_BYTES_MAX, SIGNALS_MAX,
};
use crate::time::Timestamp;
use crate::trust::{Tier, Trust};
use crate::verdict::{Method, Verdict, Zone};

message! {
    /// One signal that edge or cloud observed itself.
    SignalAnswer {
        /// Which signal.
        signal: SignalName,
        /// What was observed.
        answer: Answer,
    }
}

message! {
    /// A method whose proof was verified for this very request.
    Passed {
        /// The method.
        method: Method,
        /// SHA-256 of the encoded proof's nonce; spent once.
        proof: Digest,
    }
}

/// Name under which an edge states in [`EventFacts::observed`] that the route declares no device zone: its answer
/// is `unknown(absent)`, and the device's signals are then `absent` and not `withheld`. No catalogue names it.
pub const DEVICE_ZONE: &str = "device.zone";

/// Name under which an edge states in [`EventFacts::observed`] that the verdict does not act: its answer is the
/// string `observe`. Absent where it acts. No catalogue names it.
pub const ROUTE_MODE: &str = "route.mode";

message! {
    /// Everything a trusted zone knows about one event after verification.
    EventFacts {
        /// Which event.
        event: EventName,
        /// Policy that the first trusted zone chose.
        policy: PolicyDigest,
        /// The device, where the request was signed by a session.
        thumbprint: Option<Thumbprint>,
        /// Its tier now.
        tier: Tier,
        /// Trust of what its process produces.
        trust: Trust,
        /// Names the user action.
        event_id: EventId,
        /// SHA-256 of the request body; zero where a route that only observes let an unsigned body stream past.
        content: Digest,
        /// The user, as its declared source names it.
        principal: Option<Text<PRINCIPAL_BYTES_MAX>>,
        /// When the edge received it; windows are counted by it.
        received: Timestamp,
        /// What the device let out; none where it sent nothing readable.
        disclosed: Option<Disclosed>,
        /// Signals of zone `request`, extracted from the bytes that are forwarded.
        fields: List<SignalAnswer, SIGNALS_MAX>,
        /// Signals of zone `edge`.
        observed: List<SignalAnswer, SIGNALS_MAX>,
        /// A method passed for this request.
        passed: Option<Passed>,
        /// The edge node.
        node: NodeName,
    }
}

message! {
    /// The cloud's verdict on one event.
    Decided {
        /// The verdict.
        verdict: Verdict,
        /// What a client may quote.
        reference: Reference,
        /// Sequence number of the event log that features were read at.
        cut: u64,
        /// Whether this is a stored verdict given again.
        repeated: bool,
        /// For `Verdict::Challenge`: what to answer.
        nonce: Option<ChallengeNonce>,
    }
}

/// Answer of the cloud to [`EventFacts`].
#[derive(Clone, Debug, PartialEq)]
pub enum DecideAnswer {
    /// A verdict.
    Decided(Decided),
    /// No decision is taken, for this reason.
    Refused(Refusal),
}

impl Encode for DecideAnswer {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Decided(decided) => {
                out.u8(0);
                decided.encode(out)
            }
            Self::Refused(refusal) => {
                out.u8(1);
                refusal.encode(out)
            }
        }
    }
}

impl Decode for DecideAnswer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("decision");
        match input.u8()? {
            0 => Decode::decode(input).map(Self::Decided),
            1 => Decode::decode(input).map(Self::Refused),
            _ => Err(at),
        }
    }
}

code! {
    /// What closed the open rules of a record.
    ClosedBy {
        /// All signals that mattered were answered, or the policy closed by their causes.
        Policy = 0 "policy",
        /// The cloud did not answer in time; the policy closed by `unavailable`.
        CloudUnavailable = 1 "cloud-unavailable",
        /// No policy could be run; the route's stance answered.
        Stance = 2 "stance",
    }
}

message! {
    /// A decision as it is kept.
    Record {
        /// What was known.
        facts: EventFacts,
        /// Who decided.
        zone: Zone,
        /// What was decided.
        verdict: Verdict,
        /// What the client was given.
        reference: Reference,
        /// What closed the open rules.
        closed_by: ClosedBy,
        /// By the deciding zone's clock.
        decided: Timestamp,
        /// Reason codes of the rules that justify the verdict; stable, never shown to clients.
        reasons: List<Text<REASON_BYTES_MAX>, 64>,
    }
}

message! {
    /// A decision that the device took on its own; a courtesy that the record still tells.
    DeviceRecord {
        /// Which event.
        event: EventName,
        /// Names the user action.
        event_id: EventId,
        /// What let the device decide.
        disclosed: Disclosed,
        /// What it decided.
        verdict: Verdict,
        /// By the device's clock, rounded down to a minute.
        decided: Timestamp,
    }
}

message! {
    /// Device records as the device sends them (body of a signed request).
    DeviceBatch {
        /// Oldest first.
        records: List<DeviceRecord, 64>,
    }
}

message! {
    /// Device records as the edge passes them on.
    AttributedBatch {
        /// Who sent them.
        thumbprint: Thumbprint,
        /// Its tier.
        tier: Tier,
        /// Its trust.
        trust: Trust,
        /// When the edge received them.
        received: Timestamp,
        /// As sent.
        batch: DeviceBatch,
    }
}

message! {
    /// What an operator changed at an edge node: a mode, a bypass.
    OperatorAction {
        /// Names the action, so that a report that comes twice tells it once.
        id: [u8; 16],
        /// When, by the node's clock.
        at: Timestamp,
        /// Who.
        actor: Text<OPERATOR_NAME_BYTES_MAX>,
        /// What: `mode`, `bypass`, `bypass-end`.
        action: Text<OPERATOR_NAME_BYTES_MAX>,
        /// In words, with the operator's reason.
        detail: Text<OPERATOR_DETAIL_BYTES_MAX>,
    }
}

message! {
    /// What an edge node reports; idempotent by (thumbprint, event id, number of the decision) and by chain value.
    Report {
        /// Which node.
        node: NodeName,
        /// Decisions that the edge took, oldest first.
        records: List<Record, BATCH_RECORDS_MAX>,
        /// Sessions that it opened.
        openings: List<OpeningRecord, BATCH_RECORDS_MAX>,
        /// What devices reported.
        devices: List<AttributedBatch, BATCH_RECORDS_MAX>,
        /// What operators changed at it.
        operator: List<OperatorAction, BATCH_RECORDS_MAX>,
    }
}

message! {
    /// Answer to a [`Report`], sent after it is durable.
    ReportAck {
        /// Records new to the cloud.
        accepted: u32,
        /// Records that it had already.
        repeated: u32,
    }
}

message! {
    /// The verdict as the client gets it, MAC'd under the session's verdict key (purpose `Verdict`).
    ClientVerdict {
        /// Names the user action.
        event_id: EventId,
        /// SHA-256 of the request's signature bytes.
        request: Digest,
        /// SHA-256 of the request body.
        content: Digest,
        /// The policy that decided.
        policy: PolicyDigest,
        /// The verdict.
        verdict: Verdict,
        /// What a client may quote.
        reference: Reference,
        /// For `Verdict::Challenge`: what to answer.
        nonce: Option<ChallengeNonce>,
        /// Void afterwards; at most 60 s after issue.
        not_after: Timestamp,
    }
}

message! {
    /// The decision as the upstream gets it, MAC'd under the edge's upstream key (purpose `Decision`).
    UpstreamDecision {
        /// Which event.
        event: EventName,
        /// Names the user action.
        event_id: EventId,
        /// The device.
        thumbprint: Option<Thumbprint>,
        /// Its tier.
        tier: Tier,
        /// The user.
        principal: Option<Text<PRINCIPAL_BYTES_MAX>>,
        /// SHA-256 of the request's signature bytes; zero where it was not signed.
        request: Digest,
        /// SHA-256 of the request body.
        content: Digest,
        /// The policy that decided.
        policy: PolicyDigest,
        /// The verdict.
        verdict: Verdict,
        /// What a client may quote.
        reference: Reference,
        /// Void afterwards; at most 60 s after issue.
        not_after: Timestamp,
    }
}
