//! What is kept of a decision beside its [`Record`]: cut, answers of the cloud, list versions, settlement.
//!
//! Together with the record and the event log this is everything that an evaluation read, so a checker can
//! evaluate it again. Nothing private is in it: what a device let out is in the facts, as two bits a node.

use glacis_policy::{Obligation, Obligations};
use glacis_wire::limits::{NAME_BYTES_MAX, REASON_BYTES_MAX, RULES_MAX, SIGNALS_MAX};
use glacis_wire::message::decide::{ClosedBy, EventFacts, Record, SignalAnswer};
use glacis_wire::message::{List, Text};
use glacis_wire::{
    Decode, DecodeError, Encode, EncodeError, Reader, Reference, Timestamp, Verdict, Writer, Zone,
};

/// Version of a list that an evaluation read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListVersion {
    /// Which list.
    pub list: Text<NAME_BYTES_MAX>,
    /// How many changes it had.
    pub version: u64,
}

/// The whole policy, run over the facts of a decision: by the cloud slice, or as the edge closed it where the cloud
/// did not answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// What the policy says.
    pub verdict: Verdict,
    /// Duties of the matched rules.
    pub obligations: Obligations,
    /// Reason codes of all matched rules.
    pub matched: List<Text<REASON_BYTES_MAX>, RULES_MAX>,
    /// Features and list tests, as answered.
    pub answers: List<SignalAnswer, SIGNALS_MAX>,
    /// Versions of the lists that were read.
    pub lists: List<ListVersion, SIGNALS_MAX>,
}

/// A record without its facts, which come first in its encoding: what is stored beside an event that has them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RecordTail {
    pub(crate) zone: Zone,
    pub(crate) verdict: Verdict,
    pub(crate) reference: Reference,
    pub(crate) closed_by: ClosedBy,
    pub(crate) decided: Timestamp,
    pub(crate) reasons: List<Text<REASON_BYTES_MAX>, 64>,
}

impl RecordTail {
    /// Of a record that came from elsewhere.
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            zone: record.zone,
            verdict: record.verdict,
            reference: record.reference,
            closed_by: record.closed_by,
            decided: record.decided,
            reasons: record.reasons.clone(),
        }
    }

    /// The whole record again.
    pub(crate) fn with(self, facts: EventFacts) -> Record {
        let Self { zone, verdict, reference, closed_by, decided, reasons } = self;
        Record { facts, zone, verdict, reference, closed_by, decided, reasons }
    }
}

/// One decision as the cloud keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDecision {
    /// Log sequence number of its event.
    pub seq: u64,
    /// Log sequence number that features were read at: only events before it count.
    pub cut: u64,
    /// When the cloud took it in.
    pub ingested: Timestamp,
    /// Whether a repeated request gets this verdict; of several, the newest counts.
    pub standing: bool,
    /// The decision.
    pub record: Record,
    /// The settlement; none where the policy was not in force here.
    pub settled: Option<Settled>,
}

/// One event of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedEvent {
    /// Its log sequence number.
    pub seq: u64,
    /// When the cloud took it in; never goes back along the log.
    pub ingested: Timestamp,
    /// The facts of its first decision.
    pub facts: EventFacts,
}

impl Encode for ListVersion {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.list.encode(out)?;
        self.version.encode(out)
    }
}

impl Decode for ListVersion {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { list: Decode::decode(input)?, version: Decode::decode(input)? })
    }
}

impl Encode for RecordTail {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.zone.encode(out)?;
        self.verdict.encode(out)?;
        self.reference.encode(out)?;
        self.closed_by.encode(out)?;
        self.decided.encode(out)?;
        self.reasons.encode(out)
    }
}

impl Decode for RecordTail {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            zone: Decode::decode(input)?,
            verdict: Decode::decode(input)?,
            reference: Decode::decode(input)?,
            closed_by: Decode::decode(input)?,
            decided: Decode::decode(input)?,
            reasons: Decode::decode(input)?,
        })
    }
}

impl Encode for Settled {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.verdict.encode(out)?;
        let bits = self.obligations.iter().fold(0_u8, |bits, duty| bits | 1 << duty as u8);
        out.u8(bits);
        self.matched.encode(out)?;
        self.answers.encode(out)?;
        self.lists.encode(out)
    }
}

impl Decode for Settled {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let verdict = Decode::decode(input)?;
        let at = input.invalid("obligations");
        let bits = input.u8()?;
        if bits >= 1 << Obligation::ALL.len() {
            return Err(at);
        }
        let obligations = Obligation::ALL
            .into_iter()
            .filter(|duty| bits & (1 << *duty as u8) != 0)
            .fold(Obligations::NONE, |all, duty| all.union(Obligations::of(duty)));
        Ok(Self {
            verdict,
            obligations,
            matched: Decode::decode(input)?,
            answers: Decode::decode(input)?,
            lists: Decode::decode(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_wire::{Answer, SignalName};

    #[test]
    fn facts_and_tail_are_the_record() {
        use glacis_wire::{Digest, EventId, EventName, NodeName, PolicyDigest, Tier, Trust};
        let facts = EventFacts {
            event: EventName::parse("payment.transfer").unwrap(),
            policy: PolicyDigest::new([1; 32]),
            thumbprint: None,
            tier: Tier::None,
            trust: Trust::Claimed,
            event_id: EventId::new([2; 16]),
            content: Digest::new([3; 32]),
            principal: Some(Text("ann".to_owned())),
            received: Timestamp::from_secs(9),
            disclosed: None,
            fields: List(Vec::new()),
            observed: List(Vec::new()),
            passed: None,
            node: NodeName::parse("edge-1").unwrap(),
        };
        let tail = RecordTail {
            zone: Zone::Edge,
            verdict: Verdict::Block,
            reference: Reference::from_random([7; 8]),
            closed_by: ClosedBy::Stance,
            decided: Timestamp::from_secs(8),
            reasons: List(vec![Text("mule".to_owned())]),
        };
        let record = tail.clone().with(facts.clone());
        let bytes = [facts.to_bytes().unwrap(), tail.to_bytes().unwrap()].concat();
        assert_eq!(bytes, record.to_bytes().unwrap());
        assert_eq!(RecordTail::of(&record), tail);
        assert_eq!(RecordTail::from_bytes(&tail.to_bytes().unwrap()).unwrap(), tail);
    }

    #[test]
    fn a_settlement_reads_back_as_written() {
        let settled = Settled {
            verdict: Verdict::Block,
            obligations: Obligations::of(Obligation::Notify),
            matched: List(vec![Text("mule".to_owned())]),
            answers: List(vec![SignalAnswer {
                signal: SignalName::parse("list.mules(payee)").unwrap(),
                answer: Answer::Error,
            }]),
            lists: List(vec![ListVersion { list: Text("mules".to_owned()), version: 7 }]),
        };
        let bytes = settled.to_bytes().unwrap();
        assert_eq!(Settled::from_bytes(&bytes).unwrap(), settled);
        let mut unknown_duty = bytes;
        unknown_duty[1] = 4;
        assert!(Settled::from_bytes(&unknown_duty).is_err());
    }
}
