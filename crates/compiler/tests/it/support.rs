//! What the test modules share: sources, a small policy maker, a seeded generator.

use glacis_compiler::{Compiled, Diagnostics, Source, compile};
use glacis_policy::Binding;
use glacis_wire::PolicyDigest;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compiles texts under short names.
pub(crate) fn compile_texts(
    signals: &str,
    policy: &str,
    cases: Option<&str>,
) -> Result<Compiled, Diagnostics> {
    compile(
        Source { name: "signals.toml", text: signals },
        Source { name: "policy.toml", text: policy },
        cases.map(|text| Source { name: "cases.toml", text }),
    )
}

/// Any digest: the tests of this crate never hash.
pub(crate) fn unbound() -> Binding {
    Binding::unbound(PolicyDigest::new([7; PolicyDigest::LEN]))
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough to make cases, and one line to reproduce.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap_or(1)).unwrap_or(0)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Runs `case` for the fixed and for a fresh seed; the seed of a failing case is printed.
pub(crate) fn for_each_case(case: impl Fn(&mut Random)) {
    #[expect(clippy::disallowed_methods, reason = "how many cases is all that a test asks the environment")]
    let cases = std::env::var("GLACIS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256_u64);
    let fresh = RandomState::new().build_hasher().finish();
    for start in [1, fresh] {
        for seed in (0..cases).map(|at| start.wrapping_add(at)) {
            let shown = Shown(seed);
            case(&mut Random(seed));
            drop(shown);
        }
    }
}

/// Prints the seed when a case panics.
struct Shown(u64);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failing case: Random({})", self.0);
        }
    }
}
