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

#[test]
fn tls_and_http_2_are_checked() {
    let with = |more: &str| format!("{GOOD}\n{more}");
    let one = "[[tls.certificate]]\nchain = \"a.pem\"\nkey = \"a.key\"\n";
    let mut config = EdgeConfig::parse("edge.toml", &with(one)).unwrap();
    config.resolve(std::path::Path::new("/etc/edge"));
    let tls = config.tls.unwrap();
    assert_eq!((tls.tls12, tls.handshakes, tls.client_auth), (false, 4_096, ClientAuth::Off));
    assert_eq!(tls.certificates[0].key, std::path::Path::new("/etc/edge/a.key"));
    assert_eq!(config.http2, Http2 { enabled: true, streams: 100, resets: 200 });
    assert_eq!(config.upstreams[0].protocol, Protocol::Http1);
    for (bad, want) in [
        ("[tls]\n", "`tls.certificate` is missing: TLS needs at least one"),
        ("[[tls.certificate]]\nchain = \"a\"\n", "`tls.certificate.key` is missing"),
        (
            &format!("{one}{one}"),
            "`tls.certificate` without `names` is the one for everybody else; there can be one",
        ),
        (&format!("{one}names = [\"Shop.test\"]"), "`tls.certificate.names` must be lower-case host names"),
        (&format!("{one}names = [\"a.*.test\"]"), "`a.*.test` is not"),
        (&format!("{one}names = [\"a.test\", \"a.test\"]"), "`tls.certificate` has the name `a.test` twice"),
        (&format!("[tls]\nclient_ca = \"a\"\n{one}"), "`tls.client_ca` needs `client_auth` to be asked for"),
        (
            &format!("[tls]\nclient_auth = \"required\"\n{one}"),
            "`tls.client_auth` needs `client_ca`, the file",
        ),
        (&format!("[tls]\nclient_auth = \"maybe\"\n{one}"), "must be `none`, `optional` or `required`"),
        (&format!("[tls]\nhandshakes = 0\n{one}"), "`tls.handshakes` must be an integer in 1..=65536"),
        (&format!("{one}keys = 1"), "unknown key `tls.certificate.keys`; did you mean `key`?"),
        ("[http2]\nstreams = 1001\n", "`http2.streams` must be an integer in 1..=1000"),
        ("[http2]\nresets = 1\n", "`http2.resets` must be an integer in 10..=100000"),
        ("[http2]\noff = false\n", "`http2.off` must be `true` where it is there"),
        (
            "[upstream.a]\naddress = \"127.0.0.1:1\"\nprotocol = \"h2\"\n",
            "`upstream.a.protocol` must be `http1` or `http2`",
        ),
    ] {
        let got = error(&with(bad));
        assert!(got.contains(want), "{bad}: {got}");
    }
}
