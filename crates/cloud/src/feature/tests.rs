//! The fast table against the definition, read literally.

use super::*;
use glacis_wire::message::decide::{EventFacts, SignalAnswer};
use glacis_wire::message::{List, Text};
use glacis_wire::{Digest, EventId, NodeName, PolicyDigest, Tier, Trust, Value};
use proptest::prelude::*;

fn signal(name: &str) -> SignalName {
    SignalName::parse(name).unwrap()
}

fn facts(event: &str, user: &str, received: u64, amount: Option<Value>) -> EventFacts {
    let amount = amount.map(|value| SignalAnswer { signal: signal("amount"), answer: Answer::Value(value) });
    EventFacts {
        event: EventName::parse(event).unwrap(),
        policy: PolicyDigest::new([1; 32]),
        thumbprint: None,
        tier: Tier::Software,
        trust: Trust::Claimed,
        event_id: EventId::new([0; 16]),
        content: Digest::new([0; 32]),
        principal: (!user.is_empty()).then(|| Text(user.to_owned())),
        received: Timestamp::from_ms(received),
        disclosed: None,
        fields: List(amount.into_iter().collect()),
        observed: List(Vec::new()),
        passed: None,
        node: NodeName::parse("edge-1").unwrap(),
    }
}

fn ask(table: &FeatureTable, facts: &EventFacts, cut: u64) -> Lookup {
    table.probe(&Stated::new(facts), cut).lookup(0)
}

