//! Forms of files: the same events give the same report, in whatever form and order they come.

use crate::support::{Scratch, backtest, card_rows, gzip, policy};
use glacis_backtest::{Backtest, Options, Policy, Report, parse_when};
use std::path::Path;

const HEADER: &str = "id,card_id,store_id,datetime,amount,currency,customer_present,fraud,country\n";

fn with_mapping(policy: &Policy, mapping: &Path, file: &Path, options: Options) -> Report {
    let mapping = policy.mapping(Some(mapping), None).unwrap();
    Backtest::new(policy.clone(), mapping, file, options).unwrap().run(|_| {}).unwrap()
}

#[test]
fn csv_and_json_lines_plain_and_packed_give_one_report() {
    let Some(mut rows) = card_rows() else { return };
    rows.truncate(3_001);
    let (policy, scratch) = (policy("card-payment"), Scratch::new());
    let plain = scratch.csv("plain.csv", &rows);
    let mut json = String::new();
    for row in &rows[1..] {
        let members = rows[0].iter().zip(row).filter(|(_, cell)| !cell.is_empty());
        let member = |(name, cell): (&String, &String)| match name.as_str() {
            "id" | "card_id" | "store_id" | "amount" => format!("\"{name}\": {cell}"),
            "fraud" | "customer_present" => format!("\"{name}\": \"{cell}\""),
            _ => format!("{}: {}", serde_json::json!(name), serde_json::json!(cell)),
        };
        json += &format!("{{{}}}\n", members.map(member).collect::<Vec<_>>().join(", "));
    }
    let want = backtest(&policy, &plain, Options::default()).unwrap();
    assert_eq!((want.rows, want.skipped.rows()), (3_000, 0));
    let text = std::fs::read(&plain).unwrap();
    let (half, rest) = text.split_at(text.len() / 2);
    let members = [gzip(half), gzip(rest)].concat();
    let with_mark = [b"\xef\xbb\xbf".as_slice(), &text].concat();
    let crlf = String::from_utf8(text.clone()).unwrap().replace('\n', "\r\n");
    for (name, bytes) in [
        ("packed.csv.gz", gzip(&text)),
        ("packed-without-its-name", gzip(&text)),
        ("two-members.csv.gz", members),
        ("marked.csv", with_mark),
        ("crlf.csv", crlf.into_bytes()),
        ("lines.jsonl", json.clone().into_bytes()),
        ("lines.jsonl.gz", gzip(json.as_bytes())),
    ] {
        let found = backtest(&policy, &scratch.write(name, bytes), Options::default()).unwrap();
        assert_eq!(found, want, "{name}");
    }
}

#[test]
fn disorder_is_sorted_within_its_bound_and_refused_beyond_it() {
    let scratch = Scratch::new();
    let policy = policy("card-payment");
    let mapping = std::fs::read_to_string(crate::support::root().join("policies/card-payment/events.toml"));
    let late = scratch.write("late.toml", format!("late = \"60s\"\n{}", mapping.unwrap()));
    let row = |id: u32, second: u32| {
        format!("{id},c1,s1,2019-01-01 00:{:02}:{:02},10,EUR,True,False,DE\n", second / 60, second % 60)
    };
    // 100 is the newest when 40 comes, exactly the bound; 39 is beyond it.
    let rows = [row(0, 0), row(1, 100), row(2, 40), row(3, 39), row(4, 100), row(5, 99), row(6, 200)];
    let file = scratch.write("disorder.csv", format!("{HEADER}{}", rows.concat()));
    let report = with_mapping(&policy, &late, &file, Options::default());
    let [skipped] = report.skipped.reasons() else { panic!("{report}") };
    assert_eq!((skipped.reason.as_str(), skipped.rows), ("time before an earlier row", 1));
    assert_eq!(skipped.first_lines, [5]);
    // The others are decided as if they had come in order.
    let in_order = [row(0, 0), row(2, 40), row(5, 99), row(1, 100), row(4, 100), row(6, 200)];
    let in_order = scratch.write("order.csv", format!("{HEADER}{}", in_order.concat()));
    assert_eq!(with_mapping(&policy, &late, &in_order, Options::default()).parts, report.parts);
    // Nothing is sorted that was not declared: each row older than one before it is counted.
    let strict = backtest(&policy, &file, Options::default()).unwrap();
    assert_eq!(strict.skipped.reasons()[0].rows, 3);
    assert_eq!(strict.skipped.reasons()[0].first_lines, [4, 5, 7]);
}

