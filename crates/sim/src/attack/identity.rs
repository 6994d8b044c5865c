//! Attacks with the wrong device, the wrong user or the wrong payee.
//!
//! Each is technically sound (signed, fresh, bound to its content), so nothing in the traffic gives it away: it
//! takes what vouches for the hardware, or what the control plane knows of past events and of payees.

use super::{Attempt, End, Ended, LOOK_PAUSE, LOOKS_MAX, Stage};
use crate::actor::{Device, all_clear};
use crate::persona::{Owner, Stranger};
use crate::schedule::{Deed, MULE, Make};
use crate::world::WorldError;

/// Devices in the farm.
const EMULATORS: u32 = 6;
/// What they pretend to be, in turn.
const FORGED: [Make; 4] = [Make::StrongBox, Make::Enclave, Make::Tee, Make::Element];

/// Emulated devices of every family with roots of the farm's own making; refused, they enrol with bare software keys
/// instead.
/// Goal: money moved to the farm's collector.
pub(super) fn emulator_farm(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    const COLLECTOR: &str = "farm-collector";
    let mut attempts = Vec::new();
    for (emulator, make) in (0..EMULATORS).zip(FORGED.into_iter().cycle()) {
        let holder = stage.account(&format!("farm-{emulator}"))?;
        let number = stage.number();
        let line = stage.world.line(number)?;
        let end = match Device::with_forged_root(stage.world, number, make, holder.clone(), line)? {
            // Its evidence was believed: from here on it acts as a genuine device would.
            Ok(mut device) => {
                attempts.push(device.act(&harvest(COLLECTOR), &mut Stranger::default(), stage.snapshots)?);
                continue;
            }
            Err(end) => end,
        };
        attempts.push(Attempt { event: None, end });
        let mut device = stage.device(Make::Software, holder, all_clear)?;
        attempts.push(device.act(&harvest(COLLECTOR), &mut Stranger::default(), stage.snapshots)?);
    }
    Ok(Ended::by_money(stage, attempts, COLLECTOR))
}

fn harvest(payee: &str) -> Deed {
    Deed::Transfer { payee: payee.to_owned(), amount: 3_000 }
}

/// A thief with a genuine device and a stolen token of somebody who has paid from an own device before; the
/// one-time password goes to that somebody. Goal: money moved to the thief.
pub(super) fn stolen_account(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    const THIEF: &str = "drop-stolen";
    let holder = stage.mark.clone();
    let mut device = stage.device(Make::Enclave, holder, all_clear)?;
    let attempts = stage.steal(&mut device, THIEF)?;
    Ok(Ended::by_money(stage, attempts, THIEF))
}

/// A customer who was talked into paying a known mule, with everything genuine and every challenge answered.
/// Goal: the mule is paid.
pub(super) fn mule(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    let holder = stage.account("talked-into")?;
    let user = holder.user.clone();
    let mut device = stage.device(Make::Tee, holder, all_clear)?;
    let mut attempts = Vec::new();
    for amount in [90, 400, 2_500] {
        let deed = Deed::Transfer { payee: MULE.to_owned(), amount };
        let mut owner = Owner::new(stage.world.shop(), &user);
        attempts.push(device.act(&deed, &mut owner, stage.snapshots)?);
    }
    debug_assert!(attempts.iter().all(|attempt| attempt.end != End::Lost), "{attempts:?}");
    Ok(Ended::by_money(stage, attempts, MULE))
}

/// A thief copied the disk of a device, keys and all, and its user's token. Until both have opened a session the copy
/// is the device; then the chains fork, and nobody's hardware vouches for that key any more. Goal: money moved to the
/// thief, or the owner locked out.
///
/// What the owner does meanwhile is among the attempts.
pub(super) fn cloned_key(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    const THIEF: &str = "drop-cloned";
    let holder = stage.account("cloned")?;
    let user = holder.user.clone();
    let mut device = stage.device(Make::Tee, holder, all_clear)?;
    let shop = stage.world.shop();
    let mut attempts = vec![device.act(&Deed::View, &mut Owner::new(shop, &user), stage.snapshots)?];
    let number = stage.number();
    let copy = device.copied(stage.world, number, None)?;
    let mut copy = copy.map_err(|why| WorldError::new("copy", why))?;
    attempts.push(copy.act(&Deed::View, &mut Stranger::default(), stage.snapshots)?);
    let mut device = device.restarted(stage.world, number)?;
    let mut asked = false;
    for _ in 0..LOOKS_MAX {
        // A device that hardware vouches for may look without being asked.
        let looked = device.act(&Deed::View, &mut Owner::new(shop, &user), stage.snapshots)?;
        attempts.push(looked);
        asked = looked.end == (End::Allowed { challenged: true });
        if asked {
            break;
        }
        stage.world.pass(LOOK_PAUSE);
    }
    attempts.extend(stage.steal(&mut copy, THIEF)?);
    let ended = Ended::by_money(stage, attempts, THIEF);
    let lot = if asked { "was asked for presence and went on" } else { "was not told apart from the copy" };
    let finding = format!("{}; the owner {lot}", ended.finding);
    Ok(Ended { goal_reached: ended.goal_reached || !asked, finding, ..ended })
}
