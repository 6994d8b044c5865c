//! The stored seeds: small, real inputs of each target, made by the product's own encoders.
//!
//! `cargo xtask fuzz --seeds` writes them to `seeds/<target>/<name>`. They are the same on every machine: keys,
//! times and ids are fixed. A bug that a fuzzer finds adds its input by hand, with a name that says what broke.

use crate::condition;
use crate::published::{context, key_set, signer};
use glacis_compiler::{Source, compile};
use glacis_model::import::Format;
use glacis_policy::Binding;
use glacis_seal::{Purpose, sign_envelope};
use glacis_wire::message::challenge::{
    ChallengeNonce, ChallengeRequest, NonceBody, PasskeyAnswer, PasskeyOutcome, PasskeyVerify, Proof,
};
use glacis_wire::message::policy::{Bundle, BundleSlice, Feed, FeedAction, FeedEntry, Published};
use glacis_wire::message::session::{LegOpened, OpeningRecord};
use glacis_wire::message::{Bytes, List, Maced, Signed, Tail, Text};
use glacis_wire::{
    Answer, Cause, Decode as _, Digest, Disclosed, Encode, EventId, EventName, LegId, Method, NodeName,
    NodeOutcome, PolicyDigest, Thumbprint, Timestamp, Value, Zone,
};
use std::error::Error;

/// One stored input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// File name.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

type Seeds = Result<Vec<Seed>, Box<dyn Error>>;

/// Every seed.
///
/// # Errors
/// Where the product's encoders refuse what a seed is made of: a change of the product that the seeds must follow.
pub fn all() -> Seeds {
    let mut seeds = wire_seeds()?;
    seeds.extend(disclosed_seeds()?);
    seeds.extend(slice_seeds()?);
    seeds.extend(text_seeds("condition", CONDITIONS));
    seeds.extend(text_seeds("cel", EXPRESSIONS));
    seeds.extend(policy_seeds());
    seeds.extend(httpsig_seeds());
    seeds.extend(published_seeds()?);
    seeds.extend(collateral_seeds()?);
    seeds.extend(model_seeds()?);
    seeds.extend(
        crate::evidence_seeds::all().into_iter().map(|(target, name, bytes)| seed(target, name, bytes)),
    );
    seeds.extend(
        crate::tpm_response::seeds().into_iter().map(|(target, name, bytes)| seed(target, name, bytes)),
    );
    seeds.extend(crate::results::seeds().into_iter().map(|(target, name, bytes)| seed(target, name, bytes)));
    Ok(seeds)
}

fn seed(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Seed {
    Seed { target, name: name.into(), bytes: bytes.into() }
}

fn text_seeds(target: &'static str, texts: &[(&str, &str)]) -> Vec<Seed> {
    texts.iter().map(|(name, text)| seed(target, *name, *text)).collect()
}

fn wire_seeds() -> Seeds {
    let signed =
        Signed { key: glacis_wire::KeyId::new([2; 16]), body: Bytes(vec![1, 2, 3]), signature: [3; 64] };
    let nonce = nonce()?;
    let opening = OpeningRecord {
        thumbprint: Thumbprint::new([4; 32]),
        epoch_ctr: 7,
        parent: Digest::new([0; 32]),
        chain: Digest::new([5; 32]),
        opened_at: Timestamp::from_secs(1),
        node: NodeName::parse("edge-1")?,
    };
    let challenge =
        ChallengeRequest { event: nonce.body.event, content: nonce.body.content, method: Method::Passkey };
    let messages: Vec<(&str, Vec<u8>)> = vec![
        ("value-list", Value::List(vec![Value::String("a".into()), Value::String("é".into())]).to_bytes()?),
        ("value-double", Value::Double(-0.0).to_bytes()?),
        ("answer-unknown", Answer::unknown(Cause::Withheld).to_bytes()?),
        ("signed", signed.to_bytes()?),
        ("maced", Maced { body: Bytes(vec![9; 40]), mac: [6; 32] }.to_bytes()?),
        ("nonce", nonce.to_bytes()?),
        ("challenge-request", challenge.to_bytes()?),
        ("proof-passkey", Proof::Passkey { nonce: nonce.clone(), signature: [8; 64] }.to_bytes()?),
        ("proof-otp", Proof::Otp { nonce: nonce.clone(), grant: signed.clone() }.to_bytes()?),
        (
            "proof-passkey-grant",
            Proof::PasskeyGrant { nonce: nonce.clone(), grant: signed.clone() }.to_bytes()?,
        ),
        ("passkey-verify", PasskeyVerify { nonce, assertion: Bytes(b"{}".to_vec()) }.to_bytes()?),
        (
            "passkey-answer",
            PasskeyAnswer { outcome: PasskeyOutcome::Granted, grant: Some(signed.clone()) }.to_bytes()?,
        ),
        ("opening", opening.to_bytes()?),
        ("leg", LegOpened { leg: LegId::new([9; 16]) }.to_bytes()?),
        ("key-set", key_set(1).ok_or("no key set")?.to_bytes()?),
        ("feed", feed()?.to_bytes()?),
    ];
    let mut seeds = Vec::new();
    for (name, bytes) in messages {
        for which in kinds_of(name) {
            seeds.push(seed("wire", format!("{name}-{which}"), [&[*which][..], &bytes].concat()));
        }
    }
    Ok(seeds)
}

/// Positions in [`wire::CHECKS`] of a message.
fn kinds_of(name: &str) -> &'static [u8] {
    match name {
        "value-list" | "value-double" => &[0],
        "answer-unknown" => &[1],
        "signed" => &[2, 19],
        "maced" => &[3],
        "nonce" => &[16, 20],
        "challenge-request" => &[17],
        "proof-passkey" | "proof-otp" | "proof-passkey-grant" => &[18],
        "passkey-verify" => &[36],
        "passkey-answer" => &[37],
        "opening" => &[15],
        "leg" => &[13],
        "key-set" => &[32],
        _ => &[35],
    }
}

