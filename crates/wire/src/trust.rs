//! Trust of a value (by its producer) and tier of a device (by its appraisal): two different things.
//!
//! A tier is what an appraisal is worth and is a signal like any other; trust decides which of two planes an
//! answer belongs to while a policy is evaluated (DESIGN §4.2).

use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

/// How far the *producer* of a value can be believed (DESIGN §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// In-process, and no fresh appraisal vouches for the app's identity and verified boot.
    Claimed,
    /// In-process, and the session's fresh appraisal vouches for both.
    Attested,
    /// A field of verified evidence, or observed by edge or cloud.
    Proven,
}

/// What a device's attestation is worth; derived from the appraisal, never claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// No enrolled key at all.
    None,
    /// A key in software; says nothing about the platform.
    Software,
    /// A key in a TEE.
    Hardware,
    /// A key in a secure element, with verified boot.
    Strong,
}

impl Tier {
    /// Every tier, weakest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Software, Self::Hardware, Self::Strong];

    /// The name in policies, records and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Software => "software",
            Self::Hardware => "hardware",
            Self::Strong => "strong",
        }
    }
}

impl Trust {
    /// Every degree, weakest first.
    pub const ALL: [Self; 3] = [Self::Claimed, Self::Attested, Self::Proven];

    /// The name in policies and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Attested => "attested",
            Self::Proven => "proven",
        }
    }
}

impl Encode for Trust {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.u8(*self as u8);
        Ok(())
    }
}

impl Decode for Trust {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("trust");
        match input.u8()? {
            0 => Ok(Self::Claimed),
            1 => Ok(Self::Attested),
            2 => Ok(Self::Proven),
            _ => Err(at),
        }
    }
}

impl Encode for Tier {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.u8(*self as u8);
        Ok(())
    }
}

impl Decode for Tier {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("tier");
        match input.u8()? {
            0 => Ok(Self::None),
            1 => Ok(Self::Software),
            2 => Ok(Self::Hardware),
            3 => Ok(Self::Strong),
            _ => Err(at),
        }
    }
}
