//! One round of the demo: benign actions in the order of the schedule, with the attacks between them.
//!
//! Everything runs one after another, so that a paired measurement sees an idle machine and a seed names the
//! order of events; whether the world has sockets makes no difference here. What comes out is what actors saw;
//! zones, sums and equality are judged from the records afterwards ([`crate::verdicts`]).

use crate::actor::{self, Device, Holder};
use crate::attack::{Attack, Attempt, End, Ended, Stage};
use crate::policies::Policies;
use crate::report::{AttackReport, BenignReport, DecidedReport, LatencyReport, Stop};
use crate::schedule::{Action, Schedule};
use crate::snapshots::Snapshots;
use crate::terminal::{Live, Progress};
use crate::world::{World, WorldError};
use glacis_wire::message::refusal::Refusal;
use std::collections::BTreeMap;
use std::time::Duration;

/// What actors saw of one or more rounds.
#[derive(Debug, Default)]
pub struct Seen {
    /// Benign actions with their ends.
    pub benign: Vec<Attempt>,
    /// Added latency of allowed benign actions that needed no challenge. Unit: microseconds.
    pub added_us: Vec<i64>,
    /// Attacks with their ends, in order.
    pub attacks: Vec<(Attack, Ended)>,
    /// The same as the live table shows them.
    glimpsed: Vec<AttackReport>,
}

impl Seen {
    /// Benign actions by end.
    pub fn benign_report(&self) -> BenignReport {
        let mut report = BenignReport::default();
        for attempt in &self.benign {
            report.requests += 1;
            match attempt.end {
                End::Allowed { challenged: false } => report.allowed += 1,
                End::Allowed { challenged: true } => report.challenged += 1,
                _ => report.blocked += 1,
            }
        }
        report
    }

    /// How benign actions ended that did not go on: each end and how often.
    pub fn benign_stopped(&self) -> BTreeMap<String, u32> {
        let mut ends = BTreeMap::new();
        for attempt in self.benign.iter().filter(|attempt| !attempt.end.allowed()) {
            *ends.entry(attempt.end.to_string()).or_default() += 1;
        }
        ends
    }

    /// Adds an attack to the live table. Who decided shows in counters, since nothing else runs meanwhile.
    fn glimpse(&mut self, attack: Attack, ended: &Ended, cloud_decided: bool) {
        let stopped: Vec<End> =
            ended.attempts.iter().map(|attempt| attempt.end).filter(|end| !end.allowed()).collect();
        let zone = stopped.iter().find_map(|end| match end {
            End::Refused(Refusal::EnrolmentRefused) => Some(Stop::Ecosystem),
            End::Refused(_) => Some(Stop::Edge),
            End::OnDevice => Some(Stop::Device),
            End::Blocked | End::Challenged(_) => Some(if cloud_decided { Stop::Cloud } else { Stop::Edge }),
            _ => None,
        });
        self.glimpsed.retain(|known| known.name != attack.name);
        self.glimpsed.push(AttackReport {
            name: attack.name,
            zone,
            verdict: stopped.last().map_or_else(|| "allow".to_owned(), |end| end.verdict()),
            requests: u32::try_from(ended.attempts.len()).unwrap_or(u32::MAX),
            stopped: u32::try_from(stopped.len()).unwrap_or(u32::MAX),
            tools: ended.tools.clone(),
            expected: attack.expected,
            goal_reached: ended.goal_reached,
            finding: String::new(),
        });
    }

    fn on_device(&self) -> u32 {
        let attempts = self.attacks.iter().flat_map(|(_, ended)| &ended.attempts);
        u32::try_from(attempts.filter(|attempt| attempt.end == End::OnDevice).count()).unwrap_or(u32::MAX)
    }

    /// Every action that became an event: that some zone decided.
    pub fn events(&self) -> u32 {
        let attempts = self.attacks.iter().flat_map(|(_, ended)| &ended.attempts).chain(&self.benign);
        u32::try_from(attempts.filter(|attempt| attempt.is_event()).count()).unwrap_or(u32::MAX)
    }
}

/// The fleet of one run, enrolled.
#[derive(Debug)]
pub struct Fleet {
    devices: Vec<Device>,
    /// Number of the next device.
    next_device: u32,
}

impl Fleet {
    /// Registers everybody at the shop and enrols their devices.
    ///
    /// # Errors
    /// If a benign device is refused.
    pub fn enrol(world: &dyn World, schedule: &Schedule) -> Result<Self, WorldError> {
        let mut devices = Vec::new();
        let mut next_device = 0;
        for person in &schedule.people {
            next_device += 1;
            world.shop().register(&person.user, "own");
            let token =
                world.shop().issue(&person.user).ok_or_else(|| WorldError::new("shop", "no token"))?;
            let holder = Holder { user: person.user.clone(), token };
            let line = world.line(next_device)?;
            let sense = Box::new(actor::all_clear);
            devices.push(Device::enrolled(world, next_device, person.make, holder, line, sense)?);
        }
        Ok(Self { devices, next_device })
    }

