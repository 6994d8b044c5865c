//! Features against an independent, quadratic computation: for each row, all rows before it, read from the text.
//!
//! The reference knows the definitions of `policies/card-payment/signals.toml` by heart and shares no code with the
//! feature table: it parses cells itself and compares times as numbers.

use crate::support::{Decided, Scratch, card_rows, decisions, policy};
use glacis_wire::{Answer, Cause, Value};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A row as the reference reads it; times in seconds from some start.
#[derive(Clone, Debug)]
struct Row {
    at: i64,
    card: String,
    store: String,
    amount: Option<i64>,
    country: String,
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn int(value: usize) -> Answer {
    Answer::Value(Value::Int(i64::try_from(value).unwrap()))
}

fn expected(rows: &[Row], at: usize, feature: &str) -> Answer {
    let this = &rows[at];
    let by_card = feature.starts_with("card.");
    if by_card && this.card.is_empty() {
        return Answer::unknown(Cause::Withheld);
    }
    if !by_card && this.store.is_empty() {
        return Answer::Error;
    }
    let window = match feature {
        "card.payments_1h" => HOUR,
        "card.payments_7d" | "card.amount_7d" => 7 * DAY,
        "store.payments_24h" | "store.amount_24h" => DAY,
        "card.countries_30d" | "store.cards_30d" => 30 * DAY,
        other => panic!("{other}"),
    };
    let same = |row: &Row| if by_card { row.card == this.card } else { row.store == this.store };
    let mut counted: Vec<&Row> = Vec::new();
    for row in &rows[..at] {
        if same(row) && row.at > this.at - window && row.at <= this.at {
            counted.push(row);
        }
    }
    let with_self = || counted.iter().copied().chain([this]);
    match feature {
        "card.payments_1h" | "card.payments_7d" | "store.payments_24h" => int(counted.len()),
        "card.amount_7d" | "store.amount_24h" => {
            Answer::Value(Value::Int(with_self().filter_map(|row| row.amount).sum()))
        }
        "card.countries_30d" => {
            int(with_self().map(|row| &row.country).filter(|c| !c.is_empty()).collect::<BTreeSet<_>>().len())
        }
        _ => int(with_self().map(|row| &row.card).filter(|c| !c.is_empty()).collect::<BTreeSet<_>>().len()),
    }
}

/// Compares every feature of every row; how often each was anything but its least value.
fn compare(rows: &[Row], decided: &[Decided]) -> usize {
    assert_eq!(rows.len(), decided.len());
    let mut told = 0;
    for (at, row) in decided.iter().enumerate() {
        let features = row.answers.iter().filter(|(name, _)| !name.starts_with("list."));
        let mut seen = 0;
        for (name, answer) in features {
            let want = expected(rows, at, name);
            assert_eq!(*answer, want, "{name} of row {at} (line {})", row.line);
            seen += 1;
            told += usize::from(matches!(want, Answer::Value(Value::Int(value)) if value > 1));
        }
        assert_eq!(seen, 7, "row {at}");
    }
    told
}

/// Seconds from 2019-01-01 of `YYYY-MM-DD HH:MM:SS`, by counting days.
fn seconds(text: &str) -> i64 {
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let days = [0, 31, 59, 90, 120, 151, 181];
    assert_eq!(&text[..4], "2019");
    let day = days[usize::try_from(number(5, 7)).unwrap() - 1] + number(8, 10) - 1;
    day * DAY + number(11, 13) * HOUR + number(14, 16) * 60 + number(17, 19)
}

fn row(cells: &[String]) -> Row {
    Row {
        at: seconds(&cells[3]),
        card: cells[1].clone(),
        store: cells[2].clone(),
        amount: cells[4].parse().ok(),
        country: cells[13].clone(),
    }
}

#[test]
fn features_of_real_rows_equal_a_quadratic_reference() {
    let Some(all) = card_rows() else { return };
    let kept = |cells: &&Vec<String>| {
        let number = |at: usize| cells[at].parse::<u64>().unwrap();
        number(1) % 61 == 0 || number(2) % 23 == 0
    };
    let mut rows: Vec<Vec<String>> = all.iter().skip(1).filter(kept).cloned().collect();
    assert!(rows.len() >= 2_000, "{} rows", rows.len());
    let scratch = Scratch::new();
    // As they are, then with times of whole hours: many at once, and many exactly a window apart.
    for coarse in [false, true] {
        if coarse {
            rows.iter_mut().for_each(|cells| cells[3].replace_range(14.., "00:00"));
        }
        let read: Vec<Row> = rows.iter().map(|cells| row(cells)).collect();
        let ties = read.windows(2).filter(|pair| pair[0].at == pair[1].at).count();
        let exactly = |a: &Row, b: &Row| a.store == b.store && b.at - a.at == DAY;
        let ends =
            read.iter().enumerate().filter(|(at, b)| read[..*at].iter().any(|a| exactly(a, b))).count();
        assert!(!coarse || (ties > 500 && ends > 5), "{ties} ties, {ends} rows at the very end of a window");
        let mut text = vec![all[0].clone()];
        text.extend(rows.iter().cloned());
        let decided = decisions(&policy("card-payment"), &scratch.csv("slice.csv", &text)).unwrap();
        let told = compare(&read, &decided);
        println!("{} rows, {ties} ties, {ends} at the end of a window, {told} values above one", rows.len());
        assert!(told > 2_000, "{told}");
    }
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let step = prop_oneof![
        3 => Just(0),
        3 => 1_i64..200,
        2 => prop_oneof![Just(HOUR - 1), Just(HOUR), Just(HOUR + 1)],
        2 => prop_oneof![Just(DAY - 1), Just(DAY), Just(DAY + 1), Just(7 * DAY), Just(30 * DAY)],
    ];
    let row = (step, 0..4, 0..4, proptest::option::weighted(0.9, -9_i64..9), 0..4);
    prop::collection::vec(row, 1..80).prop_map(|rows| {
        let name = |n: i32| if n == 0 { String::new() } else { n.to_string() };
        let mut at = 0;
        let mut all = Vec::new();
        for (step, card, store, amount, country) in rows {
            at = (at + step).min(180 * DAY);
            all.push(Row { at, card: name(card), store: name(store), amount, country: name(country) });
        }
        all
    })
}

fn civil(at: i64) -> String {
    let days = [31, 28, 31, 30, 31, 30, 31];
    let (mut day, mut month) = (at / DAY, 0);
    while day >= days[month] {
        day -= days[month];
        month += 1;
    }
    let (hour, minute, second) = (at % DAY / HOUR, at % HOUR / 60, at % 60);
    format!("2019-{:02}-{:02} {hour:02}:{minute:02}:{second:02}", month + 1, day + 1)
}

#[expect(clippy::disallowed_methods, reason = "how many cases a run takes is CI's to say")]
fn cases() -> u32 {
    std::env::var("GLACIS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256).min(1_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    /// Rows at once, exactly a window apart, without card, store, amount or country.
    #[test]
    fn features_of_random_rows_equal_a_quadratic_reference(rows in any_rows()) {
        let mut text = String::from("id,card_id,store_id,datetime,amount,currency,customer_present,fraud,country\n");
        for (id, row) in rows.iter().enumerate() {
            let amount = row.amount.map_or(String::new(), |amount| amount.to_string());
            let Row { card, store, country, .. } = row;
            text += &format!("{id},{card},{store},{},{amount},EUR,True,False,{country}\n", civil(row.at));
        }
        let scratch = Scratch::new();
        let decided = decisions(&policy("card-payment"), &scratch.write("rows.csv", text)).unwrap();
        compare(&rows, &decided);
    }
}
