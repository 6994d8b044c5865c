//! Random policies as their authors would write them: a catalogue and a `policy.toml`, as text.
//!
//! Every effect, trust level, method order, text, release, place, entry, score class, duty and kind of signal comes
//! up. What the compiler would refuse is avoided where a rule says so in one sentence; what needs the compiler to
//! know (how many release nodes a condition has) is learned from its refusal.

use super::expression::{Drawer, Readable};
use super::models::{self, DraftModel};
use super::strict;
use crate::rng::Rng;
use glacis_wire::Type;
use std::fmt::Write as _;

/// A catalogue and a policy, as text.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) catalogue: String,
    methods: Vec<&'static str>,
    head: String,
    classes: String,
    models: Vec<DraftModel>,
    pub(super) rules: Vec<DraftRule>,
}

/// One rule; `nodes` is a guess until the compiler has counted.
#[derive(Clone, Debug)]
pub(super) struct DraftRule {
    pub(super) nodes: Option<usize>,
    values: Vec<&'static str>,
    /// Whether nodes may read values of the request.
    vs_request: bool,
    text: String,
}

impl Draft {
    /// A policy that somebody wrote.
    pub(super) fn written(catalogue: &str, policy: &str) -> Self {
        let (catalogue, head) = (catalogue.to_owned(), policy.to_owned());
        let (methods, models, rules) = (Vec::new(), Vec::new(), Vec::new());
        Self { catalogue, head, methods, classes: String::new(), models, rules }
    }

    /// The policy file.
    pub(super) fn policy(&self) -> String {
        let mut text = self.head.clone();
        if self.rules.iter().any(|rule| rule.vs_request) {
            text.push_str(BUDGET);
        }
        text.push_str(&self.classes);
        self.write_models(&mut text);
        for (at, rule) in self.rules.iter().enumerate() {
            let _ = write!(text, "[[rule]]\nid = \"r{at}\"\n{}", rule.text);
            if let Some(nodes) = rule.nodes {
                let adaptive = if rule.vs_request { ", vs_request = true" } else { "" };
                let values = quoted(&rule.values);
                let _ = writeln!(text, "release = {{ nodes = {nodes}, values = {values}{adaptive} }}");
            }
        }
        self.with_models(&text)
    }

    /// A policy file with the same head and models, and these rules, none of which gives points. `searched`: a rule says
    /// `vs_request`.
    pub(super) fn with_rules(&self, rules: &str, searched: bool) -> String {
        let mut text = self.head.clone();
        if searched {
            text.push_str(BUDGET);
        }
        self.write_models(&mut text);
        text.push_str(rules);
        self.with_models(&text)
    }

    fn write_models(&self, text: &mut String) {
        for DraftModel { name, .. } in &self.models {
            let _ = write!(text, "[[model]]\nname = \"{name}\"\nfile = \"{name}\"\n");
        }
    }

    /// The text with the bytes of the models that it names.
    fn with_models(&self, text: &str) -> String {
        let bytes = |file: &str| {
            let model = self.models.iter().find(|model| model.name == file);
            model.map(|model| model.bytes.clone()).ok_or(())
        };
        glacis_compiler::inline(text, bytes).unwrap_or_default()
    }
}

/// As much as no random policy tells.
const BUDGET: &str = "[policy.budget]\nbits_per_session = 1000000\n";

impl DraftRule {
    /// Takes over what a refusal says: another number of nodes, or that no node reads the request. Whether it did.
    pub(super) fn correct(&mut self, code: &str, help: &str) -> bool {
        let count = help.split_whitespace().find_map(|word| word.parse::<usize>().ok());
        match (code, count) {
            ("G5010", Some(count)) if self.nodes.is_some_and(|guess| guess != count) => {
                self.nodes = Some(count);
                true
            }
            ("G5016", _) if self.vs_request => {
                self.vs_request = false;
                true
            }
            _ => false,
        }
    }

    /// Takes another `text` and `place`; `None` leaves it out.
    pub(super) fn put(&mut self, text: Option<&str>, place: Option<&str>) {
        let kept = |line: &&str| !line.starts_with("text = ") && !line.starts_with("place = ");
        let mut lines: Vec<String> = self.text.lines().filter(kept).map(str::to_owned).collect();
        lines.extend(text.map(|zone| format!("text = \"{zone}\"")));
        lines.extend(place.map(|zone| format!("place = \"{zone}\"")));
        self.text = lines.join("\n") + "\n";
    }
}

