//! First byte: which message. Rest: its bytes.
//!
//! Invariant: decoding is total, and what decodes encodes to the very bytes it came from (one value, one form),
//! whatever limit, tag or length the bytes claim.

use glacis_wire::message::challenge::{
    ChallengeNonce, ChallengeRequest, Grant, OtpAnswer, OtpStart, OtpVerify, PasskeyAnswer, PasskeyVerify,
    Proof,
};
use glacis_wire::message::decide::{
    AttributedBatch, ClientVerdict, DecideAnswer, DeviceBatch, EventFacts, Record, Report, ReportAck,
    UpstreamDecision,
};
use glacis_wire::message::enrol::{
    AttestationResult, DeviceCertificate, EnrolBody, EnrolChallenge, EnrolRequest, EnrolResponse, Evidence,
};
use glacis_wire::message::policy::{Bundle, Feed, KeySet, Published};
use glacis_wire::message::session::{LegOpened, OpeningRecord, SessionOpen, SessionOpened, TicketBody};
use glacis_wire::message::{Maced, Signed};
use glacis_wire::{Answer, Decode, Encode, Value};

/// Checks one input.
pub fn run(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    if let Some(check) = CHECKS.get(usize::from(*which) % CHECKS.len()) {
        check(bytes);
    }
}

/// Decodes and, if that works, encodes again.
pub(crate) fn one_form<T: Decode + Encode>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        let again = value.to_bytes();
        assert_eq!(again.as_deref(), Ok(bytes), "a decoded value has another form");
    }
}

/// One check a message; the position is the first byte of an input.
pub const CHECKS: &[fn(&[u8])] = &[
    one_form::<Value>,
    one_form::<Answer>,
    one_form::<Signed>,
    one_form::<Maced>,
    one_form::<EnrolChallenge>,
    one_form::<Evidence>,
    one_form::<EnrolBody>,
    one_form::<EnrolRequest>,
    one_form::<DeviceCertificate>,
    one_form::<AttestationResult>,
    one_form::<EnrolResponse>,
    one_form::<SessionOpen>,
    one_form::<SessionOpened>,
    one_form::<LegOpened>,
    one_form::<TicketBody>,
    one_form::<OpeningRecord>,
    one_form::<ChallengeNonce>,
    one_form::<ChallengeRequest>,
    one_form::<Proof>,
    one_form::<Grant>,
    one_form::<OtpStart>,
    one_form::<OtpVerify>,
    one_form::<OtpAnswer>,
    one_form::<EventFacts>,
    one_form::<DecideAnswer>,
    one_form::<Record>,
    one_form::<DeviceBatch>,
    one_form::<AttributedBatch>,
    one_form::<Report>,
    one_form::<ReportAck>,
    one_form::<ClientVerdict>,
    one_form::<UpstreamDecision>,
    one_form::<KeySet>,
    one_form::<Bundle>,
    one_form::<Published>,
    one_form::<Feed>,
    one_form::<PasskeyVerify>,
    one_form::<PasskeyAnswer>,
];
