//! Attacks on the app: patched code, a slice that is ignored, claims that nobody vouches for, a copy that somebody else
//! signed.
//!
//! Where the world has processes, the patched app is one ([`victim`]), and another is hooked by Frida where the
//! machine has it; without processes the app's sensors are told what the patch would have made them see, which is all
//! that differs.

use super::{Attempt, End, Ended, Stage};
use crate::actor::{all_clear, hooked_signals};
use crate::deeds;
use crate::persona::Stranger;
use crate::schedule::{Deed, Make};
use crate::victim::{self, Raid, frida::Frida};
use crate::world::WorldError;
use glacis_wire::{Method, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Transfers that a hooked app is made to begin.
pub(crate) const HOOKED_TRANSFERS: u32 = 3;
/// Of so much each.
pub(crate) const HOOKED_AMOUNT: i64 = 450;

/// The app's own question to the user is patched to answer yes. Goal: money moved without the user.
pub(super) fn hooked(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    hooked_app(stage, "drop-hooked", false)
}

/// The same, and the app is made to send although its own slice blocks.
pub(super) fn hooked_unleashed(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    hooked_app(stage, "drop-unleashed", true)
}

fn hooked_app(stage: &mut Stage<'_>, payee: &str, unleashed: bool) -> Result<Ended, WorldError> {
    let (attempts, tools) = match stage.world.victim() {
        Some(victim) => processes(stage, victim.frida.as_ref(), payee, unleashed)?,
        None => (told(stage, payee, unleashed)?, None),
    };
    Ok(Ended { tools, ..Ended::by_money(stage, attempts, payee) })
}

/// A process that is patched, and another one that is hooked by Frida where there is one; says with which tools.
fn processes(
    stage: &mut Stage<'_>,
    frida: Option<&Frida>,
    payee: &str,
    unleashed: bool,
) -> Result<(Vec<Attempt>, Option<String>), WorldError> {
    let mut attempts = Vec::new();
    let mut tools = "/proc/PID/mem".to_owned();
    let kind = if unleashed { "unleashed" } else { "hooked" };
    for frida in [None].into_iter().chain(frida.map(Some)) {
        let user = format!("{}-{kind}", if frida.is_some() { "frida" } else { "victim" });
        let (holder, number) = (stage.account(&user)?, stage.number());
        let raid = Raid { number, holder: &holder, payee, unleashed, frida };
        match (victim::attack(stage, &raid)?, frida) {
            (Ok(made), Some(frida)) => {
                attempts.extend(made);
                tools = format!("{tools}, Frida {}", frida.version());
            }
            (Ok(made), None) => attempts.extend(made),
            (Err(why), _) => tools = format!("{tools}; not Frida: {why}"),
        }
    }
    Ok((attempts, Some(tools)))
}

/// Without processes: an app whose sensors are told what the patch would have made them see.
fn told(stage: &mut Stage<'_>, payee: &str, unleashed: bool) -> Result<Vec<Attempt>, WorldError> {
    let holder = stage.account(if unleashed { "victim-unleashed" } else { "victim-hooked" })?;
    let patched = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&patched);
    let sense = move || hooked_signals(seen.load(Ordering::Relaxed));
    let mut device = stage.device(Make::StrongBox, holder, sense)?;
    patched.store(true, Ordering::Relaxed);
    let deed = Deed::Transfer { payee: payee.to_owned(), amount: HOOKED_AMOUNT };
    let mut attempts = Vec::new();
    for _ in 0..HOOKED_TRANSFERS {
        attempts.push(if unleashed {
            device.act_unleashed(&deed, &mut Stranger::default(), stage.snapshots)?
        } else {
            device.act(&deed, &mut Stranger::default(), stage.snapshots)?
        });
    }
    device.report();
    Ok(attempts)
}

/// Requests of the forger, and as many of its honest twin.
const FORGED: usize = 3;

/// A process that nobody vouches for says that everything is clear; the same requests with everything withheld
/// are made as well. Goal: data is shown, or a claim buys a milder verdict than silence.
pub(super) fn forged_clear(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    let holder = stage.account("rooted")?;
    let mut device = stage.device(Make::Software, holder, all_clear)?;
    let (mut forged, mut silent): (Vec<Attempt>, Vec<Attempt>) = (Vec::new(), Vec::new());
    for _ in 0..FORGED {
        forged.push(device.act(&Deed::View, &mut Stranger::default(), stage.snapshots)?);
        silent.push(device.act_withholding(&Deed::View, &mut Stranger::default(), stage.snapshots)?);
    }
    let event = deeds::event(&Deed::View).map_err(|error| WorldError::new("forged-clear", error))?;
    let rank = |attempt: &Attempt| stage.policies.rank(&event, verdict(attempt.end));
    let milder = forged.iter().zip(&silent).filter(|(claim, silence)| rank(claim) < rank(silence)).count();
    let shown = stage.world.shop().views("rooted");
    let finding =
        format!("{shown} accounts were shown, {milder} claims bought a milder verdict than silence");
    let attempts = forged.into_iter().chain(silent).collect();
    Ok(Ended { attempts, goal_reached: shown > 0 || milder > 0, finding, tools: None })
}

/// Looks of the repackaged app.
const REPACKAGED: usize = 3;

/// The app, changed and signed by somebody else, on a sound phone. Its hardware vouches for the key and says which app asks,
/// so that nobody vouches for what the app says about itself. Goal: data is shown without its user being there.
pub(super) fn repackaged(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    let holder = stage.account("repackaged")?;
    let mut device = stage.device(Make::Repackaged, holder, all_clear)?;
    let mut attempts = Vec::new();
    for _ in 0..REPACKAGED {
        attempts.push(device.act(&Deed::View, &mut Stranger::default(), stage.snapshots)?);
    }
    let shown = stage.world.shop().views("repackaged");
    let finding = format!("{shown} accounts were shown");
    Ok(Ended { attempts, goal_reached: shown > 0, finding, tools: None })
}

/// What an end means as a verdict; a refusal before any decision is as strict as a block.
fn verdict(end: End) -> Verdict {
    match end {
        End::Allowed { challenged: false } => Verdict::Allow,
        End::Allowed { challenged: true } => Verdict::Challenge(Method::Otp),
        End::Challenged(method) => Verdict::Challenge(method),
        _ => Verdict::Block,
    }
}
