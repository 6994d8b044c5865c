//! The shipped policies compile, load, and keep their golden cases.

use crate::support::{compile_texts, file, root, unbound};
use glacis_compiler::catalogue::Birth;
use glacis_compiler::{Case, Compiled};
use glacis_policy::{Slice, Source};
use glacis_wire::{Trust, Zone};

pub(crate) fn shipped(name: &str) -> Compiled {
    let cases = file(&format!("policies/{name}/cases.toml"));
    let policy = file(&format!("policies/{name}/policy.toml"));
    compile_texts(&file(&catalogue(name)), &policy, Some(&cases)).unwrap_or_else(|error| panic!("{error}"))
}

/// The catalogue of its own, where a policy has one, else that of the folder above.
fn catalogue(name: &str) -> String {
    let own = format!("policies/{name}/signals.toml");
    if root().join(&own).is_file() { own } else { format!("policies/{name}/../signals.toml") }
}

/// Every folder with a policy below `policies/`, in order. A folder without one holds policies of one catalogue.
fn all() -> Vec<String> {
    let (policies, mut names) = (root().join("policies"), Vec::new());
    let mut open = vec![policies.clone()];
    while let Some(folder) = open.pop() {
        let inside = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let folders: Vec<_> = inside.filter(|path| path.is_dir()).collect();
        if folder.join("policy.toml").is_file() {
            names.push(folder.strip_prefix(&policies).unwrap().to_string_lossy().into_owned());
        } else {
            assert!(!folders.is_empty(), "no policy in {}", folder.display());
        }
        open.extend(folders);
    }
    names.sort_unstable();
    names
}

#[test]
fn golden_cases_hold() {
    assert!(all().len() >= 13, "{:?}", all());
    let mut failing = Vec::new();
    for name in all() {
        let results = shipped(&name).run_cases();
        assert!(results.len() >= 10, "{name}: {} cases", results.len());
        let of_policy = results.into_iter().filter(|result| !result.holds());
        failing.extend(of_policy.map(|result| {
            format!("{name} line {}: {}: {:?}", result.case.line, result.case.name, result.faults)
        }));
    }
    assert!(failing.is_empty(), "{failing:#?}");
}

#[test]
fn every_rule_is_seen_matched_and_not_matched() {
    for name in all() {
        let compiled = shipped(&name);
        let results = compiled.run_cases();
        for rule in compiled.checked().rules() {
            let matched = results.iter().filter(|result| result.whole.matched.contains(&rule.id)).count();
            assert!(matched > 0 && matched < results.len(), "{name}: {} matched in {matched} cases", rule.id);
        }
    }
}

#[test]
fn shipped_policies_have_no_warnings() {
    for name in all() {
        assert_eq!(shipped(&name).warnings(), [], "{name}");
    }
}

/// What a policy cannot meet, its cases do not need to show.
#[test]
fn cases_show_an_outage_and_a_device_that_nobody_vouches_for() {
    for name in all() {
        let compiled = shipped(&name);
        let signals = compiled.checked().signals().values();
        let clouds = signals.clone().any(|signal| signal.birth == Birth::Cloud);
        let outages = compiled.cases().iter().filter(|case| case.outage).count();
        assert!(outages > 0 || !clouds, "{name}: no case of an outage");
        let devices = signals.clone().any(|signal| signal.birth == Birth::Device);
        let claimed =
            |case: &&Case| case.snapshot.answers.values().any(|given| given.trust == Trust::Claimed);
        assert!(!devices || compiled.cases().iter().any(|case| claimed(&case)), "{name}: no claimed word");
    }
}

#[test]
fn slices_load_and_hold_what_their_zone_may() {
    let compiled = shipped("transfer");
    let [device, edge, cloud] = compiled.slices(&unbound()).map(|bytes| Slice::load(&bytes).unwrap());
    assert_eq!([device.zone(), edge.zone(), cloud.zone()], Zone::ALL);
    assert!([&device, &edge, &cloud].iter().all(|slice| *slice.binding() == unbound()));
    let reasons = |slice: &Slice| slice.rules().iter().map(|rule| rule.reason.clone()).collect::<Vec<_>>();
    assert_eq!(reasons(&device), ["tampered-app"]);
    assert_eq!(reasons(&edge), ["tampered-app", "weak-device", "stolen-account", "vip", "burst"]);
    assert_eq!(reasons(&cloud).len(), 6);
    assert_eq!(compiled.layout().nodes.len(), 1);
    assert_eq!(compiled.layout().nodes[0].text, "app.hooked || app.debugger");
    assert!(edge.hidden().block && edge.hidden().soft.is_none() && !edge.hidden().exempt);
    assert!(edge.slots().iter().all(|slot| slot.source != Source::Device));
    let held = String::from_utf8_lossy(&compiled.slices(&unbound())[1]).into_owned();
    assert!(!held.contains("mule"), "the edge slice names a hidden rule or its list");
}

#[test]
fn the_view_policy_needs_no_cloud() {
    let compiled = shipped("view");
    let [_, edge, _] = compiled.slices(&unbound()).map(|bytes| Slice::load(&bytes).unwrap());
    assert!(edge.slots().iter().all(|slot| slot.source != Source::Cloud));
    assert_eq!(*edge.hidden(), glacis_policy::Hidden::NONE);
    assert!(compiled.features().is_empty() && compiled.lists().is_empty());
}

/// A store checks the sources that it holds against the digests of what was published from them, so what a release
/// of this program made must have the same canonical bytes in every later one. Lengths and FNV-1a.
#[test]
fn canonical_bytes_are_those_of_earlier_releases() {
    let fnv = |bytes: &[u8]| {
        bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        })
    };
    for (name, length, hash) in [
        ("view", 305, 0x5A9E_EA9F_A215_3685),
        ("transfer", 1465, 0x040C_AF6D_6623_10D1),
        ("card-payment", 2077, 0xE24A_5D4D_E625_583C),
        ("user-agents", 2356, 0x9A40_0D78_FE12_CC75),
    ] {
        let compiled = shipped(name);
        let bytes = compiled.canonical();
        assert_eq!((bytes.len(), fnv(bytes)), (length, hash), "{name}");
    }
}