#[test]
fn a_report_covers_its_time_and_its_windows_are_warm() {
    let scratch = Scratch::new();
    let policy = policy("card-payment");
    let row = |id: u32| {
        format!(
            "{id},c1,s1,2019-01-01 00:00:{id:02},10,EUR,True,{},DE\n",
            if id.is_multiple_of(2) { "True" } else { "" }
        )
    };
    let file = scratch.write("rows.csv", format!("{HEADER}{}", (0..30).map(row).collect::<String>()));
    let options = Options {
        from: parse_when("2019-01-01 00:00:10"),
        to: parse_when("2019-01-01T00:00:20Z"),
        ..Options::default()
    };
    let report = backtest(&policy, &file, options).unwrap();
    let [all] = report.parts.as_slice() else { panic!("{report}") };
    assert_eq!((all.events, report.warm_up), (10, 10));
    let burst = all.rules.iter().find(|rule| rule.rule == "card-burst").unwrap();
    assert_eq!(burst.matched, 10, "the payments before the reported time are in the windows");
    assert_eq!((burst.true_positive, burst.false_positive), (5, 0), "a row without a label is neither");
    let allowed = &all.verdicts[0];
    assert_eq!((allowed.positive, allowed.negative, allowed.unlabelled), (5, 0, 5));
    let cold = backtest(&policy, &file, Options::default()).unwrap();
    let burst = cold.parts[0].rules.iter().find(|rule| rule.rule == "card-burst").unwrap();
    assert_eq!(burst.matched, 29);
    // JSON says what the table says.
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json.pointer("/parts/0/verdicts/0/unlabelled"), Some(&serde_json::json!(5)));
    assert_eq!(json.pointer("/parts/0/rules/0/precision"), Some(&serde_json::Value::Null));
}

#[test]
fn options_that_contradict_are_refused() {
    let scratch = Scratch::new();
    let policy = policy("card-payment");
    let file = scratch.write("rows.csv", HEADER);
    let wish = |rule: &str| Some(glacis_backtest::Wish { rule: rule.to_owned(), precision: None });
    let when = parse_when("2019-01-01");
    for (options, why) in [
        (Options { split: Some(1.0), ..Options::default() }, "between 0 and 1"),
        (Options { split: Some(f64::NAN), ..Options::default() }, "between 0 and 1"),
        (Options { choose: wish("large-amount"), ..Options::default() }, "give a split"),
        (Options { from: when, to: when, ..Options::default() }, "must lie before"),
        (
            Options { split: Some(0.5), choose: wish("nothing"), ..Options::default() },
            "has no rule `nothing`",
        ),
        (
            Options { split: Some(0.5), choose: wish("busy-store"), ..Options::default() },
            "not one comparison",
        ),
        (Options { split: Some(0.5), choose: wish("large-amount"), ..Options::default() }, "no threshold"),
    ] {
        let error = backtest(&policy, &file, options).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn the_choice_depends_on_the_first_part_only() {
    let Some(mut rows) = card_rows() else { return };
    rows.truncate(10_001);
    let (policy, scratch) = (policy("card-payment"), Scratch::new());
    let wish = glacis_backtest::Wish { rule: "large-amount".to_owned(), precision: Some(0.5) };
    let options = Options { split: Some(0.6), choose: Some(wish), ..Options::default() };
    let before = backtest(&policy, &scratch.csv("a.csv", &rows), options.clone()).unwrap().chosen.unwrap();
    for row in &mut rows[6_001..] {
        row[4] = "1".to_owned();
        row[7] = "True".to_owned();
    }
    let after = backtest(&policy, &scratch.csv("b.csv", &rows), options).unwrap().chosen.unwrap();
    assert_eq!((before.chosen, &before.first), (after.chosen, &after.first));
    assert_ne!(before.rest, after.rest);
    assert!(before.first.precision.value() >= 0.5 && before.chosen < 90_000, "{before:?}");
}