fn definition(measure: Measure, include_self: bool) -> Definition {
    Definition {
        signal: signal("user.feature"),
        measure,
        event: EventName::parse("pay").unwrap(),
        key: vec![Origin::Principal],
        of: (measure != Measure::Count).then(|| Origin::Field(signal("amount"))),
        window: Duration::from_millis(100),
        lateness: Duration::from_millis(30),
        include_self,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// The definition of the module, word by word, quadratic.
fn by_definition(
    def: &Definition,
    log: &[(u64, Timestamp, EventFacts)],
    facts: &EventFacts,
    cut: u64,
) -> Answer {
    let Some(user) = &facts.principal else { return Answer::unknown(Cause::Withheld) };
    let (window, lateness) = (millis(def.window), millis(def.lateness));
    let amount = |facts: &EventFacts| facts.fields.first().map(|field| field.answer.clone());
    let mut counted: Vec<Option<Answer>> = Vec::new();
    for (seq, ingested, event) in log {
        let received = event.received.as_ms();
        let now = facts.received.as_ms();
        let in_window = received <= now && received + window > now;
        let late = ingested.as_ms().saturating_sub(received) > lateness;
        if *seq < cut
            && event.event == def.event
            && event.principal.as_ref() == Some(user)
            && in_window
            && !late
        {
            counted.push(amount(event));
        }
    }
    if def.include_self && facts.event == def.event {
        counted.push(amount(facts));
    }
    match def.measure {
        Measure::Count => Answer::Value(Value::Int(i64::try_from(counted.len()).unwrap())),
        Measure::Sum => {
            let sum: i128 = counted
                .iter()
                .map(|a| match a {
                    Some(Answer::Value(Value::Int(value))) => i128::from(*value),
                    _ => 0,
                })
                .sum();
            i64::try_from(sum).map_or(Answer::Error, |sum| Answer::Value(Value::Int(sum)))
        }
        Measure::SumDouble => {
            let mut sum = 0.0;
            for answer in counted {
                if let Some(Answer::Value(Value::Double(value))) = answer {
                    sum += value;
                }
            }
            Answer::Value(Value::Double(sum))
        }
        Measure::Distinct => {
            let mut seen: Vec<Answer> = Vec::new();
            for answer in counted.into_iter().flatten() {
                if !seen.contains(&answer) {
                    seen.push(answer);
                }
            }
            Answer::Value(Value::Int(i64::try_from(seen.len()).unwrap()))
        }
    }
}

#[derive(Clone, Debug)]
struct Step {
    event: bool,
    user: u8,
    amount: Option<i8>,
    delay: u64,
    forward: u64,
    cut_back: u64,
}

fn any_step() -> impl Strategy<Value = Step> {
    (
        any::<bool>(),
        0_u8..3,
        prop::option::of(prop_oneof![-4_i8..4, any::<i8>()]),
        0_u64..60,
        prop_oneof![0_u64..40, 0_u64..3],
        prop_oneof![4 => Just(0_u64), 1 => 0_u64..9],
    )
        .prop_map(|(event, user, amount, delay, forward, cut_back)| Step {
            event,
            user,
            amount,
            delay,
            forward,
            cut_back,
        })
}

fn run(measure: Measure, include_self: bool, steps: &[Step]) {
    let def = definition(measure, include_self);
    let mut table = FeatureTable::new(vec![def.clone()], 10_000);
    let mut log: Vec<(u64, Timestamp, EventFacts)> = Vec::new();
    let mut now = 10_000_u64;
    for (at, step) in steps.iter().enumerate() {
        now += step.forward;
        let amount = step.amount.map(|value| match measure {
            Measure::SumDouble => Value::Double(f64::from(value) * 0.1),
            _ => Value::Int(i64::from(value)),
        });
        let user = ["", "ann", "bob"][usize::from(step.user)];
        let facts = facts(if step.event { "pay" } else { "view" }, user, now - step.delay, amount);
        let seq = u64::try_from(at).unwrap() + 1;
        let cut = seq.saturating_sub(step.cut_back);
        let want = by_definition(&def, &log, &facts, cut);
        assert_eq!(ask(&table, &facts, cut), Lookup::Known(want.clone()), "step {at} of {steps:?}");
        let events =
            log.iter().map(|(seq, ingested, facts)| Logged { seq: *seq, ingested: *ingested, facts });
        assert_eq!(def.answer_over(&Stated::new(&facts), cut, events), want, "from scratch, step {at}");
        let ingested = Timestamp::from_ms(now);
        table.add(&Logged { seq, ingested, facts: &facts });
        log.push((seq, ingested, facts));
    }
}

#[expect(clippy::disallowed_methods, reason = "how many cases a run takes is CI's to say")]
fn cases() -> u32 {
    std::env::var("GLACIS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    /// Count, sum and distinct are exact for every window edge, lateness, cut and self.
    #[test]
    fn the_table_equals_its_definition(
        steps in prop::collection::vec(any_step(), 1..120),
        measure in prop_oneof![Just(Measure::Count), Just(Measure::Sum), Just(Measure::SumDouble), Just(Measure::Distinct)],
        include_self in any::<bool>(),
    ) {
        run(measure, include_self, &steps);
    }
}

/// Every measure by the same key at once, each with a window and a lateness of its own, and some by another event.
fn run_together(steps: &[Step]) {
    let of = |at: usize| {
        let measure = [Measure::Count, Measure::Sum, Measure::Distinct, Measure::SumDouble][at % 4];
        let mut def = definition(measure, at.is_multiple_of(3));
        def.signal = signal(&format!("user.feature{at}"));
        def.window = Duration::from_millis([100, 7, 300, 55, 1_000][at % 5]);
        def.lateness = Duration::from_millis([30, 5, 60][at % 3]);
        if at == 8 {
            def.event = EventName::parse("view").unwrap();
        }
        if at == 4 {
            def.of = Some(Origin::Field(signal("amount")));
        }
        def
    };
    let defs: Vec<Definition> = (0..9).map(of).collect();
    let mut table = FeatureTable::new(defs.clone(), 10_000);
    let mut log: Vec<(u64, Timestamp, EventFacts)> = Vec::new();
    let mut now = 10_000_u64;
    for (at, step) in steps.iter().enumerate() {
        now += step.forward;
        let amount = step.amount.map(|value| match value % 3 {
            0 => Value::Double(f64::from(value) * 0.1),
            1 => Value::String(format!("a value that is longer than what is kept in place {value}")),
            _ => Value::Int(i64::from(value)),
        });
        let user = ["", "ann", "bob"][usize::from(step.user)];
        let facts = facts(if step.event { "pay" } else { "view" }, user, now - step.delay, amount);
        let seq = u64::try_from(at).unwrap() + 1;
        let cut = seq.saturating_sub(step.cut_back);
        let stated = Stated::new(&facts);
        let mut probe = table.probe(&stated, cut);
        for (index, def) in defs.iter().enumerate() {
            let mut want = by_definition(def, &log, &facts, cut);
            // A count of a signal counts where the signal has a value.
            if index == 4 && !user.is_empty() {
                let all = Definition { of: None, ..def.clone() };
                let with = |facts: &EventFacts| !facts.fields.0.is_empty();
                let valued: Vec<_> = log.iter().filter(|(_, _, facts)| with(facts)).cloned().collect();
                let own = Definition { include_self: def.include_self && with(&facts), ..all };
                want = by_definition(&own, &valued, &facts, cut);
            }
            assert_eq!(probe.lookup(index), Lookup::Known(want), "feature {index}, step {at} of {steps:?}");
        }
        let ingested = Timestamp::from_ms(now);
        table.add(&Logged { seq, ingested, facts: &facts });
        log.push((seq, ingested, facts));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    /// Features that share their events do not disturb each other.
    #[test]
    fn features_of_one_key_each_equal_their_definition(steps in prop::collection::vec(any_step(), 1..120)) {
        run_together(&steps);
    }
}

#[test]
fn more_features_than_a_row_has_bits_are_all_exact() {
    let defs: Vec<Definition> = (0..MEMBERS_MAX + 3)
        .map(|at| {
            let mut def = definition(if at % 2 == 0 { Measure::Count } else { Measure::Distinct }, false);
            def.signal = signal(&format!("user.feature{at}"));
            def
        })
        .collect();
    let mut table = FeatureTable::new(defs, 100);
    for seq in 1..=3 {
        let event = facts("pay", "ann", 1_000 + seq, Some(Value::Int(1)));
        table.add(&Logged { seq, ingested: event.received, facts: &event });
    }
    let asked = facts("pay", "ann", 1_010, None);
    let stated = Stated::new(&asked);
    let mut probe = table.probe(&stated, 9);
    for at in 0..MEMBERS_MAX + 3 {
        let want = if at % 2 == 0 { 3 } else { 1 };
        assert_eq!(probe.lookup(at), Lookup::Known(Answer::Value(Value::Int(want))), "feature {at}");
    }
    assert_eq!(table.entries(), 6, "three events in each of two groups");
}

#[test]
fn a_sum_beyond_64_bits_is_an_error_and_comes_back() {
    let def = definition(Measure::Sum, true);
    let mut table = FeatureTable::new(vec![def], 100);
    let big = facts("pay", "ann", 1_000, Some(Value::Int(i64::MAX)));
    table.add(&Logged { seq: 1, ingested: Timestamp::from_ms(1_000), facts: &big });
    let mut next = facts("pay", "ann", 1_050, Some(Value::Int(1)));
    assert_eq!(ask(&table, &next, 2), Lookup::Known(Answer::Error));
    next.received = Timestamp::from_ms(1_100);
    assert_eq!(
        ask(&table, &next, 2),
        Lookup::Known(Answer::Value(Value::Int(1))),
        "the window is open at its start"
    );
}

#[test]
fn a_full_table_says_unavailable_and_never_a_low_number() {
    let def = definition(Measure::Count, false);
    let window = def.window;
    let mut table = FeatureTable::new(vec![def], 3);
    let start = 10_000_000;
    for seq in 1..=4 {
        let event = facts("pay", "ann", start + seq, None);
        table.add(&Logged { seq, ingested: event.received, facts: &event });
    }
    let unavailable = Lookup::Known(Answer::unknown(Cause::Unavailable));
    assert_eq!(ask(&table, &facts("pay", "ann", start + 5, None), 5), unavailable);
    let event = facts("pay", "bob", start + 5, None);
    assert_eq!(
        ask(&table, &event, 5),
        Lookup::Known(Answer::Value(Value::Int(0))),
        "nothing of bob was lost"
    );
    table.add(&Logged { seq: 5, ingested: event.received, facts: &event });
    assert_eq!(ask(&table, &facts("pay", "bob", start + 6, None), 6), unavailable);
    assert!(table.entries() <= 3);
    // Once everything lost has left window and look-back, answers are exact again.
    let later = Timestamp::from_ms(start + 10).after(window).after(LOOKBACK).after(Duration::from_secs(61));
    for seq in 6..=8 {
        let event = facts("pay", "ann", later.as_ms() + seq, None);
        table.add(&Logged { seq, ingested: event.received, facts: &event });
    }
    let again = ask(&table, &facts("pay", "bob", later.as_ms() + 20, None), 9);
    assert_eq!(again, Lookup::Known(Answer::Value(Value::Int(0))));
}

#[test]
fn a_time_behind_memory_is_answered_from_the_log() {
    let def = definition(Measure::Count, false);
    let mut table = FeatureTable::new(vec![def.clone()], 100);
    let now = 100_000_000;
    let event = facts("pay", "ann", now, None);
    table.add(&Logged { seq: 1, ingested: event.received, facts: &event });
    let old = facts("pay", "ann", now - 4_000_000, None);
    assert_eq!(ask(&table, &old, 2), Lookup::TooOld);
    assert_eq!(def.answer_over(&Stated::new(&old), 2, std::iter::empty()), Answer::Value(Value::Int(0)));
}

/// As [`run_together`], over hours instead of seconds: rows expire, keys go and come again, and with `entries_max`
/// below what is needed events are lost.
fn run_long(steps: &[Step], entries_max: usize) {
    const MINUTE: u64 = 60_000;
    let of = |at: usize| {
        let measure = [Measure::Count, Measure::Sum, Measure::Distinct, Measure::SumDouble][at % 4];
        let mut def = definition(measure, at.is_multiple_of(3));
        def.signal = signal(&format!("user.feature{at}"));
        def.window = Duration::from_millis([5, 240, 1, 90, 30][at % 5] * MINUTE);
        def.lateness = Duration::from_millis([30, 5, 55][at % 3] * MINUTE);
        def
    };
    let defs: Vec<Definition> = (0..8).map(of).collect();
    let mut table = FeatureTable::new(defs.clone(), entries_max);
    let mut log: Vec<(u64, Timestamp, EventFacts)> = Vec::new();
    let mut now = 100_000 * MINUTE;
    for (at, step) in steps.iter().enumerate() {
        now += step.forward * MINUTE;
        let amount = step.amount.map(|value| match value % 3 {
            0 => Value::Double(f64::from(value) * 0.1),
            1 => Value::Int(i64::MAX - i64::from(value)),
            _ => Value::Int(i64::from(value)),
        });
        let user = ["ann", "ann", "bob"][usize::from(step.user)];
        let facts = facts("pay", user, now - step.delay * MINUTE, amount);
        let seq = u64::try_from(at).unwrap() + 1;
        let cut = seq.saturating_sub(step.cut_back);
        let stated = Stated::new(&facts);
        let mut probe = table.probe(&stated, cut);
        for (index, def) in defs.iter().enumerate() {
            let found = probe.lookup(index);
            let lost =
                found == Lookup::Known(Answer::unknown(Cause::Unavailable)) && entries_max < steps.len();
            if found == Lookup::TooOld || lost {
                continue;
            }
            let want = by_definition(def, &log, &facts, cut);
            assert_eq!(found, Lookup::Known(want), "feature {index}, step {at} of {steps:?}");
        }
        let ingested = Timestamp::from_ms(now);
        table.add(&Logged { seq, ingested, facts: &facts });
        assert!(table.entries() <= entries_max);
        log.push((seq, ingested, facts));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    /// Neither expiry nor a table that is full makes an answer wrong.
    #[test]
    fn answers_over_hours_are_exact_or_unavailable(
        steps in prop::collection::vec(any_step(), 1..160),
        entries_max in prop_oneof![Just(10_000_usize), 1_usize..30],
    ) {
        run_long(&steps, entries_max);
    }
}

#[test]
fn a_key_that_comes_again_after_an_event_of_it_was_lost_stays_unavailable() {
    let def = definition(Measure::Count, false);
    let mut table = FeatureTable::new(vec![def.clone()], 2);
    let start = 100_000_000;
    let add = |table: &mut FeatureTable, seq: u64, user: &str, at: u64| {
        let event = facts("pay", user, at, None);
        table.add(&Logged { seq, ingested: event.received, facts: &event });
    };
    let span = millis(def.window) + millis(LOOKBACK);
    add(&mut table, 1, "ann", start);
    add(&mut table, 2, "ann", start + 1);
    // Full: this one is not kept. Its time also sweeps ann's two, which are behind the look-back by now.
    add(&mut table, 3, "bob", start + span + 10);
    add(&mut table, 4, "bob", start + span + 20);
    let asked = facts("pay", "bob", start + span + 30, None);
    assert_eq!(ask(&table, &asked, 5), Lookup::Known(Answer::unknown(Cause::Unavailable)));
}

#[test]
fn an_event_that_was_lost_concerns_a_short_window_no_longer_than_it_is() {
    let (short, mut long) = (definition(Measure::Count, false), definition(Measure::Count, false));
    long.signal = signal("user.long");
    long.window = Duration::from_secs(30 * 86_400);
    let mut table = FeatureTable::new(vec![short, long], 2);
    let start = 100_000_000;
    for seq in 1..=3 {
        let event = facts("pay", "ann", start + seq, None);
        table.add(&Logged { seq, ingested: event.received, facts: &event });
    }
    let asked = facts("pay", "ann", start + 3 + millis(LOOKBACK) * 2, None);
    let stated = Stated::new(&asked);
    let mut probe = table.probe(&stated, 9);
    assert_eq!(probe.lookup(0), Lookup::Known(Answer::Value(Value::Int(0))), "its window holds nothing");
    assert_eq!(probe.lookup(1), Lookup::Known(Answer::unknown(Cause::Unavailable)));
}
