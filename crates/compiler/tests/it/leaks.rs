//! Policies that leak: each is refused, and the refusal names the way from the signal to where it would show.
//!
//! The other half is as much of the promise: what is declared passes, and the same condition that is refused without a
//! release passes with the one that the help names. Bits and ranges are counted by hand here.

use crate::support::compile_texts;
use glacis_compiler::Compiled;

const SIGNALS: &str = r#"
signal."app.risk" = { type = "int", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.hooked" = { type = "bool", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.rooted" = { type = "bool", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "claimed", cost = 1 }
signal."app.name" = { type = "string", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", max_bytes = 32, cost = 1 }
signal."app.list" = { type = "list(string)", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", max_bytes = 32, max_items = 2, cost = 1 }
signal."app.ratio" = { type = "double", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.since" = { type = "timestamp", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."battery.level" = { type = "int", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.os" = { type = "string", zone = "device", privacy = "public", purpose = ["fraud"], retention = "0d", min_trust = "attested", max_bytes = 32, cost = 1 }
signal."ads.id" = { type = "int", zone = "device", privacy = "pseudonymous", purpose = ["ads"], retention = "0d", min_trust = "attested", cost = 1 }
signal.user = { type = "string", zone = "request", principal = true, privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", max_bytes = 64, cost = 1 }
signal.shop = { type = "string", zone = "request", privacy = "pseudonymous", purpose = ["ads"], retention = "30d", max_bytes = 64, cost = 1 }
signal.amount = { type = "int", zone = "request", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", cost = 1 }
list.mules = { of = "string", zone = "cloud", privacy = "private", purpose = ["fraud"], retention = "30d", cost = 1 }
list.fans = { of = "string", zone = "cloud", privacy = "private", purpose = ["ads"], retention = "30d", cost = 1 }
[feature."shop.orders"]
kind = "count"
event = "pay"
key = ["shop"]
window = "1h"
lateness = "30s"
include_self = true
counts = "attempts"
privacy = "public"
purpose = ["fraud"]
retention = "30d"
cost = 1
[feature."user.devices"]
kind = "distinct"
event = "pay"
key = ["user"]
of = "device.id"
window = "1h"
lateness = "30s"
include_self = true
counts = "attempts"
privacy = "pseudonymous"
purpose = ["fraud"]
retention = "30d"
cost = 1
[declassifier."ads-for-fraud"]
signal = "ads.id"
for = "fraud"
reason = "an install farm shares one id"
reviewed_by = "dpo@example.com"
reviewed_on = "2026-03-01"
[declassifier."shop-for-fraud"]
signal = "shop"
for = "fraud"
reason = "a closed shop"
reviewed_by = "dpo@example.com"
reviewed_on = "2026-03-01"
[declassifier."fans-for-fraud"]
signal = "list.fans"
for = "fraud"
reason = "they are known"
reviewed_by = "dpo@example.com"
reviewed_on = "2026-03-01"
[declassifier."shop-for-research"]
signal = "shop"
for = "research"
reason = "a study"
reviewed_by = "dpo@example.com"
reviewed_on = "2026-03-01"
"#;

const HEAD: &str = r#"[policy]
name = "p"
event = "pay"
purpose = "fraud"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "match"
if_unknown = { withheld = "match", denied = "match", version = "match", inexact = "match", unavailable = "match", absent = "skip" }
"#;

fn policy(head: &str, rule: &str) -> String {
    let effect =
        if rule.contains("effect =") || rule.contains("obligations") { "" } else { "effect = \"block\"\n" };
    format!("{HEAD}{head}[[rule]]\nid = \"r\"\n{effect}{rule}\n")
}

fn compiled(head: &str, rule: &str) -> Compiled {
    compile_texts(SIGNALS, &policy(head, rule), None).unwrap_or_else(|found| panic!("{rule}:\n{found}"))
}

fn refusal(head: &str, rule: &str) -> String {
    match compile_texts(SIGNALS, &policy(head, rule), None) {
        Ok(_) => panic!("passes: {head} {rule}"),
        Err(found) => found.to_string(),
    }
}

/// What leaks, the code of the refusal and a part of the way that it names.
const LEAKS: &[(&str, &str, &str)] = &[
    // A private signal in a rule that the edge or the cloud runs.
    ("when = \"app.hooked\"", "G5003", "app.hooked (private, device) → rule \"r\" → edge"),
    ("when = \"app.hooked\"\ntext = \"cloud\"", "G5003", "app.hooked (private, device) → rule \"r\" → cloud"),
    ("when = \"app.hooked\"\nplace = \"cloud\"\ntext = \"device\"", "G5003", "→ rule \"r\" → cloud"),
    (
        "when = \"user in list.mules && app.hooked\"\ntext = \"cloud\"",
        "G5003",
        "(private, device) → && → rule \"r\" → cloud",
    ),
    (
        "when = \"user.devices > 2 || app.risk > 9\"",
        "G5003",
        "app.risk (private, device) → > → || → rule \"r\" → edge",
    ),
    // Through operators, both ways of `?:`, functions, look-ups.
    ("when = \"!app.hooked\"", "G5003", "app.hooked (private, device) → ! → rule"),
    ("when = \"-app.risk > 4\"", "G5003", "app.risk (private, device) → - → > → rule"),
    ("when = \"app.risk * 2 + 1 > 9\"", "G5003", "→ * → + → > → rule"),
    (
        "when = \"app.hooked ? amount > 5 : amount > 9\"",
        "G5003",
        "app.hooked (private, device) → ?: condition → rule",
    ),
    (
        "when = \"amount > 5 ? app.hooked : false\"",
        "G5003",
        "app.hooked (private, device) → ?: branch → rule",
    ),
    ("when = \"(app.risk > 5 ? 1 : 2) == 1\"", "G5003", "→ > → ?: condition → == → rule"),
    ("when = \"size(app.name) > 3\"", "G5003", "app.name (private, device) → size(…) → > → rule"),
    ("when = \"size(app.list) > 0\"", "G5003", "app.list (private, device) → size(…) → > → rule"),
    ("when = \"size(app.name) > 3 ? amount > 5 : false\"", "G5003", "→ size(…) → > → ?: condition → rule"),
    ("when = \"app.name.startsWith('x')\"", "G5003", "→ startsWith(…) → rule"),
    ("when = \"app.name.endsWith('x')\"", "G5003", "→ endsWith(…) → rule"),
    ("when = \"app.name.contains('x')\"", "G5003", "→ contains(…) → rule"),
    ("when = \"app.name.matches('x+')\"", "G5003", "→ matches(…) → rule"),
    ("when = \"app.name.inCIDR('10.0.0.0/8')\"", "G5003", "→ inCIDR(…) → rule"),
    ("when = \"app.since.getHours() == 3\"", "G5003", "→ getHours(…) → == → rule"),
    ("when = \"int(app.ratio) > 3\"", "G5003", "app.ratio (private, device) → int(…) → > → rule"),
    ("when = \"app.name in ['a', 'b']\"", "G5003", "app.name (private, device) → in → rule"),
    ("when = \"{'a': 1, 'b': 2}[app.name] > 1\"", "G5003", "→ key {…}[…] → > → rule"),
    ("when = \"['a', 'b'][app.risk] == user\"", "G5003", "→ index […] → == with user → rule"),
    ("when = \"app.list[0] == 'a'\"", "G5003", "→ item […] → == → rule"),
    // Through macros, `has`, and what a list does not hold.
    (
        "when = \"app.list.exists(x, x == 'a')\"",
        "G5003",
        "app.list (private, device) → size(…) → < → && → || → rule",
    ),
    ("when = \"app.list.all(x, x.startsWith('a'))\"", "G5003", "→ size(…)"),
    ("when = \"[1, 2].exists(x, x == app.risk)\"", "G5003", "app.risk (private, device) → == → || → rule"),
    ("when = \"size(app.list.filter(x, x == 'a')) == 1\"", "G5003", "→ ?: condition → "),
    ("when = \"has(app.name)\"", "G5003", "app.name (private, device) → has(…) → rule"),
    ("when = \"has(app.name) && amount > 5\"", "G5003", "→ has(…) → && → rule"),
    // A public device signal is on the device, too, and its absence says something.
    ("when = \"app.os == 'x'\"", "G5003", "app.os (public, device) → == → rule \"r\" → edge"),
    // As a value.
    (
        "when = \"app.risk > 5\"\nrelease = { values = [\"app.risk\"] }",
        "G5005",
        "app.risk (private, device) → > → rule",
    ),
    ("when = \"size(app.list) > 1\"\nrelease = { values = [\"app.list\"] }", "G5005", "→ size(…) → > → rule"),
    // By comparison with what a request, the edge or the cloud says.
    (
        "when = \"app.risk > amount\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5008",
        "→ > with amount → rule \"r\" → where amount is",
    ),
    ("when = \"app.name == user\"\nrelease = \"bit\"\ntext = \"device\"", "G5008", "→ == with user → rule"),
    (
        "when = \"app.risk + amount > 9\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5008",
        "→ + with amount → > → rule",
    ),
    (
        "when = \"size(app.name) == size(user)\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5008",
        "→ size(…) → == → rule",
    ),
    (
        "when = \"app.name.startsWith(user)\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5008",
        "→ startsWith(…) → rule",
    ),
    (
        "when = \"app.risk > user.devices\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5008",
        "→ where user.devices is",
    ),
    (
        "when = \"(app.hooked ? amount : 0) > 5\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5008",
        "→ ?: condition → > → rule",
    ),
    (
        "when = \"app.name == device.id\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5008",
        "→ == with device.id → rule",
    ),
    (
        "when = \"app.risk > amount\"\nrelease = \"bit\"\ntext = \"device\"\nvs_request = true",
        "G5016",
        "`vs_request` is a word of `release`",
    ),
    // By a search that nothing ends.
    (
        "when = \"app.risk > amount\"\nrelease = { nodes = 1, vs_request = true }\ntext = \"device\"",
        "G5015",
        "policy.toml:13:37: `vs_request` lets a series of requests search for a device signal, and no budget ends",
    ),
    // A list of the cloud is not asked for what the device knows.
    (
        "when = \"app.name in list.mules\"\nrelease = \"bit\"\ntext = \"device\"",
        "G3007",
        "zone `request` or `edge`: app.name (private, device) → key of list.mules → cloud",
    ),
    // More than declared.
    (
        "when = \"app.hooked && amount > 5 || app.risk > 7\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5010",
        "app.risk (private, device) → > → || → rule",
    ),
    (
        "when = \"app.hooked || app.rooted\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5010",
        "app.rooted (private, device) → || → rule",
    ),
    (
        "when = \"app.hooked && amount > 5 || !app.hooked && amount > 9\"\nrelease = { nodes = 1 }\ntext = \"device\"",
        "G5010",
        "app.hooked (private, device) → ! → && → || → rule",
    ),
    (
        "when = \"app.hooked == app.rooted\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5009",
        "→ == with app.rooted → rule \"r\" → a node of two trusts",
    ),
    // By deciding early: a block or a prompt shows, and so does a request that never comes.
    ("when = \"app.hooked\"\nrelease = \"verdict\"", "G5004", "text = \"device\""),
    (
        "when = \"app.hooked && amount > 5\"\nrelease = \"verdict\"\ntext = \"device\"",
        "G5004",
        "→ && → rule \"r\" → early block: no request comes",
    ),
    (
        "when = \"app.hooked && amount > 5\"\neffect = \"challenge(otp)\"\nrelease = \"verdict\"\ntext = \"device\"",
        "G5004",
        "→ rule \"r\" → early prompt, which shows",
    ),
    (
        "when = \"app.hooked\"\nplace = \"device\"\nrelease = \"bit\"\ntext = \"device\"",
        "G5007",
        "app.hooked (private, device) → rule \"r\" → early block: no request comes",
    ),
    (
        "when = \"app.hooked\"\nplace = \"cloud\"\nrelease = \"verdict\"\ntext = \"device\"",
        "G5007",
        "→ rule \"r\" → early block",
    ),
    // By effects that nobody waits for.
    (
        "when = \"app.hooked\"\neffect = \"block(soft)\"\nrelease = \"verdict\"\ntext = \"device\"",
        "G5004",
        "→ early decision, which shows",
    ),
    (
        "when = \"app.hooked\"\neffect = \"exempt\"\nrelease = \"verdict\"\ntext = \"device\"",
        "G5004",
        "→ early decision, which shows",
    ),
    (
        "when = \"app.hooked\"\nobligations = [\"review\"]",
        "G5003",
        "app.hooked (private, device) → rule \"r\" → edge",
    ),
    (
        "when = \"app.hooked\"\nobligations = [\"notify\"]\nrelease = \"verdict\"\ntext = \"device\"",
        "G5004",
        "→ early decision, which shows",
    ),
    (
        "when = \"app.hooked\"\neffect = \"exempt\"",
        "G5003",
        "app.hooked (private, device) → rule \"r\" → edge",
    ),
    // By ranges that are not the declared ones.
    (
        "when = \"battery.level < 30\"\nrelease = { buckets = { \"battery.level\" = [20, 50] } }\ntext = \"device\"",
        "G5013",
        "battery.level (private, device) → < → rule \"r\" → more than its declared range",
    ),
    (
        "when = \"battery.level == 20\"\nrelease = { buckets = { \"battery.level\" = [20] } }\ntext = \"device\"",
        "G5013",
        "→ == → rule",
    ),
    (
        "when = \"battery.level < 20 || battery.level + 1 < 20\"\nrelease = { buckets = { \"battery.level\" = [20] } }\ntext = \"device\"",
        "G5013",
        "→ + → < → || → rule",
    ),
    (
        "when = \"battery.level < 20 || has(battery.level)\"\nrelease = { buckets = { \"battery.level\" = [20] } }\ntext = \"device\"",
        "G5013",
        "→ has(…) → || → rule",
    ),
    (
        "when = \"battery.level < 20 || battery.level > amount\"\nrelease = { buckets = { \"battery.level\" = [20] } }\ntext = \"device\"",
        "G5013",
        "→ > with amount → || → rule",
    ),
    (
        "when = \"battery.level < 20 || battery.level > 20\"\nrelease = { buckets = { \"battery.level\" = [20] } }\ntext = \"device\"",
        "G5013",
        "used on both sides",
    ),
    (
        "when = \"battery.level < 20\"\nrelease = { buckets = { \"battery.level\" = [20, 50] } }\ntext = \"device\"",
        "G5013",
        "does not compare `battery.level` with 50",
    ),
    (
        "when = \"battery.level < 20 || app.hooked\"\nrelease = { buckets = { \"battery.level\" = [20] } }\ntext = \"device\"",
        "G5010",
        "app.hooked (private, device) → || → rule",
    ),
    (
        "when = \"battery.level < 20\"\nrelease = { buckets = { \"battery.level\" = [20] } }",
        "G5006",
        "`battery.level`",
    ),
    // For a purpose that it was not collected for, also through what is computed from it.
    (
        "when = \"ads.id > 5\"\nrelease = \"bit\"\ntext = \"device\"",
        "G4016",
        "ads.id (ads) → > → rule \"r\" → purpose `fraud`",
    ),
    ("when = \"shop == 'x'\"", "G4016", "shop (ads) → == → rule \"r\" → purpose `fraud`"),
    (
        "when = \"shop in list.mules\"",
        "G4016",
        "shop (ads) → key of list.mules(shop) → rule \"r\" → purpose `fraud`",
    ),
    (
        "when = \"shop.orders > 5\"",
        "G4016",
        "shop (ads) → key of shop.orders → > → rule \"r\" → purpose `fraud`",
    ),
    ("when = \"user in list.fans\"", "G4016", "list.fans(user) (ads) → rule \"r\" → purpose `fraud`"),
    (
        "when = \"user in list.fans\"\ndeclassify = [\"shop-for-fraud\"]",
        "G4016",
        "list.fans(user) (ads) → rule",
    ),
    (
        "when = \"shop == 'x'\"\ndeclassify = [\"shop-for-research\"]",
        "G4019",
        "is for `research`, not for `fraud`",
    ),
    ("when = \"amount > 5\"\ndeclassify = [\"shop-for-fraud\"]", "G4019", "this rule needs no exception"),
    ("when = \"shop == 'x'\"\ndeclassify = [\"shop-fro-fraud\"]", "G4019", "did you mean `shop-for-fraud`?"),
    // What nobody declared.
    ("when = \"app.secret == 1\"", "G3005", "no signal is called `app.secret`"),
];

#[test]
fn a_policy_that_leaks_is_refused_and_the_refusal_names_the_way() {
    assert!(LEAKS.len() >= 40);
    for (rule, code, way) in LEAKS {
        let said = refusal("", rule);
        assert!(said.contains(&format!("[{code}]")), "{rule}\nwant {code}:\n{said}");
        assert!(said.contains(way), "{rule}\nwant {way}:\n{said}");
        assert!(said.contains("policy.toml:"), "{rule}: no place:\n{said}");
    }
}

/// With a budget by session and `vs_request`: what still leaks.
const SEARCHES: &[(&str, &str, &str)] = &[
    // More comparisons than declared: each is a bit of its own.
    (
        "when = \"app.risk > amount && battery.level > amount\"\nrelease = { nodes = 1, vs_request = true }",
        "G5010",
        "2 release nodes: `app.risk > amount`, `battery.level > amount`",
    ),
    (
        "when = \"app.risk > amount || app.hooked\"\nrelease = { nodes = 1, vs_request = true }",
        "G5010",
        "2 release nodes",
    ),
    // What absorbs hides who withholds.
    (
        "when = \"(app.hooked ? amount : 0) > 5\"\nrelease = { nodes = 1, vs_request = true }",
        "G5008",
        "app.hooked (private, device) → ?: condition → > → rule",
    ),
    (
        "when = \"(app.hooked && amount > 5) == true\"\nrelease = { nodes = 1, vs_request = true }",
        "G5008",
        "→ && → == → rule",
    ),
    (
        "when = \"app.list.exists(x, x == user) == true\"\nrelease = { nodes = 1, vs_request = true }",
        "G5008",
        "→ || → == → rule",
    ),
    // Two trusts have no one trust, whatever stands between them.
    (
        "when = \"has(app.rooted) == (app.risk > amount)\"\nrelease = { nodes = 1, vs_request = true }",
        "G5008",
        "app.rooted (private, device)",
    ),
    // Only the request is asked with; edge and cloud would learn what they ask about.
    (
        "when = \"app.name == device.id\"\nrelease = { nodes = 1, vs_request = true }",
        "G5008",
        "→ == with device.id → rule",
    ),
    (
        "when = \"app.risk > user.devices\"\nrelease = { nodes = 1, vs_request = true }",
        "G5008",
        "→ where user.devices is",
    ),
    (
        "when = \"app.risk > amount + user.devices\"\nrelease = { nodes = 1, vs_request = true }",
        "G5008",
        "app.risk (private, device)",
    ),
    // A range is declared by its bounds, and a request is none.
    (
        "when = \"battery.level < amount\"\nrelease = { buckets = { \"battery.level\" = [20] }, vs_request = true }",
        "G5013",
        "→ < with amount → rule",
    ),
    // Deciding early on a search shows in every request.
    (
        "when = \"app.risk > amount\"\nrelease = \"verdict\"",
        "G5004",
        "early block: no request comes, which shows",
    ),
    (
        "when = \"app.risk > amount\"\nplace = \"device\"\nrelease = { nodes = 1, vs_request = true }",
        "G5007",
        "app.risk (private, device) → > with amount → rule \"r\" → early block",
    ),
    // A word that nothing needs would let a later change search.
    (
        "when = \"app.risk > 5 && amount > 5\"\nrelease = { nodes = 1, vs_request = true }",
        "G5016",
        "no part of the condition compares the device with a value of the request",
    ),
    // A purpose is lost neither by the device nor by the request.
    (
        "when = \"app.name == shop\"\nrelease = { nodes = 1, vs_request = true }",
        "G4016",
        "shop (ads) → == with app.name → rule",
    ),
];

#[test]
fn a_search_that_is_not_declared_or_cannot_be_is_refused() {
    for (rule, code, way) in SEARCHES {
        let said = refusal(SEARCH, &format!("{rule}\ntext = \"device\""));
        assert!(said.contains(&format!("[{code}]")), "{rule}\nwant {code}:\n{said}");
        assert!(said.contains(way), "{rule}\nwant {way}:\n{said}");
    }
    // A budget by request or day ends no session, and what one request tells is within it.
    let rule = "when = \"app.risk > amount\"\nrelease = { nodes = 1, vs_request = true }\ntext = \"device\"";
    for budget in ["bits_per_request = 9", "bits_per_day = 9"] {
        let said = refusal(&format!("[policy.budget]\n{budget}\n"), rule);
        assert!(said.contains("[G5015]") && said.contains("bits_per_session"), "{budget}:\n{said}");
    }
    let said = refusal("[policy.budget]\nbits_per_session = 0\n", rule);
    assert!(said.contains("yes or no, adaptive → rule \"r\" → 1 bit"), "{said}");
    // The text of a search is read on the device like any other.
    let said = refusal(SEARCH, &rule.replace("text = \"device\"", "text = \"edge\""));
    assert!(said.contains("[G5006]") && said.contains("app.risk"), "{said}");
}

const SEARCH: &str = "[policy.budget]\nbits_per_session = 40\n";

/// Without the word a comparison is refused as before, and the help says what the word is and what it costs.
#[test]
fn the_help_names_the_search_where_there_can_be_one() {
    let costs = "every request is then an answer of one bit about another threshold";
    for release in ["", "release = \"bit\"\ntext = \"device\""] {
        for (when, can) in [
            ("app.risk > amount", true),
            ("app.risk + 2 == amount * 3", true),
            ("app.risk > user.devices", false),
            ("(app.hooked ? amount : 0) > 5", false),
        ] {
            let said = refusal("", &format!("when = \"{when}\"\n{release}"));
            assert_eq!(said.contains("vs_request = true"), can, "{when} {release}:\n{said}");
            assert_eq!(said.contains(costs) && said.contains("bits_per_session"), can, "{when}:\n{said}");
        }
    }
}

/// Each comparison counts in full, whatever else is asked of the same signal.
#[test]
fn a_search_counts_a_bit_a_request_for_each_comparison() {
    for (when, nodes, bits) in [
        ("app.risk > amount", 1, 1),
        ("!(app.risk > amount) && amount > 3", 1, 1),
        ("app.risk > amount || amount > 3 && app.risk > amount", 1, 1),
        ("app.risk > amount && app.risk > amount + 1", 2, 2),
        // Three thresholds of one signal are two bits; the search is a third.
        (
            "app.risk > 1 && amount > 1 || app.risk > 2 && amount > 2 || app.risk > 3 && app.risk > amount",
            4,
            3,
        ),
        ("app.risk == amount || app.name == user", 2, 2),
        ("user in app.list && app.name.startsWith(user) ? amount > 2 : app.risk % amount == 0", 3, 3),
        ("has(app.name) == has(user)", 1, 1),
    ] {
        let release = format!("release = {{ nodes = {nodes}, vs_request = true }}\ntext = \"device\"");
        let compiled = compiled(SEARCH, &format!("when = \"{when}\"\n{release}"));
        assert_eq!(compiled.released().bits(), bits, "{when}");
        let items = compiled.released().items;
        assert!(items.iter().any(|item| !item.requests.is_empty()), "{when}");
        for item in items.iter().filter(|item| !item.requests.is_empty()) {
            assert_eq!((item.bits, item.signals.len()), (1, 1), "{when}");
        }
    }
}

#[test]
fn a_feature_is_not_looked_up_by_what_stays_on_the_device() {
    for (from, to) in
        [("key = [\"shop\"]", "key = [\"app.name\"]"), ("of = \"device.id\"", "of = \"app.name\"")]
    {
        let found = compile_texts(&SIGNALS.replace(from, to), &policy("", "when = \"amount > 1\""), None);
        let said = found.err().map_or(String::new(), |found| found.to_string());
        let way = "app.name (private, device) → key of a feature → past events in the cloud [G1016]";
        assert!(said.contains(way), "{to}\n{said}");
    }
}

/// A condition, the release that lets it pass, and the bits that then leave.
const LEGAL: &[(&str, &str, u64)] = &[
    ("app.hooked", "release = \"verdict\"", 1),
    ("app.hooked", "release = \"bit\"", 1),
    ("app.hooked", "danger_undisclosed = true", 0),
    ("app.hooked && amount > 5", "release = \"bit\"", 1),
    ("app.hooked ? amount > 5 : amount > 9", "release = \"bit\"", 1),
    ("amount > 5 ? app.hooked : false", "release = \"bit\"", 1),
    ("(app.risk > 5 ? 1 : 2) == 1", "release = \"bit\"", 1),
    ("size(app.name) > 3", "release = \"bit\"", 1),
    ("app.list.exists(x, x == 'a')", "release = \"bit\"", 1),
    ("[1, 2].exists(x, x == app.risk) && amount > 5", "release = \"bit\"", 1),
    ("has(app.name) && amount > 5", "release = \"bit\"", 1),
    ("{'a': 1, 'b': 2}[app.name] > 1", "release = \"bit\"", 1),
    ("app.hooked && amount > 5 || app.risk > 7", "release = { nodes = 2 }", 2),
    ("app.hooked || app.rooted", "release = { nodes = 2 }", 2),
    ("app.os == user", "release = { values = [\"app.os\"] }", 0),
    (
        "app.risk > 1 && amount > 1 || app.risk > 2 && amount > 2 || app.risk > 3 && amount > 3",
        "release = { nodes = 3 }",
        2,
    ),
    ("app.risk > 1 && amount > 1 || app.risk >= 2 && amount > 2", "release = { nodes = 2 }", 1),
    ("app.ratio > 1.0 && amount > 1 || app.ratio <= 1.0 && amount > 2", "release = { nodes = 2 }", 2),
    (
        "app.name == 'a' && amount > 1 || app.name in ['b', 'c'] && amount > 2 || app.name != 'd' && amount > 3",
        "release = { nodes = 3 }",
        3,
    ),
    ("battery.level < 20", "release = { buckets = { \"battery.level\" = [20] } }", 1),
    (
        "20 > battery.level && amount > 1 || battery.level <= 50 && amount > 9",
        "release = { buckets = { \"battery.level\" = [20, 50] } }",
        2,
    ),
    (
        "battery.level < 20 && app.hooked",
        "release = { nodes = 1, buckets = { \"battery.level\" = [20] } }",
        2,
    ),
    ("app.ratio < 0.5 || app.ratio > 0.9", "release = { buckets = { \"app.ratio\" = [0.5, 0.9] } }", 1),
    // Three ranges, and what is no number: two bits, in two nodes.
    (
        "app.ratio < 0.5 && amount > 1 || app.ratio >= 0.9 && amount > 2",
        "release = { buckets = { \"app.ratio\" = [0.5, 0.9] } }",
        2,
    ),
    ("ads.id > 5", "release = \"bit\"\ndeclassify = [\"ads-for-fraud\"]", 1),
    ("shop == 'x'", "declassify = [\"shop-for-fraud\"]", 0),
    ("shop in list.mules && shop.orders > 5", "declassify = [\"shop-for-fraud\"]", 0),
    ("shop in list.fans", "declassify = [\"shop-for-fraud\", \"fans-for-fraud\"]", 0),
];

#[test]
fn what_is_declared_passes_and_its_bits_are_counted() {
    for (when, release, bits) in LEGAL {
        let hides = ["values", "declassify", "danger"].iter().any(|word| release.starts_with(word));
        let text = if hides || release.contains("values") { "" } else { "\ntext = \"device\"" };
        let rule = format!("when = \"{when}\"\n{release}{text}");
        assert_eq!(compiled("", &rule).released().bits(), *bits, "{rule}");
    }
}
