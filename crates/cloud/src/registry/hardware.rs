//! One chip, one device: what is known of hardware, under a pseudonym.
//!
//! The verifier's role hands out a pseudonym of the chip, made under this operator's key: two operators cannot tell that
//! they see one chip, and nobody can compute the chip's id from the store. A second key of the same chip is a step of its
//! lineage and retires the first. A chip whose newest device an operator refused enrols nothing more.

use super::lineage::Why;
use crate::core::Tx;
use crate::error::CloudError;
use crate::store::int;
use glacis_wire::Thumbprint;
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::refusal::Refusal;
use rusqlite::{OptionalExtension as _, params};

/// What one key says about one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Uniqueness {
    /// Nothing: one device can have any number of keys.
    None = 0,
    /// The platform gives an estimate.
    Estimate = 1,
    /// The hardware: one chip is one device here.
    Hardware = 2,
}

impl Uniqueness {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::None, Self::Estimate, Self::Hardware];

    /// The name in answers and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Estimate => "estimate",
            Self::Hardware => "hardware",
        }
    }

    pub(super) fn of_code(code: u8) -> Result<Self, CloudError> {
        Self::ALL
            .into_iter()
            .find(|class| *class as u8 == code)
            .ok_or_else(|| CloudError::corrupt("uniqueness"))
    }
}

/// A chip, as this operator alone knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Chip(pub(super) [u8; 32]);

impl Tx<'_> {
    /// The device that was the newest of this chip until now; none where there was none or it is this one.
    pub(super) fn former_of_chip(
        &self,
        chip: Chip,
        device: &Thumbprint,
    ) -> Result<Option<Thumbprint>, CloudError> {
        let refuse = |why: &str| CloudError::refused(Refusal::EnrolmentRefused, why);
        let sql = "SELECT pseudonym FROM hardware WHERE thumbprint = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let known: Option<[u8; 32]> =
            statement.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
        if known.is_some_and(|known| known != chip.0) {
            return Err(refuse("the key is known from another chip, and keys do not move between chips"));
        }
        let sql = "SELECT thumbprint FROM hardware WHERE pseudonym = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let newest: Option<[u8; 32]> = statement.query_row([chip.0], |row| row.get(0)).optional()?;
        let newest = newest.map(Thumbprint::new).filter(|newest| newest != device);
        if newest.is_some_and(|old| self.desk.state.feed.action(&old) == Some(FeedAction::Refuse)) {
            return Err(refuse("an operator refused the device of this chip"));
        }
        Ok(newest)
    }

    /// Notes that `device` is the newest of its chip, in the place of `former`.
    pub(super) fn own_chip(
        &mut self,
        chip: Chip,
        device: &Thumbprint,
        former: Option<Thumbprint>,
    ) -> Result<(), CloudError> {
        let sql = "INSERT INTO hardware (pseudonym, thumbprint, since) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (pseudonym) DO UPDATE SET thumbprint = excluded.thumbprint, since = excluded.since \
                   WHERE thumbprint <> excluded.thumbprint";
        let row = params![chip.0, device.as_bytes(), int(self.now.as_ms())];
        self.conn.prepare_cached(sql)?.execute(row)?;
        match former {
            Some(old) => self.succeed(&old, device, Why::SameHardware),
            None => Ok(()),
        }
    }
}
