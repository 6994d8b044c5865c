//! Files that are broken or made to break: each row is used or counted, each file is read to its end or refused,
//! and neither takes more memory than its windows.

use crate::generate;
use crate::support::{Scratch, backtest, gzip, policy};
use glacis_backtest::{Backtest, BacktestError, Options, Policy, Report};
use std::io::Write as _;

const HEADER: &str = "id,card_id,store_id,datetime,amount,currency,customer_present,fraud,country\n";
const GOOD: &str = "1,c1,s1,2019-01-01 00:00:01,10,EUR,True,False,DE\n";

fn run(bytes: impl AsRef<[u8]>) -> Result<Report, BacktestError> {
    let scratch = Scratch::new();
    backtest(&policy("card-payment"), &scratch.write("events", bytes), Options::default())
}

#[test]
fn rows_that_cannot_be_used_are_counted_with_their_lines() {
    let row = |text: &str| format!("{text}\n");
    for (bad, reason) in [
        (row("2,c1,s1,2019-01-01 00:00:02,10,EUR,True,False"), "number of columns"),
        (row("2,c1,s1,2019-01-01 00:00:02,10,EUR,True,False,DE,more"), "number of columns"),
        (row("2,c1,s1,yesterday,10,EUR,True,False,DE"), "time"),
        (row("2,c1,s1,,10,EUR,True,False,DE"), "time"),
        (row("2,c1,s1,2019-01-01 00:00:00,10,EUR,True,False,DE"), "time before an earlier row"),
        (row("1,c9,s9,2019-01-01 00:00:02,99,EUR,True,False,DE"), "id seen before"),
        (row(",c1,s1,2019-01-01 00:00:02,10,EUR,True,False,DE"), "no id"),
        (row("2,c1,s1,2019-01-01 00:00:02,NaN,EUR,True,False,DE"), "value of `amount`"),
        (row("2,c1,s1,2019-01-01 00:00:02,inf,EUR,True,False,DE"), "value of `amount`"),
        (row("2,c1,s1,2019-01-01 00:00:02,1e400,EUR,True,False,DE"), "value of `amount`"),
        (row("2,c1,s1,2019-01-01 00:00:02,99999999999999999999,EUR,True,False,DE"), "value of `amount`"),
        (row("2,c1,s1,2019-01-01 00:00:02,10,EURO,True,False,DE"), "value of `currency`"),
        (row("2,c1,s1,2019-01-01 00:00:02,10,EUR,maybe,False,DE"), "value of `card.present`"),
        (row("2,c1,s\0,2019-01-01 00:00:02,10,EUR,True,False,DE"), "value of `store`"),
        (
            row(&format!("2,{},s1,2019-01-01 00:00:02,10,EUR,True,False,DE", "c".repeat(65))),
            "value of `card`",
        ),
    ] {
        let report = run(format!("{HEADER}{GOOD}{bad}")).unwrap();
        let [skipped] = report.skipped.reasons() else { panic!("{bad}: {report}") };
        assert_eq!(
            (&*skipped.reason, skipped.rows, &*skipped.first_lines),
            (reason, 1, [3].as_slice()),
            "{bad}"
        );
        assert_eq!((report.rows, report.parts[0].events), (2, 1), "{bad}");
    }
    let mut not_text = format!("{HEADER}{GOOD}").into_bytes();
    not_text.extend(b"2,c1,\xff\xfe,2019-01-01 00:00:02,10,EUR,True,False,DE\n");
    assert_eq!(run(not_text).unwrap().skipped.reasons()[0].reason, "value of `store`");
    // However many there are, only the first lines are kept.
    let many = run(format!("{HEADER}{}", "x,y\n".repeat(5_000))).unwrap();
    let skipped = &many.skipped.reasons()[0];
    assert_eq!((skipped.rows, skipped.first_lines.len(), many.parts[0].events), (5_000, 10, 0));
}