fn nonce() -> Result<ChallengeNonce, Box<dyn Error>> {
    let body = NonceBody {
        thumbprint: Thumbprint::new([1; 32]),
        event: EventId::new([2; 16]),
        content: Digest::new([3; 32]),
        method: Method::Otp,
        principal: Text("alice".into()),
        random: [4; 16],
        not_after: Timestamp::from_secs(300),
    };
    Ok(ChallengeNonce { body, mac: [5; 32] })
}

fn feed() -> Result<Feed, Box<dyn Error>> {
    let context = context().ok_or("no context")?;
    let entry = FeedEntry {
        thumbprint: Thumbprint::new([1; 32]),
        action: FeedAction::Cap,
        since: Timestamp::from_secs(2),
    };
    let (tenant, realm, issued) = (context.tenant, context.realm, Timestamp::from_secs(3));
    Ok(Feed { tenant, realm, version: 4, issued, entries: List(vec![entry]) })
}

fn disclosed_seeds() -> Seeds {
    let policy = PolicyDigest::new([1; 32]);
    let nodes = vec![
        NodeOutcome::True,
        NodeOutcome::False,
        NodeOutcome::Unknown,
        NodeOutcome::Error,
        NodeOutcome::True,
    ];
    let values =
        vec![Answer::Value(Value::String("linux".into())), Answer::Missing, Answer::unknown(Cause::Withheld)];
    Ok(vec![
        seed("disclosed", "empty", Disclosed::withheld(policy, 0, 0).to_bytes()?),
        seed("disclosed", "withheld", Disclosed::withheld(policy, 9, 2).to_bytes()?),
        seed("disclosed", "full", Disclosed { policy, nodes, values }.to_bytes()?),
    ])
}

/// The slices of every seed condition that compiles.
fn slices() -> Vec<(String, [Vec<u8>; 3])> {
    let mut found = Vec::new();
    let catalogue = Source { name: "signals.toml", text: condition::SIGNALS };
    for (name, text) in CONDITIONS {
        for release in condition::RELEASES {
            let policy = condition::around(text, release);
            if let Ok(compiled) = compile(catalogue, Source { name: "policy.toml", text: &policy }, None) {
                found.push((
                    (*name).to_owned(),
                    compiled.slices(&Binding::unbound(PolicyDigest::new([7; 32]))),
                ));
            }
        }
    }
    found
}

fn slice_seeds() -> Seeds {
    let mut seeds = Vec::new();
    for (name, three) in slices() {
        for (zone, bytes) in ["device", "edge", "cloud"].iter().zip(three) {
            let length = u16::try_from(bytes.len())?.to_be_bytes();
            let choices = [6, 2, 200, 6, 0, 100, 3, 2, 0, 1];
            seeds.push(seed("slice", format!("{name}-{zone}"), [&length[..], &bytes, &choices].concat()));
        }
    }
    Ok(seeds)
}

