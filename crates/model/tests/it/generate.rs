//! Random ensembles and inputs from a `u64` seed.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "test code"
)]

use glacis_model::build::{Column, Ensemble, Node};
use glacis_model::{Input, Kind, Link};
use std::hash::{BuildHasher, Hasher, RandomState};

/// SplitMix64 (Steele, Lea, Flood 2014): enough to make cases, and one line to reproduce.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True in `percent` of 100 cases.
    pub(crate) const fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// Runs `case` for the fixed and for a fresh seed; the seed of a failing case is printed.
pub(crate) fn for_each_case(case: impl Fn(&mut Random)) {
    #[expect(
        clippy::disallowed_methods,
        reason = "how many cases is the only thing a test asks the environment"
    )]
    let cases = std::env::var("GLACIS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256_u64);
    let fresh = RandomState::new().build_hasher().finish();
    for start in [1, fresh] {
        for seed in (0..cases).map(|at| start.wrapping_add(at)) {
            let shown = Shown(seed);
            case(&mut Random::new(seed));
            drop(shown);
        }
    }
}

/// Prints the seed when a case panics.
struct Shown(u64);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failing case: Random::new({})", self.0);
        }
    }
}

/// What a random ensemble may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) features: usize,
    pub(crate) trees: usize,
    pub(crate) depth: usize,
}

/// An ensemble whose leaves are multiples of 2^-10, so that sums of doubles are exact.
pub(crate) fn ensemble(random: &mut Random, size: Size) -> Ensemble {
    let features: Vec<Column> = (0..1 + random.below(size.features))
        .map(|at| Column {
            name: format!("f{at}"),
            kind: if random.chance(30) { Kind::Int } else { Kind::Double },
            zero_is_missing: random.chance(20),
        })
        .collect();
    let trees = (0..random.below(size.trees + 1)).map(|_| tree(random, &features, size.depth)).collect();
    let link = random.pick(&[Link::Identity, Link::Logistic]);
    Ensemble { features, trees, base: leaf(random), link, slack: 0.0 }
}

fn leaf(random: &mut Random) -> f64 {
    (random.below(4001) as f64 - 2000.0) / 1024.0
}

/// A tree whose children stand anywhere behind or before their parents.
fn tree(random: &mut Random, features: &[Column], depth: usize) -> Vec<Node> {
    let mut nodes = vec![Node::Leaf(0.0)];
    let mut open = vec![(0, 0)];
    while let Some((at, level)) = open.pop() {
        // Some trees are full, others end early.
        nodes[at] = if level >= depth || random.chance(25) {
            Node::Leaf(leaf(random))
        } else {
            let feature = random.below(features.len());
            let (left, right) = (nodes.len(), nodes.len() + 1);
            nodes.extend([Node::Leaf(0.0); 2]);
            let (left, right) = if random.chance(50) { (left, right) } else { (right, left) };
            open.extend([(left, level + 1), (right, level + 1)]);
            let from = from(random, features[feature].kind);
            Node::Split { feature, from, missing_right: random.chance(50), left, right }
        };
    }
    nodes
}

fn from(random: &mut Random, kind: Kind) -> f64 {
    let small = random.below(9) as f64 - 4.0;
    match (kind, random.below(8)) {
        (Kind::Int, 0..6) | (Kind::Double, 0) => small,
        (Kind::Int, _) => small + 0.5,
        (Kind::Double, 1) => 1e-35_f32.into(),
        (Kind::Double, 2) => -f64::from(1e-35_f32),
        (Kind::Double, 3) => random.pick(&[f64::INFINITY, f64::MAX, f64::MIN, 5e-324, 1e300]),
        (Kind::Double, _) => small / 3.0,
    }
}

/// The values at which something may change, for each feature; `Input::Missing` among them.
pub(crate) fn candidates(ensemble: &Ensemble, feature: usize) -> Vec<Input> {
    let mut found = vec![Input::Missing, Input::Double(0.0), Input::Double(-0.0), Input::Int(0)];
    let zero = f64::from(1e-35_f32);
    let mut at = vec![f64::NEG_INFINITY, f64::INFINITY, zero, -zero];
    for node in ensemble.trees.iter().flatten() {
        if let Node::Split { feature: other, from, .. } = node
            && *other == feature
        {
            at.push(*from);
        }
    }
    for value in at {
        found.extend([value.next_down(), value, value.next_up()].map(Input::Double));
        if value.abs() < 1e6 {
            found.extend([value.floor() as i64, value.ceil() as i64].map(Input::Int));
        }
    }
    found
}

/// A point.
pub(crate) fn point(random: &mut Random, ensemble: &Ensemble, feature: usize) -> Input {
    match random.below(6) {
        0 => Input::Missing,
        1 => Input::Int(random.next() as i64 >> random.below(64)),
        2 => Input::Double(f64::from_bits(random.next())),
        _ => random.pick(&candidates(ensemble, feature)),
    }
}

/// Anything.
pub(crate) fn any(random: &mut Random, ensemble: &Ensemble, feature: usize) -> Input {
    let ends = |random: &mut Random| {
        let all = candidates(ensemble, feature);
        let mut double = || match random.pick(&all) {
            Input::Double(value) => value,
            Input::Int(value) => value as f64,
            _ => 0.25,
        };
        (double(), double())
    };
    match random.below(4) {
        0 => Input::Unknown,
        1 => {
            let (a, b) = ends(random);
            Input::Doubles { lo: a.min(b), hi: a.max(b) }
        }
        2 => {
            let (a, b) = ends(random);
            let (a, b) = (a.clamp(-1e6, 1e6).floor() as i64, b.clamp(-1e6, 1e6).floor() as i64);
            Input::Ints { lo: a.min(b), hi: a.max(b) }
        }
        _ => point(random, ensemble, feature),
    }
}
