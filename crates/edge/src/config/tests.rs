//! Configuration errors name file, line, column and the nearest accepted key.

use super::*;

const GOOD: &str = r#"tenant = "acme"
realm = "production"
node = "edge-1"
listen = "127.0.0.1:80"
cloud = "127.0.0.1:81"
[upstream.shop]
address = "127.0.0.1:82"
[[route]]
path = "/a/{x}"
upstream = "shop"
event = "account.view"
[route.fields.account]
path = "x"
"#;

fn error(text: &str) -> String {
    EdgeConfig::parse("edge.toml", text).unwrap_err().to_string()
}

#[test]
fn a_good_file_gets_the_documented_defaults() {
    let config = EdgeConfig::parse("edge.toml", GOOD).unwrap();
    assert_eq!(config.cloud_wait, Duration::from_millis(250));
    assert_eq!(config.limits, Limits::default());
    let route = &config.routes[0];
    assert_eq!(
        (route.mode, route.stance, route.device),
        (Mode::Enforce, Stance::Closed, DeviceZone::Required)
    );
    assert!(!route.reads_body());
}

#[test]
fn typos_name_place_and_nearest_key() {
    for (from, to, want) in [
        ("tenant =", "tenent =", "edge.toml:1:1: `tenant` is missing"),
        ("node = ", "nodes = 1\nnode = ", "edge.toml:3:1: unknown key `nodes`; did you mean `node`?"),
        (
            "cloud = ",
            "cloud_wait_m = 5\ncloud = ",
            "edge.toml:5:1: unknown key `cloud_wait_m`; did you mean `cloud_wait_ms`?",
        ),
        ("\"production\"", "\"prod\"", "edge.toml:2:9: `realm` must be `production` or `demo`"),
        (
            "127.0.0.1:80\"",
            "127.0.0.1\"",
            "edge.toml:4:10: `listen` must be an address and port, such as 127.0.0.1:8080",
        ),
        (
            "upstream = \"shop\"",
            "upstream = \"shp\"",
            "edge.toml:10:12: `route.upstream` names no [upstream.…] of this file",
        ),
        (
            "event = ",
            "mod = \"observe\"\nevent = ",
            "edge.toml:11:1: unknown key `route.mod`; did you mean `mode`?",
        ),
        (
            "event = ",
            "mode = \"watch\"\nevent = ",
            "edge.toml:11:8: `route.mode` must be `observe` or `enforce`",
        ),
        (
            "path = \"x\"",
            "path = \"y\"",
            "edge.toml:13:8: `route.fields.account.path` names no {capture} of the route's path",
        ),
        ("path = \"x\"", "pth = \"x\"", "needs exactly one of `path`, `query`, `json`, `form`"),
        (
            "path = \"x\"",
            "path = \"x\"\ntipe = \"int\"",
            "edge.toml:14:1: unknown key `route.fields.account.tipe`; did you mean `type`?",
        ),
        ("\"/a/{x}\"", "\"a/{x}\"", "edge.toml:9:8: `route.path` must start with `/`"),
        ("tenant = \"acme\"", "tenant = \"acme", "edge.toml:1:"),
    ] {
        let got = error(&GOOD.replacen(from, to, 1));
        assert!(got.contains(want), "{to}: {got}");
    }
    let limits = format!("{GOOD}\n[limits]\nlegs = 3\n");
    assert!(
        error(&limits).contains("edge.toml:16:8: `limits.legs` must be an integer in 16..=16777216"),
        "{}",
        error(&limits)
    );
    let token = format!("{GOOD}\n[token]\nalg = \"none\"\nkey = \"AAAA\"\n");
    assert!(error(&token).contains("`token.alg` must be `ES256` or `HS256`"), "{}", error(&token));
    let short = format!("{GOOD}\n[token]\nalg = \"HS256\"\nkey = \"AAAA\"\n");
    assert!(error(&short).contains("`token.key` must hold at least 32 bytes"));
    assert!(
        error(&GOOD.replace("event = \"account.view\"", ""))
            .contains("has fields or a principal but no event")
    );
}

#[test]
fn sources_of_a_field_are_checked() {
    let with = |line: &str| GOOD.replace("path = \"x\"", line);
    for good in ["method = true", "target = \"path\"", "target = \"route\"", "header = \"user-agent\""] {
        assert!(EdgeConfig::parse("edge.toml", &with(good)).is_ok(), "{good}");
    }
    for (bad, want) in [
        ("method = false", "edge.toml:13:10: `route.fields.account.method` must be `true`"),
        ("target = \"query\"", "`route.fields.account.target` must be `path` or `route`"),
        ("header = \"User-Agent\"", "`route.fields.account.header` must be the lower-case name"),
        ("header = \"glacis-event\"", "must be the lower-case name"),
        ("header = \"glacis_event\"", "must be the lower-case name"),
        ("header = \"te\"", "must be the lower-case name"),
        ("method = true\nheader = \"a\"", "needs exactly one of"),
        ("type = \"int\"", "needs exactly one of"),
    ] {
        let got = error(&with(bad));
        assert!(got.contains(want), "{bad}: {got}");
    }
}