#[test]
fn lines_of_json_are_counted_too() {
    let good = r#"{"label": "bot", "userAgent": "curl", "platform": null, "screenWidth": 10}"#;
    for bad in [
        "[1, 2]",
        "{\"label\": \"bot\", \"userAgent\": \"curl\"",
        "{\"label\": \"bot\", \"userAgent\": \"curl\"} {}",
        "{\"label\": \"bot\", \"userAgent\": \"curl\", \"userAgent\": \"Mozilla/5.0\"}",
        "{\"label\": \"bot\", \"userAgent\": \"curl\", \"\\u0075serAgent\": \"Mozilla/5.0\"}",
        "{\"label\": \"bot\", \"userAgent\": [\"curl\"]}",
        "{\"label\": \"bot\", \"userAgent\": \"curl\", \"screenWidth\": 1.5}",
        "{\"label\": \"bot\", \"userAgent\": \"curl\", \"screenWidth\": 1e999}",
        "{\"label\": \"bot\", \"userAgent\": \"cu\\u0000rl\"}",
    ] {
        let scratch = Scratch::new();
        let file = scratch.write("lines", format!("{good}\n\n{bad}\n{good}\n"));
        let report = backtest(&policy("user-agents"), &file, Options::default()).unwrap();
        assert_eq!((report.rows, report.skipped.rows(), report.parts[0].events), (3, 1, 2), "{bad}");
        assert_eq!(report.skipped.reasons()[0].first_lines, [3], "{bad}");
    }
    let deep = format!("{{\"x\": {}}}\n", "[".repeat(100_000));
    let scratch = Scratch::new();
    let file = scratch.write("deep", format!("{good}\n{deep}"));
    assert_eq!(backtest(&policy("user-agents"), &file, Options::default()).unwrap().skipped.rows(), 1);
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_gives_no_report() {
    let whole = format!(
        "{HEADER}{}",
        (1..5_000).map(|id| GOOD.replacen('1', &id.to_string(), 1)).collect::<String>()
    );
    let packed = gzip(whole.as_bytes());
    let cut = |bytes: &[u8], at: usize| bytes[..at].to_vec();
    let mut damaged = packed.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xaa);
    let mut wrong_sum = packed.clone();
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 1;
    let giant =
        format!("{HEADER}{GOOD}2,c1,{},2019-01-01 00:00:02,10,EUR,True,False,DE\n", "s".repeat(3 << 20));
    let open = format!("{HEADER}{GOOD}2,\"c1,s1\n{}", GOOD.repeat(40_000));
    for (bytes, why) in [
        (cut(&packed, packed.len() / 2), "cut short"),
        (cut(&packed, packed.len() - 1), "cut short"),
        (damaged, "damaged"),
        (wrong_sum, "damaged"),
        ([packed.clone(), b"what follows is no gzip".to_vec()].concat(), "damaged"),
        (b"\x1f\x8b".to_vec(), "cut short"),
        (giant.into_bytes(), "longer than"),
        (open.into_bytes(), "line 3: the record is longer than"),
        (b"\xff\xfei\0d\0".to_vec(), "UTF-16"),
        (b"".to_vec(), "no column `amount`"),
        (HEADER.replace("fraud", "verdict").into_bytes(), "no column `fraud`; the header has: id, card_id"),
        (HEADER.replace("country", "amount").into_bytes(), "two columns `amount`"),
        (format!("{{\"a\": \"{}\"}}", "x".repeat(2 << 20)).into_bytes(), "the line is longer than"),
    ] {
        let error = run(bytes).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
    let scratch = Scratch::new();
    let gone = backtest(&policy("card-payment"), &scratch.path("gone"), Options::default()).unwrap_err();
    assert!(matches!(gone, BacktestError::File { .. }), "{gone}");
    let folder = backtest(&policy("card-payment"), &scratch.path("."), Options::default()).unwrap_err();
    assert!(folder.to_string().contains("irectory"), "{folder}");
    assert_eq!(run(HEADER).unwrap().parts[0].events, 0, "no rows are no error");
}

#[test]
fn what_unpacks_to_a_thousand_times_its_size_is_read_in_pieces() {
    let scratch = Scratch::new();
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let piece = vec![b'a'; 1 << 20];
    (0..64).for_each(|_| out.write_all(&piece).unwrap());
    let bomb = out.finish().unwrap();
    assert!(bomb.len() < 1 << 17);
    let error = backtest(&policy("card-payment"), &scratch.write("bomb.gz", &bomb), Options::default());
    assert!(error.unwrap_err().to_string().contains("longer than 1048576 bytes"));
    // As rows it is only long: each is counted, none is kept.
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(HEADER.as_bytes()).unwrap();
    let piece = b",\n".repeat(1 << 18);
    (0..4).for_each(|_| out.write_all(&piece).unwrap());
    let file = scratch.write("rows.gz", out.finish().unwrap());
    let report = backtest(&policy("card-payment"), &file, Options::default()).unwrap();
    assert_eq!(report.skipped.rows(), 1 << 20);
}

#[test]
fn keys_that_never_come_again_leave_memory_with_their_windows() {
    let scratch = Scratch::new();
    let folder = scratch.path("policy");
    generate::write_policy(&folder, 50).unwrap();
    let mut text = String::from("id,at,card,store,amount,country,present,fraud\n");
    let rows = 200_000_u64;
    for row in 0..rows {
        text += &format!("p{row},{},c{row},s{row},5,AA,True,False\n", 1_600_000_000 + row * 60);
    }
    let policy = Policy::read(&folder).unwrap();
    let mapping = policy.mapping(None, None).unwrap();
    let file = scratch.write("rows.csv", text);
    let report = Backtest::new(policy, mapping, &file, Options::default()).unwrap().run(|_| {}).unwrap();
    assert_eq!((report.parts[0].events, report.unavailable), (rows, 0));
    // Six features, a day of rows a minute apart and an hour of look-back, twice that before a sweep.
    assert!(report.entries_max <= 2 * 6 * 25 * 60 + 65_536, "{} entries", report.entries_max);
}
