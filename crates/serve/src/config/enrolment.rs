//! `[cloud.enrolment]`: which families of evidence enrol, whom they are anchored in, and how many devices may come.
//!
//! The default is closed: evidence of no family enrols. A family that is named has to be complete (anchors, apps,
//! revocation list), since a verifier without references would call anything good. Files are named here and read when
//! the control plane starts.

use glacis_attest::play_integrity::KEYS_MAX;
use glacis_edge::ConfigError;
use glacis_edge::config::reader::Keys;
use glacis_seal::text::parse_hex;
use glacis_wire::Digest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which devices enrol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Families of evidence that enrol.
    pub families: BTreeSet<String>,
    /// Enrolments a day in all.
    pub daily_max: u64,
    /// Enrolments an hour from one address prefix.
    pub prefix_hourly_max: u64,
    /// Files with keys of makers of TPMs.
    pub tpm_anchors: Vec<PathBuf>,
    /// What is expected of Android devices, where they enrol.
    pub android: Option<AndroidApps>,
    /// Apple apps that are ours.
    pub apple_apps: Vec<String>,
    /// Files with keys of makers, devices or apps of SOTER.
    pub soter_anchors: Vec<PathBuf>,
    /// What opens verdicts of Play Integrity, and what is expected of them, where they enrol.
    pub play: Option<PlayApps>,
    /// Where anchors, lists and expectations come from in place of the families' own tables.
    pub collateral: Option<CollateralFile>,
    /// Devices that one attestation key of a factory may vouch for before there is an alarm.
    pub issuer_batch_max: u64,
    /// The same of a key that is one device's own.
    pub issuer_own_max: u64,
}

/// What opens verdicts of Play Integrity, and what is expected of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayApps {
    /// Files with the two keys of an app: the decryption key on the first line, the verification key on the second.
    pub keys: Vec<PathBuf>,
    /// Packages that are ours, with the certificates that may sign them; none where they come from collateral.
    pub apps: Vec<(String, Vec<Digest>)>,
}

/// Signed collateral.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollateralFile {
    /// The file, looked at again and again.
    pub file: PathBuf,
    /// The file with the public key that signs it.
    pub key: PathBuf,
}

/// What is expected of Android devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AndroidApps {
    /// Packages that are ours, with the certificates that may sign them.
    pub apps: Vec<(String, Vec<Digest>)>,
    /// Google's revocation list as published, as of the time of its file.
    pub revocations: PathBuf,
    /// Keys of systems that are trusted although their owner signed them.
    pub boot_keys: Vec<Vec<u8>>,
    /// Oldest good patch level, as `YYYYMM`.
    pub patch_level_min: Option<u32>,
    /// Files with further roots, beside Google's.
    pub anchors: Vec<PathBuf>,
}

impl Default for Enrolment {
    fn default() -> Self {
        Self {
            families: BTreeSet::new(),
            daily_max: DAILY_MAX,
            prefix_hourly_max: PREFIX_HOURLY_MAX,
            tpm_anchors: Vec::new(),
            android: None,
            apple_apps: Vec::new(),
            soter_anchors: Vec::new(),
            play: None,
            collateral: None,
            issuer_batch_max: ISSUER_BATCH_MAX,
            issuer_own_max: ISSUER_OWN_MAX,
        }
    }
}

impl Enrolment {
    /// Makes relative files relative to `base`.
    pub(super) fn resolve(&mut self, base: &Path) {
        let android = self
            .android
            .iter_mut()
            .flat_map(|android| android.anchors.iter_mut().chain(std::iter::once(&mut android.revocations)));
        let play = self.play.iter_mut().flat_map(|play| play.keys.iter_mut());
        let collateral = self.collateral.iter_mut().flat_map(|section| [&mut section.file, &mut section.key]);
        let anchors = self.tpm_anchors.iter_mut().chain(&mut self.soter_anchors);
        for file in anchors.chain(android).chain(play).chain(collateral) {
            *file = base.join(&*file);
        }
    }
}

