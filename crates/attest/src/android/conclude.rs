//! From a chain that holds and a statement that can be read to an appraisal.
//!
//! Two kinds of rules: what makes the statement worthless (levels that differ, keys from outside), and what genuine
//! evidence says about the device (boot, lock, patches, app), which lowers the vector and goes into the facts, and refuses
//! nothing.

use super::{AndroidClaims, BootState, FAMILY, KeyDescription, Provisioning, RootOfTrust, SecurityLevel};
use super::{ORGANIZATION, TITLE};
use crate::appraisal::{Appraisal, AttestError, Claims, Genuine, Reason};
use crate::code::Code;
use crate::path::Path;
use crate::question::{Question, References, Relaxation};
use crate::relaxed::Relaxed;
use crate::standing::{self, AppIdentity, Facts, KeyPlace};
use crate::x509::{Cert, Key, KeyKind};
use glacis_seal::foreign::Curve;
use glacis_wire::message::enrol::TrustVector;

/// What was checked so far.
pub(super) struct Checked<'c, 'q> {
    pub(super) leaf: &'c Cert<'c>,
    pub(super) issuer: Option<&'c Cert<'c>>,
    pub(super) description: KeyDescription,
    pub(super) provisioning: Provisioning,
    pub(super) path: Path,
    pub(super) relaxed: Relaxed<'q>,
}

/// What the device says about itself, as findings.
struct Device {
    reasons: Vec<Reason>,
    boot: standing::BootState,
    booted: bool,
    /// None where the statement does not say.
    locked: Option<bool>,
    old: bool,
}

pub(super) fn conclude(checked: Checked<'_, '_>, question: &Question<'_>) -> Result<Appraisal, AttestError> {
    let Checked { leaf, issuer, description, provisioning, path, mut relaxed } = checked;
    let level = level(&description, issuer, &mut relaxed)?;
    origin(&description, level, &mut relaxed)?;
    let root = root_of_trust(&description, level, &mut relaxed)?;
    let mut device = device(&description, root, question.references);
    let (app, stated) = app(&description, question.references);
    let expected = !question.references.android_apps.is_empty();
    if expected && app.is_none() {
        let code = if stated { Code::AppForeign } else { Code::AppUnstated };
        device.reasons.push(Reason::new(code, ""));
    }
    let vector = vector(&device, level, expected, app.is_some());
    let names = relaxed.reasons();
    device.reasons.extend(names);
    let facts = Facts {
        key: match level {
            SecurityLevel::Software => KeyPlace::Software,
            SecurityLevel::TrustedEnvironment => KeyPlace::Environment,
            SecurityLevel::StrongBox => KeyPlace::Element,
        },
        vouched: !relaxed.used.contains(&Relaxation::DangerSoftwareRoot),
        boot: device.boot,
        locked: device.locked,
        app: match (expected, &app, stated) {
            (false, ..) => AppIdentity::Unasked,
            (true, Some(_), _) => AppIdentity::Ours,
            (true, None, true) => AppIdentity::Foreign,
            (true, None, false) => AppIdentity::Unstated,
        },
        ..Facts::unproven(FAMILY, question.anchors.context.realm)
    };
    let genuine = Genuine {
        facts,
        vector,
        reasons: device.reasons,
        relaxed: relaxed.used,
        basis: path.basis,
        verified_at: question.now,
        not_after: path.not_after,
        claims: Claims::AndroidKey(Box::new(AndroidClaims {
            description,
            level,
            provisioning,
            key_kind: kind(&leaf.key),
            key: leaf.key.info.clone(),
            app,
        })),
    };
    Ok(genuine.appraised())
}

/// The level that counts.
fn level(
    description: &KeyDescription,
    issuer: Option<&Cert<'_>>,
    relaxed: &mut Relaxed<'_>,
) -> Result<SecurityLevel, AttestError> {
    let (statement, key) = (description.attestation_security_level, description.key_mint_security_level);
    if statement != key {
        relaxed.use_up(Relaxation::DangerLevelMismatch, Code::Level)?;
    }
    let level = statement.min(key);
    // The issuer's name says where it lives; what it signs cannot live in a better place.
    let places = issuer.map(|cert| [cert.subject_texts(TITLE), cert.subject_texts(ORGANIZATION)].concat());
    if level == SecurityLevel::StrongBox && places.is_some_and(|names| names.iter().any(|name| name == "TEE"))
    {
        return Err(AttestError::new(Code::Level, "StrongBox by the word of a TEE"));
    }
    if level == SecurityLevel::Software {
        relaxed.use_up(Relaxation::DangerSoftwareLevel, Code::SoftwareLevel)?;
    }
    Ok(level)
}

fn origin(
    description: &KeyDescription,
    level: SecurityLevel,
    relaxed: &mut Relaxed<'_>,
) -> Result<(), AttestError> {
    let hardware = description.hardware_enforced.origin;
    let software = description.software_enforced.origin.filter(|_| level == SecurityLevel::Software);
    if hardware.or(software) == Some(GENERATED) {
        return Ok(());
    }
    relaxed.use_up(Relaxation::DangerImportedKey, Code::KeyOrigin)
}

