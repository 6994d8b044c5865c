//! Keys and what they are worth, in words and as JSON: the same for every command that shows them.
//!
//! Nothing here is secret: names, public keys by their hash, times and counts. What a store is worth is said in a sentence
//! that names who could take the keys, since a tier alone tells few people that.

use glacis_dtx::{KeyInfo, Protection, Role};
use glacis_seal::thumbprint;
use serde_json::{Value, json};

/// A role as output and arguments name it.
pub(super) fn role(role: Role) -> String {
    match role {
        Role::Device => "device".to_owned(),
        Role::App => "app".to_owned(),
        Role::Scene(scene) => scene.to_string(),
    }
}

/// What a store is worth, a line each.
pub(super) fn protection(protection: &Protection) -> Vec<String> {
    let basis = match protection.basis {
        glacis_dtx::Basis::Nothing => "resting on nothing that others could check",
        glacis_dtx::Basis::Declared => "as its operator declares",
        glacis_dtx::Basis::Attested => "with evidence that a verifier can check",
    };
    let leave = match protection.exportable {
        true => "yes: who controls this account or its files can copy the keys",
        false => "no",
    };
    let user = match protection.verifies_user {
        true => "by the store itself",
        false => "by nobody but the caller, whose word is taken",
    };
    vec![
        format!("{:<20} {}, {basis}", "worth", protection.tier.name()),
        format!("{:<20} {leave}", "keys can leave it"),
        format!("{:<20} {user}", "user verified"),
        format!("{:<20} {}", "one device, one key", protection.uniqueness.name()),
    ]
}

/// The same for scripts.
pub(super) fn json_of_protection(protection: &Protection) -> Value {
    json!({
        "tier": protection.tier.name(),
        "basis": protection.basis.name(),
        "exportable": protection.exportable,
        "verifies_user": protection.verifies_user,
        "uniqueness": protection.uniqueness.name(),
    })
}

/// One key on one line.
pub(super) fn line_of_key(key: &KeyInfo) -> String {
    let mut line = format!("{:<20} {}", role(key.role), thumbprint(&key.public));
    if key.options.user_verification {
        line.push_str("  asks the user");
    }
    if let (Some(most), Some(uses)) = (key.options.uses_max, key.uses) {
        line.push_str(&format!("  used {uses} of {most}"));
    }
    if let Some(end) = key.options.not_after {
        line.push_str(&format!("  until {}", end.rfc3339()));
    }
    if let Some(end) = key.ended {
        line.push_str(&format!("  {}", end.name()));
    }
    if key.lingers {
        line.push_str("  (still in its store, which was not reachable)");
    }
    line
}

/// The same for scripts.
pub(super) fn json_of_key(key: &KeyInfo) -> Value {
    json!({
        "role": role(key.role),
        "level": match key.role { Role::Device => "device", Role::App => "app", Role::Scene(_) => "scene" },
        "thumbprint": thumbprint(&key.public).to_string(),
        "user_verification": key.options.user_verification,
        "uses": key.uses,
        "uses_max": key.options.uses_max,
        "not_after": key.options.not_after.map(|end| end.rfc3339()),
        "made": key.made.map(|made| made.rfc3339()),
        "ended": key.ended.map(|end| end.name()),
        "lingers": key.lingers,
        "successor": key.successor.map(|key| thumbprint(&key).to_string()),
    })
}
