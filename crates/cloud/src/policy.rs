//! Policies: what a publish must be to be taken, and what edges and devices pull.
//!
//! A publish carries new key sets (each signed by a policy key of the one before), the sources, and one signed
//! bundle a zone. It is taken only if every signature holds, every version is strictly newer, the sources compile
//! here, their cases hold, each bundle holds exactly the slices that *our* compile of the sources gives under
//! the digest of *its* canonical form, and those are proven to mean their sources ([`Proofs`]). Anything else is refused
//! and what is live stays live.
//!
//! The cloud holds no policy key: it cannot make a policy, only refuse or pass one on.

mod proofs;

pub use proofs::Proofs;

use crate::admin::Expected;
use crate::audit::AuditKind;
use crate::core::{CloudCore, Desk, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::evaluate::{CloudPolicy, Shelf};
use crate::store::{int, uint};
use glacis_compiler::checked::Budget;
use glacis_compiler::{CaseResult, Compiled, Source, compile};
use glacis_policy::{Binding, Foreign, Owner, Slice};
use glacis_seal::published::{Held, PublishedError, accept, check_key_set, find_key, open_signed};
use glacis_seal::{Context, Purpose, SealError, SigningKey, key_id, sha256, sign_envelope};
use glacis_wire::limits::{BUNDLE_BYTES_MAX, BUNDLE_SLICES_MAX};
use glacis_wire::message::policy::{Bundle, BundleSlice, KeySet, KeyUse, Metering, Published};
use glacis_wire::message::{Bytes, List, Signed, Tail, Text};
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, PolicyDigest, Reader, Timestamp, Writer, Zone};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;

/// Longest single source file. Unit: bytes.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Longest file name in a publish. Unit: bytes.
pub const SOURCE_NAME_BYTES_MAX: usize = 256;
/// Longest publish. Unit: bytes. Source: three bundles and their sources.
pub const PUBLISH_BYTES_MAX: usize = 3 * BUNDLE_BYTES_MAX + (8 << 20);
/// Releases that are still decided by, the live one among them: an edge may hold one of these.
const RELEASES_KEPT: u32 = 4;
/// Most key sets in one publish or answer.
const KEY_SETS_MAX: usize = 32;
/// The same, for a query.
const KEY_SETS_ROWS: i64 = 32;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// How diagnostics call it.
    pub name: Text<SOURCE_NAME_BYTES_MAX>,
    /// Its text.
    pub text: Text<SOURCE_BYTES_MAX>,
}

/// The files of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// `signals.toml`
    pub catalogue: SourceFile,
    /// `policy.toml`
    pub policy: SourceFile,
    /// `cases.toml`
    pub cases: Option<SourceFile>,
}

/// One publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Key sets newer than the one in force, oldest first; usually none.
    pub key_sets: List<Signed, KEY_SETS_MAX>,
    /// One an event.
    pub sources: List<PolicySource, BUNDLE_SLICES_MAX>,
    /// Signed [`Bundle`]s: device, edge, cloud, all of one version.
    pub bundles: List<Signed, 3>,
}

/// The digest that names a compiled policy.
pub fn digest_of(compiled: &Compiled) -> PolicyDigest {
    PolicyDigest::new(*sha256(compiled.canonical()).as_bytes())
}

/// What binds the slices of a policy: their owner, its app, and the digests of it and of its catalogue.
pub fn bind(compiled: &Compiled, context: &Context) -> Binding {
    let owner = Owner { tenant: context.tenant.clone(), realm: context.realm };
    compiled.bind(owner, sha256)
}

/// What devices count for a policy; nothing where it has no budget of sessions or days.
pub fn metering_of(compiled: &Compiled) -> Option<Metering> {
    let Budget { per_session, per_day, .. } = compiled.checked().budget().copied()?;
    (per_session.is_some() || per_day.is_some()).then(|| Metering {
        event: compiled.event().clone(),
        bits: compiled.released().bits(),
        per_session,
        per_day,
    })
}

