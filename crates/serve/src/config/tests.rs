//! The samples are accepted as they are; errors name their place and the nearest key.

use super::*;

const BASIC: &str = include_str!("../../../../docs/samples/basic.toml");
/// An AES key of zeros and the generator of P-256.
const PLAY_KEYS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n";
const HOSTS: &str = include_str!("../../../../docs/samples/hosts.toml");
const ADVANCED: &str = include_str!("../../../../docs/samples/advanced.toml");

#[test]
fn the_samples_are_accepted() {
    let basic = ServeConfig::parse("basic.toml", BASIC).unwrap();
    let cloud = basic.cloud.unwrap();
    assert_eq!((cloud.retention, cloud.disk_quota), (Duration::from_secs(90 * 86_400), 10 << 30));
    assert_eq!(cloud.console_at, Some("127.0.0.1:7405".parse().unwrap()));
    assert_eq!(basic.edge.unwrap().cloud, cloud.nodes_at, "the gateway asks the cloud beside it");
    assert_eq!((basic.log.as_str(), basic.log_format), ("info", LogFormat::Text));
    let advanced = ServeConfig::parse("advanced.toml", ADVANCED).unwrap();
    assert_eq!(advanced.log_format, LogFormat::Json);
    let advanced_cloud = advanced.cloud.unwrap();
    assert_eq!(advanced_cloud.webhook.unwrap().events, ["challenge", "block"]);
    let enrolment = advanced_cloud.enrolment;
    assert_eq!(
        enrolment.families.iter().map(String::as_str).collect::<Vec<_>>(),
        ["android-key", "app-attest", "play-integrity", "soter", "tpm"]
    );
    let android = enrolment.android.unwrap();
    assert_eq!((android.apps.len(), android.apps[0].1.len()), (1, 1));
    assert_eq!((enrolment.tpm_anchors.len(), enrolment.apple_apps.len()), (1, 1));
    let play = enrolment.play.unwrap();
    assert_eq!((enrolment.soter_anchors.len(), play.keys.len(), play.apps.len()), (1, 1, 1));
    assert_eq!(advanced.edge.unwrap().routes.len(), 2);
    assert_eq!(cloud.enrolment, Enrolment::default(), "nothing enrols by default");
    assert_eq!(cloud.passkeys, None);
    let site = advanced_cloud.passkeys.unwrap();
    assert_eq!((site.id.as_str(), site.origins.len()), ("shop.example.com", 2));
}

#[test]
fn a_site_of_passkeys_is_a_domain_with_origins_that_can_ask_for_it() {
    let parse = |id: &str, origins: &str| {
        let section = format!("[cloud.passkeys]\nrp_id = \"{id}\"\norigins = {origins}\n[health]");
        ServeConfig::parse("basic.toml", &BASIC.replacen("[health]", &section, 1))
    };
    for origins in [
        "[\"https://shop.example\"]",
        "[\"https://www.shop.example\", \"https://shop.example:8443\"]",
        "[\"android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]",
    ] {
        assert!(parse("shop.example", origins).is_ok(), "{origins}");
    }
    for origins in [
        "[]",
        "[\"http://shop.example\"]",
        "[\"https://shop.example/\"]",
        "[\"https://evilshop.example\"]",
        "[\"https://shop.example.evil.test\"]",
        "[\"https://.shop.example\"]",
        "[\"https://shop.example:0443\"]",
        "[\"https://shop.example:443\"]",
        "[\"https://shop.example:0\"]",
        "[\"https://shop.example:\"]",
        "[\"android:apk-key-hash:AA\"]",
        "[\"shop.example\"]",
    ] {
        let error = parse("shop.example", origins).unwrap_err().to_string();
        assert!(
            error.contains("`cloud.passkeys.origins` must be a list, not empty, of"),
            "{origins}: {error}"
        );
    }
    for id in [
        "",
        "https://shop.example",
        "Shop.example",
        "shop.example:8443",
        "shop..example",
        "-a.example",
        "127.0.0.1",
    ] {
        let error = parse(id, "[\"https://shop.example\"]").unwrap_err().to_string();
        assert!(error.contains("`cloud.passkeys.rp_id` must be a domain"), "{id}: {error}");
    }
    let nowhere = BASIC.replacen("[health]", "[cloud.passkeys]\nrp_id = \"shop.example\"\n[health]", 1);
    let error = ServeConfig::parse("basic.toml", &nowhere).unwrap_err().to_string();
    assert!(error.contains("`cloud.passkeys.origins` is missing"), "{error}");
}

