//! What attacker and victim process say to each other: one JSON object a line, on pipes and on nothing else.
//!
//! Bytes travel as lower-case hex of their canonical encoding. Lines of the victim start with a mark, so that a
//! test harness may print its own lines between them.

use glacis_seal::text::{hex, parse_hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Starts every line of the victim.
pub const MARK: &str = "glacis-victim ";

/// What the victim is told before it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    /// The tenant; the realm is `demo`.
    pub tenant: String,
    /// Authority of the gateway.
    pub edge: String,
    /// Number of the device, which chooses its source address.
    pub number: u32,
    /// The user of the app.
    pub user: String,
    /// The user's token.
    pub token: String,
    /// The pinned key set.
    pub pinned: String,
    /// Sends although the own slice blocks (attack `hooked-app-unleashed`).
    pub unleashed: bool,
    /// To whom the hooked app shall pay.
    pub payee: String,
    /// How much.
    pub amount: i64,
    /// How often.
    pub times: u32,
}

/// What the victim says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Line {
    /// The secure hardware of the device, which the attacker does not control, is asked for evidence.
    Attest {
        /// The challenge.
        challenge: String,
        /// The device key.
        device_key: String,
    },
    /// Enrolled and in session; the guarded function is here.
    Ready {
        /// Address of the function that asks the user.
        address: u64,
    },
    /// One action ended.
    Acted {
        /// Name of the event.
        event: String,
        /// The device, where the action became an event.
        thumbprint: Option<String>,
        /// The action, where it became an event.
        event_id: Option<String>,
        /// Its end, as `End` prints it.
        end: String,
        /// What the process knew: signal → encoded answer.
        device: BTreeMap<String, String>,
        /// What the request said: signal → encoded answer.
        request: BTreeMap<String, String>,
    },
    /// Everything is done.
    Done,
    /// It could not go on.
    Failed {
        /// Why.
        why: String,
    },
}

/// Bytes of lower-case hex: what [`hex`] wrote, and nothing else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    parse_hex(text).filter(|bytes| hex(bytes) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_an_inverse_and_refuses_all_else() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(unhex(&hex(&bytes)).unwrap(), bytes);
        for bad in ["0", "0g", "0G", "AA", " 00"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_survive_the_pipe() {
        let line = Line::Ready { address: u64::MAX };
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(text, r#"{"say":"ready","address":18446744073709551615}"#);
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }
}
