//! Rules about documents: links lead somewhere, each invariant names tests that exist, the changelog is open.
//!
//! Only relative links are followed; whether the rest of the world is still there is not our test. Text in
//! code fences and code spans is not read.

use super::{Findings, Source};
use crate::files::SourceFile;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(files: &[SourceFile], sources: &[Source<'_>], findings: &mut Findings) {
    let known = places(files);
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let content = file.text.as_deref().unwrap_or("");
        links(file, content, &known, findings);
    }
    changelog(files, findings);
    invariants(files, sources, findings);
}

/// Every file and folder, with the anchors of documents.
fn places(files: &[SourceFile]) -> BTreeMap<String, BTreeSet<String>> {
    let mut known = BTreeMap::from([(String::new(), BTreeSet::new())]);
    for file in files {
        let parts: Vec<&str> = file.path.split('/').collect();
        for end in 1..parts.len() {
            known.entry(parts.get(..end).unwrap_or(&[]).join("/")).or_insert_with(BTreeSet::new);
        }
        let headings = prose(file.text.as_deref().unwrap_or("")).filter(|(_, line)| line.starts_with('#'));
        let is_document = file.path.ends_with(".md");
        let anchors = headings.map(|(_, line)| anchor(line)).filter(|_| is_document).collect();
        known.insert(file.path.clone(), anchors);
    }
    known
}

fn links(
    file: &SourceFile,
    content: &str,
    known: &BTreeMap<String, BTreeSet<String>>,
    findings: &mut Findings,
) {
    for (number, line) in prose(content) {
        for target in targets(line) {
            let outside = target.contains("://") || target.starts_with("mailto:");
            if outside || target.is_empty() {
                continue;
            }
            let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
            let full = if path.is_empty() { Some(file.path.clone()) } else { join(&file.path, path) };
            let anchors = full.and_then(|full| known.get(&full));
            match anchors {
                None => findings.fail(&file.path, number, format!("link `{target}` leads nowhere")),
                Some(anchors) if !fragment.is_empty() && !anchors.contains(fragment) => {
                    findings.fail(&file.path, number, format!("link `{target}`: no such heading"));
                }
                Some(_) => {}
            }
        }
    }
}

/// Lines outside code fences, with their numbers.
fn prose(content: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    content.lines().enumerate().filter_map(move |(at, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((at + 1, line))
    })
}

/// Targets of `[text](target)` outside code spans.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("](") {
        let in_code = before.matches('`').count() % 2 == 1;
        match after.split_once(')') {
            Some((target, tail)) => {
                if !in_code {
                    found.push(target.split(' ').next().unwrap_or(""));
                }
                rest = if in_code { after } else { tail };
            }
            None => break,
        }
    }
    found
}

fn join(from: &str, to: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in to.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn changelog(files: &[SourceFile], findings: &mut Findings) {
    let text = files.iter().find(|file| file.path == CHANGELOG).and_then(|file| file.text.as_deref());
    if !text.is_some_and(|text| text.lines().any(|line| line.starts_with("## [Unreleased]"))) {
        findings.fail(CHANGELOG, 1, "no section `## [Unreleased]`");
    }
}

/// Rows `| N | … | tests |` below the heading "Invariants" name tests of the form `invariant_N_…` that exist.
fn invariants(files: &[SourceFile], sources: &[Source<'_>], findings: &mut Findings) {
    let text = files.iter().find(|file| file.path == ARCHITECTURE).and_then(|file| file.text.as_deref());
    let Some(text) = text else {
        findings.fail(ARCHITECTURE, 1, "missing");
        return;
    };
    let tests: BTreeSet<String> = sources.iter().flat_map(|source| source.scan.function_names()).collect();
    let mut seen = BTreeSet::new();
    let rows = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("## Invariants")).skip(1);
    for (at, line) in rows.take_while(|(_, line)| !line.starts_with("## ")) {
        let Some(number) = row_number(line) else { continue };
        seen.insert(number);
        let named: Vec<&str> =
            line.split('`').skip(1).step_by(2).filter(|word| word.starts_with("invariant_")).collect();
        if named.is_empty() {
            findings.fail(ARCHITECTURE, at + 1, format!("invariant {number} names no test"));
        }
        for name in named {
            if !name.starts_with(&format!("invariant_{number}_")) || !tests.contains(name) {
                findings.fail(ARCHITECTURE, at + 1, format!("invariant {number}: no test `{name}`"));
            }
        }
    }
    for number in (1..=INVARIANTS).filter(|number| !seen.contains(number)) {
        findings.fail(ARCHITECTURE, 1, format!("invariant {number} is missing"));
    }
}

fn row_number(line: &str) -> Option<u32> {
    line.strip_prefix('|')?.split('|').next()?.trim().parse().ok()
}

const CHANGELOG: &str = "CHANGELOG.md";
const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";
/// How many invariants the design states.
const INVARIANTS: u32 = 11;
