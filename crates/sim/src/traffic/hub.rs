//! Commands in homes: a day of 400 homes with a hub or a partner's cloud in front of their things, and who wants in.
//!
//! Assumed: 74 % read, 20 % set (every fiftieth above 25 degrees), 3.5 % unlock, 1 % disarm (six in ten by a hand on the
//! hub), 1 % open a valve, 0.5 % update. A fifth of reading and setting is done by automations, without a user.

use super::crowd::{Act, DAY, HOUR, Hands, Traffic, between, people, stranger, weighted};
use crate::rng::Rng;
use glacis_wire::{Method, Tier};

/// Homes and attackers of a day.
pub(super) fn draw(rng: &mut Rng) -> Traffic {
    let homes = people(&mut rng.part("homes"), HOMES);
    let mut acts: Vec<Act> = (0..COMMANDS).filter_map(|_| person(rng, &homes)).collect();
    acts.extend(taken(&mut rng.part("taken")));
    acts.extend(swept(&mut rng.part("swept")));
    acts.extend(thieves(&mut rng.part("thieves")));
    let stolen = (0..60).map(|thing| format!("stolen-{thing}")).collect();
    Traffic { acts, lists: vec![("stolen_things", stolen)] }
}

fn person(rng: &mut Rng, homes: &[Hands]) -> Option<Act> {
    let hands = rng.pick(homes).copied()?;
    let commands =
        [(740, "read"), (200, "set"), (35, "unlock"), (10, "disarm"), (10, "open_valve"), (5, "update")];
    let command = weighted(rng, &commands)?;
    let act = Act::person(rng.below(DAY), hands);
    let act = commanding(act, &format!("home-{}-{}", hands.device, rng.below(12)), command);
    let act = if matches!(command, "read" | "set") && rng.chance(20) {
        act
    } else {
        act.text("user", format!("user-{}", hands.device))
    };
    let warm = if rng.below(50) == 0 { between(rng, 26, 29) } else { between(rng, 16, 25) };
    let act = if command == "set" { act.int("setpoint", warm) } else { act };
    Some(act.detects("hub.button", command == "disarm" && rng.chance(60)))
}

/// A hub on somebody's bench, and an account with a voice assistant in front.
fn taken(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for number in 0..60 {
        let opened = Act::attack("opened hub", rng.below(DAY), stranger(number, Tier::Hardware));
        let opened = commanding(opened, &format!("taken-{number}"), "read").detects("hub.case_open", true);
        acts.push(opened);
        let voice = Act::attack("voice through a window", rng.below(DAY), stranger(100 + number, Tier::None));
        let voice = voice.text("user", format!("user-{number}"));
        acts.push(commanding(voice, &format!("home-{number}-0"), "unlock"));
    }
    acts
}

/// Accounts of a manufacturer's cloud, each used on two hundred homes: doors, heatings, and a setting that burns.
fn swept(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for account in 0..3_u32 {
        for home in 0..200 {
            let at = 18 * HOUR + home * 5 + rng.below(5);
            let hands = stranger(200 + account, Tier::Hardware);
            let (what, command, warm) = match account {
                0 => ("many homes, doors", "unlock", None),
                1 => ("many homes, heatings up", "set", Some(28)),
                _ => ("many homes, beyond reason", "set", Some(60)),
            };
            let act = Act::attack(what, at, hands).passing(Method::Passkey);
            let act = commanding(act, &format!("home-{home}-1"), command);
            let act = act.text("user", format!("account-{account}"));
            acts.push(match warm {
                Some(warm) => act.int("setpoint", warm),
                None => act,
            });
        }
    }
    acts
}

/// Stolen locks, one lock again and again, and an alarm whose button a forged hub claims.
fn thieves(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for number in 0..60 {
        let at = 20 * HOUR + number * 3;
        let lock = Act::attack("stolen locks", rng.below(DAY), stranger(300, Tier::Hardware));
        let lock = lock.passing(Method::Passkey).text("user", "thief");
        acts.push(commanding(lock, &format!("stolen-{number}"), "unlock"));
        let again = Act::attack("one lock, again and again", at, stranger(301, Tier::Hardware));
        acts.push(commanding(again.text("user", "neighbour"), "home-7-0", "unlock"));
        let alarm = Act::attack("forged button", at, stranger(302, Tier::Software));
        let alarm = alarm.text("user", "user-9").detects("hub.button", true);
        acts.push(commanding(alarm, "home-9-0", "disarm"));
    }
    acts
}

fn commanding(act: Act, target: &str, command: &str) -> Act {
    act.text("target", target).text("command", command)
}

const HOMES: u32 = 400;
const COMMANDS: u32 = 6_000;