/// A device signal: its trust decides with which others it may share a release node.
#[derive(Clone, Copy, Debug)]
struct DeviceSignal {
    read: Readable,
    private: bool,
    attested: bool,
}

/// Draws a catalogue and a policy over it.
pub(super) fn draw(rng: &mut Rng) -> Draft {
    let device: Vec<DeviceSignal> = DEVICE
        .iter()
        .map(|(name, ty, private)| DeviceSignal {
            read: Readable { name, ty: *ty },
            private: *private,
            attested: rng.chance(75),
        })
        .collect();
    let mut methods = vec!["otp", "passkey"];
    rng.shuffle(&mut methods);
    if rng.chance(15) {
        methods.pop();
    }
    let mut draft = Draft {
        catalogue: catalogue(&device),
        head: head(rng, &methods),
        methods,
        classes: String::new(),
        models: Vec::new(),
        rules: Vec::new(),
    };
    let mut points = Vec::new();
    for _ in 0..1 + rng.below(6) {
        let rule = rule(rng, &draft.methods, &device, (&mut points, &mut draft.models));
        draft.rules.push(rule);
    }
    if rng.chance(3) {
        for _ in 0..CROWD {
            let rule = narrow(rng, &draft.methods, &mut points);
            draft.rules.push(rule);
        }
    }
    draft.classes = classes(rng, &draft.methods, &points);
    draft
}

/// Rules that make a policy large: more terms than four words have bits, so that rows are stored as changes.
const CROWD: usize = 420;

/// A rule that seldom matches, so that one of many shows.
fn narrow(rng: &mut Rng, methods: &[&str], points: &mut Vec<i64>) -> DraftRule {
    let signals = NEAR.iter().map(|(name, ty, _)| Readable { name, ty: *ty }).collect();
    let mut drawer = Drawer { rng, signals };
    let when = (0..5).map(|_| drawer.simple()).collect::<Vec<_>>().join(" && ");
    let mut text = format!("when = '''{when}'''\n");
    effect(rng, Kind::Near, methods, points, &mut text);
    placement(rng, Kind::Near, &when, &[], &[], &mut text);
    DraftRule { nodes: None, values: Vec::new(), vs_request: false, text }
}

/// Name, type, private.
const DEVICE: [(&str, Type, bool); 12] = [
    ("app.hooked", Type::Bool, true),
    ("app.debugger", Type::Bool, true),
    ("app.overlay", Type::Bool, true),
    ("app.rooted", Type::Bool, true),
    ("app.calls", Type::Int, true),
    ("app.owner", Type::String, true),
    ("app.tilt", Type::Double, true),
    ("app.ports", Type::IntList, true),
    ("app.names", Type::StringList, true),
    ("app.since", Type::Timestamp, true),
    ("app.release", Type::Int, false),
    ("app.os", Type::String, false),
];
/// Signals of the request and the edge.
const NEAR: [(&str, Type, &str); 14] = [
    ("amount", Type::Int, "request"),
    ("rate", Type::Double, "request"),
    ("payee", Type::String, "request"),
    ("urgent", Type::Bool, "request"),
    ("items", Type::IntList, "request"),
    ("tags", Type::StringList, "request"),
    ("night", Type::Bool, "edge"),
    ("hops", Type::Int, "edge"),
    ("country", Type::String, "edge"),
    ("address", Type::String, "edge"),
    ("due", Type::Timestamp, "request"),
    ("quota", Type::Uint, "request"),
    ("token", Type::Bytes, "request"),
    ("idle", Type::Duration, "edge"),
];
/// Signals of the cloud that are neither list test nor feature.
const FAR: [(&str, Type, &str); 3] =
    [("known", Type::Bool, "cloud"), ("age", Type::Int, "cloud"), ("segment", Type::String, "cloud")];
/// Features and built-in signals, and list tests as conditions write them.
const GIVEN: [(&str, Type); 8] = [
    ("user.count_1h", Type::Int),
    ("user.devices_30d", Type::Int),
    ("user.rate_1h", Type::Double),
    ("device.tier", Type::String),
    ("request.signed", Type::Bool),
    ("user", Type::String),
    ("(payee in list.mules)", Type::Bool),
    ("(user in list.vip)", Type::Bool),
];

/// The features among them: what an interval may be known of.
const FEATURES: [&str; 3] = ["user.count_1h", "user.devices_30d", "user.rate_1h"];

