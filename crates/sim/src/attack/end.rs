//! How one action ended, as whoever began it saw it.
//!
//! An end is an observation of a client: it names verdicts and refusals, and never the zone behind them, which a
//! client is not told. It has a text of its own, because a victim process reports its ends through a pipe.

use glacis_wire::message::refusal::Refusal;
use glacis_wire::{EventId, Method, Thumbprint};
use std::fmt;

/// How one action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It went on; `challenged` says whether after a challenge.
    Allowed {
        /// After passing a challenge.
        challenged: bool,
    },
    /// The device's own slice blocked it; nothing was sent.
    OnDevice,
    /// A challenge was not passed.
    Challenged(Method),
    /// Edge or cloud blocked it.
    Blocked,
    /// Refused before any decision.
    Refused(Refusal),
    /// The app itself did not go on, as without an attack.
    Declined,
    /// No answer, or none that can be verified.
    Lost,
}

impl End {
    /// Whether the action went on.
    pub const fn allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// The inverse of `Display`, for the pipe from a victim process.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Allowed { challenged: false },
            Self::Allowed { challenged: true },
            Self::OnDevice,
            Self::Blocked,
            Self::Declined,
            Self::Lost,
        ];
        let challenges = Method::ALL.into_iter().map(Self::Challenged);
        let refusals = Refusal::ALL.iter().copied().map(Self::Refused);
        all.into_iter().chain(challenges).chain(refusals).find(|end| end.to_string() == text)
    }

    /// What the report calls it: the verdict, or the refusal.
    pub fn verdict(self) -> String {
        match self {
            Self::Allowed { .. } => "allow".to_owned(),
            Self::OnDevice | Self::Blocked => "block".to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed { challenged: false } => f.write_str("allowed"),
            Self::Allowed { challenged: true } => f.write_str("allowed-after-challenge"),
            Self::OnDevice => f.write_str("blocked-on-device"),
            Self::Challenged(method) => write!(f, "challenge({})", method.name()),
            Self::Blocked => f.write_str("blocked"),
            Self::Refused(refusal) => write!(f, "refused({})", refusal.name()),
            Self::Declined => f.write_str("declined"),
            Self::Lost => f.write_str("lost"),
        }
    }
}

/// One action with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The device and the action, where an SDK began it.
    pub event: Option<(Thumbprint, EventId)>,
    /// How it ended.
    pub end: End,
}

impl Attempt {
    /// Whether some zone decided it; what was refused before any decision, or never begun, is no event.
    pub const fn is_event(&self) -> bool {
        self.event.is_some()
            && matches!(self.end, End::Allowed { .. } | End::OnDevice | End::Challenged(_) | End::Blocked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_text_of_its_own() {
        let challenges = Method::ALL.into_iter().map(End::Challenged);
        let refusals = Refusal::ALL.iter().copied().map(End::Refused);
        let plain = [End::Allowed { challenged: true }, End::Allowed { challenged: false }, End::OnDevice];
        for end in plain
            .into_iter()
            .chain([End::Blocked, End::Declined, End::Lost])
            .chain(challenges)
            .chain(refusals)
        {
            assert_eq!(End::parse(&end.to_string()), Some(end));
        }
        assert_eq!(End::parse("allow"), None);
    }
}