#[test]
fn mistakes_name_place_rule_and_nearest_key() {
    for (from, to, want) in [
        ("tenant =", "tenent =", "basic.toml:1:1: `tenant` is missing"),
        ("nodes_at =", "node_at =", "`cloud.nodes_at` is missing"),
        ("[health]\nlisten", "[health]\nlistn", "`health.listen` is missing"),
        ("[health]", "log_formt = 1\n[health]", "unknown key `cloud.log_formt`"),
        ("[cloud]", "log_format = \"xml\"\n[cloud]", "`log_format` must be `text` or `json`"),
        ("[cloud]", "dat_dir = \"x\"\n[cloud]", "unknown key `dat_dir`; did you mean `data_dir`?"),
        ("127.0.0.1:7402", "0.0.0.0:7402", "`cloud.admin_at` must be on loopback"),
        ("127.0.0.1:7405", "0.0.0.0:7405", "`cloud.console_at` must be on loopback"),
        ("127.0.0.1:7405", "7405", "`cloud.console_at` must be an address and port"),
        ("[health]", "retention_days = 0\n[health]", "must be an integer in 1..=3650"),
        ("[health]", "retention_day = 9\n[health]", "did you mean `retention_days`?"),
        ("node = \"edge-1\"", "nod = \"edge-1\"", "`edge.node` is missing"),
        ("mode = \"observe\"", "mode = \"watch\"", "`edge.route.mode` must be `observe` or `enforce`"),
        ("[health]", "[cloud.webhook]\nurl = \"ftp://x\"\n[health]", "must start with https:// or http://"),
    ] {
        assert!(BASIC.contains(from), "{from}");
        let error = ServeConfig::parse("basic.toml", &BASIC.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with("basic.toml:") && error.contains(want), "{to}: {error}");
    }
    let nothing = ServeConfig::parse("x.toml", "tenant = \"a\"\nrealm = \"demo\"\n").unwrap_err();
    assert!(nothing.to_string().contains("describes no zone to run"), "{nothing}");
    let alone = BASIC.replacen("[cloud]\nnodes_at", "[clowd]\nnodes_at", 1);
    assert!(
        ServeConfig::parse("basic.toml", &alone).unwrap_err().to_string().contains("`edge.cloud` is missing")
    );
}

#[test]
fn a_family_enrols_complete_or_not_at_all() {
    for (from, to, want) in [
        (
            "\"tpm\", \"android-key\"",
            "\"moon\", \"android-key\"",
            "must be a list of tpm, android-key, app-attest, soter, play-integrity",
        ),
        ("\"tpm\", \"android-key\"", "\"simulated\", \"android-key\"", "must be a list of"),
        (
            "\"tpm\", \"android-key\"",
            "\"android-key\"",
            "`cloud.enrolment.tpm` is for a family that is not in",
        ),
        ("[cloud.enrolment.tpm]", "[cloud.enrolment.tmp]", "`cloud.enrolment.tpm` is missing"),
        ("anchors = [\"tpm-makers.pem\"]", "anchors = []", "must name at least one file"),
        ("anchors = [\"tpm-makers.pem\"]", "anchor = [\"x\"]", "must name at least one file"),
        ("anchors = [\"soter-makers.pem\"]", "anchors = []", "must name at least one file"),
        ("[cloud.enrolment.soter]", "[cloud.enrolment.sotr]", "`cloud.enrolment.soter` is missing"),
        ("keys = [\"shop.play-keys\"]", "keys = []", "must name one to 16 files"),
        (
            "[cloud.enrolment.play-integrity.app.\"com.example.shop\"]\nsigners",
            "[cloud.enrolment.play-integrity.app.\"com.example.shop\"]\nsigner",
            "must be a list of SHA-256 digests",
        ),
        ("revocations =", "revocation =", "`cloud.enrolment.android-key.revocations` is missing"),
        ("signers = [\"", "signers = [\"zz", "must be a list of SHA-256 digests"),
        ("signers =", "signer =", "must be a list of SHA-256 digests"),
        ("patch_level_min = 202601", "patch_level_min = 26", "must be an integer in 201501..=999912"),
        ("apps = [\"ABCDE12345.", "apps = [\"ABC.", "must be a list of TEAMID.bundle.identifier"),
        ("daily_max = 1000000", "dayly_max = 1", "did you mean `daily_max`?"),
    ] {
        assert!(ADVANCED.contains(from), "{from}");
        let error = ServeConfig::parse("x.toml", &ADVANCED.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(want), "{to}: {error}");
    }
}

