//! Who may read a rule, what it lets out of the device, where it is pinned.
//!
//! A rule that reads the device says what leaves (`release`) and that its device atoms may be read there
//! (`text = "device"` or `reveal`). How many release nodes a condition has is only known after folding; the cut
//! compares it with the declared number.

use super::expr::Typed;
use crate::catalogue::{Birth, Privacy, Signal};
use crate::checked::Release;
use crate::cut::nodes::{VS_REQUEST_COSTS, count, outside};
use crate::diagnostic::{Span, Spanned, suggest};
use crate::label;
use crate::read::policy::{RawPolicy, RawRelease, RawRule};
use crate::source::{Finding, Findings};
use glacis_policy::Effect;
use glacis_wire::{SignalName, Zone};

/// Checks text, place, release and reveal of one rule.
pub(crate) fn check(rule: &RawRule<'_>, typed: &Typed, effect: Effect, findings: &mut Findings) -> Release {
    let device: Vec<&Signal> =
        typed.signals.values().filter(|signal| signal.birth == Birth::Device).collect();
    let scene = Scene { rule, typed, device, effect };
    let release = scene.release(findings);
    scene.reveal(&release, findings);
    scene.place(&release, findings);
    release
}

/// `vs_request` rests on a budget: who makes requests searches as far as a session may tell.
pub(crate) fn check_budget(raw: &RawPolicy<'_>, rule: &RawRule<'_>, findings: &mut Findings) {
    let Some(RawRelease::Nodes { vs_request: Some(span), .. }) = rule.release.as_ref().map(|own| &own.value)
    else {
        return;
    };
    if raw.budget.as_ref().is_none_or(|budget| budget.per_session.is_none()) {
        let message = "`vs_request` lets a series of requests search for a device signal, and no budget ends the search";
        let help = "write [policy.budget] with bits_per_session: what the nodes of one request tell, times the requests that a session needs";
        rule.form.report(Finding::new(*span, "G5015", message).help(help), findings);
    }
}

struct Scene<'a, 'r> {
    rule: &'a RawRule<'r>,
    typed: &'a Typed,
    /// The device signals that the condition reads.
    device: Vec<&'a Signal>,
    effect: Effect,
}

impl Scene<'_, '_> {
    fn report(&self, finding: Finding, findings: &mut Findings) {
        self.rule.form.report(finding, findings);
    }

    fn text(&self) -> Zone {
        self.rule.text.map_or(Zone::Edge, |text| text.value)
    }

    fn is_device(&self, name: &SignalName) -> bool {
        self.device.iter().any(|signal| signal.name == *name)
    }

    /// Where the condition first reads a signal that `wanted` holds of.
    fn reading(&self, wanted: impl Fn(&SignalName) -> bool) -> Option<(&SignalName, Span)> {
        self.typed.expr.readings().into_iter().find(|(name, _)| wanted(name))
    }

    fn release(&self, findings: &mut Findings) -> Release {
        let first = self.reading(|name| self.is_device(name));
        match (&self.rule.release, self.rule.undisclosed, first) {
            (Some(release), Some(danger), _) => {
                let message = "`danger_undisclosed` says that nothing leaves, `release` says what does";
                self.report(Finding::new(danger, "G5002", message), findings);
                self.convert(release, findings)
            }
            (None, Some(danger), None) => {
                let message = "this rule reads no device signal, so there is nothing to disclose";
                self.report(Finding::new(danger, "G5002", message), findings);
                Release::Nothing
            }
            (None, Some(_), Some(_)) => Release::Undisclosed,
            (Some(release), None, None) => {
                let message = "this rule reads no device signal, so there is nothing to release";
                self.report(Finding::new(release.span, "G5002", message), findings);
                Release::Nothing
            }
            (Some(release), None, Some(_)) => self.convert(release, findings),
            (None, None, None) => Release::Nothing,
            // A `release` that could not be read was reported.
            (None, None, Some(_)) if self.rule.form.entry("release").is_some() => Release::Nothing,
            (None, None, Some(reading)) => {
                let way = self.way(reading, outside(self.is_hidden()));
                let message =
                    format!("`{}` is on the device, and this rule releases nothing of it: {way}", reading.0);
                self.report(Finding::new(reading.1, "G5003", message).help(self.cheapest()), findings);
                Release::Nothing
            }
        }
    }

