//! The shipped policies compile, load, and keep their golden cases.

use crate::support::{compile_texts, file, unbound};
use glacis_compiler::Compiled;
use glacis_policy::{Slice, Source};
use glacis_wire::Zone;

fn shipped(name: &str) -> Compiled {
    let cases = file(&format!("policies/{name}/cases.toml"));
    let policy = file(&format!("policies/{name}/policy.toml"));
    compile_texts(&file(catalogue(name)), &policy, Some(&cases)).unwrap_or_else(|error| panic!("{error}"))
}

/// The policies of the backtests have a catalogue of their own.
fn catalogue(name: &str) -> &'static str {
    match name {
        "card-payment" => "policies/card-payment/signals.toml",
        "user-agents" => "policies/user-agents/signals.toml",
        _ => "policies/signals.toml",
    }
}

#[test]
fn golden_cases_hold() {
    for (name, at_least) in [("view", 12), ("transfer", 24), ("card-payment", 12), ("user-agents", 12)] {
        let results = shipped(name).run_cases();
        assert!(results.len() >= at_least, "{name}: {} cases", results.len());
        for result in results {
            assert!(
                result.holds(),
                "{name} line {}: {}: {:?}",
                result.case.line,
                result.case.name,
                result.faults
            );
        }
    }
}

#[test]
fn every_rule_is_seen_matched_and_not_matched() {
    for name in ["view", "transfer", "card-payment", "user-agents"] {
        let compiled = shipped(name);
        let results = compiled.run_cases();
        for rule in compiled.checked().rules() {
            let matched = results.iter().filter(|result| result.whole.matched.contains(&rule.id)).count();
            assert!(matched > 0 && matched < results.len(), "{name}: {} matched in {matched} cases", rule.id);
        }
    }
}

#[test]
fn shipped_policies_have_no_warnings() {
    for name in ["view", "transfer", "card-payment", "user-agents"] {
        assert_eq!(shipped(name).warnings(), [], "{name}");
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
