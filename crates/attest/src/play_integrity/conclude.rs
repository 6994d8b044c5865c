//! From an authentic verdict to an appraisal.
//!
//! Refused is what was made for another app. Everything else that Google says lowers the vector, is a fact or a finding; no
//! verdict is about a key, whatever it says.

use super::{
    AppAccess, AppVerdict, DeviceActivity, DeviceVerdict, FAMILY, Licensing, PlayClaims, PlayKeys,
    PlayProtect,
};
use crate::appraisal::{Appraisal, AttestError, Basis, Claims, Genuine, Reason};
use crate::code::Code;
use crate::question::Question;
use crate::standing::{AppIdentity, BootState, Facts};
use glacis_wire::message::enrol::TrustVector;
use std::time::Duration;

pub(super) fn conclude(
    claims: PlayClaims,
    keys: &PlayKeys,
    question: &Question<'_>,
) -> Result<Appraisal, AttestError> {
    let app = app(&claims, question)?;
    let mut reasons = device_findings(&claims);
    match app {
        AppIdentity::Foreign => reasons.push(Reason::new(Code::AppForeign, claims.app.name())),
        AppIdentity::Unstated => reasons.push(Reason::new(Code::AppUnstated, claims.app.name())),
        AppIdentity::Ours | AppIdentity::Unasked => {}
    }
    reasons.extend(environment_findings(&claims));
    reasons.push(Reason::new(Code::KeyUnproven, ""));
    let facts = Facts {
        vouched: true,
        boot: boot(&claims),
        // What Google grades so boots with a locked bootloader.
        locked: claims.verified_boot().then_some(true),
        app,
        ..Facts::unproven(FAMILY, question.anchors.context.realm)
    };
    let genuine = Genuine {
        facts,
        vector: vector(&claims, app),
        reasons,
        relaxed: Vec::new(),
        basis: Basis { anchor: Some(keys.id), issuers: vec![keys.id], ..Basis::default() },
        verified_at: question.now,
        not_after: claims.made_at.after(VERDICT_LIFE),
        claims: Claims::PlayIntegrity(Box::new(claims)),
    };
    Ok(genuine.appraised())
}

/// How the device booted: by hardware's word, or not shown; a device that Google looked at and does not vouch for boots
/// something that nobody vouches for.
fn boot(claims: &PlayClaims) -> BootState {
    if claims.verified_boot() {
        BootState::Verified
    } else if claims.certified() || unevaluated(claims) {
        BootState::Unproven
    } else {
        BootState::Unverified
    }
}

/// Which app. The name in the request is the request's word, the one beside the verdict is Play's; where both are there they
/// agree, or somebody asked in another's name.
fn app(claims: &PlayClaims, question: &Question<'_>) -> Result<AppIdentity, AttestError> {
    if claims.app_package.as_ref().is_some_and(|seen| *seen != claims.package) {
        return Err(AttestError::new(Code::App, "asked in the name of another app"));
    }
    let expected = &question.references.android_apps;
    if expected.is_empty() {
        return Ok(AppIdentity::Unasked);
    }
    // A package may be expected more than once, with other signers each time.
    let mut ours = expected.iter().filter(|app| app.package == claims.package).peekable();
    if ours.peek().is_none() {
        return Err(AttestError::new(Code::App, claims.package.clone()));
    }
    let signed = ours.any(|app| app.signers.iter().any(|signer| claims.signers.contains(signer)));
    Ok(match claims.app {
        AppVerdict::Recognized if claims.app_package.is_some() && signed => AppIdentity::Ours,
        AppVerdict::Unevaluated | AppVerdict::Other => AppIdentity::Unstated,
        AppVerdict::Recognized | AppVerdict::UnrecognizedVersion => AppIdentity::Foreign,
    })
}

fn device_findings(claims: &PlayClaims) -> Vec<Reason> {
    if unevaluated(claims) {
        return vec![Reason::new(Code::Unevaluated, "device")];
    }
    if claims.certified() {
        return Vec::new();
    }
    let code =
        if claims.meets(DeviceVerdict::Virtual) { Code::VirtualDevice } else { Code::DeviceUnrecognized };
    let labels = claims.device.iter().flatten().map(|label| label.name());
    vec![Reason::new(code, labels.collect::<Vec<_>>().join(" "))]
}

fn environment_findings(claims: &PlayClaims) -> Vec<Reason> {
    let risky =
        |access: &&AppAccess| !matches!(access, AppAccess::KnownInstalled | AppAccess::UnknownInstalled);
    let risky: Vec<&str> = claims.app_access.iter().filter(risky).map(|access| access.name()).collect();
    let protect = claims.play_protect.filter(|found| {
        matches!(found, PlayProtect::PossibleRisk | PlayProtect::MediumRisk | PlayProtect::HighRisk)
    });
    let found = [
        (claims.licensing == Some(Licensing::Unlicensed)).then(|| Reason::new(Code::Unlicensed, "")),
        (claims.activity == Some(DeviceActivity::Level4)).then(|| Reason::new(Code::Hyperactive, "")),
        (!risky.is_empty()).then(|| Reason::new(Code::RiskyApps, risky.join(" "))),
        protect.map(|found| Reason::new(Code::HarmfulApps, found.name())),
    ];
    found.into_iter().flatten().collect()
}

/// Google did not look at the device; that it looked and gave no grade is another thing.
fn unevaluated(claims: &PlayClaims) -> bool {
    claims.device.as_ref().is_none_or(|labels| {
        !labels.is_empty()
            && labels.iter().all(|label| matches!(label, DeviceVerdict::Unknown | DeviceVerdict::Other))
    })
}

/// Values of draft-ietf-rats-ar4si §2.3. Nothing is claimed of instance and storage: no key of the device is in the verdict.
fn vector(claims: &PlayClaims, app: AppIdentity) -> TrustVector {
    let certified = claims.certified();
    let looked_at = !unevaluated(claims);
    let harmful = matches!(claims.play_protect, Some(PlayProtect::MediumRisk | PlayProtect::HighRisk));
    let executables = match app {
        AppIdentity::Foreign => 33,
        AppIdentity::Unasked | AppIdentity::Unstated => 0,
        AppIdentity::Ours if looked_at && !certified => 33,
        AppIdentity::Ours if !looked_at => 0,
        AppIdentity::Ours if harmful => 32,
        AppIdentity::Ours => 2,
    };
    TrustVector {
        executables,
        hardware: match (looked_at, certified) {
            (false, _) => 0,
            (true, true) => 2,
            (true, false) => 32,
        },
        ..TrustVector::default()
    }
}

/// How long a verdict is worth something: it speaks of one moment, and of no key that would tie later moments to it.
const VERDICT_LIFE: Duration = Duration::from_secs(86_400);
