//! What the compiled policy means: digest input, layout, hidden rules, reach of causes, the reference's sentences.

use crate::support::{compile_texts, file, unbound};
use glacis_compiler::reference::{Snapshot, whole};
use glacis_compiler::{Compiled, NodeInfo};
use glacis_policy::{Effect, Indexing, Owner, Slice, Source};
use glacis_wire::{
    Answer, AppName, Cause, Causes, Digest, Given, Method, Realm, SignalName, TenantId, Trust, Value,
    Verdict, Zone,
};

const HEAD: &str = r#"[policy]
name = "p"
event = "payment.transfer"
purpose = "fraud-prevention"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "match"
if_unknown = { withheld = "match", denied = "match", version = "match", inexact = "match", unavailable = "match", absent = "skip" }
"#;

/// What the slices say of their making: the app as the policy names it, and the whole catalogue.
#[test]
fn slices_are_bound_to_owner_app_policy_and_catalogue() {
    let hash = |bytes: &[u8]| {
        let sum = bytes.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        Digest::new([sum.to_be_bytes(); 4].concat().try_into().unwrap())
    };
    let owner = Owner { tenant: TenantId::parse("acme").unwrap(), realm: Realm::Demo };
    let rules = "[[rule]]\nid = \"r\"\nwhen = \"amount > 5\"\neffect = \"block\"\n";
    let signals = CATALOGUE.iter().map(|(name, ty)| signal(name, ty)).collect::<String>();
    let build = |signals: &str, head: &str| {
        compile_texts(signals, &format!("{head}{rules}"), None).unwrap_or_else(|error| panic!("{error}"))
    };
    let plain = build(&signals, HEAD);
    let binding = plain.bind(owner.clone(), hash);
    for bytes in plain.slices(&binding) {
        assert_eq!(*Slice::load(&bytes).unwrap().binding(), binding);
    }
    assert_eq!((binding.owner.as_ref(), binding.app.as_ref()), (Some(&owner), None));
    let grown = build(&format!("{signals}{}", signal("unread", "\"bool\"")), HEAD).bind(owner.clone(), hash);
    assert_eq!(grown.policy, binding.policy, "no rule reads it");
    assert_ne!(grown.catalogue, binding.catalogue);
    let named = HEAD.replace("purpose", "app = \"com.example.bank\"\npurpose");
    let named = build(&signals, &named).bind(owner, hash);
    assert_eq!(named.app.as_ref().map(AppName::as_str), Some("com.example.bank"));
    assert_ne!(named.policy, binding.policy, "whose devices run it is a part of what it means");
    let nameless = HEAD.replace("purpose", "app = \"a b\"\npurpose");
    let error = compile_texts(&signals, &format!("{nameless}{rules}"), None).unwrap_err().to_string();
    assert!(error.contains("G1019") && error.contains("app"), "{error}");
}

fn compiled(rules: &str) -> Compiled {
    let policy = format!("{HEAD}{rules}");
    compile_texts(&file("policies/signals.toml"), &policy, None)
        .unwrap_or_else(|error| panic!("{error}\n{policy}"))
}

fn snapshot(answers: &[(&str, Answer, Trust)]) -> Snapshot {
    let given = |(name, answer, trust): &(&str, Answer, Trust)| {
        (SignalName::parse(name).unwrap(), Given { answer: answer.clone(), trust: *trust })
    };
    Snapshot { answers: answers.iter().map(given).collect() }
}

fn yes(value: bool) -> Answer {
    Answer::Value(Value::Bool(value))
}

#[test]
fn canonical_bytes_follow_meaning_not_text() {
    let base = "[[rule]]\nid = \"a\"\nwhen = \"amount > 5\"\neffect = \"block\"\n";
    let original = compiled(base).canonical().to_vec();
    let same = "[[rule]]\n# why\neffect = \"block\"\nid = \"a\"\nwhen = \"amount   >   (5)\"\n";
    assert_eq!(compiled(same).canonical(), original);
    for (from, to) in [
        ("amount > 5", "amount > 6"),
        ("amount > 5", "amount >= 5"),
        ("id = \"a\"", "id = \"b\""),
        ("\"block\"", "\"block(soft)\""),
        ("effect", "text = \"cloud\"\neffect"),
        ("effect", "place = \"edge\"\neffect"),
        ("effect", "obligations = [\"review\"]\neffect"),
        ("effect", "if_error = \"skip\"\neffect"),
    ] {
        assert_ne!(compiled(&base.replace(from, to)).canonical(), original, "{from} -> {to}");
    }
}

