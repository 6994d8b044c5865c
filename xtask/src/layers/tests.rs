use super::*;
use crate::metadata::Dependency;

fn package(name: &str, source: Option<&str>, to: &[(&str, Kind)]) -> Package {
    Package {
        name: name.to_owned(),
        source: source.map(str::to_owned),
        dependencies: to
            .iter()
            .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: *kind })
            .collect(),
        resolved: to.iter().map(|(name, _)| (*name).to_owned()).collect(),
        ..Package::default()
    }
}

fn violations(packages: Vec<Package>) -> Vec<String> {
    check(&Metadata { packages })
}

#[test]
fn this_workspace_keeps_its_layers() {
    let metadata = Metadata::load(&files::root().unwrap()).unwrap();
    assert!(metadata.members().count() > 10, "the whole workspace is checked");
    assert_eq!(check(&metadata), Vec::<String>::new());
}

#[test]
fn every_forbidden_edge_of_the_style_guide_is_found() {
    for (from, to) in [
        ("sdk", "compiler"),
        ("sdk", "edge"),
        ("sdk", "cloud"),
        ("edge", "cloud"),
        ("edge", "compiler"),
        ("policy", "host"),
        ("compiler", "host"),
        ("attest", "host"),
        ("attest", "compiler"),
        ("dtx", "policy"),
        ("edge", "sim"),
        ("cloud", "sim"),
        ("sim", "cli"),
        ("wire", "policy"),
        ("xtask", "wire"),
    ] {
        let (from, to) = (
            if from == "xtask" { from.to_owned() } else { format!("glacis-{from}") },
            format!("glacis-{to}"),
        );
        let found = violations(vec![package(&from, None, &[(&to, Kind::Normal)])]);
        let want = format!("`{from}` must not depend on `{to}`");
        assert!(found.contains(&want), "{from} to {to}: {found:?}");
        assert!(!violations(vec![package(&from, None, &[(&to, Kind::Build)])]).is_empty());
    }
}

#[test]
fn allowed_edges_and_development_edges_pass_but_nothing_sees_the_command() {
    let good = package("glacis-cloud", None, &[("glacis-compiler", Kind::Normal), ("serde", Kind::Normal)]);
    let tested = package("glacis-policy", None, &[("glacis-compiler", Kind::Dev)]);
    assert_eq!(violations(vec![good, tested]), Vec::<String>::new());
    assert_eq!(violations(vec![package("glacis-sim", None, &[("glacis-cli", Kind::Dev)])]).len(), 1);
}

#[test]
fn an_unknown_crate_and_a_stray_crypto_library_are_found() {
    let found = violations(vec![
        package("glacis-util", None, &[]),
        package("glacis-edge", None, &[("aws-lc-rs", Kind::Normal)]),
        package("glacis-sdk", None, &[("sha2", Kind::Dev)]),
        package("glacis-seal", None, &[("aws-lc-rs", Kind::Normal)]),
    ]);
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn invariant_3_pure_crates_link_nothing_that_reaches_the_world() {
    let far = violations(vec![
        package("glacis-compiler", None, &[("parser", Kind::Normal)]),
        package("parser", Some("registry"), &[("clock", Kind::Normal)]),
        package("clock", Some("registry"), &[("getrandom", Kind::Normal)]),
    ]);
    assert_eq!(far, vec!["`glacis-compiler` is pure but links `getrandom`".to_owned()]);
    let in_tests = violations(vec![package("glacis-policy", None, &[("tempfile", Kind::Dev)])]);
    assert_eq!(in_tests, Vec::<String>::new());
    let metadata = Metadata::load(&files::root().unwrap()).unwrap();
    let pure: Vec<_> =
        check(&metadata).into_iter().filter(|violation| violation.contains("is pure")).collect();
    assert_eq!(pure, Vec::<String>::new());
}

#[test]
fn a_pure_crate_links_no_crate_whose_features_reach_the_world() {
    let compiler = package("glacis-compiler", None, &[("jiff", Kind::Normal)]);
    for (feature, want) in
        [("alloc", None), ("std", Some("`glacis-compiler` is pure but links `jiff` with feature `std`"))]
    {
        let jiff = Package { in_force: vec![feature.to_owned()], ..package("jiff", Some("registry"), &[]) };
        let found = violations(vec![compiler.clone(), jiff]);
        assert_eq!(found, want.into_iter().map(str::to_owned).collect::<Vec<_>>());
    }
}