fn root_of_trust<'d>(
    description: &'d KeyDescription,
    level: SecurityLevel,
    relaxed: &mut Relaxed<'_>,
) -> Result<Option<&'d RootOfTrust>, AttestError> {
    let hardware = description.hardware_enforced.root_of_trust.as_ref();
    let software = description.software_enforced.root_of_trust.as_ref();
    let root = hardware.or(software.filter(|_| level == SecurityLevel::Software));
    if root.is_none() {
        relaxed.use_up(Relaxation::DangerNoRootOfTrust, Code::RootOfTrustMissing)?;
    }
    Ok(root)
}

fn device(description: &KeyDescription, root: Option<&RootOfTrust>, references: &References) -> Device {
    let mut reasons = Vec::new();
    let (mut boot, mut locked) = (standing::BootState::Unproven, None);
    if let Some(root) = root {
        locked = Some(root.device_locked);
        let allowed = references.boot_keys.contains(&root.verified_boot_key);
        let finding;
        (boot, finding) = match root.verified_boot_state {
            BootState::Verified => (standing::BootState::Verified, None),
            BootState::SelfSigned if allowed => (standing::BootState::Expected, None),
            BootState::SelfSigned => (standing::BootState::SelfSigned, Some(Code::BootSelfSigned)),
            BootState::Unverified => (standing::BootState::Unverified, Some(Code::BootUnverified)),
            BootState::Failed => (standing::BootState::Failed, Some(Code::BootFailed)),
        };
        reasons.extend(finding.map(|code| Reason::new(code, "")));
        if !root.device_locked {
            reasons.push(Reason::new(Code::Unlocked, ""));
        }
    }
    let list = &description.hardware_enforced;
    let levels = [
        ("system", list.os_patch_level),
        ("vendor", list.vendor_patch_level),
        ("boot", list.boot_patch_level),
    ];
    let mut old = false;
    for (what, level) in levels {
        let (Some(oldest), Some(level)) = (references.patch_level_min, level) else { continue };
        if month(level) < u64::from(oldest) {
            old = true;
            reasons.push(Reason::new(Code::PatchLevel, format!("{what} {level}")));
        }
    }
    if references.patch_level_min.is_some() && list.os_patch_level.is_none() {
        old = true;
        reasons.push(Reason::new(Code::PatchLevel, "system unstated"));
    }
    let good = matches!(boot, standing::BootState::Verified | standing::BootState::Expected);
    Device { reasons, boot, booted: good && locked == Some(true), locked, old }
}

/// `YYYYMM` of `YYYYMM` or `YYYYMMDD`.
const fn month(level: u64) -> u64 {
    if level > 999_999 { level / 100 } else { level }
}

/// Which of our apps asked, and whether the statement names any app.
fn app(description: &KeyDescription, references: &References) -> (Option<String>, bool) {
    // Where the key lives in software, so does everything else of the statement.
    let Some(id) = &description.software_enforced.attestation_application_id else { return (None, false) };
    let signed = |signers: &[glacis_wire::Digest]| {
        signers.iter().any(|signer| id.signatures.iter().any(|found| found == signer.as_bytes()))
    };
    let named = |package: &str| id.packages.iter().any(|found| found.name == package);
    let ours = references.android_apps.iter().find(|app| named(&app.package) && signed(&app.signers));
    (ours.map(|app| app.package.clone()), true)
}

/// Values of draft-ietf-rats-ar4si §2.3.
fn vector(device: &Device, level: SecurityLevel, expected: bool, ours: bool) -> TrustVector {
    let executables = match (device.booted, expected, ours) {
        (false, _, _) | (_, true, false) => 33,
        _ if device.old => 32,
        (true, true, true) => 2,
        (true, false, _) => 0,
    };
    TrustVector {
        instance_identity: 2,
        configuration: if device.locked == Some(true) { 2 } else { 32 },
        executables,
        hardware: match (device.boot == standing::BootState::Failed, device.booted) {
            (true, _) => 96,
            (_, true) => 2,
            _ => 32,
        },
        storage_opaque: if level == SecurityLevel::Software { 32 } else { 2 },
        ..TrustVector::default()
    }
}

pub(super) const fn kind(key: &Key) -> &'static str {
    match key.kind {
        KeyKind::Ec(Curve::P256) => "ec-p256",
        KeyKind::Ec(Curve::P384) => "ec-p384",
        KeyKind::Ec(Curve::P521) => "ec-p521",
        KeyKind::Rsa => "rsa",
        KeyKind::Ed25519 => "ed25519",
        KeyKind::Other(oid) => match oid.as_bytes() {
            // 2.16.840.1.101.3.4.3.17 to 19 (FIPS 204).
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 17] => "ml-dsa-44",
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 18] => "ml-dsa-65",
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 19] => "ml-dsa-87",
            _ => "other",
        },
    }
}

/// `KeyOrigin.GENERATED`.
const GENERATED: u64 = 0;
