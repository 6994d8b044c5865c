//! A plan as people read it: a table of rules, then what leaves, what each slice tells, cost, and what could go.
//!
//! Lines are short and in the order in which questions come up; every name is the policy's own. What must not be here is
//! a number or a word that is not in the plan.

use super::{Plan, ReleaseForm, ReleasePlan, RulePlan, SlicePlan};
use crate::catalogue::Privacy;
use glacis_wire::Zone;
use std::fmt::{self, Display, Formatter};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "policy `{}` decides `{}` for {}", self.policy, self.event, self.purpose)?;
        writeln!(f, "\nrules, and why they are where they are:")?;
        for rule in &self.rules {
            show_rule(rule, f)?;
        }
        show_releases(self, f)?;
        for slice in &self.slices {
            show_slice(slice, f)?;
        }
        if !self.exceptions.is_empty() {
            listed("\nrests on reviewed exceptions:", &self.exceptions, f)?;
        }
        show_spare(self, f)?;
        for share in self.shares.iter().filter(|share| share.events > 0) {
            let (decided, all) = (share.decided, share.events);
            let tenths = u128::from(decided) * 1_000 / u128::from(all);
            let (whole, part) = (tenths / 10, tenths % 10);
            let zone = in_zone(share.zone);
            writeln!(f, "decided {zone}: {decided} of {all} recorded events, {whole}.{part} %")?;
        }
        Ok(())
    }
}

const fn in_zone(zone: Zone) -> &'static str {
    match zone {
        Zone::Device => "on the device",
        Zone::Edge => "at the edge",
        Zone::Cloud => "in the cloud",
    }
}

fn show_rule(rule: &RulePlan, f: &mut Formatter<'_>) -> fmt::Result {
    let zones: Vec<&str> = rule.zones.iter().map(|zone| zone.name()).collect();
    writeln!(f, "  {} ({}): {}; closes {}", rule.id, rule.effect, zones.join(", "), in_zone(rule.closes))?;
    if let Some(condition) = &rule.false_early {
        writeln!(f, "    false at the edge already where this is: {condition}")?;
    }
    for why in &rule.why {
        writeln!(f, "    {} ({}): {}", why.zone.name(), why.kind.name(), why.text)?;
    }
    Ok(())
}

fn show_releases(plan: &Plan, f: &mut Formatter<'_>) -> fmt::Result {
    if plan.releases.is_empty() {
        return writeln!(f, "\nnothing leaves the device");
    }
    writeln!(f, "\nleaves the device, in every disclosure:")?;
    for release in &plan.releases {
        show_release(release, f)?;
    }
    let bits: Vec<String> =
        plan.bits.iter().map(|(label, bits)| format!("{bits} {}", label.name())).collect();
    write!(f, "  bits a request: {}", bits.join(", "))?;
    match &plan.budget {
        Some(budget) => writeln!(f, "; budget of what is not {}: {budget}", Privacy::Public.name()),
        None => writeln!(f, "; no budget"),
    }
}

fn show_release(release: &ReleasePlan, f: &mut Formatter<'_>) -> fmt::Result {
    let names: Vec<&str> = release.signals.iter().map(|name| name.as_str()).collect();
    let names = names.join(", ");
    match &release.form {
        ReleaseForm::Node(text) => write!(f, "  whether `{text}`")?,
        ReleaseForm::Range { nodes, ranges } => {
            let nodes: Vec<String> = nodes.iter().map(|text| format!("`{text}`")).collect();
            write!(f, "  in which of {ranges} ranges {names} is: {}", nodes.join(", "))?;
        }
        ReleaseForm::Value => write!(f, "  the value of {names}")?,
    }
    let (bits, plural) = (release.bits, if release.bits == 1 { "bit" } else { "bits" });
    if !release.requests.is_empty() {
        let requests: Vec<&str> = release.requests.iter().map(|name| name.as_str()).collect();
        write!(f, "; adaptive, each request asks with its own {}", requests.join(", "))?;
    }
    let (privacy, trust) = (release.privacy.name(), release.min_trust.name());
    writeln!(f, "; {bits} {plural}, {privacy}; excuses from {trust} on; for {}", release.rules.join(", "))
}

fn show_slice(slice: &SlicePlan, f: &mut Formatter<'_>) -> fmt::Result {
    let SlicePlan { bytes, cost, cost_max, .. } = slice;
    writeln!(
        f,
        "\n{} slice: {bytes} bytes, at most {cost} of {cost_max} steps; whoever reads it learns",
        slice.zone.name()
    )?;
    for (what, items) in [
        ("policy", &slice.settings),
        ("rules", &slice.rules),
        ("conditions", &slice.conditions),
        ("constants", &slice.constants),
        ("signals", &slice.signals),
        ("models", &slice.models),
        ("of the rest", &slice.hidden),
    ] {
        if !items.is_empty() {
            listed(&format!("  {what}:"), items, f)?;
        }
    }
    Ok(())
}

fn listed(head: &str, items: &[String], f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(f, "{head}")?;
    items.iter().try_for_each(|item| writeln!(f, "    {item}"))
}

fn show_spare(plan: &Plan, f: &mut Formatter<'_>) -> fmt::Result {
    let spare = &plan.spare;
    let names = |names: &[glacis_wire::SignalName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let quoted = |texts: &[String]| texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>();
    writeln!(f)?;
    for (head, items) in [
        ("declared in the catalogue, and nothing of this policy reads it:", names(&spare.unused)),
        ("sent, and no zone needs it:", names(&spare.unneeded)),
        ("leaves the device, and every rule comes out alike without it:", quoted(&spare.nodes)),
        ("leaves the device, in rules too large to try without it:", quoted(&spare.untried)),
    ] {
        if !items.is_empty() {
            listed(head, &items, f)?;
        }
    }
    Ok(())
}
