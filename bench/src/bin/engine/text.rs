//! The rules as text, in the language of each engine.
//!
//! Every engine gets the same conditions, written as its own documents write them. [`cel`] can say everything; the
//! other languages are asked for variant A alone, so they only need atoms ([`atom`]).

use crate::workload::{Atom, Condition};
use std::fmt::Write as _;

/// A language that atoms are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Cel,
    /// Doubles are longs of hundredths: Cedar has no doubles, and its decimals cost more.
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "a peer speaks it"))]
    Cedar,
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "a peer speaks it"))]
    Rego,
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "a peer speaks it"))]
    Rhai,
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "a peer speaks it"))]
    Zen,
}

/// Name of a signal: the letter of its type and its number.
pub(crate) fn name(letter: char, at: usize) -> String {
    format!("{letter}{at:02}")
}

/// A condition in CEL.
pub(crate) fn cel(condition: &Condition) -> String {
    match condition {
        Condition::Atom(test) => atom(Language::Cel, test),
        Condition::All(parts) => joined(parts, " && "),
        Condition::Any(parts) => format!("({})", joined(parts, " || ")),
        Condition::Not(inner) => format!("!({})", cel(inner)),
        Condition::If(parts) => {
            let [condition, then, other] = parts.as_ref();
            format!("({} ? {} : {})", cel(condition), cel(then), cel(other))
        }
        Condition::SumGt(a, b, than) => format!("{} + {} > {than}", name('i', *a), name('i', *b)),
        Condition::Longer(at, than) => format!("size({}) > {than}", name('s', *at)),
        Condition::EndsWith(at, part) => format!("{}.endsWith('{part}')", name('s', *at)),
        Condition::Contains(at, part) => format!("{}.contains('{part}')", name('s', *at)),
    }
}

fn joined(parts: &[Condition], between: &str) -> String {
    parts.iter().map(cel).collect::<Vec<_>>().join(between)
}

/// The atoms of a rule of variant A.
pub(crate) fn atoms(rule: &Condition) -> impl Iterator<Item = &Atom> {
    let parts = match rule {
        Condition::All(parts) => parts.as_slice(),
        other => std::slice::from_ref(other),
    };
    parts.iter().map(|part| match part {
        Condition::Atom(atom) => atom,
        // INVARIANT: variant A is made of conjunctions of atoms; no other rule is given to who asks for them.
        other => panic!("{other:?} is not an atom"),
    })
}

/// A rule of variant A, its atoms joined by the `and` of `language`.
#[cfg(feature = "peers")]
pub(crate) fn rule(language: Language, rule: &Condition) -> String {
    let and = match language {
        Language::Zen => " and ",
        Language::Rego => "\n  ",
        Language::Cel | Language::Cedar | Language::Rhai => " && ",
    };
    atoms(rule).map(|test| atom(language, test)).collect::<Vec<_>>().join(and)
}

/// One atom.
pub(crate) fn atom(language: Language, atom: &Atom) -> String {
    let path = match language {
        Language::Cedar => "context.",
        Language::Rego => "input.",
        Language::Cel | Language::Rhai | Language::Zen => "",
    };
    let signal = |letter, at: usize| format!("{path}{}", name(letter, at));
    let number = |value: &crate::workload::Hundredths| match language {
        Language::Cedar => value.0.to_string(),
        _ => value.to_string(),
    };
    match atom {
        Atom::IntGt(at, than) => format!("{} > {than}", signal('i', *at)),
        Atom::IntLt(at, than) => format!("{} < {than}", signal('i', *at)),
        Atom::IntEq(at, value) => format!("{} == {value}", signal('i', *at)),
        Atom::DoubleGt(at, than) => format!("{} > {}", signal('d', *at), number(than)),
        Atom::DoubleLt(at, than) => format!("{} < {}", signal('d', *at), number(than)),
        Atom::In(at, literals) => member(language, &signal('s', *at), literals),
        Atom::Prefix(at, start) => prefix(language, &signal('s', *at), start),
        Atom::Is(at, value) => format!("{} == {value}", signal('b', *at)),
    }
}

fn member(language: Language, signal: &str, literals: &[String]) -> String {
    let mut list = String::new();
    for literal in literals {
        let comma = if list.is_empty() { "" } else { ", " };
        let _ = write!(list, "{comma}\"{literal}\"");
    }
    match language {
        Language::Cedar => format!("[{list}].contains({signal})"),
        Language::Rego => format!("{signal} in {{{list}}}"),
        Language::Cel | Language::Rhai | Language::Zen => format!("{signal} in [{list}]"),
    }
}

fn prefix(language: Language, signal: &str, start: &str) -> String {
    match language {
        Language::Cel => format!("{signal}.startsWith(\"{start}\")"),
        Language::Cedar => format!("{signal} like \"{start}*\""),
        Language::Rego => format!("startswith({signal}, \"{start}\")"),
        Language::Rhai => format!("{signal}.starts_with(\"{start}\")"),
        Language::Zen => format!("startsWith({signal}, \"{start}\")"),
    }
}