#[test]
fn equal_nodes_are_one_node_and_chains_are_grouped() {
    let compiled = compiled(
        "[[rule]]\nid = \"a\"\nwhen = \"app.hooked && amount > 5 && app.debugger\"\neffect = \"block\"\ntext = \"device\"\nrelease = { nodes = 1 }\n\
         [[rule]]\nid = \"b\"\nwhen = \"amount > 9 || (app.hooked && app.debugger)\"\neffect = \"challenge(otp)\"\ntext = \"device\"\nrelease = { nodes = 1 }\n\
         [[rule]]\nid = \"c\"\nwhen = \"!app.debugger && amount > 7\"\neffect = \"challenge(otp)\"\nreveal = [\"app.debugger\"]\nrelease = { nodes = 1 }\n",
    );
    let names =
        |names: &[&str]| names.iter().map(|name| SignalName::parse(name).unwrap()).collect::<Vec<_>>();
    let node = |text: &str, signals: &[&str]| NodeInfo {
        text: text.to_owned(),
        signals: names(signals),
        requests: Vec::new(),
        min_trust: Trust::Attested,
    };
    let shared = node("app.hooked && app.debugger", &["app.debugger", "app.hooked"]);
    assert_eq!(compiled.layout().nodes, [shared, node("!app.debugger", &["app.debugger"])]);
    assert!(compiled.layout().values.is_empty());
    for bytes in compiled.slices(&unbound()) {
        Slice::load(&bytes).unwrap();
    }
}

#[test]
fn a_slice_tells_of_hidden_rules_only_their_strongest_effects() {
    let compiled = compiled(
        "[[score_class]]\nat_least = 20\neffect = \"challenge(passkey)\"\n\
         [[rule]]\nid = \"a\"\nwhen = \"amount > 5\"\neffect = \"block\"\ntext = \"cloud\"\nif_unknown = { unavailable = \"challenge(otp)\" }\n\
         [[rule]]\nid = \"b\"\nwhen = \"amount > 6\"\neffect = \"block(soft)\"\nplace = \"cloud\"\nif_unknown = { unavailable = \"skip\" }\n\
         [[rule]]\nid = \"c\"\nwhen = \"amount > 7\"\neffect = \"exempt\"\ntext = \"cloud\"\n\
         [[rule]]\nid = \"d\"\nwhen = \"amount > 8\"\neffect = \"score(20)\"\ntext = \"cloud\"\n\
         [[rule]]\nid = \"e\"\nwhen = \"amount > 9\"\neffect = \"score(-5)\"\ntext = \"cloud\"\n",
    );
    let [device, edge, cloud] = compiled.slices(&unbound()).map(|bytes| Slice::load(&bytes).unwrap());
    let hidden = edge.hidden();
    assert!(hidden.block && hidden.exempt && edge.rules().is_empty() && edge.slots().is_empty());
    assert_eq!((hidden.soft, hidden.score), (Some(Effect::SoftBlock), (-5, 20)));
    assert!(!hidden.unavailable.block);
    assert_eq!(hidden.unavailable.soft, Some(Effect::Challenge(Method::Otp)));
    assert_eq!(hidden.unavailable.score, 20);
    assert_eq!(cloud.rules().len(), 5);
    let told = device.hidden();
    assert!(device.parts().classes.is_empty(), "thresholds of points stay away from the device");
    assert_eq!((told.block, told.exempt, told.score), (true, true, (0, 0)));
    assert_eq!(told.soft, Some(Effect::SoftBlock));
    assert_eq!(told.unavailable, glacis_policy::Hidden::NONE.unavailable);
}

