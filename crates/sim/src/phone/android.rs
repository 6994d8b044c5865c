//! Android phones: keys that a phone's hardware states something about (Android Key Attestation).
//!
//! A maker has a root, which certifies keyboxes in the factory (one for many phones, for years) and issuers that phones
//! ask for later (one for each phone, for days). A phone's issuer signs a certificate for a key with a statement of where
//! the key lives, how the phone booted and which app asked. What a phone states is a [`Spec`], and may be a lie: whether
//! that is believed is the verifier's business. Only realm `demo` anchors such a root, and only the run that made it.
//!
//! Schema: <https://source.android.com/docs/security/features/keystore/attestation#schema>.

use super::cbor;
use super::cert::{
    Authority, COMMON_NAME, Draft, Extension, ORGANIZATION, SERIAL_NUMBER, TITLE, name, serial, yesterday,
};
use super::der::{boolean, enumerated, integer, null, octets, sequence, set, tagged};
use glacis_host::Host;
use glacis_seal::text::hex;
use glacis_seal::{PublicKey, SealError, sha256};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Digest, Timestamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Family of the evidence.
pub const FAMILY: &str = "android-key";

/// Makes phones.
#[derive(Debug)]
pub struct Maker {
    root: Authority,
    root_certificate: Vec<u8>,
    /// Certificate of who certifies keyboxes.
    factory_certificate: Vec<u8>,
    /// Certifies the issuers of single phones.
    provisioner: Authority,
    provisioner_certificate: Vec<u8>,
    keyboxes: Vec<Keybox>,
}

/// A key that many phones have had since the factory.
#[derive(Debug)]
struct Keybox {
    level: Level,
    issuer: Authority,
    serial: Vec<u8>,
    certificate: Vec<u8>,
}

/// Where a key lives, weakest first; the numbers are those of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// In the system.
    Software = 0,
    /// In a trusted execution environment.
    Tee = 1,
    /// In a chip of its own.
    StrongBox = 2,
}

/// What verified boot says; the numbers are those of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// The maker's system.
    Verified = 0,
    /// The owner's system, under the owner's key.
    SelfSigned = 1,
    /// Nobody verified it.
    Unverified = 2,
    /// Verification failed.
    Failed = 3,
}

/// How a phone got the key that signs its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioning {
    /// In the factory: this keybox of its level, counted modulo their number.
    Factory(usize),
    /// From the maker's servers, its own, for [`REMOTE_LIFE`].
    Remote,
}

/// What a phone is, and so what it states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Where the statement is made.
    pub attested_in: Level,
    /// Where the key lives.
    pub kept_in: Level,
    /// What verified boot says.
    pub boot: Boot,
    /// Whether the bootloader is locked.
    pub locked: bool,
    /// SHA-256 of the key that the system was verified with.
    pub boot_key: [u8; 32],
    /// How many months old the system's patches are.
    pub patch_age: u32,
    /// The app that asks: its package.
    pub package: String,
    /// SHA-256 of the certificate that signed the app.
    pub signer: Digest,
    /// Where the phone's issuing key comes from.
    pub provisioning: Provisioning,
    /// Whether the root's certificate is sent along.
    pub sends_root: bool,
}

impl Spec {
    /// A phone with a chip for keys, provisioned remotely: locked, the maker's system, the demo's app.
    pub fn strong_box() -> Self {
        Self {
            attested_in: Level::StrongBox,
            kept_in: Level::StrongBox,
            provisioning: Provisioning::Remote,
            sends_root: true,
            ..Self::tee(0)
        }
    }

    /// A phone with this keybox of a trusted execution environment: locked, the maker's system, the demo's app.
    pub fn tee(keybox: usize) -> Self {
        Self {
            attested_in: Level::Tee,
            kept_in: Level::Tee,
            boot: Boot::Verified,
            locked: true,
            boot_key: *sha256(b"verified-boot key of the demo's phones").as_bytes(),
            patch_age: 1,
            package: PACKAGE.to_owned(),
            signer: signer(),
            provisioning: Provisioning::Factory(keybox),
            sends_root: false,
        }
    }

