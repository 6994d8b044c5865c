//! Why a request was refused before any decision: one stable code each, shared by wire, metrics and docs.
//!
//! A client sees code and reference; no refusal names a rule, a list, a model or a signal (DESIGN §5.3 step 4).
//! A refusal is not a verdict: nothing was decided about the event, and the same request may be good later.

use super::code;

code! {
    /// Reasons for a refusal.
    Refusal {
        /// Two readings of the request's length or fields are possible.
        Framing = 0 "framing",
        /// Head, header count or path is over its limit.
        HeadTooLarge = 1 "head-too-large",
        /// Body is over the route's limit.
        BodyTooLarge = 2 "body-too-large",
        /// Body, query or path cannot be read the one way the event's extraction demands.
        BodyUnreadable = 3 "body-unreadable",
        /// No route matches.
        NoRoute = 4 "no-route",
        /// Too many requests from this address prefix.
        PrefixLimited = 5 "prefix-limited",
        /// Too many requests from this device.
        DeviceLimited = 6 "device-limited",
        /// The route demands a signature and there is none.
        SignatureMissing = 7 "signature-missing",
        /// Signature fields cannot be parsed, or appear twice.
        SignatureMalformed = 8 "signature-malformed",
        /// The signature does not cover what it must.
        SignatureCoverage = 9 "signature-coverage",
        /// `created` or `expires` lies outside the window.
        SignatureExpired = 10 "signature-expired",
        /// The signature does not verify.
        SignatureWrong = 11 "signature-wrong",
        /// The number was used before, or lies behind the window.
        Replayed = 12 "replayed",
        /// The body does not have the signed digest.
        DigestMismatch = 13 "digest-mismatch",
        /// The ticket cannot be opened by any key in force.
        TicketInvalid = 14 "ticket-invalid",
        /// The ticket or the attestation behind it expired; open a new session.
        TicketExpired = 15 "ticket-expired",
        /// This node does not hold the leg; open a new one with the same ticket.
        LegUnknown = 16 "leg-unknown",
        /// The device is listed in the revocation feed.
        DeviceRefused = 17 "device-refused",
        /// Certificate, attestation result or opening is not acceptable.
        SessionRefused = 18 "session-refused",
        /// Evidence or challenge of an enrolment is not acceptable.
        EnrolmentRefused = 19 "enrolment-refused",
        /// The same event id came with another content.
        EventConflict = 20 "event-conflict",
        /// The event was decided as often as one event may be.
        DecisionsSpent = 21 "decisions-spent",
        /// The challenge proof does not verify, is for something else, or expired.
        ProofWrong = 22 "proof-wrong",
        /// The challenge proof was used before.
        ProofSpent = 23 "proof-spent",
        /// The principal's token does not verify.
        PrincipalWrong = 24 "principal-wrong",
        /// Shed before any decision; try again later.
        Overloaded = 25 "overloaded",
        /// The route needs the cloud or a policy, there is none, and its stance is to refuse.
        Unavailable = 26 "unavailable",
        /// The disclosure cannot be read.
        DisclosureMalformed = 27 "disclosure-malformed",
        /// The upstream did not answer, or not in HTTP.
        Upstream = 28 "upstream",
        /// As many enrolments as may be, of this address prefix, this partner or in all; try again later.
        EnrolmentLimited = 29 "enrolment-limited",
    }
}

impl Refusal {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Framing | Self::BodyUnreadable | Self::SignatureMalformed | Self::DisclosureMalformed => {
                400
            }
            Self::DigestMismatch => 400,
            Self::SignatureMissing
            | Self::SignatureCoverage
            | Self::SignatureExpired
            | Self::SignatureWrong
            | Self::Replayed
            | Self::TicketInvalid
            | Self::TicketExpired
            | Self::LegUnknown
            | Self::PrincipalWrong => 401,
            Self::DeviceRefused
            | Self::SessionRefused
            | Self::EnrolmentRefused
            | Self::ProofWrong
            | Self::ProofSpent => 403,
            Self::NoRoute => 404,
            Self::EventConflict | Self::DecisionsSpent => 409,
            Self::BodyTooLarge => 413,
            Self::PrefixLimited | Self::DeviceLimited | Self::EnrolmentLimited => 429,
            Self::HeadTooLarge => 431,
            Self::Upstream => 502,
            Self::Overloaded | Self::Unavailable => 503,
        }
    }
}
