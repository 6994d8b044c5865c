//! What every [`Files`] promises, run on each implementation, and what the disk one promises beyond it.
//!
//! The suite is one function over the trait, so that a further implementation (a platform's own sealed
//! storage) is held to the very same promises.
#![expect(clippy::unwrap_used, reason = "helpers of a test binary")]

use glacis_host::{Append, DirFiles, FileErrorKind, Files, MemoryFiles};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

fn contract(files: &dyn Files) {
    assert_eq!(files.read("a").unwrap(), None);
    files.replace("a", b"one").unwrap();
    files.replace("a", b"two").unwrap();
    assert_eq!(files.read("a").unwrap().as_deref(), Some(&b"two"[..]));
    files.remove("a").unwrap();
    files.remove("a").unwrap();
    assert_eq!(files.read("a").unwrap(), None);
    for name in ["", ".hidden", "../up", "a/b", "UPPER", "ä", &"n".repeat(65)] {
        assert_eq!(files.read(name).unwrap_err().kind(), FileErrorKind::Name, "{name}");
        assert_eq!(files.replace(name, b"").unwrap_err().kind(), FileErrorKind::Name, "{name}");
        assert_eq!(files.remove(name).unwrap_err().kind(), FileErrorKind::Name, "{name}");
        assert_eq!(files.append(name).err().unwrap().kind(), FileErrorKind::Name, "{name}");
    }
    append_contract(files);
}

fn append_contract(files: &dyn Files) {
    let log: Arc<dyn Append> = files.append("log").unwrap();
    log.append(b"hello ").unwrap();
    log.append(b"world").unwrap();
    log.sync().unwrap();
    assert_eq!(log.size().unwrap(), 11);
    let mut word = [0; 5];
    log.read_at(6, &mut word).unwrap();
    assert_eq!(&word, b"world");
    assert_eq!(log.read_at(7, &mut word).unwrap_err().kind(), FileErrorKind::Io);
    log.truncate(5).unwrap();
    log.append(b"!").unwrap();
    assert_eq!(files.append("log").unwrap().size().unwrap(), 6, "a second handle sees the same file");
    assert_eq!(files.read("log").unwrap().unwrap(), b"hello!");
    files.replace("b", b"").unwrap();
    assert_eq!(files.list().unwrap(), ["b", "log"]);
}

#[test]
fn memory_files_keep_the_contract() {
    contract(&MemoryFiles::new());
}

#[test]
fn directory_files_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    contract(&DirFiles::open(dir.path().join("new/store")).unwrap());
}

#[test]
fn directory_files_are_private_and_have_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let files = DirFiles::open(&path).unwrap();
    files.replace("secret", b"x").unwrap();
    files.append("log").unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!((mode(&path.join("secret")), mode(&path.join("log"))), (0o600, 0o600));
    assert_eq!(DirFiles::open(&path).unwrap_err().kind(), FileErrorKind::InUse);
    drop(files);
    assert_eq!(DirFiles::open(&path).unwrap().read("secret").unwrap().unwrap(), b"x");
}

#[test]
fn a_left_over_temporary_file_is_neither_read_nor_listed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".a.tmp"), b"half").unwrap();
    let files = DirFiles::open(dir.path()).unwrap();
    assert_eq!(files.list().unwrap(), Vec::<String>::new());
    files.replace("a", b"whole").unwrap();
    assert_eq!(files.read("a").unwrap().unwrap(), b"whole");
    assert!(!dir.path().join(".a.tmp").exists());
}

#[test]
fn a_snapshot_of_memory_files_does_not_follow_the_original() {
    let files = MemoryFiles::new();
    files.replace("a", b"old").unwrap();
    let backup = files.snapshot();
    files.replace("a", b"new").unwrap();
    assert_eq!(backup.read("a").unwrap().unwrap(), b"old");
    assert_eq!(files.clone().read("a").unwrap().unwrap(), b"new");
}
