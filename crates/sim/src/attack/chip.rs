//! Attacks on devices with a TPM: their disk in other hands, and their own disk as it was before.
//!
//! Keys that never leave their chip make a copied disk worthless. Their chip's own disk can still be put back to an
//! older state by whoever holds the device, and then the chain of sessions forks, as it does for a copied key.

use super::{Ended, LOOK_PAUSE, LOOKS_MAX, Stage};
use crate::actor::{all_clear, chips};
use crate::persona::Owner;
use crate::schedule::{Deed, Make};
use crate::world::WorldError;
use std::sync::Arc;

/// A thief has the disk of a device and its user's token, and a machine with a genuine TPM of its own. What does not open
/// there is enrolled anew, as software. Goal: money moved to the thief, or the disk opened.
pub(super) fn copied_disk(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    const THIEF: &str = "drop-copied";
    let holder = stage.account("copied")?;
    let user = holder.user.clone();
    let mut device = stage.device(Make::Chip, holder.clone(), all_clear)?;
    let shop = stage.world.shop();
    let mut attempts = vec![device.act(&Deed::View, &mut Owner::new(shop, &user), stage.snapshots)?];
    let (number, own) = (stage.number(), Arc::new(chips(stage.world)?.make()?));
    let opened = device.copied(stage.world, number, Some(own))?;
    let finding = match &opened {
        Ok(_) => "the copy opened".to_owned(),
        Err(why) => format!("the copy does not open: {why}"),
    };
    let is_open = opened.is_ok();
    let mut thief = match opened {
        Ok(copy) => copy,
        Err(_) => stage.device(Make::Software, holder, all_clear)?,
    };
    attempts.extend(stage.steal(&mut thief, THIEF)?);
    let ended = Ended::by_money(stage, attempts, THIEF);
    let finding = format!("{}; {finding}", ended.finding);
    Ok(Ended { goal_reached: ended.goal_reached || is_open, finding, ..ended })
}

/// Somebody who holds the device puts its disk back to yesterday's, under the same chip, so that counters and chain go back.
/// Goal: money moved.
pub(super) fn restored_disk(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    const THIEF: &str = "drop-restored";
    let holder = stage.account("restored")?;
    let user = holder.user.clone();
    let mut device = stage.device(Make::Chip, holder, all_clear)?;
    let shop = stage.world.shop();
    let mut attempts = vec![device.act(&Deed::View, &mut Owner::new(shop, &user), stage.snapshots)?];
    let yesterday = device.disk();
    let number = stage.number();
    let mut device = device.restarted(stage.world, number)?;
    attempts.push(device.act(&Deed::View, &mut Owner::new(shop, &user), stage.snapshots)?);
    let mut device = match device.restored(stage.world, number, yesterday)? {
        Ok(device) => device,
        Err(why) => {
            let ended = Ended::by_money(stage, attempts, THIEF);
            return Ok(Ended { finding: format!("the old disk does not open: {why}"), ..ended });
        }
    };
    // Whoever holds a device can be verified by it.
    attempts.push(device.act(&Deed::View, &mut Owner::new(shop, &user), stage.snapshots)?);
    for _ in 0..LOOKS_MAX {
        if stage.world.is_listed(&device.thumbprint()) {
            break;
        }
        stage.world.pass(LOOK_PAUSE);
    }
    attempts.extend(stage.steal(&mut device, THIEF)?);
    Ok(Ended::by_money(stage, attempts, THIEF))
}
