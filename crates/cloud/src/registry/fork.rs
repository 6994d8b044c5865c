//! Session chains: what openings say about who holds a key, and what a fork does.
//!
//! Every opening names the one before it. Two of one parent or of one number, or numbers that go back in time, mean that
//! two hold the key: both branches are capped by the feed, none is ever blocked, and a new key cures it.

use crate::audit::AuditKind;
use crate::core::Tx;
use crate::error::CloudError;
use crate::store::int;
use glacis_wire::Encode as _;
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::session::OpeningRecord;
use rusqlite::params;
use std::time::Duration;

/// How much later than a later opening an earlier one can seem to be.
///
/// Source: two nodes whose clocks are off by up to 60 s each in opposite directions, and a request that was under
/// way for as long as a signature lives (60 s, and 30 s of skew); rounded up.
const ORDER_SKEW: Duration = Duration::from_secs(300);

impl Tx<'_> {
    pub(crate) fn take_opening(&mut self, opening: &OpeningRecord) -> Result<(), CloudError> {
        let sql = "INSERT INTO opening (thumbprint, chain, parent, epoch_ctr, opened_at, node) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let new = self.conn.prepare_cached(sql)?.execute(params![
            opening.thumbprint.as_bytes(),
            opening.chain.as_bytes(),
            opening.parent.as_bytes(),
            int(opening.epoch_ctr),
            int(opening.opened_at.as_ms()),
            opening.node.as_str(),
        ])?;
        if new == 0 {
            return Ok(());
        }
        self.audit_inserted(AuditKind::Opening)?;
        // What fell with collateral could be lifted again; a fork is for good.
        if self.is_fork(opening)? && !self.is_listed_for_good(&opening.thumbprint)? {
            self.note_fork(opening)?;
            self.list_device(&opening.thumbprint, FeedAction::Cap, "session-fork", None)?;
        }
        Ok(())
    }

    /// Whether two hold this key: one parent or one number twice, or numbers that do not grow with time. A clone
    /// that avoids the first by inventing a parent cannot avoid the last, since its owner's numbers go on.
    fn is_fork(&self, opening: &OpeningRecord) -> Result<bool, CloudError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM opening WHERE thumbprint = ?1 AND parent = ?2 AND chain <> ?3) \
                   OR EXISTS (SELECT 1 FROM opening WHERE thumbprint = ?1 AND epoch_ctr = ?4 AND chain <> ?3) \
                   OR coalesce((SELECT opened_at FROM opening WHERE thumbprint = ?1 AND epoch_ctr > ?4 \
                   ORDER BY epoch_ctr LIMIT 1) < ?5, 0) \
                   OR coalesce((SELECT opened_at FROM opening WHERE thumbprint = ?1 AND epoch_ctr < ?4 \
                   ORDER BY epoch_ctr DESC LIMIT 1) > ?6, 0)";
        let key = params![
            opening.thumbprint.as_bytes(),
            opening.parent.as_bytes(),
            opening.chain.as_bytes(),
            int(opening.epoch_ctr),
            int(opening.opened_at.before(ORDER_SKEW).as_ms()),
            int(opening.opened_at.after(ORDER_SKEW).as_ms()),
        ];
        Ok(self.conn.prepare_cached(sql)?.query_row(key, |row| row.get(0))?)
    }

    fn note_fork(&mut self, opening: &OpeningRecord) -> Result<(), CloudError> {
        let sql = "INSERT INTO incident (at, kind, thumbprint, event_id, node, detail_bytes) \
                   VALUES (?1, 'session-fork', ?2, NULL, ?3, ?4)";
        let row = params![
            int(self.now.as_ms()),
            opening.thumbprint.as_bytes(),
            opening.node.as_str(),
            opening.to_bytes()?
        ];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::Incident).map(|_row| ())
    }
}
