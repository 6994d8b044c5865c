//! Reads `[policy.budget]`: how many bits a device may tell of its private signals.
//!
//! Every key is optional, and what is not written is not limited; the numbers are compared with what one request tells
//! when its releases are known ([`crate::label::bits`]). Nothing here knows what a bit is.

use super::form::Form;
use crate::checked::Budget;
use crate::diagnostic::Spanned;
use crate::source::{Finding, Findings};

/// A budget as written.
#[derive(Clone, Debug)]
pub(crate) struct RawBudget {
    pub(crate) per_request: Option<Spanned<u64>>,
    pub(crate) per_session: Option<Spanned<u64>>,
    pub(crate) per_day: Option<Spanned<u64>>,
}

impl RawBudget {
    /// Without the places.
    pub(crate) fn plain(&self) -> Budget {
        let plain = |limit: Option<Spanned<u64>>| limit.map(|limit| limit.value);
        Budget {
            per_request: plain(self.per_request),
            per_session: plain(self.per_session),
            per_day: plain(self.per_day),
        }
    }
}

/// The budget, if the policy has one.
pub(crate) fn read(head: &Form<'_>, findings: &mut Findings) -> Option<RawBudget> {
    let form = head.table("budget", findings)?;
    form.only(&KEYS, findings);
    let mut limits = KEYS.iter().map(|key| {
        let limit = form.int(key, 0..=BITS_MAX, findings)?;
        Some(Spanned { value: u64::try_from(limit.value).ok()?, span: limit.span })
    });
    let (per_request, per_session, per_day) =
        (limits.next().flatten(), limits.next().flatten(), limits.next().flatten());
    if form.table.entries.is_empty() {
        let finding = Finding::new(form.table.span, "G1004", "this budget limits nothing");
        form.report(finding.help(format!("say one of: {}", KEYS.join(", "))), findings);
    }
    Some(RawBudget { per_request, per_session, per_day })
}

const KEYS: [&str; 3] = ["bits_per_request", "bits_per_session", "bits_per_day"];
/// Most that a budget can say. Unit: bits. A disclosure has at most 32,768; this is a thousand million of them.
const BITS_MAX: i64 = 1 << 45;
