//! A demo tenant: keys, a manufacturer, two policies, and facts about events.
//!
//! Entropy and clock come from a seed, so a failing test fails again.

use glacis_attest::{Anchors, Site};
use glacis_cloud::policy::{PolicySource, SourceFile};
use glacis_cloud::registry::PartnerKey;
use glacis_cloud::{Birth, CloudConfig, CloudCore, CloudKeys, CloudLimits, Enrolling, Place, Publish};
use glacis_compiler::{Compiled, Source, compile};
use glacis_host::{Clock as _, Entropy as _, SeededHost};
use glacis_policy::Binding;
use glacis_seal::{Context, MacKey, Purpose, SigningKey, sha256, sign_envelope, thumbprint};
use glacis_wire::message::decide::{DecideAnswer, Decided, EventFacts, Passed, ROUTE_MODE, SignalAnswer};
use glacis_wire::message::enrol::{
    EnrolBody, EnrolChallenge, EnrolExtras, EnrolRequest, Evidence, Predecessor, Voucher,
};
use glacis_wire::message::policy::{Bundle, BundleSlice, KeySet, KeyUse, PublishedKey};
use glacis_wire::message::simulated::{
    AttestationKeyCertificate, AttestationStatement, BootState, FAMILY, SecurityLevel, SimulatedEvidence,
};
use glacis_wire::message::{Bytes, List, PublicKey, Signed, Tail, Text};
use glacis_wire::{
    Answer, Digest, Disclosed, Encode as _, EventId, EventName, Method, NodeName, NodeOutcome, PolicyDigest,
    Realm, SignalName, TenantId, Thumbprint, Tier, Timestamp, Trust, Value, Zone,
};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);

const SIGNALS: &str = r#"
[signal."app.hooked"]
type = "bool"
zone = "device"
privacy = "private"
purpose = ["fraud-prevention"]
retention = "0d"
min_trust = "attested"
cost = 1
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
[feature."user.devices_1d"]
kind = "distinct"
event = "payment.transfer"
key = ["user"]
of = "device.id"
window = "1d"
lateness = "30s"
include_self = true
counts = "attempts"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 50
[feature."user.transfers_1h"]
kind = "count"
event = "payment.transfer"
key = ["user"]
window = "1h"
lateness = "30s"
include_self = false
counts = "attempts"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 50
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
id = "tampered-app"
when = "app.hooked"
effect = "block"
text = "device"
release = "verdict"
[[rule]]
id = "mule"
when = "payee in list.mules"
effect = "block"
text = "cloud"
[[rule]]
id = "stolen-account"
when = "user.devices_1d >= 2 && amount > 1000"
effect = "challenge(otp)"
[[rule]]
id = "burst"
when = "user.transfers_1h >= 3"
obligations = ["review"]
if_unknown = { unavailable = "skip", inexact = "match" }
"#;

/// Holds for [`POLICY`].
const CASES: &str = r#"
[[case]]
name = "a mule is blocked"
given = { "app.hooked" = false, amount = 1, "list.mules(payee)" = true, "user.devices_1d" = 1, "user.transfers_1h" = 0 }
trust = "attested"
verdict = "block"
"#;

pub(crate) struct World {
    pub(crate) host: Arc<SeededHost>,
    pub(crate) context: Context,
    pub(crate) policy_key: SigningKey,
    pub(crate) result_key: SigningKey,
    pub(crate) feed_key: SigningKey,
    pub(crate) nonce_key: MacKey,
    pub(crate) root: SigningKey,
    pub(crate) key_set: KeySet,
    pub(crate) limits: CloudLimits,
    pub(crate) passkeys: Option<Site>,
}

pub(crate) struct Device {
    pub(crate) key: SigningKey,
    pub(crate) thumbprint: Thumbprint,
}

pub(crate) fn key(host: &SeededHost) -> SigningKey {
    SigningKey::generate(|out| host.fill(out)).unwrap()
}

