//! No input makes the compiler panic, and every finding points into its file.

use crate::support::{Random, compile_texts, file, for_each_case};
use glacis_compiler::Diagnostics;
use glacis_compiler::plan::Plan;

fn check_places(texts: [(&str, &str); 3], diagnostics: &Diagnostics) {
    assert!(diagnostics.iter().count() > 0, "an error says why");
    for diagnostic in diagnostics {
        let (_, text) =
            texts.iter().find(|(name, _)| *name == diagnostic.file).unwrap_or_else(|| panic!("{diagnostic}"));
        let lines = text.lines().count().max(1) + 1;
        assert!((1..=lines).contains(&diagnostic.line) && diagnostic.column >= 1, "{diagnostic}");
        assert!(
            diagnostic.span.start <= diagnostic.span.end && diagnostic.span.end <= text.len(),
            "{diagnostic}"
        );
        assert!(text.is_char_boundary(diagnostic.span.start), "{diagnostic}");
        let code = diagnostic.code.as_bytes();
        assert!(
            code.len() == 5 && code[0] == b'G' && code[1..].iter().all(u8::is_ascii_digit),
            "{diagnostic}"
        );
    }
}

fn compile(signals: &str, policy: &str, cases: &str) -> bool {
    let texts = [("signals.toml", signals), ("policy.toml", policy), ("cases.toml", cases)];
    match compile_texts(signals, policy, Some(cases)) {
        Ok(compiled) => {
            compiled.run_cases();
            assert!(!Plan::new(&compiled).to_string().is_empty());
            true
        }
        Err(diagnostics) => {
            check_places(texts, &diagnostics);
            false
        }
    }
}

/// What the shipped policies do not use: ranges, an exception, a budget.
const LABELS: [&str; 2] = [
    r#"
[signal."battery.level"]
type = "int"
zone = "device"
privacy = "private"
purpose = ["ads"]
retention = "0d"
min_trust = "attested"
cost = 1
[declassifier.low]
signal = "battery.level"
for = "fraud-prevention"
reason = "farms of phones are on mains"
reviewed_by = "dpo@example.com"
reviewed_on = "2026-03-01"
"#,
    r#"
[[rule]]
id = "range"
when = "battery.level < 20 && app.hooked || amount > 9 && battery.level <= 50 && !(app.debugger)"
effect = "challenge(otp)"
text = "device"
declassify = ["low"]
release = { nodes = 2, buckets = { "battery.level" = [20, 50] } }
[policy.budget]
bits_per_request = 9
bits_per_day = 99
"#,
];

const PIECES: [&str; 28] = [
    "\"",
    "'",
    "\\",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "=",
    "==",
    "&&",
    "!",
    "?",
    ":",
    ".",
    ",",
    "\n",
    "é",
    "0",
    "in",
    "amount",
    "app.hooked",
    "\u{0}",
    "battery.level",
    "buckets",
    "20",
    "-1",
];

#[test]
fn mutated_policies_never_panic() {
    let signals = file("policies/signals.toml");
    let policy = file("policies/transfer/policy.toml");
    let cases = file("policies/transfer/cases.toml");
    let [more, rule] = LABELS;
    let labelled = [format!("{signals}{more}"), format!("{policy}{rule}"), String::new()];
    let originals = [[signals, policy, cases], labelled];
    for [signals, policy, cases] in &originals {
        assert!(compile(signals, policy, cases), "the originals compile");
    }
    for_each_case(|random| {
        let mut texts = originals[random.below(2)].clone();
        let which = random.pick(&[0, 1, 1, 1, 1, 2]);
        // The end is where the new keys are.
        let tail = |random: &mut Random, length: usize| length - random.below(length.min(600) + 1);
        for _ in 0..1 + random.below(3) {
            let text = &mut texts[which];
            let near = random.below(2) == 0;
            let mut at = if near { tail(random, text.len()) } else { random.below(text.len() + 1) };
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let mut end = (at + random.below(12)).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            match random.below(3) {
                0 => text.replace_range(at..end, ""),
                1 => text.insert_str(at, random.pick(&PIECES)),
                _ => text.replace_range(at..end, random.pick(&PIECES)),
            }
        }
        compile(&texts[0], &texts[1], &texts[2]);
    });
}

#[test]
fn random_conditions_never_panic() {
    let signals = file("policies/signals.toml");
    let head = file("policies/view/policy.toml")
        .split_once("[[rule]]")
        .map(|(head, _)| head.to_owned())
        .unwrap_or_default();
    for_each_case(|random| {
        let length = 1 + random.below(24);
        let condition: String =
            (0..length).map(|_| random.pick(&PIECES)).filter(|piece| *piece != "'").collect();
        let policy = format!("{head}[[rule]]\nid = \"r\"\neffect = \"block\"\nwhen = '''{condition}'''\n");
        compile(&signals, &policy, "");
    });
}

#[test]
fn random_bytes_never_panic() {
    for_each_case(|random| {
        let length = random.below(200);
        let bytes: Vec<u8> = (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        compile(&text, &text, &text);
    });
}