pub(super) fn enrolment(mut keys: Keys<'_>) -> Result<Enrolment, ConfigError> {
    let families = keys.texts("families")?.unwrap_or_default();
    if families.iter().any(|family| !FAMILIES.contains(family)) {
        return Err(keys.bad("families", format_args!("must be a list of {}", FAMILIES.join(", "))));
    }
    let families: BTreeSet<String> = families.into_iter().map(ToOwned::to_owned).collect();
    let daily_max = keys.integer("daily_max", 0..=(1 << 40))?.unwrap_or(DAILY_MAX);
    let hourly = keys.integer("prefix_hourly_max", 0..=(1 << 40))?.unwrap_or(PREFIX_HOURLY_MAX);
    let issuer_batch_max = keys.integer("issuer_batch_max", 1..=(1 << 40))?.unwrap_or(ISSUER_BATCH_MAX);
    let issuer_own_max = keys.integer("issuer_own_max", 1..=(1 << 40))?.unwrap_or(ISSUER_OWN_MAX);
    let collateral = collateral(&mut keys)?;
    let [tpm, android, apple, soter, play] = FAMILIES;
    if collateral.is_some() {
        // Two sources would leave open which of them counts. The keys that open Google's tokens are in none of them.
        for family in [tpm, android, apple, soter] {
            if keys.table(family)?.is_some() {
                return Err(keys.bad(family, "comes from the collateral: say it in `collateral.toml`"));
            }
        }
        let play = section(&mut keys, &families, play)?;
        let play = play.map(|section| play_section(section, Apps::Collateral)).transpose()?;
        keys.finish()?;
        return Ok(Enrolment {
            families,
            daily_max,
            prefix_hourly_max: hourly,
            play,
            collateral,
            issuer_batch_max,
            issuer_own_max,
            ..Enrolment::default()
        });
    }
    let makers = |keys| anchors_section(keys, "no maker is trusted by itself");
    let tpm_anchors = section(&mut keys, &families, tpm)?.map(makers).transpose()?.unwrap_or_default();
    let soter_anchors = section(&mut keys, &families, soter)?.map(makers).transpose()?.unwrap_or_default();
    let play = section(&mut keys, &families, play)?;
    let play = play.map(|section| play_section(section, Apps::Here)).transpose()?;
    let android = section(&mut keys, &families, android)?.map(android_section).transpose()?;
    let apple_apps =
        section(&mut keys, &families, apple)?.map(apple_section).transpose()?.unwrap_or_default();
    keys.finish()?;
    Ok(Enrolment {
        families,
        daily_max,
        prefix_hourly_max: hourly,
        tpm_anchors,
        android,
        apple_apps,
        soter_anchors,
        play,
        collateral: None,
        issuer_batch_max,
        issuer_own_max,
    })
}

fn collateral(keys: &mut Keys<'_>) -> Result<Option<CollateralFile>, ConfigError> {
    let (file, key) = (keys.text("collateral")?, keys.text("collateral_key")?);
    match (file, key) {
        (None, None) => Ok(None),
        (Some(file), Some(key)) => {
            Ok(Some(CollateralFile { file: PathBuf::from(file), key: PathBuf::from(key) }))
        }
        (Some(_), None) => keys.need("collateral_key", None),
        (None, Some(_)) => keys.need("collateral", None),
    }
}

/// The table of a family: there where it enrols, and only there.
fn section<'a>(
    keys: &mut Keys<'a>,
    families: &BTreeSet<String>,
    family: &'static str,
) -> Result<Option<Keys<'a>>, ConfigError> {
    let table = keys.table(family)?;
    match (table, families.contains(family)) {
        (None, true) => keys.need(family, None),
        (Some(_), false) => Err(keys.bad(family, "is for a family that is not in `families`")),
        (table, _) => Ok(table),
    }
}

fn anchors_section(mut keys: Keys<'_>, why: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let anchors = files(&mut keys, "anchors")?;
    if anchors.is_empty() {
        return Err(keys.bad("anchors", format_args!("must name at least one file: {why}")));
    }
    keys.finish()?;
    Ok(anchors)
}

