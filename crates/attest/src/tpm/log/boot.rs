//! What a log that replays says about the boot: secure boot, who signed what ran, and which loaders ran.
//!
//! Types of events are not covered by any digest, so somebody who writes a log may call an event what he likes. What
//! counts here cannot be bent that way: the first thing that firmware measures into register 7 is whether secure boot is
//! on, and no event can be taken out of a register. So the first event there must hash to that variable; every event
//! there must hash to what it says; in these two a separator's digest may stand under no other name; and everything in
//! register 4 that is no known text is a loader, whatever it is called.
//!
//! Source: TCG PC Client Platform Firmware Profile 1.06, §3.3.4 (registers 0 to 7), §10.4 (events); UEFI 2.10, §32.4.1
//! (signature data).

use super::{EV_NO_ACTION, Event, EventLog, Little};
use crate::structures::TpmHash;
use glacis_seal::sha256;
use glacis_wire::Digest;
use serde::Serialize;

/// What the log proves, of the registers that it replays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Boot {
    /// Whether secure boot was on, if register 7 says so in good order.
    pub secure_boot: Option<bool>,
    /// Whether the firmware let a debugger in.
    pub debugger: bool,
    /// SHA-256 of each certificate (or other signature data) that vouched for something that ran.
    #[serde(serialize_with = "crate::appraisal::hex_digests")]
    pub authorities: Vec<Digest>,
    /// Digests of loaders in the order in which they ran, in the bank that replays.
    #[serde(serialize_with = "crate::appraisal::hexes")]
    pub loaders: Vec<Vec<u8>>,
    /// Whether the log goes on to where the system took over.
    pub left_firmware: bool,
    /// What is not as firmware writes it.
    pub faults: Vec<&'static str>,
}

/// A reader of one bank.
struct Bank<'l, 'a> {
    log: &'l EventLog<'a>,
    hash: TpmHash,
    /// Digests of the three texts that a separator may have.
    separators: [Vec<u8>; 3],
}

impl EventLog<'_> {
    /// Reads the registers for which `replays` is true; nothing of any other register counts.
    pub fn boot(&self, bank: u16, replays: impl Fn(u8) -> bool) -> Boot {
        let Some(hash) = TpmHash::from_id(bank) else { return Boot::default() };
        let separators = SEPARATORS.map(|text| hash.digest(text));
        let bank = Bank { log: self, hash, separators };
        let mut boot = Boot::default();
        for register in (0..=7).filter(|register| replays(*register)) {
            match register {
                7 => {
                    let mut policy = Boot::default();
                    bank.policy(&mut policy);
                    policy.faults.iter().for_each(|what| fault(&mut boot, what));
                    boot = Boot {
                        faults: boot.faults,
                        loaders: boot.loaders,
                        left_firmware: boot.left_firmware,
                        ..policy
                    };
                }
                4 => bank.loaders(&mut boot),
                other => bank.separated(other, &mut boot),
            }
        }
        boot
    }
}

