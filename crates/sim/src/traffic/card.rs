//! Paying by card: a month of 1,500 cards at 1,000 stores. No device takes part, so tiers play no role.
//!
//! Assumed amounts as in the labelled file that the policy's threshold is chosen on: people stay below it but for one in
//! two hundred payments, stolen cards are used above it.

use super::crowd::{Act, DAY, Hands, Traffic, between, stranger};
use crate::rng::Rng;
use glacis_wire::{Method, Tier};

/// People and attackers of a month.
pub(super) fn draw(rng: &mut Rng) -> Traffic {
    let mut acts: Vec<Act> = (0..PAYMENTS).map(|_| person(rng)).collect();
    for number in 0..100 {
        let hands = stranger(number, Tier::None);
        let stolen = Act::attack("stolen card", rng.below(30 * DAY), hands);
        acts.push(paying(stolen, rng, u64::from(number), (90_002, 200_000)));
        let closed = Act::attack("closed store", rng.below(30 * DAY), hands).text("store", "store-closed");
        acts.push(paying(closed, rng, u64::from(number), (1_000, 50_000)));
    }
    Traffic { acts, lists: vec![("closed_stores", vec!["store-closed".to_owned()])] }
}

fn person(rng: &mut Rng) -> Act {
    let card = between(rng, 0, 1_500);
    let hands = Hands { device: u32::try_from(card).unwrap_or(0), tier: Tier::None };
    let act = Act::person(rng.below(30 * DAY), hands).passing(Method::Otp);
    let act = act.text("store", format!("store-{}", between(rng, 0, 1_000)));
    let amounts = if rng.below(200) == 0 { (90_002, 120_000) } else { (500, 60_000) };
    paying(act, rng, card, amounts)
}

fn paying(act: Act, rng: &mut Rng, card: u64, (low, high): (u64, u64)) -> Act {
    let country = if rng.chance(90) { "DE" } else { "FR" };
    act.text("card", format!("card-{card}"))
        .int("amount", between(rng, low, high))
        .text("currency", "EUR")
        .text("country", country)
        .flag("card.present", rng.chance(60))
}

const PAYMENTS: u32 = 3_000;