fn catalogue(device: &[DeviceSignal]) -> String {
    let mut text = String::new();
    let purpose = "purpose = [\"fraud-prevention\"]\nretention = \"1d\"\ncost = 1\n";
    for signal in device {
        let privacy = if signal.private { "private" } else { "public" };
        let trust = if signal.attested { "attested" } else { "claimed" };
        let _ =
            write!(text, "[signal.\"{}\"]\nzone = \"device\"\nmin_trust = \"{trust}\"\n", signal.read.name);
        let _ = write!(text, "privacy = \"{privacy}\"\n{}{purpose}", type_lines(signal.read.ty));
    }
    for (name, ty, zone) in NEAR.iter().chain(&FAR) {
        let _ = write!(text, "[signal.\"{name}\"]\nzone = \"{zone}\"\nprivacy = \"pseudonymous\"\n");
        let _ = write!(text, "{}{purpose}", type_lines(*ty));
    }
    let _ = write!(text, "[signal.user]\nzone = \"request\"\nprincipal = true\nprivacy = \"pseudonymous\"\n");
    let _ = write!(text, "{}{purpose}", type_lines(Type::String));
    for list in ["mules", "vip"] {
        let _ = write!(
            text,
            "[list.{list}]\nof = \"string\"\nzone = \"cloud\"\nprivacy = \"pseudonymous\"\n{purpose}"
        );
    }
    let window = "window = \"1h\"\nlateness = \"30s\"\ninclude_self = true\ncounts = \"attempts\"\n";
    let feature = "event = \"payment.transfer\"\nkey = [\"user\"]\nprivacy = \"pseudonymous\"\n";
    let _ = write!(text, "[feature.\"user.count_1h\"]\nkind = \"count\"\n{feature}{window}{purpose}");
    let _ = write!(
        text,
        "[feature.\"user.devices_30d\"]\nkind = \"distinct\"\nof = \"device.id\"\n{feature}{window}{purpose}"
    );
    let _ =
        write!(text, "[feature.\"user.rate_1h\"]\nkind = \"sum\"\nof = \"rate\"\n{feature}{window}{purpose}");
    text
}

fn type_lines(ty: Type) -> String {
    let bounds = match ty {
        Type::String | Type::Bytes => "max_bytes = 64\n",
        Type::StringList | Type::BytesList => "max_bytes = 64\nmax_items = 8\n",
        ty if ty.element().is_some() => "max_items = 8\n",
        _ => "",
    };
    format!("type = \"{}\"\n{bounds}", ty.name())
}

/// Entries from mildest to strictest; `denied`, `version` and errors are at least as strict as `withheld`.
fn entries(methods: &[&str]) -> Vec<String> {
    let mut entries = vec!["skip".to_owned()];
    entries.extend(methods.iter().map(|method| format!("challenge({method})")));
    entries.extend(["block(soft)".to_owned(), "match".to_owned()]);
    entries
}

fn head(rng: &mut Rng, methods: &[&str]) -> String {
    let entries = entries(methods);
    let any = |rng: &mut Rng| rng.pick(&entries).cloned().unwrap_or_default();
    let floor = usize::try_from(rng.below(entries.len() as u64)).unwrap_or(0);
    let strict = |rng: &mut Rng| {
        entries.get(floor..).and_then(|rest| rng.pick(rest)).cloned().unwrap_or_else(|| "match".to_owned())
    };
    let withheld = match entries.get(floor).map(String::as_str) {
        Some("skip") | None => "danger_skip",
        Some(entry) => entry,
    };
    format!(
        "[policy]\nname = \"random\"\nevent = \"payment.transfer\"\npurpose = \"fraud-prevention\"\n\
         combine = \"strictest\"\nmethods = {}\nif_error = \"{}\"\n[policy.if_unknown]\nwithheld = \"{withheld}\"\n\
         denied = \"{}\"\nversion = \"{}\"\nabsent = \"{}\"\nunavailable = \"{}\"\ninexact = \"{}\"\n",
        quoted(methods),
        strict(rng),
        strict(rng),
        strict(rng),
        any(rng),
        any(rng),
        any(rng),
    )
}