    /// The same with its bootloader unlocked, so that nobody verifies what boots.
    pub fn unlocked(keybox: usize) -> Self {
        Self { boot: Boot::Unverified, locked: false, boot_key: [0; 32], ..Self::tee(keybox) }
    }

    /// A sound phone with the demo's app, changed and signed again by somebody else.
    pub fn repackaged(keybox: usize) -> Self {
        Self { signer: sha256(b"certificate of somebody else"), ..Self::tee(keybox) }
    }

    /// The same phone with its keys in the system.
    #[must_use]
    pub fn in_software(self) -> Self {
        Self { attested_in: Level::Software, kept_in: Level::Software, ..self }
    }
}

impl Maker {
    /// Founds a maker with a root of its own and its first keyboxes.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn found(host: &dyn Host) -> Result<Arc<Self>, SealError> {
        let named = |what: &str| name(&[(ORGANIZATION, MAKER), (COMMON_NAME, what)]);
        let from = yesterday(host.now());
        let dates = (from, from.after(FACTORY_LIFE));
        let root = Authority::found(named("Demo Android attestation root"), host)?;
        let factory = Authority::found(named("Demo Android factory"), host)?;
        let provisioner = Authority::found(named("Demo Android provisioning"), host)?;
        let keyboxes = [Level::Tee, Level::Tee, Level::StrongBox].into_iter().enumerate();
        let keyboxes = keyboxes.map(|(number, level)| {
            let called = format!("keybox-{number}");
            let issuer = Authority::found(name(&[(TITLE, level.place()), (SERIAL_NUMBER, &called)]), host)?;
            let draft = Draft::authority(&issuer, dates);
            let certificate = factory.certify(&draft, &issuer.public())?;
            Ok::<_, SealError>(Keybox { level, issuer, serial: draft.serial, certificate })
        });
        let keyboxes = keyboxes.collect::<Result<_, _>>()?;
        let certified =
            |authority: &Authority| root.certify(&Draft::authority(authority, dates), &authority.public());
        let (factory_certificate, provisioner_certificate) = (certified(&factory)?, certified(&provisioner)?);
        let root_certificate = root.root(dates)?;
        Ok(Arc::new(Self {
            root,
            root_certificate,
            factory_certificate,
            provisioner,
            provisioner_certificate,
            keyboxes,
        }))
    }

    /// The root that a verifier may anchor: DER `SubjectPublicKeyInfo`.
    pub fn anchor(&self) -> Vec<u8> {
        self.root.anchor()
    }

    /// Serials of the keyboxes of this level, as the bytes in their certificates: what a leaked one is revoked by.
    pub fn keyboxes(&self, level: Level) -> Vec<Vec<u8>> {
        self.keyboxes_of(level).map(|keybox| keybox.serial.clone()).collect()
    }

    /// A new phone; `host` is its clock and its entropy.
    pub fn phone(self: &Arc<Self>, spec: Spec, host: Arc<dyn Host>) -> Phone {
        Phone { maker: Arc::clone(self), spec, host, issuer: None, provisioned: 0 }
    }

    fn keybox(&self, level: Level, number: usize) -> Result<&Keybox, SealError> {
        let count = self.keyboxes_of(level).count().max(1);
        self.keyboxes_of(level).nth(number % count).ok_or(SealError::Key)
    }

    fn keyboxes_of(&self, level: Level) -> impl Iterator<Item = &Keybox> {
        // What the system itself states is signed by the key of the next better place: it has none of its own.
        let place = if level == Level::StrongBox { level } else { Level::Tee };
        self.keyboxes.iter().filter(move |keybox| keybox.level == place)
    }
}

/// A phone.
pub struct Phone {
    maker: Arc<Maker>,
    spec: Spec,
    host: Arc<dyn Host>,
    /// The issuer that the maker's servers gave it last.
    issuer: Option<Remote>,
    /// How often they gave it one.
    provisioned: u64,
}

