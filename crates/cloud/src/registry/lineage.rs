//! Lineage: which key came in the place of which, why, and when.
//!
//! A key may vouch for the one that replaces it while it is not listed: a forked key speaks for whoever copied it. The
//! rows are under the audit chain and are never swept, so what a device was before stays known however often it changes
//! keys. Nothing of a tier is handed down: the new key is worth what its own evidence is.

use crate::audit::AuditKind;
use crate::core::Tx;
use crate::error::CloudError;
use crate::store::{int, uint};
use glacis_seal::{Purpose, verify};
use glacis_wire::message::enrol::Predecessor;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Thumbprint, Timestamp};
use rusqlite::params;
use std::collections::BTreeSet;

/// Keys that are shown before and after one.
///
/// Unit: steps of the line. LIMIT: so many look-ups, whatever somebody enrolled.
const STEPS_MAX: usize = 64;

/// Why a key came in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The old key vouched for the new one.
    Replaced,
    /// Both are in one chip.
    SameHardware,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 2] = [Self::Replaced, Self::SameHardware];

    /// The stable code, also of the change of the old key's tier.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::SameHardware => "same-hardware",
        }
    }

    fn from_name(name: &str) -> Result<Self, CloudError> {
        let known = Self::ALL.into_iter().find(|why| why.name() == name);
        known.ok_or_else(|| CloudError::corrupt(format!("reason `{name}` of a lineage")))
    }
}

/// One step of a line: a key that came in the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// The key before.
    pub old: Thumbprint,
    /// The key after.
    pub new: Thumbprint,
    /// Why.
    pub why: Why,
    /// When.
    pub at: Timestamp,
}

impl Tx<'_> {
    /// The key that vouches for `device`, whose enrolment says this; none where the registry has that on record already.
    pub(super) fn vouching(
        &self,
        predecessor: &Predecessor,
        said: &[u8],
        device: &Thumbprint,
    ) -> Result<Option<Thumbprint>, CloudError> {
        let refuse = |why: &str| CloudError::refused(Refusal::EnrolmentRefused, why);
        let old = predecessor.thumbprint;
        if old == *device {
            return Err(refuse("a key cannot take its own place"));
        }
        let Some(certificate) = self.certificate_of(&old)? else {
            return Err(refuse("the key to be replaced is not enrolled here"));
        };
        verify(
            &certificate.device_key,
            &self.desk.context,
            Purpose::Succession,
            said,
            &predecessor.signature,
        )
        .map_err(|error| refuse("the key to be replaced did not sign this enrolment").caused_by(error))?;
        if self.successions("old", &old)?.iter().any(|step| step.new == *device) {
            return Ok(None);
        }
        // One that fell with collateral is in the hands that it was in before: it may say who follows it.
        if self.is_listed_for_good(&old)? {
            return Err(refuse("a listed key vouches for none; enrol without it"));
        }
        Ok(Some(old))
    }

    /// Notes that `new` came in the place of `old`, and retires that.
    pub(super) fn succeed(&mut self, old: &Thumbprint, new: &Thumbprint, why: Why) -> Result<(), CloudError> {
        let sql = "INSERT INTO lineage (old, new, why, at) VALUES (?1, ?2, ?3, ?4)";
        let row = params![old.as_bytes(), new.as_bytes(), why.name(), int(self.now.as_ms())];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::Lineage)?;
        self.retire(old, why.name())
    }

    /// The whole line that a key stands in, oldest step first.
    pub(super) fn lineage(&self, device: &Thumbprint) -> Result<Vec<Succession>, CloudError> {
        let mut before = self.line("new", device, |step| step.old)?;
        before.reverse();
        before.extend(self.line("old", device, |step| step.new)?);
        Ok(before)
    }

    /// Steps of the line in one direction, nearest first; `by` is the column that names where one stands.
    fn line(
        &self,
        by: &str,
        device: &Thumbprint,
        next: fn(&Succession) -> Thumbprint,
    ) -> Result<Vec<Succession>, CloudError> {
        let (mut found, mut due, mut seen) = (Vec::new(), vec![*device], BTreeSet::from([*device]));
        while let Some(at) = due.pop() {
            for step in self.successions(by, &at)? {
                if found.len() == STEPS_MAX {
                    return Ok(found);
                }
                if seen.insert(next(&step)) {
                    due.push(next(&step));
                }
                found.push(step);
            }
        }
        Ok(found)
    }

    /// Steps that begin (`old`) or end (`new`) at a key, newest first.
    fn successions(&self, by: &str, device: &Thumbprint) -> Result<Vec<Succession>, CloudError> {
        let sql = format!("SELECT old, new, why, at FROM lineage WHERE {by} = ?1 ORDER BY id DESC");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query([device.as_bytes()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Succession {
                old: Thumbprint::new(row.get(0)?),
                new: Thumbprint::new(row.get(1)?),
                why: Why::from_name(&row.get::<_, String>(2)?)?,
                at: Timestamp::from_ms(uint(row.get(3)?)),
            });
        }
        Ok(found)
    }
}