    /// The way of a reading through this rule.
    fn way(&self, reading: (&SignalName, Span), end: &str) -> String {
        let (whole, rule) = (&self.typed.expr, &self.rule.id.value);
        self.typed
            .signals
            .get(reading.0)
            .map_or(String::new(), |signal| label::path(signal, whole, reading, rule, end))
    }

    fn is_hidden(&self) -> bool {
        self.text() == Zone::Cloud || self.rule.place.is_some_and(|place| place.value == Zone::Cloud)
    }

    /// What an early decision shows of the condition that it rests on.
    const fn early(&self) -> &'static str {
        match self.effect {
            Effect::Challenge(_) => "early prompt, which shows",
            Effect::Block => "early block: no request comes, which shows",
            _ => "early decision, which shows",
        }
    }

    /// The release that lets out least and makes the rule work.
    fn cheapest(&self) -> String {
        let kept = "danger_undisclosed = true keeps it in";
        let count = |vs_request| count(&self.typed.signals, &self.typed.expr, vs_request);
        match count(false) {
            Some(1) if self.reading(|name| !self.is_device(name)).is_none() => format!(
                "add release = \"bit\": whether the condition holds leaves, 1 bit; \"verdict\" lets the device decide \
                 early as well ({kept})"
            ),
            Some(1) => format!("add release = \"bit\": 1 bit leaves ({kept})"),
            Some(nodes) => {
                format!("add release = {{ nodes = {nodes} }}: {nodes} bits leave at most ({kept})")
            }
            None => {
                let constants = format!("compare what is on the device with constants only ({kept})");
                match count(true) {
                    Some(nodes) => format!(
                        "{constants}; or add release = {{ nodes = {nodes}, vs_request = true }}: {VS_REQUEST_COSTS}"
                    ),
                    None => constants,
                }
            }
        }
    }

    fn convert(&self, release: &Spanned<RawRelease<'_>>, findings: &mut Findings) -> Release {
        match &release.value {
            RawRelease::Verdict => {
                self.verdict(release.span, findings);
                Release::Verdict
            }
            RawRelease::Nodes { nodes, values, vs_request, .. } => {
                let values = values.iter().filter_map(|value| self.value(*value, findings)).collect();
                let nodes = nodes.map_or(0, |nodes| nodes.value);
                Release::Nodes { nodes, values, vs_request: vs_request.is_some() }
            }
        }
    }

    /// `"verdict"`: a hard or prompting rule over the device alone, whose text the device may read.
    fn verdict(&self, span: Span, findings: &mut Findings) {
        if self.text() != Zone::Device {
            let finding =
                Finding::new(span, "G5004", "the device can only decide on a rule that it may read");
            self.report(finding.help("add text = \"device\""), findings);
        }
        if let Some((name, place)) = self.reading(|name| !self.is_device(name)) {
            let first = self.reading(|name| self.is_device(name));
            let way = first.map_or(String::new(), |first| format!(": {}", self.way(first, self.early())));
            let message =
                format!("`{name}` is not on the device, so the device cannot decide this rule{way}");
            let finding = Finding::new(place, "G5004", message);
            self.report(finding.help("use release = { nodes = n }"), findings);
        }
        if !matches!(self.effect, Effect::Block | Effect::Challenge(_)) {
            let first = self.reading(|name| self.is_device(name));
            let way = first.map_or(String::new(), |first| format!(": {}", self.way(first, self.early())));
            let message = format!("a device decides early only by `block` or `challenge`{way}");
            let finding = Finding::new(span, "G5004", message);
            self.report(finding.help("use release = { nodes = n }"), findings);
        }
    }

    /// A signal that leaves as it is: read by the rule, born on the device, not private.
    fn value(&self, name: Spanned<&str>, findings: &mut Findings) -> Option<SignalName> {
        let Some(signal) = self.device.iter().find(|signal| signal.name.as_str() == name.value) else {
            let message = format!("the condition reads no device signal `{}`", name.value);
            let help = suggest(name.value, self.device.iter().map(|signal| signal.name.as_str()));
            self.report(Finding::new(name.span, "G5005", message).maybe_help(help), findings);
            return None;
        };
        if signal.privacy == Privacy::Private {
            let first = self.reading(|read| *read == signal.name);
            let way = first.map_or(String::new(), |first| self.way(first, outside(self.is_hidden())));
            let message = format!("`{}` is private and cannot leave as a value: {way}", signal.name);
            let finding = Finding::new(name.span, "G5005", message);
            self.report(finding.help("release a node that answers yes or no: release = \"bit\""), findings);
        }
        Some(signal.name.clone())
    }

    /// An atom over the device is read there: the text allows it, or `reveal` names its signals.
    fn reveal(&self, release: &Release, findings: &mut Findings) {
        let values: &[SignalName] = match release {
            Release::Nodes { values, .. } => values,
            _ => &[],
        };
        for name in &self.rule.reveal {
            let fault = if !self.device.iter().any(|signal| signal.name.as_str() == name.value) {
                format!("the condition reads no device signal `{}`", name.value)
            } else if self.text() == Zone::Device {
                "text = \"device\" reveals the whole rule already".to_owned()
            } else {
                continue;
            };
            let help = suggest(name.value, self.device.iter().map(|signal| signal.name.as_str()));
            let help = help.filter(|_| self.text() != Zone::Device);
            self.report(Finding::new(name.span, "G5006", fault).maybe_help(help), findings);
        }
        // `verdict` asks for the device's text itself.
        if self.text() == Zone::Device || matches!(release, Release::Undisclosed | Release::Verdict) {
            return;
        }
        let covered = |name: &SignalName| self.rule.reveal.iter().any(|known| known.value == name.as_str());
        let bare = |name: &SignalName| self.is_device(name) && !values.contains(name) && !covered(name);
        if let Some((name, span)) = self.reading(bare) {
            let text = self.rule.form.source.text.get(span.start..span.end).unwrap_or("");
            let message = format!(
                "the atom around `{text}` runs on the device, where text = \"{}\" forbids to read it",
                self.text().name()
            );
            let finding = Finding::new(span, "G5006", message);
            let help = format!("write text = \"device\", or reveal = [\"{name}\"] for this atom alone");
            self.report(finding.help(help), findings);
        }
    }

    fn place(&self, release: &Release, findings: &mut Findings) {
        let Some(place) = self.rule.place else { return };
        let cloud = self
            .reading(|name| self.typed.signals.get(name).is_some_and(|signal| signal.birth == Birth::Cloud));
        let first = self.reading(|name| self.is_device(name));
        let way = || first.map_or(String::new(), |first| format!(": {}", self.way(first, self.early())));
        let fault = match place.value {
            Zone::Device if *release != Release::Verdict => Some((
                format!("a rule is placed on the device only with release = \"verdict\"{}", way()),
                "leave `place` out, or let the device decide it",
            )),
            Zone::Edge if cloud.is_some() => Some((
                format!(
                    "`{}` is in the cloud, so the edge cannot close this rule",
                    cloud.map_or("", |(n, _)| n.as_str())
                ),
                "leave `place` out: the edge still finds the rule false early where it can",
            )),
            Zone::Edge | Zone::Device if self.text() == Zone::Cloud => Some((
                format!("text = \"cloud\" keeps this rule from zone `{}`", place.value.name()),
                "leave `place` out",
            )),
            Zone::Cloud if *release == Release::Verdict => Some((
                format!(
                    "release = \"verdict\" lets the device decide what `place` keeps for the cloud{}",
                    way()
                ),
                "use release = { nodes = n }",
            )),
            _ => None,
        };
        if let Some((message, help)) = fault {
            self.report(Finding::new(place.span, "G5007", message).help(help), findings);
        }
    }
}
