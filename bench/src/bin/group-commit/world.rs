//! The cloud under measurement: a tenant with one small policy, and what its nodes ask.
//!
//! The policy has one rule that only the cloud can decide (a list look-up). Every call is another event of one
//! of 4,096 devices. Facts are made by the client thread before the call, as a server has them from the wire.

use crate::Outcome;
use glacis_attest::Anchors;
use glacis_cloud::policy::{PolicySource, SourceFile, digest_of, sign_bundles};
use glacis_cloud::server::writer::CloudHandle;
use glacis_cloud::{Birth, CloudConfig, CloudCore, CloudKeys, CloudLimits, Enrolling, Place, Publish};
use glacis_compiler::{Compiled, Source, compile};
use glacis_host::{Clock as _, Entropy as _, SystemHost};
use glacis_seal::{Context, MacKey, Purpose, SigningKey, sha256, sign_envelope};
use glacis_wire::message::decide::{ClosedBy, DecideAnswer, EventFacts, Record, Report, SignalAnswer};
use glacis_wire::message::policy::{KeySet, KeyUse, PublishedKey};
use glacis_wire::message::{List, Text};
use glacis_wire::{
    Answer, Digest, Encode as _, EventId, NodeName, PolicyDigest, Realm, Reference, SignalName, TenantId,
    Thumbprint, Tier, Trust, Value, Verdict, Zone,
};
use std::path::Path;
use std::sync::Arc;

const SIGNALS: &str = r#"
[signal.user]
type = "string"
zone = "request"
principal = true
max_bytes = 64
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1
[signal.payee]
type = "string"
zone = "request"
max_bytes = 64
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1
[signal.amount]
type = "int"
zone = "request"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1
[list.mules]
of = "string"
zone = "cloud"
privacy = "private"
purpose = ["fraud-prevention"]
retention = "365d"
cost = 20
"#;

const POLICY: &str = r#"
[policy]
name = "transfer"
event = "payment.transfer"
purpose = "fraud-prevention"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "challenge(passkey)"
[policy.if_unknown]
withheld = "challenge(passkey)"
denied = "challenge(passkey)"
version = "challenge(passkey)"
inexact = "challenge(otp)"
unavailable = "challenge(passkey)"
absent = "skip"
[[rule]]
id = "mule"
when = "payee in list.mules && amount > 10"
effect = "block"
text = "cloud"
"#;

pub(crate) struct World {
    host: Arc<SystemHost>,
    context: Context,
    keys: [SigningKey; 3],
    source: PolicySource,
    policy: PolicyDigest,
    compiled: Compiled,
}

impl World {
    pub(crate) fn new() -> Outcome<Self> {
        let file =
            |name: &str, text: &str| SourceFile { name: Text(name.to_owned()), text: Text(text.to_owned()) };
        let source = PolicySource {
            catalogue: file("signals.toml", SIGNALS),
            policy: file("policy.toml", POLICY),
            cases: None,
        };
        let of = |name, text| Source { name, text };
        let compiled = compile(of("signals.toml", SIGNALS), of("policy.toml", POLICY), None)
            .map_err(|found| format!("policy does not compile: {found}"))?;
        let key = |seed: u8| {
            SigningKey::generate(|out| {
                out.fill(seed);
                Ok::<_, ()>(())
            })
            .map_err(|_| "no key")
        };
        Ok(Self {
            host: Arc::new(SystemHost::new()),
            context: Context::new(TenantId::parse("bench")?, Realm::Demo),
            keys: [key(1)?, key(2)?, key(3)?],
            source,
            policy: digest_of(&compiled),
            compiled,
        })
    }

    /// A new store with the policy live.
    pub(crate) fn open(&self, path: &Path) -> Outcome<CloudCore> {
        let mut core = CloudCore::open(&Place::File(path), self.config()?, self.host.clone())?;
        let bundles = sign_bundles(&self.keys[0], &self.context, 1, self.host.now(), [&self.compiled])?;
        core.publish(&Publish {
            key_sets: List(Vec::new()),
            sources: List(vec![self.source.clone()]),
            bundles,
        })?;
        Ok(core)
    }

