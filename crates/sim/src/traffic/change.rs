//! Changing credentials: a month of 800 people, and those who got into an account or talk its owner into it.
//!
//! Assumed kinds: password 40 %, address 20 %, phone, e-mail, limit, passkey 10 % each. A helper who steers the screen is
//! there in 1 % of all changes that people make.

use super::crowd::{Act, DAY, HOUR, Hands, MINUTE, Traffic, people, stranger, weighted};
use crate::rng::Rng;
use glacis_wire::{Method, Tier};

/// People and attackers of a month.
pub(super) fn draw(rng: &mut Rng) -> Traffic {
    let homes = people(&mut rng.part("homes"), PEOPLE);
    let mut acts: Vec<Act> = (0..CHANGES).filter_map(|_| person(rng, &homes)).collect();
    acts.extend(entered(&mut rng.part("entered")));
    acts.extend(talked(&mut rng.part("talked")));
    let frozen = (0..60).map(|victim| user(VICTIMS + victim)).collect();
    Traffic { acts, lists: vec![("frozen_users", frozen)] }
}

fn person(rng: &mut Rng, homes: &[Hands]) -> Option<Act> {
    let hands = rng.pick(homes).copied()?;
    let kinds =
        [(40, "password"), (20, "address"), (10, "phone"), (10, "email"), (10, "limit"), (10, "passkey")];
    let kind = weighted(rng, &kinds)?;
    let act = Act::person(rng.below(30 * DAY), hands).detects("app.remote_control", rng.chance(1));
    Some(changing(act, hands.device, kind))
}

/// Somebody entered the account: with a relayed code on his own phone, and on the phone that he took.
fn entered(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for number in 0..60 {
        let at = rng.below(29 * DAY);
        let own = stranger(number, Tier::Hardware);
        let relayed = Act::attack("relayed code, own phone", at, own).passing(Method::Otp);
        acts.push(changing(relayed, number, "phone"));
        // The theft was reported; the thief has the phone and saw how it is unlocked.
        let taken = stranger(100 + number, Tier::Strong);
        let reported = Act::attack("stolen phone, reported", at, taken).passing(Method::Passkey);
        acts.push(changing(reported, VICTIMS + number, "email"));
        // The same before anybody reported it: one change after the other.
        for (step, kind) in [(0, "password"), (1, "phone"), (2, "email"), (3, "passkey")] {
            let at = at + HOUR + step * MINUTE;
            let hands = stranger(200 + number, Tier::Strong);
            let act = Act::attack("stolen phone, not yet reported", at, hands).passing(Method::Passkey);
            acts.push(changing(act, VICTIMS + 100 + number, kind));
        }
    }
    acts
}

/// The owner does it, led by somebody who sees the screen.
fn talked(rng: &mut Rng) -> Vec<Act> {
    let one = |number| {
        let hands = stranger(300 + number, Tier::Strong);
        let act = Act::attack("owner led from afar", rng.below(29 * DAY), hands).passing(Method::Passkey);
        changing(act, VICTIMS + 200 + number, "limit").detects("app.remote_control", true)
    };
    (0..60).map(one).collect()
}

fn changing(act: Act, owner: u32, kind: &str) -> Act {
    act.text("user", user(owner)).text("change.kind", kind)
}

fn user(number: u32) -> String {
    format!("user-{number}")
}

const PEOPLE: u32 = 800;
const CHANGES: u32 = 2_000;
/// Users who are attacked begin here.
const VICTIMS: u32 = 10_000;
