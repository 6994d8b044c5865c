use super::*;

const TEXT: &str = r#"//! One.
//!
//! Two.
use std::{fs, net::TcpStream as T};

/// Documented.
#[cfg_attr(feature = "x", allow(dead_code))]
fn long() {
    let a = 1; // comment
    // only a comment

    dbg!(a);
    std::env::vars();
}

mod pure {
    #![allow(unused)]
    fn inner() { Command::new("nginx"); Command::new(path); }
}

proptest! { fn inside_a_macro(x in 0..1) { todo!() } }

#[cfg(test)]
mod only_in_tests;
mod always;

#[cfg(test)]
mod tests {
    fn helper() { tool("gdb", &[]); }
    fn other() { std::fs::read("x"); }
    #[test]
    fn works() {}
}
"#;

fn scan() -> Scan {
    Scan::parse(TEXT).unwrap()
}

#[test]
fn functions_have_names_lines_and_lengths_and_tests_are_left_out() {
    let found = scan().functions();
    assert_eq!(found[0], Function { name: "long".into(), line: 8, lines: 7 });
    let names: Vec<_> = found.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["long", "inner"]);
    assert!(scan().function_names().contains("inside_a_macro"));
    assert!(scan().function_names().contains("works"));
}

#[test]
fn comments_blank_lines_docs_and_tests_are_no_code() {
    assert_eq!(scan().code_lines(), 1 + 1 + 5 + 4 + 1 + 1);
    assert_eq!(scan().module_doc_lines(), 2);
}

#[test]
fn attributes_macros_programs_and_paths_are_found_with_their_lines() {
    assert_eq!(scan().allow_attributes(), vec![7, 17]);
    assert!(scan().macro_calls().contains(&("dbg".to_owned(), 12)));
    assert!(scan().macro_calls().contains(&("todo".to_owned(), 21)));
    assert_eq!(scan().spawned_programs(), vec![("nginx".to_owned(), 18), ("gdb".to_owned(), 29)]);
    assert_eq!(scan().test_modules(), ["only_in_tests"]);
    let paths: Vec<_> = scan().paths().into_iter().map(|(path, _)| path).collect();
    assert!(
        paths.contains(&"std::fs".to_owned()) && paths.contains(&"std::net::TcpStream".to_owned()),
        "{paths:?}"
    );
    assert!(paths.contains(&"std::env::vars".to_owned()) && !paths.contains(&"std::fs::read".to_owned()));
}

#[test]
fn a_file_that_does_not_parse_says_where() {
    let error = Scan::parse("fn broken( {\n").unwrap_err().to_string();
    assert!(error.starts_with("1:"), "{error}");
}
