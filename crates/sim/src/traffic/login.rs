//! Entering accounts: a week of 600 people, some of whom share a device or own two, and those who want to be them.
//!
//! Assumed: in the app 85 % of logins are by passkey, in browsers and on software devices 30 to 40 %. An attacker who
//! relays a code passes `otp`; the owner's passkey is never his.

use super::crowd::{Act, DAY, HOUR, Hands, MINUTE, Traffic, between, people, stranger, weighted};
use crate::rng::Rng;
use glacis_wire::{Method, Tier};

/// People and attackers of a week.
pub(super) fn draw(rng: &mut Rng) -> Traffic {
    let homes = people(&mut rng.part("homes"), PEOPLE);
    let mut acts: Vec<Act> = (0..LOGINS).filter_map(|_| person(rng, &homes)).collect();
    acts.extend(stuffing(&mut rng.part("stuffing")));
    acts.extend(guessing(&mut rng.part("guessing")));
    acts.extend(hooked(&mut rng.part("hooked")));
    acts.extend(relayed(&mut rng.part("relayed")));
    let leaked = (0..PEOPLE).filter(|account| account % 50 == 0).map(account).collect();
    Traffic { acts, lists: vec![("leaked_accounts", leaked)] }
}

fn person(rng: &mut Rng, homes: &[Hands]) -> Option<Act> {
    let owner = rng.pick(homes).copied()?;
    // Every seventh owns a second device, a phone of its own; every twentieth uses the tablet of the family.
    let hands = match owner.device % 20 {
        0 => homes.get(usize::try_from(owner.device / 40 * 40).ok()?).copied()?,
        _ if owner.device.is_multiple_of(7) && rng.chance(30) => {
            Hands { device: owner.device + PEOPLE, tier: Tier::Hardware }
        }
        _ => owner,
    };
    let methods = match hands.tier {
        Tier::None => [(30, "passkey"), (69, "password"), (1, "recovery")],
        Tier::Software => [(40, "passkey"), (59, "password"), (1, "recovery")],
        Tier::Hardware | Tier::Strong => [(85, "passkey"), (14, "password"), (1, "recovery")],
    };
    let method = weighted(rng, &methods)?;
    let act = Act::person(rng.below(7 * DAY), hands);
    // One in a thousand develops apps, or has a phone that looks like it.
    let odd = rng.below(1_000) == 0;
    Some(entering(act, owner.device, method).detects("app.debugger", odd))
}

/// A list of passwords, tried by scripts that no device signs and by emulators that do sign.
fn stuffing(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for victim in 0..300 {
        let at = 2 * DAY + victim * 20;
        let account = between_u32(rng, PEOPLE);
        let bare = Act::attack("stuffing, no device", at, stranger(0, Tier::None));
        acts.push(entering(bare, account, "password"));
        let emulator = stranger(1 + account % 20, Tier::Software);
        acts.push(entering(Act::attack("stuffing, emulators", at, emulator), account, "password"));
    }
    acts
}

/// One account, many passwords.
fn guessing(rng: &mut Rng) -> Vec<Act> {
    let one = |rng: &mut Rng| {
        let at = 3 * DAY + rng.below(2 * HOUR);
        entering(Act::attack("guessing", at, stranger(30, Tier::None)), 17, "password")
    };
    (0..60).map(|_| one(rng)).collect()
}

/// The victim's own session in an app under control, whose sensors still work.
fn hooked(rng: &mut Rng) -> Vec<Act> {
    let one = |number| {
        let hands = stranger(100 + number, Tier::Hardware);
        let act = Act::attack("tampered app", rng.below(7 * DAY), hands).passing(Method::Passkey);
        entering(act, number, "passkey").detects("app.hooked", true)
    };
    (0..60).map(one).collect()
}

/// The victim reads out the code: in a browser, for accounts whose password is on sale, and on a real phone.
fn relayed(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for number in 0..60 {
        let at = rng.below(7 * DAY);
        let browser =
            Act::attack("relayed code, leaked password, browser", at, stranger(200 + number, Tier::None));
        acts.push(entering(browser.passing(Method::Otp), number * 50 % PEOPLE, "password"));
        let phone = stranger(300 + number, Tier::Hardware);
        let phone = Act::attack("relayed code, own phone", at + MINUTE, phone).passing(Method::Otp);
        acts.push(entering(phone, between_u32(rng, PEOPLE), "password"));
    }
    acts
}

fn entering(act: Act, number: u32, method: &str) -> Act {
    act.text("login.account", account(number)).text("login.method", method)
}

fn account(number: u32) -> String {
    format!("account-{number}")
}

fn between_u32(rng: &mut Rng, high: u32) -> u32 {
    u32::try_from(between(rng, 0, u64::from(high))).unwrap_or(0)
}

const PEOPLE: u32 = 600;
const LOGINS: u32 = 4_000;
