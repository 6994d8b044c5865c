//! What `diff` says of changes that a person would make, one row each.

use crate::support::{catalogue, difference, head, points, policy, rule, try_policy_of, word};
use glacis_proof::diff::{Finding, Obstacle};
use glacis_proof::outside::outside;

/// Compares two conditions of a blocking rule.
fn of_conditions(before: &str, after: &str) -> String {
    of_rules(&rule("r", before, "block"), &rule("r", after, "block"))
}

fn of_rules(before: &str, after: &str) -> String {
    let head = head("\"otp\", \"passkey\"", "match", "challenge(passkey)");
    let [before, after] = [before, after].map(|rules| policy(&format!("{head}{}{rules}", points())));
    let found = difference(&before, &after);
    if let Finding::Undetermined(obstacle) = &found.decision {
        assert_ne!(*obstacle, Obstacle::Replay);
    }
    word(&found.decision).to_owned()
}

#[test]
fn conditions_that_mean_the_same_are_equal_and_others_differ() {
    for (before, after, want) in [
        ("amount > 5", "amount >= 6", "equal"),
        ("amount > 5", "!(amount <= 5)", "equal"),
        ("amount > 5", "amount > 6", "differs"),
        ("amount > 5 && night", "night && amount > 5", "equal"),
        ("!(night && amount > 5)", "!night || amount <= 5", "equal"),
        ("amount in [1, 2]", "amount == 1 || amount == 2", "equal"),
        ("amount in [1, 2]", "amount >= 1 && amount < 3", "equal"),
        ("amount in [1, 2]", "amount >= 1 && amount <= 3", "differs"),
        // In CEL complements are no tautology: a missing amount is an error, and closes.
        ("amount > 5 || amount <= 5", "true", "equal"),
        ("amount > 5 && amount <= 5", "false", "differs"),
        ("has(amount) && amount > 5", "amount > 5", "differs"),
        ("speed > 1.5", "speed >= 1.5", "differs"),
        ("speed > 1.5", "!(speed <= 1.5)", "differs"),
        ("speed == 0.0", "speed == -0.0", "equal"),
        ("name.startsWith('ab')", "name >= 'ab' && name < 'ac'", "equal"),
        ("name.startsWith('ab')", "name >= 'ab' && name <= 'ac'", "differs"),
        ("name == 'toolong'", "name == 'longer7'", "equal"),
        ("name.startsWith('abcdef')", "name == 'abcdef'", "equal"),
        ("name.startsWith('abcde')", "name == 'abcde'", "differs"),
        ("name.endsWith('x')", "name.endsWith('x') && night", "differs"),
        ("name.endsWith('x') && night", "night && name.endsWith('x')", "equal"),
        ("name.contains('b')", "name.contains('bb')", "differs"),
        ("name.contains('b')", "name.contains('b') || name.contains('bb')", "equal"),
        ("name.contains('b')", "name.contains('b') || name.startsWith('ab')", "equal"),
        ("name.contains('b')", "name.contains('b') || name.endsWith('ba')", "equal"),
        ("name.endsWith('a')", "name.endsWith('a') && !name.endsWith('b')", "equal"),
        ("name.endsWith('a')", "name.endsWith('a') && !name.endsWith('ba')", "differs"),
        ("name.matches('^a+b$')", "name.matches('^a*b$')", "differs"),
        ("size(name) > 3", "size(name) >= 3", "differs"),
        ("size(name) > 7", "size(name) > 8", "equal"),
        ("amount * 2 > 10", "amount * 2 > 12", "differs"),
        ("amount + other > 10", "other + amount > 10", "undetermined"),
        ("amount + other > 10", "amount + other > 11", "differs"),
        ("amount < other", "amount <= other", "differs"),
        ("amount < other && night", "night && amount < other", "equal"),
        ("'x' in tags", "'x' in tags || 'y' in tags", "differs"),
        ("size(tags) > 2", "size(tags) >= 2", "differs"),
        ("at.getHours() < 6", "at.getHours() <= 6", "differs"),
        ("at < timestamp('2024-01-01T00:00:00Z')", "!(at >= timestamp('2024-01-01T00:00:00Z'))", "equal"),
        ("device.tier in ['hardware', 'strong']", "!(device.tier in ['none', 'software'])", "equal"),
        ("tries >= 3", "tries > 2", "equal"),
        ("tries >= 0", "has(tries)", "differs"),
        ("tries >= 0 || tries == -5", "tries >= 0", "equal"),
        ("tries >= 3", "tries >= 4", "differs"),
        ("name in list.bad", "name in list.bad && night", "differs"),
        ("night ? amount > 1 : amount > 2", "(night && amount > 1) || (!night && amount > 2)", "differs"),
        ("dev.hooked", "dev.hooked && true", "equal"),
        ("dev.risk > 5", "dev.risk > 4", "differs"),
        ("night == (name in list.bad)", "(name in list.bad) == night", "equal"),
        ("night == (name in list.bad)", "(name in list.bad) != night", "differs"),
    ] {
        assert_eq!(of_conditions(before, after), want, "{before} / {after}");
    }
}

