//! Ours: the rules as a policy, compiled to the slice of the cloud, loaded from its bytes, and evaluated.
//!
//! Every call to the product is here. A decision begins with the raw values of the event and ends with the rules
//! that matched; the inputs live on the stack, the scratch was sized when the slice was loaded.

use crate::Outcome;
use crate::engine::Engine;
use crate::text::{cel, name};
use crate::workload::{BOOLS, Condition, DOUBLES, Event, INTS, SIGNALS, STRINGS};
use glacis_compiler::{Source, compile};
use glacis_policy::{Binding, Close, Input, Inputs, Reading, RuleState, Scratch, Slice, eval};
use glacis_wire::{Cause, Causes, PolicyDigest, Trust};
use std::fmt::Write as _;

/// A loaded slice with what running it needs.
pub(crate) struct Ours {
    slice: Slice,
    scratch: Scratch,
    /// Which signal fills each slot.
    signals: Vec<Signal>,
    /// Number of each rule of the slice in the workload.
    rules: Vec<u32>,
}

/// A signal by its number among those of its type.
#[derive(Clone, Copy)]
enum Signal {
    Int(usize),
    Double(usize),
    String(usize),
    Bool(usize),
}

/// The text of the policy and of its catalogue.
pub(crate) struct Texts {
    catalogue: String,
    policy: String,
}

impl Texts {
    pub(crate) fn of(rules: &[Condition]) -> Self {
        let mut policy = POLICY.to_owned();
        for (at, rule) in rules.iter().enumerate() {
            let when = cel(rule);
            let _ = write!(policy, "\n[[rule]]\nid = \"r{at}\"\nwhen = '''{when}'''\neffect = \"block\"\n");
        }
        Self { catalogue: catalogue(), policy }
    }

    /// The slice of the cloud, which holds every rule.
    pub(crate) fn compile(&self) -> Outcome<Vec<u8>> {
        let catalogue = Source { name: "signals.toml", text: &self.catalogue };
        let policy = Source { name: "policy.toml", text: &self.policy };
        let compiled = compile(catalogue, policy, None).map_err(|found| found.to_string())?;
        let [_, _, cloud] = compiled.slices(&Binding::unbound(PolicyDigest::new([0; 32])));
        Ok(cloud)
    }
}

impl Ours {
    pub(crate) fn load(bytes: &[u8]) -> Outcome<Self> {
        let slice = Slice::load(bytes).map_err(|error| error.to_string())?;
        let signals = slice.slots().iter().map(|slot| signal(slot.name.as_str())).collect::<Outcome<_>>()?;
        let rules = slice.rules().iter().map(|rule| Ok(rule.reason[1..].parse()?)).collect::<Outcome<_>>()?;
        Ok(Self { scratch: Scratch::for_slice(&slice), slice, signals, rules })
    }
}

impl Engine for Ours {
    fn name(&self) -> &'static str {
        "glacis"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        let mut inputs = [UNKNOWN; SIGNALS];
        for (input, signal) in inputs.iter_mut().zip(&self.signals) {
            if let Some(reading) = signal.read(event) {
                input.reading = reading;
            }
        }
        let slots = &inputs[..self.signals.len()];
        eval(&self.slice, &Inputs { slots, passed: None, close: Close::Here }, &mut self.scratch);
        let matched = self.scratch.live().filter(|(_, state)| matches!(state, RuleState::Matched { .. }));
        hits.extend(matched.map(|(at, _)| self.rules[at]));
        Ok(())
    }
}

impl Signal {
    #[inline]
    fn read(self, event: &Event) -> Option<Reading<'_>> {
        match self {
            Self::Int(at) => event.ints[at].map(Reading::Int),
            Self::Double(at) => event.doubles[at].map(Reading::Double),
            Self::String(at) => event.strings[at].as_deref().map(Reading::Str),
            Self::Bool(at) => event.bools[at].map(Reading::Bool),
        }
    }
}

/// The signal of a slot.
fn signal(name: &str) -> Outcome<Signal> {
    let (letter, at) = name.split_at(1);
    let at = at.parse()?;
    match letter {
        "i" => Ok(Signal::Int(at)),
        "d" => Ok(Signal::Double(at)),
        "s" => Ok(Signal::String(at)),
        "b" => Ok(Signal::Bool(at)),
        _ => Err(format!("no signal `{name}`").into()),
    }
}

/// What an event does not say did not come in time.
const UNKNOWN: Input<'static> =
    Input { reading: Reading::Unknown(Causes::of(Cause::Unavailable)), trust: Trust::Proven };

/// A rule whose condition stays unknown does not match, so that a hit is a condition that is true.
const POLICY: &str = r#"
[policy]
name = "bench"
event = "bench"
purpose = "fraud-prevention"
combine = "strictest"
methods = ["otp"]
if_error = "match"

[policy.if_unknown]
denied = "skip"
inexact = "skip"
unavailable = "skip"
"#;

fn catalogue() -> String {
    let mut text = String::new();
    let types =
        [('i', "int", INTS), ('d', "double", DOUBLES), ('s', "string", STRINGS), ('b', "bool", BOOLS)];
    for (letter, ty, count) in types {
        for at in 0..count {
            let bound = if letter == 's' { "max_bytes = 64\n" } else { "" };
            let _ = write!(text, "[signal.{}]\ntype = \"{ty}\"\n{bound}{LABELS}\n", name(letter, at));
        }
    }
    text
}

const LABELS: &str = r#"zone = "cloud"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1
"#;
