//! From a TPM that proved its keys to an appraisal: what the log of its boot adds, and what all of it is worth.
//!
//! Nothing refuses any more. A log that cannot be read, does not replay or is out of order proves nothing about the
//! boot, and is said to; identity and keys stand without it.

use super::endorsement::Endorsed;
use super::log::{Boot, EventLog};
use super::{Clock, FAMILY, HardwareId, Platform, Register, TpmClaims, TpmModel};
use crate::appraisal::{Appraisal, Claims, Genuine, NEVER, Reason};
use crate::code::Code;
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::standing::{BootState, Facts, KeyPlace};
use crate::structures::TpmHash;
use glacis_wire::Realm;
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::TrustVector;
use glacis_wire::message::tpm::TpmEvidence;

/// What holds when this begins.
pub(super) struct Proven<'a> {
    pub(super) evidence: &'a TpmEvidence,
    pub(super) key: PublicKey,
    pub(super) hardware_id: HardwareId,
    pub(super) activated: bool,
    pub(super) clock: Clock,
}

/// What the log gave.
#[derive(Default)]
struct Measured {
    bank: Option<u16>,
    replayed: Vec<u8>,
    boot: Option<Boot>,
    reasons: Vec<Reason>,
    /// The whole boot is known and in good order, secure boot on, and nobody unexpected vouched for anything.
    verified: bool,
    /// What the log says is bad, not only unknown.
    bad_configuration: bool,
    foreign: bool,
}

impl Measured {
    const fn state(&self) -> BootState {
        match (self.verified, self.bad_configuration || self.foreign) {
            (true, _) => BootState::Verified,
            (false, true) => BootState::Unverified,
            (false, false) => BootState::Unproven,
        }
    }
}

pub(super) fn conclude(
    proven: Proven<'_>,
    (endorsed, platforms, strangers): (Option<Endorsed>, Vec<Platform>, bool),
    mut relaxed: Relaxed<'_>,
    question: &Question<'_>,
) -> Appraisal {
    let mut measured = measured(proven.evidence, question, &mut relaxed);
    let mut reasons = std::mem::take(&mut measured.reasons);
    if strangers {
        reasons.push(Reason::new(Code::PlatformUnanchored, ""));
    }
    let (model, path) = endorsed.map(|endorsed| (endorsed.model, endorsed.path)).unzip();
    if model.is_none() {
        reasons.push(Reason::new(Code::Unanchored, ""));
    }
    // In the demo a program stands for a chip, as everything there stands for something.
    let realm = question.anchors.context.realm;
    let is_program = model.as_ref().is_some_and(TpmModel::is_program);
    let program = is_program && realm != Realm::Demo;
    if program {
        reasons.push(Reason::new(Code::SoftwareTpm, ""));
    }
    reasons.extend(relaxed.reasons());
    let genuine = model.is_some() && proven.activated;
    let facts = Facts {
        key: match (proven.activated, is_program) {
            (false, _) => KeyPlace::Unproven,
            (true, true) => KeyPlace::Program,
            (true, false) => KeyPlace::Chip,
        },
        vouched: model.is_some(),
        boot: measured.state(),
        locked: measured.boot.as_ref().and_then(|boot| boot.secure_boot),
        // Which app asks, a TPM never says.
        ..Facts::unproven(FAMILY, realm)
    };
    let vector = vector(&measured, genuine, program);
    let (basis, not_after) = path.map_or((Default::default(), NEVER), |path| (path.basis, path.not_after));
    let registers = proven.evidence.pcrs.iter();
    let registers =
        registers.map(|pcr| Register { bank: pcr.bank, index: pcr.index, value: pcr.value.to_vec() });
    Genuine {
        facts,
        vector,
        reasons,
        relaxed: relaxed.used,
        basis,
        verified_at: question.now,
        not_after,
        claims: Claims::Tpm(Box::new(TpmClaims {
            key: proven.key,
            hardware_id: proven.hardware_id,
            activated: proven.activated,
            model,
            platforms,
            clock: proven.clock,
            registers: registers.collect(),
            bank: measured.bank,
            replayed: measured.replayed,
            boot: measured.boot,
        })),
    }
    .appraised()
}

/// Values of draft-ietf-rats-ar4si §2.3: 2 is affirmed, 3 is affirmed for the time of boot, 32 and 33 warn.
fn vector(measured: &Measured, genuine: bool, program: bool) -> TrustVector {
    let hardware = match (genuine, program) {
        (_, true) => 32,
        (true, false) => 2,
        (false, false) => 0,
    };
    let secure_boot = measured.boot.as_ref().and_then(|boot| boot.secure_boot);
    TrustVector {
        instance_identity: if genuine { 2 } else { 0 },
        configuration: match (measured.bad_configuration, secure_boot) {
            (true, _) => 32,
            (false, Some(true)) => 2,
            _ => 0,
        },
        executables: match (measured.foreign, measured.verified) {
            (true, _) => 33,
            (false, true) => 3,
            _ => 0,
        },
        hardware,
        storage_opaque: hardware,
        ..TrustVector::default()
    }
}