#[test]
fn an_undisclosed_rule_is_always_withheld() {
    let rule = |entry: &str| {
        format!(
            "[[rule]]\nid = \"a\"\nwhen = \"app.hooked\"\neffect = \"block\"\ndanger_undisclosed = true\nif_unknown = {{ withheld = \"{entry}\" }}\nif_error = \"match\"\n"
        )
    };
    let seen = snapshot(&[("app.hooked", yes(true), Trust::Attested)]);
    for (entry, want, rules) in [
        ("challenge(otp)", Verdict::Challenge(Method::Otp), 1),
        ("danger_skip", Verdict::Allow, 0),
        ("match", Verdict::Block, 1),
    ] {
        let compiled = compiled(&rule(entry));
        assert_eq!(whole(compiled.checked(), &seen, None, false).verdict, want, "{entry}");
        let [device, edge, cloud] = compiled.slices(&unbound()).map(|bytes| Slice::load(&bytes).unwrap());
        assert!(device.slots().is_empty() && device.rules().is_empty(), "nothing of it is on the device");
        assert_eq!((edge.rules().len(), cloud.rules().len()), (rules, rules), "{entry}");
        assert!(edge.slots().is_empty());
    }
}

#[test]
fn declared_values_leave_with_their_trust() {
    let signals = file("policies/signals.toml")
        + "[signal.\"app.os\"]\ntype = \"string\"\nzone = \"device\"\nprivacy = \"public\"\npurpose = [\"fraud-prevention\"]\nretention = \"0d\"\nmin_trust = \"attested\"\nmax_bytes = 16\ncost = 1\n";
    let rule = "[[rule]]\nid = \"a\"\nwhen = \"app.os == payee || app.hooked\"\neffect = \"block\"\nreveal = [\"app.hooked\"]\nrelease = { nodes = 1, values = [\"app.os\"] }\n";
    let compiled =
        compile_texts(&signals, &format!("{HEAD}{rule}"), None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(compiled.layout().values.iter().map(SignalName::as_str).collect::<Vec<_>>(), ["app.os"]);
    let [device, edge, _] = compiled.slices(&unbound()).map(|bytes| Slice::load(&bytes).unwrap());
    assert_eq!(device.layout(), (1, 1));
    let sources: Vec<_> =
        edge.slots().iter().map(|slot| (slot.name.as_str(), slot.source, slot.min_trust)).collect();
    assert_eq!(
        sources,
        [
            ("app.os", Source::Value(0), Trust::Attested),
            ("node.0", Source::Node(0), Trust::Attested),
            ("payee", Source::Request, Trust::Claimed),
        ]
    );
}

/// DESIGN §4.2, one sentence a row: what is given of `app.hooked || app.debugger`, what comes out.
#[test]
fn incriminating_claims_are_believed_and_exculpating_ones_earned() {
    let compiled = compiled(
        "[[rule]]\nid = \"a\"\nwhen = \"app.hooked || app.debugger\"\neffect = \"block\"\ntext = \"device\"\nrelease = \"verdict\"\n\
         if_unknown = { withheld = \"challenge(passkey)\", denied = \"challenge(passkey)\", version = \"match\" }\n",
    );
    let withheld = Answer::unknown(Cause::Withheld);
    let both = Answer::Unknown(Causes::of(Cause::Withheld).union(Causes::of(Cause::Version)));
    let passkey = Verdict::Challenge(Method::Passkey);
    for (hooked, debugger, trust, want) in [
        (yes(false), yes(false), Trust::Attested, Verdict::Allow),
        (yes(false), yes(false), Trust::Claimed, passkey),
        (yes(true), yes(false), Trust::Claimed, Verdict::Block),
        (yes(true), withheld.clone(), Trust::Claimed, Verdict::Block),
        (withheld.clone(), yes(false), Trust::Attested, passkey),
        (yes(true), Answer::Error, Trust::Attested, Verdict::Block),
        (yes(false), Answer::Error, Trust::Attested, Verdict::Block),
        (withheld.clone(), Answer::Error, Trust::Attested, passkey),
        (Answer::Missing, yes(false), Trust::Attested, Verdict::Block),
        (Answer::Error, Answer::Error, Trust::Claimed, passkey),
        (Answer::Value(Value::Int(1)), yes(false), Trust::Attested, Verdict::Block),
        (both, yes(false), Trust::Attested, Verdict::Block),
    ] {
        let seen =
            snapshot(&[("app.hooked", hooked.clone(), trust), ("app.debugger", debugger.clone(), trust)]);
        let got = whole(compiled.checked(), &seen, None, false);
        assert_eq!(got.verdict, want, "{hooked:?} {debugger:?} {trust:?}");
    }
    assert_eq!(whole(compiled.checked(), &Snapshot::default(), None, false).verdict, passkey);
}

/// DESIGN §4.2, intervals: what is given of a feature, and what a rule over it comes to.
#[test]
fn an_aggregate_decides_where_all_its_numbers_do() {
    let compiled = compiled(
        "[[rule]]\nid = \"a\"\nwhen = \"user.transfers_1h > 3 && user.transfers_1h != 7\"\neffect = \"block\"\n\
         if_unknown = { inexact = \"challenge(otp)\" }\n\
         [[rule]]\nid = \"b\"\nwhen = \"user.transfers_1h + 1 < 0\"\neffect = \"exempt\"\n",
    );
    let otp = Verdict::Challenge(Method::Otp);
    for (lo, hi, want) in [
        (0, 3, Verdict::Allow),
        (3, 4, otp),
        (4, 6, Verdict::Block),
        (4, 7, otp),
        (7, 7, Verdict::Allow),
        (8, 900, Verdict::Block),
    ] {
        let between = Answer::Interval(glacis_wire::Interval::ints(lo, hi).unwrap());
        let seen = snapshot(&[("user.transfers_1h", between, Trust::Proven)]);
        assert_eq!(whole(compiled.checked(), &seen, None, false).verdict, want, "{lo} to {hi}");
    }
    let [_, edge, cloud] = compiled.slices(&unbound()).map(|bytes| Slice::load(&bytes).unwrap());
    assert!(edge.slots().iter().chain(cloud.slots()).all(|slot| slot.aggregate));
}

#[test]
fn combination_is_hard_then_exempt_then_soft_then_points() {
    let rule = |id: &str, effect: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\nwhen = \"'{id}' == payee || payee == 'all' || payee.contains('{id}')\"\neffect = \"{effect}\"\n"
        )
    };
    let classes = "[[score_class]]\nat_least = 30\neffect = \"challenge(otp)\"\n[[score_class]]\nat_least = 60\neffect = \"block(soft)\"\n";
    let rules = [
        rule("h", "block"),
        rule("s", "block(soft)"),
        rule("o", "challenge(otp)"),
        rule("k", "challenge(passkey)"),
        rule("e", "exempt"),
        rule("1", "score(40)"),
        rule("2", "score(25)"),
        rule("3", "score(-20)"),
    ];
    let compiled = compiled(&(classes.to_owned() + &rules.join("")));
    let (otp, passkey) = (Verdict::Challenge(Method::Otp), Verdict::Challenge(Method::Passkey));
    for (payee, passed, want) in [
        ("", None, Verdict::Allow),
        ("h", None, Verdict::Block),
        ("he", None, Verdict::Block),
        ("s", None, Verdict::Block),
        ("se", None, Verdict::Allow),
        ("ok", None, passkey),
        ("o", None, otp),
        ("oe12", None, Verdict::Allow),
        ("2", None, Verdict::Allow),
        ("1", None, otp),
        ("12", None, Verdict::Block),
        ("123", None, otp),
        ("13", None, Verdict::Allow),
        ("o", Some(Method::Otp), Verdict::Allow),
        ("k", Some(Method::Otp), passkey),
        ("ok", Some(Method::Passkey), Verdict::Allow),
        ("1", Some(Method::Otp), Verdict::Allow),
        ("12", Some(Method::Passkey), Verdict::Block),
        ("h", Some(Method::Passkey), Verdict::Block),
    ] {
        let seen = snapshot(&[("payee", Answer::Value(Value::String(payee.to_owned())), Trust::Proven)]);
        assert_eq!(whole(compiled.checked(), &seen, passed, false).verdict, want, "{payee} {passed:?}");
    }
}