fn policy_seeds() -> Vec<Seed> {
    let [none, one, _] = condition::RELEASES else { return Vec::new() };
    let whole =
        |name: &str, text: &str, release: &str| seed("policy", name, condition::around(text, release));
    let scored = condition::around("amount > 10", none)
        .replace("effect = \"block\"", "effect = \"score(40)\"")
        + "\n[[score_class]]\nat_least = 30\neffect = \"challenge(passkey)\"\n";
    vec![
        whole("device", "app.hooked", one),
        whole("mixed", "app.hooked && amount > 1000", one),
        whole("cloud", "payee in list.mules || user.transfers_1h > 3", none),
        seed("policy", "scored", scored),
        seed("policy", "empty", ""),
        seed("policy", "typo", condition::around("amount > 1", none).replace("effect", "efect")),
    ]
}

fn httpsig_seeds() -> Vec<Seed> {
    let request = r#"glacis=("@method" "@authority" "@path" "@query" "content-digest" "glacis-proof");created=1618884473;expires=1618884533;nonce="7";keyid="AAECAwQFBgcICQoLDA0ODw";alg="hmac-sha256";tag="glacis/request/v1""#;
    let other = r#"sig1=("date" "@query-param";name="a b");created=1, glacis=();keyid="x";odd=?1;deci=1.5;tok=a/b, sig2=:AA==:"#;
    let signature = "glacis=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:";
    let digest = "sha-512=:AA==:, sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    let lines = |input: &str| [input, signature, digest].join("\n");
    vec![
        seed("httpsig", "request", lines(request)),
        seed("httpsig", "foreign-members", lines(other)),
        seed("httpsig", "not-closed", "glacis=(\"@method\"\nglacis=:AA\nsha-256=:"),
    ]
}

fn published_seeds() -> Seeds {
    let (context, key) = (context().ok_or("no context")?, signer().ok_or("no key")?);
    let (_, three) = slices().into_iter().next().ok_or("no seed condition compiles")?;
    let [device, ..] = three;
    let slice = BundleSlice {
        event: EventName::parse("payment.transfer")?,
        policy: PolicyDigest::new([7; 32]),
        slice: Bytes(device),
    };
    let bundle = Bundle {
        tenant: context.tenant.clone(),
        realm: context.realm,
        zone: Zone::Device,
        version: 3,
        issued: Timestamp::from_secs(5),
        slices: List(vec![slice]),
        metering: Tail::default(),
    };
    let bundle = sign_envelope(&key, &context, Purpose::Bundle, &bundle)?;
    let next = sign_envelope(&key, &context, Purpose::KeySet, &key_set(2).ok_or("no key set")?)?;
    let plain = Published { key_sets: List(vec![]), bundle: bundle.clone() };
    let rotated = Published { key_sets: List(vec![next]), bundle };
    Ok(vec![
        seed("published", "bundle", plain.to_bytes()?),
        seed("published", "rotated", rotated.to_bytes()?),
    ])
}

/// A file with one of everything, and its body alone.
fn collateral_seeds() -> Seeds {
    use glacis_attest::collateral::Life;
    use glacis_attest::{AndroidApp, Collateral, References, Revocations, Roots, Site};
    let (context, key) = (context().ok_or("no context")?, signer().ok_or("no key")?);
    let made_at = Timestamp::from_secs(1_800_000_000);
    let list = br#"{"entries": {"77": {"status": "SUSPENDED"}, "abc": {"status": "REVOKED"}}}"#;
    let made = Collateral {
        life: Life {
            version: 7,
            made_at,
            stale_after: Timestamp::from_secs(1_800_200_000),
            not_after: Timestamp::from_secs(1_801_000_000),
        },
        roots: Roots { android: vec![vec![1; 9]], platforms: vec![vec![2; 9]], ..Roots::default() },
        references: References {
            android_apps: vec![AndroidApp { package: "a.b".into(), signers: vec![Digest::new([3; 32])] }],
            apple_apps: vec!["ABCDE12345.a.b".into()],
            boot_keys: vec![vec![4; 32]],
            patch_level_min: Some(202_601),
            sites: vec![Site { id: "a.example".into(), origins: vec!["https://a.example".into()] }],
            boot_authorities: vec![Digest::new([5; 32])],
        },
        systems: [(vec![4; 32], "a system".to_owned())].into(),
        revocations: Some(Revocations::parse_google(list, made_at).map_err(|error| error.to_string())?),
        ceilings: [("maker".to_owned(), glacis_wire::Tier::Hardware)].into(),
    };
    let file = made.seal(&key, &context)?;
    let body = Signed::from_bytes(&file)?.body.0;
    Ok(vec![seed("collateral", "file", file), seed("collateral", "body", body)])
}

