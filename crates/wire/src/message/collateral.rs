//! Collateral: what a verifier of evidence needs beside the evidence, in one signed and aged document.
//!
//! Keys of makers, serials that are worth nothing any more, what is expected of apps and systems, and how much devices of
//! a partner can be worth. Whoever holds it can appraise without asking anybody. What it means, and when it is too old, is
//! the verifier's business (`attest::collateral`); here are only its bytes.

use super::{Bytes, List, Text, code, message};
use crate::id::{Digest, Realm, TenantId};
use crate::limits::{
    ANCHOR_BYTES_MAX, ANCHORS_MAX, APP_BYTES_MAX, BOOT_KEY_BYTES_MAX, NAME_BYTES_MAX, PARTNER_BYTES_MAX,
    REFERENCES_MAX, REVOKED_MAX, SERIAL_TEXT_BYTES_MAX, VALUE_BYTES_MAX,
};
use crate::time::Timestamp;

code! {
    /// What a key of a maker may vouch for.
    AnchorUse {
        /// Android Key Attestation.
        Android = 0 "android",
        /// App Attest: attestations.
        AppAttest = 1 "app-attest",
        /// App Attest: receipts.
        AppleReceipt = 2 "apple-receipt",
        /// WebAuthn statements of Apple's platform authenticator.
        AppleWebauthn = 3 "apple-webauthn",
        /// WebAuthn statements of other authenticators.
        Authenticator = 4 "authenticator",
        /// Endorsement certificates of TPMs.
        Tpm = 5 "tpm",
        /// Platform certificates.
        Platform = 6 "platform",
        /// SOTER: roots of makers, keys of devices, or keys of apps.
        Soter = 7 "soter",
    }
}

code! {
    /// What a revocation list says of a serial.
    SerialStatus {
        /// For good.
        Revoked = 0 "revoked",
        /// Until further notice.
        Suspended = 1 "suspended",
    }
}

code! {
    /// The highest tier of a partner's devices.
    Ceiling {
        /// A key in software.
        Software = 1 "software",
        /// A key in a TEE.
        Hardware = 2 "hardware",
        /// A key in a secure element.
        Strong = 3 "strong",
    }
}

message! {
    /// A key of a maker.
    Anchor {
        /// What it may vouch for.
        usage: AnchorUse,
        /// DER `SubjectPublicKeyInfo`.
        key: Bytes<ANCHOR_BYTES_MAX>,
    }
}

message! {
    /// One entry of a revocation list.
    ListedSerial {
        /// As the maker wrote it: lower-case hexadecimal or decimal, without leading zeros.
        serial: Text<SERIAL_TEXT_BYTES_MAX>,
        /// What the list says of it.
        status: SerialStatus,
    }
}

message! {
    /// A maker's revocation list.
    RevocationList {
        /// When it was fetched or made.
        as_of: Timestamp,
        /// By serial, ascending, none twice.
        entries: List<ListedSerial, REVOKED_MAX>,
    }
}

message! {
    /// A verified-boot key of a system that is trusted although no maker of phones signed it.
    BootKey {
        /// SHA-256 of the key, or the key, as evidence states it.
        key: Bytes<BOOT_KEY_BYTES_MAX>,
        /// What it is, for people.
        name: Text<NAME_BYTES_MAX>,
    }
}

message! {
    /// One Android app that is ours.
    AppSigners {
        /// Its package.
        package: Text<APP_BYTES_MAX>,
        /// SHA-256 of the certificates that may sign it.
        signers: List<Digest, REFERENCES_MAX>,
    }
}

message! {
    /// One web site that is ours.
    SiteOrigins {
        /// The relying party id.
        id: Text<APP_BYTES_MAX>,
        /// Origins whose pages may ask.
        origins: List<Text<VALUE_BYTES_MAX>, REFERENCES_MAX>,
    }
}

message! {
    /// What devices of one partner can be worth.
    PartnerCeiling {
        /// Its name.
        partner: Text<PARTNER_BYTES_MAX>,
        /// The highest tier.
        tier_max: Ceiling,
    }
}

message! {
    /// The whole document (purpose `Collateral`).
    Collateral {
        /// Whose.
        tenant: TenantId,
        /// Which realm.
        realm: Realm,
        /// Counts up; whoever saw a higher one refuses it.
        version: u64,
        /// When it was made.
        made_at: Timestamp,
        /// From when on results that rest on it are worth less.
        stale_after: Timestamp,
        /// From when on nothing rests on it.
        not_after: Timestamp,
        /// Keys of makers.
        anchors: List<Anchor, ANCHORS_MAX>,
        /// Serials that are worth nothing any more; none where no family has such a list.
        revocations: Option<RevocationList>,
        /// Systems that are trusted although no maker of phones signed them.
        boot_keys: List<BootKey, REFERENCES_MAX>,
        /// Android apps.
        android_apps: List<AppSigners, REFERENCES_MAX>,
        /// Apple apps: `TEAMID.bundle.identifier`.
        apple_apps: List<Text<APP_BYTES_MAX>, REFERENCES_MAX>,
        /// Web sites.
        sites: List<SiteOrigins, REFERENCES_MAX>,
        /// SHA-256 of certificates that may vouch for what a machine boots.
        boot_authorities: List<Digest, REFERENCES_MAX>,
        /// Oldest good patch level, as `YYYYMM`.
        patch_level_min: Option<u32>,
        /// Ceilings of partners, by name, ascending, none twice.
        ceilings: List<PartnerCeiling, REFERENCES_MAX>,
    }
}