#[test]
fn how_rules_act_together_decides() {
    let (amount, more) = (rule("a", "amount > 5", "block"), rule("b", "amount > 7", "block"));
    let soft = rule("b", "amount > 7", "block(soft)");
    let night = rule("n", "night", "exempt");
    let otp = |id: &str, when: &str| rule(id, when, "challenge(otp)");
    for (before, after, want) in [
        (amount.clone(), format!("{amount}{more}"), "equal"),
        (amount.clone(), format!("{more}{amount}"), "equal"),
        (more.clone(), format!("{amount}{more}"), "differs"),
        (more.clone(), soft.clone(), "equal"),
        (format!("{night}{more}"), format!("{night}{soft}"), "differs"),
        (otp("a", "amount > 5"), otp("b", "amount >= 6"), "equal"),
        (otp("a", "amount > 5"), rule("a", "amount > 5", "challenge(passkey)"), "differs"),
        (otp("a", "amount > 5"), rule("a", "amount > 5", "score(3)"), "equal"),
        (otp("a", "amount > 5"), rule("a", "amount > 5", "score(2)"), "differs"),
        (
            otp("a", "amount > 5"),
            format!("{}{}", rule("a", "amount > 5", "score(2)"), rule("b", "amount >= 6", "score(1)")),
            "equal",
        ),
        (
            format!("{}{}", rule("a", "amount > 5", "score(3)"), rule("b", "amount > 9", "score(-1)")),
            otp("a", "amount > 5 && amount <= 9"),
            "equal",
        ),
        (format!("{amount}{}", rule("d", "amount > 7", "review")), amount.clone(), "differs"),
        (
            format!("{}{}", rule("c", "night", "review"), rule("d", "night && amount > 1", "review")),
            rule("c", "night", "review"),
            "equal",
        ),
    ] {
        assert_eq!(of_rules(&before, &after), want, "{before}\n/\n{after}");
    }
}

#[test]
fn outage_trust_and_passed_methods_are_events_too() {
    let rules = format!("{}{}", points(), rule("r", "name in list.bad", "challenge(passkey)"));
    let at = |methods: &str, withheld: &str, unavailable: &str, rules: &str| {
        policy(&format!("{}{rules}", head(methods, withheld, unavailable)))
    };
    let both = "\"otp\", \"passkey\"";
    let found = difference(&at(both, "match", "skip", &rules), &at(both, "match", "challenge(otp)", &rules));
    assert_eq!(word(&found.decision), "differs");
    let device = format!("{}{}", points(), rule("d", "dev.hooked", "challenge(passkey)"));
    let found = difference(&at(both, "match", "skip", &device), &at(both, "challenge(otp)", "skip", &device));
    assert_eq!(word(&found.decision), "differs");
    let otp = format!("{}{}", points(), rule("o", "night", "challenge(otp)"));
    let found = difference(&at("\"otp\"", "match", "match", &otp), &at(both, "match", "match", &otp));
    let Finding::Differs(witness) = found.decision else { panic!("{:?}", found.decision) };
    assert!(witness.event.passed.is_some());
}

#[test]
fn reasons_are_a_question_of_their_own() {
    let head = head("\"otp\", \"passkey\"", "match", "match");
    let (small, large) = (rule("s", "amount > 5", "block"), rule("l", "amount > 7", "block"));
    let both = policy(&format!("{head}{}{small}{large}", points()));
    let one = policy(&format!("{head}{}{small}", points()));
    let found = difference(&both, &one);
    assert_eq!((word(&found.decision), word(&found.reasons)), ("equal", "differs"));
    assert_eq!(found.rules.removed, ["l"]);
}