#[test]
fn costs_are_known_and_bounded() {
    let cheap = compiled("[[rule]]\nid = \"a\"\nwhen = \"amount > 5\"\neffect = \"block\"\n");
    assert_eq!((cheap.cost(Zone::Device), cheap.cost(Zone::Edge), cheap.cost(Zone::Cloud)), (0, 4, 4));
    let device = "[[rule]]\nid = \"b\"\nwhen = \"app.hooked\"\neffect = \"block\"\ntext = \"device\"\nrelease = \"verdict\"\n";
    assert_eq!(compiled(device).cost(Zone::Device), 11);
    let condition = vec!["user.devices_30d > 1"; 500].join(" || ");
    let dear = format!("{HEAD}[[rule]]\nid = \"a\"\nwhen = \"{condition}\"\neffect = \"block\"\n");
    assert!(compile_texts(&file("policies/signals.toml"), &dear, None).is_ok());
    let rules: String = (0..8)
        .map(|at| format!("[[rule]]\nid = \"a{at}\"\nwhen = \"{condition}\"\neffect = \"block\"\n"))
        .collect();
    let error = compile_texts(&file("policies/signals.toml"), &format!("{HEAD}{rules}"), None).unwrap_err();
    assert!(error.to_string().contains("the edge slice may cost"), "{error}");
}

