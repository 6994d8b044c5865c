//! What is kept of a decision beside its [`Record`]: cut, answers of the cloud, list versions, settlement.
//!
//! Together with the record and the event log this is everything that an evaluation read, so a checker can
//! evaluate it again. Nothing private is in it: what a device let out is in the facts, as two bits a node.

use glacis_policy::{Obligation, Obligations};
use glacis_wire::limits::{NAME_BYTES_MAX, REASON_BYTES_MAX, RULES_MAX, SIGNALS_MAX};
use glacis_wire::message::decide::{EventFacts, Record, SignalAnswer};
use glacis_wire::message::{List, Text};
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Timestamp, Verdict, Writer};

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
