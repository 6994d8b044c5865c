//! What an editor asks: files in their one form, and answers while a policy is being written.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use crate::installation::shipped;
use crate::live::wait_for;
use crate::{code, glacis, stdout};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A copy of a shipped policy below `dir`, with its catalogue above it.
fn copied(dir: &Path, name: &str) -> PathBuf {
    let (source, target) = (PathBuf::from(shipped(name)), dir.join(name));
    std::fs::create_dir_all(&target).unwrap();
    std::fs::copy(source.join("../signals.toml"), dir.join("signals.toml")).unwrap();
    for file in ["policy.toml", "cases.toml"] {
        std::fs::copy(source.join(file), target.join(file)).unwrap();
    }
    target
}

fn replace(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

fn fmt(dirs: &[&Path], rest: &[&str]) -> (i32, String) {
    let dirs = dirs.iter().map(|dir| dir.to_str().unwrap());
    let args: Vec<&str> = ["policy", "fmt"].into_iter().chain(dirs).chain(rest.iter().copied()).collect();
    let output = glacis(&args);
    (code(&output), stdout(&output))
}

#[test]
fn fmt_writes_only_what_differs_and_check_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (transfer, view) = (copied(folder.path(), "transfer"), copied(folder.path(), "view"));
    assert_eq!(fmt(&[&transfer, &view], &["--check"]), (0, String::new()));
    let policy = transfer.join("policy.toml");
    let original = std::fs::read_to_string(&policy).unwrap();
    replace(&policy, "effect = \"block\"\ntext", "effect   =  \"block\"\n\n\ntext");
    replace(&folder.path().join("signals.toml"), "cost = 10", "cost=10");
    let untidy = std::fs::read_to_string(&policy).unwrap();
    let (exit, told) = fmt(&[&transfer, &view], &["--check"]);
    assert_eq!((exit, told.lines().count()), (1, 2), "{told}");
    assert_eq!(std::fs::read_to_string(&policy).unwrap(), untidy);
    let (exit, told) = fmt(&[&transfer, &view], &["--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let changed = told["files"].as_array().unwrap().iter().filter(|file| file["changed"] == true).count();
    assert_eq!((exit, &told["ok"], changed), (0, &Value::Bool(true), 2), "{told}");
    assert_eq!(fmt(&[&transfer, &view], &["--check"]), (0, String::new()));
    // A blank line is the author's, any number of them is one.
    let shown = std::fs::read_to_string(&policy).unwrap();
    assert_eq!(shown, original.replace("effect = \"block\"\ntext", "effect = \"block\"\n\ntext"));
    let left: Vec<_> =
        std::fs::read_dir(&transfer).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn fmt_keeps_links_and_modes_and_refuses_what_is_no_toml() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let transfer = copied(folder.path(), "transfer");
    let (policy, elsewhere) = (transfer.join("policy.toml"), folder.path().join("elsewhere.toml"));
    std::fs::rename(&policy, &elsewhere).unwrap();
    symlink(&elsewhere, &policy).unwrap();
    std::fs::set_permissions(&elsewhere, std::fs::Permissions::from_mode(0o640)).unwrap();
    replace(&elsewhere, "name = \"transfer\"", "name=\"transfer\"");
    assert_eq!(fmt(&[&transfer], &[]).0, 0);
    assert!(std::fs::symlink_metadata(&policy).unwrap().is_symlink());
    assert!(std::fs::read_to_string(&elsewhere).unwrap().contains("name = \"transfer\""));
    assert_eq!(std::fs::metadata(&elsewhere).unwrap().permissions().mode() & 0o777, 0o640);
    replace(&elsewhere, "name = \"transfer\"", "name = ");
    let broken = std::fs::read_to_string(&elsewhere).unwrap();
    let (exit, told) = fmt(&[&transfer], &[]);
    assert!(exit == 1 && told.contains("error[G1002]") && told.contains("policy.toml:5:"), "{told}");
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), broken);
    assert_eq!(fmt(&[folder.path()], &[]).0, 4, "no policy there");
}

/// A watch, its answers one by one, and its end.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_glacis"))
            .args(["policy", "check", "--watch", "--json"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    /// The next answer that is so; an editor may save in steps, and each may be seen.
    fn until(&mut self, ok: bool) -> Value {
        loop {
            let told = self.next();
            if told["ok"] == ok {
                return told;
            }
        }
    }

    /// Interrupts, and waits for the exit code.
    fn end(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        wait_for("the end of the watch", || self.child.try_wait().unwrap()).code()
    }
}

#[test]
fn watch_answers_at_once_and_again_after_each_change_until_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let dir = copied(folder.path(), "transfer");
    let policy = dir.join("policy.toml");
    let mut watch = Watch::start(&dir);
    let first = watch.next();
    assert!(first["ok"] == true && first["policies"][0]["errors"] == serde_json::json!([]), "{first}");
    println!("a check took {} µs in this build", first["took_us"]);

    replace(&policy, "amount > 1000 &&", "amuont > 1000 &&");
    let told = watch.until(false);
    let error = &told["policies"][0]["errors"][0];
    assert_eq!((&error["severity"], &error["code"]), (&"error".into(), &"G3005".into()), "{told}");
    let place = ["line", "column", "end_line", "end_column"].map(|key| error[key].as_u64().unwrap());
    assert_eq!(place, [32, 9, 32, 15], "{error}");
    assert!(error["message"].is_string() && error["help"] == "did you mean `amount`?", "{error}");

    replace(&policy, "amuont", "amount");
    watch.until(true);
    // The catalogue above counts as well, and a file that is gone is an answer.
    replace(&folder.path().join("signals.toml"), "[signal.amount]", "[signal.sum]");
    watch.until(false);
    replace(&folder.path().join("signals.toml"), "[signal.sum]", "[signal.amount]");
    watch.until(true);
    let aside = folder.path().join("aside");
    std::fs::rename(&policy, &aside).unwrap();
    assert_eq!(watch.until(false)["error"]["code"], "G7010");
    std::fs::rename(&aside, &policy).unwrap();
    watch.until(true);
    assert_eq!(watch.end(), Some(0));
}