/// The bundles of a publish, one a zone: made where `key`, a policy key, is held, which is never here.
///
/// # Errors
/// If a bundle is over a limit.
pub fn sign_bundles<'c>(
    key: &SigningKey,
    context: &Context,
    version: u64,
    issued: Timestamp,
    policies: impl IntoIterator<Item = &'c Compiled>,
) -> Result<List<Signed, 3>, SealError> {
    let mut slices: [Vec<BundleSlice>; 3] = Default::default();
    let mut metering = Vec::new();
    for compiled in policies {
        metering.extend(metering_of(compiled));
        let binding = bind(compiled, context);
        let policy = binding.policy;
        for (bundle, slice) in slices.iter_mut().zip(compiled.slices(&binding)) {
            bundle.push(BundleSlice { event: compiled.event().clone(), policy, slice: Bytes(slice) });
        }
    }
    let signed = Zone::ALL.into_iter().zip(slices).map(|(zone, slices)| {
        let (tenant, realm) = (context.tenant.clone(), context.realm);
        let metering = if zone == Zone::Device { metering.clone() } else { Vec::new() };
        let (slices, metering) = (List(slices), Tail(metering));
        let bundle = Bundle { tenant, realm, zone, version, issued, slices, metering };
        sign_envelope(key, context, Purpose::Bundle, &bundle)
    });
    Ok(List(signed.collect::<Result<_, _>>()?))
}

/// One version of all policies as the cloud runs it.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) version: u64,
    pub(crate) policies: Vec<CloudPolicy>,
    /// Whether its bundles hold what this program makes of its sources: after an upgrade they may not.
    pub(crate) is_current: bool,
}

/// A publish that may be taken.
struct Checked {
    release: Release,
    /// The newest key set with it.
    keys: KeySet,
    /// Version of the newest key set before it.
    stored_keys: u64,
}

/// What is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivePolicies {
    /// Bundle version; zero before the first publish.
    pub version: u64,
    /// Whether edges and devices of this version can run what was published; else it is to be published again.
    pub is_current: bool,
    /// Version of the key set in force.
    pub key_set: u64,
    /// Event and digest of each policy.
    pub policies: Vec<(String, PolicyDigest)>,
}

impl Encode for SourceFile {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.name.encode(out)?;
        self.text.encode(out)
    }
}

impl Decode for SourceFile {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: Decode::decode(input)?, text: Decode::decode(input)? })
    }
}

impl Encode for PolicySource {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.catalogue.encode(out)?;
        self.policy.encode(out)?;
        self.cases.encode(out)
    }
}

impl Decode for PolicySource {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            catalogue: Decode::decode(input)?,
            policy: Decode::decode(input)?,
            cases: Decode::decode(input)?,
        })
    }
}

impl Encode for Publish {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.key_sets.encode(out)?;
        self.sources.encode(out)?;
        self.bundles.encode(out)
    }
}

impl Decode for Publish {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            key_sets: Decode::decode(input)?,
            sources: Decode::decode(input)?,
            bundles: Decode::decode(input)?,
        })
    }
}

impl PolicySource {
    /// Compiles.
    pub(crate) fn compile(&self) -> Result<Compiled, glacis_compiler::Diagnostics> {
        let cases = self.cases.as_ref().map(SourceFile::source);
        compile(self.catalogue.source(), self.policy.source(), cases)
    }
}

impl SourceFile {
    fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.text }
    }
}

impl CloudCore {
    /// Takes a publish into force, or refuses it and changes nothing. Answers the new version.
    pub fn publish(&mut self, publish: &Publish) -> Result<u64, CloudError> {
        self.publish_if(publish, &Expected::Any, Proofs::default())
    }

    /// Takes a publish into force if the live version is an expected one.
    pub fn publish_if(
        &mut self,
        publish: &Publish,
        expected: &Expected,
        mut proofs: Proofs,
    ) -> Result<u64, CloudError> {
        self.call(|tx| {
            let live = tx.desk.state.shelf.live().map_or(0, |release| release.version);
            expected.check("the live policy", live)?;
            tx.publish(publish, &mut proofs)
        })
    }

