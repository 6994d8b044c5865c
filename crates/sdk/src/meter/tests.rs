use super::*;
use glacis_dtx::Vault;
use glacis_host::{Files as _, MemoryFiles, SeededHost};
use glacis_seal::Context;
use glacis_wire::{Realm, TenantId};
use std::sync::Arc;

fn vault(files: &MemoryFiles) -> Vault {
    let context = Context { tenant: TenantId::parse("acme").unwrap(), realm: Realm::Demo };
    Vault::open(Arc::new(files.clone()), Arc::new(SeededHost::new(7, DAY_ONE)), context).unwrap()
}

const DAY_ONE: Timestamp = Timestamp::from_ms(20_000 * DAY_MS);

fn event() -> EventName {
    EventName::parse("payment.transfer").unwrap()
}

fn metering(bits: u64, per_session: Option<u64>, per_day: Option<u64>) -> Vec<Metering> {
    vec![Metering { event: event(), bits, per_session, per_day }]
}

fn meter(metering: &[Metering]) -> Meter {
    let mut meter = Meter::default();
    meter.follow(metering);
    meter
}

fn session(name: u8) -> Option<SessionId> {
    Some(SessionId::new([name; SessionId::LEN]))
}

/// How many disclosures are told before the meter says no.
fn told(meter: &mut Meter, vault: &Vault, day: u64, session: Option<SessionId>) -> usize {
    let now = Timestamp::from_ms(day * DAY_MS + 5);
    (0..1_000).take_while(|_| meter.take(vault, &event(), Moment { now, session })).count()
}

#[test]
fn a_session_and_a_day_end_where_their_budgets_do() {
    let vault = vault(&MemoryFiles::default());
    let mut meter = meter(&metering(3, Some(10), Some(40)));
    assert_eq!(told(&mut meter, &vault, 20_000, session(1)), 3);
    assert_eq!(told(&mut meter, &vault, 20_000, session(1)), 0);
    for (name, want) in [(2, 3), (3, 3), (4, 3), (5, 1), (6, 0)] {
        assert_eq!(told(&mut meter, &vault, 20_000, session(name)), want, "session {name}");
    }
    assert_eq!(told(&mut meter, &vault, 20_001, session(6)), 3, "a new day");
    let other = EventName::parse("account.login").unwrap();
    let moment = Moment { now: DAY_ONE, session: None };
    assert!(meter.take(&vault, &other, moment), "an event without a budget is not counted");
}

#[test]
fn what_was_told_before_a_session_opens_counts_in_it() {
    let vault = vault(&MemoryFiles::default());
    let mut meter = meter(&metering(4, Some(10), None));
    assert_eq!(told(&mut meter, &vault, 20_000, None), 2);
    assert_eq!(told(&mut meter, &vault, 20_000, session(1)), 0, "the session that it was told for");
    assert_eq!(told(&mut meter, &vault, 20_000, None), 2, "that has ended");
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_back() {
    let vault = vault(&MemoryFiles::default());
    let mut meter = meter(&metering(1, None, Some(5)));
    assert_eq!(told(&mut meter, &vault, 20_000, session(1)), 5);
    for day in [19_999, 3, 20_000] {
        assert_eq!(told(&mut meter, &vault, day, session(2)), 0, "day {day}");
    }
    assert_eq!(told(&mut meter, &vault, 20_001, session(2)), 5);
}

#[test]
fn a_restart_and_a_new_version_give_nothing_back() {
    let files = MemoryFiles::default();
    for restart in 0..6 {
        let mut meter = meter(&metering(1, None, Some(40)));
        let now = DAY_ONE;
        let took = meter.take(&vault(&files), &event(), Moment { now, session: session(1) });
        // Each start counts as told what was stored ahead: sixteen at a time.
        assert_eq!(took, restart < 3, "start {restart}");
    }
    let vault = vault(&MemoryFiles::default());
    let mut meter = meter(&metering(1, None, Some(20)));
    assert_eq!(told(&mut meter, &vault, 20_000, session(1)), 20);
    meter.follow(&metering(2, None, Some(25)));
    assert_eq!(told(&mut meter, &vault, 20_000, session(1)), 2, "another version of the policy");
}

#[test]
fn what_cannot_be_stored_is_not_told() {
    let files = MemoryFiles::default();
    let store = vault(&files);
    let mut meter = meter(&metering(1, None, Some(100)));
    assert!(meter.take(&store, &event(), Moment { now: DAY_ONE, session: None }));
    let before = files.snapshot();
    assert_eq!(told(&mut meter, &store, 20_000, None), 99);
    // The record alone is put back: the vault notices, and the day is over.
    let record = "meter.sealed";
    let old = before.read(record).unwrap().expect("the vault's name for the record");
    files.replace(record, &old).unwrap();
    let mut again = super::tests::meter(&metering(1, None, Some(1_000)));
    assert_eq!(told(&mut again, &vault(&files), 20_000, None), 0);
    assert!(told(&mut again, &vault(&files), 20_001, None) > 0, "the next day is not barred");

    let sealed = vault(&MemoryFiles::default());
    let mut huge = Meter::default();
    let many = (0..=BUNDLE_SLICES_MAX).map(|at| Metering {
        event: EventName::parse(&format!("e.x{at}")).unwrap(),
        bits: 1,
        per_session: Some(9),
        per_day: None,
    });
    huge.follow(&many.collect::<Vec<_>>());
    let last = EventName::parse(&format!("e.x{BUNDLE_SLICES_MAX}")).unwrap();
    for at in 0..BUNDLE_SLICES_MAX {
        let event = EventName::parse(&format!("e.x{at}")).unwrap();
        assert!(huge.take(&sealed, &event, Moment { now: DAY_ONE, session: None }));
    }
    assert!(!huge.take(&sealed, &last, Moment { now: DAY_ONE, session: None }), "more than a record holds");
}
