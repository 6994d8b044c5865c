//! Which skips are permitted under CI=true: those that xtask/skips.toml lists and whose probe confirms them.
//!
//! A listed skip is about an ability of the kernel that a test needs and that only the machine can grant. Its
//! probe asks for that ability now; where the probe finds it, the skip is a failure like any other.

use super::outcome::Skip;
use super::probes::{PROBES, Probe};
use crate::error::Failure;
use std::path::Path;
use toml_edit::{DocumentMut, Item};

/// The list.
#[derive(Debug, Default)]
pub(super) struct Skips {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    what: String,
    probe: &'static Probe,
}

impl Skips {
    /// Reads the list; every entry has `what`, `probe` and `reason`.
    pub(super) fn load(root: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(root.join("xtask/skips.toml"))
            .map_err(Failure::doing("xtask/skips.toml"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let document: DocumentMut = text.parse().map_err(Failure::doing("xtask/skips.toml"))?;
        if let Some((key, _)) = document.iter().find(|(key, _)| *key != "skip") {
            return Err(Failure::new(format!("xtask/skips.toml: no key `{key}`; known: skip")));
        }
        let tables = document.get("skip").and_then(Item::as_array_of_tables);
        let mut entries = Vec::new();
        for table in tables.into_iter().flat_map(|tables| tables.iter()) {
            let text = |key: &str| {
                let found = table.get(key).and_then(Item::as_str).filter(|text| !text.trim().is_empty());
                found.ok_or_else(|| Failure::new(format!("xtask/skips.toml: an entry lacks `{key}`")))
            };
            text("reason")?;
            let (what, name) = (text("what")?.to_owned(), text("probe")?);
            let probe = PROBES.iter().find(|probe| probe.name == name);
            let known = || PROBES.iter().map(|probe| probe.name).collect::<Vec<_>>().join(", ");
            let probe =
                probe.ok_or_else(|| Failure::new(format!("no probe `{name}`; known: {}", known())))?;
            entries.push(Entry { what, probe });
        }
        Ok(Self { entries })
    }

    /// Why a skip is not permitted; `None` where it is.
    pub(super) fn objection(&self, skip: &Skip, strict: bool) -> Option<String> {
        let Skip { what, why } = skip;
        match self.entries.iter().find(|entry| entry.what == *what) {
            Some(entry) if (entry.probe.ask)() => {
                Some(format!("`{what}` was skipped ({why}), but the probe `{}` succeeds", entry.probe.name))
            }
            Some(_) => None,
            None if strict => Some(format!("`{what}` was skipped under CI=true: {why}")),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: Probe = Probe { name: "yes", ask: || true };
    const NO: Probe = Probe { name: "no", ask: || false };

    fn skip(what: &str) -> Skip {
        Skip { what: what.into(), why: "why".into() }
    }

    #[test]
    fn under_ci_only_a_listed_skip_whose_probe_fails_is_permitted() {
        static PROBES: [Probe; 2] = [YES, NO];
        let entry = |what: &str, at: usize| Entry { what: what.into(), probe: &PROBES[at] };
        let skips = Skips { entries: vec![entry("tracer", 0), entry("disk", 1)] };
        assert_eq!(skips.objection(&skip("disk"), true), None);
        assert!(skips.objection(&skip("tracer"), true).unwrap().contains("probe `yes` succeeds"));
        assert!(skips.objection(&skip("vectors"), true).unwrap().contains("CI=true"));
    }

    #[test]
    fn at_a_desk_a_skip_is_permitted_unless_its_probe_says_otherwise() {
        static PROBES: [Probe; 1] = [YES];
        let skips = Skips { entries: vec![Entry { what: "tracer".into(), probe: &PROBES[0] }] };
        assert_eq!(skips.objection(&skip("vectors"), false), None);
        assert!(skips.objection(&skip("tracer"), false).is_some());
    }

    #[test]
    fn an_entry_without_probe_or_reason_is_refused() {
        assert!(Skips::parse("[[skip]]\nwhat = \"x\"\nprobe = \"ipv6\"\n").is_err());
        assert!(Skips::parse("[[skip]]\nwhat = \"x\"\nprobe = \"nothing\"\nreason = \"r\"\n").is_err());
        assert!(Skips::parse("[[skips]]\n").is_err());
        assert_eq!(
            Skips::parse("[[skip]]\nwhat = \"x\"\nprobe = \"ipv6\"\nreason = \"r\"\n").unwrap().entries.len(),
            1
        );
    }

    #[test]
    fn the_list_of_this_repository_is_valid() {
        Skips::load(&crate::files::root().unwrap()).unwrap();
    }
}
