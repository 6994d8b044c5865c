//! What an appraisal rests on, piece by piece, so that it can be found again when a piece falls.
//!
//! A piece is a kind and bytes; each kind has one form, so that equal pieces are equal bytes. No piece names hardware: of a
//! chain the issuers' keys and the serials below the anchor count, of an app its name and signer, of a system its key.

use super::Collateral;
use crate::question::Roots;
use glacis_seal::sha256;
use glacis_wire::Digest;
use glacis_wire::message::collateral::AnchorUse;

/// Kinds of pieces. Numbers are kept in stores and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SupportKind {
    /// A key of a maker: name of the family, a zero byte, SHA-256 of the `SubjectPublicKeyInfo`.
    Anchor = 1,
    /// The serial of a certificate below the anchor: big-endian, without leading zeros.
    Serial = 2,
    /// An Android app: its package, a zero byte, SHA-256 of each certificate that signed it.
    AndroidApp = 3,
    /// An Apple app: `TEAMID.bundle.identifier`.
    AppleApp = 4,
    /// The verified-boot key of a system that no maker of phones signed.
    BootKey = 5,
    /// SHA-256 of a certificate that vouched for what a machine booted.
    BootAuthority = 6,
}

/// One piece that an appraisal rests on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Support {
    /// What it is.
    pub kind: SupportKind,
    /// Which one; the form is the kind's.
    pub value: Vec<u8>,
}

/// An issuer whose devices are worth counting: where one leaks, whoever has it makes devices without number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub issuer: Digest,
    /// Whether it is one device's own, as remotely provisioned ones are; else a factory gave it to a whole batch.
    pub own: bool,
}

impl SupportKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Anchor, Self::Serial, Self::AndroidApp, Self::AppleApp, Self::BootKey, Self::BootAuthority];

    /// Why a device falls with a piece of this kind: a stable code of its history.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Anchor => "collateral-anchor",
            Self::Serial => "collateral-serial",
            Self::AndroidApp | Self::AppleApp => "collateral-app",
            Self::BootKey => "collateral-boot-key",
            Self::BootAuthority => "collateral-boot-authority",
        }
    }

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

impl Support {
    #[cfg(any(
        feature = "android-key",
        feature = "app-attest",
        feature = "play-integrity",
        feature = "simulated",
        feature = "soter",
        feature = "tpm",
        feature = "webauthn"
    ))]
    pub(super) fn new(kind: SupportKind, value: impl Into<Vec<u8>>) -> Self {
        Self { kind, value: value.into() }
    }
}

impl Collateral {
    /// Whether a piece still stands: anchored, not listed, expected. What cannot be read does not.
    pub fn holds(&self, support: &Support) -> bool {
        let value = support.value.as_slice();
        match support.kind {
            SupportKind::Anchor => split(value).is_some_and(|(family, digest)| {
                let of_family = self.roots.of_family(family);
                of_family.iter().any(|keys| keys.iter().any(|key| sha256(key).as_bytes() == digest))
            }),
            SupportKind::Serial => self.revocations.as_ref().is_none_or(|list| list.status(value).is_none()),
            SupportKind::AndroidApp => split(value).is_some_and(|(package, signers)| {
                let (signers, _) = signers.as_chunks::<32>();
                let apps = self.references.android_apps.iter();
                apps.filter(|app| app.package == package)
                    .any(|app| app.signers.iter().any(|signer| signers.contains(signer.as_bytes())))
            }),
            SupportKind::AppleApp => self.references.apple_apps.iter().any(|app| app.as_bytes() == value),
            SupportKind::BootKey => self.references.boot_keys.iter().any(|key| key == value),
            SupportKind::BootAuthority => {
                self.references.boot_authorities.iter().any(|known| known.as_bytes() == value)
            }
        }
    }

    /// Every serial that its list names, in the form of [`SupportKind::Serial`]: one that reads as decimal and as
    /// hexadecimal counts as both, as it does when a chain is checked.
    pub fn listed_serials(&self) -> impl Iterator<Item = Vec<u8>> {
        self.revocations.iter().flat_map(crate::Revocations::serials)
    }
}

/// Text before the first zero byte, and what follows it.
fn split(value: &[u8]) -> Option<(&str, &[u8])> {
    let at = value.iter().position(|byte| *byte == 0)?;
    let (name, rest) = value.split_at_checked(at)?;
    Some((std::str::from_utf8(name).ok()?, rest.get(1..)?))
}

impl Roots {
    /// Keys by what they may vouch for, in the order of [`AnchorUse::ALL`].
    pub const fn by_use(&self) -> [(AnchorUse, &Vec<Vec<u8>>); 8] {
        [
            (AnchorUse::Android, &self.android),
            (AnchorUse::AppAttest, &self.app_attest),
            (AnchorUse::AppleReceipt, &self.apple),
            (AnchorUse::AppleWebauthn, &self.apple_webauthn),
            (AnchorUse::Authenticator, &self.authenticators),
            (AnchorUse::Tpm, &self.tpm),
            (AnchorUse::Platform, &self.platforms),
            (AnchorUse::Soter, &self.soter),
        ]
    }

    /// The keys of one use.
    pub const fn of_use_mut(&mut self, usage: AnchorUse) -> &mut Vec<Vec<u8>> {
        match usage {
            AnchorUse::Android => &mut self.android,
            AnchorUse::AppAttest => &mut self.app_attest,
            AnchorUse::AppleReceipt => &mut self.apple,
            AnchorUse::AppleWebauthn => &mut self.apple_webauthn,
            AnchorUse::Authenticator => &mut self.authenticators,
            AnchorUse::Tpm => &mut self.tpm,
            AnchorUse::Platform => &mut self.platforms,
            AnchorUse::Soter => &mut self.soter,
        }
    }

    /// The keys in which chains of a family may end.
    fn of_family(&self, family: &str) -> Vec<&Vec<Vec<u8>>> {
        match family {
            "android-key" => vec![&self.android],
            "app-attest" => vec![&self.app_attest],
            "soter" => vec![&self.soter],
            "tpm" => vec![&self.tpm],
            "webauthn" => vec![&self.android, &self.apple_webauthn, &self.authenticators],
            _ => Vec::new(),
        }
    }
}
