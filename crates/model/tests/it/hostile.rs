//! Files that are no model, or nearly one: each gives an error with its place, and none takes long.

#![expect(clippy::unwrap_used, reason = "test code")]

use crate::generate::for_each_case;
use glacis_model::Model;
use glacis_model::import::{Format, IMPORT_BYTES_MAX, import};

fn error(format: Format, text: &str) -> String {
    import(format, text.as_bytes()).unwrap_err().to_string()
}

fn xgb(trees: &str) -> String {
    format!(
        r#"{{"learner": {{"gradient_booster": {{"name": "gbtree", "model": {{"trees": [{trees}]}}}},
        "learner_model_param": {{"base_score": "5E-1", "num_class": "0", "num_feature": "2"}},
        "objective": {{"name": "reg:squarederror"}}}}}}"#
    )
}

fn xgb_tree(left: &str, right: &str, conditions: &str) -> String {
    format!(
        r#"{{"left_children": {left}, "right_children": {right}, "split_indices": [1, 0, 0],
        "split_conditions": {conditions}, "default_left": [1, 0, 0], "split_type": [0, 0, 0],
        "tree_param": {{"size_leaf_vector": "1"}}}}"#
    )
}

const LEFT: &str = "[1, -1, -1]";
const RIGHT: &str = "[2, -1, -1]";

#[test]
fn a_broken_tree_of_xgboost_is_an_error_with_tree_and_node() {
    let good = xgb_tree(LEFT, RIGHT, "[0.5, 1, 2]");
    let bytes = import(Format::Xgboost, xgb(&good).as_bytes()).unwrap().bytes;
    assert_eq!(
        Model::load(&bytes).unwrap().features().map(|feature| feature.name).collect::<Vec<_>>(),
        ["f1"]
    );
    for (tree, says) in [
        (
            xgb_tree("[0, -1, -1]", RIGHT, "[0.5, 1, 2]"),
            "tree 1, node 0: more than one way leads to the node",
        ),
        (
            xgb_tree("[2, -1, -1]", RIGHT, "[0.5, 1, 2]"),
            "tree 1, node 2: more than one way leads to the node",
        ),
        (xgb_tree("[7, -1, -1]", RIGHT, "[0.5, 1, 2]"), "tree 1, node 7: node does not exist"),
        (xgb_tree("[-2, -1, -1]", RIGHT, "[0.5, 1, 2]"), "tree 1, node 0: `left_children` is not a number"),
        (xgb_tree(LEFT, "[2]", "[0.5, 1, 2]"), "tree 1, node 1: there is no `right_children[1]`"),
        (xgb_tree(LEFT, RIGHT, "[NaN, 1, 2]"), "tree 1, node 0: `split_conditions` is not a finite number"),
        (xgb_tree(LEFT, RIGHT, "[1e39, 1, 2]"), "tree 1, node 0: `split_conditions` is not a finite number"),
        (xgb_tree(LEFT, RIGHT, "[0.5, NaN, 2]"), "tree 1, node 1: leaf is not a finite number"),
        (xgb_tree(LEFT, RIGHT, "[0.5, 1, -Infinity]"), "tree 1, node 2: leaf is not a finite number"),
        (xgb_tree("[]", "[]", "[]"), "tree 1: tree has no node"),
        (xgb_tree("{}", RIGHT, "[0.5, 1, 2]"), "tree 1: `left_children` is not an array"),
        (good.replacen("[1, 0, 0]", "[2, 0, 0]", 1), "tree 1, node 0: feature does not exist"),
        (good.replace("[0, 0, 0]", "[1, 0, 0]"), "tree 1, node 0: categorical split is not imported"),
        (good.replace("\"1\"", "\"2\""), "tree 1: leaves with several outputs"),
    ] {
        let text = error(Format::Xgboost, &xgb(&format!("{good}, {tree}")));
        assert!(text.starts_with(says), "{text}\n{says}");
    }
}

#[test]
fn what_is_around_the_trees_of_xgboost_is_checked() {
    let good = xgb(&xgb_tree(LEFT, RIGHT, "[0.5, 1, 2]"));
    for (from, to, says) in [
        ("5E-1", "none", "`base_score` is not one number in a string"),
        ("5E-1", "[1, 2]", "`base_score` is not one number in a string"),
        ("5E-1", "NaN", "`base_score` is not in its range"),
        ("5E-1", "1E38", "leaves or base are too large for any scale"),
        ("\"num_feature\": \"2\"", "\"num_feature\": \"99999999999\"", "file is longer"),
        ("\"num_feature\": \"2\"", "\"x\": 2", "there is no `num_feature`"),
        ("reg:squarederror", "survival:cox", "objective `survival:cox`"),
        ("\"num_class\": \"0\"", "\"num_class\": \"x\"", "`num_class` is not a number in a string"),
        ("\"gradient_booster\"", "\"booster\"", "there is no `gradient_booster`"),
        ("\"trees\"", "\"trees\": [], \"trees\"", "`trees` is not there once"),
    ] {
        assert!(good.contains(from));
        let text = error(Format::Xgboost, &good.replace(from, to));
        assert!(text.starts_with(says), "{text}\n{says}");
    }
    let logistic = good.replace("reg:squarederror", "binary:logistic").replace("5E-1", "1");
    assert!(error(Format::Xgboost, &logistic).contains("not in its range"));
}

fn lgb(trees: &str) -> String {
    format!(
        r#"{{"num_class": 1, "num_tree_per_iteration": 1, "objective": "regression", "average_output": false,
        "feature_names": ["a", "b"], "tree_info": [{trees}]}}"#
    )
}

