//! `collateral.toml`: which of the vendors' and of our own files become one collateral.
//!
//! Strict like every configuration: a typo, a missing file, a list that cannot be read to its end refuse the build. Google's
//! list is as old as its file unless the description says better, and the collateral ages from the older of the two: who
//! signs an old list anew makes it no younger.

use super::file::read_bounded;
use crate::error::{ServeError, ServeErrorKind};
use glacis_attest::collateral::{COLLATERAL_BYTES_MAX, Life, boot_keys};
use glacis_attest::{AndroidApp, Collateral, References, Revocations, Roots, Site, anchors, google_roots};
use glacis_edge::ConfigError;
use glacis_edge::config::reader::{Keys, Source};
use glacis_seal::text::parse_hex;
use glacis_wire::message::collateral::AnchorUse;
use glacis_wire::{Digest, Tier, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a description came to.
#[derive(Clone, Debug)]
pub struct Made {
    /// The collateral.
    pub collateral: Collateral,
    /// Files that were read, as the description names them, beside it.
    pub files: Vec<PathBuf>,
}

/// Makes collateral of the description in `path`, as of now, in this version.
///
/// # Errors
/// The first thing that is wrong, with its place; or the file that cannot be read.
pub fn build(path: &Path, version: u64, now: Timestamp) -> Result<Made, ServeError> {
    let (bytes, _) = read_bounded(path, DESCRIPTION_BYTES_MAX)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| ServeError::new(ServeErrorKind::Usage, format!("`{}` is no text", path.display())))?;
    let name = path.display().to_string();
    let source = Source { file: &name, text: &text };
    let document = source.parse().map_err(config)?;
    let mut keys = Keys::root(source, &document);
    let mut maker = Maker { base: path.parent().unwrap_or(Path::new("")).to_owned(), files: Vec::new() };
    let life = keys.table("life").map_err(config)?;
    let (stale, ends) = life.map_or(Ok((STALE_DAYS, END_DAYS)), days)?;
    let roots = maker.roots(&mut keys)?;
    let mut references = References::default();
    let systems = maker.android(&mut keys, &mut references)?;
    others(&mut keys, &mut references)?;
    let revocations = maker.revocations(&mut keys, now)?;
    let ceilings = ceilings(&mut keys)?;
    keys.finish().map_err(config)?;
    let day = |days: u64| Duration::from_secs(days * 86_400);
    let as_of = revocations.as_ref().map_or(now, Revocations::as_of).min(now);
    let life = Life {
        version,
        made_at: now,
        stale_after: as_of.after(day(stale)),
        not_after: as_of.after(day(ends)),
    };
    let collateral = Collateral { life, roots, references, systems, revocations, ceilings };
    Ok(Made { collateral, files: maker.files })
}

/// Reads the files that a description names.
struct Maker {
    base: PathBuf,
    files: Vec<PathBuf>,
}

impl Maker {
    fn read(&mut self, file: &str) -> Result<(Vec<u8>, Timestamp), ServeError> {
        let path = self.base.join(file);
        let found = read_bounded(&path, COLLATERAL_BYTES_MAX)?;
        self.files.push(path);
        Ok(found)
    }

    /// `[anchors]`: files of keys by their use, and whether the vendors' keys of this build count.
    fn roots(&mut self, keys: &mut Keys<'_>) -> Result<Roots, ServeError> {
        let Some(mut table) = keys.table("anchors").map_err(config)? else { return Ok(Roots::vendors()) };
        let vendors = table.parsed("vendors", "must be `built-in` or `none`", |text| match text {
            "built-in" => Some(true),
            "none" => Some(false),
            _ => None,
        });
        let vendors = vendors.map_err(config)?.unwrap_or(true);
        let mut roots = if vendors { Roots::vendors() } else { Roots::default() };
        if let Some(file) = table.text("google_roots").map_err(config)? {
            let (bytes, _) = self.read(file)?;
            let found = google_roots(&bytes).ok_or_else(|| {
                config(
                    table.bad("google_roots", "must name Google's list of roots: JSON, certificates as PEM"),
                )
            })?;
            add(&mut roots.android, found);
        }
        for usage in AnchorUse::ALL {
            for file in table.texts(usage.name()).map_err(config)?.unwrap_or_default() {
                let (bytes, _) = self.read(file)?;
                let found = anchors(&bytes).filter(|found| !found.is_empty()).ok_or_else(|| {
                    let rule = format_args!(
                        "names `{file}`, which must hold certificates or public keys, as PEM or as DER of one, \
                         and nothing else"
                    );
                    config(table.bad(usage.name(), rule))
                })?;
                add(roots.of_use_mut(*usage), found);
            }
        }
        table.finish().map_err(config)?;
        Ok(roots)
    }

    /// `[android]`: apps, systems and patch level; gives the systems' names.
    fn android(
        &mut self,
        keys: &mut Keys<'_>,
        references: &mut References,
    ) -> Result<BTreeMap<Vec<u8>, String>, ServeError> {
        let mut systems = BTreeMap::new();
        let Some(mut table) = keys.table("android").map_err(config)? else { return Ok(systems) };
        let level = table.integer("patch_level_min", 201_501..=999_912).map_err(config)?;
        references.patch_level_min = level.and_then(|level| u32::try_from(level).ok());
        for file in table.texts("boot_keys").map_err(config)?.unwrap_or_default() {
            let (bytes, _) = self.read(file)?;
            let found = std::str::from_utf8(&bytes).ok().and_then(boot_keys).ok_or_else(|| {
                let rule = format_args!(
                    "names `{file}`, which must have one key in hexadecimal a line, with the name of its system"
                );
                config(table.bad("boot_keys", rule))
            })?;
            systems.extend(found);
        }
        references.boot_keys = systems.keys().cloned().collect();
        for (package, mut app) in table.entries("app").map_err(config)? {
            let rule = "must be a list of SHA-256 digests in hexadecimal, at least one";
            let signers = app.texts("signers").map_err(config)?.unwrap_or_default();
            let signers: Option<Vec<Digest>> = signers.iter().map(digest).collect();
            let signers = signers.filter(|signers| !signers.is_empty());
            let signers = signers.ok_or_else(|| config(app.bad("signers", rule)))?;
            references.android_apps.push(AndroidApp { package: package.to_owned(), signers });
            app.finish().map_err(config)?;
        }
        table.finish().map_err(config)?;
        Ok(systems)
    }

