//! Reads `[declassifier.NAME]` of a catalogue: the reviewed exceptions from what signals may be used for.
//!
//! One exception is about one signal and one purpose, and says why, who looked at it and when. A date in the future or
//! long past is nobody's matter here: this crate has no clock. An exception that no rule could need is refused.

use super::catalogue::signal_name;
use super::form::Form;
use super::policy::identifier;
use crate::catalogue::{Catalogue, Declassifier};
use crate::diagnostic::{Spanned, suggest};
use crate::source::{Finding, Findings};
use glacis_wire::SignalName;
use glacis_wire::limits::{NAME_BYTES_MAX, VALUE_BYTES_MAX};

/// Reads all of them into `catalogue`, whose signals, lists and features are there already.
pub(crate) fn read(form: &Form<'_>, catalogue: &mut Catalogue, findings: &mut Findings) {
    let Some(tables) = form.table("declassifier", findings) else { return };
    for entry in &tables.table.entries {
        let Some(inner) = tables.table(&entry.key.value, findings) else { continue };
        let name = Spanned { value: entry.key.value.as_str(), span: entry.key.span };
        if let Some(found) = one(name, &inner, catalogue, findings) {
            catalogue.declassifiers.insert(found.name.clone(), found);
        }
    }
}

fn one(
    name: Spanned<&str>,
    form: &Form<'_>,
    catalogue: &Catalogue,
    findings: &mut Findings,
) -> Option<Declassifier> {
    form.only(&KEYS, findings);
    for key in KEYS.iter().filter(|key| form.entry(key).is_none()) {
        form.missing(key, "an exception says of what, for what, why, by whom and when", findings);
    }
    let name = identifier(form, name, NAME_BYTES_MAX, findings);
    let subject = form.text("signal", findings);
    let purpose = said(form, "for", findings);
    let reason = said(form, "reason", findings);
    let reviewed_by = said(form, "reviewed_by", findings);
    let reviewed_on = said(form, "reviewed_on", findings).filter(|date| is_date(form, *date, findings));
    let subject = subject?;
    let Some(purposes) = purposes(catalogue, subject.value) else {
        let finding =
            Finding::new(subject.span, "G1020", format!("no signal or list is called `{}`", subject.value));
        let help = suggest(subject.value, catalogue.signals.keys().map(SignalName::as_str));
        form.report(finding.maybe_help(help), findings);
        return None;
    };
    let purpose = purpose?;
    if purposes.is_empty() || purposes.iter().any(|known| known == purpose.value) {
        let message = format!("`{}` may be used for `{}` anyway", subject.value, purpose.value);
        let finding = Finding::new(purpose.span, "G1020", message);
        form.report(finding.help("leave the exception out"), findings);
    }
    Some(Declassifier {
        name: name?.value,
        signal: subject.value.to_owned(),
        purpose: purpose.value.to_owned(),
        reason: reason?.value.to_owned(),
        reviewed_by: reviewed_by?.value.to_owned(),
        reviewed_on: reviewed_on?.value.to_owned(),
    })
}

/// What the thing that an exception is about may be used for.
fn purposes<'c>(catalogue: &'c Catalogue, subject: &str) -> Option<&'c [String]> {
    if let Some(list) = subject.strip_prefix("list.") {
        return catalogue.lists.get(list).map(|list| list.purpose.as_slice());
    }
    let name = signal_name(subject).ok()?;
    catalogue.signals.get(&name).map(|signal| signal.purpose.as_slice())
}

/// A text that says something.
fn said<'a>(form: &Form<'a>, key: &str, findings: &mut Findings) -> Option<Spanned<&'a str>> {
    let text = form.text(key, findings)?;
    if text.value.trim().is_empty() || text.value.len() > VALUE_BYTES_MAX {
        let message = format!("`{key}` must say something, in at most {VALUE_BYTES_MAX} bytes");
        form.report(Finding::new(text.span, "G1020", message), findings);
        return None;
    }
    Some(text)
}

/// Whether it is a day of the calendar, in the one form that sorts.
fn is_date(form: &Form<'_>, text: Spanned<&str>, findings: &mut Findings) -> bool {
    let shape: String =
        text.value.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    let day = shape == "0000-00-00" && text.value.parse::<jiff::civil::Date>().is_ok();
    if !day {
        let finding = Finding::new(text.span, "G1020", format!("`{}` is not a day", text.value));
        form.report(finding.help("write it as 2026-01-31"), findings);
    }
    day
}

const KEYS: [&str; 5] = ["signal", "for", "reason", "reviewed_by", "reviewed_on"];
