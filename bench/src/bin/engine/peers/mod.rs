//! Policy engines of others, each in its own file, used as its own documents and benchmarks use it.
//!
//! Everything that can be done before an event comes is done before: parsing, compiling, names of variables. What
//! an engine shares between the rules of one event (its context, its virtual machine) is made once an event.

mod cedar;
mod cel;
mod cel_interpreter;
mod regorus;
mod rhai;
mod zen;
mod zen_table;

use crate::engine::Build;
use crate::text::name;
use crate::workload::{BOOLS, DOUBLES, Event, INTS, STRINGS};

/// Package and engine of each peer.
pub(crate) const ALL: [(&str, Build); 7] = [
    ("zen-expression", zen::build),
    ("zen-engine", zen_table::build),
    ("cel", cel::build),
    ("cel-interpreter", cel_interpreter::build),
    ("regorus", regorus::build),
    ("cedar-policy", cedar::build),
    ("rhai", rhai::build),
];

/// One value of an event.
#[derive(Clone, Copy)]
enum Given<'a> {
    Int(i64),
    Double(f64),
    String(&'a str),
    Bool(bool),
}

/// Names of the signals, in the order of [`given`], as an engine keeps them.
fn names<T>(kept: impl Fn(String) -> T) -> Vec<T> {
    let types = [('i', INTS), ('d', DOUBLES), ('s', STRINGS), ('b', BOOLS)];
    let all = types.into_iter().flat_map(|(letter, count)| (0..count).map(move |at| name(letter, at)));
    all.map(kept).collect()
}

/// The values of an event with their names.
fn given<'a, T>(event: &'a Event, names: &'a [T]) -> impl Iterator<Item = (&'a T, Given<'a>)> {
    let ints = event.ints.iter().map(|value| value.map(Given::Int));
    let doubles = event.doubles.iter().map(|value| value.map(Given::Double));
    let strings = event.strings.iter().map(|value| value.as_deref().map(Given::String));
    let bools = event.bools.iter().map(|value| value.map(Given::Bool));
    let all = ints.chain(doubles).chain(strings).chain(bools);
    names.iter().zip(all).filter_map(|(name, value)| Some((name, value?)))
}