#[test]
fn policies_of_different_events_are_not_compared() {
    let text = format!("{}{}", head("\"otp\", \"passkey\"", "match", "match"), points());
    let found = difference(&policy(&text), &policy(&text.replace("\"pay\"", "\"view\"")));
    assert_eq!(found.decision, Finding::Undetermined(Obstacle::OtherEvent));
}

#[test]
fn what_leaves_the_device_moves_or_costs_is_compared_apart_from_decisions() {
    let head = head("\"otp\", \"passkey\"", "match", "challenge(passkey)");
    let text = |rules: &str| format!("{head}{}{rules}", points());
    let device = rule("d", "dev.hooked || dev.risk > 5", "block");
    let one = policy(&text(&device));
    assert!(outside(&one, &policy(&text(&device))).is_empty());
    let more = policy(&text(&(rule("e", "dev.risk > 9", "challenge(otp)") + &device)));
    let found = outside(&one, &more);
    let added: Vec<&str> = found.nodes.added.iter().map(|node| node.text.as_str()).collect();
    assert_eq!((added, found.nodes.removed.len(), found.moved.len()), (vec!["dev.risk > 9"], 0, 0));
    assert!(found.collected.is_empty() && found.costs.iter().any(|cost| cost.steps[0] < cost.steps[1]));
    let less = policy(&text(&rule("d", "dev.hooked", "block")));
    assert_eq!(outside(&one, &less).collected.removed.len(), 1);
    let cloud = rule("n", "night", "block");
    let (edge, cloud) = (policy(&text(&cloud)), policy(&text(&format!("{cloud}text = \"cloud\"\n"))));
    assert_eq!(word(&difference(&edge, &cloud).decision), "differs", "in an outage it is unknown");
    let moved = outside(&edge, &cloud).moved;
    assert_eq!((moved.len(), moved[0].rule.as_str(), moved[0].before == moved[0].after), (1, "n", false));
}

#[test]
fn a_change_of_the_catalogue_is_a_change_of_what_rules_mean() {
    let text = |rules: &str| format!("{}{}{rules}", head("\"otp\", \"passkey\"", "match", "match"), points());
    let risk = rule("d", "dev.risk > 5", "block");
    let first = text(&risk);
    for (from, to, want) in [
        // An unattested device that says 0 is believed before, and withholds after.
        (
            "type = \"int\"\nzone = \"device\"\nmin_trust = \"claimed\"",
            "type = \"int\"\nzone = \"device\"\nmin_trust = \"attested\"",
            "differs",
        ),
        ("privacy = \"private\"", "privacy = \"pseudonymous\"", "equal"),
        ("cost = 1\n", "cost = 2\n", "equal"),
    ] {
        let changed = catalogue().replace(from, to);
        assert_ne!(changed, catalogue());
        let (before, after) = (policy(&first), try_policy_of(&changed, &first).unwrap());
        let found = difference(&before, &after);
        assert_eq!(word(&found.decision), want, "{from} / {to}");
    }
    let double =
        catalogue().replace("[signal.\"other\"]\ntype = \"int\"", "[signal.\"other\"]\ntype = \"double\"");
    let (ints, doubles) = (text(&rule("o", "other > 5", "block")), text(&rule("o", "other > 5.0", "block")));
    let found = difference(&policy(&ints), &try_policy_of(&double, &doubles).unwrap());
    assert_eq!(word(&found.decision), "differs");
}

#[test]
fn the_atoms_in_the_way_are_named_and_no_others() {
    let obstacle = |before: &str, after: &str| {
        let head = head("\"otp\", \"passkey\"", "match", "match");
        let others = rule("x", "tags[0] == 'q' && size(tags) > 2 && at.getHours() > 4", "challenge(otp)");
        let [before, after] = [before, after]
            .map(|when| policy(&format!("{head}{}{others}{}", points(), rule("r", when, "block"))));
        match difference(&before, &after).decision {
            Finding::Undetermined(Obstacle::Atoms(atoms)) => atoms,
            other => panic!("{other:?}"),
        }
    };
    let named = obstacle("name.matches('^aaa')", "name.matches('^aaa') || name.matches('^aaab')");
    assert!(named.len() == 2 && named.iter().all(|atom| atom.starts_with("name.matches(")), "{named:?}");
    assert_eq!(
        obstacle("amount + other > 10", "other + amount > 10"),
        ["amount + other > 10", "other + amount > 10"]
    );
}
