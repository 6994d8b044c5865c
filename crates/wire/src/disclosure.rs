//! `Disclosed`: the only thing about private signals that leaves a device, in one fixed layout.
//!
//! Layout (DESIGN §4.3): policy digest (32 bytes) ‖ node count (u16) ‖ two bits per release node, four nodes a
//! byte, first node in the top bits, unused bits zero ‖ value count (u8) ‖ each declared value as an
//! [`Answer`]. All nodes and all values of the layout are always present. Which rules are open is not in it.

use crate::answer::{Answer, Cause, Causes};
use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use crate::id::PolicyDigest;
use crate::limits::{DISCLOSURE_BYTES_MAX, NODES_MAX, RELEASED_VALUES_MAX};
use crate::value::Value;
use alloc::vec::Vec;

/// Outcome of one release node: the four outcomes of a condition, without cause or code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeOutcome {
    /// The condition is false.
    False,
    /// The condition is true.
    True,
    /// The device does not know; the receiver reads `withheld`.
    Unknown,
    /// The condition has no value; the code stays on the device.
    Error,
}

impl NodeOutcome {
    const fn bits(self) -> u8 {
        match self {
            Self::False => 0,
            Self::True => 1,
            Self::Unknown => 2,
            Self::Error => 3,
        }
    }

    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::False,
            1 => Self::True,
            2 => Self::Unknown,
            _ => Self::Error,
        }
    }

    /// What a receiver reads it as: a Boolean answer, `unknown(withheld)` or an error.
    pub const fn answer(self) -> Answer {
        match self {
            Self::False => Answer::Value(Value::Bool(false)),
            Self::True => Answer::Value(Value::Bool(true)),
            Self::Unknown => Answer::Unknown(Causes::of(Cause::Withheld)),
            Self::Error => Answer::Error,
        }
    }
}

/// What one device slice lets out about one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Disclosed {
    /// The policy whose layout this is.
    pub policy: PolicyDigest,
    /// One outcome for each release node of the layout, in its order.
    pub nodes: Vec<NodeOutcome>,
    /// One answer for each declared value of the layout, in its order.
    pub values: Vec<Answer>,
}

impl Disclosed {
    /// What a device without a slice (or without a will) sends: everything withheld.
    pub fn withheld(policy: PolicyDigest, nodes: usize, values: usize) -> Self {
        Self {
            policy,
            nodes: alloc::vec![NodeOutcome::Unknown; nodes],
            values: alloc::vec![Answer::unknown(Cause::Withheld); values],
        }
    }
}

impl Encode for Disclosed {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        let start = out.as_bytes().len();
        self.policy.encode(out)?;
        let nodes = u16::try_from(self.nodes.len()).unwrap_or(u16::MAX);
        if self.nodes.len() > NODES_MAX {
            return Err(EncodeError { what: "release nodes", limit: NODES_MAX });
        }
        out.u16(nodes);
        for four in self.nodes.chunks(4) {
            let packed =
                four.iter().enumerate().fold(0, |byte, (at, node)| byte | node.bits() << (6 - 2 * at));
            out.u8(packed);
        }
        match u8::try_from(self.values.len()) {
            Ok(values) if self.values.len() <= RELEASED_VALUES_MAX => out.u8(values),
            _ => return Err(EncodeError { what: "released values", limit: RELEASED_VALUES_MAX }),
        }
        for value in &self.values {
            if !is_stated_by_devices(value) {
                return Err(EncodeError { what: "answer that a device cannot state", limit: 0 });
            }
            value.encode(out)?;
        }
        if out.as_bytes().len() - start > DISCLOSURE_BYTES_MAX {
            return Err(EncodeError { what: "disclosure", limit: DISCLOSURE_BYTES_MAX });
        }
        Ok(())
    }
}

/// A device withholds and states no other cause; and no signal of it is an aggregate.
fn is_stated_by_devices(answer: &Answer) -> bool {
    match answer {
        Answer::Value(_) | Answer::Missing | Answer::Error => true,
        Answer::Unknown(causes) => *causes == Causes::of(Cause::Withheld),
        Answer::Interval(_) => false,
    }
}

impl Decode for Disclosed {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let policy = PolicyDigest::decode(input)?;
        let at = input.invalid("release node count");
        let count = usize::from(input.u16()?);
        if count > NODES_MAX {
            return Err(at);
        }
        let packed = input.raw(count.div_ceil(4))?;
        let outcome = |at: usize| {
            let byte = packed.get(at / 4).copied().unwrap_or(0);
            NodeOutcome::from_bits(byte >> (6 - 2 * (at % 4)))
        };
        let nodes: Vec<_> = (0..count).map(outcome).collect();
        let spare = (count..count.div_ceil(4) * 4).any(|at| outcome(at) != NodeOutcome::False);
        if spare {
            return Err(at);
        }
        let at = input.invalid("released value");
        let count = usize::from(input.u8()?);
        if count > RELEASED_VALUES_MAX {
            return Err(at);
        }
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            let value = Answer::decode(input)?;
            if !is_stated_by_devices(&value) {
                return Err(at);
            }
            values.push(value);
        }
        Ok(Self { policy, nodes, values })
    }
}
