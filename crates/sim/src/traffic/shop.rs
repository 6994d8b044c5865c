//! A shop with a limited sale: a day of 700 people who look and reserve, scripts, emulators, farms and crawlers.
//!
//! Assumed: 55 % of requests look at an article, 37 % at a page of a list (nine in ten of these at one of the first five),
//! 8 % reserve, a third of that in the limited sale. Every hundredth software device is an emulator that somebody uses
//! for want of a phone. Whoever works a farm of real phones by hand passes their own passkeys.

use super::crowd::{Act, DAY, HOUR, Hands, MINUTE, Traffic, between, people, stranger};
use crate::rng::Rng;
use glacis_wire::{Method, Tier};

/// People and attackers of a day.
pub(super) fn draw(rng: &mut Rng) -> Traffic {
    let homes = people(&mut rng.part("homes"), PEOPLE);
    let mut acts: Vec<Act> = (0..REQUESTS).filter_map(|_| person(rng, &homes)).collect();
    acts.extend(scripts(&mut rng.part("scripts")));
    acts.extend(farms(&mut rng.part("farms")));
    acts.extend(crawlers(&mut rng.part("crawlers")));
    Traffic { acts, lists: Vec::new() }
}

fn person(rng: &mut Rng, homes: &[Hands]) -> Option<Act> {
    let hands = rng.pick(homes).copied()?;
    let act = Act::person(rng.below(DAY), hands).text("http.user_agent", agent(hands.tier));
    let emulated = hands.tier == Tier::Software && hands.device.is_multiple_of(100);
    let act = act.detects("app.emulator", emulated);
    Some(match rng.below(100) {
        0..55 => looking(act, between(rng, 1_000, 9_000)),
        55..92 => listing(act, if rng.chance(90) { between(rng, 1, 6) } else { between(rng, 6, 30) }),
        _ => {
            let drop = rng.chance(33);
            let quantity = between(rng, 1, 3);
            // Two live behind most doors; every fortieth address is a house of students.
            let door = if hands.device.is_multiple_of(40) { 0 } else { hands.device / 2 };
            reserving(act, if drop { 1 } else { between(rng, 1_000, 9_000) }, drop, quantity, door)
        }
    })
}

/// Scripts that say so, scripts that do not, and emulators.
fn scripts(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for number in 0..150 {
        let at = 10 * HOUR + rng.below(10 * MINUTE);
        let door = 10_000 + number % 5;
        let honest = Act::attack("script that says so", at, stranger(0, Tier::None));
        acts.push(reserving(honest.text("http.user_agent", "python-requests/2.32.3"), 1, true, 2, door));
        let lying = Act::attack("script that lies", at, stranger(1, Tier::None));
        acts.push(reserving(lying.text("http.user_agent", agent(Tier::None)), 1, true, 2, door));
        let emulator = Act::attack("emulators", at, stranger(10 + number % 30, Tier::Software));
        let emulator = emulator.text("http.user_agent", agent(Tier::Software)).detects("app.emulator", true);
        acts.push(reserving(emulator, 1, true, 2, door));
    }
    acts
}

/// Real phones: one that comes back again and again, and forty on one desk, worked by hand or by script.
fn farms(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for number in 0..120 {
        let at = 10 * HOUR + rng.below(30 * MINUTE);
        let agent = agent(Tier::Hardware);
        let one = Act::attack("one phone, again and again", at, stranger(100 + number / 30, Tier::Hardware));
        let one = one.text("http.user_agent", agent).passing(Method::Passkey);
        acts.push(reserving(one, 1, true, 2, 20_000 + number / 30));
        let script = Act::attack("phone farm, by script", at, stranger(200 + number % 40, Tier::Hardware));
        acts.push(reserving(script.text("http.user_agent", agent), 1, true, 2, 30_000));
        let hand = Act::attack("phone farm, by hand", at, stranger(300 + number % 40, Tier::Hardware));
        let hand = hand.text("http.user_agent", agent).passing(Method::Passkey);
        acts.push(reserving(hand, 1, true, 2, 40_000));
    }
    acts
}

/// Everything the shop has: ten software devices, 300 articles each, and a script that signs nothing.
fn crawlers(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for device in 0..10_u32 {
        for article in 0..300 {
            let at = 12 * HOUR + article * 10 + rng.below(10);
            let act = Act::attack("crawlers, software devices", at, stranger(400 + device, Tier::Software));
            let act = act.text("http.user_agent", agent(Tier::Software));
            acts.push(looking(act, 1_000 + u64::from(device) * 300 + article));
        }
    }
    for article in 0..300 {
        let act = Act::attack("crawler, no device", 14 * HOUR + article, stranger(420, Tier::None));
        acts.push(looking(act.text("http.user_agent", agent(Tier::None)), 1_000 + article));
    }
    acts
}

fn looking(act: Act, article: u64) -> Act {
    act.text("http.route", "GET /items/{}").text("item", article.to_string())
}

fn listing(act: Act, page: u64) -> Act {
    act.text("http.route", "GET /items").int("page", page)
}

fn reserving(act: Act, article: u64, drop: bool, quantity: u64, door: u32) -> Act {
    let item = if drop { format!("drop-{article}") } else { article.to_string() };
    act.text("http.route", "POST /reservations")
        .text("item", item)
        .int("quantity", quantity)
        .text("deliver_to", format!("door-{door}"))
}

const fn agent(tier: Tier) -> &'static str {
    match tier {
        Tier::None => "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        Tier::Software | Tier::Hardware | Tier::Strong => "Shop/8.1 (Android 16)",
    }
}

const PEOPLE: u32 = 700;
const REQUESTS: u32 = 6_000;
