//! A seeded generator of card payments, and a policy of six features and up to fifty rules over them.
//!
//! Rows are about a second apart, some at the same time; cards and stores are skewed, so that a few are busy and
//! most come once. The label follows the amount with noise. Same seed, same bytes.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// Writes `rows` rows as CSV.
pub(crate) fn write_csv(out: &mut dyn Write, rows: u64, seed: u64) -> io::Result<()> {
    let mut random = Random(seed);
    let mut at = 1_600_000_000_u64;
    writeln!(out, "id,at,card,store,amount,country,present,fraud")?;
    for row in 0..rows {
        at += random.below(3);
        let card = random.skewed(CARDS);
        let store = random.skewed(STORES);
        let amount = random.below(100_000);
        let country = usize::try_from(random.below(8)).ok().and_then(|at| COUNTRIES.get(at)).unwrap_or(&"AA");
        let present = if random.below(2) == 0 { "True" } else { "False" };
        let fraud = if amount > 90_000 || random.below(20) == 0 { "True" } else { "False" };
        writeln!(out, "p{row},{at},c{card},s{store},{amount},{country},{present},{fraud}")?;
    }
    Ok(())
}

/// Writes the policy folder, with so many rules.
pub(crate) fn write_policy(folder: &Path, rules: u64) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("signals.toml"), signals())?;
    std::fs::write(folder.join("policy.toml"), policy(rules))?;
    std::fs::write(folder.join("events.toml"), EVENTS)
}

/// A small generator of its own: a stream is a function of its seed on every machine.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Small numbers come more often.
    fn skewed(&mut self, end: u64) -> u64 {
        let most = self.below(end) + 1;
        self.below(most)
    }
}

fn signals() -> String {
    const LABELS: &str =
        "privacy = \"pseudonymous\"\npurpose = [\"fraud-prevention\"]\nretention = \"30d\"\n";
    let mut text = String::new();
    for (name, rest) in [
        ("card", "type = \"string\"\nprincipal = true\nmax_bytes = 32\n"),
        ("store", "type = \"string\"\nmax_bytes = 32\n"),
        ("amount", "type = \"int\"\n"),
        ("country", "type = \"string\"\nmax_bytes = 2\n"),
        ("present", "type = \"bool\"\n"),
    ] {
        let _written = write!(text, "[signal.{name}]\nzone = \"request\"\n{rest}{LABELS}cost = 1\n");
    }
    for (name, kind, key, of, window) in FEATURES {
        let of = if of.is_empty() { String::new() } else { format!("of = \"{of}\"\n") };
        let _written = write!(
            text,
            "[feature.\"{name}\"]\nkind = \"{kind}\"\nevent = \"payment.card\"\nkey = [\"{key}\"]\n{of}\
             window = \"{window}\"\nlateness = \"30s\"\ninclude_self = {}\ncounts = \"attempts\"\n{LABELS}cost = 50\n",
            kind != "count"
        );
    }
    text
}

fn policy(rules: u64) -> String {
    let mut text = String::from(
        "[policy]\nname = \"generated\"\nevent = \"payment.card\"\npurpose = \"fraud-prevention\"\n\
         combine = \"strictest\"\nmethods = [\"otp\", \"passkey\"]\nif_error = \"challenge(otp)\"\n\
         [policy.if_unknown]\nwithheld = \"challenge(otp)\"\ndenied = \"challenge(otp)\"\n\
         inexact = \"challenge(otp)\"\nunavailable = \"challenge(otp)\"\n",
    );
    for rule in 0..rules {
        let step = rule / 5;
        let (when, effect) = match rule % 5 {
            0 if step == 0 => ("amount > 98000 && !present".to_owned(), "block"),
            0 => (format!("amount > {} && !present", 99_000 - step * 500), "challenge(otp)"),
            1 => (
                format!("card.count >= {} && amount > {}", 1 + step / 4, 50_000 - step * 1_000),
                "challenge(passkey)",
            ),
            2 => (
                format!("store.sum > {} || store.count >= {}", 300_000 + step * 20_000, 5 + step / 2),
                "challenge(otp)",
            ),
            3 => (
                format!("card.sum > {} && card.stores >= {}", 300_000 + step * 10_000, 3 + step / 4),
                "block",
            ),
            _ => {
                (format!("country in [\"AA\", \"BB\"] && store.cards > {}", 40 + step * 4), "challenge(otp)")
            }
        };
        let _written =
            write!(text, "[[rule]]\nid = \"rule-{rule}\"\nwhen = '{when}'\neffect = \"{effect}\"\n");
    }
    text
}

const EVENTS: &str = "[time]\ncolumn = \"at\"\nformat = \"unix-s\"\n[id]\ncolumn = \"id\"\n\
    [label]\ncolumn = \"fraud\"\npositive = [\"True\"]\nnegative = [\"False\"]\n\
    [signal.card]\ncolumn = \"card\"\n[signal.store]\ncolumn = \"store\"\n[signal.amount]\ncolumn = \"amount\"\n\
    [signal.country]\ncolumn = \"country\"\n[signal.present]\ncolumn = \"present\"\n";

/// Name, kind, key, field, window.
const FEATURES: [(&str, &str, &str, &str, &str); 6] = [
    ("card.count", "count", "card", "", "1h"),
    ("card.sum", "sum", "card", "amount", "24h"),
    ("card.stores", "distinct", "card", "store", "24h"),
    ("store.count", "count", "store", "", "1h"),
    ("store.sum", "sum", "store", "amount", "1h"),
    ("store.cards", "distinct", "store", "card", "24h"),
];
const CARDS: u64 = 200_000;
const STORES: u64 = 5_000;
const COUNTRIES: [&str; 8] = ["AA", "BB", "CC", "DD", "EE", "FF", "GG", "HH"];