    /// Checks a publish as [`publish`](Self::publish) does and stores nothing. Answers the version that it would be.
    pub fn check_publish(&mut self, publish: &Publish, mut proofs: Proofs) -> Result<u64, CloudError> {
        self.read(|tx| tx.check_publish(publish, &mut proofs).map(|checked| checked.release.version))
    }

    /// What was published as `version`: its sources and its signed bundles. Key sets are not repeated.
    pub fn publication(&mut self, version: u64) -> Result<Publish, CloudError> {
        self.read(|tx| {
            let bundles = signed_bundles(tx.conn, version)?;
            if bundles.is_empty() {
                return Err(CloudError::not_found(format!("policy version {version}")));
            }
            let sources = List(sources_of(tx.conn, version)?);
            Ok(Publish { key_sets: List(Vec::new()), sources, bundles: List(bundles) })
        })
    }

    /// The sources of one version; none where it was not published.
    pub(crate) fn sources(&mut self, version: u64) -> Result<Vec<PolicySource>, CloudError> {
        self.read(|tx| sources_of(tx.conn, version))
    }

    /// Key sets after `keys_from` and the newest bundle of `zone`. Not found before the first publish.
    pub fn published(&mut self, zone: Zone, keys_from: u64) -> Result<Published, CloudError> {
        self.read(|tx| {
            let sql = "SELECT signed_bytes FROM key_set WHERE version > ?1 ORDER BY version LIMIT ?2";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let mut rows = statement.query(params![int(keys_from), KEY_SETS_ROWS])?;
            let mut key_sets = Vec::new();
            while let Some(row) = rows.next()? {
                key_sets.push(signed_of(&row.get::<_, Vec<u8>>(0)?)?);
            }
            let sql = "SELECT signed_bytes FROM bundle WHERE zone = ?1 ORDER BY version DESC LIMIT 1";
            let bundle: Option<Vec<u8>> =
                tx.conn.prepare_cached(sql)?.query_row([zone as u8], |row| row.get(0)).optional()?;
            let bundle = bundle.ok_or_else(|| CloudError::not_found("no policy was published yet"))?;
            Ok(Published { key_sets: List(key_sets), bundle: signed_of(&bundle)? })
        })
    }

    /// Versions and digests that are live.
    pub fn live_policies(&mut self) -> Result<LivePolicies, CloudError> {
        self.read(|tx| {
            let state = &tx.desk.state;
            let live = state.shelf.live();
            let policy = |policy: &CloudPolicy| (policy.slice.event().to_string(), policy.slice.policy());
            Ok(LivePolicies {
                version: live.map_or(0, |release| release.version),
                is_current: live.is_none_or(|release| release.is_current),
                key_set: state.key_set.as_ref().map_or(0, |keys| keys.version),
                policies: live.map_or(Vec::new(), |release| release.policies.iter().map(policy).collect()),
            })
        })
    }
}

