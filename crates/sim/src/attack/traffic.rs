//! Attacks on the way and by mass: copies, changed bodies, floods.
//!
//! None of them needs a key of the device: what is attacked is the binding of a signature to one request, to one
//! body and to one place in a sequence, and the limit of what one device may ask for.

use super::tap::Tap;
use super::{Attempt, End, Ended, Stage};
use crate::actor::{Device, all_clear, end_of_answer};
use crate::persona::{Owner, Stranger};
use crate::schedule::{Deed, Make};
use crate::world::WorldError;
use glacis_wire::http::Request;

/// Copies that are sent of one genuine transfer.
const COPIES: usize = 5;

/// Sends a genuine, allowed transfer again, byte for byte. Goal: a copy is carried out, or only answered as if.
pub(super) fn replay(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    const PAYEE: &str = "merchant-copied";
    let holder = stage.account("overheard")?;
    let user = holder.user.clone();
    let number = stage.number();
    let (tap, tapped) = Tap::on(stage.world.line(number)?, None);
    let mut device =
        Device::enrolled(stage.world, number, Make::Tee, holder, Box::new(tap), Box::new(all_clear))?;
    let deed = Deed::Transfer { payee: PAYEE.to_owned(), amount: 60 };
    let before = stage.paid(PAYEE);
    let mut owner = Owner::new(stage.world.shop(), &user);
    let mut attempts = vec![device.act(&deed, &mut owner, stage.snapshots)?];
    let overheard = tapped.to("/transfers");
    let request = overheard.last().ok_or_else(|| WorldError::new("replay", "nothing passed the tap"))?;
    let number = stage.number();
    let mut line = stage.world.line(number)?;
    for _ in 0..COPIES {
        let end = line.exchange(request).map_or(End::Lost, |response| end_of_answer(&response));
        attempts.push(Attempt { event: None, end });
    }
    let accepted = attempts.iter().skip(1).filter(|attempt| attempt.end.allowed()).count();
    let executed = stage.paid(PAYEE) - before;
    let finding = format!("{accepted} of {COPIES} copies were accepted, {executed} transfers executed");
    Ok(Ended { attempts, goal_reached: accepted > 0 || executed > 1, finding, tools: None })
}

/// Somebody on the way puts another payee into genuine transfers, with and without a fresh digest of the body.
/// Goal: the other payee is paid.
pub(super) fn body_swap(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    const SWAPPED: &str = "drop-swapped";
    let holder = stage.account("intercepted")?;
    let user = holder.user.clone();
    let number = stage.number();
    let mut turn = 0_u32;
    let swap = move |request: &mut Request| {
        turn += 1;
        swap_payee(request, SWAPPED, turn.is_multiple_of(2));
    };
    let (tap, _) = Tap::on(stage.world.line(number)?, Some(Box::new(swap)));
    let mut device =
        Device::enrolled(stage.world, number, Make::Tee, holder, Box::new(tap), Box::new(all_clear))?;
    let mut attempts = Vec::new();
    for amount in [40, 70, 120, 900] {
        let deed = Deed::Transfer { payee: "merchant-rent".to_owned(), amount };
        let mut owner = Owner::new(stage.world.shop(), &user);
        attempts.push(device.act(&deed, &mut owner, stage.snapshots)?);
    }
    Ok(Ended::by_money(stage, attempts, SWAPPED))
}

fn swap_payee(request: &mut Request, payee: &str, with_digest: bool) {
    let body = String::from_utf8_lossy(&request.body).replace("merchant-rent", payee);
    request.body = body.into_bytes();
    if with_digest {
        let digest = glacis_seal::httpsig::content_digest(&glacis_seal::sha256(&request.body));
        let fields =
            request.headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("content-digest"));
        fields.for_each(|(_, value)| value.clone_from(&digest));
    }
}

/// Requests that the script wants answered.
pub(crate) const BURST: usize = 300;

/// A script on a genuine device reads its account as fast as it can. Goal: every single read is answered.
pub(super) fn scripted_burst(stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
    let holder = stage.account("scripted")?;
    let mut device = stage.device(Make::Tee, holder, all_clear)?;
    let mut attempts = Vec::with_capacity(BURST);
    let before = stage.world.shop().views("scripted");
    for _ in 0..BURST {
        attempts.push(device.act(&Deed::View, &mut Stranger::default(), stage.snapshots)?);
    }
    let served = stage.world.shop().views("scripted") - before;
    let finding = format!("{served} of {BURST} reads were answered");
    Ok(Ended { attempts, goal_reached: served as usize >= BURST, finding, tools: None })
}