fn published(usage: KeyUse, key: &SigningKey) -> PublishedKey {
    PublishedKey { id: key.key_id(), usage, key: key.public() }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let host = Arc::new(SeededHost::new(seed, START));
        let context = Context::new(TenantId::parse("acme").unwrap(), Realm::Demo);
        let (policy_key, result_key, feed_key) = (key(&host), key(&host), key(&host));
        let keys = vec![
            published(KeyUse::Policy, &policy_key),
            published(KeyUse::Result, &result_key),
            published(KeyUse::Feed, &feed_key),
        ];
        let key_set = KeySet {
            tenant: context.tenant.clone(),
            realm: context.realm,
            version: 1,
            issued: START,
            keys: List(keys),
        };
        let root = key(&host);
        let nonce_key = MacKey::new([7; 32]);
        let limits = CloudLimits::default();
        let passkeys =
            Some(Site { id: "shop.test".to_owned(), origins: vec!["https://shop.test".to_owned()] });
        Self { host, context, policy_key, result_key, feed_key, nonce_key, root, key_set, limits, passkeys }
    }

    pub(crate) fn signed_key_set(&self) -> Signed {
        sign_envelope(&self.policy_key, &self.context, Purpose::KeySet, &self.key_set).unwrap()
    }

    pub(crate) fn config(&self) -> CloudConfig {
        let copy = |key: &SigningKey| SigningKey::from_scalar(key.scalar().expose()).unwrap();
        CloudConfig {
            birth: Birth { tenant: self.context.tenant.clone(), realm: self.context.realm },
            key_set: self.signed_key_set(),
            keys: CloudKeys {
                result: copy(&self.result_key),
                feed: copy(&self.feed_key),
                nonce: self.nonce_key.clone(),
                own: MacKey::new([9; 32]),
            },
            anchors: Anchors {
                simulated_roots: vec![self.root.public()],
                apps: vec![app()],
                ..Anchors::new(self.context.clone())
            },
            enrolling: Enrolling { families: [FAMILY.to_owned()].into(), ..Enrolling::default() },
            passkeys: self.passkeys.clone(),
            limits: self.limits.clone(),
        }
    }

    pub(crate) fn open(&self, place: &Place<'_>) -> CloudCore {
        CloudCore::open(place, self.config(), self.host.clone()).unwrap()
    }

    /// A core in memory with [`POLICY`] live.
    pub(crate) fn core(&self) -> CloudCore {
        let mut core = self.open(&Place::Memory);
        core.publish(&self.publish(1)).unwrap();
        core
    }

    pub(crate) fn publish(&self, version: u64) -> Publish {
        self.publish_of(version, POLICY)
    }

    pub(crate) fn publish_of(&self, version: u64, policy: &str) -> Publish {
        let source = source_of(policy);
        let compiled = compiled_of(&source);
        let binding = glacis_cloud::policy::bind(&compiled, &self.context);
        self.publish_bound(version, source, &compiled, &binding)
    }

    /// A policy to which the golden cases do not apply.
    pub(crate) fn publish_of_without_cases(&self, version: u64, policy: &str) -> Publish {
        let source = PolicySource { cases: None, ..source_of(policy) };
        let compiled = compiled_of(&source);
        let binding = glacis_cloud::policy::bind(&compiled, &self.context);
        self.publish_bound(version, source, &compiled, &binding)
    }

    /// Whatever its slices are bound to.
    pub(crate) fn publish_bound(
        &self,
        version: u64,
        source: PolicySource,
        compiled: &Compiled,
        binding: &Binding,
    ) -> Publish {
        let digest = digest_of(compiled);
        let bundles = Zone::ALL.into_iter().zip(compiled.slices(binding)).map(|(zone, slice)| {
            self.sign_bundle(&Bundle {
                tenant: self.context.tenant.clone(),
                realm: self.context.realm,
                zone,
                version,
                issued: self.host.now(),
                slices: List(vec![BundleSlice {
                    event: compiled.event().clone(),
                    policy: digest,
                    slice: Bytes(slice),
                }]),
                metering: Tail::default(),
            })
        });
        Publish { key_sets: List(Vec::new()), sources: List(vec![source]), bundles: List(bundles.collect()) }
    }

    pub(crate) fn sign_bundle(&self, bundle: &Bundle) -> Signed {
        sign_envelope(&self.policy_key, &self.context, Purpose::Bundle, bundle).unwrap()
    }

    pub(crate) fn device(&self) -> Device {
        let key = key(&self.host);
        Device { thumbprint: thumbprint(&key.public()), key }
    }

    /// What a device sends to enrol; `level` is that of its evidence, none for a software-only device.
    pub(crate) fn enrolment(
        &self,
        device: &Device,
        challenge: &EnrolChallenge,
        level: Option<SecurityLevel>,
    ) -> EnrolRequest {
        let evidence = level.map(|level| self.evidence(device, &challenge.nonce, level, &self.root));
        self.enrolment_with(device, challenge, evidence)
    }

    pub(crate) fn enrolment_with(
        &self,
        device: &Device,
        challenge: &EnrolChallenge,
        evidence: Option<Evidence>,
    ) -> EnrolRequest {
        let body = EnrolBody {
            challenge: challenge.clone(),
            device_key: device.key.public(),
            passkey: None::<PublicKey>,
            evidence,
        };
        self.signed_enrolment(device, body, EnrolExtras::default())
    }

    /// An enrolment with whatever it says, signed by its device key.
    pub(crate) fn signed_enrolment(
        &self,
        device: &Device,
        body: EnrolBody,
        extras: EnrolExtras,
    ) -> EnrolRequest {
        let bytes = EnrolRequest::signed_bytes(&body, &extras).unwrap();
        let signature = device.key.sign(&self.context, Purpose::Enrol, &bytes).unwrap();
        EnrolRequest { signature, body, extras }
    }

    /// Enrols a device of a chip.
    pub(crate) fn enrol_chip(
        &self,
        core: &mut CloudCore,
        device: &Device,
        chip: &SigningKey,
    ) -> Result<glacis_wire::message::enrol::EnrolResponse, glacis_cloud::CloudError> {
        let challenge = core.enrol_challenge()?;
        let made = (&self.root, chip);
        let evidence = self.evidence_of_chip(device, &challenge.nonce, SecurityLevel::Tee, made);
        core.enrol(&self.enrolment_with(device, &challenge, Some(evidence)))
    }

    /// The same enrolment with a voucher of a partner.
    pub(crate) fn vouched(
        &self,
        (partner, key): (&str, &PartnerKey),
        device: &Device,
        request: EnrolRequest,
    ) -> EnrolRequest {
        let parts: [&[u8]; 2] = [&request.body.challenge.nonce, &request.body.device_key.0];
        let mac = key.mac_key().mac_parts(&self.context, Purpose::Partner, &parts);
        let voucher = Some(Voucher { partner: Text(partner.to_owned()), mac });
        self.signed_enrolment(device, request.body, EnrolExtras { voucher, ..request.extras })
    }

    /// The same enrolment with `old` vouching for it.
    pub(crate) fn replacing(&self, old: &Device, device: &Device, request: EnrolRequest) -> EnrolRequest {
        let bytes = request.body.to_bytes().unwrap();
        let signature = old.key.sign(&self.context, Purpose::Succession, &bytes).unwrap();
        let replaces = Some(Predecessor { thumbprint: old.thumbprint, signature });
        self.signed_enrolment(device, request.body, EnrolExtras { replaces, ..request.extras })
    }

    pub(crate) fn evidence(
        &self,
        device: &Device,
        challenge: &[u8],
        level: SecurityLevel,
        root: &SigningKey,
    ) -> Evidence {
        self.evidence_of_chip(device, challenge, level, (root, &key(&self.host)))
    }

    /// Evidence of the chip that `attestation` is the key of, made by the maker of this root.
    pub(crate) fn evidence_of_chip(
        &self,
        device: &Device,
        challenge: &[u8],
        level: SecurityLevel,
        (root, attestation): (&SigningKey, &SigningKey),
    ) -> Evidence {
        let certificate = AttestationKeyCertificate {
            key: attestation.public(),
            model: Text("p1".to_owned()),
            level,
            not_after: START.after(Duration::from_secs(86_400 * 365)),
        };
        let statement = AttestationStatement {
            challenge: Bytes(challenge.to_vec()),
            device_key: device.thumbprint,
            app: app(),
            boot: BootState::Verified,
            level,
        };
        let body = SimulatedEvidence {
            certificate: sign_envelope(root, &self.context, Purpose::AttestationKey, &certificate).unwrap(),
            statement: sign_envelope(attestation, &self.context, Purpose::Attestation, &statement).unwrap(),
        };
        Evidence { family: Text(FAMILY.to_owned()), body: Bytes(body.to_bytes().unwrap()) }
    }

    pub(crate) fn event_id(&self) -> EventId {
        EventId::new(self.host.array().unwrap())
    }

    /// Facts about a transfer from an attested device that says "not hooked".
    pub(crate) fn transfer(&self, device: Thumbprint, user: &str, payee: &str, amount: i64) -> EventFacts {
        let policy = policy_digest();
        let stated = |name: &str, value: Value| SignalAnswer {
            signal: SignalName::parse(name).unwrap(),
            answer: Answer::Value(value),
        };
        let fields =
            vec![stated("payee", Value::String(payee.to_owned())), stated("amount", Value::Int(amount))];
        EventFacts {
            event: EventName::parse("payment.transfer").unwrap(),
            policy,
            thumbprint: Some(device),
            tier: Tier::Hardware,
            trust: Trust::Attested,
            event_id: self.event_id(),
            content: sha256(format!("{payee}/{amount}").as_bytes()),
            principal: Some(Text(user.to_owned())),
            received: self.host.now(),
            disclosed: Some(Disclosed { policy, nodes: vec![NodeOutcome::False], values: Vec::new() }),
            fields: List(fields),
            observed: List(Vec::new()),
            passed: None,
            node: NodeName::parse("edge-1").unwrap(),
        }
    }
}

