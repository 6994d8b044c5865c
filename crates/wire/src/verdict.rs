//! Zones and verdicts.
//!
//! Strictness is `allow`, then challenges in the order of the policy's methods, then `block`; only a policy can
//! compare two challenges, so these types do not try.

use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use core::fmt;

/// Where policy runs, in the order of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// In the app's process.
    Device,
    /// In the gateway.
    Edge,
    /// In the control plane.
    Cloud,
}

impl Zone {
    /// Every zone, in the order of a request.
    pub const ALL: [Self; 3] = [Self::Device, Self::Edge, Self::Cloud];

    /// The name in policies, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Edge => "edge",
            Self::Cloud => "cloud",
        }
    }
}

/// A challenge method that this build can run. Which is stronger is the policy's word, not this type's:
/// hence no `Ord`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A one-time password; proven by a grant that the cloud signs.
    Otp,
    /// A user-verified scene key on the device.
    Passkey,
}

impl Method {
    /// Every method, in the order of its code.
    pub const ALL: [Self; 2] = [Self::Otp, Self::Passkey];

    /// The name in policies and answers to clients.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Passkey => "passkey",
        }
    }
}

/// What becomes of an event. Ordered by strictness only together with a policy's `methods`: hence no `Ord`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It may go on.
    Allow,
    /// It may go on after the user passes this method.
    Challenge(Method),
    /// It may not go on.
    Block,
}

impl Verdict {
    /// The name in records and metrics, without the method.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge(_) => "challenge",
            Self::Block => "block",
        }
    }
}

/// As policies write it: with the method.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Challenge(method) => write!(f, "challenge({})", method.name()),
            Self::Allow | Self::Block => f.write_str(self.name()),
        }
    }
}

impl Encode for Zone {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.u8(*self as u8);
        Ok(())
    }
}

impl Decode for Zone {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("zone");
        match input.u8()? {
            0 => Ok(Self::Device),
            1 => Ok(Self::Edge),
            2 => Ok(Self::Cloud),
            _ => Err(at),
        }
    }
}

impl Encode for Method {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.u8(*self as u8);
        Ok(())
    }
}

impl Decode for Method {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("method");
        match input.u8()? {
            0 => Ok(Self::Otp),
            1 => Ok(Self::Passkey),
            _ => Err(at),
        }
    }
}

impl Encode for Verdict {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Allow => out.u8(0),
            Self::Challenge(method) => {
                out.u8(1);
                method.encode(out)?;
            }
            Self::Block => out.u8(2),
        }
        Ok(())
    }
}

impl Decode for Verdict {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("verdict");
        match input.u8()? {
            0 => Ok(Self::Allow),
            1 => Method::decode(input).map(Self::Challenge),
            2 => Ok(Self::Block),
            _ => Err(at),
        }
    }
}
