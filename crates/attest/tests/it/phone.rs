//! Android-shaped phones under a root of a test: a maker, batches with one attestation key each, and devices.
//!
//! Everything is what the verifier reads of genuine chains, so appraisals of these rest on the same pieces. Only for tests.

use crate::forge::{Draft, common_name, context, enumerated, int, name, octets, seq, set, tlv};
use glacis_seal::SigningKey;

/// The statement's place in the leaf.
const STATEMENT: &str = "1.3.6.1.4.1.11129.2.1.17";
/// What a remotely provisioned issuer carries: how many certificates the device asked for.
const PROVISIONING: &str = "1.3.6.1.4.1.11129.2.1.30";
/// `title`.
const TITLE: &str = "2.5.4.12";
/// The package and the signer that phones of [`Phone::new`] state.
pub(crate) const PACKAGE: &str = "com.example";
pub(crate) const SIGNER: [u8; 32] = [7; 32];

/// A batch of phones: one attestation key, certified by the maker's root.
pub(crate) struct Batch {
    pub(crate) root: SigningKey,
    pub(crate) key: SigningKey,
    /// Serial of the attestation key's certificate.
    pub(crate) serial: u64,
    /// Whether the key was provisioned remotely and is one device's own.
    pub(crate) remote: bool,
}

/// What one phone says.
pub(crate) struct Phone {
    /// Serial of the leaf.
    pub(crate) serial: u64,
    pub(crate) challenge: Vec<u8>,
    /// The verified-boot key of a system that its owner signed; none for the maker's.
    pub(crate) own_system: Option<[u8; 32]>,
    pub(crate) package: String,
    pub(crate) signer: [u8; 32],
}

impl Phone {
    pub(crate) fn new(challenge: &[u8]) -> Self {
        let (package, signer) = (PACKAGE.to_owned(), SIGNER);
        Self { serial: 1, challenge: challenge.to_vec(), own_system: None, package, signer }
    }

    fn statement(&self) -> Vec<u8> {
        let (boot, key) = self.own_system.map_or((0, [9; 32]), |key| (1, key));
        let root = seq(&[octets(&key), tlv(&[1], &[0xff]), enumerated(boot), octets(&[8; 32])]);
        let hardware = [
            context(1, &set(&[int(2)])),
            context(503, &tlv(&[5], &[])),
            context(702, &int(0)),
            context(704, &root),
            context(706, &int(202_601)),
        ];
        let package = seq(&[octets(self.package.as_bytes()), int(1)]);
        let app = seq(&[set(&[package]), set(&[octets(&self.signer)])]);
        let software = [context(701, &int(1)), context(709, &octets(&app))];
        seq(&[
            int(400),
            enumerated(1),
            int(400),
            enumerated(1),
            octets(&self.challenge),
            octets(b""),
            seq(&software),
            seq(&hardware),
        ])
    }
}

impl Batch {
    pub(crate) fn new(root: u8, key: u8, serial: u64) -> Self {
        Self { root: crate::forge::key(root), key: crate::forge::key(key), serial, remote: false }
    }

    /// The evidence of a phone whose key is `device`.
    pub(crate) fn evidence(&self, device: &SigningKey, phone: &Phone) -> Vec<u8> {
        let title = name(TITLE, "TEE");
        let leaf = Draft { serial: phone.serial, issuer: title.clone(), ..Draft::new("leaf", "batch") };
        let leaf = leaf.with(STATEMENT, false, phone.statement());
        let draft = Draft {
            serial: self.serial,
            subject: title,
            issuer: common_name("root"),
            ..Draft::new("batch", "root")
        };
        let mut issuer = draft.ca(None);
        if self.remote {
            // `{1: 1}` in CBOR.
            issuer = issuer.with(PROVISIONING, false, vec![0xa1, 1, 1]);
        }
        [leaf.sign(device, &self.key), issuer.sign(&self.key, &self.root)].concat()
    }
}
