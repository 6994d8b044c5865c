//! The shipped policies against the rule in other words, over every combination of facts; and slices that must not ship.

use super::facts::Fact;
use super::policy::{Policies, Unfit};
use super::*;
use glacis_compiler::{Compiled, Source, compile};
use glacis_policy::{Binding, Input, Owner, Parts, Reading, Slice};
use glacis_seal::sha256;
use glacis_wire::{Cause, Causes, EventName, Realm, SignalName, TenantId, Zone};
use std::path::PathBuf;

/// Families, and one that nobody has thought of.
const FAMILIES: [&str; 8] =
    ["android-key", "app-attest", "play-integrity", "simulated", "soter", "tpm", "webauthn", "of-tomorrow"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compiled(goal: Goal) -> Compiled {
    let policy = read(&format!("policies/appraisal/{}/policy.toml", goal.name()));
    compiled_from(&read("policies/appraisal/signals.toml"), &policy)
}

fn compiled_from(signals: &str, policy: &str) -> Compiled {
    let signals = Source { name: "signals.toml", text: signals };
    let policy = Source { name: "policy.toml", text: policy };
    compile(signals, policy, None).unwrap_or_else(|error| panic!("{error}"))
}

/// The slice that ships: for nobody, since it runs where it was made.
fn slice(compiled: &Compiled) -> Vec<u8> {
    let owner = Owner { tenant: TenantId::parse("nobody").unwrap(), realm: Realm::Production };
    let binding = Binding { owner: None, ..compiled.bind(owner, sha256) };
    let [_, edge, _] = compiled.slices(&binding);
    edge
}

#[expect(
    clippy::disallowed_methods,
    reason = "UPDATE=1 writes what the policies compile to, as it writes other files that tests compare"
)]
#[test]
fn shipped_slices_are_what_the_policies_compile_to() {
    let update = std::env::var("UPDATE").as_deref() == Ok("1");
    for (goal, shipped) in Goal::ALL.into_iter().zip(SHIPPED) {
        let fresh = slice(&compiled(goal));
        assert!(Slice::load(&fresh).is_ok(), "{}", goal.name());
        if update {
            let path = format!("crates/attest/src/standing/{}.bin", goal.name());
            std::fs::write(root().join(path), &fresh).unwrap();
        } else {
            assert_eq!(
                shipped,
                fresh,
                "{}: write it anew: UPDATE=1 cargo test -p glacis-attest shipped_slices_are",
                goal.name()
            );
        }
    }
}

#[test]
fn shipped_policies_are_in_force_and_named() {
    assert!(Policies::load(SHIPPED).is_ok(), "{:?}", Policies::load(SHIPPED));
    let policies = in_force();
    assert_eq!(policies.iter().map(|policy| policy.goal).collect::<Vec<_>>(), Goal::ALL);
    for policy in &policies {
        let digest = sha256(compiled(policy.goal).canonical());
        assert_eq!(policy.digest.as_bytes(), digest.as_bytes(), "{}", policy.goal.name());
    }
    let id = policy_id().unwrap();
    assert_eq!((id.len(), id.starts_with("urn:glacis:appraisal:")), (53, true), "{id}");
}

/// Every combination of facts.
fn every_fact() -> impl Iterator<Item = Facts> {
    let booleans = [false, true];
    let rest = move |(family, realm, key, boot): (&'static str, Realm, KeyPlace, BootState)| {
        let apps = AppIdentity::ALL.iter().copied();
        apps.flat_map(move |app| {
            [None, Some(false), Some(true)].into_iter().flat_map(move |locked| {
                booleans.into_iter().flat_map(move |vouched| {
                    booleans.into_iter().flat_map(move |fresh| {
                        booleans.into_iter().map(move |relaxed| Facts {
                            family,
                            realm,
                            key,
                            vouched,
                            boot,
                            locked,
                            app,
                            fresh,
                            relaxed,
                        })
                    })
                })
            })
        })
    };
    let places = |family| {
        [Realm::Production, Realm::Demo].into_iter().flat_map(move |realm| {
            let keys = KeyPlace::ALL.iter().copied();
            keys.flat_map(move |key| BootState::ALL.iter().map(move |boot| (family, realm, key, *boot)))
        })
    };
    FAMILIES.into_iter().flat_map(places).flat_map(rest)
}

