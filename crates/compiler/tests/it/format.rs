//! The formatter over everything that is shipped: no meaning changes, no comment is lost, twice is once.

use crate::support::{Random, compile_texts, for_each_case, root};
use glacis_compiler::{Source, format};
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, Item, Value};

fn formatted(name: &str, text: &str) -> String {
    format(Source { name, text }).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every TOML file under `policies/`.
fn shipped() -> Vec<PathBuf> {
    let mut open = vec![root().join("policies")];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Texts of comments, in any order: each line's, from the first `#` that no quote holds.
fn comments(text: &str) -> Vec<String> {
    let mut found: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let mut open = None;
            let at = line.char_indices().find(|(_, letter)| {
                match (open, letter) {
                    (None, '"' | '\'') => open = Some(*letter),
                    (Some(quote), letter) if quote == *letter => open = None,
                    _ => {}
                }
                open.is_none() && *letter == '#'
            });
            at.map(|(at, _)| line.get(at..).unwrap().trim().to_owned())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn shipped_files_are_written_as_the_formatter_writes_them() {
    let files = shipped();
    assert!(files.len() >= 20, "{files:?}");
    for path in files {
        let text = read(&path);
        #[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites what tests compare")]
        if std::env::var("UPDATE").is_ok() {
            std::fs::write(&path, formatted(&path.display().to_string(), &text)).unwrap();
            continue;
        }
        assert_eq!(text, formatted("file", &text), "{}: run `glacis policy fmt`", path.display());
    }
}

/// Puts space, blank lines and line ends where they say nothing, and keys of a table in another order.
fn mangled(text: &str, random: &mut Random) -> String {
    let mut blocks: Vec<Vec<String>> = vec![Vec::new()];
    let mut multi = false;
    let mut keys: Vec<(usize, usize)> = Vec::new();
    for line in text.lines() {
        let is_key = !multi && line.starts_with(|first: char| first.is_ascii_lowercase());
        if let Some(block) = blocks.last_mut() {
            block.push(line.to_owned());
        }
        multi ^= line.matches("'''").count() % 2 == 1;
        if is_key && !multi && !line.contains("'''") && !line.starts_with("given") {
            keys.push((blocks.len() - 1, blocks.last().map_or(0, |block| block.len() - 1)));
        }
        if !multi {
            blocks.push(Vec::new());
        }
    }
    // Neighbours that are keys of one table change places.
    for pair in keys.windows(2) {
        if let [(a, _), (b, _)] = pair
            && a + 1 == *b
            && random.below(2) == 0
        {
            blocks.swap(*a, *b);
        }
    }
    let mut mangled = String::new();
    for block in blocks.iter().filter(|block| !block.is_empty()) {
        let text = block.join("\n");
        let text = if block.len() == 1 && !text.starts_with('#') && random.below(2) == 0 {
            text.replacen(" = ", ["=", "  =   ", "\t= "][random.below(3)], 1)
                + ["", "  ", "\t"][random.below(3)]
        } else {
            text
        };
        mangled += &" ".repeat(random.below(3) * usize::from(block.len() == 1));
        mangled += &text;
        mangled += ["\n", "\r\n"][random.below(2)];
    }
    mangled
}

#[test]
fn formatting_changes_no_meaning_loses_no_comment_and_is_done_once() {
    let folders = shipped().into_iter().filter(|path| path.ends_with("policy.toml"));
    for path in folders {
        let folder = path.parent().unwrap();
        let own = folder.join("signals.toml");
        let catalogue = read(&if own.is_file() { own } else { folder.join("../signals.toml") });
        let (policy, cases) = (read(&path), read(&folder.join("cases.toml")));
        let want = compile_texts(&catalogue, &policy, Some(&cases)).unwrap();
        for_each_case_of(8, |random| {
            let texts = [&catalogue, &policy, &cases].map(|text| mangled(text, random));
            let shown = texts.each_ref().map(|text| formatted("mangled", text));
            for (text, shown) in texts.iter().zip(&shown) {
                assert_eq!(comments(text), comments(shown), "{text}\n---\n{shown}");
                assert_eq!(*shown, formatted("shown", shown), "{text}");
            }
            let [catalogue, policy, cases] = &shown;
            let got =
                compile_texts(catalogue, policy, Some(cases)).unwrap_or_else(|e| panic!("{e}\n{cases}"));
            assert_eq!(got.canonical(), want.canonical());
            assert_eq!(got.cases().len(), want.cases().len());
            for (got, want) in got.cases().iter().zip(want.cases()) {
                assert_eq!(
                    (&got.name, &got.snapshot, got.verdict),
                    (&want.name, &want.snapshot, want.verdict)
                );
                assert_eq!((got.passed, got.outage), (want.passed, want.outage), "{}", got.name);
                assert_eq!(
                    (&got.reasons, got.obligations),
                    (&want.reasons, want.obligations),
                    "{}",
                    got.name
                );
            }
        });
    }
}

/// As [`for_each_case`], with few cases: a file is read and compiled in each.
fn for_each_case_of(cases: usize, case: impl Fn(&mut Random)) {
    let left = std::cell::Cell::new(2 * cases);
    for_each_case(|random| {
        if left.get() > 0 {
            left.set(left.get() - 1);
            case(random);
        }
    });
}

#[test]
fn the_form_by_table() {
    for (text, want) in [
        ("", ""),
        ("\n\n# alone\n", "# alone\n"),
        ("a=1", "a = 1\n"),
        ("[policy]\nevent='e'\nname='n'\n", "[policy]\nname = 'n'\nevent = 'e'\n"),
        ("[policy]\nunheard = 1\nname = 'n'\n", "[policy]\nname = 'n'\nunheard = 1\n"),
        ("[[rule]]\nid='a'\n[[rule]]\nid='b'\n", "[[rule]]\nid = 'a'\n\n[[rule]]\nid = 'b'\n"),
        ("# top\n\n\n[ signal . x ] # what\ncost=1\n", "# top\n\n[signal.x] # what\ncost = 1\n"),
        (
            "[policy.if_unknown]\nabsent='skip' # c\n# why\nwithheld='match'  # a\ndenied='skip'# b\n",
            "[policy.if_unknown]\n# why\nwithheld = 'match' # a\ndenied = 'skip'    # b\nabsent = 'skip'    # c\n",
        ),
        ("a=[1,2 ,\n 3,]\n", "a = [1, 2, 3]\n"),
        ("a=[1, # one\n 2]\n", "a = [1, # one\n 2]\n"),
        ("a={x=1,y={ z=[ 1 ]}}\n", "a = { x = 1, y = { z = [1] } }\n"),
        ("r = { values=[], nodes=1 }\n", "r = { nodes = 1, values = [] }\n"),
        (
            "[[case]]\nverdict='allow'\ngiven.\"a.b\"=1\ngiven.c = 2\nname='n'\n",
            "[[case]]\nname = 'n'\ngiven.\"a.b\" = 1\ngiven.c = 2\nverdict = 'allow'\n",
        ),
        (
            "a = '''\n# no comment\n''' # one\nb = 1 # two\n",
            "a = '''\n# no comment\n''' # one\nb = 1 # two\n",
        ),
        ("a = 1\n\n\n\nb = 2\n# end", "a = 1\n\nb = 2\n# end\n"),
        ("a = 1\n\n\n# end\n\n\n", "a = 1\n\n# end\n"),
    ] {
        let shown = formatted("row", text);
        assert_eq!(shown, want, "{text}");
        assert_eq!(formatted("row", &shown), shown, "{text}");
    }
}

#[test]
fn a_long_array_takes_a_line_an_item() {
    let items: Vec<String> = (0..30).map(|at| format!("'item-{at}'")).collect();
    let shown = formatted("long", &format!("a = [{}]\n", items.join(",")));
    assert!(
        shown.starts_with("a = [\n  'item-0',\n  'item-1',\n") && shown.ends_with("  'item-29',\n]\n"),
        "{shown}"
    );
    assert_eq!(formatted("long", &shown), shown);
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    let refused = format(Source { name: "policy.toml", text: "[policy]\nname = \n" }).unwrap_err();
    let first = refused.iter().next().unwrap();
    assert_eq!((first.code, first.line), ("G1002", 2));
}

/// What a document says, without how it is written: keys in order of the alphabet, values as they read.
fn said(item: &Item) -> String {
    match item {
        Item::None => String::new(),
        Item::Value(value) => value_said(value),
        Item::Table(table) => table_said(table.iter().map(|(key, item)| (key, said(item)))),
        Item::ArrayOfTables(tables) => {
            let tables =
                tables.iter().map(|table| table_said(table.iter().map(|(key, item)| (key, said(item)))));
            format!("[{}]", tables.collect::<Vec<_>>().join(","))
        }
    }
}

fn value_said(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", text.value()),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => format!("{:?}", number.value()),
        Value::Boolean(flag) => flag.value().to_string(),
        Value::Datetime(at) => at.value().to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(value_said).collect::<Vec<_>>().join(",")),
        Value::InlineTable(table) => table_said(table.iter().map(|(key, value)| (key, value_said(value)))),
    }
}

fn table_said<'k>(entries: impl Iterator<Item = (&'k str, String)>) -> String {
    let mut entries: Vec<String> = entries.map(|(key, said)| format!("{key:?}={said}")).collect();
    entries.sort();
    format!("{{{}}}", entries.join(","))
}

