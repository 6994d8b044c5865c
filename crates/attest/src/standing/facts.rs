//! Facts about one piece of genuine evidence: all that tier and trust may depend on.
//!
//! A closed vocabulary without anything that names a device, an app or a person, so that facts may be shown and kept. Each
//! value is what the evidence says and not what it is worth: the policies say that.

use glacis_policy::{Input, Reading};
use glacis_wire::{Realm, Trust};

/// What a verifier found out about genuine evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facts {
    /// Whose evidence it is: one of [`FAMILIES`](crate::FAMILIES).
    pub family: &'static str,
    /// In which realm it was appraised.
    pub realm: Realm,
    /// Where the key lives that the appraisal is about.
    pub key: KeyPlace,
    /// Whether somebody who is anchored vouches for what made the statement.
    pub vouched: bool,
    /// How the device booted.
    pub boot: BootState,
    /// Whether nobody can put another system in: bootloader locked, secure boot on. None where nothing says so.
    pub locked: Option<bool>,
    /// Which app asked.
    pub app: AppIdentity,
    /// Whether the challenge is answered, and certificates, lists and collateral are in their time.
    pub fresh: bool,
    /// Whether a check was let pass by name.
    pub relaxed: bool,
}

impl Facts {
    /// Nothing is proven: what a verifier starts from.
    pub const fn unproven(family: &'static str, realm: Realm) -> Self {
        Self {
            family,
            realm,
            key: KeyPlace::Unproven,
            vouched: false,
            boot: BootState::Unproven,
            locked: None,
            app: AppIdentity::Unstated,
            fresh: false,
            relaxed: false,
        }
    }

    /// The facts by their names in the policies; null where nothing says.
    pub fn json(&self) -> serde_json::Value {
        let value = |fact: Fact| match fact.input(self).reading {
            Reading::Bool(value) => value.into(),
            Reading::Str(word) => word.into(),
            _ => serde_json::Value::Null,
        };
        Fact::ALL.into_iter().map(|fact| (fact.name().to_owned(), value(fact))).collect()
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $word:literal $what:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = $what] $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in policies and records.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// Where a key lives.
    KeyPlace {
        Element "element" "A chip of its own that also states the boot: StrongBox, Secure Enclave.";
        Chip "chip" "A chip of its own that knows the boot by its log: TPM.";
        Environment "environment" "A guarded part of the main processor: TEE.";
        Authenticator "authenticator" "Whatever a maker of authenticators says that it is.";
        Program "program" "A program in the place of a chip.";
        Software "software" "Files of the system.";
        Unproven "unproven" "The evidence is about no key, or about another one.";
    }
}

words! {
    /// How a device booted.
    BootState {
        Verified "verified" "Its maker's system, by the word of hardware.";
        Expected "expected" "A system that its owner signed, with a key that is expected.";
        Enforced "enforced" "Not stated; the platform boots nothing but its maker's systems.";
        SelfSigned "self_signed" "A system that its owner signed, with any other key.";
        Unverified "unverified" "Something that nobody vouches for.";
        Failed "failed" "Verification failed.";
        Unproven "unproven" "The evidence does not show it.";
    }
}

words! {
    /// Which app asked.
    AppIdentity {
        Ours "ours" "One that is expected.";
        Foreign "foreign" "Another than is expected.";
        Unstated "unstated" "The evidence does not say.";
        Unasked "unasked" "None is expected.";
    }
}

/// One fact, as policies name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Family,
    Realm,
    Key,
    Vouched,
    Boot,
    Locked,
    App,
    Fresh,
    Relaxed,
}

impl Fact {
    pub(super) const ALL: [Self; 9] = [
        Self::Family,
        Self::Realm,
        Self::Key,
        Self::Vouched,
        Self::Boot,
        Self::Locked,
        Self::App,
        Self::Fresh,
        Self::Relaxed,
    ];

    /// The signal in `policies/appraisal/signals.toml`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Family => "evidence.family",
            Self::Realm => "evidence.realm",
            Self::Key => "key.place",
            Self::Vouched => "maker.vouched",
            Self::Boot => "boot.state",
            Self::Locked => "boot.locked",
            Self::App => "app.identity",
            Self::Fresh => "evidence.fresh",
            Self::Relaxed => "evidence.relaxed",
        }
    }

    /// The fact as an answer: the verifier saw it itself.
    pub(super) fn input(self, facts: &Facts) -> Input<'static> {
        let reading = match self {
            Self::Family => Reading::Str(facts.family),
            Self::Realm => Reading::Str(facts.realm.name()),
            Self::Key => Reading::Str(facts.key.name()),
            Self::Vouched => Reading::Bool(facts.vouched),
            Self::Boot => Reading::Str(facts.boot.name()),
            Self::Locked => facts.locked.map_or(Reading::Missing, Reading::Bool),
            Self::App => Reading::Str(facts.app.name()),
            Self::Fresh => Reading::Bool(facts.fresh),
            Self::Relaxed => Reading::Bool(facts.relaxed),
        };
        Input { reading, trust: Trust::Proven }
    }
}