/// The rule, said as what earns and not as what stands in the way: DESIGN §4.2 and ADR 15, 21.
fn earned(facts: &Facts) -> (Tier, Trust) {
    let in_order = facts.vouched && facts.fresh && !facts.relaxed;
    let good_boot = match facts.boot {
        BootState::Verified | BootState::Expected => facts.locked == Some(true),
        BootState::Enforced => true,
        _ => false,
    };
    let demo = facts.realm == Realm::Demo;
    let (guarded, own_chip) = match facts.key {
        KeyPlace::Element | KeyPlace::Chip => (true, true),
        KeyPlace::Environment | KeyPlace::Authenticator => (true, false),
        KeyPlace::Program => (demo, demo),
        KeyPlace::Software | KeyPlace::Unproven => (false, false),
    };
    let shows_no_boot = matches!(facts.family, "soter" | "tpm" | "webauthn");
    let tier = if in_order && guarded && good_boot && own_chip {
        Tier::Strong
    } else if in_order && guarded && (good_boot || shows_no_boot) {
        Tier::Hardware
    } else {
        Tier::Software
    };
    let of_software = matches!(facts.key, KeyPlace::Software | KeyPlace::Program);
    let attested = in_order && good_boot && !of_software && facts.app == AppIdentity::Ours;
    (tier, if attested { Trust::Attested } else { Trust::Claimed })
}

#[test]
fn every_combination_of_facts_is_worth_what_the_rule_says_and_says_why() {
    let (mut seen, mut tiers, mut attested) = (0_u32, [0_u32; 4], 0_u32);
    for facts in every_fact() {
        let found = Standing::of(&facts);
        assert_eq!((found.tier, found.trust), earned(&facts), "{facts:?}: {:?}", found.kept_by);
        let kept_from = |goal| found.kept_by.iter().any(|kept| kept.from == goal);
        assert_eq!(found.trust == Trust::Attested, !kept_from(Goal::Attested), "{facts:?}");
        assert_eq!(found.tier == Tier::Software, kept_from(Goal::Hardware), "{facts:?}");
        let strong = !kept_from(Goal::Hardware) && !kept_from(Goal::Strong);
        assert_eq!(found.tier == Tier::Strong, strong, "{facts:?}");
        seen += 1;
        tiers[found.tier as usize] += 1;
        attested += u32::from(found.trust == Trust::Attested);
    }
    assert_eq!(seen, 8 * 2 * 7 * 7 * 4 * 3 * 2 * 2 * 2);
    assert!(tiers[1..].iter().all(|count| *count > 0) && attested > 0, "{tiers:?}");
}

/// What the one rule of DESIGN §4.2 says, by itself: nobody is attested without all of it.
#[test]
fn nothing_is_attested_without_app_boot_and_freshness_or_with_a_relaxation() {
    for facts in every_fact().filter(|facts| Standing::of(facts).trust == Trust::Attested) {
        let boot = matches!(facts.boot, BootState::Verified | BootState::Expected | BootState::Enforced);
        assert!(facts.app == AppIdentity::Ours && boot && facts.fresh && !facts.relaxed, "{facts:?}");
    }
}

/// A phone that earns everything.
fn best() -> Facts {
    Facts {
        family: "android-key",
        realm: Realm::Production,
        key: KeyPlace::Element,
        vouched: true,
        boot: BootState::Verified,
        locked: Some(true),
        app: AppIdentity::Ours,
        fresh: true,
        relaxed: false,
    }
}

fn shipped() -> &'static Policies {
    POLICIES.as_ref().unwrap()
}

#[test]
fn a_fact_that_is_not_there_counts_against_the_evidence() {
    let best = best();
    let mut kept = Vec::new();
    assert_eq!(shipped().earned(&best, &mut kept), [true; 3], "{kept:?}");
    let unknown = Cause::ALL.map(|cause| Reading::Unknown(Causes::of(cause)));
    let holes = unknown.into_iter().chain([
        Reading::Unknown(Causes::NONE),
        Reading::PENDING,
        Reading::Missing,
        Reading::Error,
        Reading::Int(1),
        Reading::Str("a word that nobody knows"),
    ]);
    for hole in holes {
        for missing in Fact::ALL {
            let input = |fact: Fact| {
                let hole = Input { reading: hole, trust: Trust::Proven };
                if fact == missing { hole } else { fact.input(&best) }
            };
            let mut kept = Vec::new();
            let earned = shipped().earned_with(&mut kept, input);
            // Who reads a fact is kept by it. Where the boot and the chip are good, family and realm excuse nothing.
            let needs = match missing {
                Fact::App => [true, false, false],
                Fact::Key | Fact::Boot | Fact::Locked => [true; 3],
                Fact::Vouched | Fact::Fresh | Fact::Relaxed => [true, true, false],
                Fact::Family | Fact::Realm => [false; 3],
            };
            assert_eq!(earned, needs.map(|needed| !needed), "{missing:?} {hole:?}: {kept:?}");
        }
        let mut kept = Vec::new();
        let earned = shipped().earned_with(&mut kept, |_| Input { reading: hole, trust: Trust::Proven });
        assert_eq!(earned, [false; 3], "{hole:?}: {kept:?}");
    }
}