#[test]
fn anchors_and_lists_are_read_from_their_files_or_the_start_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = ServeConfig::parse("advanced.toml", ADVANCED).unwrap();
    config.resolve(&dir.path().join("glacis.toml"));
    let context = glacis_seal::Context::new(config.tenant.clone(), config.realm);
    let section = config.cloud.unwrap().enrolment;
    let load = || crate::enrolment::load(&section, &context).map_err(|error| error.to_string());
    assert!(load().unwrap_err().contains("tpm-makers.pem"), "a file that is not there");
    let keys = glacis_attest::Roots::vendors();
    std::fs::write(dir.path().join("tpm-makers.pem"), &keys.android[1]).unwrap();
    assert!(load().unwrap_err().contains("soter-makers.pem"));
    std::fs::write(dir.path().join("soter-makers.pem"), &keys.android[0]).unwrap();
    assert!(load().unwrap_err().contains("status.json"));
    std::fs::write(dir.path().join("status.json"), "{\"entries\": {}}").unwrap();
    assert!(load().unwrap_err().contains("shop.play-keys"));
    std::fs::write(dir.path().join("shop.play-keys"), "AAAA\nAAAA\n").unwrap();
    assert!(load().unwrap_err().contains("must hold a decryption key and a verification key"));
    std::fs::write(dir.path().join("shop.play-keys"), PLAY_KEYS).unwrap();
    let (anchors, enrolling) = load().unwrap();
    assert_eq!((anchors.play_integrity.len(), anchors.roots.soter), (1, vec![keys.android[0].clone()]));
    assert_eq!(anchors.roots.tpm, [keys.android[1].clone()]);
    assert_eq!((anchors.roots.android, enrolling.references.android_apps.len()), (keys.android, 2));
    assert!(enrolling.revocations.unwrap().is_empty());
    std::fs::write(dir.path().join("tpm-makers.pem"), "-----BEGIN PRIVATE KEY-----").unwrap();
    assert!(load().unwrap_err().contains("and nothing else"));
}

#[test]
fn a_relative_folder_is_beside_the_file() {
    let mut config = ServeConfig::parse("basic.toml", BASIC).unwrap();
    config.resolve(Path::new("/etc/glacis/glacis.toml"));
    assert_eq!(config.data_dir, Path::new("/etc/glacis/glacis-data"));
    let mut config = ServeConfig::parse("advanced.toml", ADVANCED).unwrap();
    config.resolve(Path::new("/etc/glacis/glacis.toml"));
    assert_eq!(config.data_dir, Path::new("/var/lib/glacis"));
}

#[test]
fn a_host_fits_its_routes_or_the_file_is_refused_at_its_table() {
    let text = |host: &str, listen: &str, route: &str| {
        format!(
            "tenant = \"acme\"\nrealm = \"production\"\n[host]\n{host}\n[edge]\nnode = \"n\"\nlisten = \"{listen}\"\n\
             cloud = \"127.0.0.1:7402\"\n[edge.upstream.shop]\naddress = \"127.0.0.1:9000\"\n\
             [[edge.route]]\nmethod = \"POST\"\npath = \"/pay\"\nupstream = \"shop\"\nevent = \"a.b\"\n{route}"
        )
    };
    let (envoy, nginx) = ("kind = \"ext-authz\"", "kind = \"auth-request\"");
    let file = |kind: &str| format!("{kind}\nsecret_file = \"host.secret\"");
    let mut config = ServeConfig::parse("glacis.toml", &text(&file(envoy), "127.0.0.1:7401", "")).unwrap();
    config.resolve(Path::new("/etc/glacis/glacis.toml"));
    let host = config.host.unwrap();
    assert_eq!(host.kind, glacis_hosts::HostKind::ExtAuthz);
    assert_eq!(host.secret_file, Path::new("/etc/glacis/host.secret"));
    for (text, want) in [
        (text(envoy, "127.0.0.1:7401", ""), "`host.secret_file` is missing"),
        (text("kind = \"apache\"", "127.0.0.1:7401", ""), "`host.kind` must be `ext-authz` (Envoy)"),
        (text(&file(envoy), "0.0.0.0:7401", ""), "`host` needs `edge.listen` on loopback"),
        (
            text(&file(nginx), "127.0.0.1:7401", ""),
            "does not fit: route `POST /pay` needs the request's body",
        ),
    ] {
        let error = ServeConfig::parse("glacis.toml", &text).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
        assert_eq!(error.position().0, if want.contains("kind") { 4 } else { 3 }, "{error}");
    }
    let bodiless = text(&file(nginx), "127.0.0.1:7401", "body_max_bytes = 0\n");
    assert!(ServeConfig::parse("glacis.toml", &bodiless).is_ok());
    let sample = ServeConfig::parse("hosts.toml", HOSTS).unwrap();
    assert_eq!(sample.host.unwrap().kind, glacis_hosts::HostKind::AuthRequest);
    assert!(ServeConfig::parse("hosts.toml", &HOSTS.replace("auth-request", "ext-authz")).is_ok());
    let cloud = BASIC.split("[edge]").next().unwrap();
    let lonely = format!("{cloud}\n[host]\n{}\n", file(envoy));
    let error = ServeConfig::parse("glacis.toml", &lonely).unwrap_err();
    assert!(error.to_string().contains("needs an [edge] table"), "{error}");
}