fn lgb_tree(more: &str) -> String {
    format!(
        r#"{{"tree_structure": {{"split_feature": 0, "threshold": 0.5, "decision_type": "<=", "default_left": true,
        "missing_type": "NaN", "left_child": {{"leaf_value": 1.5}}, "right_child": {more}}}}}"#
    )
}

#[test]
fn a_broken_tree_of_lightgbm_is_an_error_with_tree_and_node() {
    let good = lgb_tree(r#"{"leaf_value": 2}"#);
    assert!(import(Format::Lightgbm, lgb(&good).as_bytes()).is_ok());
    for (tree, says) in [
        (lgb_tree(r#"{"leaf_value": NaN}"#), "tree 1, node 2: `leaf_value` is not a finite number"),
        (lgb_tree(r#"{"leaf_value": 1e400}"#), "tree 1, node 2: `leaf_value` is not a finite number"),
        (lgb_tree(r#"{"leaf_value": "1"}"#), "tree 1, node 2: `leaf_value` is not a number"),
        (lgb_tree("{}"), "tree 1, node 2: there is no `leaf_value`"),
        (lgb_tree("7"), "tree 1, node 2: there is no `leaf_value`"),
        (lgb_tree(r#"{"leaf_value": 1, "leaf_coeff": []}"#), "tree 1, node 2: linear trees"),
        (good.replace("\"<=\"", "\"==\""), "tree 1, node 0: categorical split"),
        (good.replace("\"<=\"", "\"<\""), "tree 1, node 0: decision type `<` is not known"),
        (good.replace("0.5", "Infinity"), "tree 1, node 0: `threshold` is not a finite number"),
        (good.replace("\"NaN\"", "\"Odd\""), "tree 1, node 0: `missing_type` is not None, Zero or NaN"),
        (
            good.replace("\"split_feature\": 0", "\"split_feature\": 2"),
            "tree 1, node 0: `split_feature` is not a feature",
        ),
        (good.replace("\"NaN\"", "\"Zero\""), "tree 1, node 0: zero is missing in some splits"),
        (good.replace("\"left_child\"", "\"left\""), "tree 1, node 0: there is no `left_child`"),
        (good.replace("\"tree_structure\"", "\"tree\""), "tree 1: there is no `tree_structure`"),
    ] {
        let text = error(Format::Lightgbm, &lgb(&format!("{good}, {tree}")));
        assert!(text.starts_with(says), "{text}\n{says}");
    }
}

#[test]
fn depth_is_bounded_before_and_after_the_json() {
    let nested = |levels: usize| {
        let split = r#"{"split_feature": 0, "threshold": 0.5, "decision_type": "<=", "default_left": true,
            "missing_type": "NaN", "left_child": {"leaf_value": 1}, "right_child": "#;
        let tree = format!("{}{{\"leaf_value\": 0}}{}", split.repeat(levels), "}".repeat(levels));
        lgb(&format!("{{\"tree_structure\": {tree}}}"))
    };
    let bytes = import(Format::Lightgbm, nested(64).as_bytes()).unwrap().bytes;
    assert_eq!(Model::load(&bytes).unwrap().depth(), 64);
    let text = error(Format::Lightgbm, &nested(65));
    assert!(text.starts_with("tree 0, node 128: tree is deeper than 64 splits"), "{text}");
    assert!(error(Format::Lightgbm, &nested(100_000)).contains("nested too deep"));
}

#[test]
fn too_much_is_refused_before_it_is_read() {
    let long = vec![b' '; IMPORT_BYTES_MAX + 1];
    assert!(import(Format::Xgboost, &long).unwrap_err().to_string().contains("file is longer"));
    let wide: String = (0..300).map(|at| format!("\"n{at}\", ")).collect();
    let split = |feature: usize| {
        lgb_tree(r#"{"leaf_value": 2}"#)
            .replace("\"split_feature\": 0", &format!("\"split_feature\": {feature}"))
    };
    let trees = (0..300).map(split).collect::<Vec<_>>().join(", ");
    let text = error(Format::Lightgbm, &lgb(&trees).replace("\"a\", ", &wide));
    assert_eq!(text, "more than 256 features that trees read");
    // Features that nothing reads do not count.
    let one = lgb(&split(299)).replace("\"a\", ", &wide);
    let imported = import(Format::Lightgbm, one.as_bytes()).unwrap();
    assert_eq!(imported.unread, 300);
}

#[test]
fn the_best_iteration_is_noted() {
    let good = xgb(&xgb_tree(LEFT, RIGHT, "[0.5, 1, 2]"));
    let noted = good.replacen("{\"gradient", "{\"attributes\": {\"best_iteration\": \"17\"}, \"gradient", 1);
    let imported = import(Format::Xgboost, noted.as_bytes()).unwrap();
    assert!(
        imported.notes.iter().any(|note| note.contains("17 as its best iteration")),
        "{:?}",
        imported.notes
    );
}

#[test]
fn a_damaged_file_is_an_error_or_another_model() {
    let files = [
        (Format::Xgboost, xgb(&xgb_tree(LEFT, RIGHT, "[0.5, 1, 2]"))),
        (Format::Lightgbm, lgb(&lgb_tree(r#"{"leaf_value": 2}"#))),
    ];
    for_each_case(|random| {
        let (format, text) = random.pick(&files);
        let mut bytes = text.into_bytes();
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.pick(b"0129-.eE\"[]{},:\\ "),
                2 => bytes.insert(at, random.pick(b"0129-.eE\"[]{},:\\ ")),
                _ => drop(bytes.remove(at)),
            }
        }
        match import(format, &bytes) {
            Ok(imported) => assert!(Model::load(&imported.bytes).is_ok()),
            Err(error) => assert!(error.offset().is_none_or(|at| at <= bytes.len()), "{error}"),
        }
    });
}