/// Classes that ascend in both: every soft effect at most once, thresholds that the points can reach.
fn classes(rng: &mut Rng, methods: &[&str], points: &[i64]) -> String {
    let mut text = String::new();
    if points.is_empty() {
        return text;
    }
    let most: i64 = points.iter().filter(|points| **points > 0).sum();
    let mut effects: Vec<String> = methods.iter().map(|method| format!("challenge({method})")).collect();
    effects.push("block(soft)".to_owned());
    effects.retain(|_| rng.chance(70));
    if effects.is_empty() {
        effects.push("block(soft)".to_owned());
    }
    let mut at_least = most;
    let mut thresholds = Vec::new();
    for _ in &effects {
        at_least -= i64::try_from(rng.below(6)).unwrap_or(0);
        thresholds.push(at_least);
        at_least -= 1;
    }
    for (at_least, effect) in thresholds.iter().rev().zip(effects) {
        let _ = write!(text, "[[score_class]]\nat_least = {at_least}\neffect = \"{effect}\"\n");
    }
    text
}

/// What a rule reads and who may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No device signal.
    Near,
    /// Device signals of one trust alone, released with its verdict.
    Verdict,
    /// Device signals among others, released as nodes and values.
    Mixed,
    /// Device signals, and nothing leaves.
    Undisclosed,
}

fn rule(
    rng: &mut Rng,
    methods: &[&str],
    device: &[DeviceSignal],
    (points, models): (&mut Vec<i64>, &mut Vec<DraftModel>),
) -> DraftRule {
    let kind = match rng.below(100) {
        0..35 => Kind::Near,
        35..55 => Kind::Verdict,
        55..97 => Kind::Mixed,
        _ => Kind::Undisclosed,
    };
    let with_cloud = rng.chance(50);
    let (mut when, values) = condition(rng, kind, device, with_cloud);
    let vs_request = kind == Kind::Mixed && rng.chance(35);
    if vs_request {
        when = searching(rng, device, (&when, &values));
    }
    if with_cloud && matches!(kind, Kind::Near | Kind::Mixed) && rng.chance(40) {
        let joint = rng.pick(&["&&", "||"]).copied().unwrap_or("&&");
        when = format!("({when}) {joint} {}", aggregates(rng));
    }
    if models.len() < MODELS_MAX && rng.chance(25) {
        let signals = scored(rng, kind, device, (&when, with_cloud));
        if let Some(score) = models::condition(rng, &signals, models) {
            let joint = rng.pick(&["&&", "||"]).copied().unwrap_or("&&");
            when = if rng.chance(30) && kind == Kind::Near {
                score
            } else {
                format!("({when}) {joint} {score}")
            };
        }
    }
    let mut text = format!("when = '''{when}'''\n");
    effect(rng, kind, methods, points, &mut text);
    let read: Vec<&str> = DEVICE.iter().map(|(name, ..)| *name).filter(|name| reads(&when, name)).collect();
    let values: Vec<&'static str> = values.into_iter().filter(|name| reads(&when, name)).collect();
    let near = read.is_empty();
    placement(rng, if near { Kind::Near } else { kind }, &when, &read, &values, &mut text);
    if kind == Kind::Undisclosed && !near {
        text.push_str("danger_undisclosed = true\n");
    }
    let nodes = (kind == Kind::Mixed && !near).then_some(1);
    DraftRule { nodes, values, vs_request: vs_request && nodes.is_some(), text }
}

/// Effect, own entries, duties.
fn effect(rng: &mut Rng, kind: Kind, methods: &[&str], points: &mut Vec<i64>, text: &mut String) {
    let method = rng.pick(methods).copied().unwrap_or("otp");
    let score = i64::try_from(rng.below(20)).unwrap_or(0) - 7;
    let effect = match rng.below(if kind == Kind::Verdict { 4 } else { 12 }) {
        0 => "block".to_owned(),
        1..4 => format!("challenge({method})"),
        4 => "block(soft)".to_owned(),
        5 => format!("challenge({method})"),
        6 | 7 => "exempt".to_owned(),
        8..11 if score != 0 => {
            points.push(score);
            format!("score({score})")
        }
        _ => {
            text.push_str("obligations = [\"review\"]\n");
            return;
        }
    };
    let _ = writeln!(text, "effect = \"{effect}\"");
    if rng.chance(40) {
        let duties = [&["review"][..], &["notify"], &["review", "notify"]];
        let _ = writeln!(text, "obligations = {}", quoted(rng.pick(&duties).copied().unwrap_or(&[])));
    }
    let lenient = effect == "exempt" || score < 0 && effect.starts_with("score");
    if !lenient && rng.chance(30) {
        let cause = rng.pick(&["unavailable", "absent", "inexact"]).copied().unwrap_or("absent");
        let entry = rng.pick(&["skip", "match"]).copied().unwrap_or("match");
        let _ = writeln!(text, "if_unknown = {{ {cause} = \"{entry}\" }}");
    }
}

