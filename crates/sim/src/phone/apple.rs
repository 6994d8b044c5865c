//! Phones with App Attest: keys in a secure enclave that a maker's server certifies for one app and one challenge.
//!
//! An attestation is a CBOR object of a chain, a receipt and authenticator data; the leaf's nonce binds the data and the
//! challenge to the key. The receipt is signed data of its own (CMS), by another chain. Names are the demo's, not Apple's;
//! structure and object identifiers are Apple's, since verifiers look for them.
//!
//! Source: <https://developer.apple.com/documentation/devicecheck/validating-apps-that-connect-to-your-server>.

use super::cbor;
use super::cert::{
    Authority, COMMON_NAME, Draft, Extension, ORGANIZATION, ecdsa_sha256, name, serial, yesterday,
};
use super::der::{element, integer, octets, oid, sequence, set, tagged, unsigned};
use glacis_host::Host;
use glacis_seal::text::{base64url, hex};
use glacis_seal::{PublicKey, SealError, sha256, sha256_parts};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Digest, Timestamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Family of the evidence.
pub const FAMILY: &str = "app-attest";

/// Makes phones, and runs the servers that certify their keys.
#[derive(Debug)]
pub struct Maker {
    root: Authority,
    /// Certifies keys.
    keys: Authority,
    keys_certificate: Vec<u8>,
    receipt_root: Authority,
    /// Signs receipts.
    receipts: Authority,
    receipts_certificate: Vec<u8>,
}

/// Which of the maker's environments certifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Apps of the store.
    Production,
    /// Apps of developers.
    Development,
}

/// What a phone's system says about the app that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// `TEAMID.bundle.identifier`.
    pub app: String,
    /// Which of the maker's environments certifies.
    pub environment: Environment,
    /// Counter of the key; a new one has signed nothing.
    pub counter: u32,
}

impl Spec {
    /// A phone with the demo's app, from the store.
    pub fn store() -> Self {
        Self { app: APP.to_owned(), environment: Environment::Production, counter: 0 }
    }

    /// The same of a developer.
    pub fn development() -> Self {
        Self { environment: Environment::Development, ..Self::store() }
    }

    /// The demo's app, changed and signed by another team.
    pub fn repackaged() -> Self {
        Self { app: "STRANGER00.glacis.demo.bank".to_owned(), ..Self::store() }
    }
}

impl Maker {
    /// Founds a maker with roots of its own.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn found(host: &dyn Host) -> Result<Arc<Self>, SealError> {
        let named = |what: &str| name(&[(COMMON_NAME, what), (ORGANIZATION, "Glacis demo")]);
        let from = yesterday(host.now());
        let certified = |root: &Authority, what: &str| {
            let authority = Authority::found(named(what), host)?;
            let draft = Draft::authority(&authority, (from, from.after(AUTHORITY_LIFE)));
            let certificate = root.certify(&draft, &authority.public())?;
            Ok::<_, SealError>((authority, certificate))
        };
        let root = Authority::found(named("Demo app attestation root"), host)?;
        let (keys, keys_certificate) = certified(&root, "Demo app attestation CA 1")?;
        let receipt_root = Authority::found(named("Demo receipt root"), host)?;
        let receipts = Authority::found(named("Demo receipt signer"), host)?;
        let signer = Draft {
            serial: serial(&receipts.public(), 0),
            subject: receipts.name().to_vec(),
            from,
            until: from.after(AUTHORITY_LIFE),
            extensions: vec![Extension::signs()],
        };
        let receipts_certificate = receipt_root.certify(&signer, &receipts.public())?;
        Ok(Arc::new(Self { root, keys, keys_certificate, receipt_root, receipts, receipts_certificate }))
    }

    /// The root of attestations that a verifier may anchor: DER `SubjectPublicKeyInfo`.
    pub fn anchor(&self) -> Vec<u8> {
        self.root.anchor()
    }

    /// The root of receipts.
    pub fn receipt_anchor(&self) -> Vec<u8> {
        self.receipt_root.anchor()
    }

    /// A new phone; `host` is its clock.
    pub fn phone(self: &Arc<Self>, spec: Spec, host: Arc<dyn Host>) -> Phone {
        Phone { maker: Arc::clone(self), spec, host }
    }
}

