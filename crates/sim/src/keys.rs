//! Keys of one run, realm `demo`: everything that a production installation keeps apart is made here at once.
//!
//! They live as long as the run and are in no file but the control plane's database (public halves). The policy
//! key signs what is published; the control plane itself never holds it.

use crate::policies::{Policies, PolicyText, SHIPPED, SIGNALS, SIGNALS_NAME};
use glacis_cloud::policy::{PolicySource, Publish, SourceFile, sign_bundles};
use glacis_cloud::{CloudKeys, CloudLimits};
use glacis_edge::EdgeKeys;
use glacis_host::Host;
use glacis_seal::{
    ClusterKey, ClusterKeys, Context, MacKey, PublicKey, Purpose, SealError, Secret, SigningKey, key_id,
    sign_envelope,
};
use glacis_wire::message::policy::{KeySet, KeyUse, PublishedKey};
use glacis_wire::message::{List, Signed, Text};
use glacis_wire::{Realm, TenantId};
use std::fmt;

/// The keys of one run.
pub struct RunKeys {
    context: Context,
    policy: SigningKey,
    result: SigningKey,
    feed: SigningKey,
    token: SigningKey,
    nonce: Secret,
    own: Secret,
    upstream: Secret,
    node: Secret,
    ticket: Secret,
    key_set: KeySet,
}

impl fmt::Debug for RunKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunKeys").field("context", &self.context).finish_non_exhaustive()
    }
}

/// The tenant of the demo.
pub const TENANT: &str = "demo";

impl RunKeys {
    /// Makes all keys from the host's entropy.
    ///
    /// # Errors
    /// If there is none.
    pub fn make(host: &dyn Host) -> Result<Self, SealError> {
        let tenant = TenantId::parse(TENANT).map_err(|_| SealError::Key)?;
        let context = Context::new(tenant.clone(), Realm::Demo);
        let signing = || SigningKey::generate(|out| host.fill(out));
        let secret = || Secret::generate(|out| host.fill(out));
        let (policy, result, feed) = (signing()?, signing()?, signing()?);
        let uses = [(KeyUse::Policy, &policy), (KeyUse::Result, &result), (KeyUse::Feed, &feed)];
        let publish = |(usage, key): (KeyUse, &SigningKey)| PublishedKey {
            id: key_id(&key.public()),
            usage,
            key: key.public(),
        };
        let keys = List(uses.into_iter().map(publish).collect());
        let key_set = KeySet { tenant, realm: Realm::Demo, version: 1, issued: host.now(), keys };
        Ok(Self {
            policy,
            result,
            feed,
            token: signing()?,
            nonce: secret()?,
            own: secret()?,
            upstream: secret()?,
            node: secret()?,
            ticket: secret()?,
            key_set,
            context,
        })
    }

    /// Tenant and realm.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The key set that devices and nodes are shipped with.
    pub const fn key_set(&self) -> &KeySet {
        &self.key_set
    }

    /// The same, signed by its own policy key.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn signed_key_set(&self) -> Result<Signed, SealError> {
        sign_envelope(&self.policy, &self.context, Purpose::KeySet, &self.key_set)
    }

    /// What the control plane holds.
    ///
    /// # Errors
    /// If a key cannot be copied.
    pub fn cloud(&self) -> Result<CloudKeys, SealError> {
        Ok(CloudKeys {
            result: copy(&self.result)?,
            feed: copy(&self.feed)?,
            nonce: MacKey::new(self.nonce.clone()),
            own: MacKey::new(self.own.clone()),
        })
    }

    /// What the gateway holds.
    pub fn edge(&self) -> EdgeKeys {
        EdgeKeys {
            tickets: ClusterKeys {
                current: ClusterKey { epoch: 1, secret: self.ticket.clone() },
                previous: None,
                next: None,
            },
            nonce: self.nonce.clone(),
            upstream: self.upstream.clone(),
            node: self.node.clone(),
            key_set: self.key_set.clone(),
        }
    }

    /// The key that gateway and control plane share.
    pub const fn node(&self) -> &Secret {
        &self.node
    }

    /// The key that gateway and shop share.
    pub fn decision(&self) -> MacKey {
        MacKey::new(self.upstream.clone())
    }

    /// The key that signs the shop's tokens.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub fn token(&self) -> Result<SigningKey, SealError> {
        copy(&self.token)
    }

    /// Its public half.
    pub const fn token_key(&self) -> PublicKey {
        self.token.public()
    }

    /// The shipped policies as a signed publish of version 1.
    ///
    /// # Errors
    /// If a slice cannot be cut or signed.
    pub fn publish(&self, policies: &Policies, host: &dyn Host) -> Result<Publish, SealError> {
        let compiled = policies.all().map(|(_, compiled)| compiled);
        let bundles = sign_bundles(&self.policy, &self.context, 1, host.now(), compiled)?;
        let sources = SHIPPED.iter().map(source).collect();
        Ok(Publish { key_sets: List(Vec::new()), sources: List(sources), bundles })
    }
}

/// Bounds of the demo's control plane: one person's rounds may ask for many one-time passwords within an hour.
pub fn limits() -> CloudLimits {
    CloudLimits { otp_sent_hourly_max: 1_000_000, ..CloudLimits::default() }
}

fn source(text: &PolicyText) -> PolicySource {
    let file =
        |name: &str, text: &str| SourceFile { name: Text(name.to_owned()), text: Text(text.to_owned()) };
    PolicySource {
        catalogue: file(SIGNALS_NAME, SIGNALS),
        policy: file(text.policy_name, text.policy),
        cases: Some(file(text.cases_name, text.cases)),
    }
}

/// Two parts of the demo hold one key, as two processes would after a key ceremony.
fn copy(key: &SigningKey) -> Result<SigningKey, SealError> {
    SigningKey::from_scalar(key.scalar().expose())
}