    /// `[revocations]`: Google's list.
    fn revocations(
        &mut self,
        keys: &mut Keys<'_>,
        now: Timestamp,
    ) -> Result<Option<Revocations>, ServeError> {
        let Some(mut table) = keys.table("revocations").map_err(config)? else { return Ok(None) };
        let file = table.text("google_status").map_err(config)?;
        let file = table.need("google_status", file).map_err(config)?;
        let rule = "must be a time of UTC, such as 2026-01-31T12:00:00Z, and not later than now";
        let as_of =
            table.parsed("as_of", rule, |text| Timestamp::parse_rfc3339(text).filter(|at| *at <= now));
        let as_of = as_of.map_err(config)?;
        let (bytes, changed) = self.read(file)?;
        let list = Revocations::parse_google(&bytes, as_of.unwrap_or(changed).min(now))
            .map_err(|error| config(table.bad("google_status", format_args!("names `{file}`: {error}"))))?;
        table.finish().map_err(config)?;
        Ok(Some(list))
    }
}

/// `[life]`: after how many days it is stale, and too old.
fn days(mut table: Keys<'_>) -> Result<(u64, u64), ServeError> {
    let stale = table.integer("stale_after_days", 1..=365).map_err(config)?.unwrap_or(STALE_DAYS);
    let ends = table.integer("not_after_days", 1..=400).map_err(config)?.unwrap_or(END_DAYS.max(stale));
    if ends < stale {
        return Err(config(table.bad("not_after_days", "must not be less than `stale_after_days`")));
    }
    table.finish().map_err(config)?;
    Ok((stale, ends))
}

/// `[apple]`, `[tpm]` and `[site."…"]`.
fn others(keys: &mut Keys<'_>, references: &mut References) -> Result<(), ServeError> {
    if let Some(mut table) = keys.table("apple").map_err(config)? {
        let apps = table.texts("apps").map_err(config)?.unwrap_or_default();
        let is_app =
            |app: &&str| app.split_once('.').is_some_and(|(team, id)| team.len() == 10 && !id.is_empty());
        if !apps.iter().all(is_app) {
            return Err(config(table.bad("apps", "must be a list of TEAMID.bundle.identifier")));
        }
        references.apple_apps = apps.into_iter().map(ToOwned::to_owned).collect();
        table.finish().map_err(config)?;
    }
    if let Some(mut table) = keys.table("tpm").map_err(config)? {
        let found = table.texts("boot_authorities").map_err(config)?.unwrap_or_default();
        let found: Option<Vec<Digest>> = found.iter().map(digest).collect();
        let rule = "must be a list of SHA-256 digests in hexadecimal";
        references.boot_authorities = found.ok_or_else(|| config(table.bad("boot_authorities", rule)))?;
        table.finish().map_err(config)?;
    }
    for (id, mut site) in keys.entries("site").map_err(config)? {
        let origins = site.texts("origins").map_err(config)?.unwrap_or_default();
        let origins = origins.into_iter().map(ToOwned::to_owned).collect();
        references.sites.push(Site { id: id.to_owned(), origins });
        site.finish().map_err(config)?;
    }
    Ok(())
}

/// `[partner.NAME] tier_max`: what devices of a partner can be worth.
fn ceilings(keys: &mut Keys<'_>) -> Result<BTreeMap<String, Tier>, ServeError> {
    let mut found = BTreeMap::new();
    for (name, mut partner) in keys.entries("partner").map_err(config)? {
        let tier = |text: &str| Tier::ALL.into_iter().find(|tier| tier.name() == text && *tier > Tier::None);
        let tier = partner.parsed("tier_max", "must be `software`, `hardware` or `strong`", tier);
        let tier = tier.map_err(config)?;
        found.insert(name.to_owned(), partner.need("tier_max", tier).map_err(config)?);
        partner.finish().map_err(config)?;
    }
    Ok(found)
}

fn digest(text: &&str) -> Option<Digest> {
    parse_hex(text)?.as_slice().try_into().ok()
}

/// Adds keys that are not there yet.
fn add(roots: &mut Vec<Vec<u8>>, found: Vec<Vec<u8>>) {
    for key in found {
        if !roots.contains(&key) {
            roots.push(key);
        }
    }
}

fn config(error: ConfigError) -> ServeError {
    ServeError::new(ServeErrorKind::Usage, error.to_string())
}

/// Longest description. Unit: bytes.
const DESCRIPTION_BYTES_MAX: usize = 1 << 20;
/// Days until collateral is stale. Source: Google publishes its list with `max-age` of one day; three survive a weekend.
const STALE_DAYS: u64 = 3;
/// Days until nothing rests on it: two weeks in which somebody sees the alarm and the installation goes on, capped.
const END_DAYS: u64 = 14;