/// A file of each library, and the models that come of them.
fn model_seeds() -> Seeds {
    let mut seeds = Vec::new();
    for (name, which, format, file) in MODELS {
        seeds.push(seed("model_import", *name, [&[*which][..], file.as_bytes()].concat()));
        let bytes = glacis_model::import::import(*format, file.as_bytes())?.bytes;
        let length = u16::try_from(bytes.len())?.to_be_bytes();
        let choices = [2, 140, 1, 200, 4, 3, 0, 0, 6, 128];
        seeds.push(seed("model_load", *name, [&length[..], &bytes, &choices].concat()));
    }
    Ok(seeds)
}

const MODELS: &[(&str, u8, Format, &str)] = &[
    ("xgboost", 0, Format::Xgboost, XGBOOST),
    ("lightgbm", 1, Format::Lightgbm, LIGHTGBM),
    ("lightgbm-deep", 1, Format::Lightgbm, LIGHTGBM_DEEP),
];

const XGBOOST: &str = r#"{"learner":{"attributes":{"best_iteration":"0"},"feature_names":["a","b"],"feature_types":["float","int"],
"gradient_booster":{"model":{"trees":[{"default_left":[1,0,0,0,0],"left_children":[1,3,-1,-1,-1],"right_children":[2,4,-1,-1,-1],
"split_conditions":[3.8954627E-2,1.4E1,-1.1E0,5E-1,1.9019069E-1],"split_indices":[0,1,0,0,0],"split_type":[0,0,0,0,0],
"tree_param":{"num_nodes":"5","size_leaf_vector":"1"}}]},"name":"gbtree"},
"learner_model_param":{"base_score":"[4.38E-1]","num_class":"0","num_feature":"2","num_target":"1"},
"objective":{"name":"binary:logistic"}},"version":[3,2,0]}"#;

const LIGHTGBM: &str = r#"{"num_class":1,"num_tree_per_iteration":1,"objective":"binary sigmoid:1","average_output":false,
"feature_names":["a","\u00e9"],"tree_info":[{"tree_index":0,"tree_structure":{"split_feature":0,"threshold":0.5,"decision_type":"<=",
"default_left":true,"missing_type":"NaN","left_child":{"leaf_value":-1e-3},"right_child":{"split_feature":1,
"threshold":1.0000000180025095e-35,"decision_type":"<=","default_left":false,"missing_type":"Zero",
"left_child":{"leaf_value":2.5},"right_child":{"leaf_value":0}}}}]}"#;

const LIGHTGBM_DEEP: &str = r#"{"num_class":1,"num_tree_per_iteration":1,"objective":"regression","feature_names":["a"],"tree_info":[
{"tree_structure":{"split_feature":0,"threshold":1,"decision_type":"<=","default_left":true,"missing_type":"None","left_child":{"leaf_value":1},"right_child":
{"split_feature":0,"threshold":2,"decision_type":"<=","default_left":true,"missing_type":"None","left_child":{"leaf_value":2},"right_child":
{"split_feature":0,"threshold":3,"decision_type":"<=","default_left":true,"missing_type":"None","left_child":{"leaf_value":3},"right_child":
{"split_feature":0,"threshold":4,"decision_type":"<=","default_left":true,"missing_type":"None","left_child":{"leaf_value":4},"right_child":{"leaf_value":5}}}}}}]}"#;

