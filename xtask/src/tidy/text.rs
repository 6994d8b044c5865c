//! Rules about any text file: leftover notes, odd characters, blanks at line ends, traces of a machine.
//!
//! What names this machine is not written here but asked of the machine: its folders and the registries it is
//! configured for. So the rule knows every machine and the repository names none.

use super::Findings;
use crate::files::SourceFile;
use crate::process::variable;
use std::path::{Path, PathBuf};

pub(super) fn check(file: &SourceFile, content: &str, private: &[String], findings: &mut Findings) {
    if is_data(&file.path) {
        return;
    }
    let generated = is_generated(&file.path);
    if !generated && !content.is_empty() && !content.ends_with('\n') {
        findings.fail(&file.path, content.lines().count(), "the last line does not end");
    }
    for (at, line) in content.lines().enumerate() {
        let number = at + 1;
        for mark in private.iter().filter(|mark| names(line, mark)) {
            findings.fail(&file.path, number, format!("names this machine or its registries: `{mark}`"));
        }
        if generated {
            continue;
        }
        for note in NOTES.iter().filter(|note| has_word(line, note)) {
            findings.fail(&file.path, number, format!("`{note}` is left over"));
        }
        if let Some(odd) = line.chars().find(|character| is_odd(*character)) {
            findings.fail(&file.path, number, format!("character U+{:04X} cannot be seen", u32::from(odd)));
        }
        if line.ends_with([' ', '\t', '\r']) {
            findings.fail(&file.path, number, "the line ends in blanks");
        }
    }
}

/// Folders and hosts of this machine that must not be in a tracked file.
pub(super) fn private_marks(root: &Path) -> Vec<String> {
    let mut folders = vec![root.to_path_buf()];
    folders.extend(root.parent().map(Path::to_path_buf));
    folders.extend(root.canonicalize());
    folders.extend(["HOME", "CARGO_HOME", "RUSTUP_HOME", "TMPDIR"].iter().filter_map(variable_path));
    let mut marks: Vec<String> = folders
        .into_iter()
        .filter(|folder| !COMMON_FOLDERS.iter().any(|common| folder == Path::new(common)))
        .map(|folder| folder.to_string_lossy().into_owned())
        .collect();
    let home =
        variable_path(&"CARGO_HOME").or_else(|| variable_path(&"HOME").map(|home| home.join(".cargo")));
    for name in ["config.toml", "config"] {
        let text = home.as_ref().and_then(|home| std::fs::read_to_string(home.join(name)).ok());
        marks.extend(text.iter().flat_map(|text| hosts(text)));
    }
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
    marks.extend(
        proxies.iter().filter_map(|name| variable(name)).flat_map(|value| hosts(&value.to_string_lossy())),
    );
    marks.sort();
    marks.dedup();
    marks
}

fn variable_path(name: &&str) -> Option<PathBuf> {
    variable(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Host names of all URLs in a text, without the public ones.
fn hosts(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in text.split("://").skip(1) {
        let authority = after.split(['/', '"', '\'', ' ', '\n', ',']).next().unwrap_or("");
        let host = authority.rsplit('@').next().unwrap_or("").split(':').next().unwrap_or("");
        let known =
            PUBLIC_HOSTS.iter().any(|public| host == *public || host.ends_with(&format!(".{public}")));
        if host.contains('.') && !known {
            found.push(host.to_owned());
        }
    }
    found
}

/// Whether `mark` stands in `line` as a whole path or host, not inside a longer name.
fn names(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let after = line.get(at + mark.len()..).and_then(|tail| tail.chars().next());
        let inner =
            |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || "_-.".contains(c));
        !inner(before) && !after.is_some_and(|c| c.is_alphanumeric() || "_-".contains(c))
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

fn is_odd(character: char) -> bool {
    let control = character.is_control() && !matches!(character, '\t' | '\n');
    let hidden =
        matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    control || hidden || matches!(character, '\u{feff}' | '\u{00ad}')
}

/// Fuzz seeds and golden bytes are kept as they are.
fn is_data(path: &str) -> bool {
    path.starts_with("fuzz/seeds/") || path.ends_with(".bin")
}

/// What the console's build wrote: only traces of a machine matter in it.
fn is_generated(path: &str) -> bool {
    path.starts_with("console/dist/")
}

const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// Too common to point at a machine.
const COMMON_FOLDERS: &[&str] =
    &["/", "/tmp", "/var/tmp", "/home", "/usr", "/usr/local", "/opt", "/src", "/build", ""];
const PUBLIC_HOSTS: &[&str] = &["crates.io", "github.com", "rust-lang.org", "docs.rs"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_from_configuration_and_public_ones_are_no_secret() {
        let text = "registry = \"sparse+https://user:pw@mirror.corp.example:8443/index/\"\nx = \"https://index.crates.io/\"";
        assert_eq!(hosts(text), vec!["mirror.corp.example".to_owned()]);
    }

    #[test]
    fn a_mark_is_found_as_a_whole_path_only() {
        assert!(names("see /srv/here/file", "/srv/here"));
        assert!(names("\"/srv/here\"", "/srv/here"));
        assert!(!names("crates/srv/here", "/srv/here"));
        assert!(!names("/srv/hereafter", "/srv/here"));
    }

    #[test]
    fn characters_that_cannot_be_seen_are_odd() {
        assert!(is_odd('\u{202e}') && is_odd('\u{feff}') && is_odd('\u{1b}') && is_odd('\u{85}'));
        assert!(!is_odd('é') && !is_odd('→') && !is_odd('\t'));
    }
}
