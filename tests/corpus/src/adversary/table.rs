//! The table of attacks in `docs/NUMBERS.md`: written from measured rows, read as a claim that tests hold.
//!
//! It stands between two marks and nobody edits it by hand. Of several rounds a sensor is claimed only if it saw the
//! attack in each of them, with the slowest time; a sensor that missed once is listed as a miss.

use super::{ATTACKS, Row};
use crate::kit::{Kit, Trouble};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

/// What the table says of one attack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Sensors that see it.
    pub seen: BTreeSet<String>,
    /// Sensors that should and do not always.
    pub missed: BTreeSet<String>,
}

/// The claims of the repository, by tool and mode.
///
/// # Errors
/// If there is no table between the marks.
pub fn claims() -> Result<BTreeMap<(String, String), Claim>, Trouble> {
    let text = fs::read_to_string(Kit::source(DOCUMENT))?;
    let (_, table, _) = parts(&text)?;
    Ok(parse(table))
}

/// Writes the table of these rounds into the document.
///
/// # Errors
/// If there are no marks, or the file cannot be written.
pub fn written(rounds: &[Vec<Row>]) -> Result<(), Trouble> {
    let path = Kit::source(DOCUMENT);
    let text = fs::read_to_string(&path)?;
    let (before, _, after) = parts(&text)?;
    fs::write(&path, format!("{before}{BEGIN}\n{}{END}{after}", table(&merged(rounds))))?;
    Ok(())
}

/// What is before, between and after the marks.
fn parts(text: &str) -> Result<(&str, &str, &str), Trouble> {
    let found = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (table, after) = rest.split_once(END)?;
        Some((before, table, after))
    });
    found.ok_or_else(|| Trouble::failed(format!("{DOCUMENT} lacks the marks of the table")))
}

/// One row an attack, of all its rounds.
fn merged(rounds: &[Vec<Row>]) -> Vec<Row> {
    let of = |tool: &str, mode: &str| -> Vec<&Row> {
        rounds.iter().flatten().filter(|row| row.tool == tool && row.mode == mode).collect()
    };
    ATTACKS.iter().filter_map(|attack| merge(&of(attack.tool, attack.mode))).collect()
}

fn merge(rows: &[&Row]) -> Option<Row> {
    let (first, rest) = rows.split_first()?;
    let mut row = (*first).clone();
    for other in rest {
        both(&mut row.seen, &other.seen);
        both(&mut row.also, &other.also);
        row.missed.extend(other.missed.iter().cloned());
    }
    row.missed.sort();
    row.missed.dedup();
    Some(row)
}

/// What both saw, with the slower time.
fn both(one: &mut BTreeMap<String, u64>, other: &BTreeMap<String, u64>) {
    one.retain(|sensor, _| other.contains_key(sensor));
    for (sensor, ms) in one {
        *ms = other.get(sensor).copied().unwrap_or(*ms).max(*ms);
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(HEAD);
    let times = |seen: &BTreeMap<String, u64>| -> Vec<String> {
        seen.iter().map(|(sensor, ms)| format!("`{sensor}` {ms}")).collect()
    };
    let or = |list: &[String], none: &str| if list.is_empty() { none.to_owned() } else { list.join(", ") };
    for row in rows {
        let missed: Vec<_> = row.missed.iter().map(|sensor| format!("`{sensor}`")).collect();
        let (seen, missed) = (or(&times(&row.seen), "**nothing**"), or(&missed, "-"));
        let also = or(&times(&row.also), "-");
        let (tool, version, mode) = (&row.tool, &row.version, &row.mode);
        // Writing into a string has no error.
        let _written = writeln!(text, "| {tool} | {version} | {mode} | {seen} | {missed} | {also} |");
    }
    text
}

fn parse(table: &str) -> BTreeMap<(String, String), Claim> {
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        let [tool, _, mode, seen, missed, ..] = cells.as_slice() else { return None };
        let claim = Claim { seen: names(seen), missed: names(missed) };
        Some((((*tool).to_owned(), (*mode).to_owned()), claim))
    };
    table.lines().filter(|line| !HEAD.contains(*line)).filter_map(row).collect()
}

const DOCUMENT: &str = "docs/NUMBERS.md";
const BEGIN: &str = "<!-- adversary: begin; written by `cargo xtask adversary --write` -->";
const END: &str = "<!-- adversary: end -->";
const HEAD: &str =
    "| tool | version | what it does | seen by, after ms | missed | seen too |\n|---|---|---|---|---|---|\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seen: &[(&str, u64)], missed: &[&str]) -> Row {
        Row {
            tool: "gdb".into(),
            version: "13.1".into(),
            mode: "attach".into(),
            also: BTreeMap::from([("owner".into(), 3)]),
            seen: seen.iter().map(|(sensor, ms)| ((*sensor).to_owned(), *ms)).collect(),
            missed: missed.iter().map(|sensor| (*sensor).to_owned()).collect(),
        }
    }

    #[test]
    fn only_what_every_round_saw_is_claimed_with_its_slowest_time() {
        let rounds =
            [vec![row(&[("tracer", 20), ("thread", 5)], &[])], vec![row(&[("tracer", 70)], &["thread"])]];
        let text = table(&merged(&rounds));
        assert_eq!(
            text.lines().nth(2).unwrap(),
            "| gdb | 13.1 | attach | `tracer` 70 | `thread` | `owner` 3 |"
        );
        let claims = parse(&text);
        let claim = claims.get(&("gdb".into(), "attach".into())).unwrap();
        assert_eq!(claims.len(), 1);
        assert!(claim.seen.contains("tracer") && claim.seen.len() == 1 && claim.missed.contains("thread"));
    }

    #[test]
    fn an_attack_that_nothing_saw_claims_nothing() {
        let text = table(&merged(&[vec![row(&[], &["tracer"])]]));
        assert!(text.contains("**nothing**"), "{text}");
        assert_eq!(parse(&text).into_values().next().unwrap().seen.len(), 0);
    }
}