impl Desk {
    /// The cloud's own keys must be ones that devices and edges will accept.
    pub(crate) fn check_own_keys(&self) -> Result<(), CloudError> {
        for (usage, key) in
            [(KeyUse::Result, self.keys.result.public()), (KeyUse::Feed, self.keys.feed.public())]
        {
            let set = self.state.key_set.as_ref();
            let known = set.is_some_and(|set| find_key(set, key_id(&key), usage).is_some());
            if !known {
                let detail = format!("the `{}` key is not in the key set in force", usage.name());
                return Err(CloudError::new(CloudErrorKind::WrongKey, detail));
            }
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// Puts the pinned key set into a new store; an old store must have been born with the same.
    pub(crate) fn plant_key_set(&mut self, signed: &Signed) -> Result<(), CloudError> {
        let sql = "SELECT signed_bytes FROM key_set ORDER BY version LIMIT 1";
        let first: Option<Vec<u8>> = self.conn.query_row(sql, [], |row| row.get(0)).optional()?;
        if let Some(first) = first {
            if signed_of(&first)?.body != signed.body {
                let detail = "the store was born with another key set";
                return Err(CloudError::new(CloudErrorKind::WrongKey, detail));
            }
            return Ok(());
        }
        // The set names its own signer, so check it as a set before its signature.
        let set = peek_key_set(signed)?;
        check_key_set(&set, &self.desk.context)?;
        let set: KeySet = open_signed(&set, KeyUse::Policy, &self.desk.context, Purpose::KeySet, signed)?;
        self.desk.state.head = crate::audit::Head::load(self.conn)?;
        self.store_key_set(&set, signed)
    }

    fn store_key_set(&mut self, set: &KeySet, signed: &Signed) -> Result<(), CloudError> {
        let sql = "INSERT INTO key_set (version, signed_bytes) VALUES (?1, ?2)";
        self.conn.prepare_cached(sql)?.execute(params![int(set.version), signed.to_bytes()?])?;
        self.audit(AuditKind::KeySet, int(set.version))
    }

    fn publish(&mut self, publish: &Publish, proofs: &mut Proofs) -> Result<u64, CloudError> {
        let Checked { release, keys, stored_keys } = self.check_publish(publish, proofs)?;
        let version = release.version;
        let mut stored = stored_keys;
        for signed in publish.key_sets.iter() {
            let set = peek_key_set(signed)?;
            if set.version > stored {
                self.store_key_set(&set, signed)?;
                stored = set.version;
            }
        }
        self.store_publish(publish, version)?;
        self.put_release(release, keys)?;
        Ok(version)
    }

    /// Everything that a publish must be; changes nothing.
    fn check_publish(&self, publish: &Publish, proofs: &mut Proofs) -> Result<Checked, CloudError> {
        let before = match &self.desk.state.key_set {
            Some(set) => set.clone(),
            None => return Err(CloudError::corrupt("no key set")),
        };
        let live = self.desk.state.shelf.live().map_or(0, |release| release.version);
        let (bundles, keys) = open_bundles(publish, &self.desk.context, &before)?;
        let version = bundles.first().map_or(0, |bundle| bundle.version);
        if version <= live {
            let detail = format!("version {version} is not newer than the live version {live}");
            return Err(CloudError::new(CloudErrorKind::NotNewer, detail));
        }
        let (release, slices) = compile_release(version, &publish.sources, &self.desk.context)?;
        same_policies(&bundles, &slices)?;
        same_bindings(&bundles, &slices)?;
        same_bytes(&bundles, &slices)?;
        slices.iter().try_for_each(|policy| proofs.demand(&policy.compiled, &policy.bytes))?;
        Ok(Checked { release, keys, stored_keys: before.version })
    }

    fn store_publish(&mut self, publish: &Publish, version: u64) -> Result<(), CloudError> {
        for (zone, signed) in Zone::ALL.into_iter().zip(publish.bundles.iter()) {
            let sql = "INSERT INTO bundle (version, zone, published, signed_bytes) VALUES (?1, ?2, ?3, ?4)";
            let row = params![int(version), zone as u8, int(self.now.as_ms()), signed.to_bytes()?];
            self.conn.prepare_cached(sql)?.execute(row)?;
            self.audit_inserted(AuditKind::Bundle)?;
        }
        for (source, ordinal) in publish.sources.iter().zip(0_u32..) {
            let sql = "INSERT INTO policy_source (version, ordinal, source_bytes) VALUES (?1, ?2, ?3)";
            let row = params![int(version), ordinal, source.to_bytes()?];
            self.conn.prepare_cached(sql)?.execute(row)?;
            self.audit_inserted(AuditKind::PolicySource)?;
        }
        Ok(())
    }

    fn put_release(&mut self, release: Release, keys: KeySet) -> Result<(), CloudError> {
        let mut releases = self.desk.state.shelf.releases().to_vec();
        releases.push(Arc::new(release));
        let kept = usize::try_from(RELEASES_KEPT).unwrap_or(usize::MAX);
        releases.drain(..releases.len().saturating_sub(kept));
        let (conn, now, limits) = (self.conn, self.now, self.desk.limits.clone());
        let state = self.state();
        state.key_set = Some(keys);
        state.put_releases(conn, releases, &limits, now)?;
        self.desk.check_own_keys()
    }
}

/// The newest key set of the store.
pub(crate) fn newest_key_set(conn: &Connection) -> Result<KeySet, CloudError> {
    let sql = "SELECT signed_bytes FROM key_set ORDER BY version DESC LIMIT 1";
    let bytes: Vec<u8> = conn.query_row(sql, [], |row| row.get(0))?;
    peek_key_set(&signed_of(&bytes)?)
}

/// Compiles the releases that are still in force from their stored sources; one that `shelf` holds is reused.
pub(crate) fn load_releases(
    conn: &Connection,
    shelf: &Shelf,
    context: &Context,
) -> Result<Vec<Arc<Release>>, CloudError> {
    let sql = "SELECT DISTINCT version FROM bundle ORDER BY version DESC LIMIT ?1";
    let mut statement = conn.prepare(sql)?;
    let versions = statement.query_map([RELEASES_KEPT], |row| row.get::<_, i64>(0))?;
    let mut releases = Vec::new();
    for version in versions {
        let version = uint(version?);
        let held = shelf.releases().iter().find(|release| release.version == version);
        releases.push(match held {
            Some(release) => Arc::clone(release),
            None => {
                let (release, slices) = compile_release(version, &sources_of(conn, version)?, context)?;
                let bundles = stored_bundles(conn, version)?;
                same_policies(&bundles, &slices)?;
                let is_current = same_bytes(&bundles, &slices).is_ok();
                if !is_current {
                    tracing::warn!(
                        version,
                        "these slices were made by another version of this program, and edges and devices of this one \
                         cannot run them: publish the policies again"
                    );
                }
                Arc::new(Release { is_current, ..release })
            }
        });
    }
    releases.reverse();
    Ok(releases)
}

pub(crate) fn sources_of(conn: &Connection, version: u64) -> Result<Vec<PolicySource>, CloudError> {
    let sql = "SELECT source_bytes FROM policy_source WHERE version = ?1 ORDER BY ordinal";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([int(version)])?;
    let mut sources = Vec::new();
    while let Some(row) = rows.next()? {
        let source = PolicySource::from_bytes(&row.get::<_, Vec<u8>>(0)?);
        sources.push(source.map_err(|error| CloudError::corrupt(format!("policy source: {error}")))?);
    }
    Ok(sources)
}

fn stored_bundles(conn: &Connection, version: u64) -> Result<Vec<Bundle>, CloudError> {
    let bundle = |signed: &Signed| {
        let bundle = Bundle::from_bytes(&signed.body);
        bundle.map_err(|error| CloudError::corrupt(format!("bundle: {error}")))
    };
    signed_bundles(conn, version)?.iter().map(bundle).collect()
}

fn signed_bundles(conn: &Connection, version: u64) -> Result<Vec<Signed>, CloudError> {
    let sql = "SELECT signed_bytes FROM bundle WHERE version = ?1 ORDER BY zone";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([int(version)])?;
    let mut bundles = Vec::new();
    while let Some(row) = rows.next()? {
        bundles.push(signed_of(&row.get::<_, Vec<u8>>(0)?)?);
    }
    Ok(bundles)
}

/// Accepts the three bundles as any receiver would that holds `key_set`; they have one version.
fn open_bundles(
    publish: &Publish,
    context: &Context,
    key_set: &KeySet,
) -> Result<(Vec<Bundle>, KeySet), CloudError> {
    if publish.bundles.len() != Zone::ALL.len() {
        return Err(CloudError::invalid("a publish has one bundle a zone"));
    }
    let held = Held { key_set: key_set.clone(), bundle: None };
    let mut newest = key_set.clone();
    let mut bundles: Vec<Bundle> = Vec::new();
    for (zone, signed) in Zone::ALL.into_iter().zip(publish.bundles.iter()) {
        let published = Published { key_sets: publish.key_sets.clone(), bundle: signed.clone() };
        let accepted = accept(&held, context, zone, &published)?;
        if bundles.first().is_some_and(|first| first.version != accepted.bundle.version) {
            return Err(mismatch("the bundles are of different versions".to_owned()));
        }
        newest = accepted.held.key_set;
        bundles.push(accepted.bundle);
    }
    Ok((bundles, newest))
}

/// The slices of one policy: event, binding, and bytes for device, edge and cloud.
struct Slices {
    compiled: Compiled,
    binding: Binding,
    bytes: [Vec<u8>; 3],
}

fn compile_release(
    version: u64,
    sources: &[PolicySource],
    context: &Context,
) -> Result<(Release, Vec<Slices>), CloudError> {
    let mut policies = Vec::new();
    let mut all: Vec<Slices> = Vec::new();
    for source in sources {
        let compiled = source
            .compile()
            .map_err(|found| CloudError::new(CloudErrorKind::PolicyInvalid, found.to_string()))?;
        if all.iter().any(|other| other.compiled.event() == compiled.event()) {
            return Err(mismatch(format!("two policies for event `{}`", compiled.event())));
        }
        check_cases(&compiled)?;
        let binding = bind(&compiled, context);
        let bytes = compiled.slices(&binding);
        let [_, edge, cloud] = &bytes;
        let load = |bytes: &[u8]| {
            Slice::load(bytes)
                .map_err(|error| CloudError::new(CloudErrorKind::PolicyInvalid, error.to_string()))
        };
        policies.push(CloudPolicy::new(load(cloud)?, load(edge)?, &compiled));
        all.push(Slices { compiled, binding, bytes });
    }
    Ok((Release { version, policies, is_current: true }, all))
}

fn check_cases(compiled: &Compiled) -> Result<(), CloudError> {
    let describe = |result: &CaseResult| format!("`{}`: {}", result.case.name, result.faults.join(", "));
    let failed: Vec<String> =
        compiled.run_cases().iter().filter(|case| !case.holds()).map(describe).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(CloudError::new(CloudErrorKind::PolicyInvalid, format!("cases do not hold: {}", failed.join("; "))))
}

/// The bundles must hold a slice of each policy of the sources, by its digest, and no other.
fn same_policies(bundles: &[Bundle], compiled: &[Slices]) -> Result<(), CloudError> {
    for bundle in bundles {
        let name = bundle.zone.name();
        if bundle.slices.len() != compiled.len() {
            let (has, want) = (bundle.slices.len(), compiled.len());
            return Err(mismatch(format!("the {name} bundle has {has} slices, the sources give {want}")));
        }
        for policy in compiled {
            if slice_of(bundle, policy)?.policy != policy.binding.policy {
                let event = policy.compiled.event();
                return Err(mismatch(format!("the {name} slice of `{event}` is of another policy")));
            }
        }
    }
    Ok(())
}

/// Each slice that this program can read must be bound as the publisher's own sources bind it.
fn same_bindings(bundles: &[Bundle], compiled: &[Slices]) -> Result<(), CloudError> {
    for bundle in bundles {
        for policy in compiled {
            // Bytes that do not load are refused for not being those of the sources.
            let Ok(slice) = Slice::load(&slice_of(bundle, policy)?.slice) else { continue };
            if let Err(why) = check_binding(&slice, bundle, policy) {
                let kind = match why {
                    Foreign::Tenant => CloudErrorKind::WrongTenant,
                    Foreign::Realm => CloudErrorKind::WrongRealm,
                    _ => CloudErrorKind::PolicyMismatch,
                };
                let (name, event) = (bundle.zone.name(), policy.compiled.event());
                return Err(CloudError::new(kind, format!("the {name} slice of `{event}`: {why}")));
            }
        }
    }
    Ok(())
}

fn check_binding(slice: &Slice, bundle: &Bundle, policy: &Slices) -> Result<(), Foreign> {
    let (binding, wanted) = (slice.binding(), &policy.binding);
    let made_from = (policy.compiled.event(), wanted.policy);
    slice.check_place(made_from, bundle.zone, (&bundle.tenant, bundle.realm))?;
    if binding.app != wanted.app {
        return Err(Foreign::App);
    }
    if binding.catalogue == wanted.catalogue { Ok(()) } else { Err(Foreign::Catalogue) }
}

/// And no other byte than what this program makes of the sources, and no other budget than theirs.
fn same_bytes(bundles: &[Bundle], compiled: &[Slices]) -> Result<(), CloudError> {
    let budgets = |bundle: &Bundle| -> Vec<Metering> {
        let slices = bundle.slices.iter().filter(|_| bundle.zone == Zone::Device);
        let policy =
            |slice: &BundleSlice| compiled.iter().find(|policy| *policy.compiled.event() == slice.event);
        slices.filter_map(policy).filter_map(|policy| metering_of(&policy.compiled)).collect()
    };
    for (bundle, zone) in bundles.iter().zip(0_usize..) {
        if *bundle.metering != budgets(bundle) {
            let name = bundle.zone.name();
            return Err(mismatch(format!("the budgets of the {name} bundle are not what its sources give")));
        }
        for policy in compiled {
            let slice = slice_of(bundle, policy)?;
            if policy.bytes.get(zone).is_none_or(|bytes| **bytes != *slice.slice) {
                let (name, event) = (bundle.zone.name(), policy.compiled.event());
                return Err(mismatch(format!("the {name} slice of `{event}` is not what its sources give")));
            }
        }
    }
    Ok(())
}

fn slice_of<'b>(bundle: &'b Bundle, policy: &Slices) -> Result<&'b BundleSlice, CloudError> {
    let event = policy.compiled.event();
    let found = bundle.slices.iter().find(|slice| slice.event == *event);
    found.ok_or_else(|| mismatch(format!("the {} bundle has no slice for `{event}`", bundle.zone.name())))
}

