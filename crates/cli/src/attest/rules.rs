//! The policies of the appraisal as they are written: what a rule that kept evidence from more says, and why.
//!
//! The very texts under `policies/appraisal` are built in, so that what is shown is what the slices of this build were made
//! from (a test of `glacis-attest` holds the two together). Nothing is worded here: the comment above a rule is its reason.

use glacis_attest::standing::{self, Goal};

/// One rule, or the head of a policy.
pub(super) struct Written {
    /// `GOAL/RULE`, or the policy's name.
    pub(super) name: String,
    /// The comment above it.
    pub(super) what: String,
    /// Its condition; none for a policy.
    pub(super) when: Option<String>,
    /// Digest of the policy.
    pub(super) policy: String,
}

/// Every policy in force, and behind each its rules.
pub(super) fn written() -> Vec<Written> {
    let mut all = Vec::new();
    for policy in standing::in_force() {
        let text = source(policy.goal);
        let (goal, digest) = (policy.goal.name(), policy.digest.to_string());
        let head = text.split("\n\n").next().unwrap_or_default();
        let name = format!("appraisal-{goal}");
        all.push(Written { name, what: comment(head), when: None, policy: digest.clone() });
        for rule in policy.rules {
            let id = format!("\nid = \"{rule}\"\n");
            let Some(paragraph) = text.split("\n\n").find(|paragraph| paragraph.contains(&id)) else {
                continue;
            };
            all.push(Written {
                name: format!("{goal}/{rule}"),
                what: comment(paragraph),
                when: condition(paragraph),
                policy: digest.clone(),
            });
        }
    }
    all
}

const fn source(goal: Goal) -> &'static str {
    match goal {
        Goal::Attested => include_str!("../../../../policies/appraisal/attested/policy.toml"),
        Goal::Hardware => include_str!("../../../../policies/appraisal/hardware/policy.toml"),
        Goal::Strong => include_str!("../../../../policies/appraisal/strong/policy.toml"),
    }
}

/// The lines of comment as one.
fn comment(paragraph: &str) -> String {
    let lines = paragraph.lines().filter_map(|line| line.strip_prefix('#'));
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What stands behind `when`, without its quotes, on one line.
fn condition(paragraph: &str) -> Option<String> {
    let (_, behind) = paragraph.split_once("\nwhen = ")?;
    let (quoted, _) = behind.split_once("\neffect")?;
    let bare = ["'''", "'", "\""]
        .into_iter()
        .find_map(|quote| quoted.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)));
    bare.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_in_force_is_explained_by_its_own_text() {
        let written = written();
        let rules: usize = standing::in_force().iter().map(|policy| policy.rules.len()).sum();
        assert_eq!(written.len(), rules + 3);
        for entry in &written {
            assert!(!entry.what.is_empty(), "{}: no comment", entry.name);
            assert_eq!(entry.when.is_some(), entry.name.contains('/'), "{}", entry.name);
            assert_eq!(entry.policy.len(), 64, "{}", entry.name);
        }
        let unlocked = written.iter().find(|entry| entry.name == "attested/unlocked").unwrap();
        assert_eq!(unlocked.when.as_deref(), Some("boot.state != \"enforced\" && !boot.locked"));
    }
}