#[test]
fn without_policies_nothing_is_earned() {
    let found = Standing::by(None, &best());
    assert_eq!((found.tier, found.trust), (Tier::Software, Trust::Claimed));
    let shown: Vec<String> = found.kept_by.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["attested/no-policy", "hardware/no-policy", "strong/no-policy"]);
}

#[test]
fn changed_truncated_and_foreign_slices_are_no_policies() {
    let [attested, hardware, strong] = SHIPPED;
    let load = |first: &[u8]| Policies::load([first, hardware, strong]).err();
    for length in 0..attested.len() {
        assert!(matches!(load(&attested[..length]), Some(Unfit::Bytes(Goal::Attested, _))), "{length}");
    }
    assert_eq!(Policies::load([hardware, hardware, strong]).err(), Some(Unfit::Other(Goal::Attested)));
    assert_eq!(Policies::load([attested, strong, hardware]).err(), Some(Unfit::Other(Goal::Hardware)));
    let parts = Slice::load(attested).unwrap().parts().clone();
    let changed = |change: fn(&mut Parts)| {
        let mut parts = parts.clone();
        change(&mut parts);
        load(&parts.encode().unwrap()).map(|unfit| unfit.to_string())
    };
    assert_eq!(changed(|_| ()), None);
    let unnamed = changed(|parts| parts.event = EventName::parse("payment.transfer").unwrap());
    assert_eq!(unnamed.as_deref(), Some("attested is the slice of another event or zone"));
    assert_eq!(changed(|parts| parts.zone = Zone::Cloud), unnamed);
    let empty = changed(|parts| parts.rules.clear());
    assert_eq!(empty.as_deref(), Some("attested has no rule, or hides one"));
    assert_eq!(changed(|parts| parts.hidden.block = true), empty);
    let signal = changed(|parts| parts.slots[0].name = SignalName::parse("app.hooked").unwrap());
    assert_eq!(signal.as_deref(), Some("attested reads `app.hooked`, which is no fact"));
}

/// No flip of a bit may panic, or turn the worst evidence into the best by breaking the policy.
#[test]
fn a_flipped_bit_is_refused_or_leaves_a_policy() {
    let [attested, hardware, strong] = SHIPPED;
    for at in 0..attested.len() {
        let mut bytes = attested.to_vec();
        bytes[at] ^= 1 << (at % 8);
        if let Ok(policies) = Policies::load([&bytes, hardware, strong]) {
            let policies: &'static Policies = Box::leak(Box::new(policies));
            let [_, tier @ ..] = policies.earned(&Facts::unproven("tpm", Realm::Demo), &mut Vec::new());
            assert_eq!(tier, [false; 2]);
        }
    }
}

/// Words that a policy compares are words that a verifier can say: a misspelt one would never be earned, or never be met.
#[test]
fn policies_and_verifiers_have_the_same_words() {
    let words = |name: &str| -> Vec<&str> {
        match name {
            "key.place" => KeyPlace::ALL.iter().map(|word| word.name()).collect(),
            "boot.state" => BootState::ALL.iter().map(|word| word.name()).collect(),
            "app.identity" => AppIdentity::ALL.iter().map(|word| word.name()).collect(),
            "evidence.realm" => vec![Realm::Production.name(), Realm::Demo.name()],
            "evidence.family" => FAMILIES[..7].to_vec(),
            _ => vec![],
        }
    };
    let known: Vec<&str> = Fact::ALL.into_iter().flat_map(|fact| words(fact.name())).collect();
    let mut said = 0;
    for goal in Goal::ALL {
        let text = read(&format!("policies/appraisal/{}/policy.toml", goal.name()));
        let conditions = text.split("when = ").skip(1).filter_map(|rest| rest.split("effect").next());
        let quoted = conditions.flat_map(|condition| condition.split('"').skip(1).step_by(2));
        // A whole condition may be quoted as well; it names signals.
        for word in quoted.filter(|word| !word.contains('.')) {
            assert!(known.contains(&word), "{}: `{word}`", goal.name());
            said += 1;
        }
    }
    assert!(said > 20, "{said}");
    let signals = read("policies/appraisal/signals.toml");
    for fact in Fact::ALL {
        assert!(signals.contains(&format!("[signal.\"{}\"]", fact.name())), "{}", fact.name());
        for word in words(fact.name()) {
            assert!(signals.contains(&format!("\"{word}\"")), "the catalogue explains `{word}`");
        }
    }
}