/// Files with a few characters changed: most are no TOML, and what is one says the same when it is formatted.
#[test]
fn whatever_is_toml_says_the_same_when_it_is_formatted() {
    let texts: Vec<String> = shipped().iter().map(|path| read(path)).collect();
    let taken = std::cell::Cell::new(0);
    for_each_case(|random| {
        let mut bytes = texts[random.below(texts.len())].clone().into_bytes();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            let letter = random.pick(b"\"'#=[]{}\n.,a1 \t\r\\");
            match random.below(3) {
                0 => bytes[at] = letter,
                1 => bytes.insert(at, letter),
                _ => drop(bytes.remove(at)),
            }
        }
        let Ok(text) = String::from_utf8(bytes) else { return };
        let Ok(shown) = format(Source { name: "changed", text: &text }) else { return };
        taken.set(taken.get() + 1);
        let document =
            |text: &str| text.parse::<DocumentMut>().unwrap_or_else(|error| panic!("{error}\n{text}"));
        let (before, after) = (document(&text.replace("\r\n", "\n")), document(&shown));
        assert_eq!(said(before.as_item()), said(after.as_item()), "{text}\n---\n{shown}");
        assert_eq!(comments(&text), comments(&shown), "{text}\n---\n{shown}");
        assert_eq!(shown, formatted("again", &shown), "{text}");
    });
    assert!(taken.get() > 50, "{} documents", taken.get());
}
