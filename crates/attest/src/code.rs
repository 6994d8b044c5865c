//! Reason codes: one table of everything that a verifier can say about evidence, for records, metrics and people.
//!
//! A code never changes its meaning and is never used again for another. `Refused` codes end an appraisal: the evidence
//! proves nothing. `Found` codes stand in an appraisal whose evidence is genuine and say what keeps it from the best.

use std::fmt;

/// What a code does to an appraisal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The evidence proves nothing.
    Refused,
    /// The evidence is genuine, and this is what it says.
    Found,
    /// It is about no evidence: a result or reference values that somebody else made are not taken.
    Rejected,
}

macro_rules! codes {
    ($($variant:ident $name:literal $effect:ident $what:literal, $cure:literal;)*) => {
        /// Why evidence was refused, or why it is not worth more: a stable code for records and metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $what] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code in records and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it does to an appraisal.
            pub const fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)* }
            }

            /// What happened.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }

            /// What to do about it.
            pub const fn cure(self) -> &'static str {
                match self { $(Self::$variant => $cure,)* }
            }
        }
    };
}

codes! {
    UnknownFamily "unknown-family" Refused "No verifier for this family in this build.",
        "Use a build with the family's feature, or another family.";
    Realm "realm" Refused "The family may not be used in this realm.",
        "Family `simulated` exists in realm `demo` only.";
    Malformed "malformed" Refused "The bytes are not evidence of the family they claim.",
        "Send the evidence as the platform made it; `--allow danger_lenient_der` reads what some devices get wrong.";
    TooLarge "too-large" Refused "A length or a count is over its limit.",
        "Genuine evidence is far below every limit; look at who sends this.";
    UnknownRoot "unknown-root" Refused "The chain does not end in an anchor.",
        "If the maker is to be trusted, anchor the public key of its root.";
    SoftwareRoot "software-root" Refused "The chain ends in a root whose private key is public.",
        "An emulator or a device without secure hardware; `danger_software_root` accepts the one of emulators.";
    Signature "signature" Refused "A signature in the chain or of the statement is wrong.",
        "Changed or forged evidence, or a key that is too short (RSA below 2048 bits).";
    Algorithm "algorithm" Refused "A signature or key of a kind that this verifier does not take.",
        "The message names it; say which device makes it.";
    Sha1 "sha1" Refused "A signature or digest rests on SHA-1.",
        "Old TPM firmware; `danger_sha1` accepts it.";
    Expired "expired" Refused "A certificate of the chain has ended.",
        "Attest again; remotely provisioned issuers live for weeks. Check old evidence as of its own time.";
    NotYetValid "not-yet-valid" Refused "A certificate of the chain has not begun.",
        "Compare the clocks.";
    NotCa "not-ca" Refused "A certificate was issued by a key that may not issue any.",
        "Somebody extended a chain with an ordinary key: forged evidence.";
    NameChain "name-chain" Refused "The issuer's name is not the name of the next certificate, or order is wrong.",
        "Send the chain from the leaf up, complete and without others.";
    PathLength "path-length" Refused "More certificates below an issuer than it allows.",
        "Forged evidence.";
    CriticalExtension "critical-extension" Refused "A critical extension that this verifier does not know.",
        "Say which device makes it.";
    ExtensionPlace "extension-place" Refused "A statement stands in another certificate than the leaf.",
        "An attested key was used to issue a certificate: forged evidence.";
    NoStatement "no-statement" Refused "The leaf carries no statement.",
        "The key was made without asking for attestation.";
    Revoked "revoked" Refused "A certificate of the chain is revoked.",
        "The key leaked or the maker erred; the device needs new keys from its maker.";
    Suspended "suspended" Refused "A certificate of the chain is suspended.",
        "The maker is looking into it; try later.";
    NoRevocationList "no-revocation-list" Refused "The family has a revocation list, and none was given.",
        "Give the list; `danger_no_revocation_list` goes on without one.";
    StaleRevocationList "stale-revocation-list" Refused "The revocation list is older than it may be.",
        "Fetch it again; `danger_stale_revocation_list` goes on with the old one.";
    OldCollateral "old-collateral" Refused "The collateral is past its end.",
        "Make a newer one: `glacis collateral build`.";
    FutureCollateral "future-collateral" Refused "The collateral was made later than now.",
        "Compare the clocks of who made it and who uses it.";
    NoCollateral "no-collateral" Refused "Collateral is demanded, and none is in force.",
        "Bring one: `glacis collateral apply`, or the file that the configuration names.";
    Challenge "challenge" Refused "Made for another challenge.",
        "A replay, or two attempts at once: begin again with a new challenge.";
    DeviceKey "device-key" Refused "Made for another device key.",
        "The statement must be about the key that enrols.";
    Level "level" Refused "The statement claims more than what vouches for it allows.",
        "The levels of key and attestation differ: faulty or forged evidence; `danger_level_mismatch` takes the lower.";
    SoftwareLevel "software-level" Refused "The key is not in secure hardware.",
        "Ask for hardware keys; `danger_software_level` accepts it at tier `software`.";
    KeyOrigin "key-origin" Refused "The key was not made inside the secure hardware.",
        "Somebody else may have a copy; make the key in the key store. `danger_imported_key` accepts it.";
    RootOfTrustMissing "root-of-trust-missing" Refused "The hardware does not say how the device booted.",
        "Faulty firmware; `danger_no_root_of_trust` accepts it at tier `software`.";
    App "app" Refused "Made for another app or relying party.",
        "Compare the identifiers that are expected with those of the app.";
    Development "development" Refused "Made in a development environment.",
        "Use a build of the store; `danger_development` accepts it.";
    Counter "counter" Refused "The counter did not grow.",
        "A replay, or a copied key.";
    Binding "binding" Refused "The parts of the evidence are not about one key.",
        "Parts of two devices, or forged evidence.";
    Format "format" Refused "A form of statement that this verifier does not take.",
        "The message names it.";
    Ceremony "ceremony" Refused "Client data of another ceremony, or of a frame of another origin.",
        "The page must run in its own origin and ask for a registration, or for an assertion to log in.";
    Origin "origin" Refused "The page has another origin than the expected ones.",
        "Phishing, or an origin that is missing in the settings.";
    UserPresence "user-presence" Refused "Nobody was present.",
        "Ask again.";
    UserVerification "user-verification" Refused "The user was not verified, and that was asked for.",
        "Set up a PIN or biometry, or do not ask for it.";
    Purpose "purpose" Refused "A certificate lacks what its use demands.",
        "Faulty or forged evidence.";
    KeyAttributes "key-attributes" Refused "A key of the TPM lacks what its role demands.",
        "The message names it; make the key by the template of its role.";
    Activation "activation" Refused "The TPM did not give the secret of its credential to this attestation key.",
        "Ask for a credential first and send what the TPM released; `danger_no_activation` looks at evidence without it.";
    Registers "registers" Refused "The registers are not those that the TPM quoted.",
        "Send the registers as quoted, in order of bank and number.";
    BootUnverified "boot-unverified" Found "The device runs a system that nobody verified.",
        "Lock the bootloader with a system of the maker, or allow the key of the system.";
    BootSelfSigned "boot-self-signed" Found "The device runs a system that its owner signed.",
        "If the system is to be trusted, allow its verified-boot key.";
    BootFailed "boot-failed" Found "Verified boot failed.",
        "The device is broken or tampered with.";
    Unlocked "unlocked" Found "The bootloader is unlocked.",
        "Lock it.";
    PatchLevel "patch-level" Found "System, vendor or boot image is older than the oldest allowed patch level.",
        "Update the device.";
    AppForeign "app-foreign" Found "The app is none of ours, or signed by somebody else.",
        "A repackaged app, or a signer that is missing in the settings.";
    AppUnstated "app-unstated" Found "The evidence does not say which app asked.",
        "Old devices leave it out; rely on other signals.";
    NoAttestation "no-attestation" Found "The authenticator states nothing about itself.",
        "Ask for attestation where the model matters.";
    SelfAttestation "self-attestation" Found "The statement is signed by the key that it is about.",
        "Ask for attestation where the model matters.";
    Unanchored "unanchored" Found "Nobody who is trusted vouches for the authenticator, the TPM or the device.",
        "Anchor the key of its maker.";
    SoftwareTpm "software-tpm" Found "The TPM is a program.",
        "Whoever runs it has its keys; accept it where the host is trusted, or use a machine with a chip.";
    LogMissing "log-missing" Found "Nothing shows how the device booted.",
        "Quote registers 0 to 7 and send the firmware's log with them.";
    LogMalformed "log-malformed" Found "The log of the boot cannot be read.",
        "Faulty firmware, or a log that was cut or changed.";
    LogMismatch "log-mismatch" Found "The log of the boot does not replay to the quoted registers.",
        "A changed log, or firmware that leaves events out; nothing is believed of those registers.";
    LogOrder "log-order" Found "The log is not in the order in which firmware measures.",
        "Faulty firmware, or somebody measured after it; the message names what stands where it should not.";
    SecureBootOff "secure-boot-off" Found "Secure boot is off.",
        "Turn it on in the settings of the firmware.";
    BootDebugger "boot-debugger" Found "The firmware let a debugger in.",
        "Turn it off in the settings of the firmware.";
    LoaderForeign "loader-foreign" Found "Somebody vouched for a part of the boot who is not expected.",
        "Compare the authorities in the claims with those that are expected.";
    LoaderUnexpected "loader-unexpected" Found "Nobody says who may vouch for parts of the boot.",
        "Expect the certificates of your loaders; the claims list those that were used.";
    PlatformUnanchored "platform-unanchored" Found "Nobody who is trusted vouches for the platform certificate.",
        "Anchor the key of the machine's maker, or ask him for a certificate that is in its time.";
    ResultMalformed "result-malformed" Rejected "The bytes are no attestation result (EAR), or one that contradicts itself.",
        "The message names what is wrong; ask the verifier that made it.";
    ResultTooLarge "result-too-large" Rejected "An attestation result is over a limit.",
        "Ask its verifier to leave the raw evidence out.";
    ResultProfile "result-profile" Rejected "An attestation result of another profile than the one that is read here.",
        "Profiles differ in what names mean; ask for `tag:github.com,2023:veraison/ear`.";
    ResultAlgorithm "result-algorithm" Rejected "A token signed with another algorithm than the key is for.",
        "Only ES256 is taken; a token that chooses another is forged until somebody shows otherwise.";
    ResultType "result-type" Rejected "A token of another kind, or one with a critical header that nobody here knows.",
        "Send the attestation result, as JWT or as CWT with its tag.";
    ResultKey "result-key" Rejected "A token signed by none of the given keys, by the name of its key.",
        "Give the verifier's current keys.";
    ResultSignature "result-signature" Rejected "The signature of a token is wrong.",
        "Changed, forged, or signed by another key.";
    ResultAudience "result-audience" Rejected "An attestation result for somebody else.",
        "A result is for one tenant and one realm; ask for one that is for you.";
    ResultNonce "result-nonce" Rejected "An attestation result for another question.",
        "A replay: ask again with a new nonce.";
    ResultExpired "result-expired" Rejected "An attestation result has ended.",
        "Ask again.";
    ResultNotYetValid "result-not-yet-valid" Rejected "An attestation result from the future.",
        "Compare the clocks.";
    ResultForm "result-form" Rejected "An attestation result holds what its other serialisation cannot express.",
        "Ask its verifier for the serialisation that you need.";
    ReferencesMalformed "references-malformed" Rejected "The bytes are no reference values (CoRIM, CoMID, concise evidence, CoSERV).",
        "The message names what cannot be read; ask whoever made them.";
    ReferencesTooLarge "references-too-large" Rejected "Reference values are over a limit.",
        "Split them.";
    StaleCollateral "stale-collateral" Found "Keys, lists and expectations are older than they may be.",
        "Make a newer collateral: `glacis collateral build`; nothing is worth more than tier `software` until then.";
    Relaxed "relaxed" Found "A check was relaxed by name.",
        "Remove the relaxation when the devices that need it are gone.";
    NoTokenKeys "no-token-keys" Refused "The family's tokens are sealed, and no keys were given.",
        "Give the two keys that the Play Console shows for the app.";
    Decryption "decryption" Refused "The token does not open with any key that was given.",
        "A token of another app, of an app whose keys Google manages, or a changed one.";
    StaleVerdict "stale-verdict" Refused "The verdict is older than it may be.",
        "Ask for a new one with a new challenge.";
    FutureVerdict "future-verdict" Refused "The verdict is from the future.",
        "Compare the clocks.";
    KeyUnproven "key-unproven" Found "Nothing shows where the device key lives.",
        "The evidence vouches for device or app and names the key; for the key itself use evidence of the key store.";
    Unevaluated "unevaluated" Found "The vendor looked at nothing.",
        "Play services are missing or too old, or the app did not come from Play; rely on other signals.";
    DeviceUnrecognized "device-unrecognized" Found "The vendor does not vouch for the device.",
        "A device that is rooted, unlocked, under attack, or not certified.";
    VirtualDevice "virtual-device" Found "The device is an emulator that the vendor knows.",
        "Accept it where the app is meant to run there.";
    Unlicensed "unlicensed" Found "The account did not get the app from the store.",
        "Have the user install the app from the store.";
    Hyperactive "hyperactive" Found "The device asks for very many verdicts.",
        "Somebody farms tokens there, or the app asks too often.";
    RiskyApps "risky-apps" Found "Other apps can read the screen, draw over the app, or control the device.",
        "Have the user close them before what matters.";
    HarmfulApps "harmful-apps" Found "The device has apps that may be harmful, or does not look for them.",
        "Have the user turn Play Protect on and remove what it finds.";
}

impl Code {
    /// The code of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_found_by_name() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::from_name(code.name()), Some(*code));
            assert!(
                code.name()
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
            assert!(!code.what().is_empty() && !code.cure().is_empty());
        }
        assert_eq!(Code::from_name("Revoked"), None);
    }
}