/// The condition, and the signals that leave as values.
fn condition(
    rng: &mut Rng,
    kind: Kind,
    device: &[DeviceSignal],
    with_cloud: bool,
) -> (String, Vec<&'static str>) {
    let mut other: Vec<Readable> = NEAR.iter().map(|(name, ty, _)| Readable { name, ty: *ty }).collect();
    other.extend(
        GIVEN
            .iter()
            .filter(|(name, _)| with_cloud || near_given(name))
            .map(|(name, ty)| Readable { name, ty: *ty }),
    );
    if with_cloud {
        other.extend(FAR.iter().map(|(name, ty, _)| Readable { name, ty: *ty }));
    }
    let group = |attested: bool| -> Vec<Readable> {
        device.iter().filter(|signal| signal.attested == attested).map(|signal| signal.read).collect()
    };
    let trusts = device.iter().map(|signal| signal.attested).collect::<Vec<_>>();
    let depth = |rng: &mut Rng, most: u64| u32::try_from(1 + rng.below(most)).unwrap_or(1);
    match kind {
        Kind::Near => {
            let depth = depth(rng, 3);
            (Drawer { rng, signals: other }.boolean(depth), Vec::new())
        }
        Kind::Verdict | Kind::Undisclosed => {
            let signals = group(rng.pick(&trusts).copied().unwrap_or(true));
            let depth = depth(rng, 3);
            (Drawer { rng, signals }.boolean(depth), Vec::new())
        }
        Kind::Mixed => {
            let public = device.iter().filter(|signal| !signal.private).map(|signal| signal.read);
            let released: Vec<Readable> = public.filter(|_| rng.chance(40)).collect();
            let values = released.iter().map(|signal| signal.name).collect();
            let join = |rng: &mut Rng| {
                let depth = depth(rng, 2);
                if rng.chance(55) {
                    let mut signals = group(rng.pick(&trusts).copied().unwrap_or(true));
                    signals.retain(|signal| !released.contains(signal));
                    Drawer { rng, signals }.boolean(depth)
                } else {
                    let signals = other.iter().chain(&released).copied().collect();
                    Drawer { rng, signals }.boolean(depth)
                }
            };
            let (a, b, c) = (join(rng), join(rng), join(rng));
            let when = match rng.below(6) {
                0 => format!("{a} && {b}"),
                1 => format!("{a} || {b}"),
                2 => format!("({a} || {b}) && {c}"),
                3 => format!("({a} && {b}) || {c}"),
                4 => format!("{a} ? {b} : {c}"),
                _ => format!("!({a} && ({b} || !{c}))"),
            };
            (when, values)
        }
    }
}

