//! What the test modules share: a catalogue with a signal of every kind, sources, a seeded generator.

use glacis_compiler::{Compiled, Source, compile};
use glacis_proof::diff::{Diff, Finding, diff};
use std::fmt::Write as _;

/// SplitMix64 (Steele, Lea, Flood 2014): enough to make cases, and one line to reproduce.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> String {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Name, declaration but for the labels.
const SIGNALS: [(&str, &str); 10] = [
    ("dev.hooked", "type = \"bool\"\nzone = \"device\"\nmin_trust = \"attested\""),
    ("dev.risk", "type = \"int\"\nzone = \"device\"\nmin_trust = \"claimed\""),
    ("user", "type = \"string\"\nzone = \"request\"\nprincipal = true\nmax_bytes = 8"),
    ("amount", "type = \"int\"\nzone = \"request\""),
    ("other", "type = \"int\"\nzone = \"request\""),
    ("name", "type = \"string\"\nzone = \"request\"\nmax_bytes = 6"),
    ("tags", "type = \"list(string)\"\nzone = \"request\"\nmax_bytes = 4\nmax_items = 3"),
    ("speed", "type = \"double\"\nzone = \"edge\""),
    ("night", "type = \"bool\"\nzone = \"edge\""),
    ("at", "type = \"timestamp\"\nzone = \"edge\""),
];

pub(crate) fn catalogue() -> String {
    let labels = |privacy: &str| {
        format!("privacy = \"{privacy}\"\npurpose = [\"fraud\"]\nretention = \"1d\"\ncost = 1\n")
    };
    let mut text = String::new();
    for (name, declared) in SIGNALS {
        let privacy = if name.starts_with("dev.") { "private" } else { "pseudonymous" };
        let _ = write!(text, "[signal.\"{name}\"]\n{declared}\n{}", labels(privacy));
    }
    let labels = labels("pseudonymous");
    let _ = write!(text, "[list.bad]\nof = \"string\"\nzone = \"cloud\"\n{labels}");
    let _ = write!(
        text,
        "[feature.tries]\nkind = \"count\"\nevent = \"pay\"\nkey = [\"user\"]\nwindow = \"1h\"\nlateness = \"1s\"\n\
         include_self = false\ncounts = \"attempts\"\n{labels}"
    );
    text
}

/// The head of a policy: `closing` is how rules close that say nothing themselves.
pub(crate) fn head(methods: &str, closing: &str, unavailable: &str) -> String {
    format!(
        "[policy]\nname = \"p\"\nevent = \"pay\"\npurpose = \"fraud\"\ncombine = \"strictest\"\nmethods = [{methods}]\n\
         if_error = \"match\"\n[policy.if_unknown]\nwithheld = \"{closing}\"\ndenied = \"{closing}\"\n\
         version = \"{closing}\"\ninexact = \"challenge(otp)\"\nunavailable = \"{unavailable}\"\nabsent = \"skip\"\n\
         [[score_class]]\nat_least = 3\neffect = \"challenge(otp)\"\n"
    )
}

/// A rule, with what its device signals need.
pub(crate) fn rule(id: &str, when: &str, effect: &str) -> String {
    let release = if when.contains("dev.") { "text = \"device\"\nrelease = { nodes = 9 }\n" } else { "" };
    let effect = if effect == "review" {
        "obligations = [\"review\"]".to_owned()
    } else {
        format!("effect = \"{effect}\"")
    };
    format!("[[rule]]\nid = \"{id}\"\nwhen = '''{when}'''\n{effect}\n{release}")
}

/// Rules that let every score class be reached.
pub(crate) fn points() -> String {
    rule("points", "amount == -77", "score(3)")
}

/// Compiles a policy over [`catalogue`]; how many nodes are released is found by asking.
pub(crate) fn policy(text: &str) -> Compiled {
    try_policy(text).unwrap_or_else(|faults| panic!("{text}\n{faults}"))
}

pub(crate) fn try_policy(text: &str) -> Result<Compiled, String> {
    try_policy_of(&catalogue(), text)
}

/// Compiles a policy over another catalogue.
pub(crate) fn try_policy_of(signals: &str, text: &str) -> Result<Compiled, String> {
    let mut text = text.to_owned();
    // The compiler says how many nodes a rule has; each round repairs what it named.
    for _ in 0..40 {
        let sources = [("signals.toml", signals), ("policy.toml", text.as_str())];
        let [catalogue, own] = sources.map(|(name, text)| Source { name, text });
        let faults = match compile(catalogue, own, None) {
            Ok(compiled) => return Ok(compiled),
            Err(faults) => faults,
        };
        let Some(repaired) =
            faults.iter().find_map(|fault| repaired(&text, fault.span.start, &fault.message))
        else {
            return Err(faults.to_string());
        };
        text = repaired;
    }
    Err("too many faults".to_owned())
}

/// The text with the number of nodes that a message names.
fn repaired(text: &str, at: usize, message: &str) -> Option<String> {
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let end = line + text[line..].find('\n')?;
    let count = if message.contains("one release node") {
        1
    } else if message.contains("no release node") {
        0
    } else {
        let word = message.split(" release nodes").next()?.rsplit(' ').next()?;
        word.parse::<usize>().ok()?
    };
    text[line..end].starts_with("release").then(|| {
        let release = if count == 0 {
            "danger_undisclosed = true".to_owned()
        } else {
            format!("release = {{ nodes = {count} }}")
        };
        format!("{}{release}{}", &text[..line], &text[end..])
    })
}

/// The difference of two policies; a witness is replayed once more.
pub(crate) fn difference(before: &Compiled, after: &Compiled) -> Diff {
    let found = diff(before.into(), after.into());
    if let Finding::Differs(witness) = &found.decision {
        let (first, second) = (witness.event.decide(before.checked()), witness.event.decide(after.checked()));
        assert_eq!((&first, &second), (&witness.before, &witness.after));
        assert!(first.verdict != second.verdict || first.obligations != second.obligations);
    }
    found
}

/// `equal`, `differs` or `undetermined`.
pub(crate) fn word(finding: &Finding) -> &'static str {
    match finding {
        Finding::Equal => "equal",
        Finding::Differs(_) => "differs",
        Finding::Undetermined(_) => "undetermined",
    }
}
