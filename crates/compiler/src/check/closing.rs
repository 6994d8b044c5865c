//! What an open rule closes to: an entry for every cause that can reach it, none by default.
//!
//! An entry comes from the rule, else from `[policy.if_unknown]`. `denied`, `version` and `if_error` must be at
//! least as strict as `withheld`, or withholding would be replaced by provoking them; `withheld` itself is skipped
//! only by the name `danger_skip`. Rules that make a verdict milder take no entries: they close as skip.

use super::expr::Typed;
use super::rank;
use crate::catalogue::Catalogue;
use crate::diagnostic::{Span, Spanned};
use crate::read::form::Form;
use crate::read::policy::{RawClosing, RawEntry, RawPolicy, RawRule};
use crate::source::{Finding, Findings};
use glacis_policy::{Effect, Entry};
use glacis_wire::Cause;

/// One rule and all that decides how it may close.
pub(crate) struct Scene<'a, 'r> {
    pub(crate) policy: &'a RawPolicy<'r>,
    pub(crate) rule: &'a RawRule<'r>,
    pub(crate) effect: Effect,
    pub(crate) typed: &'a Typed,
    pub(crate) catalogue: &'a Catalogue,
    /// The edge may not hold it: in an outage it is unknown as a whole.
    pub(crate) hidden: bool,
    /// Nothing of it is disclosed: it is always withheld as a whole.
    pub(crate) undisclosed: bool,
}

/// Entries of a rule: by cause, and for an error.
pub(crate) type Closing = ([Entry; Cause::ALL.len()], Entry);

/// Checks the form of the policy's own entries, once.
pub(crate) fn check_policy_entries(raw: &RawPolicy<'_>, findings: &mut Findings) {
    check_danger(&raw.form, &raw.closing, findings);
    if raw.closing.error.is_none() && raw.rules.iter().any(|rule| needs_error(rule)) {
        raw.form.missing(
            "if_error",
            "say what a rule closes to when its condition fails, e.g. \"match\"",
            findings,
        );
    }
}

fn needs_error(rule: &RawRule<'_>) -> bool {
    rule.closing.error.is_none() && !rule.effect.is_some_and(|effect| effect.value.is_lenient())
}

/// `skip` and `danger_skip`, each where it belongs.
fn check_danger(form: &Form<'_>, closing: &RawClosing, findings: &mut Findings) {
    for (cause, entry) in &closing.unknown {
        let finding = match (cause, entry.value) {
            (Cause::Withheld, RawEntry::Skip) => {
                let finding = Finding::new(
                    entry.span,
                    "G4008",
                    "skipping what is withheld lets a device excuse itself",
                );
                finding.help("write `danger_skip` if that is meant")
            }
            (other, RawEntry::DangerSkip) if *other != Cause::Withheld => {
                Finding::new(entry.span, "G4008", "`danger_skip` exists for `withheld` only")
                    .help("write `skip`")
            }
            _ => continue,
        };
        form.report(finding, findings);
    }
    if let Some(entry) = closing.error.filter(|entry| entry.value == RawEntry::DangerSkip) {
        let finding = Finding::new(entry.span, "G4008", "`danger_skip` exists for `withheld` only");
        form.report(finding.help("write `skip`"), findings);
    }
}

/// The complete entries of one rule.
pub(crate) fn check_rule(scene: &Scene<'_, '_>, findings: &mut Findings) -> Closing {
    let own = &scene.rule.closing;
    if scene.effect.is_lenient() {
        let given = own.unknown.iter().map(|(_, entry)| entry.span).chain(own.error.map(|entry| entry.span));
        for span in given {
            let finding = Finding::new(span, "G4010", "a rule that makes a verdict milder takes no entries");
            scene.rule.form.report(finding.help("it closes as skip, always; leave the entry out"), findings);
        }
        return ([Entry::Skip; Cause::ALL.len()], Entry::Skip);
    }
    check_danger(&scene.rule.form, own, findings);
    for (_, entry) in &own.unknown {
        scene.check_milder(*entry, findings);
    }
    if let Some(entry) = own.error {
        scene.check_milder(entry, findings);
    }
    let reach = scene.reach();
    let unknown = Cause::ALL.map(|cause| scene.entry(cause, &reach, findings));
    scene.check_strictness(&reach, findings);
    let error = own.error.or(scene.policy.closing.error);
    // An absent `if_error` was reported; `Match` is the strictest stand-in.
    (unknown, error.map_or(Entry::Match, |entry| scene.convert(entry.value)))
}

/// A cause and through what it reaches the rule.
type Reach = Vec<(Cause, String)>;

