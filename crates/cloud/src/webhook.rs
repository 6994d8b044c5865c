//! The outbox of webhooks: a message is written with its decision and deleted with its delivery.
//!
//! So what was decided is told at least once, also after a crash in between; order is not promised. A message says
//! what an operator may tell a stranger's server: verdict, reason codes, reference, event and time. No field, no
//! principal, no device. Messages are bounded in number and age; a receiver that says `410` is told nothing more.

use crate::core::{CloudCore, Tx};
use crate::decide::NewDecision;
use crate::error::CloudError;
use crate::fact::acts;
use crate::store::{int, uint};
use glacis_wire::{Timestamp, Verdict};
use rusqlite::{OptionalExtension as _, params};
use serde_json::json;
use std::time::Duration;

/// Messages that may wait; of more, the oldest are dropped. About 600 bytes each.
const WAITING_MAX: i64 = 100_000;
/// Age at which an undelivered message is given up.
const LIFE: Duration = Duration::from_secs(3 * 86_400);
/// First pause after a failure; doubled with each, with jitter.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Key in `meta` of the receiver that wants nothing more.
const GONE: &str = "webhook-gone";

/// Which verdicts are told; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tell {
    /// Challenges.
    pub challenge: bool,
    /// Blocks.
    pub block: bool,
}

/// A message to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Number in the outbox.
    pub id: u64,
    /// The same over all attempts; receivers know repetitions by it.
    pub name: String,
    /// What is told.
    pub body: Vec<u8>,
}

impl Tell {
    const fn wants(self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Allow => false,
            Verdict::Challenge(_) => self.challenge,
            Verdict::Block => self.block,
        }
    }
}

impl CloudCore {
    /// From now on, which verdicts leave a message.
    pub fn tell(&mut self, tell: Tell) {
        self.desk_mut().tell = tell;
    }

    /// Messages whose time has come, at most `limit`, longest due first.
    pub fn messages_due(&mut self, limit: u32) -> Result<Vec<Message>, CloudError> {
        self.read(|tx| {
            let sql = "SELECT id, name, body FROM webhook WHERE due <= ?1 ORDER BY due LIMIT ?2";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let rows = statement.query_map(params![int(tx.now.as_ms()), limit], |row| {
                Ok(Message { id: uint(row.get(0)?), name: row.get(1)?, body: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The receiver has it.
    pub fn message_delivered(&mut self, id: u64) -> Result<(), CloudError> {
        self.call(|tx| {
            tx.conn.prepare_cached("DELETE FROM webhook WHERE id = ?1")?.execute([int(id)])?;
            Ok(())
        })
    }

    /// The receiver did not take it: again later, twice as late each time, or never if it is too old.
    pub fn message_failed(&mut self, id: u64) -> Result<(), CloudError> {
        self.call(|tx| {
            let sql = "SELECT tries, made FROM webhook WHERE id = ?1";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u32>(0)?, uint(row.get(1)?)));
            let found: Option<(u32, u64)> =
                tx.conn.prepare_cached(sql)?.query_row([int(id)], row).optional()?;
            let Some((tries, made)) = found else { return Ok(()) };
            if Timestamp::from_ms(made).after(LIFE) <= tx.now {
                tracing::warn!(message = id, tries, "a webhook message was given up");
                tx.conn.prepare_cached("DELETE FROM webhook WHERE id = ?1")?.execute([int(id)])?;
                return Ok(());
            }
            let [jitter] = tx.random::<1>()?;
            let due = tx.now.after(pause(tries, jitter));
            let sql = "UPDATE webhook SET tries = tries + 1, due = ?2 WHERE id = ?1";
            tx.conn.prepare_cached(sql)?.execute(params![int(id), int(due.as_ms())])?;
            Ok(())
        })
    }

    /// The receiver at `url` wants nothing more: what waits is dropped, and nothing more is written for it.
    pub fn receiver_gone(&mut self, url: &str) -> Result<(), CloudError> {
        self.call(|tx| {
            let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) \
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            tx.conn.execute(sql, params![GONE, url.as_bytes()])?;
            tx.conn.execute("DELETE FROM webhook", [])?;
            Ok(())
        })?;
        self.tell(Tell::default());
        Ok(())
    }

    /// Whether the receiver at `url` said that it wants nothing more.
    pub fn is_receiver_gone(&mut self, url: &str) -> Result<bool, CloudError> {
        self.read(|tx| {
            let sql = "SELECT value FROM meta WHERE key = ?1";
            let gone: Option<Vec<u8>> = tx.conn.query_row(sql, [GONE], |row| row.get(0)).optional()?;
            Ok(gone.is_some_and(|gone| gone == url.as_bytes()))
        })
    }
}

impl Tx<'_> {
    /// Leaves a message about a decision that is being stored, if its verdict is told.
    pub(crate) fn leave_message(&self, new: &NewDecision<'_>) -> Result<(), CloudError> {
        let verdict = new.tail.verdict;
        // What a route only observed did not happen.
        if !new.standing || !self.desk.tell.wants(verdict) || !acts(&new.of.facts) {
            return Ok(());
        }
        let method = match verdict {
            Verdict::Challenge(method) => Some(method.name()),
            Verdict::Allow | Verdict::Block => None,
        };
        let reference = new.tail.reference.text();
        let body = json!({
            "type": format!("decision.{}", verdict.name()),
            "timestamp": self.now.rfc3339_ms(),
            "data": {
                "reference": reference,
                "event": new.of.facts.event.as_str(),
                "verdict": verdict.name(),
                "method": method,
                "reasons": new.tail.reasons.iter().map(|reason| reason.0.as_str()).collect::<Vec<_>>(),
                "zone": new.tail.zone.name(),
                "decided_ms": new.tail.decided.as_ms(),
            },
        });
        let sql = "INSERT INTO webhook (made, due, tries, name, body) VALUES (?1, ?1, 0, ?2, ?3)";
        let row = params![int(self.now.as_ms()), format!("msg_{reference}"), body.to_string().into_bytes()];
        self.conn.prepare_cached(sql)?.execute(row)?;
        let oldest = self.conn.last_insert_rowid() - WAITING_MAX;
        self.conn.prepare_cached("DELETE FROM webhook WHERE id <= ?1")?.execute([oldest])?;
        Ok(())
    }
}

/// Between half of the doubled pause and all of it, so that many messages do not come back at once.
fn pause(tries: u32, jitter: u8) -> Duration {
    let full = PAUSE.saturating_mul(1 << tries.min(20)).min(PAUSE_MAX);
    full / 2 + full / 512 * u32::from(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_says() {
        for (ms, want) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (1_800_000_000_000, "2027-01-15T08:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::from_ms(ms).rfc3339_ms(), want);
        }
    }

    #[test]
    fn pauses_double_up_to_an_hour_and_never_shrink_below_half() {
        assert_eq!(pause(0, 0), Duration::from_millis(500));
        assert!(pause(0, 255) <= PAUSE && pause(3, 255) <= PAUSE * 8 && pause(3, 0) == PAUSE * 4);
        assert_eq!(pause(u32::MAX, 0), PAUSE_MAX / 2);
        assert!(pause(u32::MAX, 255) <= PAUSE_MAX);
    }
}
