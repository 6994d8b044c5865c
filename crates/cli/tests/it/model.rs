//! `glacis model` as a person or a script meets it, on models that the libraries saved.

use crate::{code, glacis, stderr, stdout};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn data(name: &str) -> String {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/data");
    folder.join(name).to_string_lossy().into_owned()
}

#[test]
fn an_import_reports_and_writes_a_model_that_show_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("risk.model").to_string_lossy().into_owned();
    let file = data("xgb-logistic.json");
    let import = ["model", "import", &file, "--format", "xgboost"];
    let report = glacis(&import);
    assert_eq!(code(&report), 0, "{}", stderr(&report));
    for part in
        ["12 trees", "splits deep", "<= ", "from the library's own sums", "nothing written", "count_1h"]
    {
        assert!(stdout(&report).contains(part), "{part}\n{}", stdout(&report));
    }
    assert!(!Path::new(&path).exists());
    let json = glacis(&[&import[..], &["--out", &path, "--json", "--probability", "0.9"]].concat());
    assert_eq!(code(&json), 0, "{}", stderr(&json));
    let document: Value = serde_json::from_str(&stdout(&json)).expect("one document");
    assert_eq!(document["bytes"], std::fs::metadata(&path).expect("the model").len());
    assert!(document["quantisation"].as_f64() < document["library_rounding"].as_f64());
    let shown = glacis(&["model", "show", &path, "--json", "--probability", "0.9"]);
    let shown: Value = serde_json::from_str(&stdout(&shown)).expect("one document");
    for same in ["bytes", "features", "steps", "trees", "depth", "bound", "unit", "thresholds", "link"] {
        assert_eq!(shown[same], document[same], "{same}");
    }
    let margin = shown["thresholds"][0]["margin"].as_f64().expect("a margin");
    let score = shown["thresholds"][0]["score"].as_f64().expect("a score");
    let unit = shown["unit"].as_f64().expect("a unit");
    assert!((margin - 9.0_f64.ln()).abs() < 1e-12 && (score * unit - margin).abs() <= unit);
    let people = stdout(&glacis(&["model", "show", &path]));
    assert!(people.contains("12 trees") && people.contains("amount"), "{people}");
}

#[test]
fn what_cannot_be_imported_or_shown_has_its_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken").to_string_lossy().into_owned();
    std::fs::write(&broken, b"GLMD\x01\0").expect("a file");
    let good = data("lgb-deep.json");
    let nowhere = folder.path().join("no/where").to_string_lossy().into_owned();
    for (args, exit, says) in [
        (&["import", &nowhere, "--format", "xgboost"][..], 4, "G7016"),
        (&["import", &good, "--format", "lightgbm", "--out", &nowhere], 4, "G7016"),
        (&["import", &good, "--format", "xgboost"], 1, "there is no `learner` (byte 0)"),
        (&["import", &data("refused/xgb-dart.json"), "--format", "xgboost"], 1, "booster `dart`"),
        (&["import", &data("refused/lgb-categorical.json"), "--format", "lightgbm"], 1, "tree 0, node 0"),
        (&["import", &good, "--format", "onnx"], 2, "lightgbm"),
        (&["import", &good], 2, "--format"),
        (&["import", &good, "--format", "lightgbm", "--probability", "0.5"], 2, "gives no probability"),
        (&["import", &data("lgb-zero.json"), "--format", "lightgbm", "--probability", "1"], 2, "not between"),
        (&["show", &good], 1, "G7018"),
        (&["show", &broken], 1, "not a model at byte 6: input ends early"),
        (&["show", &nowhere], 4, "G7016"),
    ] {
        let output = glacis(&[&["model"][..], args].concat());
        assert_eq!(code(&output), exit, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    assert!(!Path::new(&nowhere).exists());
}
