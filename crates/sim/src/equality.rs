//! The equality check by brute force: run = whole (invariant 1), what leaves a device (2), gain-nothing (11).
//!
//! Random policies are compiled from text, cut into slices and run zone by zone over random snapshots; the
//! reference interpreter decides the same snapshots on the typed source. [`soak`] compares them for a seed and a
//! number of cases, [`soak_policy`] does so for one given policy. With the feature `mutants`, `mutants` proves that
//! the comparison sees something: it seeds bugs into the evaluator until each was caught. A case is named by the
//! seed of its policy and its number, so a divergence repeats.

mod cuts;
mod expression;
mod models;
mod pairs;
mod policy;
pub(crate) mod run;
pub(crate) mod snapshot;
mod strict;

use crate::rng::Rng;
pub use cuts::{Cuts, cuts};
use glacis_compiler::catalogue::Birth;
use glacis_compiler::reference::{Snapshot, whole};
use glacis_compiler::{Compiled, Diagnostic, Source, compile};
use glacis_policy::Binding;
use glacis_wire::{
    Answer, Disclosed, Encode, Given, Method, NodeOutcome, PolicyDigest, Trust, Verdict, Zone,
};
pub use pairs::{Pairs, pairs};
use policy::Draft;
use run::{Engine, Event, Ran, Zones};
use snapshot::{Device, Domain};

/// What [`soak`] found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Cases compared.
    pub cases: u64,
    /// Cases in which something differed.
    pub diverged: u64,
    /// The first of them.
    pub divergences: Vec<Divergence>,
    /// Policies compiled.
    pub policies: u64,
    /// Policies that the compiler refused; more than a few make the generator useless.
    pub refused: u64,
    /// Why, for the first of them.
    pub refusals: Vec<String>,
    /// Cases decided on the device, at the edge, in the cloud.
    pub decided: [u64; 3],
    /// Cases that ended in allow, challenge, block.
    pub verdicts: [u64; 3],
    /// Cases whose two snapshots differ on the device and agree on what is released.
    pub pairs: u64,
    /// Cases in which an aggregate is known to lie in an interval only.
    pub intervals: u64,
    /// Cases of policies in which a release node reads values of the request.
    pub searches: u64,
    /// Cases in which a claim made the verdict stricter than withholding it.
    pub believed: u64,
}

/// One case in which a run and the whole differ. Everything in it is made up, so it may be shown.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// Seed of the policy.
    pub policy_seed: u64,
    /// Which snapshot of it.
    pub case: u64,
    /// What differed.
    pub what: String,
    /// The policy file.
    pub policy: String,
    /// The snapshot, the passed method and the outage.
    pub event: String,
}

/// Snapshots that are tried on each policy: compiling costs more than deciding.
const CASES_PER_POLICY: u64 = 16;
/// Divergences and refusals that a report keeps whole.
const KEPT_MAX: usize = 5;

/// Compares `cases` random cases of random policies.
pub fn soak(seed: u64, cases: u64) -> Report {
    let mut report = Report { seed, ..Report::default() };
    let mut rng = Rng::new(seed);
    while report.cases < cases {
        let policy_seed = rng.word();
        match World::draw(policy_seed) {
            Ok(mut world) => {
                report.policies += 1;
                for case in 0..CASES_PER_POLICY.min(cases - report.cases) {
                    one(&mut world, case, &mut report);
                }
            }
            Err(Refused::ByCompiler(why)) => {
                report.refused += 1;
                if report.refusals.len() < KEPT_MAX {
                    report.refusals.push(why);
                }
            }
            Err(Refused::Broken { what, policy }) => {
                report.diverge(Divergence { policy_seed, case: 0, what, policy, event: String::new() });
                report.cases += 1;
            }
        }
    }
    report
}

/// Compares `cases` random cases of one policy, such as a shipped one; it must compile.
pub fn soak_policy(catalogue: &str, policy: &str, seed: u64, cases: u64) -> Report {
    let mut report = Report { seed, ..Report::default() };
    let draft = Draft::written(catalogue, policy);
    match World::of(seed, draft) {
        Ok(mut world) => {
            report.policies += 1;
            (0..cases).for_each(|case| one(&mut world, case, &mut report));
        }
        Err(Refused::ByCompiler(what) | Refused::Broken { what, .. }) => report.diverge(Divergence {
            policy_seed: seed,
            case: 0,
            what,
            policy: policy.to_owned(),
            event: String::new(),
        }),
    }
    report
}