    fn config(&self) -> Outcome<CloudConfig> {
        let uses = [KeyUse::Policy, KeyUse::Result, KeyUse::Feed];
        let keys = uses.into_iter().zip(&self.keys);
        let key_set = KeySet {
            tenant: self.context.tenant.clone(),
            realm: self.context.realm,
            version: 1,
            issued: self.host.now(),
            keys: List(
                keys.map(|(usage, key)| PublishedKey { id: key.key_id(), usage, key: key.public() })
                    .collect(),
            ),
        };
        let copy = |key: &SigningKey| SigningKey::from_scalar(key.scalar().expose());
        Ok(CloudConfig {
            birth: Birth { tenant: self.context.tenant.clone(), realm: self.context.realm },
            key_set: sign_envelope(&self.keys[0], &self.context, Purpose::KeySet, &key_set)?,
            keys: CloudKeys {
                result: copy(&self.keys[1])?,
                feed: copy(&self.keys[2])?,
                nonce: MacKey::new([7; 32]),
                own: MacKey::new([9; 32]),
            },
            anchors: Anchors { apps: vec![Digest::new([1; 32])], ..Anchors::new(self.context.clone()) },
            enrolling: Enrolling::default(),
            passkeys: None,
            limits: CloudLimits::default(),
        })
    }

    fn facts(&self, client: usize) -> Outcome<EventFacts> {
        let random: [u8; 24] = self.host.array()?;
        let id = <[u8; 16]>::try_from(&random[..16])?;
        let device = sha256(&[(client % 64) as u8, random[16] % 64]);
        let user = u16::from_be_bytes([random[17], random[18]]);
        let stated = |name: &str, value: Value| {
            Some(SignalAnswer { signal: SignalName::parse(name).ok()?, answer: Answer::Value(value) })
        };
        let payee = Value::String(format!("account-{}", random[19]));
        let fields = [stated("payee", payee), stated("amount", Value::Int(i64::from(random[20])))];
        Ok(EventFacts {
            event: self.compiled.event().clone(),
            policy: self.policy,
            thumbprint: Some(Thumbprint::new(*device.as_bytes())),
            tier: Tier::Hardware,
            trust: Trust::Attested,
            event_id: EventId::new(id),
            content: sha256(&random),
            principal: Some(Text(format!("user-{user}"))),
            received: self.host.now(),
            disclosed: None,
            fields: List(fields.into_iter().flatten().collect()),
            observed: List(Vec::new()),
            passed: None,
            node: NodeName::parse("edge-1")?,
        })
    }

    pub(crate) async fn decide(&self, handle: &CloudHandle, client: usize) -> Outcome<()> {
        let facts = self.facts(client)?;
        match handle.decide(facts).await? {
            DecideAnswer::Decided(decided) if !decided.repeated => Ok(()),
            other => Err(format!("not a new decision: {other:?}").into()),
        }
    }

    /// One decision of an edge; `known`: of the policy in force.
    pub(crate) async fn report(&self, handle: &CloudHandle, client: usize, known: bool) -> Outcome<()> {
        let mut facts = self.facts(client)?;
        if !known {
            facts.policy = PolicyDigest::new([3; 32]);
        }
        let record = Record {
            zone: Zone::Edge,
            verdict: Verdict::Allow,
            reference: Reference::from_random(self.host.array()?),
            closed_by: ClosedBy::Policy,
            decided: facts.received,
            reasons: List(Vec::new()),
            facts,
        };
        let report = Report {
            node: record.facts.node.clone(),
            records: List(vec![record]),
            openings: List(Vec::new()),
            devices: List(Vec::new()),
            operator: List(Vec::new()),
        };
        let ack = handle.call(move |core| core.report(&report)).await?;
        if ack.accepted == 1 { Ok(()) } else { Err("the record was not new".into()) }
    }

    /// What one stored decision has to say, in bytes: record and settlement.
    pub(crate) async fn payload(&self, handle: &CloudHandle) -> Outcome<Vec<u8>> {
        self.decide(handle, 0).await?;
        let (_, found) = handle.call(|core| core.decisions(0, 1)).await?;
        let stored = found.first().ok_or("no decision")?;
        let mut bytes = stored.record.to_bytes()?;
        if let Some(settled) = &stored.settled {
            bytes.extend(settled.to_bytes()?);
        }
        Ok(bytes)
    }

    /// How many decisions are stored; the chain over them must hold.
    pub(crate) async fn stored(&self, handle: &CloudHandle) -> Outcome<u64> {
        Ok(handle.call(|core| core.counts()).await?.decisions)
    }
}
