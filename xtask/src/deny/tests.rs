use super::*;

const RULES: &str = r#"
    [licenses]
    allow = ["MIT", "Apache-2.0"]
    exceptions = [{ crate = "fuzzer", allow = ["NCSA"], reason = "only in fuzz/" }]
    [bans]
    deny = [
      { crate = "openssl-sys", reason = "a second C crypto library" },
      { crate = "cmake", wrappers = ["aws-lc-sys"], reason = "the build needs a C compiler only" },
    ]
    [sources]
    allow-registry = ["https://github.com/rust-lang/crates.io-index"]
"#;

fn package(name: &str, license: &str, resolved: &[&str]) -> Package {
    Package {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        license: Some(license.to_owned()),
        source: Some("registry+https://github.com/rust-lang/crates.io-index".to_owned()),
        resolved: resolved.iter().map(|name| (*name).to_owned()).collect(),
        linked: true,
        ..Package::default()
    }
}

fn violations(packages: Vec<Package>) -> Vec<String> {
    Rules::parse(RULES).unwrap().check(&Metadata { packages })
}

#[test]
fn a_planted_licence_is_found_and_an_exception_is_for_one_crate_only() {
    assert_eq!(violations(vec![package("good", "MIT OR GPL-3.0", &[])]), Vec::<String>::new());
    assert_eq!(violations(vec![package("bad", "GPL-3.0-only", &[])]).len(), 1);
    assert_eq!(violations(vec![package("fuzzer", "MIT AND NCSA", &[])]), Vec::<String>::new());
    assert_eq!(violations(vec![package("other", "MIT AND NCSA", &[])]).len(), 1);
    let mut silent = package("silent", "", &[]);
    silent.license = None;
    assert_eq!(violations(vec![silent]), vec!["silent 1.0.0 states no licence".to_owned()]);
    assert_eq!(violations(vec![package("odd", "MIT OR", &[])]).len(), 1);
}

#[test]
fn a_planted_ban_is_found_at_any_depth_and_a_wrapper_is_the_only_way_round() {
    let openssl = || package("openssl-sys", "MIT", &[]);
    assert_eq!(violations(vec![package("app", "MIT", &["openssl-sys"]), openssl()]).len(), 1);
    assert_eq!(violations(vec![openssl()]).len(), 1, "linked without a user");
    let idle = Package { linked: false, ..openssl() };
    assert_eq!(violations(vec![idle]), Vec::<String>::new(), "in the lock and never built");
    let cmake = || package("cmake", "MIT", &[]);
    assert_eq!(violations(vec![package("aws-lc-sys", "MIT", &["cmake"]), cmake()]), Vec::<String>::new());
    let stray =
        violations(vec![package("aws-lc-sys", "MIT", &["cmake"]), package("x", "MIT", &["cmake"]), cmake()]);
    assert_eq!(stray.len(), 1, "{stray:?}");
}

#[test]
fn a_planted_source_is_found() {
    for source in
        ["git+https://example.org/x", "registry+https://example.org/index", "sparse+https://example.org/"]
    {
        let mut strange = package("strange", "MIT", &[]);
        strange.source = Some(source.to_owned());
        assert_eq!(violations(vec![strange]).len(), 1, "{source}");
    }
}

#[test]
fn a_typo_in_the_file_is_an_error_and_not_a_rule_less() {
    for (from, to) in
        [("deny =", "denny ="), ("crate = \"cmake\"", "name = \"cmake\""), ("[sources]", "[source]")]
    {
        let error = Rules::parse(&RULES.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains("deny.toml"), "{error}");
    }
}

#[test]
fn the_rules_of_this_workspace_parse_and_hold() {
    let root = files::root().unwrap();
    let rules = Rules::parse(&std::fs::read_to_string(root.join("deny.toml")).unwrap()).unwrap();
    assert!(rules.bans.iter().any(|ban| ban.name == "openssl-sys"));
    assert_eq!(rules.check(&Metadata::load(&root).unwrap()), Vec::<String>::new());
}