fn one(world: &mut World, case: u64, report: &mut Report) {
    let scene = Scene::draw(world, case);
    report.cases += 1;
    let interval = |given: &Given| matches!(given.answer, Answer::Interval(_));
    let searches = world.compiled.layout().nodes.iter().any(|node| !node.requests.is_empty());
    report.searches += u64::from(searches);
    report.intervals += u64::from(scene.snapshot.answers.values().any(interval));
    match compare(world, &scene, Engine::Sound) {
        Ok(compared) => {
            report.pairs += u64::from(compared.pair);
            report.believed += u64::from(compared.believed);
            count(&mut report.decided, compared.ran.zone as usize);
            let verdict = match compared.ran.verdict {
                Verdict::Allow => 0,
                Verdict::Challenge(_) => 1,
                Verdict::Block => 2,
            };
            count(&mut report.verdicts, verdict);
        }
        Err(what) => report.diverge(world.divergence(case, &scene, what)),
    }
}

fn count(counters: &mut [u64; 3], at: usize) {
    if let Some(counter) = counters.get_mut(at) {
        *counter += 1;
    }
}

impl Report {
    fn diverge(&mut self, divergence: Divergence) {
        self.diverged += 1;
        if self.divergences.len() < KEPT_MAX {
            self.divergences.push(divergence);
        }
    }
}

/// One compiled policy with its loaded slices.
#[derive(Debug)]
struct World {
    seed: u64,
    draft: Draft,
    compiled: Compiled,
    domain: Domain,
    zones: Zones,
}

/// Why a seed gives no world.
#[derive(Debug)]
enum Refused {
    /// The compiler said no; the generator overstepped.
    ByCompiler(String),
    /// The compiler said yes and its slices are wrong.
    Broken { what: String, policy: String },
}

impl World {
    fn draw(seed: u64) -> Result<Self, Refused> {
        Self::of(seed, policy::draw(&mut Rng::new(seed)))
    }

    fn of(seed: u64, draft: Draft) -> Result<Self, Refused> {
        Self::version(seed, draft, 0)
    }

    /// As [`of`](Self::of), with a digest of its own for each `version`.
    fn version(seed: u64, mut draft: Draft, version: u8) -> Result<Self, Refused> {
        let compiled = compile_counting(&mut draft)?;
        let broken = |what| Refused::Broken { what, policy: draft.policy() };
        let slices = compiled.slices(&Binding::unbound(PolicyDigest::new([version; PolicyDigest::LEN])));
        let zones = Zones::load(compiled.checked(), &slices).map_err(broken)?;
        let domain = Domain::of(compiled.checked());
        Ok(Self { seed, draft, compiled, domain, zones })
    }

    /// The encoded slices.
    fn slices(&self) -> [Vec<u8>; 3] {
        self.compiled.slices(&Binding::unbound(self.zones.policy()))
    }

    fn divergence(&self, case: u64, scene: &Scene, what: String) -> Divergence {
        let answers: Vec<_> =
            scene.snapshot.answers.iter().map(|(name, given)| format!("{name} = {given:?}")).collect();
        let event = format!(
            "device {:?}, passed {:?}, outage {}\n{}",
            scene.device,
            scene.passed,
            scene.outage,
            answers.join("\n")
        );
        Divergence { policy_seed: self.seed, case, what, policy: self.draft.policy(), event }
    }
}

/// Compiles a draft, taking the number of release nodes from the compiler's refusals.
fn compile_counting(draft: &mut Draft) -> Result<Compiled, Refused> {
    let mut why = String::new();
    // Each round corrects every rule that the compiler counted otherwise.
    for _ in 0..3 {
        let policy = draft.policy();
        let catalogue = Source { name: "signals.toml", text: &draft.catalogue };
        match compile(catalogue, Source { name: "policy.toml", text: &policy }, None) {
            Ok(compiled) => return Ok(compiled),
            Err(diagnostics) => {
                why = format!("{diagnostics}");
                if !recount(draft, diagnostics.iter()) {
                    break;
                }
            }
        }
    }
    Err(Refused::ByCompiler(why))
}

