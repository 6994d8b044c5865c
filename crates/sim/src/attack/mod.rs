//! The attackers of the demo: what each does, what it wants, and what it is expected to run into.
//!
//! An attack is code against the [`World`], with the same SDK and the same sockets as everybody else; it never
//! asks a zone for mercy and is never told to fail. Whether its goal was reached is measured at the shop. The
//! zone that stopped it is not written here: it is derived after the run from refusals and decision records
//! ([`zone`]), and only then compared with the expectation.

mod app;
mod chip;
mod end;
mod identity;
mod tap;
mod traffic;
pub mod zone;

pub(crate) use app::{HOOKED_AMOUNT, HOOKED_TRANSFERS};
pub use end::{Attempt, End};

use crate::actor::{Device, Holder, Signals};
use crate::persona::Stranger;
use crate::policies::Policies;
use crate::report::Stop;
use crate::schedule::{Deed, Make};
use crate::snapshots::Snapshots;
use crate::world::{World, WorldError};
use std::time::Duration;

/// One attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Its name in reports.
    pub name: &'static str,
    /// The zone in which it is expected to end.
    pub expected: Stop,
    run: fn(&mut Stage<'_>) -> Result<Ended, WorldError>,
}

impl Attack {
    /// Every attack that needs nothing of a world, in the order in which they run.
    pub const ALL: [Self; 11] = [
        Self { name: "emulator-farm", expected: Stop::Ecosystem, run: identity::emulator_farm },
        Self { name: "hooked-app", expected: Stop::Device, run: app::hooked },
        Self { name: "hooked-app-unleashed", expected: Stop::Edge, run: app::hooked_unleashed },
        Self { name: "cloned-key", expected: Stop::Ecosystem, run: identity::cloned_key },
        Self { name: "forged-clear", expected: Stop::Edge, run: app::forged_clear },
        Self { name: "repackaged-app", expected: Stop::Edge, run: app::repackaged },
        Self { name: "replay", expected: Stop::Edge, run: traffic::replay },
        Self { name: "body-swap", expected: Stop::Edge, run: traffic::body_swap },
        Self { name: "scripted-burst", expected: Stop::Edge, run: traffic::scripted_burst },
        Self { name: "stolen-account", expected: Stop::Cloud, run: identity::stolen_account },
        Self { name: "mule", expected: Stop::Cloud, run: identity::mule },
    ];

    /// What attacks devices with a TPM.
    const OF_CHIPS: [Self; 2] = [
        Self { name: "copied-disk", expected: Stop::Ecosystem, run: chip::copied_disk },
        Self { name: "restored-disk", expected: Stop::Ecosystem, run: chip::restored_disk },
    ];

    /// The attacks that this world has something for.
    pub fn of(world: &dyn World) -> Vec<Self> {
        let chips = Self::OF_CHIPS.into_iter().filter(|_| world.chips().is_some());
        Self::ALL.into_iter().chain(chips).collect()
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// If the world fails under it; being stopped is no error.
    pub fn run(&self, stage: &mut Stage<'_>) -> Result<Ended, WorldError> {
        (self.run)(stage)
    }
}

/// What an attack works with.
pub struct Stage<'a> {
    /// What can be reached.
    pub world: &'a dyn World,
    /// Where snapshots are kept.
    pub snapshots: &'a Snapshots,
    /// The policies in force, to compare verdicts by their rank.
    pub policies: &'a Policies,
    /// A benign user who has paid before, from a device of the own.
    pub mark: &'a Holder,
    /// Number of the next device.
    pub next_device: u32,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("next_device", &self.next_device).finish_non_exhaustive()
    }
}

impl Stage<'_> {
    /// A number for a new device.
    pub fn number(&mut self) -> u32 {
        self.next_device += 1;
        self.next_device
    }

    /// An account that the attacker opened.
    pub fn account(&self, user: &str) -> Result<Holder, WorldError> {
        self.world.shop().register(user, "attacker's own");
        let token = self.world.shop().issue(user).ok_or_else(|| WorldError::new("shop", "no token"))?;
        Ok(Holder { user: user.to_owned(), token })
    }

    /// An enrolled device of `holder` whose process reports `sense`.
    pub fn device(
        &mut self,
        make: Make,
        holder: Holder,
        sense: impl FnMut() -> Signals + Send + 'static,
    ) -> Result<Device, WorldError> {
        let number = self.number();
        let line = self.world.line(number)?;
        Device::enrolled(self.world, number, make, holder, line, Box::new(sense))
    }

    /// What a thief does with a device: transfers to `payee` that nobody agreed to.
    ///
    /// # Errors
    /// If the world fails.
    pub fn steal(&self, device: &mut Device, payee: &str) -> Result<Vec<Attempt>, WorldError> {
        let transfer = |amount| {
            let deed = Deed::Transfer { payee: payee.to_owned(), amount };
            device.act(&deed, &mut Stranger::default(), self.snapshots)
        };
        STOLEN_AMOUNTS.into_iter().map(transfer).collect()
    }

    /// How many transfers to `payee` the shop executed.
    pub fn paid(&self, payee: &str) -> usize {
        self.world.shop().transfers().iter().filter(|transfer| transfer.payee == payee).count()
    }
}

/// Of so much each are the transfers of a thief: above what a weak device may send, in no order.
const STOLEN_AMOUNTS: [i64; 3] = [2_000, 4_500, 1_200];
/// How often it is looked whether the gateway has heard of a fork, and how long between two looks: what reaches it by the
/// feed does so within ten seconds (DESIGN §5.3).
const LOOKS_MAX: u32 = 40;
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// How an attack ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Every action that it began.
    pub attempts: Vec<Attempt>,
    /// Whether it reached its goal.
    pub goal_reached: bool,
    /// What was measured.
    pub finding: String,
    /// Tools of others with which it attacked, where it used some.
    pub tools: Option<String>,
}

impl Ended {
    /// A goal that is money sent to `payee`.
    fn by_money(stage: &Stage<'_>, attempts: Vec<Attempt>, payee: &str) -> Self {
        let paid = stage.paid(payee);
        Self {
            attempts,
            goal_reached: paid > 0,
            finding: format!("{paid} transfers to {payee} were executed"),
            tools: None,
        }
    }
}