impl Scene<'_, '_> {
    /// The causes that can reach this rule, each with a witness.
    fn reach(&self) -> Reach {
        let mut reach: Reach = Vec::new();
        let mut add = |cause: Cause, witness: String| {
            if !reach.iter().any(|(known, _)| *known == cause) {
                reach.push((cause, witness));
            }
        };
        if self.hidden {
            add(Cause::Unavailable, "the cloud, which alone may hold this rule".to_owned());
        }
        if self.undisclosed {
            add(Cause::Withheld, "`danger_undisclosed`".to_owned());
            return reach;
        }
        for signal in self.typed.signals.values() {
            for cause in signal.causes(self.catalogue) {
                add(cause, format!("`{}`", signal.name));
            }
        }
        reach
    }

    /// The entry as written: the rule's, else the policy's.
    fn written(&self, cause: Cause) -> Option<Spanned<RawEntry>> {
        let find = |closing: &RawClosing| {
            closing.unknown.iter().find(|(known, _)| *known == cause).map(|(_, entry)| *entry)
        };
        find(&self.rule.closing).or_else(|| find(&self.policy.closing))
    }

    fn entry(&self, cause: Cause, reach: &Reach, findings: &mut Findings) -> Entry {
        let reached = reach.iter().find(|(known, _)| *known == cause);
        match (self.written(cause), reached) {
            (Some(entry), _) => self.convert(entry.value),
            (None, Some((_, witness))) => {
                let name = cause.name();
                let message =
                    format!("`{name}` can reach this rule through {witness}, and no entry says what then");
                let finding = Finding::new(self.rule.id.span, "G4007", message);
                let help =
                    format!("add `{name} = \"match\"` to the rule's if_unknown or to [policy.if_unknown]");
                self.rule.form.report(finding.help(help), findings);
                Entry::Match
            }
            // A cause that cannot reach the rule: `Match` should it ever.
            (None, None) => Entry::Match,
        }
    }

    /// An entry of the rule's own that is stricter than the rule would be lost silently.
    fn check_milder(&self, entry: Spanned<RawEntry>, findings: &mut Findings) {
        let RawEntry::Milder(effect) = entry.value else { return };
        let finding = match self.effect {
            Effect::Score(_) => Finding::new(entry.span, "G4009", "points have no milder form")
                .help("write `match` or `skip`"),
            own if rank(&self.policy.methods, effect) > rank(&self.policy.methods, own) => {
                Finding::new(entry.span, "G4009", "this entry is stricter than the rule's own effect")
                    .help("write `match`")
            }
            _ => return,
        };
        self.rule.form.report(finding, findings);
    }

    fn convert(&self, entry: RawEntry) -> Entry {
        match (entry, self.effect) {
            (RawEntry::Skip | RawEntry::DangerSkip, _) => Entry::Skip,
            (RawEntry::Match, _) | (RawEntry::Milder(_), Effect::Score(_)) => Entry::Match,
            (RawEntry::Milder(effect), _) => Entry::Milder(effect),
        }
    }

    /// Strictness of an entry on this rule: the milder of the two, 0 for skip.
    fn applied(&self, entry: RawEntry) -> usize {
        let own = rank(&self.policy.methods, self.effect);
        match self.convert(entry) {
            Entry::Skip => 0,
            Entry::Match => own,
            Entry::Milder(effect) => own.min(rank(&self.policy.methods, effect)),
        }
    }

    /// What a device can provoke must not be milder than withholding.
    fn check_strictness(&self, reach: &Reach, findings: &mut Findings) {
        let reached = |cause: Cause| reach.iter().any(|(known, _)| *known == cause);
        let Some(withheld) = self.written(Cause::Withheld).filter(|_| reached(Cause::Withheld)) else {
            return;
        };
        let floor = self.applied(withheld.value);
        let mut compare = |name: &str, entry: Spanned<RawEntry>| {
            if self.applied(entry.value) < floor {
                let own = self.rule.closing.unknown.iter().map(|(_, entry)| entry.span);
                let is_own =
                    own.chain(self.rule.closing.error.map(|entry| entry.span)).any(|s| s == entry.span);
                // An entry of the policy is reported at the rule that it does not fit.
                let span: Span = if is_own { entry.span } else { self.rule.id.span };
                let message = format!("`{name}` closes this rule milder than `withheld` does");
                let finding = Finding::new(span, "G4011", message);
                let help = format!("make it as strict, or a device provokes `{name}` instead of withholding");
                self.rule.form.report(finding.help(help), findings);
            }
        };
        for cause in [Cause::Denied, Cause::Version] {
            if let Some(entry) = self.written(cause).filter(|_| reached(cause)) {
                compare(cause.name(), entry);
            }
        }
        if let Some(entry) = self.rule.closing.error.or(self.policy.closing.error) {
            compare("if_error", entry);
        }
    }
}
