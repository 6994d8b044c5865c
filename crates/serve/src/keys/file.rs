//! The form of key files: JSON, strict, with format, tenant and realm in each.
//!
//! A file is read whole, parsed strictly (a typo is refused with line and column) and written whole. Secrets are
//! base64url text in memory only for as long as a file is read or written, and wiped afterwards.

use super::error::{KeysError, KeysErrorKind};
use super::ring::Shared;
use glacis_seal::text::{base64url, parse_base64url, parse_base64url_array};
use glacis_seal::{Context, Secret};
use glacis_wire::message::Signed;
use glacis_wire::message::policy::KeyUse;
use glacis_wire::{Decode, Encode, NodeName, Realm, TenantId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// A signing key.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SigningFile {
    pub(super) generation: u32,
    pub(super) created_ms: u64,
    pub(super) public: String,
    pub(super) secret: Hidden,
}

/// The ticket keys of the edge.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterFile {
    pub(super) previous: Option<EpochFile>,
    pub(super) current: EpochFile,
    pub(super) next: EpochFile,
}

/// One epoch.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EpochFile {
    pub(super) epoch: u32,
    pub(super) created_ms: u64,
    pub(super) secret: Hidden,
}

/// The key of one node.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeFile {
    pub(super) node: String,
    pub(super) previous: Option<EpochFile>,
    pub(super) current: EpochFile,
}

/// A secret of the installation.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedFile {
    pub(super) current: EpochFile,
}

/// A signed key set.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeySetFile {
    pub(super) version: u64,
    pub(super) signed: String,
}

/// Every file: whose it is, then what it holds.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a key file")]
pub(super) struct Owned<T> {
    format: String,
    tenant: String,
    realm: String,
    #[serde(rename = "key")]
    body: T,
}

/// The four kinds of key files and the key sets, each with its format's name.
pub(super) trait Format: Serialize + DeserializeOwned {
    /// Name and version of the format.
    const NAME: &'static str;
}

impl<T: Format> Owned<T> {
    /// What the file holds; refused if it is of another tenant or realm than the one asked for.
    pub(super) fn open(self, name: &str, context: &Context) -> Result<T, KeysError> {
        if self.format != T::NAME {
            return Err(broken(name, format!("format `{}`, not `{}`", self.format, T::NAME)));
        }
        let (want, have) = (context.realm.name(), self.realm.as_str());
        if have != want {
            let what = format!("`{name}` is a {have} key and must not be used in realm `{want}`");
            return Err(KeysError::new(KeysErrorKind::Realm, what));
        }
        if self.tenant != context.tenant.as_str() {
            let what = format!("`{name}` belongs to tenant `{}`, not to `{}`", self.tenant, context.tenant);
            return Err(KeysError::new(KeysErrorKind::Realm, what));
        }
        Ok(self.body)
    }
}

/// Secret text: wiped when dropped, silent when printed.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct Hidden(String);

impl Hidden {
    pub(super) fn of(secret: &Secret) -> Self {
        Self(base64url(secret.expose()))
    }

    pub(super) fn secret(&self, name: &str) -> Result<Secret, KeysError> {
        let bytes = parse_base64url_array::<{ Secret::LEN }>(&self.0);
        bytes
            .map(Secret::new)
            .ok_or_else(|| broken(name, "the secret is not 32 bytes of base64url".to_owned()))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

impl EpochFile {
    pub(super) fn new(epoch: u32, created: Timestamp, secret: &Secret) -> Self {
        Self { epoch, created_ms: created.as_ms(), secret: Hidden::of(secret) }
    }
}

/// Reads a file strictly.
pub(super) fn parse<T: Format>(name: &str, bytes: &[u8]) -> Result<Owned<T>, KeysError> {
    serde_json::from_slice(bytes).map_err(|error| broken(name, error.to_string()))
}

/// Whose file it is, by itself.
pub(super) fn owner(name: &str, bytes: &[u8]) -> Result<Context, KeysError> {
    let head: Head = serde_json::from_slice(bytes).map_err(|error| broken(name, error.to_string()))?;
    let tenant = TenantId::parse(&head.tenant).map_err(|error| broken(name, error.to_string()))?;
    let realm = [Realm::Production, Realm::Demo].into_iter().find(|realm| realm.name() == head.realm);
    let realm = realm.ok_or_else(|| broken(name, format!("no realm `{}`", head.realm)))?;
    Ok(Context::new(tenant, realm))
}

#[derive(Deserialize)]
struct Head {
    tenant: String,
    realm: String,
}

/// The bytes of a file, wiped when dropped.
pub(super) fn write<T: Format>(body: T, context: &Context) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let (tenant, realm) = (context.tenant.as_str().to_owned(), context.realm.name().to_owned());
    let text = serde_json::to_vec_pretty(&Owned { format: T::NAME.to_owned(), tenant, realm, body });
    let mut text = text.map_err(|error| KeysError::new(KeysErrorKind::Failed, error.to_string()))?;
    text.push(b'\n');
    Ok(Zeroizing::new(text))
}

/// A signed key set as text.
pub(super) fn signed_text(signed: &Signed) -> Result<String, KeysError> {
    let bytes =
        signed.to_bytes().map_err(|error| KeysError::new(KeysErrorKind::Failed, error.to_string()))?;
    Ok(base64url(&bytes))
}

/// The inverse of [`signed_text`].
pub(super) fn parse_signed(name: &str, text: &str) -> Result<Signed, KeysError> {
    let bytes = parse_base64url(text).ok_or_else(|| broken(name, "`signed` is not base64url".to_owned()))?;
    Signed::from_bytes(&bytes).map_err(|error| broken(name, error.to_string()))
}

/// A file that is not what it should be.
pub(super) fn broken(name: &str, what: String) -> KeysError {
    KeysError::new(KeysErrorKind::Broken, format!("`{name}`: {what}"))
}

/// Name of a signing key's file.
pub(super) fn signing_name(usage: KeyUse, generation: u32) -> String {
    format!("{}-{generation}.json", usage.name())
}

/// Name of a key set's file.
pub(super) fn key_set_name(version: u64) -> String {
    format!("key-set-{version}.json")
}

/// Name of a shared secret's file.
pub(super) fn shared_name(shared: Shared) -> String {
    format!("{}.json", shared.name())
}

/// Name of a node key's file.
pub(super) fn node_name(node: &NodeName) -> String {
    format!("node-{node}.json")
}

pub(super) const CLUSTER_NAME: &str = "cluster.json";

macro_rules! format_names {
    ($($file:ident = $name:literal;)*) => {$(
        impl Format for $file {
            const NAME: &'static str = $name;
        }
    )*};
}
format_names! {
    SigningFile = "glacis-signing-key/1";
    ClusterFile = "glacis-cluster-key/1";
    NodeFile = "glacis-node-key/1";
    SharedFile = "glacis-shared-key/1";
    KeySetFile = "glacis-key-set/1";
}