/// Decodes a key set whose signature is still to be checked, or was checked when it was stored.
fn peek_key_set(signed: &Signed) -> Result<KeySet, CloudError> {
    KeySet::from_bytes(&signed.body).map_err(|error| CloudError::invalid(format!("key set: {error}")))
}

pub(crate) fn signed_of(bytes: &[u8]) -> Result<Signed, CloudError> {
    Signed::from_bytes(bytes).map_err(|error| CloudError::corrupt(format!("signed message: {error}")))
}

impl From<PublishedError> for CloudError {
    fn from(error: PublishedError) -> Self {
        let kind = match error {
            PublishedError::UnknownKey | PublishedError::Seal(_) | PublishedError::KeySet => {
                CloudErrorKind::BadSignature
            }
            PublishedError::Tenant => CloudErrorKind::WrongTenant,
            PublishedError::Realm => CloudErrorKind::WrongRealm,
            PublishedError::Older { .. } | PublishedError::Gap { .. } | PublishedError::Conflict(_) => {
                CloudErrorKind::NotNewer
            }
            PublishedError::TooLarge => CloudErrorKind::TooLarge,
            _ => CloudErrorKind::PolicyMismatch,
        };
        Self::new(kind, error.to_string()).caused_by(error)
    }
}

fn mismatch(detail: String) -> CloudError {
    CloudError::new(CloudErrorKind::PolicyMismatch, detail)
}

/// When a bundle version was published, for output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedVersion {
    /// Its version.
    pub version: u64,
    /// When it was taken.
    pub at: Timestamp,
}

impl CloudCore {
    /// Versions that were published, newest first.
    pub fn policy_versions(&mut self, limit: u32) -> Result<Vec<PublishedVersion>, CloudError> {
        self.read(|tx| {
            let sql =
                "SELECT version, min(published) FROM bundle GROUP BY version ORDER BY version DESC LIMIT ?1";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let rows = statement.query_map([limit], |row| {
                Ok(PublishedVersion { version: uint(row.get(0)?), at: Timestamp::from_ms(uint(row.get(1)?)) })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