/// Takes over what diagnostics say of release nodes; whether there was anything.
fn recount<'d>(draft: &mut Draft, diagnostics: impl Iterator<Item = &'d Diagnostic>) -> bool {
    let mut changed = false;
    for diagnostic in diagnostics {
        let rule = diagnostic.path.strip_prefix("rule.r").and_then(|rest| rest.split('.').next());
        let rule = rule.and_then(|at| at.parse::<usize>().ok()).and_then(|at| draft.rules.get_mut(at));
        let help = diagnostic.help.as_deref().unwrap_or_default();
        changed |= rule.is_some_and(|rule| rule.correct(diagnostic.code, help));
    }
    changed
}

/// One event to compare on.
#[derive(Debug)]
struct Scene {
    snapshot: Snapshot,
    /// Another snapshot of the same event, to compare what leaves the device.
    other: Snapshot,
    /// What a dishonest device claims.
    forged: u64,
    device: Device,
    passed: Option<Method>,
    outage: bool,
}

impl Scene {
    fn draw(world: &World, case: u64) -> Self {
        let mut rng = Rng::new(world.seed).part(&case.to_string());
        let device = Device::draw(&mut rng);
        let checked = world.compiled.checked();
        let mut other = world.domain.snapshot(&mut rng, checked, device);
        let snapshot = world.domain.snapshot(&mut rng, checked, device);
        for (name, given) in &mut other.answers {
            if rng.chance(60)
                && let Some(same) = snapshot.answers.get(name)
            {
                given.clone_from(same);
            }
        }
        let passed = if rng.chance(60) { None } else { rng.pick(&Method::ALL).copied() };
        Self { snapshot, other, forged: rng.word(), device, passed, outage: rng.chance(25) }
    }

    const fn event<'a>(&'a self, snapshot: &'a Snapshot) -> Event<'a> {
        Event { snapshot, device: self.device, passed: self.passed, outage: self.outage }
    }
}

/// A case without a difference, and which properties it really exercised.
#[derive(Debug)]
struct Compared {
    ran: Ran,
    pair: bool,
    believed: bool,
}

/// Compares one case on every point; the error says what differed.
fn compare(world: &mut World, scene: &Scene, engine: Engine) -> Result<Compared, String> {
    let ran = equal(world, scene, engine)?;
    let pair = leaves_only_releases(world, scene, engine)?;
    let believed = gains_nothing(world, scene, engine)?;
    Ok(Compared { ran, pair, believed })
}

/// Invariant 1: same verdict and method, same duties after settlement, reasons that the whole has too; and no
/// started challenge that the whole is milder than.
fn equal(world: &mut World, scene: &Scene, engine: Engine) -> Result<Ran, String> {
    let want = whole(world.compiled.checked(), &scene.snapshot, scene.passed, scene.outage);
    let ran = world.zones.run(engine, &scene.event(&scene.snapshot))?;
    if ran.verdict != want.verdict {
        return Err(format!(
            "verdict: run {:?} in the {}, whole {:?}",
            ran.verdict,
            ran.zone.name(),
            want.verdict
        ));
    }
    if ran.obligations != want.obligations {
        return Err(format!("obligations: run {:?}, whole {:?}", ran.obligations, want.obligations));
    }
    let matched = want.matched.iter().cloned().collect();
    let justified =
        if ran.zone == Zone::Cloud { ran.reasons == matched } else { ran.reasons.is_subset(&matched) };
    if !justified {
        return Err(format!("reasons: run {:?}, whole {:?}", ran.reasons, want.matched));
    }
    let started = ran.started.map_or(Verdict::Allow, Verdict::Challenge);
    if world.zones.rank(want.verdict) < world.zones.rank(started) {
        return Err(format!("started {started:?}, whole {:?}", want.verdict));
    }
    Ok(ran)
}

