//! Attacks on devices with a TPM: their disk in other hands, and their own disk as it was before.
//!
//! Keys that never leave their chip make a copied disk worthless. Their chip's own disk can still be put back to an
//! older state by whoever holds the device, and then the chain of sessions forks, as it does for a copied key.

use super::{Ended, Stage};
use crate::actor::all_clear;
use crate::chips::Chip;
use crate::persona::{Owner, Stranger};
use crate::schedule::{Deed, Make};
use crate::world::WorldError;
use std::sync::Arc;
use std::time::Duration;

/// A thief has the disk of a device and its user's token, and a machine with a genuine TPM of its own. What does not open
/// there is enrolled anew, as software. Goal: money moved to the thief, or the disk opened.
pub(super) fn copied_disk(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    const THIEF: &str = "drop-copied";
    let holder = stage.account("copied")?;
    let user = holder.user.clone();
    let mut device = stage.device(Make::Chip, holder.clone(), all_clear)?;
    let shop = stage.world.shop();
    let mut attempts = vec![device.act(&Deed::View, &mut Owner::new(shop, &user), stage.snapshots)?];
    let (number, own) = (stage.number(), chip(stage)?);
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
    steal(stage, THIEF, |deed, stage| {
        attempts.push(thief.act(deed, &mut Stranger::default(), stage.snapshots)?);
        Ok(())
    })?;
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
    steal(stage, THIEF, |deed, stage| {
        attempts.push(device.act(deed, &mut Stranger::default(), stage.snapshots)?);
        Ok(())
    })?;
    Ok(Ended::by_money(stage, attempts, THIEF))
}

/// The three transfers of a thief.
fn steal(
    stage: &mut Stage<'_>,
    payee: &str,
    mut act: impl FnMut(&Deed, &Stage<'_>) -> Result<(), WorldError>,
) -> Result<(), WorldError> {
    for amount in [2_000, 4_500, 1_200] {
        act(&Deed::Transfer { payee: payee.to_owned(), amount }, stage)?;
    }
    Ok(())
}

fn chip(stage: &Stage<'_>) -> Result<Arc<Chip>, WorldError> {
    let chips = stage.world.chips().ok_or_else(|| WorldError::new("tpm", "this world has no chips"))?;
    chips.make().map(Arc::new)
}

/// As for a cloned key: what reaches the gateway by the feed does so within ten seconds.
const LOOKS_MAX: u32 = 40;
const LOOK_PAUSE: Duration = Duration::from_millis(250);
