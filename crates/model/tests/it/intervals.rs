//! An interval holds the score of every completion; within one tree some completion meets each end.

use crate::generate::{Size, any, ensemble, for_each_case};
use crate::naive::{for_each_completion, leaf, margin, reads};
use glacis_model::build::Ensemble;
use glacis_model::{Input, Interval, Kind, Model, Scratch};

const SIZE: Size = Size { features: 3, trees: 4, depth: 5 };

fn inputs_of(random: &mut crate::generate::Random, ensemble: &Ensemble) -> Vec<Input> {
    (0..ensemble.features.len()).map(|feature| any(random, ensemble, feature)).collect()
}

/// Whether an interval of values has holes that an interval of bins does not keep: zeros that a feature takes for
/// missing, and numbers between integers on a feature that compares doubles.
fn has_hole(ensemble: &Ensemble, inputs: &[Input]) -> bool {
    inputs.iter().zip(&ensemble.features).any(|(input, column)| {
        let across = match *input {
            Input::Doubles { lo, hi } => lo <= 1e-34 && hi >= -1e-34,
            Input::Ints { lo, hi } => lo <= 0 && hi >= 0,
            Input::Unknown => true,
            _ => false,
        };
        let ints = matches!(input, Input::Ints { .. });
        (column.zero_is_missing && across) || (column.kind == Kind::Double && ints)
    })
}

#[test]
fn an_interval_holds_every_completion_and_is_the_sum_of_tight_ones_a_tree() {
    for_each_case(|random| {
        let ensemble = ensemble(random, SIZE);
        let built = ensemble.encode().unwrap();
        let model = Model::load(&built.bytes).unwrap();
        let mut scratch = Scratch::new();
        let inputs = inputs_of(random, &ensemble);
        let Interval { lo, hi } = model.score(&inputs, &mut scratch);
        assert!(scratch.steps() <= model.cost().any);
        let (lo, hi) = (model.margin(lo), model.margin(hi));
        for_each_completion(
            &ensemble,
            &inputs,
            |feature| feature < 2,
            |point| {
                let score = margin(&ensemble, point);
                assert!(lo <= score && score <= hi, "{score} is not in [{lo}, {hi}]: {inputs:?} {point:?}");
                assert_eq!(
                    model.score(point, &mut scratch).point().map(|one| model.margin(one)),
                    Some(score)
                );
            },
        );
        let (mut least, mut most) = (ensemble.base, ensemble.base);
        for tree in &ensemble.trees {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for_each_completion(
                &ensemble,
                &inputs,
                |feature| reads(tree, feature),
                |point| {
                    let leaf = leaf(&ensemble, tree, point);
                    (low, high) = (low.min(leaf), high.max(leaf));
                },
            );
            (least, most) = (least + low, most + high);
        }
        if has_hole(&ensemble, &inputs) {
            assert!(lo <= least && most <= hi);
        } else {
            assert_eq!((lo, hi), (least, most), "{inputs:?}");
        }
    });
}

#[test]
fn more_knowledge_never_widens_an_interval() {
    for_each_case(|random| {
        let ensemble = ensemble(random, Size { features: 8, trees: 8, depth: 8 });
        let built = ensemble.encode().unwrap();
        let model = Model::load(&built.bytes).unwrap();
        let mut scratch = Scratch::new();
        let mut inputs = vec![Input::Unknown; ensemble.features.len()];
        let mut wider = model.score(&inputs, &mut scratch);
        for (at, known) in inputs_of(random, &ensemble).into_iter().enumerate() {
            inputs[at] = known;
            let narrower = model.score(&inputs, &mut scratch);
            assert!(wider.lo <= narrower.lo && narrower.lo <= narrower.hi && narrower.hi <= wider.hi);
            assert!(scratch.steps() <= model.cost().any);
            wider = narrower;
        }
    });
}

#[test]
fn the_steps_of_a_score_with_nothing_known_are_near_the_declared_cost() {
    for_each_case(|random| {
        let ensemble = ensemble(random, Size { features: 200, trees: 8, depth: 7 });
        if ensemble.features.len() < 100 {
            // With few features most ways of a random tree contradict themselves.
            return;
        }
        let built = ensemble.encode().unwrap();
        let model = Model::load(&built.bytes).unwrap();
        let mut scratch = Scratch::new();
        model.score(&[], &mut scratch);
        let (taken, declared) = (scratch.steps(), model.cost().any);
        assert!(taken <= declared && declared <= 4 * taken, "{taken} of {declared}");
    });
}

#[test]
fn ends_that_hold_nothing_or_are_no_numbers_leave_everything_open() {
    for_each_case(|random| {
        let ensemble = ensemble(random, SIZE);
        let built = ensemble.encode().unwrap();
        let model = Model::load(&built.bytes).unwrap();
        let mut scratch = Scratch::new();
        let all = model.score(&[], &mut scratch);
        for odd in [
            Input::Doubles { lo: 1.0, hi: 0.0 },
            Input::Doubles { lo: f64::NAN, hi: 0.0 },
            Input::Doubles { lo: 0.0, hi: f64::NAN },
            Input::Ints { lo: 1, hi: 0 },
        ] {
            assert_eq!(model.score(&vec![odd; ensemble.features.len()], &mut scratch), all);
        }
    });
}
