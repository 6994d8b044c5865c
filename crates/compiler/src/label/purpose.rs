//! What a signal may be used for: every reading of a rule, and what computed signals are looked up by, against the
//! policy's purpose.
//!
//! A purpose is lost neither in an operator nor in a look-up: a list test tells of its key, a feature of its key and of
//! what it counts. The only way round is a reviewed exception of the catalogue that the rule names; one that the rule
//! does not need is refused, so that what stands in a policy is what it rests on.

use super::joined;
use crate::catalogue::{Catalogue, Declassifier, Origin, Signal};
use crate::check::expr::Typed;
use crate::diagnostic::{Span, Spanned, suggest};
use crate::read::policy::{RawPolicy, RawRule};
use crate::source::{Finding, Findings};
use glacis_wire::SignalName;
use std::collections::BTreeSet;

/// Checks the purposes of one rule; the exceptions that it rests on, by name.
pub(crate) fn check(
    raw: &RawPolicy<'_>,
    rule: &RawRule<'_>,
    typed: &Typed,
    catalogue: &Catalogue,
    findings: &mut Findings,
) -> Vec<String> {
    let mut scene = Scene { raw, rule, typed, catalogue, needed: BTreeSet::new() };
    for reading in typed.expr.readings() {
        scene.reading(reading, findings);
    }
    rule.declassify.iter().for_each(|name| scene.declared(*name, findings));
    scene.needed.into_iter().collect()
}

struct Scene<'a, 'r> {
    raw: &'a RawPolicy<'r>,
    rule: &'a RawRule<'r>,
    typed: &'a Typed,
    catalogue: &'a Catalogue,
    /// Exceptions that were needed and named.
    needed: BTreeSet<String>,
}

impl Scene<'_, '_> {
    fn purpose(&self) -> &str {
        &self.raw.purpose.value
    }

    /// One reading: the signal itself, then whatever it is computed from.
    fn reading(&mut self, reading: (&SignalName, Span), findings: &mut Findings) {
        let Some(signal) = self.typed.signals.get(reading.0) else { return };
        self.subject(signal, None, reading, findings);
        for key in self.catalogue.keys(signal) {
            // INVARIANT: keys are of zone `request` or `edge`, so they have no keys themselves.
            if let Some(key) = self.catalogue.signals.get(key) {
                self.subject(key, Some(signal), reading, findings);
            }
        }
    }

    fn subject(
        &mut self,
        subject: &Signal,
        of: Option<&Signal>,
        reading: (&SignalName, Span),
        findings: &mut Findings,
    ) {
        // Built-in signals state no purpose: they are the edge's own bookkeeping.
        if subject.purpose.is_empty() || subject.purpose.iter().any(|known| known == self.purpose()) {
            return;
        }
        let excuses = |known: &&Declassifier| known.purpose == self.purpose() && is_about(known, subject);
        let mut excuses = self.catalogue.declassifiers.values().filter(excuses);
        let named = |known: &Declassifier| self.rule.declassify.iter().any(|name| name.value == known.name);
        let first = excuses.clone().next().map(|known| known.name.clone());
        if let Some(found) = excuses.find(|known| named(known)) {
            self.needed.insert(found.name.clone());
            return;
        }
        let allowed: Vec<String> = subject.purpose.iter().map(|purpose| format!("`{purpose}`")).collect();
        let head = format!("{} ({})", subject.name, subject.purpose.join(", "));
        let head = of.map_or_else(|| head.clone(), |of| format!("{head} → key of {}", of.name));
        let end = format!("purpose `{}`", self.purpose());
        let way = joined(&head, &self.typed.expr, reading, &self.rule.id.value, &end);
        let message = format!("`{}` may not be used for `{}`: {way}", subject.name, self.purpose());
        let help = match first {
            Some(name) => format!("its purposes: {}; or declassify = [\"{name}\"]", allowed.join(", ")),
            None => format!(
                "its purposes: {}; or have an exception reviewed: [declassifier.NAME] in the catalogue",
                allowed.join(", ")
            ),
        };
        self.rule.form.report(Finding::new(reading.1, "G4016", message).help(help), findings);
    }

    /// A named exception that nothing needed.
    fn declared(&self, name: Spanned<&str>, findings: &mut Findings) {
        if self.needed.contains(name.value) {
            return;
        }
        let known = self.catalogue.declassifiers.keys().map(String::as_str);
        let finding = match self.catalogue.declassifiers.get(name.value) {
            None => {
                let message = format!("no declassifier is called `{}`", name.value);
                Finding::new(name.span, "G4019", message).maybe_help(suggest(name.value, known))
            }
            Some(found) if found.purpose != self.purpose() => {
                let message =
                    format!("`{}` is for `{}`, not for `{}`", found.name, found.purpose, self.purpose());
                Finding::new(name.span, "G4019", message)
            }
            Some(found) => {
                let message = format!(
                    "`{}` is about `{}`, for which this rule needs no exception",
                    found.name, found.signal
                );
                Finding::new(name.span, "G4019", message).help("leave it out")
            }
        };
        self.rule.form.report(finding, findings);
    }
}

/// Whether an exception is about a signal; one about a list is about every test against it.
fn is_about(exception: &Declassifier, signal: &Signal) -> bool {
    match &signal.origin {
        Origin::ListTest { list, .. } => exception.signal.strip_prefix("list.") == Some(list),
        _ => exception.signal == signal.name.as_str(),
    }
}