/// Reads the log and replays it in the best bank that was quoted.
fn measured(evidence: &TpmEvidence, question: &Question<'_>, relaxed: &mut Relaxed<'_>) -> Measured {
    let quoted_boot = evidence.pcrs.iter().any(|pcr| pcr.index <= LAST_BOOT_REGISTER);
    let nothing =
        |code, detail: String| Measured { reasons: vec![Reason::new(code, detail)], ..Measured::default() };
    if evidence.event_log.is_empty() || !quoted_boot {
        return nothing(Code::LogMissing, String::new());
    }
    let log = match EventLog::parse(&evidence.event_log) {
        Ok(log) => log,
        Err(error) => return nothing(Code::LogMalformed, error.detail().to_owned()),
    };
    let Some(bank) = bank(&log, evidence, relaxed) else {
        return nothing(Code::LogMissing, "no bank is both quoted and in the log".to_owned());
    };
    let values = log.replay(bank);
    let quoted = evidence.pcrs.iter().filter(|pcr| pcr.bank == bank);
    let (mut replayed, mut differ) = (Vec::new(), Vec::new());
    for pcr in quoted {
        let is_boot = pcr.index <= LAST_BOOT_REGISTER;
        let same = match values.get(usize::from(pcr.index)) {
            Some(Some(value)) => *value == *pcr.value,
            // Nobody measured into it: a register of the boot then is as it started.
            _ => is_boot && pcr.value.iter().all(|byte| *byte == 0),
        };
        match (same, is_boot) {
            (true, _) => replayed.push(pcr.index),
            (false, true) => differ.push(pcr.index.to_string()),
            // The system goes on in the registers behind the boot's, and writes no firmware log.
            (false, false) => {}
        }
    }
    let boot = log.boot(bank, |register| replayed.contains(&register));
    let mut found = Measured { bank: Some(bank), replayed, ..Measured::default() };
    if !differ.is_empty() {
        found.reasons.push(Reason::new(Code::LogMismatch, format!("registers {}", differ.join(", "))));
    }
    let unquoted =
        |register: &u8| !evidence.pcrs.iter().any(|pcr| (pcr.bank, pcr.index) == (bank, *register));
    let unquoted: Vec<String> =
        (0..=LAST_BOOT_REGISTER).filter(unquoted).map(|one| one.to_string()).collect();
    if !unquoted.is_empty() {
        let detail = format!("registers {} are not quoted", unquoted.join(", "));
        found.reasons.push(Reason::new(Code::LogMissing, detail));
    }
    judge(&mut found, boot, &question.references.boot_authorities);
    found
}

/// The strongest bank that was quoted and that the log replays; SHA-1 only where that is allowed.
fn bank(log: &EventLog<'_>, evidence: &TpmEvidence, relaxed: &mut Relaxed<'_>) -> Option<u16> {
    let banks = log.banks();
    let both = |hash: &TpmHash| {
        let id = hash.id();
        banks.contains(&id) && evidence.pcrs.iter().any(|pcr| pcr.bank == id)
    };
    let best = [TpmHash::Sha256, TpmHash::Sha384, TpmHash::Sha512].into_iter().find(both);
    let old = || {
        let usable = both(&TpmHash::Sha1);
        let allowed = usable && relaxed.use_up(Relaxation::DangerSha1, Code::Sha1).is_ok();
        allowed.then_some(TpmHash::Sha1)
    };
    best.or_else(old).map(TpmHash::id)
}

/// What the boot is worth.
fn judge(found: &mut Measured, boot: Boot, expected: &[glacis_wire::Digest]) {
    for fault in &boot.faults {
        found.reasons.push(Reason::new(Code::LogOrder, *fault));
    }
    if boot.debugger {
        found.reasons.push(Reason::new(Code::BootDebugger, ""));
    }
    if boot.secure_boot == Some(false) {
        found.reasons.push(Reason::new(Code::SecureBootOff, ""));
    }
    let foreign = boot.authorities.iter().any(|authority| !expected.contains(authority));
    found.foreign = !expected.is_empty() && foreign;
    if found.foreign {
        found.reasons.push(Reason::new(Code::LoaderForeign, ""));
    }
    found.bad_configuration = boot.debugger || boot.secure_boot == Some(false);
    let whole = (0..=LAST_BOOT_REGISTER).all(|register| found.replayed.contains(&register));
    let in_order = boot.faults.is_empty() && !boot.debugger && boot.secure_boot == Some(true);
    // With secure boot on, nothing runs for which nobody vouched.
    let vouched = !expected.is_empty() && !boot.authorities.is_empty() && !foreign;
    found.verified = whole && in_order && vouched;
    if in_order && whole && expected.is_empty() {
        found.reasons.push(Reason::new(Code::LoaderUnexpected, ""));
    }
    found.boot = Some(boot);
}

/// Registers 0 to 7 are the firmware's and the loader's (Firmware Profile §3.3.4).
const LAST_BOOT_REGISTER: u8 = 7;
