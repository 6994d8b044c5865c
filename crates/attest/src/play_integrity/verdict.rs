//! The payload of a token, as typed claims.
//!
//! Members that nobody here knows are read past; a word that nobody here knows is kept apart from every word that means
//! something (`Other`), so that a new grade is never taken for an old one. Members that are there must be of their type.

use crate::appraisal::AttestError;
use crate::json::{Json, wrong};
use glacis_seal::text::parse_base64url;
use glacis_wire::{Digest, Timestamp};
use serde::{Serialize, Serializer};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $word:literal $what:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $(#[doc = $what] $variant,)*
            /// A word that this verifier does not know.
            Other,
        }

        impl $name {
            fn of(word: &str) -> Self {
                match word { $($word => Self::$variant,)* _ => Self::Other }
            }

            /// The word, as Google writes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* Self::Other => "OTHER" }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

words! {
    /// What Play knows about the app.
    AppVerdict {
        Recognized "PLAY_RECOGNIZED" "App and signer are those that Play distributes.";
        UnrecognizedVersion "UNRECOGNIZED_VERSION" "Package or signer is not one that Play distributes.";
        Unevaluated "UNEVALUATED" "Not looked at, since something before it failed.";
    }
}

words! {
    /// What Google says about the device.
    DeviceVerdict {
        Unknown "UNKNOWN" "Not looked at.";
        Virtual "MEETS_VIRTUAL_INTEGRITY" "An emulator with Play services that passes Google's checks.";
        Basic "MEETS_BASIC_INTEGRITY" "Basic checks hold; boot may be unverified.";
        Device "MEETS_DEVICE_INTEGRITY" "A certified device; from Android 13 on, with a boot that hardware verified.";
        Strong "MEETS_STRONG_INTEGRITY" "The same with a boot that hardware verified, and from Android 13 on patches of the last year.";
    }
}

words! {
    /// Whether the account got the app from Play.
    Licensing {
        Licensed "LICENSED" "It did.";
        Unlicensed "UNLICENSED" "It did not.";
        Unevaluated "UNEVALUATED" "Not looked at, since something before it failed.";
    }
}

words! {
    /// How many tokens the device asked for in the last hour, by its app.
    DeviceActivity {
        Level1 "LEVEL_1" "Few.";
        Level2 "LEVEL_2" "More.";
        Level3 "LEVEL_3" "Many.";
        Level4 "LEVEL_4" "So many that somebody farms tokens.";
        Unevaluated "UNEVALUATED" "Not looked at, since something before it failed.";
    }
}

words! {
    /// What Play Protect found on the device.
    PlayProtect {
        NoIssues "NO_ISSUES" "On, and nothing found.";
        NoData "NO_DATA" "On, and no scan yet.";
        PossibleRisk "POSSIBLE_RISK" "Off.";
        MediumRisk "MEDIUM_RISK" "On, and potentially harmful apps found.";
        HighRisk "HIGH_RISK" "On, and dangerous apps found.";
        Unevaluated "UNEVALUATED" "Not looked at, since something before it failed.";
    }
}

words! {
    /// Kinds of other apps that are there, or that can do something now.
    AppAccess {
        KnownInstalled "KNOWN_INSTALLED" "Apps of Play or of the system are there.";
        KnownCapturing "KNOWN_CAPTURING" "One of those can read the screen.";
        KnownControlling "KNOWN_CONTROLLING" "One of those can control the device.";
        KnownOverlays "KNOWN_OVERLAYS" "One of those can draw over the app.";
        UnknownInstalled "UNKNOWN_INSTALLED" "Apps from elsewhere are there.";
        UnknownCapturing "UNKNOWN_CAPTURING" "One of those can read the screen.";
        UnknownControlling "UNKNOWN_CONTROLLING" "One of those can control the device.";
        UnknownOverlays "UNKNOWN_OVERLAYS" "One of those can draw over the app.";
    }
}

/// How the verdict was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestKind {
    /// With `requestHash`.
    Standard,
    /// With `nonce`.
    Classic,
}

/// Three bits that an operator keeps at Google about a device, through resets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceRecall {
    /// The bits, first to third.
    pub bits: [bool; 3],
    /// When each was written last, as `YYYYMM`.
    pub written: [Option<u32>; 3],
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlayClaims {
    /// The package that asked, as the request said.
    pub package: String,
    /// How it asked.
    pub request: RequestKind,
    /// When the verdict was made.
    #[serde(serialize_with = "rfc3339")]
    pub made_at: Timestamp,
    /// What Play knows about the app.
    pub app: AppVerdict,
    /// The package that Play saw.
    pub app_package: Option<String>,
    /// SHA-256 of the certificates that signed it.
    #[serde(serialize_with = "crate::appraisal::hex_digests")]
    pub signers: Vec<Digest>,
    /// Its version, as the app counts.
    pub app_version: Option<u64>,
    /// What Google says about the device, as it came; none where it says nothing.
    pub device: Option<Vec<DeviceVerdict>>,
    /// API level of the system, where it was looked at.
    pub sdk_version: Option<u64>,
    /// How many tokens the device asked for.
    pub activity: Option<DeviceActivity>,
    /// Bits that the operator keeps about the device.
    pub recall: Option<DeviceRecall>,
    /// Whether the account got the app from Play.
    pub licensing: Option<Licensing>,
    /// Other apps.
    pub app_access: Vec<AppAccess>,
    /// What Play Protect found.
    pub play_protect: Option<PlayProtect>,
}