impl<'l, 'a> Bank<'l, 'a> {
    /// Events of a register, each with its digest.
    fn events(&self, register: u8) -> impl Iterator<Item = (&'l Event<'a>, &'a [u8])> + '_ {
        let all = self.log.events.iter();
        let here = all.filter(move |event| event.index == u32::from(register) && event.kind != EV_NO_ACTION);
        here.map(|event| (event, self.log.digest(event, self.hash.id()).unwrap_or_default()))
    }

    fn holds(&self, text: &[u8], digest: &[u8]) -> bool {
        self.hash.digest(text) == digest
    }

    /// What an event is, as far as separators go.
    fn separator(&self, event: &Event<'_>, digest: &[u8]) -> Separator {
        let found = self.separators.iter().position(|separator| separator == digest);
        match (found, event.kind == EV_SEPARATOR) {
            (None, false) => Separator::No,
            (Some(0 | 1), true) => Separator::Yes,
            _ => Separator::Bent,
        }
    }

    /// Registers that hold code and configuration of the firmware: one separator. Nothing is read from them, so that it
    /// does no harm where another event has a separator's digest; the boot order of some machines has.
    fn separated(&self, register: u8, boot: &mut Boot) {
        let mut separators = 0;
        for (event, digest) in self.events(register) {
            if event.kind == EV_SEPARATOR {
                match self.separator(event, digest) {
                    Separator::Yes => separators += 1,
                    _ => fault(boot, "a separator that is none"),
                }
            }
            let left = register == 5 && event.data == EXIT_BOOT_SERVICES;
            boot.left_firmware |= left && self.holds(event.data, digest);
        }
        one_separator(separators, boot);
    }

    /// Register 4: whatever ran. A text that hashes to its digest did not run; everything else did.
    fn loaders(&self, boot: &mut Boot) {
        let mut separators = 0;
        for (event, digest) in self.events(4) {
            match self.separator(event, digest) {
                Separator::Yes => separators += 1,
                Separator::Bent => fault(boot, "a separator that is none"),
                Separator::No => {
                    let is_text = BOOT_TEXTS.contains(&event.data) && self.holds(event.data, digest);
                    if !is_text {
                        boot.loaders.push(digest.to_vec());
                    }
                }
            }
        }
        one_separator(separators, boot);
    }

    /// Register 7: the policy of secure boot, and who vouched for what ran.
    fn policy(&self, boot: &mut Boot) {
        let (mut enabled, mut separators) = (None, 0);
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for (event, digest) in self.events(7) {
            match self.separator(event, digest) {
                Separator::No => {}
                Separator::Yes => {
                    separators += 1;
                    continue;
                }
                Separator::Bent => {
                    fault(boot, "a separator that is none");
                    continue;
                }
            }
            // Texts first: the only one that may stand before the variable of secure boot says that a debugger was in.
            if !event.data.starts_with(&SECURE_BOOT_HEAD) && self.holds(event.data, digest) {
                boot.debugger |= event.data == DEBUG_MODE;
                if [DEBUG_MODE, DMA_UNPROTECTED].contains(&event.data) {
                    continue;
                }
            }
            let Some(variable) = self.variable(event, digest) else {
                fault(boot, "an event of register 7 that does not hash to what it says");
                continue;
            };
            if enabled.is_none() {
                enabled = Some(secure_boot(&variable));
                if enabled == Some(None) {
                    fault(boot, "register 7 does not begin with the state of secure boot");
                }
                continue;
            }
            let name = variable.name.to_vec();
            if event.kind == EV_EFI_VARIABLE_AUTHORITY {
                boot.authorities.extend(variable.authority());
            } else if separators > 0 || seen.contains(&name) || !CONFIGURATION.contains(&&*ascii(&name)) {
                // A configuration twice, late or of another name may be an authority that is called otherwise.
                fault(boot, "a variable of register 7 where none belongs");
            } else {
                seen.push(name);
            }
        }
        one_separator(separators, boot);
        if enabled == Some(Some(true)) && boot.authorities.is_empty() {
            fault(boot, "secure boot is on, and nobody vouched for anything");
        }
        boot.secure_boot = enabled.flatten().filter(|_| boot.faults.is_empty());
    }

    /// The variable of an event, if the event hashes to it.
    fn variable(&self, event: &Event<'a>, digest: &[u8]) -> Option<Variable<'a>> {
        if self.holds(event.data, digest) {
            return Variable::parse(event.data);
        }
        // Shim before its commit 8a27a480 logged one byte more than it measured, behind five that belong to nothing.
        let (_, measured) = event.data.split_last()?;
        let data = measured.strip_suffix(&[0; 5]).filter(|_| self.holds(measured, digest))?;
        Variable::parse(data)
    }
}

/// Whether an event separates.
enum Separator {
    No,
    Yes,
    /// Its digest and its type do not say the same, or the firmware failed.
    Bent,
}

/// `UEFI_VARIABLE_DATA`.
struct Variable<'a> {
    guid: &'a [u8],
    /// UTF-16, little-endian.
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Variable<'a> {
    fn parse(data: &'a [u8]) -> Option<Self> {
        let mut fields = Little(data);
        let guid = fields.take(16)?;
        let (characters, bytes) = (fields.u64()?, fields.u64()?);
        let name = fields.take(usize::try_from(characters).ok()?.checked_mul(2)?)?;
        let value = fields.take(usize::try_from(bytes).ok()?)?;
        fields.0.is_empty().then_some(Self { guid, name, value })
    }

    /// SHA-256 of what vouched: the certificate, with or without an owner before it, or what else it is; none for shim's
    /// own state.
    fn authority(&self) -> Option<Digest> {
        if self.guid == SHIM && SHIM_STATE.contains(&&*ascii(self.name)) {
            return None;
        }
        let is_certificate = |bytes: &&[u8]| bytes.starts_with(&[0x30, 0x82]);
        let behind_owner = || self.value.get(16..).filter(is_certificate);
        let certificate = Some(self.value).filter(is_certificate).or_else(behind_owner);
        Some(sha256(certificate.unwrap_or(self.value)))
    }
}

/// Whether secure boot is on, if this is the variable that says so.
fn secure_boot(variable: &Variable<'_>) -> Option<bool> {
    if variable.guid != EFI_GLOBAL || ascii(variable.name) != "SecureBoot" {
        return None;
    }
    match variable.value {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

fn one_separator(found: usize, boot: &mut Boot) {
    match found {
        1 => {}
        0 => fault(boot, "a register without a separator"),
        _ => fault(boot, "a register with two separators"),
    }
}

fn fault(boot: &mut Boot, what: &'static str) {
    if !boot.faults.contains(&what) {
        boot.faults.push(what);
    }
}

/// A name of ASCII letters, or nothing.
fn ascii(utf16: &[u8]) -> String {
    let pairs = utf16.chunks_exact(2);
    let letters = pairs.map(|pair| match pair {
        [letter, 0] if letter.is_ascii_graphic() => Some(char::from(*letter)),
        _ => None,
    });
    letters.collect::<Option<String>>().unwrap_or_default()
}

const EV_SEPARATOR: u32 = 4;
const EV_EFI_VARIABLE_AUTHORITY: u32 = 0x8000_00e0;
/// The two that separate, and the one that says that the firmware failed (§3.3.2.2).
const SEPARATORS: [&[u8]; 3] = [&[0; 4], &[0xff; 4], &[1, 0, 0, 0]];
/// 8be4df61-93ca-11d2-aa0d-00e098032b8c.
const EFI_GLOBAL: &[u8] = &SECURE_BOOT_HEAD;
const SECURE_BOOT_HEAD: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// 605dab50-e046-4300-abb6-3dd810dd8b23: variables of shim.
const SHIM: &[u8] =
    &[0x50, 0xab, 0x5d, 0x60, 0x46, 0xe0, 0x00, 0x43, 0xab, 0xb6, 0x3d, 0xd8, 0x10, 0xdd, 0x8b, 0x23];
/// What shim measures of itself: generations that it revokes, and whether it trusts its own list.
const SHIM_STATE: &[&str] = &["SbatLevel", "MokListTrusted"];
/// What firmware measures behind the state of secure boot, each once and before the separator.
const CONFIGURATION: &[&str] =
    &["PK", "KEK", "db", "dbx", "dbt", "dbr", "AuditMode", "DeployedMode", "SetupMode", "OsRecoveryOrder"];
const DEBUG_MODE: &[u8] = b"UEFI Debug Mode";
const DMA_UNPROTECTED: &[u8] = b"DMA Protection Disabled";
const EXIT_BOOT_SERVICES: &[u8] = b"Exit Boot Services Returned with Success";
/// Texts that firmware measures into register 4.
const BOOT_TEXTS: &[&[u8]] = &[
    b"Calling EFI Application from Boot Option",
    b"Returning from EFI Application from Boot Option",
    b"Booting to Boot Option",
];