/// A condition together with one or two comparisons of the device with what a request says.
fn searching(rng: &mut Rng, device: &[DeviceSignal], (when, released): (&str, &[&'static str])) -> String {
    let attested = rng.chance(50);
    let kept = device.iter().filter(|signal| signal.attested == attested);
    let kept = kept.map(|signal| signal.read).filter(|signal| !released.contains(&signal.name));
    let kept: Vec<Readable> = kept.collect();
    let near = NEAR.iter().filter(|(.., zone)| *zone == "request");
    let mut asked: Vec<Readable> = near.map(|(name, ty, _)| Readable { name, ty: *ty }).collect();
    asked.push(Readable { name: "user", ty: Type::String });
    let atom = |rng: &mut Rng| strict::atom(rng, &kept, &asked);
    let (Some(a), Some(b)) = (atom(rng), atom(rng)) else { return when.to_owned() };
    match rng.below(7) {
        0 => a,
        1 => format!("{a} && ({when})"),
        2 => format!("{a} || ({when})"),
        3 => format!("!{a} && ({when} || {b})"),
        4 => format!("{a} ? ({when}) : {b}"),
        5 => format!("({when}) ? !{a} : {b}"),
        _ => format!("({when}) && ({a} || !{b})"),
    }
}

/// Models of one policy: they are text in it, and few show as much as many.
const MODELS_MAX: usize = 3;

/// Signals that a model of a rule may read together.
fn scored(
    rng: &mut Rng,
    kind: Kind,
    device: &[DeviceSignal],
    (when, with_cloud): (&str, bool),
) -> Vec<Readable> {
    let of = |attested: bool| -> Vec<Readable> {
        let alike = device.iter().filter(|signal| signal.private && signal.attested == attested);
        alike.map(|signal| signal.read).collect()
    };
    match kind {
        // All of the condition is one node, so all of it has one trust.
        Kind::Verdict | Kind::Undisclosed => {
            let read = device.iter().find(|signal| reads(when, signal.read.name));
            read.map_or(Vec::new(), |signal| of(signal.attested))
        }
        Kind::Mixed if rng.chance(50) => of(rng.chance(50)),
        Kind::Near | Kind::Mixed => {
            let near = NEAR.iter().map(|(name, ty, _)| Readable { name, ty: *ty });
            let given = GIVEN.iter().filter(|(name, _)| with_cloud || near_given(name));
            let far = FAR.iter().filter(|_| with_cloud).map(|(name, ty, _)| Readable { name, ty: *ty });
            near.chain(given.map(|(name, ty)| Readable { name, ty: *ty })).chain(far).collect()
        }
    }
}

/// A condition on features alone: what intervals decide or leave open.
fn aggregates(rng: &mut Rng) -> String {
    let readable = |name: &&'static str| {
        let ty = GIVEN.iter().find(|(known, _)| known == name).map_or(Type::Int, |(_, ty)| *ty);
        Readable { name, ty }
    };
    let signals: Vec<Readable> = FEATURES.iter().map(readable).collect();
    // Often one alone, so that a term compares it more than once.
    let signals = match rng.pick(&signals).copied() {
        Some(one) if rng.chance(50) => vec![one],
        _ => signals,
    };
    let depth = u32::try_from(1 + rng.below(2)).unwrap_or(1);
    let mut drawer = Drawer { rng, signals };
    match drawer.rng.below(4) {
        0 => drawer.boolean(depth),
        1 => format!("({} || {})", drawer.simple(), drawer.simple()),
        _ => format!("({} && {})", drawer.simple(), drawer.simple()),
    }
}

/// Whether a given signal is known without the cloud.
fn near_given(name: &str) -> bool {
    matches!(name, "device.tier" | "request.signed" | "user")
}

/// `text`, `release`, `reveal`, `place`.
fn placement(rng: &mut Rng, kind: Kind, when: &str, read: &[&str], values: &[&str], text: &mut String) {
    let cloud = FAR.iter().map(|(name, ..)| *name).chain(FEATURES);
    let reads_cloud = when.contains(" in list.") || cloud.into_iter().any(|name| reads(when, name));
    let reveal: Vec<&str> = read.iter().copied().filter(|name| !values.contains(name)).collect();
    match kind {
        Kind::Verdict => {
            text.push_str("text = \"device\"\nrelease = \"verdict\"\n");
            if rng.chance(30) {
                text.push_str("place = \"device\"\n");
            }
            return;
        }
        Kind::Mixed if rng.chance(40) => text.push_str("text = \"device\"\n"),
        Kind::Mixed => {
            if !reveal.is_empty() {
                let _ = writeln!(text, "reveal = {}", quoted(&reveal));
            }
            if rng.chance(25) {
                text.push_str("text = \"cloud\"\n");
                return;
            }
        }
        Kind::Near | Kind::Undisclosed => {
            if rng.chance(30) {
                text.push_str("text = \"cloud\"\n");
                return;
            }
        }
    }
    match rng.below(10) {
        0 => text.push_str("place = \"cloud\"\n"),
        1 if !reads_cloud => text.push_str("place = \"edge\"\n"),
        _ => {}
    }
}

/// Whether a condition reads a signal: its name stands there as a whole.
fn reads(when: &str, name: &str) -> bool {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
    when.split(|letter: char| !part(letter))
        .any(|word| word == name || word.strip_prefix(name).is_some_and(is_call))
}

/// Whether a method follows a name without a separator.
fn is_call(rest: &str) -> bool {
    const CALLS: [&str; 9] = [
        ".startsWith",
        ".endsWith",
        ".contains",
        ".matches",
        ".inCIDR",
        ".exists",
        ".all",
        ".exists_one",
        ".filter",
    ];
    CALLS.contains(&rest) || rest.starts_with(".get")
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", names.join(", "))
}