    /// How many benign devices there are.
    pub const fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }
}

/// Everything one round needs.
pub struct Round<'a> {
    /// The world.
    pub world: &'a dyn World,
    /// The plan.
    pub schedule: &'a Schedule,
    /// The policies in force.
    pub policies: &'a Policies,
    /// Where snapshots go.
    pub snapshots: &'a Snapshots,
    /// Time between two benign actions.
    pub pace: Duration,
}

impl std::fmt::Debug for Round<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Round").field("pace", &self.pace).finish_non_exhaustive()
    }
}

impl Round<'_> {
    /// Runs it and adds to `seen`; `stop` ends it between two actions, and then the answer is false.
    ///
    /// # Errors
    /// If the world fails.
    pub fn run(
        &self,
        fleet: &mut Fleet,
        seen: &mut Seen,
        progress: &mut dyn Progress,
        stop: &dyn Fn() -> bool,
    ) -> Result<bool, WorldError> {
        let actions = &self.schedule.actions;
        let attacks = Attack::of(self.world);
        let clock = self.world.host("watch");
        let began = clock.monotonic();
        let mut drawn = began;
        let mut done = 0;
        fleet.devices.iter_mut().try_for_each(|device| device.log_in(self.world))?;
        for (number, action) in actions.iter().enumerate() {
            if stop() {
                return Ok(false);
            }
            // Attacks come at even distances, none before each device has acted once.
            let due = (number + 1) * (attacks.len() + 1) / (actions.len() + 1);
            while done < due.min(attacks.len()) && number >= fleet.devices.len() {
                let Some(attack) = attacks.get(done) else { break };
                progress.live(&self.live(seen, clock.monotonic() - began, Some(attack.name)));
                self.attack(*attack, fleet, seen)?;
                done += 1;
            }
            self.benign(action, fleet, seen)?;
            self.world.pass(self.pace);
            let now = clock.monotonic();
            if now.saturating_sub(drawn) >= REDRAW_EVERY {
                drawn = now;
                progress.live(&self.live(seen, now - began, None));
            }
        }
        for attack in attacks.iter().skip(done) {
            self.attack(*attack, fleet, seen)?;
        }
        progress.live(&self.live(seen, clock.monotonic() - began, None));
        Ok(true)
    }

    fn attack(&self, attack: Attack, fleet: &mut Fleet, seen: &mut Seen) -> Result<(), WorldError> {
        let mark = fleet
            .devices
            .get(Schedule::MARK)
            .ok_or_else(|| WorldError::new("fleet", "nobody to steal from"))?;
        let mut stage = Stage {
            world: self.world,
            snapshots: self.snapshots,
            policies: self.policies,
            mark: mark.holder(),
            next_device: fleet.next_device,
        };
        let before = self.world.decided();
        let ended = attack.run(&mut stage)?;
        fleet.next_device = stage.next_device;
        seen.glimpse(attack, &ended, self.world.decided().1 > before.1);
        seen.attacks.push((attack, ended));
        Ok(())
    }

    /// One benign action and its paired direct request; which of the two goes first alternates.
    fn benign(&self, action: &Action, fleet: &mut Fleet, seen: &mut Seen) -> Result<(), WorldError> {
        let Some(device) = fleet.devices.get_mut(action.person) else { return Ok(()) };
        // A run that goes on for a day outlives what was vouched for at its beginning; a refusal shows in the action.
        let _renewed = device.keep_attested()?;
        let clock = self.world.host("watch");
        let holder = device.holder().clone();
        let plain = self.world.plain();
        let direct = |device: &mut Device| {
            let start = clock.monotonic();
            let served = actor::direct(device.line(), plain, &action.deed, &holder);
            let took = clock.monotonic() - start;
            if served { Ok(took) } else { Err(WorldError::new("shop", "a direct request was not served")) }
        };
        let direct_first = seen.benign.len() % 2 == 1;
        let before = if direct_first { Some(direct(device)?) } else { None };
        let mut owner = actor::owner(self.world, &holder.user);
        let start = clock.monotonic();
        let attempt = device.act(&action.deed, &mut owner, self.snapshots)?;
        let through = clock.monotonic() - start;
        let alone = match before {
            Some(took) => took,
            None => direct(device)?,
        };
        if attempt.end == (End::Allowed { challenged: false }) {
            seen.added_us.push(micros(through) - micros(alone));
        }
        seen.benign.push(attempt);
        Ok(())
    }

    fn live(&self, seen: &Seen, elapsed: Duration, attacking: Option<&'static str>) -> Live {
        let (edge, cloud) = self.world.decided();
        Live {
            elapsed,
            benign: seen.benign_report(),
            planned: u32::try_from(self.schedule.actions.len()).unwrap_or(u32::MAX),
            decided: DecidedReport { device: seen.on_device(), edge, cloud },
            added_p50_us: LatencyReport::of(seen.added_us.clone()).p50,
            attacks: seen.glimpsed.clone(),
            attacking,
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// Time between two drawings of the live table.
const REDRAW_EVERY: Duration = Duration::from_millis(150);
