//! A score is the sum that a naive walk in doubles finds: exactly, where the leaves are whole numbers of units.

#![expect(clippy::cast_precision_loss, reason = "test code")]

use crate::generate::{Random, Size, ensemble, for_each_case, point};
use crate::naive::margin;
use glacis_model::build::{Ensemble, Node, Wrong};
use glacis_model::format::DEPTH_MAX;
use glacis_model::{Cost, Input, Kind, Link, Model, Scratch};

const SIZE: Size = Size { features: 12, trees: 9, depth: 7 };

#[test]
fn points_score_as_the_naive_walker_does() {
    for_each_case(|random| {
        let ensemble = ensemble(random, SIZE);
        let built = ensemble.encode().unwrap();
        let model = Model::load(&built.bytes).unwrap();
        let Cost { point: cost, .. } = model.cost();
        let mut scratch = Scratch::new();
        for _ in 0..20 {
            let inputs: Vec<Input> =
                (0..ensemble.features.len()).map(|feature| point(random, &ensemble, feature)).collect();
            let score = model.score(&inputs, &mut scratch).point().unwrap();
            assert_eq!(model.margin(score), margin(&ensemble, &inputs), "{inputs:?}");
            assert_eq!(scratch.steps(), cost, "a point takes the same steps always");
        }
    });
}

#[test]
fn leaves_of_any_size_are_within_the_bound() {
    for_each_case(|random| {
        let mut ensemble = ensemble(random, SIZE);
        let magnitude = 10_f64.powi(i32::try_from(random.below(13)).unwrap() - 6);
        let mut change = |value: &mut f64| *value *= magnitude * (random.below(1000) as f64 / 999.0);
        for node in ensemble.trees.iter_mut().flatten() {
            if let Node::Leaf(value) = node {
                change(value);
            }
        }
        change(&mut ensemble.base);
        let built = ensemble.encode().unwrap();
        let model = Model::load(&built.bytes).unwrap();
        let inputs: Vec<Input> =
            (0..ensemble.features.len()).map(|feature| point(random, &ensemble, feature)).collect();
        let score = model.score(&inputs, &mut Scratch::new()).point().unwrap();
        let naive = margin(&ensemble, &inputs);
        let own_rounding = naive.abs().max(magnitude) * 1e-13;
        assert!((model.margin(score) - naive).abs() <= built.quantisation + own_rounding);
        assert_eq!(model.bound() as f64, (built.quantisation / model.unit()).ceil());
    });
}

#[test]
fn a_model_says_what_it_is() {
    let mut random = Random::new(5);
    let ensemble = loop {
        let ensemble = ensemble(&mut random, SIZE);
        if ensemble.trees.len() > 5 {
            break ensemble;
        }
    };
    let built = ensemble.encode().unwrap();
    let model = Model::load(&built.bytes).unwrap();
    for (feature, column) in model.features().zip(&ensemble.features) {
        assert_eq!((feature.name, feature.kind), (column.name.as_str(), column.kind));
        assert_eq!(feature.zero_is_missing, column.zero_is_missing);
    }
    assert_eq!(model.features().count(), ensemble.features.len());
    let (complete, sparse) = model.layouts();
    assert_eq!(complete + sparse, ensemble.trees.len() as u64);
    assert_eq!(model.trees(), complete + sparse);
    assert!(model.depth() <= SIZE.depth && model.link() == ensemble.link);
    assert_eq!(model.margin(model.base()), ensemble.base);
    assert_eq!(model.bytes(), built.bytes);
}

#[test]
fn a_margin_is_reached_by_the_least_score_that_is_not_below_it() {
    let ensemble = Ensemble {
        features: vec![],
        trees: vec![vec![Node::Leaf(1.0)]],
        base: 0.5,
        link: Link::Logistic,
        slack: 0.0,
    };
    let built = ensemble.encode().unwrap();
    let model = Model::load(&built.bytes).unwrap();
    let score = model.score(&[], &mut Scratch::new()).point().unwrap();
    assert_eq!(model.margin(score), 1.5);
    assert_eq!(model.score_of(1.5), Some(score));
    assert_eq!(model.score_of(1.5 + model.unit() / 4.0), Some(score + 1));
    assert_eq!(model.score_of(-1.5 - model.unit() / 4.0), Some(-score));
    assert_eq!(model.score_of(f64::NAN), None);
    assert_eq!(model.score_of(f64::INFINITY), Some(i64::MAX));
    let even = model.link().margin_of(0.5).and_then(|margin| model.score_of(margin));
    assert_eq!(even, Some(0));
}

/// A chain of splits, each of which turns right at its own number.
fn chain(length: usize) -> Vec<Node> {
    let mut nodes = Vec::new();
    for level in 0..length {
        let (left, right) = (2 * level + 1, 2 * level + 2);
        nodes.push(Node::Split { feature: 0, from: level as f64, missing_right: true, left, right });
        nodes.push(Node::Leaf(level as f64));
    }
    nodes.push(Node::Leaf(-1.0));
    nodes
}

fn one_feature(trees: Vec<Vec<Node>>) -> Ensemble {
    let column =
        glacis_model::build::Column { name: "f".to_owned(), kind: Kind::Double, zero_is_missing: false };
    Ensemble { features: vec![column], trees, base: 0.0, link: Link::Identity, slack: 0.0 }
}

