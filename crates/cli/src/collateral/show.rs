//! Collateral for people and scripts: whose it is, how old, and what is in it.
//!
//! Serials are counted and not listed: the list is the maker's and has thousands. Keys of makers are shown as digests, as
//! appraisals name them.

use crate::client::typed;
use crate::error::CliError;
use glacis_attest::RevocationStatus;
use glacis_attest::Roots;
use glacis_attest::collateral::Stated;
use glacis_seal::{sha256, text::hex};
use glacis_wire::Timestamp;
use glacis_wire::message::collateral::AnchorUse;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Everything as JSON.
pub(super) fn document(stated: &Stated) -> Value {
    let found = &stated.collateral;
    let references = &found.references;
    let anchors: Vec<Value> = anchors(&found.roots)
        .into_iter()
        .map(|(usage, digest)| json!({ "use": usage, "sha256": digest }))
        .collect();
    let revocations = found.revocations.as_ref().map(|list| {
        let suspended = list.entries().filter(|(_, status)| *status == RevocationStatus::Suspended).count();
        json!({ "as_of": list.as_of().rfc3339(), "serials": list.len(), "suspended": suspended })
    });
    let name = |key: &Vec<u8>| found.systems.get(key).cloned().unwrap_or_default();
    let systems: Vec<Value> =
        references.boot_keys.iter().map(|key| json!({ "key": hex(key), "name": name(key) })).collect();
    let digests = |all: &[glacis_wire::Digest]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let apps: Vec<Value> = references
        .android_apps
        .iter()
        .map(|app| json!({ "package": app.package, "signers": digests(&app.signers) }))
        .collect();
    let sites: Vec<Value> =
        references.sites.iter().map(|site| json!({ "id": site.id, "origins": site.origins })).collect();
    let ceilings: Vec<Value> = found
        .ceilings
        .iter()
        .map(|(partner, tier)| json!({ "partner": partner, "tier_max": tier.name() }))
        .collect();
    json!({
        "tenant": stated.context.tenant.as_str(),
        "realm": stated.context.realm.name(),
        "version": found.life.version,
        "digest": stated.mark.digest.to_string(),
        "signer": stated.signer.to_string(),
        "made_at": found.life.made_at.rfc3339(),
        "stale_after": found.life.stale_after.rfc3339(),
        "not_after": found.life.not_after.rfc3339(),
        "anchors": anchors,
        "revocations": revocations,
        "boot_keys": systems,
        "android_apps": apps,
        "apple_apps": references.apple_apps,
        "sites": sites,
        "boot_authorities": digests(&references.boot_authorities),
        "patch_level_min": references.patch_level_min,
        "ceilings": ceilings,
    })
}

/// The same for people.
pub(super) fn text(stated: &Stated) -> String {
    let found = &stated.collateral;
    let (life, references) = (&found.life, &found.references);
    let mut shown = format!(
        "collateral  version {}, tenant {}, realm {}\nsigner      {} (not checked)\nmade        {}\nstale       {}\n\
         ends        {}",
        life.version,
        stated.context.tenant,
        stated.context.realm.name(),
        stated.signer,
        life.made_at.rfc3339(),
        life.stale_after.rfc3339(),
        life.not_after.rfc3339(),
    );
    // Writing to a string does not fail.
    for (usage, digest) in anchors(&found.roots) {
        let _ = write!(shown, "\nanchor      {usage} {digest}");
    }
    if let Some(list) = &found.revocations {
        let _ = write!(shown, "\nrevoked     {} serials as of {}", list.len(), list.as_of().rfc3339());
    }
    for key in &references.boot_keys {
        let name = found.systems.get(key).map_or("", String::as_str);
        let _ = write!(shown, "\nsystem      {} {name}", hex(key));
    }
    for app in &references.android_apps {
        let signers: Vec<String> = app.signers.iter().map(ToString::to_string).collect();
        let _ = write!(shown, "\napp         {} signed by {}", app.package, signers.join(" or "));
    }
    for app in &references.apple_apps {
        let _ = write!(shown, "\napp         {app}");
    }
    for site in &references.sites {
        let _ = write!(shown, "\nsite        {} from {}", site.id, site.origins.join(" or "));
    }
    for authority in &references.boot_authorities {
        let _ = write!(shown, "\nauthority   {authority}");
    }
    if let Some(level) = references.patch_level_min {
        let _ = write!(shown, "\npatches     {level} or newer");
    }
    for (partner, tier) in &found.ceilings {
        let _ = write!(shown, "\npartner     {partner} up to {}", tier.name());
    }
    shown
}

/// Keys of makers as appraisals name them.
fn anchors(roots: &Roots) -> Vec<(&'static str, String)> {
    let named = |(usage, keys): (AnchorUse, &Vec<Vec<u8>>)| {
        keys.iter().map(|key| (usage.name(), sha256(key).to_string())).collect::<Vec<_>>()
    };
    roots.by_use().into_iter().flat_map(named).collect()
}

#[derive(Debug, Deserialize)]
struct InForce {
    version: u64,
    digest: String,
    age: String,
    stale_after_ms: u64,
    not_after_ms: u64,
    anchors: u64,
    revoked: u64,
    revocations_as_of_ms: Option<u64>,
    apps: u64,
    systems: u64,
    taken_at_ms: u64,
    taken_by: String,
}

/// What an installation says of what is in force.
pub(super) fn in_force(answer: &Value) -> Result<String, CliError> {
    let found: InForce = typed(answer)?;
    let at = |ms| Timestamp::from_ms(ms).rfc3339();
    let as_of = found.revocations_as_of_ms.map_or("never".to_owned(), at);
    Ok(format!(
        "collateral  version {}, {}\ndigest      {}\ntaken       {} by {}\nstale       {}\nends        {}\n\
         holds       {} anchors, {} apps, {} systems, {} revoked serials as of {as_of}",
        found.version,
        found.age,
        found.digest,
        at(found.taken_at_ms),
        found.taken_by,
        at(found.stale_after_ms),
        at(found.not_after_ms),
        found.anchors,
        found.apps,
        found.systems,
        found.revoked,
    ))
}
