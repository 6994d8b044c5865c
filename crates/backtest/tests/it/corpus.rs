//! The shipped policies over the labelled files, with the figures that docs/NUMBERS.md states.

use crate::support::{AGENTS, CARDS, backtest, corpus, policy};
use glacis_backtest::{Options, Wish};

#[test]
fn the_shipped_threshold_is_the_one_that_the_first_sixty_percent_give() {
    let Some(file) = corpus(CARDS) else { return };
    let wish = Wish { rule: "large-amount".to_owned(), precision: None };
    let options = Options { split: Some(0.6), choose: Some(wish), ..Options::default() };
    let report = backtest(&policy("card-payment"), &file, options).unwrap();
    println!("{report}");
    let chosen = report.chosen.unwrap();
    assert_eq!(chosen.shipped, chosen.chosen, "policies/card-payment does not carry the chosen threshold");
    let [first, rest] = report.parts.as_slice() else { panic!("{} parts", report.parts.len()) };
    assert_eq!((first.events, rest.events), (41_996, 27_998));
    assert_eq!((report.rows, report.skipped.rows(), report.unavailable), (69_994, 0, 0));
    assert_eq!((first.diverged, rest.diverged), (0, 0));
    // The choice is judged from values alone, the table by the engine: they are of one opinion.
    for (part, quality) in [(first, &chosen.first), (rest, &chosen.rest)] {
        let rule = part.rules.iter().find(|rule| rule.rule == "large-amount").unwrap();
        assert_eq!(
            (rule.true_positive, rule.false_positive),
            (quality.true_positive, quality.false_positive)
        );
        assert_eq!((rule.precision, rule.recall), (quality.precision, quality.recall));
    }
    assert!(rest.flagged.precision.value() > 0.99 && rest.flagged.recall.value() > 0.6, "{rest}");
    // Every window is computed and none of the velocity rules is silent.
    assert!(first.rules.iter().filter(|rule| rule.matched > 0).count() >= 5, "{first}");
}

#[test]
fn user_agents_are_told_apart_with_a_stated_rate_of_false_alarms() {
    let Some(file) = corpus(AGENTS) else { return };
    let report = backtest(&policy("user-agents"), &file, Options::default()).unwrap();
    println!("{report}");
    let [all] = report.parts.as_slice() else { panic!("{} parts", report.parts.len()) };
    assert_eq!((all.events, report.skipped.rows(), all.diverged), (4_282, 0, 0));
    let zone = |name| all.zones.iter().find(|zone| zone.zone == name).unwrap().decided;
    assert!(zone("edge") > 1_000 && zone("cloud") > 1_000);
    assert!(all.flagged.recall.value() > 0.9 && all.flagged.false_positive_rate.value() < 0.1, "{all}");
    let false_alarms: Vec<&str> =
        all.rules.iter().filter(|rule| rule.false_positive > 0).map(|rule| &*rule.rule).collect();
    assert_eq!(
        false_alarms,
        ["linux-mismatch", "phone-screen"],
        "what declares itself is never a browser here"
    );
}
