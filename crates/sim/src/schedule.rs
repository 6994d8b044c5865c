//! Who lives in the simulated world and what they do, drawn from the seed before anything runs.
//!
//! A schedule is plain data: it opens no socket and knows no zone, so the demo over HTTP and the in-process mode
//! run the very same one. Benign users act as people do (they look more often than they pay, mostly small sums,
//! to a few payees); attackers are placed between their actions.

use crate::rng::Rng;

/// What vouches for a user's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// An Android phone with a chip for keys.
    StrongBox,
    /// An Android phone with a trusted execution environment.
    Tee,
    /// The same with its bootloader unlocked.
    Unlocked,
    /// The same, sound, with an app that somebody else signed.
    Repackaged,
    /// A phone with App Attest.
    Enclave,
    /// No phone: a secure element of the simulated manufacturer.
    Element,
    /// An emulated TPM 2.0, vouched for by the CA of the run.
    Chip,
    /// Nothing: a key in software.
    Software,
}

impl Make {
    /// Whether such a device is worth no more than software.
    pub const fn is_soft(self) -> bool {
        matches!(self, Self::Software | Self::Unlocked)
    }
}

/// One benign user with one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user name, which is also the principal.
    pub user: String,
    /// What vouches for the device.
    pub make: Make,
}

/// What a user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Looks at the own account.
    View,
    /// Sends money.
    Transfer {
        /// To whom.
        payee: String,
        /// How much, in whole units of the currency.
        amount: i64,
    },
}

/// One benign action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Index of the person.
    pub person: usize,
    /// What is done.
    pub deed: Deed,
}

/// How large the world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Users, one device each.
    pub people: u32,
    /// Actions of benign users.
    pub actions: u32,
}

impl Size {
    /// The demo's: a sixth of the actions is by users of tier `software`, who are asked each time, so that well over
    /// 1,000 paired measurements remain.
    pub const DEMO: Self = Self { people: 24, actions: 1_400 };
    /// For tests in unoptimised builds.
    pub const SMALL: Self = Self { people: 6, actions: 48 };
}

/// The benign part of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Everybody, in order of enrolment.
    pub people: Vec<Person>,
    /// What they do, in order.
    pub actions: Vec<Action>,
}

/// Payees of benign transfers that are no users; a mule is never among them.
pub const MERCHANTS: [&str; 6] = [
    "merchant-grocer",
    "merchant-rail",
    "merchant-books",
    "merchant-rent",
    "merchant-power",
    "merchant-phone",
];

/// The payee that the cloud's list names; the `mule` attack pays it.
pub const MULE: &str = "mule-77";

/// The user that the cloud's list `vip` names, if the policy has one.
pub const VIP: &str = "user-01";

impl Schedule {
    /// Index of the person whose token is stolen later; the first thing this person does is to pay.
    pub const MARK: usize = 2;
    /// Most devices with a TPM: one process each.
    const CHIPS: usize = 3;

    /// Draws a world of `size` from `seed`.
    pub fn draw(seed: u64, size: Size) -> Self {
        let root = Rng::new(seed);
        let people: Vec<Person> = (0..size.people).map(person).collect();
        let mut rng = root.part("actions");
        let mut actions = Vec::with_capacity(size.actions as usize);
        for number in 0..size.actions {
            // Everybody acts in turn first, so that each device is used however small the world is.
            let person = if (number as usize) < people.len() {
                number as usize
            } else {
                usize::try_from(rng.below(people.len() as u64)).unwrap_or(0)
            };
            let deed = if number as usize == Self::MARK {
                Deed::Transfer { payee: "merchant-rail".to_owned(), amount: 25 }
            } else {
                deed(&mut rng, person, &people)
            };
            actions.push(Action { person, deed });
        }
        Self { people, actions }
    }

    /// The same world, in which some devices with a TEE have a TPM instead.
    #[must_use]
    pub fn with_chips(mut self) -> Self {
        let tees = self.people.iter_mut().filter(|person| person.make == Make::Tee);
        tees.take(Self::CHIPS).for_each(|person| person.make = Make::Chip);
        self
    }
}

/// Of twelve devices six are Android phones and three are phones with App Attest; every sixth one is worth no more than
/// software: it has none of a platform, or an unlocked one.
fn person(number: u32) -> Person {
    let make = match number % 12 {
        0 | 7 => Make::StrongBox,
        1 | 6 | 9 => Make::Enclave,
        3 | 10 => Make::Element,
        5 => Make::Software,
        11 => Make::Unlocked,
        _ => Make::Tee,
    };
    Person { user: format!("user-{number:02}"), make }
}

/// People look twice as often as they pay; one payment in twelve is large, and users whose device is worth no more than
/// software, who are asked every time, pay less often.
fn deed(rng: &mut Rng, person: usize, people: &[Person]) -> Deed {
    let software = people.get(person).is_some_and(|person| person.make.is_soft());
    if rng.chance(if software { 90 } else { 66 }) {
        return Deed::View;
    }
    let other = usize::try_from(rng.below(people.len() as u64)).unwrap_or(0);
    let friend =
        people.get(other).filter(|_| other != person && rng.chance(30)).map(|friend| friend.user.clone());
    let payee = friend.unwrap_or_else(|| (*rng.pick(&MERCHANTS).unwrap_or(&"merchant-grocer")).to_owned());
    let large = rng.chance(8);
    let amount = if large { 1_500 + rng.below(3_500) } else { 2 + rng.below(400) };
    Deed::Transfer { payee, amount: i64::try_from(amount).unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_draws_the_same_world_and_another_seed_another() {
        let world = Schedule::draw(5, Size::DEMO);
        assert_eq!(world, Schedule::draw(5, Size::DEMO));
        assert_ne!(world, Schedule::draw(6, Size::DEMO));
        assert_eq!(world.actions.len(), Size::DEMO.actions as usize);
    }

    #[test]
    fn benign_people_pay_no_mule_nor_themselves_and_all_act() {
        for seed in 0..20 {
            let world = Schedule::draw(seed, Size::SMALL);
            for (at, person) in world.people.iter().enumerate() {
                assert!(world.actions.iter().any(|action| action.person == at));
                let own = |action: &&Action| action.person == at;
                for action in world.actions.iter().filter(own) {
                    if let Deed::Transfer { payee, amount } = &action.deed {
                        assert!(payee != MULE && *payee != person.user && *amount > 0, "{action:?}");
                    }
                }
            }
            assert!(world.people.iter().any(|person| person.make == Make::Software));
        }
    }
}