/// Invariant 2: two snapshots that agree on what is released leave the same bytes, and the same early verdict
/// or prompt. Whether there were two such.
fn leaves_only_releases(world: &mut World, scene: &Scene, engine: Engine) -> Result<bool, String> {
    let Device::Runs(_) = scene.device else { return Ok(false) };
    let one = world.zones.device(engine, &scene.event(&scene.snapshot))?;
    let two = world.zones.device(engine, &scene.event(&scene.other))?;
    // NaN differs from itself, so values are compared as they are encoded.
    let values = |early: &run::Early| early.disclosed.values.iter().map(Encode::to_bytes).collect::<Vec<_>>();
    if one.disclosed.nodes != two.disclosed.nodes || values(&one) != values(&two) {
        return Ok(false);
    }
    if one.disclosed.to_bytes() != two.disclosed.to_bytes() {
        return Err("disclosures of equal releases differ".to_owned());
    }
    let (early, other) = ((one.settled, one.started), (two.settled, two.started));
    if early != other {
        return Err(format!("equal releases, yet the device shows {early:?} and {other:?}"));
    }
    let differ = |name| scene.snapshot.answers.get(name) != scene.other.answers.get(name);
    let mut device =
        world.compiled.checked().signals().values().filter(|signal| signal.birth == Birth::Device);
    Ok(device.any(|signal| differ(&signal.name)))
}

/// Invariant 11: whatever a device discloses, the verdict is no milder than with everything that is not trusted
/// withheld. Whether it was stricter.
fn gains_nothing(world: &mut World, scene: &Scene, engine: Engine) -> Result<bool, String> {
    let Device::Runs(trust) = scene.device else { return Ok(false) };
    let event = scene.event(&scene.snapshot);
    let honest = world.zones.device(engine, &event)?.disclosed;
    let withheld = world.zones.withhold(&honest, trust);
    let forged = forge(world, scene, &honest, trust);
    let floor = world.zones.trusted(engine, &event, Some(&withheld), None)?.verdict;
    let mut believed = false;
    for (claim, disclosed) in [("honest", &honest), ("forged", &forged)] {
        let verdict = world.zones.trusted(engine, &event, Some(disclosed), None)?.verdict;
        let (bought, floor_rank) = (world.zones.rank(verdict), world.zones.rank(floor));
        if bought < floor_rank {
            return Err(format!("the {claim} disclosure buys {verdict:?}, withholding {floor:?}"));
        }
        believed |= bought > floor_rank;
    }
    Ok(believed)
}

/// A disclosure whose untrusted parts are invented.
fn forge(world: &World, scene: &Scene, honest: &Disclosed, trust: Trust) -> Disclosed {
    const OUTCOMES: [NodeOutcome; 4] =
        [NodeOutcome::False, NodeOutcome::True, NodeOutcome::Unknown, NodeOutcome::Error];
    let mut rng = Rng::new(scene.forged);
    let mut forged = honest.clone();
    for slot in world.zones.disclosed_slots().filter(|slot| trust < slot.min_trust) {
        match slot.source {
            glacis_policy::Source::Node(at) => {
                let outcome = rng.pick(&OUTCOMES).copied().unwrap_or(NodeOutcome::False);
                run::set(&mut forged.nodes, at, outcome);
            }
            glacis_policy::Source::Value(at) => {
                run::set(&mut forged.values, at, Answer::Value(world.domain.value(&mut rng, slot.ty)));
            }
            _ => {}
        }
    }
    forged
}

/// Which seeded bugs the comparison caught.
#[cfg(feature = "mutants")]
#[derive(Clone, Debug, Default)]
pub struct Mutants {
    /// Each caught bug and the number of cases that it took.
    pub caught: Vec<(&'static str, u64)>,
    /// Those that no case showed.
    pub missed: Vec<&'static str>,
}

/// Runs the comparison with each seeded bug until it is caught, or for `cases` cases.
#[cfg(feature = "mutants")]
pub fn mutants(seed: u64, cases: u64) -> Mutants {
    let mut alive: Vec<glacis_policy::mutant::Mutant> = glacis_policy::mutant::Mutant::ALL.to_vec();
    let mut found = Mutants::default();
    let mut rng = Rng::new(seed).part("mutants");
    let mut seen = 0;
    while seen < cases && !alive.is_empty() {
        let Ok(mut world) = World::draw(rng.word()) else {
            seen += 1;
            continue;
        };
        for case in 0..CASES_PER_POLICY {
            seen += 1;
            let scene = Scene::draw(&world, case);
            if compare(&mut world, &scene, Engine::Sound).is_err() {
                continue;
            }
            alive.retain(|mutant| {
                let caught = compare(&mut world, &scene, Engine::Mutant(*mutant)).is_err();
                if caught {
                    found.caught.push((mutant.name(), seen));
                }
                !caught
            });
        }
    }
    found.missed = alive.into_iter().map(glacis_policy::mutant::Mutant::name).collect();
    found
}
