use crate::{code, glacis, stderr, stdout};

/// Names below `Commands:`.
fn commands(help: &str) -> Vec<String> {
    let rows = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let rows = rows.take_while(|line| line.starts_with("  "));
    let names = rows.filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_role_has_help_with_its_exit_codes() {
    let (mut open, mut seen) = (vec![Vec::<String>::new()], 0);
    while let Some(role) = open.pop() {
        let args: Vec<&str> = role.iter().map(String::as_str).chain(["--help"]).collect();
        let output = glacis(&args);
        let text = stdout(&output);
        assert_eq!(code(&output), 0, "{role:?}");
        assert!(text.contains("Usage:"), "{role:?}");
        assert!(text.contains("4  not found, or in conflict with what exists"), "{role:?}");
        assert!(!text.contains("victim"), "{role:?}");
        open.extend(commands(&text).into_iter().map(|name| [role.clone(), vec![name]].concat()));
        seen += 1;
    }
    assert!(seen > 30, "{seen} roles");
}

#[test]
fn wrong_usage_is_exit_code_2_and_names_the_nearest_argument() {
    for args in [
        &["kays"][..],
        &["demo", "--sed", "7"],
        &["keys", "make"],
        &["keys", "rotate", "node", "--dir", "x"],
        &[],
    ] {
        assert_eq!(code(&glacis(args)), 2, "{args:?}");
    }
    assert!(stderr(&glacis(&["demo", "--sed", "7"])).contains("--seed"));
    assert_eq!(code(&glacis(&["keys", "make", "--dir", "x", "--tenant", "Not Valid", "--realm", "demo"])), 2);
}
