use crate::{code, glacis, stderr, stdout};

#[test]
fn every_role_has_help_with_its_exit_codes() {
    for role in [
        &[][..],
        &["demo"],
        &["keys"],
        &["keys", "make"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["protect"],
        &["routes"],
        &["enforce"],
        &["observe"],
        &["bypass"],
        &["backup"],
        &["restore"],
        &["serve"],
        &["completions"],
        &["explain-error"],
    ] {
        let args: Vec<&str> = role.iter().chain(&["--help"]).copied().collect();
        let output = glacis(&args);
        assert_eq!(code(&output), 0, "{role:?}");
        assert!(stdout(&output).contains("Usage:"), "{role:?}");
        assert!(stdout(&output).contains("4  not found, or in conflict with what exists"), "{role:?}");
        assert!(!stdout(&output).contains("victim"), "{role:?}");
    }
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