pub(crate) fn passed(facts: &EventFacts, method: Method, proof: u8) -> EventFacts {
    EventFacts { passed: Some(Passed { method, proof: Digest::new([proof; 32]) }), ..facts.clone() }
}

pub(crate) fn thumb(byte: u8) -> Thumbprint {
    Thumbprint::new([byte; 32])
}

pub(crate) fn app() -> Digest {
    sha256(b"our app")
}

pub(crate) fn source_of(policy: &str) -> PolicySource {
    let file =
        |name: &str, text: &str| SourceFile { name: Text(name.to_owned()), text: Text(text.to_owned()) };
    PolicySource {
        catalogue: file("signals.toml", SIGNALS),
        policy: file("policy.toml", policy),
        cases: Some(file("cases.toml", CASES)),
    }
}

pub(crate) fn compiled_of(source: &PolicySource) -> Compiled {
    let of = |file: &SourceFile| (file.name.0.clone(), file.text.0.clone());
    let (catalogue, policy) = (of(&source.catalogue), of(&source.policy));
    let compiled = compile(
        Source { name: &catalogue.0, text: &catalogue.1 },
        Source { name: &policy.0, text: &policy.1 },
        source.cases.as_ref().map(|cases| Source { name: &cases.name.0, text: &cases.text.0 }),
    );
    compiled.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn digest_of(compiled: &Compiled) -> PolicyDigest {
    PolicyDigest::new(*sha256(compiled.canonical()).as_bytes())
}

pub(crate) fn policy_digest() -> PolicyDigest {
    static DIGEST: std::sync::OnceLock<PolicyDigest> = std::sync::OnceLock::new();
    *DIGEST.get_or_init(|| digest_of(&compiled_of(&source_of(POLICY))))
}

pub(crate) fn policy_text() -> &'static str {
    POLICY
}

pub(crate) fn decided(answer: DecideAnswer) -> Decided {
    match answer {
        DecideAnswer::Decided(decided) => decided,
        DecideAnswer::Refused(refusal) => panic!("refused: {}", refusal.name()),
    }
}

/// What an edge says of a request whose route only observes.
pub(crate) fn did_not_act() -> SignalAnswer {
    SignalAnswer {
        signal: SignalName::parse(ROUTE_MODE).unwrap(),
        answer: Answer::Value(Value::String("observe".to_owned())),
    }
}