impl PlayClaims {
    /// Reads a payload.
    pub(super) fn read(payload: &Json) -> Result<Self, AttestError> {
        let (request, app) = (section(payload, "requestDetails")?, section(payload, "appIntegrity")?);
        let device = section(payload, "deviceIntegrity")?;
        let environment = section(payload, "environmentDetails")?;
        let account = section(payload, "accountDetails")?;
        let attributes = section(device, "deviceAttributes")?;
        let activity = section(device, "recentDeviceActivity")?;
        let access = section(environment, "appAccessRiskVerdict")?;
        let has_recall = device.member("deviceRecall").is_some();
        let kind =
            if request.member("nonce").is_some() { RequestKind::Classic } else { RequestKind::Standard };
        let made_at =
            number(request, "timestampMillis")?.ok_or_else(|| wrong("timestampMillis", "missing"))?;
        let verdict = app.text_of("appRecognitionVerdict")?;
        let labels = words(device, "deviceRecognitionVerdict", DeviceVerdict::of)?;
        let signers = app.member("certificateSha256Digest");
        Ok(Self {
            package: request.need_text("requestPackageName")?.to_owned(),
            request: kind,
            made_at: Timestamp::from_ms(made_at),
            app: verdict.map_or(AppVerdict::Unevaluated, AppVerdict::of),
            app_package: app.text_of("packageName")?.map(str::to_owned),
            signers: signers.map(digests).transpose()?.unwrap_or_default(),
            app_version: number(app, "versionCode")?,
            device: labels,
            sdk_version: number(attributes, "sdkVersion")?,
            activity: activity.text_of("deviceActivityLevel")?.map(DeviceActivity::of),
            recall: has_recall.then(|| section(device, "deviceRecall").and_then(recall)).transpose()?,
            licensing: account.text_of("appLicensingVerdict")?.map(Licensing::of),
            app_access: words(access, "appsDetected", AppAccess::of)?.unwrap_or_default(),
            play_protect: environment.text_of("playProtectVerdict")?.map(PlayProtect::of),
        })
    }

    /// Whether Google gave this grade.
    pub(super) fn meets(&self, grade: DeviceVerdict) -> bool {
        self.device.as_ref().is_some_and(|labels| labels.contains(&grade))
    }

    /// Whether Google vouches for the device, and for one that is no emulator.
    pub(super) fn certified(&self) -> bool {
        let vouched = self.meets(DeviceVerdict::Strong) || self.meets(DeviceVerdict::Device);
        vouched && !self.meets(DeviceVerdict::Virtual)
    }

    /// Whether Google says that hardware verified the boot: the strong grade does, and from Android 13 on (API level 33) the
    /// ordinary one.
    pub(super) fn verified_boot(&self) -> bool {
        let recent = self.sdk_version.is_some_and(|level| level >= ANDROID_13);
        self.certified() && (self.meets(DeviceVerdict::Strong) || recent)
    }
}

/// An object in an object; one that is not there is empty.
fn section<'a>(of: &'a Json, name: &str) -> Result<&'a Json, AttestError> {
    match of.member(name) {
        None => Ok(&NOTHING),
        Some(found @ Json::Object(_)) => Ok(found),
        Some(_) => Err(wrong(name, "not an object")),
    }
}

/// A whole number, which Google writes as text or as a number.
fn number(object: &Json, name: &str) -> Result<Option<u64>, AttestError> {
    let Some(value) = object.member(name) else { return Ok(None) };
    let digits = value.text().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = value.number().or_else(|| digits?.parse().ok());
    number.map(Some).ok_or_else(|| wrong(name, "not a number"))
}

/// A list of words.
fn words<T>(object: &Json, name: &str, of: fn(&str) -> T) -> Result<Option<Vec<T>>, AttestError> {
    let Some(value) = object.member(name) else { return Ok(None) };
    let items = value.list().filter(|items| items.len() <= WORDS_MAX);
    let found: Option<Vec<T>> =
        items.and_then(|items| items.iter().map(|item| item.text().map(of)).collect());
    found.map(Some).ok_or_else(|| wrong(name, "not a short list of words"))
}

fn digests(list: &Json) -> Result<Vec<Digest>, AttestError> {
    let one = |item: &Json| Digest::try_from(parse_base64url(item.text()?)?.as_slice()).ok();
    let items = list.list().filter(|items| items.len() <= WORDS_MAX);
    let found: Option<Vec<Digest>> = items.and_then(|items| items.iter().map(one).collect());
    found.ok_or_else(|| wrong("certificateSha256Digest", "not a short list of digests"))
}

fn recall(object: &Json) -> Result<DeviceRecall, AttestError> {
    let (values, dates) = (section(object, "values")?, section(object, "writeDates")?);
    let bit = |name| match values.member(name) {
        None => Ok(false),
        Some(Json::Bool(bit)) => Ok(*bit),
        Some(_) => Err(wrong(name, "not a bit")),
    };
    let month = |name| {
        let month = number(dates, name)?.map(u32::try_from).transpose();
        month.map_err(|_| wrong(name, "not a month"))
    };
    Ok(DeviceRecall {
        bits: [bit("bitFirst")?, bit("bitSecond")?, bit("bitThird")?],
        written: [month("yyyymmFirst")?, month("yyyymmSecond")?, month("yyyymmThird")?],
    })
}

fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.rfc3339())
}

/// An object without members.
static NOTHING: Json = Json::Object(Vec::new());
/// LIMIT: words and digests of one list; Google's lists have at most eight.
const WORDS_MAX: usize = 32;
/// API level of Android 13, from which on the ordinary grade needs a boot that hardware verified:
/// <https://developer.android.com/google/play/integrity/improvements>.
const ANDROID_13: u64 = 33;
