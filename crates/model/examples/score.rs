//! What a score costs: 100 complete trees of depth 6 over 40 features, all known, one row at a time.
//!
//! Trees and rows are random, so that no branch is learned. Times are the best and the median of some rounds.
//!
//! `cargo run --release -p glacis-model --features import --example score`

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "an example measures, and stops where it cannot"
)]

use glacis_model::build::{Column, Ensemble, Node};
use glacis_model::{Input, Kind, Link, Model, Scratch};
use std::hint::black_box;
use std::time::Instant;

const TREES: usize = 100;
const DEPTH: usize = 6;
const FEATURES: usize = 40;
const ROWS: usize = 2_000;
const ROUNDS: usize = 41;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn tree(random: &mut Random) -> Vec<Node> {
    let splits = (1 << DEPTH) - 1;
    let split = |at: usize, random: &mut Random| Node::Split {
        feature: random.below(FEATURES),
        // Bins as a trainer makes them: 255 a feature.
        from: (1 + random.below(255)) as f64 / 256.0,
        missing_right: random.below(2) == 0,
        left: 2 * at + 1,
        right: 2 * at + 2,
    };
    let mut nodes: Vec<Node> = (0..splits).map(|at| split(at, random)).collect();
    nodes.extend((0..=splits).map(|_| Node::Leaf(random.unit() - 0.5)));
    nodes
}

fn main() {
    let mut random = Random(20_261_130);
    let column = |at: usize| Column { name: format!("f{at}"), kind: Kind::Double, zero_is_missing: false };
    let ensemble = Ensemble {
        features: (0..FEATURES).map(column).collect(),
        trees: (0..TREES).map(|_| tree(&mut random)).collect(),
        base: 0.0,
        link: Link::Logistic,
        slack: 0.0,
    };
    let bytes = ensemble.encode().unwrap().bytes;
    let model = Model::load(&bytes).unwrap();
    let row =
        |random: &mut Random| -> Vec<Input> { (0..FEATURES).map(|_| Input::Double(random.unit())).collect() };
    let rows: Vec<Vec<Input>> = (0..ROWS).map(|_| row(&mut random)).collect();
    let mut scratch = Scratch::new();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for row in &rows {
                black_box(model.score(black_box(row), &mut scratch));
            }
            start.elapsed().as_secs_f64() * 1e9 / ROWS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{TREES} trees, depth {DEPTH}, {FEATURES} features: {:.0} ns a score at best, {:.0} in the median; {} bytes",
        times[0],
        times[ROUNDS / 2],
        bytes.len()
    );
}
