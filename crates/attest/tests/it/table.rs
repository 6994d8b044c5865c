//! The table of the documentation: every file of the five families of evidence and results, with what is expected of it,
//! what comes out, and why.
//!
//! Each family's tests hold its rows, so that nothing is written twice. `UPDATE=1` writes the page; without it, a page
//! that says something else than the tests obtain is a failure, as is a file of the corpus in no row.

use crate::corpus;
use std::fmt::Write as _;
use std::path::PathBuf;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The file, by its path in the corpus.
    pub(crate) file: String,
    /// What must come out.
    pub(crate) expected: String,
    /// What came out.
    pub(crate) obtained: String,
    /// By which clause, or on whose word.
    pub(crate) clause: String,
}

impl Line {
    pub(crate) fn new(file: &str, expected: &str, obtained: &str, clause: &str) -> Self {
        let [file, expected, obtained, clause] = [file, expected, obtained, clause].map(str::to_owned);
        Self { file, expected, obtained, clause }
    }
}

/// A family: its name, its folder in the corpus, and its rows.
type Family = (&'static str, &'static str, fn() -> Option<Vec<Line>>);

/// A further family is one more line here.
const FAMILIES: &[Family] = &[
    #[cfg(feature = "android-key")]
    ("Android Key Attestation", "android-key-attestation", crate::android::rows),
    #[cfg(all(feature = "android-key", feature = "app-attest"))]
    ("App Attest", "apple-app-attest", crate::apple::rows),
    #[cfg(feature = "webauthn")]
    ("Web Authentication", "webauthn", crate::webauthn::rows),
    #[cfg(feature = "soter")]
    ("Tencent SOTER", "tencent-soter", crate::soter::rows),
    ("Results and reference values", "ear-corim", crate::corim::rows),
];

const HEAD: &str = "\
# Every file of the corpus

What the verifiers make of each published file of evidence, results and reference values: what is expected of it, what
comes out, and the clause or reference that says so. The files themselves are not in this tree. Written by
`crates/attest/tests/it/table.rs` from the tables of the tests; do not edit. What the words mean:
[attestation.md](attestation.md).
";

#[cfg(all(feature = "android-key", feature = "app-attest", feature = "webauthn", feature = "soter"))]
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment to write their golden files"
)]
#[test]
fn the_page_says_what_comes_out() {
    let mut page = HEAD.to_owned();
    for (name, folder, rows) in FAMILIES {
        let Some(mut rows) = rows() else { return };
        let manifest = format!("{folder}/MANIFEST.md");
        rows.push(Line::new(
            &manifest,
            "no evidence",
            "no evidence",
            "where the files of the folder come from",
        ));
        rows.sort_by(|one, other| one.file.cmp(&other.file));
        let named: Vec<&str> = rows.iter().map(|row| row.file.as_str()).collect();
        assert_eq!(named, corpus::files(folder), "{name}: one row for each file");
        let _ = write!(
            page,
            "\n## {name}\n\n| file | expected | obtained | clause or reference |\n|---|---|---|---|\n"
        );
        for row in rows {
            assert_eq!(row.obtained, row.expected, "{} ({})", row.file, row.clause);
            let file = row.file.strip_prefix(folder).unwrap_or(&row.file).trim_start_matches('/');
            let cells =
                [file, &row.expected, &row.obtained, &row.clause].map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(page, "| {} |", cells.join(" | "));
        }
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/attestation-corpus.md");
    if std::env::var("UPDATE").as_deref() == Ok("1") {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, page, "UPDATE=1 writes docs/reference/attestation-corpus.md");
}
