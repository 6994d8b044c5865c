//! Nothing that a decision may not know can reach it: neither label nor id, nor anything that comes later.

use crate::generate::Random;
use crate::support::{Decided, Scratch, card_rows, decisions, policy};
use glacis_backtest::mapping::Mapping;

const ID: usize = 0;
const TIME: usize = 3;
const LABEL: usize = 7;

/// What was decided, without what it is counted against.
fn blind(decided: &[Decided]) -> Vec<Decided> {
    let hide = |one: &Decided| Decided { label: glacis_backtest::Label::None, line: 0, ..one.clone() };
    decided.iter().map(hide).collect()
}

#[test]
fn no_rule_reads_label_or_id() {
    let Some(mut rows) = card_rows() else { return };
    rows.truncate(6_000);
    let (policy, scratch) = (policy("card-payment"), Scratch::new());
    let before = decisions(&policy, &scratch.csv("as-is.csv", &rows)).unwrap();
    for (at, row) in rows.iter_mut().enumerate().skip(1) {
        row[LABEL] = if row[LABEL] == "True" { "False" } else { "True" }.to_owned();
        row[ID] = format!("other-{}", 100_000 - at);
    }
    let after = decisions(&policy, &scratch.csv("turned.csv", &rows)).unwrap();
    assert_eq!(blind(&before), blind(&after));
    assert!(before.iter().zip(&after).all(|(before, after)| before.label != after.label));
}

#[test]
fn what_comes_later_changes_nothing_that_was_decided() {
    let Some(mut rows) = card_rows() else { return };
    rows.truncate(6_001);
    let (policy, scratch) = (policy("card-payment"), Scratch::new());
    let whole = decisions(&policy, &scratch.csv("whole.csv", &rows)).unwrap();
    for known in [1, 2, 777, 3_000, 5_999] {
        let short = decisions(&policy, &scratch.csv("short.csv", &rows[..=known])).unwrap();
        assert_eq!(short, whole[..known], "without what comes after row {known}");
        // The times stay in order; everything else of later rows changes places.
        let mut shuffled = rows.clone();
        let mut random = Random(u64::try_from(known).unwrap());
        for at in (known + 2..shuffled.len()).rev() {
            let span = u64::try_from(at - known).unwrap();
            let other = known + 1 + usize::try_from(random.below(span)).unwrap();
            shuffled.swap(at, other);
        }
        for (row, in_time) in shuffled.iter_mut().zip(&rows) {
            row[TIME].clone_from(&in_time[TIME]);
        }
        let shuffled = decisions(&policy, &scratch.csv("shuffled.csv", &shuffled)).unwrap();
        assert_eq!(shuffled[..known], whole[..known], "with another future after row {known}");
        assert!(known > 5_000 || shuffled[known..] != whole[known..], "the future was not another one");
    }
}

#[test]
fn a_mapping_that_makes_a_signal_of_label_or_id_is_refused() {
    let policy = policy("card-payment");
    let base = "[time]\ncolumn = \"datetime\"\nformat = \"datetime\"\n[id]\ncolumn = \"id\"\n\
        [label]\ncolumn = \"fraud\"\nnever = [\"chargeback\"]\n";
    let read = |rest: &str, label: Option<&str>| {
        Mapping::read("events.toml", &format!("{base}{rest}"), policy.compiled(), label).map(|_| ())
    };
    let store = |column: &str| format!("[signal.store]\ncolumn = \"{column}\"\n");
    assert!(read(&store("store_id"), None).is_ok());
    for (column, label, why) in [
        ("fraud", None, "column `fraud` is the label and cannot be the signal `store`"),
        ("id", None, "column `id` is the id"),
        ("chargeback", None, "column `chargeback` follows from the label"),
        ("verdict", Some("verdict"), "column `verdict` is the label"),
        ("fraud", Some("verdict"), "column `fraud` is a label"),
    ] {
        let error = read(&store(column), label).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    for (rest, why) in [
        ("[signal.\"card.payments_1h\"]\ncolumn = \"x\"\n", "cannot be mapped"),
        ("[signal.\"device.tier\"]\nvalue = \"strong\"\n", "cannot be mapped"),
        ("[signal.nothing]\ncolumn = \"x\"\n", "the catalogue has no signal `nothing`"),
        ("[signal.store]\ncolumn = \"x\"\nvalue = \"y\"\n", "either a `column` or a `value`"),
        ("[signal.amount]\nvalue = \"much\"\n", "is no int"),
        ("[signal.amount]\ncolumn = \"x\"\nunits = 2\n", "unknown field `units`"),
        ("[list.friends]\nitems = []\n", "the catalogue has no list `friends`"),
    ] {
        let error = read(rest, None).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    for label in ["datetime", "id"] {
        let error = read("", Some(label)).unwrap_err().to_string();
        assert!(error.contains("cannot be"), "{error}");
    }
}
