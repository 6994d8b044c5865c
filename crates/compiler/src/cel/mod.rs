//! CEL's grammar: one lexer and one parser for conditions of policies and for the profile `full`.
//!
//! Conditions use the subset that zones run. What is in the subset parses as CEL parses it; what is CEL but outside of it is a located "not supported";
//! what is not CEL is a located syntax error. No construct is ever read differently from CEL, but for dotted
//! names: a name such as `user.devices_30d` is one signal, not a field of a message, and so `has(amount)` asks
//! about a whole signal.

pub(crate) mod ast;
pub(crate) mod lex;
pub(crate) mod parse;
mod subset;
#[cfg(test)]
pub(crate) mod tests;