#[test]
fn the_compiler_says_which_rules_are_computed() {
    let rule =
        |id: &str, when: &str| format!("[[rule]]\nid = \"{id}\"\nwhen = '{when}'\neffect = \"block\"\n");
    // 17 terms are one too many.
    let alternatives: Vec<_> = (0..17).map(|at| format!("(amount == {at} && ip.new)")).collect();
    let wide = alternatives.join(" || ");
    let rules = [
        ("whole", "amount > 5 && (payee == \"a\" || !has(country))", Indexing::Whole),
        ("choice", "amount > 5 ? payee in [\"a\", \"b\"] : country.startsWith(\"N\")", Indexing::Whole),
        ("part", "amount > 5 && payee.contains(\"a\")", Indexing::Part),
        ("nothing", "payee.contains(\"a\") || amount + 1 > 5", Indexing::Nothing),
        ("wide", &*wide, Indexing::Nothing),
    ];
    let text: String = rules.iter().map(|(id, when, _)| rule(id, when)).collect();
    let catalogue = CATALOGUE.iter().map(|(name, ty)| signal(name, ty)).collect::<String>();
    let policy = format!("{HEAD}{text}");
    let compiled = compile_texts(&catalogue, &policy, None).unwrap_or_else(|error| panic!("{error}"));
    let expected: Vec<_> = rules.iter().map(|(id, _, indexing)| ((*id).to_owned(), *indexing)).collect();
    let plan = compiled.plan(Zone::Cloud).unwrap();
    assert_eq!(plan.rules, expected);
    let [.., cloud] = compiled.slices(&unbound());
    assert_eq!((plan.bytes, plan.steps_max), (cloud.len(), Slice::load(&cloud).unwrap().steps_max()));
    assert!(compiled.plan(Zone::Device).unwrap().rules.is_empty());
}

const CATALOGUE: [(&str, &str); 4] = [
    ("amount", "\"int\""),
    ("payee", "\"string\"\nmax_bytes = 64"),
    ("country", "\"string\"\nmax_bytes = 2"),
    ("ip.new", "\"bool\""),
];

fn signal(name: &str, ty: &str) -> String {
    format!(
        "[signal.\"{name}\"]\ntype = {ty}\nzone = \"request\"\nprivacy = \"public\"\npurpose = [\"fraud-prevention\"]\n\
         retention = \"1d\"\ncost = 1\n"
    )
}