const CONDITIONS: &[(&str, &str)] = &[
    ("device", "app.hooked"),
    ("mixed", "app.hooked && amount > 1000"),
    ("arithmetic", "amount * 3 - 7 / amount >= -2 || amount % 5 == 0"),
    ("double", "app.age < 0.25 || app.age > 1.0e3"),
    ("strings", "payee.startsWith(\"DE\") && !payee.endsWith(\"0\") && size(payee) < 20"),
    ("lists", "payee in [\"a\", \"b\"] || \"x\" in request.tags"),
    ("ternary", "has(payee) ? amount > 1 : amount > 2"),
    ("cloud", "payee in list.mules || user.transfers_1h > 3"),
    ("typo", "amonut > 1"),
    ("type-error", "amount > \"a\""),
    ("escapes", "payee == \"\\u00e9\\n\\x41\" || payee == r'\\d'"),
    ("pattern", "payee.matches(r'^[A-Z]{2}\\d+$') || payee.matches(\"é|b$\")"),
    ("networks", "payee.inCIDR([\"10.0.0.0/8\", \"2001:db8::/32\"]) || user.inCIDR(\"::/0\")"),
    (
        "times",
        "due.getHours(\"Asia/Tokyo\") >= 22 || due - idle > timestamp(amount) || idle < duration(\"1h\")",
    ),
    ("conversions", "int(quota) > amount || string(token) == payee || quota + uint(amount) == 7u"),
    ("macros", "request.tags.exists(t, t.startsWith(\"a\")) && size([1, 2].filter(n, n > amount)) == 1"),
    ("look-ups", "{\"a\": 1, \"b\": 2}[payee] > [3, 4][amount] || payee in {\"c\": true}"),
    ("deep", "(((((((((((((((amount))))))))))))))) > 1"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    #[test]
    fn every_seed_passes_its_check() {
        let seeds = all().unwrap();
        for seed in &seeds {
            let check = match seed.target {
                "wire" => wire::run,
                "disclosed" => crate::disclosed::run,
                "slice" => crate::slice::run,
                "condition" => condition::run,
                "policy" => crate::policy::run,
                "httpsig" => crate::httpsig::run,
                "collateral" => crate::collateral::run,
                "model_load" => crate::model_load::run,
                "model_import" => crate::model_import::run,
                "cel" => crate::cel::run,
                "ear" => crate::results::ear,
                "corim" => crate::results::corim,
                "attest_android" => crate::evidence::android,
                "attest_apple" => crate::evidence::apple,
                "attest_webauthn" => crate::evidence::webauthn,
                "attest_soter" => crate::statements::soter,
                "attest_play" => crate::statements::play,
                "tpm_evidence" => crate::tpm::evidence,
                "tpm_eventlog" => crate::tpm::event_log,
                "tpm_response" => crate::tpm_response::run,
                "published" => crate::published::run,
                other => panic!("no check of {other}"),
            };
            check(&seed.bytes);
        }
        let slices = seeds.iter().filter(|seed| seed.target == "slice").count();
        assert!(slices >= 3 * 6, "only {slices} slices: the seed conditions no longer compile");
    }

    #[test]
    fn seed_conditions_compile_but_for_the_wrong_ones() {
        let compiled: Vec<String> = slices().into_iter().map(|(name, _)| name).collect();
        for (name, text) in CONDITIONS {
            let wrong = matches!(*name, "typo" | "type-error");
            let source = condition::around(text, condition::RELEASES[usize::from(text.contains("app."))]);
            let catalogue = Source { name: "signals.toml", text: condition::SIGNALS };
            let answer = compile(catalogue, Source { name: "policy.toml", text: &source }, None).map(|_| ());
            assert_eq!(compiled.contains(&(*name).to_owned()), !wrong, "{name}: {answer:?}");
        }
    }

    #[test]
    fn a_published_seed_is_accepted() {
        let (held, context) = (crate::published::held().unwrap(), context().unwrap());
        for seed in published_seeds().unwrap() {
            let accepted = glacis_seal::published::accept_bytes(&held, &context, Zone::Device, &seed.bytes);
            assert!(accepted.is_ok(), "{}: {accepted:?}", seed.name);
        }
    }
}

/// Expressions of the profile `full`: each construct and each library once.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("literals", r#"[1, -2, 0x1F, 3u, 1.5e-3, .5, 'a\n', r"\b", b'\xff', '''t''', true, null] == []"#),
    ("maps", "{'a': 1, 2: 'b', true: [], 3u: null}.`a` == {}[dyn(1.0)]"),
    ("macros", "[1, 2].map(x, x > 1, x * 10).exists(y, y == 20) && has(m.a) && l.all(x, x in [1, 2])"),
    ("nested", "[[1], [2, 3]].filter(x, x.exists_one(y, y == 2)).map(x, x.map(z, [z, x.size()]))"),
    (
        "two-variables",
        "{'a': 1}.transformMap(k, v, v > 0, k + string(v)).exists(k, v, k == v) || l.all(i, x, i < x)",
    ),
    ("absorbed", "1 / 0 > 0 || b ? -i : int(u) % 3"),
    ("times", "t + p > timestamp('2024-03-01T00:00:00Z') && t.getHours('Europe/Berlin') == p.getHours()"),
    ("types", "type(l) == list && type(t) == google.protobuf.Timestamp && dyn(1) < 2.5"),
    ("names", ".a.b == b && a.b[0] == null"),
    ("pattern", r"s.matches('(?i)^\pL\w*[[:digit:]-]?\bb$')"),
    (
        "strings",
        "'%s|%d|%.2f|%x'.format([l, i, d, y]) + s.replace('a', 'b', 1).split('').join('-').reverse()",
    ),
    ("math", "math.greatest(1, 2u, d) == math.round(d) || math.bitShiftLeft(i, 63) < math.abs(i)"),
    ("lists", "lists.range(5).slice(1, 3).flatten() == [3, 1, 2].sort().distinct().reverse()"),
    ("growing", "[[1]].map(x, [x, x]).map(x, [x, x]).map(x, {1: x}).map(x, [dyn(x)])"),
];