/// An issuer of one phone.
#[derive(Debug)]
struct Remote {
    issuer: Authority,
    certificate: Vec<u8>,
    until: Timestamp,
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Phone {
    /// What it is.
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The chain of a key that was made in this phone for this challenge, as evidence. An issuer of its own that ends
    /// soon is replaced first.
    ///
    /// # Errors
    /// If there is no entropy, or the maker has no such keybox.
    pub fn attest(&mut self, challenge: &[u8], key: &PublicKey) -> Result<Evidence, SealError> {
        let (now, sends_root) = (self.host.now(), self.spec.sends_root);
        let statement = Extension::new(KEY_DESCRIPTION, self.spec.statement(challenge, now));
        let leaf = Draft {
            // Every certificate of a key in a phone has this serial.
            serial: vec![1],
            subject: name(&[(COMMON_NAME, "Android Keystore Key")]),
            from: now.before(CLOCKS),
            until: now.after(FACTORY_LIFE),
            extensions: vec![Extension::signs(), statement],
        };
        let maker = Arc::clone(&self.maker);
        let (leaf, issuer, above) = match self.spec.provisioning {
            Provisioning::Factory(number) => {
                let Keybox { issuer, certificate, .. } = maker.keybox(self.spec.attested_in, number)?;
                (issuer.certify(&leaf, key)?, certificate, &maker.factory_certificate)
            }
            Provisioning::Remote => {
                let Remote { issuer, certificate, .. } = self.remote(now)?;
                (issuer.certify(&leaf, key)?, certificate, &maker.provisioner_certificate)
            }
        };
        let mut chain = [&leaf[..], issuer, above].concat();
        if sends_root {
            chain.extend(&maker.root_certificate);
        }
        Ok(Evidence { family: Text(FAMILY.to_owned()), body: Bytes(chain) })
    }

    /// Its own issuer, a new one where there is none or it ends within [`REMOTE_MARGIN`].
    fn remote(&mut self, now: Timestamp) -> Result<&Remote, SealError> {
        let held = self.issuer.take().filter(|held| now.after(REMOTE_MARGIN) < held.until);
        let issuer = match held {
            Some(held) => held,
            None => self.provision(now)?,
        };
        Ok(self.issuer.insert(issuer))
    }

    fn provision(&mut self, now: Timestamp) -> Result<Remote, SealError> {
        let place = self.spec.attested_in.place();
        let unnamed = Authority::found(Vec::new(), &*self.host)?;
        let number = hex(sha256(&unnamed.public().0).as_bytes());
        let issuer = unnamed.named(name(&[(COMMON_NAME, &number), (ORGANIZATION, place)]));
        self.provisioned += 1;
        // A map of one number, the certificates of the last 30 days; here, of all.
        let issued = cbor::map(&[(cbor::unsigned(1), cbor::unsigned(self.provisioned))]);
        let until = now.after(REMOTE_LIFE);
        let draft = Draft {
            serial: serial(&issuer.public(), self.provisioned),
            ..Draft::authority(&issuer, (now.before(CLOCKS), until))
        };
        let draft = draft.with(Extension::new(PROVISIONING_INFO, issued));
        let certificate = self.maker.provisioner.certify(&draft, &issuer.public())?;
        Ok(Remote { issuer, certificate, until })
    }
}

impl Level {
    /// What issuers of this level are called.
    const fn place(self) -> &'static str {
        match self {
            Self::StrongBox => "StrongBox",
            Self::Software | Self::Tee => "TEE",
        }
    }
}

impl Spec {
    /// `KeyDescription`.
    fn statement(&self, challenge: &[u8], now: Timestamp) -> Vec<u8> {
        let app = sequence(&[
            set(&[sequence(&[octets(self.package.as_bytes()), integer(APP_VERSION)])]),
            set(&[octets(self.signer.as_bytes())]),
        ]);
        let made = [(701, integer(now.as_ms())), (709, octets(&app))];
        let key = self.key(now);
        let (software, hardware) = match self.kept_in {
            // Keys in the system: the hardware enforces nothing, the system says the rest too, in the order of tags.
            Level::Software => {
                let mut all: Vec<(u32, Vec<u8>)> = key.into_iter().chain(made).collect();
                all.sort_by_key(|(tag, _)| *tag);
                (list(&all), list(&[]))
            }
            Level::Tee | Level::StrongBox => (list(&made), list(&key)),
        };
        sequence(&[
            integer(KEY_MINT),
            enumerated(self.attested_in as u8),
            integer(KEY_MINT),
            enumerated(self.kept_in as u8),
            octets(challenge),
            octets(&[]),
            software,
            hardware,
        ])
    }

