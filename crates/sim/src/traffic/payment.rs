//! Ordering payments in a wallet: a month of 500 people, and those who send other people's money.
//!
//! Assumed sums: 40 % below 25, 30 % to 60, 17 % to 150, 7.5 % to 250, 4 % to 1,000, 1.2 % to 5,000, 0.3 % above. A bank
//! whose customers pay rents has more above 250, and asks the cloud for as much more. A helper steers the screen in 0.5 %.

use super::crowd::{Act, DAY, HOUR, Hands, MINUTE, Traffic, between, people, stranger, weighted};
use crate::rng::Rng;
use glacis_wire::{Method, Tier};

/// People and attackers of a month.
pub(super) fn draw(rng: &mut Rng) -> Traffic {
    let homes = people(&mut rng.part("homes"), PEOPLE);
    let mut acts: Vec<Act> = (0..PAYMENTS).filter_map(|_| person(rng, &homes)).collect();
    acts.extend(to_mules(&mut rng.part("mules")));
    acts.extend(stolen(&mut rng.part("stolen")));
    acts.extend(led(&mut rng.part("led")));
    let vip = (0..PEOPLE).filter(|user| user % 100 == 1).map(user).collect();
    let mules = (0..20).map(|mule| format!("mule-{mule}")).collect();
    Traffic { acts, lists: vec![("mules", mules), ("vip", vip)] }
}

fn person(rng: &mut Rng, homes: &[Hands]) -> Option<Act> {
    let owner = rng.pick(homes).copied()?;
    let second = owner.device.is_multiple_of(8) && rng.chance(20);
    let hands = if second { Hands { device: owner.device + PEOPLE, tier: Tier::Hardware } } else { owner };
    let sums = [
        (400, (1, 25)),
        (300, (25, 60)),
        (170, (60, 150)),
        (75, (150, 251)),
        (40, (251, 1_001)),
        (12, (1_001, 5_001)),
        (3, (5_001, 20_000)),
    ];
    let (low, high) = weighted(rng, &sums)?;
    // A quarter goes to forty shops, the rest to somebody.
    let payee = if rng.chance(25) { between(rng, 0, 40) } else { between(rng, 40, 2_000) };
    let act = Act::person(rng.below(30 * DAY), hands).detects("app.remote_control", rng.below(200) == 0);
    Some(paying(act, owner.device, format!("payee-{payee}"), between(rng, low, high)))
}

/// A session that an attacker took over on the victim's own phone.
fn to_mules(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for number in 0..60 {
        let (at, mule) = (rng.below(30 * DAY), format!("mule-{}", number % 20));
        let hands = stranger(number, Tier::Hardware);
        let large = Act::attack("known mule, above 250", at, hands).passing(Method::Passkey);
        acts.push(paying(large, VICTIMS + number, mule.clone(), between(rng, 251, 3_000)));
        let small = Act::attack("known mule, small sums", at + HOUR, hands).passing(Method::Passkey);
        acts.push(paying(small, VICTIMS + number, mule, between(rng, 20, 251)));
        let hooked = Act::attack("tampered app", at + 2 * HOUR, stranger(100 + number, Tier::Software));
        let hooked = hooked.passing(Method::Passkey).detects("app.hooked", true);
        acts.push(paying(hooked, VICTIMS + number, "payee-41".to_owned(), 90));
    }
    acts
}

/// The victim paid lately from the own phone; now somebody else does, from another.
fn stolen(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for number in 0..60 {
        let at = 5 * DAY + rng.below(20 * DAY);
        let victim = VICTIMS + 100 + number;
        let before = Act::person(at - DAY, Hands { device: victim, tier: Tier::Hardware });
        acts.push(paying(before, victim, "payee-3".to_owned(), 20));
        let thief = Act::attack("stolen account, second phone", at, stranger(200 + number, Tier::Hardware));
        acts.push(paying(thief, victim, format!("payee-{}", 3_000 + number), between(rng, 251, 3_000)));
    }
    acts
}

/// The owner pays, led by somebody: one who sees the screen, and one who only talks, for a mule that is on no list.
fn led(rng: &mut Rng) -> Vec<Act> {
    let mut acts = Vec::new();
    for number in 0..60 {
        let hands = stranger(300 + number, Tier::Strong);
        let at = rng.below(30 * DAY);
        let seen = Act::attack("owner led, screen seen", at, hands).passing(Method::Passkey);
        let seen = seen.detects("app.remote_control", true);
        acts.push(paying(seen, VICTIMS + 200 + number, "payee-4000".to_owned(), between(rng, 300, 5_000)));
        let at = 10 * DAY + u64::from(number) * 5 * MINUTE;
        let told = Act::attack("owner led by phone, unlisted mule", at, hands).passing(Method::Passkey);
        acts.push(paying(told, VICTIMS + 300 + number, "payee-4001".to_owned(), between(rng, 300, 5_000)));
    }
    acts
}

fn paying(act: Act, owner: u32, payee: String, amount: u64) -> Act {
    act.text("user", user(owner)).text("payee", payee).int("amount", amount).text("currency", "EUR")
}

fn user(number: u32) -> String {
    format!("user-{number}")
}

const PEOPLE: u32 = 500;
const PAYMENTS: u32 = 4_000;
/// Users who are attacked begin here.
const VICTIMS: u32 = 10_000;
