//! Who has how much, and which transfers were executed.
//!
//! The books are the measure of every attack's goal, so they record what was done and nothing that was tried. A
//! user action executes once, however often it arrives.

use glacis_wire::EventId;
use std::collections::BTreeMap;

/// An executed transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who pays.
    pub from: String,
    /// Who is paid; a name outside the shop is another bank's matter.
    pub payee: String,
    /// How much, in whole units.
    pub amount: i64,
    /// The user action that it was executed for; none behind the plain door.
    pub event: Option<EventId>,
}

/// The books of one door.
#[derive(Debug, Default)]
pub(super) struct Books {
    balances: BTreeMap<String, i64>,
    views: BTreeMap<String, u32>,
    transfers: Vec<Transfer>,
    by_event: BTreeMap<EventId, u64>,
}

impl Books {
    pub(super) fn open(&mut self, user: &str) {
        self.balances.insert(user.to_owned(), OPENING_BALANCE);
    }

    pub(super) fn view(&mut self, user: &str) -> Option<i64> {
        let balance = self.balances.get(user).copied()?;
        *self.views.entry(user.to_owned()).or_default() += 1;
        Some(balance)
    }

    pub(super) fn views(&self, user: &str) -> u32 {
        self.views.get(user).copied().unwrap_or(0)
    }

    pub(super) fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// Executes a transfer and returns its number; the first number again for an event that was executed before.
    pub(super) fn execute(&mut self, transfer: Transfer, currency: &str) -> Option<u64> {
        if let Some(number) = transfer.event.and_then(|event| self.by_event.get(&event)) {
            return Some(*number);
        }
        let sound = currency == "EUR" && transfer.amount > 0 && transfer.payee != transfer.from;
        let left = self.balances.get(&transfer.from)?.checked_sub(transfer.amount).filter(|left| *left >= 0);
        let left = left.filter(|_| sound)?;
        self.balances.insert(transfer.from.clone(), left);
        if let Some(balance) = self.balances.get_mut(&transfer.payee) {
            *balance = balance.saturating_add(transfer.amount);
        }
        let number = self.transfers.len() as u64 + 1;
        if let Some(event) = transfer.event {
            self.by_event.insert(event, number);
        }
        self.transfers.push(transfer);
        Some(number)
    }
}

/// Enough for every schedule, so that an attack never fails for lack of money.
const OPENING_BALANCE: i64 = 100_000_000;
