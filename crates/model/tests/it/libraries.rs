//! Imported models score as the libraries that made them, within the bound that the import states; rows and models
//! are made by `tests/data/make_models.py`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use glacis_model::import::{Format, Imported, Reason, import};
use glacis_model::{Input, Kind, Link, Model, Scratch};
use std::path::{Path, PathBuf};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn format_of(name: &str) -> Format {
    if name.starts_with("xgb") { Format::Xgboost } else { Format::Lightgbm }
}

fn imported(name: &str) -> Imported {
    let json = std::fs::read(data().join(format!("{name}.json"))).unwrap();
    import(format_of(name), &json).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The table of a model: names, and rows with the library's margin last.
fn table(name: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let text = std::fs::read_to_string(data().join(format!("{name}.csv"))).unwrap();
    let mut rows = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    (rows.next().unwrap(), rows.collect())
}

fn input(cell: &str, kind: Kind) -> Input {
    let whole = cell.strip_suffix(".0").and_then(|whole| whole.parse().ok());
    match (cell, kind, whole) {
        ("missing", ..) => Input::Missing,
        (_, Kind::Int, Some(whole)) => Input::Int(whole),
        _ => Input::Double(cell.parse().unwrap()),
    }
}

/// Compares every row; gives the largest difference.
fn compare(name: &str) -> f64 {
    let imported = imported(name);
    let model = Model::load(&imported.bytes).unwrap();
    let (names, rows) = table(name);
    let column = |wanted: &str| names.iter().position(|name| name == wanted).unwrap();
    let places: Vec<_> = model.features().map(|feature| (column(feature.name), feature.kind)).collect();
    let (mut scratch, mut worst) = (Scratch::new(), 0.0_f64);
    let mut scores = Vec::new();
    for row in &rows {
        let inputs: Vec<Input> = places.iter().map(|(at, kind)| input(&row[*at], *kind)).collect();
        let score = model.score(&inputs, &mut scratch).point().unwrap();
        let (own, theirs) = (model.margin(score), row.last().unwrap().parse::<f64>().unwrap());
        let off = (own - theirs).abs();
        assert!(off <= imported.bound(), "{name}: {own} and {theirs} are {off} apart: {row:?}");
        worst = worst.max(off);
        scores.push(score);
    }
    scores.sort_unstable();
    scores.dedup();
    assert!(rows.len() > 100 && scores.len() > 40, "{name}: a table that tells little");
    worst
}

const ALL: &[&str] =
    &["xgb-logistic", "xgb-integers", "xgb-regression", "lgb-binary", "lgb-zero", "lgb-none", "lgb-deep"];

#[test]
fn scores_are_the_libraries_margins_within_the_stated_bound() {
    for name in ALL {
        let worst = compare(name);
        println!("{name}: at most {worst:e} apart, bound {:e}", imported(name).bound());
    }
}

#[test]
fn the_bound_is_small_against_what_scores_differ_by() {
    for name in ALL {
        let imported = imported(name);
        let model = Model::load(&imported.bytes).unwrap();
        let all = model.score(&[], &mut Scratch::new());
        let range = model.margin(all.hi) - model.margin(all.lo);
        assert!(imported.bound() < range * 1e-5, "{name}: {} of {range}", imported.bound());
        let stated = model.margin(i64::try_from(model.bound()).unwrap());
        assert!(stated >= imported.bound() && stated <= imported.bound() + 2.0 * model.unit());
    }
}

#[test]
fn what_an_import_says_of_the_model() {
    let integers = imported("xgb-integers");
    let model = Model::load(&integers.bytes).unwrap();
    assert_eq!(model.link(), Link::Logistic);
    let kinds: Vec<_> = model.features().filter(|feature| feature.kind == Kind::Int).collect();
    assert_eq!(kinds.iter().map(|feature| feature.name).collect::<Vec<_>>(), ["count_1h"]);
    let zero = imported("lgb-zero");
    assert!(Model::load(&zero.bytes).unwrap().features().all(|feature| feature.zero_is_missing));
    let none = imported("lgb-none");
    assert!(Model::load(&none.bytes).unwrap().features().all(|feature| !feature.zero_is_missing));
    let deep = imported("lgb-deep");
    let model = Model::load(&deep.bytes).unwrap();
    assert!(model.depth() > 6 && model.layouts().1 > 0, "the sparse layout is met");
    assert_eq!((model.link(), model.trees(), deep.unread), (Link::Identity, 3, 0));
    assert!(Model::load(&imported("xgb-logistic").bytes).unwrap().layouts().0 > 0);
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    for name in ALL {
        assert_eq!(imported(name), imported(name));
    }
    // Bytes of one model, so that a machine that rounds otherwise is found.
    let bytes = imported("xgb-logistic").bytes;
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    assert_eq!((bytes.len(), sum), GOLDEN);
}

/// Length and FNV-1a of the bytes of `xgb-logistic`.
const GOLDEN: (usize, u64) = (1_190, 6_569_782_445_301_593_524);

#[test]
fn models_that_ours_cannot_mean_are_refused_by_name() {
    for (name, says) in [
        ("xgb-dart", "booster `dart` is not imported"),
        ("xgb-linear", "booster `gblinear` is not imported"),
        ("xgb-classes", "`num_class` is more than 1"),
        ("xgb-poisson", "objective `count:poisson` is not imported"),
        ("xgb-categorical", "tree 0, node 0: categorical split"),
        ("lgb-categorical", "tree 0, node 0: categorical split"),
        ("lgb-classes", "`num_class` is not 1"),
        ("lgb-sigmoid", "objective `binary sigmoid:2` is not imported"),
        ("lgb-forest", "random forests"),
        ("lgb-linear", "linear trees are not imported"),
    ] {
        let json = std::fs::read(data().join("refused").join(format!("{name}.json"))).unwrap();
        let error = import(format_of(name), &json).unwrap_err();
        assert!(matches!(error.reason(), Reason::Refused(_)), "{name}: {error}");
        assert!(error.to_string().contains(says), "{name}: {error}");
        assert!(error.offset().is_some_and(|at| at < json.len()));
    }
}