/// A phone.
pub struct Phone {
    maker: Arc<Maker>,
    spec: Spec,
    host: Arc<dyn Host>,
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Phone {
    /// What its system says.
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The attestation of a key of this phone for `client_data`, as evidence.
    ///
    /// # Errors
    /// If a signature cannot be made.
    pub fn attest(&mut self, client_data: &[u8], key: &PublicKey) -> Result<Evidence, SealError> {
        let now = self.host.now();
        let client_hash = sha256(client_data);
        let data = self.spec.authenticator_data(key);
        let nonce = sha256_parts(&[&data, client_hash.as_bytes()]);
        let leaf = self.leaf(key, &nonce, now)?;
        let receipt = self.maker.receipt(&self.spec, &leaf, &client_hash, now)?;
        let chain = [leaf, self.maker.keys_certificate.clone()].map(|certificate| cbor::bytes(&certificate));
        let statement = cbor::map(&[
            (cbor::text("x5c"), cbor::list(&chain)),
            (cbor::text("receipt"), cbor::bytes(&receipt)),
        ]);
        let object = cbor::map(&[
            (cbor::text("fmt"), cbor::text("apple-appattest")),
            (cbor::text("attStmt"), statement),
            (cbor::text("authData"), cbor::bytes(&data)),
        ]);
        Ok(Evidence { family: Text(FAMILY.to_owned()), body: Bytes(object) })
    }

    fn leaf(&self, key: &PublicKey, nonce: &Digest, now: Timestamp) -> Result<Vec<u8>, SealError> {
        let key_id = hex(sha256(&key.0).as_bytes());
        let tagged_text = |tag, text: &str| sequence(&[tagged(tag, &octets(text.as_bytes()))]);
        let draft = Draft {
            serial: serial(key, now.as_ms()),
            subject: name(&[(COMMON_NAME, &key_id), (ORGANIZATION, "Glacis demo")]),
            from: yesterday(now),
            until: now.after(LEAF_LIFE),
            extensions: vec![
                // `cA` is false, which is not written.
                Extension::critical(&[2, 5, 29, 19], sequence(&[])),
                Extension::signs(),
                Extension::new(KEY_USE, tagged_text(1_204, &self.spec.app)),
                Extension::new(SYSTEM, tagged_text(1_400, OS_VERSION)),
                Extension::new(NONCE, sequence(&[tagged(1, &octets(nonce.as_bytes()))])),
            ],
        };
        self.maker.keys.certify(&draft, key)
    }
}

impl Spec {
    /// Authenticator data of a new key: app, flags, counter, environment, name and key.
    fn authenticator_data(&self, key: &PublicKey) -> Vec<u8> {
        let aaguid = match self.environment {
            Environment::Production => b"appattest\0\0\0\0\0\0\0",
            Environment::Development => b"appattestdevelop",
        };
        let id = sha256(&key.0);
        // The point is 4, x and y.
        let (x, y) = key.0.split_at(1).1.split_at(32);
        // A COSE key (RFC 9053): EC2, ES256, P-256.
        let cose = cbor::map(&[
            (cbor::unsigned(1), cbor::unsigned(2)),
            (cbor::unsigned(3), cbor::negative(6)),
            (cbor::negative(0), cbor::unsigned(1)),
            (cbor::negative(1), cbor::bytes(x)),
            (cbor::negative(2), cbor::bytes(y)),
        ]);
        let app = sha256(self.app.as_bytes());
        let counter = self.counter.to_be_bytes();
        [app.as_bytes(), &[ATTESTED][..], &counter, aaguid, &[0, 32], id.as_bytes(), &cose].concat()
    }
}

impl Maker {
    /// The receipt of an attestation: numbered fields, signed.
    fn receipt(
        &self,
        spec: &Spec,
        leaf: &[u8],
        client_hash: &Digest,
        now: Timestamp,
    ) -> Result<Vec<u8>, SealError> {
        let field = |number, value: &[u8]| sequence(&[integer(number), integer(1), octets(value)]);
        let token = base64url(sha256(leaf).as_bytes());
        let environment = match spec.environment {
            Environment::Production => "production",
            Environment::Development => "sandbox",
        };
        let content = set(&[
            field(2, spec.app.as_bytes()),
            field(3, leaf),
            field(4, client_hash.as_bytes()),
            field(5, token.as_bytes()),
            field(6, b"ATTEST"),
            field(7, environment.as_bytes()),
            field(12, now.rfc3339_ms().as_bytes()),
            field(21, now.after(RECEIPT_LIFE).rfc3339_ms().as_bytes()),
        ]);
        self.signed_data(&content)
    }

    /// Signed data of one signer over `content` (RFC 5652 §5), without attributes.
    fn signed_data(&self, content: &[u8]) -> Result<Vec<u8>, SealError> {
        let digest = sequence(&[oid(&[2, 16, 840, 1, 101, 3, 4, 2, 1])]);
        let signer = sequence(&[
            integer(1),
            sequence(&[self.receipt_root.name().to_vec(), unsigned(&serial(&self.receipts.public(), 0))]),
            digest.clone(),
            ecdsa_sha256(),
            octets(&self.receipts.sign(content)?),
        ]);
        let signed = sequence(&[
            integer(1),
            set(&[digest]),
            sequence(&[oid(&[1, 2, 840, 113_549, 1, 7, 1]), tagged(0, &octets(content))]),
            // `[0] IMPLICIT` of a SET: its tag in the place of the set's.
            element(&[0xa0], &self.receipts_certificate),
            set(&[signer]),
        ]);
        Ok(sequence(&[oid(&[1, 2, 840, 113_549, 1, 7, 2]), tagged(0, &signed)]))
    }
}

/// The demo's app: `TEAMID.bundle.identifier`.
pub const APP: &str = "DEMO000000.glacis.demo.bank";
/// How long an attestation's certificate is good: three days, as Apple's are.
const LEAF_LIFE: Duration = Duration::from_secs(3 * 86_400);
/// How long a receipt can be exchanged: 90 days, as Apple's can.
const RECEIPT_LIFE: Duration = Duration::from_secs(90 * 86_400);
const AUTHORITY_LIFE: Duration = Duration::from_secs(3_650 * 86_400);
/// The flag of authenticator data that a credential follows.
const ATTESTED: u8 = 1 << 6;
const OS_VERSION: &str = "18.6";
/// The extension that holds the nonce.
const NONCE: &[u32] = &[1, 2, 840, 113_635, 100, 8, 2];
/// The extension that says what the key is for; `[1204]` names the app.
const KEY_USE: &[u32] = &[1, 2, 840, 113_635, 100, 8, 5];
/// The extension that says which system runs; `[1400]` is its version.
const SYSTEM: &[u32] = &[1, 2, 840, 113_635, 100, 8, 7];