/// Where the apps that are ours are named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apps {
    Here,
    Collateral,
}

fn play_section(mut keys: Keys<'_>, named: Apps) -> Result<PlayApps, ConfigError> {
    let files = files(&mut keys, "keys")?;
    if files.is_empty() || files.len() > KEYS_MAX {
        return Err(keys.bad(
            "keys",
            format_args!("must name one to {KEYS_MAX} files, each with the two keys of an app"),
        ));
    }
    let apps = if named == Apps::Here { apps(&mut keys)? } else { Vec::new() };
    keys.finish()?;
    Ok(PlayApps { keys: files, apps })
}

fn android_section(mut keys: Keys<'_>) -> Result<AndroidApps, ConfigError> {
    let revocations = keys.text("revocations")?;
    let revocations = PathBuf::from(keys.need("revocations", revocations)?);
    let hex = |text: &&str| parse_hex(text).filter(|bytes| !bytes.is_empty());
    let boot_keys: Option<Vec<_>> = keys.texts("boot_keys")?.unwrap_or_default().iter().map(hex).collect();
    let boot_keys =
        boot_keys.ok_or_else(|| keys.bad("boot_keys", "must be a list of keys in hexadecimal"))?;
    let patch_level_min = keys.integer("patch_level_min", 201_501..=999_912)?;
    let patch_level_min = patch_level_min.and_then(|level| u32::try_from(level).ok());
    let anchors = files(&mut keys, "anchors")?;
    let apps = apps(&mut keys)?;
    keys.finish()?;
    Ok(AndroidApps { apps, revocations, boot_keys, patch_level_min, anchors })
}

/// Packages with their signers, at least one.
fn apps(keys: &mut Keys<'_>) -> Result<Vec<(String, Vec<Digest>)>, ConfigError> {
    let mut apps = Vec::new();
    for (package, mut app) in keys.entries("app")? {
        let rule = "must be a list of SHA-256 digests in hexadecimal, at least one";
        let digest = |text: &&str| parse_hex(text)?.as_slice().try_into().ok();
        let signers: Option<Vec<Digest>> =
            app.texts("signers")?.unwrap_or_default().iter().map(digest).collect();
        let signers = signers.filter(|signers| !signers.is_empty());
        apps.push((package.to_owned(), signers.ok_or_else(|| app.bad("signers", rule))?));
        app.finish()?;
    }
    if apps.is_empty() {
        return Err(
            keys.bad("app", "must name at least one app: a device alone says nothing about what runs on it")
        );
    }
    Ok(apps)
}

fn apple_section(mut keys: Keys<'_>) -> Result<Vec<String>, ConfigError> {
    let apps = keys.texts("apps")?.unwrap_or_default();
    let is_app =
        |app: &&str| app.split_once('.').is_some_and(|(team, id)| team.len() == 10 && !id.is_empty());
    if apps.is_empty() || !apps.iter().all(is_app) {
        return Err(keys.bad("apps", "must be a list of TEAMID.bundle.identifier, at least one"));
    }
    keys.finish()?;
    Ok(apps.into_iter().map(ToOwned::to_owned).collect())
}

fn files(keys: &mut Keys<'_>, key: &'static str) -> Result<Vec<PathBuf>, ConfigError> {
    Ok(keys.texts(key)?.unwrap_or_default().into_iter().map(PathBuf::from).collect())
}

/// Families that can enrol here; `simulated` is for demos, which no installation serves.
const FAMILIES: [&str; 5] = ["tpm", "android-key", "app-attest", "soter", "play-integrity"];
/// Default of enrolments a day in all: a device enrols again every day.
const DAILY_MAX: u64 = 1_000_000;
/// Default of devices under one key of a factory: `CloudLimits` says why.
const ISSUER_BATCH_MAX: u64 = 10_000;
/// Default of devices under a key that is one device's own.
const ISSUER_OWN_MAX: u64 = 16;
/// Default of enrolments an hour from one address prefix: whole cities share one behind a carrier.
const PREFIX_HOURLY_MAX: u64 = 10_000;
