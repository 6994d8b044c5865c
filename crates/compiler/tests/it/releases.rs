//! Ranges, exceptions and budgets: what they mean, what of them the digest covers, and where they end.
//!
//! Slices run here as zones run them: the device discloses, the cloud decides on what it was told. The reference decides
//! on everything.

use crate::support::{compile_texts, unbound};
use glacis_compiler::reference::{Snapshot, whole};
use glacis_compiler::{Compiled, ReleasedKind};
use glacis_policy::{Close, Input, Inputs, Reading, Scratch, Slice, Source, disclose, eval, reading_of};
use glacis_wire::{Answer, Cause, Given, NodeOutcome, SignalName, Trust, Value, Verdict};

const SIGNALS: &str = r#"
signal."battery.level" = { type = "int", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.hooked" = { type = "bool", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.os" = { type = "string", zone = "device", privacy = "public", purpose = ["fraud"], retention = "0d", min_trust = "attested", max_bytes = 32, cost = 1 }
signal."ads.id" = { type = "int", zone = "device", privacy = "pseudonymous", purpose = ["ads"], retention = "0d", min_trust = "attested", cost = 1 }
signal.amount = { type = "int", zone = "request", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", cost = 1 }
declassifier.farm = { signal = "ads.id", for = "fraud", reason = "install farms share one", reviewed_by = "dpo@example.com", reviewed_on = "2026-03-01" }
"#;

const HEAD: &str = r#"[policy]
name = "p"
event = "pay"
purpose = "fraud"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "challenge(otp)"
if_unknown = { withheld = "challenge(otp)", denied = "challenge(otp)", version = "challenge(otp)", absent = "skip" }
"#;

const RANGE: &str = r#"
[[rule]]
id = "empty"
when = "battery.level < 20 && amount > 100"
effect = "block"
text = "device"
release = { buckets = { "battery.level" = [20] } }
[[rule]]
id = "low"
when = "app.hooked && battery.level <= 50 || !(battery.level < 20) && amount > 900"
effect = "challenge(passkey)"
text = "device"
release = { nodes = 1, buckets = { "battery.level" = [20, 50] } }
"#;

fn compiled(rules: &str) -> Compiled {
    compile_texts(SIGNALS, &format!("{HEAD}{rules}"), None).unwrap_or_else(|error| panic!("{error}\n{rules}"))
}

fn refused(signals: &str, rules: &str) -> String {
    compile_texts(signals, &format!("{HEAD}{rules}"), None)
        .err()
        .map_or("passes".to_owned(), |e| e.to_string())
}

fn name(text: &str) -> SignalName {
    SignalName::parse(text).unwrap()
}

/// What the device lets out, and what the cloud makes of it.
fn run(compiled: &Compiled, snapshot: &Snapshot, session: Trust) -> (Vec<NodeOutcome>, Verdict) {
    let [device, _, cloud] = compiled.slices(&unbound()).map(|bytes| Slice::load(&bytes).unwrap());
    let given = |name: &SignalName| {
        snapshot.answers.get(name).map_or(Reading::WITHHELD, |given| reading_of(&given.answer))
    };
    let slots = device.slots().iter();
    let slots: Vec<Input<'_>> =
        slots.map(|slot| Input { reading: given(&slot.name), trust: Trust::Claimed }).collect();
    let inputs = Inputs { slots: &slots, passed: None, close: Close::Open };
    let mut scratch = Scratch::for_slice(&device);
    eval(&device, &inputs, &mut scratch);
    let told = disclose(&device, &scratch, &inputs);
    let slots = cloud.slots().iter().map(|slot| match slot.source {
        Source::Node(at) => {
            let reading = match told.nodes[usize::from(at)] {
                NodeOutcome::True => Reading::Bool(true),
                NodeOutcome::False => Reading::Bool(false),
                NodeOutcome::Error => Reading::Error,
                NodeOutcome::Unknown => Reading::WITHHELD,
            };
            Input { reading, trust: session }
        }
        Source::Value(at) => Input { reading: reading_of(&told.values[usize::from(at)]), trust: session },
        _ => Input { reading: given(&slot.name), trust: Trust::Proven },
    });
    let slots: Vec<Input<'_>> = slots.collect();
    let inputs = Inputs { slots: &slots, passed: None, close: Close::Here };
    let settled = eval(&cloud, &inputs, &mut Scratch::for_slice(&cloud)).settled;
    (told.nodes.clone(), settled.unwrap())
}

fn snapshot(battery: Option<i64>, hooked: bool, amount: i64, session: Trust) -> Snapshot {
    let battery = battery.map_or(Answer::unknown(Cause::Withheld), |level| Answer::Value(Value::Int(level)));
    let one = |text: &str, answer, trust| (name(text), Given { answer, trust });
    Snapshot {
        answers: [
            one("battery.level", battery, session),
            one("app.hooked", Answer::Value(Value::Bool(hooked)), session),
            one("amount", Answer::Value(Value::Int(amount)), Trust::Proven),
        ]
        .into(),
    }
}

#[test]
fn a_policy_with_ranges_runs_as_a_whole() {
    let compiled = compiled(RANGE);
    for session in Trust::ALL {
        for battery in
            [None, Some(-1), Some(19), Some(20), Some(21), Some(49), Some(50), Some(51), Some(i64::MAX)]
        {
            for (hooked, amount) in [(true, 50), (false, 50), (true, 500), (false, 500), (false, 5_000)] {
                let snapshot = snapshot(battery, hooked, amount, session);
                let want = whole(compiled.checked(), &snapshot, None, false).verdict;
                let (_, verdict) = run(&compiled, &snapshot, session);
                assert_eq!(verdict, want, "{battery:?} {hooked} {amount} {session:?}");
            }
        }
    }
}

#[test]
fn values_within_a_range_leave_the_same_and_the_bits_are_those_of_the_ranges() {
    let compiled = compiled(RANGE);
    let told = |level| run(&compiled, &snapshot(Some(level), true, 5, Trust::Attested), Trust::Attested).0;
    for values in [[-7, 0, 19], [20, 33, 50], [51, 99, i64::MAX]] {
        assert!(values.iter().all(|value| told(*value) == told(values[0])), "{values:?}");
    }
    assert!(told(19) != told(20) && told(50) != told(51));
    let released = compiled.released();
    let kinds: Vec<_> = released.items.iter().map(|item| (&item.kind, item.bits)).collect();
    // `battery.level < 20`, its negation and `<= 50`: three nodes, three ranges, two bits.
    let range = ReleasedKind::Range { nodes: vec![0, 2, 3], ranges: 3 };
    assert_eq!(kinds, [(&range, 2), (&ReleasedKind::Node(1), 1)]);
    assert_eq!(released.bits(), 3);
}

#[test]
fn the_digest_covers_ranges_exceptions_and_budgets_and_nothing_is_taken_for_another() {
    let rule = |release: &str| {
        format!(
            "[[rule]]\nid = \"a\"\nwhen = \"battery.level < 20\"\neffect = \"block\"\ntext = \"device\"\n{release}\n"
        )
    };
    let ads = "[[rule]]\nid = \"a\"\nwhen = \"ads.id == 4\"\neffect = \"block\"\ntext = \"device\"\nrelease = \"bit\"\ndeclassify = [\"farm\"]\n";
    let budget = |text: &str| format!("[policy.budget]\n{text}\n{}", rule("release = \"bit\""));
    let texts = [
        rule("release = \"bit\""),
        rule("release = { buckets = { \"battery.level\" = [20] } }"),
        budget("bits_per_request = 1"),
        budget("bits_per_request = 2"),
        budget("bits_per_session = 1"),
        budget("bits_per_day = 1"),
        ads.to_owned(),
    ];
    let all: std::collections::BTreeSet<Vec<u8>> =
        texts.iter().map(|text| compiled(text).canonical().to_vec()).collect();
    assert_eq!(all.len(), texts.len());
    let nodes = compiled(&rule("release = { nodes = 1 }"));
    assert_eq!(nodes.canonical(), compiled(&texts[0]).canonical(), "`bit` is another word for one node");
    let other = |from: &str, to: &str| {
        let signals = SIGNALS.replace(from, to);
        compile_texts(&signals, &format!("{HEAD}{ads}"), None).unwrap().canonical().to_vec()
    };
    for (from, to) in [("install farms", "device farms"), ("dpo@", "cto@"), ("2026-03-01", "2026-03-02")] {
        assert!(!all.contains(&other(from, to)), "{to}");
    }
    assert!(all.contains(&other("", "")));
    let [exception] = compiled(ads).checked().declassifiers().to_vec().try_into().unwrap();
    assert_eq!((exception.name.as_str(), exception.purpose.as_str()), ("farm", "fraud"));
}

#[test]
fn a_request_that_tells_more_than_its_budget_is_refused_with_what_tells_most() {
    let rule = |at: usize, when: &str| {
        format!(
            "[[rule]]\nid = \"r{at}\"\nwhen = \"{when}\"\neffect = \"challenge(otp)\"\ntext = \"device\"\nrelease = \"bit\"\n"
        )
    };
    let bounds = [10, 20, 30, 40, 50, 60, 70];
    let thresholds: String = bounds
        .iter()
        .enumerate()
        .map(|(at, bound)| rule(at, &format!("battery.level < {bound} && amount > {at}")))
        .collect();
    let with = |budget: &str, rules: &str| refused(SIGNALS, &format!("[policy.budget]\n{budget}\n{rules}"));
    // Seven thresholds of one signal are eight ranges: three bits, not seven.
    assert_eq!(with("bits_per_request = 3", &thresholds), "passes");
    let said = with("bits_per_request = 2", &thresholds);
    assert!(said.contains("[G5014]") && said.contains("policy.toml:10:20"), "{said}");
    assert!(
        said.contains("one request tells 3 bits of private and pseudonymous signals, and bits_per_request is 2: battery.level (private, device) → 8 ranges → rule \"r0\", \"r1\""),
        "{said}"
    );
    for (budget, want) in [
        ("bits_per_session = 2", "bits_per_session is 2"),
        ("bits_per_day = 0", "bits_per_day is 0"),
        ("bits_per_request = 9\nbits_per_session = 8", "bits_per_session is below bits_per_request"),
        ("bits_per_request = 9\nbits_per_day = 8", "bits_per_day is below bits_per_request"),
        ("bits_per_hour = 9", "unknown key `bits_per_hour`"),
        ("bits_per_day = -1", "must be from 0"),
        ("", "this budget limits nothing"),
    ] {
        let said = with(budget, &thresholds);
        assert!(said.contains(want), "{budget}:\n{said}");
    }
    // What is public may leave as it is and counts nothing.
    let public = "[[rule]]\nid = \"os\"\nwhen = \"app.os == 'x'\"\neffect = \"block\"\nrelease = { values = [\"app.os\"] }\n";
    assert_eq!(with("bits_per_request = 0", public), "passes");
    assert_eq!(compiled(public).released().items[0].bits, 8 * 32 + 1);
}

#[test]
fn an_exception_says_of_what_for_what_why_by_whom_and_when() {
    let rule = "[[rule]]\nid = \"r\"\nwhen = \"amount > 1\"\neffect = \"block\"\n";
    for (from, to, want) in [
        ("reason = \"install farms share one\", ", "", "`reason` is missing"),
        ("reason = \"install farms share one\"", "reason = \" \"", "`reason` must say something"),
        ("\"2026-03-01\"", "\"2026-02-30\"", "`2026-02-30` is not a day"),
        ("\"2026-03-01\"", "\"20260301\"", "write it as 2026-01-31"),
        ("\"2026-03-01\"", "2026-03-01", "must be a string, not a date"),
        ("signal = \"ads.id\"", "signal = \"ads.if\"", "did you mean `ads.id`?"),
        ("signal = \"ads.id\"", "signal = \"list.gone\"", "no signal or list is called `list.gone`"),
        ("for = \"fraud\"", "for = \"ads\"", "`ads.id` may be used for `ads` anyway"),
        ("declassifier.farm", "declassifier.\"a b\"", "must be 1 to"),
        ("reviewed_by", "reviewd_by", "did you mean `reviewed_by`?"),
    ] {
        let said = refused(&SIGNALS.replace(from, to), rule);
        assert!(said.contains(want) && said.contains("signals.toml:7:"), "{from} -> {to}\n{said}");
    }
}