#[test]
fn the_deepest_tree_is_sparse_and_a_deeper_one_is_refused() {
    let ensemble = one_feature(vec![chain(DEPTH_MAX)]);
    let built = ensemble.encode().unwrap();
    let model = Model::load(&built.bytes).unwrap();
    assert_eq!((model.depth(), model.layouts()), (DEPTH_MAX, (0, 1)));
    let mut scratch = Scratch::new();
    for value in [-1.0, 0.0, 7.5, 63.0, f64::INFINITY, f64::NAN] {
        let inputs = [Input::Double(value)];
        let score = model.score(&inputs, &mut scratch).point().unwrap();
        assert_eq!(model.margin(score), margin(&ensemble, &inputs), "{value}");
    }
    let all = model.score(&[Input::Unknown], &mut scratch);
    assert_eq!((model.margin(all.lo), model.margin(all.hi)), (-1.0, 63.0));
    let error = one_feature(vec![chain(1), chain(DEPTH_MAX + 1)]).encode().unwrap_err();
    assert_eq!((error.tree(), error.node()), (Some(1), Some(2 * DEPTH_MAX)));
    assert_eq!(error.wrong(), Wrong::Limit("splits on the way to a leaf", DEPTH_MAX));
}

#[test]
fn what_is_no_tree_is_refused_with_its_place() {
    let split = |left, right| Node::Split { feature: 0, from: 1.0, missing_right: false, left, right };
    let leaf = Node::Leaf(1.0);
    let from = |from| Node::Split { feature: 0, from, missing_right: false, left: 1, right: 2 };
    for (tree, node, wrong) in [
        (vec![], 0, Wrong::NoSuchNode),
        (vec![split(1, 2), leaf], 2, Wrong::NoSuchNode),
        (vec![split(0, 1), leaf], 0, Wrong::TwoParents),
        (vec![split(1, 1), leaf], 1, Wrong::TwoParents),
        (vec![split(1, 2), leaf, split(0, 1)], 1, Wrong::TwoParents),
        (vec![Node::Leaf(f64::NAN)], 0, Wrong::NotFinite("leaf")),
        (vec![Node::Leaf(f64::INFINITY)], 0, Wrong::NotFinite("leaf")),
        (vec![from(f64::NAN), leaf, leaf], 0, Wrong::Threshold),
        (vec![from(f64::NEG_INFINITY), leaf, leaf], 0, Wrong::Threshold),
    ] {
        let error = one_feature(vec![vec![leaf], tree]).encode().unwrap_err();
        assert_eq!((error.tree(), error.wrong()), (Some(1), wrong), "{error}");
        assert!(error.node() == Some(node) || wrong == Wrong::TwoParents, "{error}");
    }
    let mut none = one_feature(vec![vec![split(1, 2), leaf, leaf]]);
    none.features.clear();
    assert_eq!(none.encode().unwrap_err().wrong(), Wrong::NoSuchFeature);
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let mut ensemble = one_feature(vec![vec![Node::Leaf(1.0)]]);
    ensemble.base = f64::NAN;
    assert_eq!(ensemble.encode().unwrap_err().wrong(), Wrong::NotFinite("base"));
    ensemble.base = 1e300;
    assert_eq!(ensemble.encode().unwrap_err().wrong(), Wrong::Range);
    ensemble.base = 0.0;
    for name in ["", "a\nb"] {
        name.clone_into(&mut ensemble.features[0].name);
        assert_eq!(ensemble.encode().unwrap_err().wrong(), Wrong::Name);
    }
    ensemble.features[0].name = "x".repeat(65);
    assert!(matches!(ensemble.encode().unwrap_err().wrong(), Wrong::Limit(_, 64)));
    "f".clone_into(&mut ensemble.features[0].name);
    ensemble.features = vec![ensemble.features[0].clone(); 2];
    assert_eq!(ensemble.encode().unwrap_err().wrong(), Wrong::Name);
    ensemble.features = vec![ensemble.features[0].clone(); 257];
    assert!(matches!(ensemble.encode().unwrap_err().wrong(), Wrong::Limit(_, 256)));
    ensemble.features.clear();
    ensemble.trees = vec![vec![Node::Leaf(1.0)]; (1 << 16) + 1];
    assert!(matches!(ensemble.encode().unwrap_err().wrong(), Wrong::Limit("trees", _)));
}

#[test]
fn tiny_and_huge_leaves_have_a_scale() {
    for (leaf, exact) in [(1e-300, false), (0.0, true), (1e9, true), (1.5e28, false)] {
        let ensemble = one_feature(vec![vec![Node::Leaf(leaf)]]);
        let built = ensemble.encode().unwrap();
        let model = Model::load(&built.bytes).unwrap();
        let score = model.score(&[Input::Missing], &mut Scratch::new()).point().unwrap();
        assert!((model.margin(score) - leaf).abs() <= built.quantisation);
        assert_eq!(model.margin(score) == leaf, exact, "{leaf}");
    }
}

#[test]
fn inputs_that_are_not_given_are_unknown_and_others_are_not_looked_at() {
    let ensemble = one_feature(vec![chain(2)]);
    let built = ensemble.encode().unwrap();
    let model = Model::load(&built.bytes).unwrap();
    let mut scratch = Scratch::new();
    assert_eq!(model.score(&[], &mut scratch), model.score(&[Input::Unknown], &mut scratch));
    let (one, two) = ([Input::Double(0.5)], [Input::Double(0.5), Input::Unknown]);
    assert_eq!(model.score(&two, &mut scratch), model.score(&one, &mut scratch));
}
