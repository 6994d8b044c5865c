//! Which key: the device's, the app's, or that of one scene.
//!
//! *One device, one key*: the device key names the device, the app key stands for the app on it, and every purpose
//! that signs for itself has a scene key below the app key. A [`Scene`] is a name; what its key may do is said by
//! [`KeyOptions`] when it is made, and cannot be changed afterwards.

use glacis_wire::message::Text;
use glacis_wire::message::custody::SCENE_BYTES_MAX;
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Timestamp, Writer};
use std::fmt;
use std::num::NonZeroU64;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Names the device; signs enrolments, session openings, and what the app key is.
    Device,
    /// Stands for the app; signs what the scene keys are.
    App,
    /// Signs for one purpose.
    Scene(Scene),
}

impl Role {
    /// Answers challenges of the method `passkey`; every signature needs a user verification.
    pub const PASSKEY: Self = Self::Scene(Scene::PASSKEY);

    /// The key above, which signs what this one is.
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::Device => None,
            Self::App => Some(Self::Device),
            Self::Scene(_) => Some(Self::App),
        }
    }

    /// Whether `other` is this key or stands above it.
    pub fn is_under(self, other: Self) -> bool {
        self == other || self.parent().is_some_and(|parent| parent.is_under(other))
    }

    /// Options where the caller states none: a passkey needs its user, nothing else is limited.
    pub fn usual_options(self) -> KeyOptions {
        KeyOptions { user_verification: self == Self::PASSKEY, ..KeyOptions::default() }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Device => f.write_str("device"),
            Self::App => f.write_str("app"),
            Self::PASSKEY => f.write_str("passkey"),
            Self::Scene(scene) => write!(f, "`{scene}`"),
        }
    }
}

impl Encode for Role {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::Device => out.u8(1),
            Self::App => out.u8(2),
            Self::Scene(scene) => {
                out.u8(3);
                out.str("scene", scene.as_str(), SCENE_BYTES_MAX)?;
            }
        }
        Ok(())
    }
}

impl Decode for Role {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("role");
        match input.u8()? {
            1 => Ok(Self::Device),
            2 => Ok(Self::App),
            3 => Scene::parse(&Text::<SCENE_BYTES_MAX>::decode(input)?).map(Self::Scene).map_err(|_| at),
            _ => Err(at),
        }
    }
}

/// Name of a purpose: 1 to [`SCENE_BYTES_MAX`] of `a-z`, `0-9`, `-`, `.`, beginning with a letter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scene {
    /// Filled up with zeros, which no name holds.
    name: [u8; SCENE_BYTES_MAX],
}

impl Scene {
    /// The scene of challenges of the method `passkey`.
    pub const PASSKEY: Self = Self { name: *b"passkey\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" };

    /// Checks a name.
    ///
    /// # Errors
    /// [`SceneError`] if it is none.
    pub fn parse(text: &str) -> Result<Self, SceneError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins || text.len() > SCENE_BYTES_MAX || !text.bytes().all(plain) {
            return Err(SceneError);
        }
        let mut name = [0; SCENE_BYTES_MAX];
        name.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Ok(Self { name })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let length = self.name.iter().position(|byte| *byte == 0).unwrap_or(SCENE_BYTES_MAX);
        // INVARIANT: every constructor holds ASCII, so that this is never empty.
        self.name.get(..length).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or_default()
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scene({self})")
    }
}

/// A text is no name of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scene is named by 1 to 32 of `a-z`, `0-9`, `-` and `.`, beginning with a letter")]
pub struct SceneError;

/// What a scene key may do; fixed when it is made. Device and app keys have none of these limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyOptions {
    /// Every signature needs a user verification for exactly its message.
    pub user_verification: bool,
    /// Most signatures. A use that fails after it was counted is used up.
    pub uses_max: Option<NonZeroU64>,
    /// It signs nothing afterwards, by the device's clock; once that has shown, setting the clock back changes nothing.
    pub not_after: Option<Timestamp>,
}

impl Encode for KeyOptions {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.user_verification.encode(out)?;
        self.uses_max.map_or(0, NonZeroU64::get).encode(out)?;
        self.not_after.encode(out)
    }
}

impl Decode for KeyOptions {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            user_verification: Decode::decode(input)?,
            uses_max: NonZeroU64::new(Decode::decode(input)?),
            not_after: Decode::decode(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_has_a_plain_name() {
        for good in ["pay", "a", "pay.limit-2", &"z".repeat(32)] {
            let scene = Scene::parse(good).unwrap();
            assert_eq!(scene.as_str(), good);
            let role = Role::Scene(scene);
            assert_eq!(Role::from_bytes(&role.to_bytes().unwrap()).unwrap(), role);
        }
        for bad in ["", "Pay", "1a", "-a", "a b", "a\0", "é", &"z".repeat(33)] {
            assert_eq!(Scene::parse(bad), Err(SceneError), "{bad:?}");
        }
        assert_eq!(Scene::parse("passkey"), Ok(Scene::PASSKEY));
    }

    #[test]
    fn a_scene_is_under_the_app_and_that_under_the_device() {
        assert!(Role::PASSKEY.is_under(Role::Device) && Role::PASSKEY.is_under(Role::App));
        assert!(Role::App.is_under(Role::App) && !Role::Device.is_under(Role::App));
        assert!(!Role::PASSKEY.is_under(Role::Scene(Scene::parse("pay").unwrap())));
    }
}