    /// What is said of a key on P-256 that signs, and of the system: tags and values.
    fn key(&self, now: Timestamp) -> Vec<(u32, Vec<u8>)> {
        let boot = sequence(&[
            octets(&self.boot_key),
            boolean(self.locked),
            enumerated(self.boot as u8),
            octets(sha256(&self.boot_key).as_bytes()),
        ]);
        let month = month_before(now, self.patch_age);
        // Tags of `Tag.aidl`: purposes sign and verify, EC, 256 bits, SHA-256, P-256, no user asked, made inside.
        vec![
            (1, set(&[integer(2), integer(3)])),
            (2, integer(3)),
            (3, integer(256)),
            (5, set(&[integer(4)])),
            (10, integer(1)),
            (503, null()),
            (702, integer(0)),
            (704, boot),
            (705, integer(OS_VERSION)),
            (706, integer(month)),
            // Day 5 of a month, as the levels of vendor and boot image have it.
            (718, integer(month * 100 + 5)),
            (719, integer(month * 100 + 5)),
        ]
    }
}

/// An authorization list.
fn list(entries: &[(u32, Vec<u8>)]) -> Vec<u8> {
    sequence(&entries.iter().map(|(tag, value)| tagged(*tag, value)).collect::<Vec<_>>())
}

/// `YYYYMM`, so many months ago.
fn month_before(now: Timestamp, months: u32) -> u64 {
    let text = now.rfc3339();
    let mut parts = text.split('-').map(|part| part.parse().unwrap_or(0_u64));
    let (year, month) = (parts.next().unwrap_or(0), parts.next().unwrap_or(1));
    let months = (year * 12 + month).saturating_sub(u64::from(months) + 1);
    months / 12 * 100 + months % 12 + 1
}

/// SHA-256 of the certificate that signs the demo's app.
pub fn signer() -> Digest {
    sha256(b"certificate of the demo's app")
}

/// Package of the demo's app.
pub const PACKAGE: &str = "demo.glacis.bank";
/// How long issuers of single phones are good. Real ones live for one to five weeks; these end before a revocation list of
/// the first day is too old to be asked, so that a run whose clock is moved sees one end.
pub const REMOTE_LIFE: Duration = Duration::from_secs(2 * 86_400);
/// A phone asks for a new issuer when its own ends within this: evidence that ends soon is worth nothing for long.
pub const REMOTE_MARGIN: Duration = Duration::from_secs(86_400);
/// How long keyboxes, roots and what is between them are good: ten years.
const FACTORY_LIFE: Duration = Duration::from_secs(3_650 * 86_400);
/// By how much the clocks of phone and verifier may differ.
const CLOCKS: Duration = Duration::from_secs(600);
const MAKER: &str = "Glacis demo";
const APP_VERSION: u64 = 17;
/// Version of statement and hardware: `KeyMint` 3.
const KEY_MINT: u64 = 300;
/// Android 15.
const OS_VERSION: u64 = 150_000;
/// The extension that holds the statement.
const KEY_DESCRIPTION: &[u32] = &[1, 3, 6, 1, 4, 1, 11_129, 2, 1, 17];
/// The extension that tells how often a phone was provisioned.
const PROVISIONING_INFO: &[u32] = &[1, 3, 6, 1, 4, 1, 11_129, 2, 1, 30];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_counted_over_the_year() {
        // 2026-01-01
        let january = Timestamp::from_secs(1_767_225_600);
        for (months, want) in [(0, 202_601), (1, 202_512), (12, 202_501), (13, 202_412)] {
            assert_eq!(month_before(january, months), want, "{months}");
        }
    }
}
