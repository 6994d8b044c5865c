//! The client of one device: what it holds between flows, and the flows that it can begin.
//!
//! It owns the session line, the accepted bundle with its loaded slices, the signal source and the queue of local
//! decisions; it owns no socket, no thread and no prompt. Its parts that an attacker's client would bend (the
//! source, the disclosure, the line) are separate and public, because edge and cloud must hold against a client
//! that bends them: nothing here is a security boundary against its own process.

use crate::flow::act::{Act, Action};
use crate::flow::check::Check;
use crate::flow::enrol::{Attester, Enrol};
use crate::flow::open::Open;
use crate::flow::pull::{Pull, Pulled};
use crate::flow::report::Report;
use crate::line::{Line, nothing};
use crate::meter::{Meter, Moment};
use crate::outcome::{FlowError, FlowErrorKind};
use crate::signal::SignalSource;
use crate::slice::{DeviceSlice, Judged, Local};
use glacis_dtx::{KeyStore, PolicyError, PolicyStore, SignedRequest, Vault, VaultError};
use glacis_policy::{Foreign, Slice};
use glacis_seal::published;
use glacis_wire::http::{PATH_BUNDLE, POLICY_VERSION, Request, Response};
use glacis_wire::message::List;
use glacis_wire::message::decide::{ClientVerdict, DeviceBatch, DeviceRecord};
use glacis_wire::message::policy::{Bundle, KeySet, Published};
use glacis_wire::{Answer, AppName, Disclosed, EventId, EventName, SignalName, Timestamp, Verdict, Zone};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// What a client is made of.
pub struct ClientParts {
    /// Sealed storage, with its clock, entropy, tenant and realm.
    pub vault: Arc<Vault>,
    /// Custody of the device key and the passkey.
    pub keys: Arc<dyn KeyStore>,
    /// The key set that the app was built with: where trust in the cloud begins.
    pub pinned: KeySet,
    /// Host and port of the edge, as `@authority` of RFC 9421.
    pub authority: String,
    /// The app that this is, as policies name it; without a name it runs what is for every app.
    pub app: Option<AppName>,
    /// Where signals come from.
    pub source: Box<dyn SignalSource>,
    /// How long after its last confirmation a slice may still decide here.
    pub device_final_ttl: Duration,
}

/// [`ClientParts::device_final_ttl`] unless told otherwise. A wrong local block must heal without an app update,
/// within the time that a phone may stay in a pocket.
pub const DEVICE_FINAL_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The client of one device.
pub struct Client {
    pub(crate) line: Line,
    store: PolicyStore,
    slices: BTreeMap<EventName, DeviceSlice>,
    meter: Meter,
    /// ETag of the publication in force.
    etag: Option<String>,
    /// Whether the ETag is stored, too.
    kept: bool,
    /// Newest bundle version that an edge named; a hint, nothing rests on it.
    named: u64,
    app: Option<AppName>,
    source: Box<dyn SignalSource>,
    device_final_ttl: Duration,
    records: VecDeque<DeviceRecord>,
    /// Records that did not fit the queue; told nowhere but here.
    dropped: u64,
    /// The minute in which records were last taken for sending.
    reported: Option<Timestamp>,
    #[cfg(feature = "observe")]
    observer: Option<Box<dyn crate::observe::Observer>>,
}

impl Client {
    /// A client without session. What the vault holds of enrolment, sessions and accepted versions counts.
    ///
    /// # Errors
    /// [`FlowErrorKind::Unpublishable`] if the pinned key set is unusable, [`FlowErrorKind::Custody`] if the vault is.
    pub fn new(parts: ClientParts) -> Result<Self, FlowError> {
        let store =
            PolicyStore::open(Arc::clone(&parts.vault), Zone::Device, parts.pinned).map_err(refused)?;
        // A stored bundle that this build cannot load is as good as none: it bars older ones and judges nothing.
        let app = parts.app.as_ref();
        let mut meter = Meter::default();
        let slices = store.bundle().and_then(|bundle| {
            meter.follow(&bundle.metering);
            load(&bundle, app).ok()
        });
        Ok(Self {
            store,
            slices: slices.unwrap_or_default(),
            meter,
            etag: None,
            kept: false,
            named: 0,
            app: parts.app,
            source: parts.source,
            device_final_ttl: parts.device_final_ttl,
            records: VecDeque::new(),
            dropped: 0,
            reported: None,
            #[cfg(feature = "observe")]
            observer: None,
            line: Line::open(parts.vault, parts.keys, parts.authority)?,
        })
    }

    /// Keeps sessions and the publication's ETag in the vault, and goes on with what is there: for clients that
    /// live as long as one request. Each write reserves `block` request numbers.
    ///
    /// # Errors
    /// [`FlowErrorKind::Custody`] if the vault does not give out what it holds.
    pub fn keep_sessions(&mut self, block: NonZeroU32) -> Result<(), FlowError> {
        self.kept = true;
        // Only a bundle that judges may be confirmed by a 304.
        if self.store.bundle().is_some_and(|bundle| bundle.slices.len() == self.slices.len()) {
            let etag = match self.line.vault().get(ETAG) {
                Err(VaultError::Rollback(_)) => None,
                etag => etag.map_err(unkept)?,
            };
            self.etag = etag.and_then(|etag| String::from_utf8(etag).ok()).filter(|etag| !etag.is_empty());
        }
        self.line.keep(block)
    }

    /// Asks the edge whether it still takes this session's signatures, and cures it where not.
    pub fn check(&mut self) -> Check<'_> {
        Check::begin(self)
    }

    /// Has the next flow ask for a new leg, as after a refusal `leg-unknown` that somebody else was told.
    pub const fn distrust_leg(&mut self) {
        self.line.distrust_leg();
    }

    /// Reads the signals, runs the slice and signs the action, for somebody else to send. `None` where the device's
    /// own slice blocks. A challenge that the device could start is left to the edge.
    ///
    /// # Errors
    /// [`FlowErrorKind::Misuse`] without an open session: run [`Self::open`] or [`Self::check`] first.
    pub fn sign(&mut self, action: Action, event_id: EventId) -> Result<Option<SignedRequest>, FlowError> {
        let judged = self.judge(&action.event, &action.said);
        let local = judged.local();
        let disclosed = judged.into_disclosed().unwrap_or_else(nothing);
        if local == Local::Block {
            self.remember(&action.event, event_id, &disclosed, Verdict::Block);
            return Ok(None);
        }
        self.line.sign(action.request, event_id, &disclosed, None).map(Some)
    }

    /// Enrols this device. `attester` supplies evidence over the challenge; none makes a software-only device.
    pub fn enrol<'c, A: Attester + ?Sized>(&'c mut self, attester: &'c mut A) -> Enrol<'c, A> {
        Enrol::begin(self, attester, false)
    }

    /// Enrols a new device key in the place of the present one, which vouches for it: the same device, as the cloud sees
    /// it, with its history. Where the present key is listed the cloud refuses; a new device enrols then.
    pub fn replace_key<'c, A: Attester + ?Sized>(&'c mut self, attester: &'c mut A) -> Enrol<'c, A> {
        Enrol::begin(self, attester, true)
    }

    /// Whether the last quarter of the time began for which the cloud vouches for this device: sessions end with it, and
    /// [`Self::attest_anew`] is due. Also after it ended; false for a device that never enrolled.
    ///
    /// It is judged by the device's clock: one that is wrong asks too early or too late, and gains nothing by it. What a
    /// host does about a refusal, and how long it waits after one, is the host's.
    pub fn is_attestation_due(&self) -> bool {
        let Some(enrolled) = self.line.enrolment() else { return false };
        let (from, until) = (enrolled.result().verified_at, enrolled.not_after());
        self.line.now() >= until.before(until.since(from) / ATTEST_ANEW_IN_LAST)
    }

    /// Proves anew what this device is, as its platform can: about the present key, or about a new one that the present
    /// one vouches for ([`Attester::attests_again`]). Either way it stays the same device with its history; sessions begin
    /// anew.
    pub fn attest_anew<'c, A: Attester + ?Sized>(&'c mut self, attester: &'c mut A) -> Enrol<'c, A> {
        let succeeds = self.line.enrolment().is_some() && !attester.attests_again();
        Enrol::begin(self, attester, succeeds)
    }

    /// Opens a session ahead of need; a guarded action opens one itself.
    pub fn open(&mut self) -> Open<'_> {
        Open::begin(self)
    }

    /// Pulls newer key sets and the newest device bundle.
    pub fn pull(&mut self) -> Pull<'_> {
        Pull::begin(self)
    }

    /// Reads the signals, runs the slice, and begins the action.
    ///
    /// # Errors
    /// [`FlowErrorKind::Entropy`].
    pub fn act(&mut self, action: Action) -> Result<Act<'_>, FlowError> {
        Act::begin(self, action)
    }

    /// Begins an action with a disclosure that no slice made: for clients without a device zone of their own, and
    /// for attackers in a simulation. It buys nothing: the first trusted zone applies the trust of its producer.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub fn danger_act_disclosing(
        &mut self,
        action: Action,
        disclosed: Option<Disclosed>,
    ) -> Result<Act<'_>, FlowError> {
        Act::disclosing(self, action, disclosed)
    }

    /// Sends the queued records of local decisions; `None` if there are none, or a batch left in this minute.
    pub fn report(&mut self) -> Option<Report<'_>> {
        let minute = minute(self.line.now());
        if self.records.is_empty() || self.reported == Some(minute) {
            return None;
        }
        self.reported = Some(minute);
        Some(Report::begin(self))
    }

    /// Local decisions that wait to be reported.
    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// Local decisions that were never queued, because the queue was full.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The slice in force for an event.
    pub fn slice(&self, event: &EventName) -> Option<&DeviceSlice> {
        self.slices.get(event)
    }

    /// The session line with its keys, for clients that build their own requests.
    pub const fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// Whether an edge named a newer bundle than the one in force: time to pull, with some jitter. Only a hint;
    /// what is pulled is checked.
    pub fn is_behind(&self) -> bool {
        self.store.bundle().map_or(0, |bundle| bundle.version) < self.named
    }

    /// The verification keys in force.
    pub const fn key_set(&self) -> &KeySet {
        self.store.key_set()
    }

    /// Replaces the signal source.
    pub fn set_source(&mut self, source: Box<dyn SignalSource>) {
        self.source = source;
    }

    /// Hands every decided action to `observer`.
    #[cfg(feature = "observe")]
    pub fn observe(&mut self, observer: Box<dyn crate::observe::Observer>) {
        self.observer = Some(observer);
    }

    /// Signals → judged: the slice of the event, if there is one, and what it may decide here. Over a budget of the
    /// policy nothing is told and nothing decided.
    pub(crate) fn judge(&mut self, event: &EventName, said: &BTreeMap<SignalName, Answer>) -> Judged {
        let signals = self.source.signals(event);
        let now = self.line.now();
        match self.slices.get_mut(event) {
            Some(slice) => {
                let may_finalise = slice.may_finalise(now, self.device_final_ttl);
                let judged = slice.judge(signals, said, may_finalise);
                let moment = Moment { now, session: self.line.session_id() };
                if self.meter.take(self.line.vault(), event, moment) { judged } else { judged.withheld() }
            }
            None => Judged::without_slice(signals),
        }
    }

    pub(crate) fn pull_request(&self) -> Request {
        let mut headers = Vec::new();
        if let Some(etag) = &self.etag {
            headers.push((String::from("if-none-match"), etag.clone()));
        }
        Request {
            method: String::from("GET"),
            authority: self.line.authority().to_owned(),
            path: PATH_BUNDLE.to_owned(),
            query: format!("?keys={}", self.store.key_set().version),
            headers,
            body: Vec::new(),
        }
    }

    /// Puts a publication in force, or leaves everything as it is.
    pub(crate) fn accept(&mut self, published: &Published, etag: Option<&str>) -> Result<Pulled, FlowError> {
        let context = self.line.context();
        let offered = published::accept(self.store.held(), context, Zone::Device, published)
            .map_err(|error| FlowError::because(FlowErrorKind::Unpublishable, error))?;
        // Loaded before anything is stored, so that a broken bundle does not bar its own repair.
        let mut slices = load(&offered.bundle, self.app.as_ref())?;
        let before = self.store.bundle().map(|bundle| bundle.version);
        let bundle = self.store.accept(published).map_err(refused)?;
        for (event, slice) in &mut slices {
            if let Some(old) = self.slices.get(event) {
                slice.inherit(old);
            }
        }
        self.slices = slices;
        self.meter.follow(&bundle.metering);
        if self.kept {
            self.line.vault().put(ETAG, etag.unwrap_or_default().as_bytes()).map_err(unkept)?;
        }
        self.etag = etag.map(str::to_owned);
        Ok(if before == Some(bundle.version) { Pulled::Unchanged } else { Pulled::Newer(bundle.version) })
    }

    /// Queues the record of a local decision, rounded down to a minute.
    pub(crate) fn remember(
        &mut self,
        event: &EventName,
        event_id: EventId,
        disclosed: &Disclosed,
        verdict: Verdict,
    ) {
        if self.records.len() >= RECORDS_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let decided = minute(self.line.now());
        self.records.push_back(DeviceRecord {
            event: event.clone(),
            event_id,
            disclosed: disclosed.clone(),
            verdict,
            decided,
        });
    }

    /// The records to send; they stay queued until [`Self::reported`].
    pub(crate) fn batch(&self) -> DeviceBatch {
        DeviceBatch { records: List(self.records.iter().take(RECORDS_MAX).cloned().collect()) }
    }

    /// The first `sent` records arrived.
    pub(crate) fn reported(&mut self, sent: usize) {
        self.records.drain(..sent.min(self.records.len()));
    }

    /// Takes note of the bundle version that an answer names.
    pub(crate) fn named(&mut self, response: &Response) {
        if let Some(version) = response.header(POLICY_VERSION).and_then(|text| text.parse().ok()) {
            self.named = version;
        }
    }

    /// A verified verdict confirms the slice of the policy that decided.
    pub(crate) fn confirm(&mut self, event: &EventName, verdict: &ClientVerdict) {
        let now = self.line.now();
        if let Some(slice) = self.slices.get_mut(event) {
            slice.confirm(verdict.policy, now);
        }
    }

    #[cfg(feature = "observe")]
    pub(crate) fn observed(
        &mut self,
        event: &EventName,
        outcome: &crate::outcome::Outcome,
        disclosed: &Disclosed,
        signals: &crate::signal::SignalSet,
    ) {
        if let Some(observer) = &mut self.observer {
            observer.decided(crate::observe::Observation {
                event: event.clone(),
                event_id: outcome.event_id,
                zone: outcome.zone,
                verdict: outcome.verdict,
                disclosed: disclosed.clone(),
                signals: signals.snapshot(glacis_wire::Trust::Claimed),
            });
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("slices", &self.slices)
            .field("records", &self.records.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientParts").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// The slices of a bundle that this app runs, or none if one is broken or foreign. Those of the tenant's other apps
/// are left out: a bundle is the same for every device.
fn load(bundle: &Bundle, app: Option<&AppName>) -> Result<BTreeMap<EventName, DeviceSlice>, FlowError> {
    let foreign = |why: Foreign| FlowError::because(FlowErrorKind::Unpublishable, why);
    let broken = || FlowError::new(FlowErrorKind::Unpublishable);
    let mut slices = BTreeMap::new();
    for entry in bundle.slices.iter() {
        let slice = Slice::load(&entry.slice)
            .map_err(|error| FlowError::because(FlowErrorKind::Unpublishable, error))?;
        slice
            .check_place((&entry.event, entry.policy), Zone::Device, (&bundle.tenant, bundle.realm))
            .map_err(foreign)?;
        if slice.binding().check_app(app).is_err() {
            continue;
        }
        let slice = DeviceSlice::new(slice, bundle.issued).ok_or_else(broken)?;
        if slices.insert(entry.event.clone(), slice).is_some() {
            return Err(broken());
        }
    }
    Ok(slices)
}

fn refused(error: PolicyError) -> FlowError {
    let kind = match error {
        PolicyError::Refused(_) => FlowErrorKind::Unpublishable,
        _ => FlowErrorKind::Custody,
    };
    FlowError::because(kind, error)
}

fn unkept(error: VaultError) -> FlowError {
    FlowError::because(FlowErrorKind::Custody, error)
}

/// Rounds down to a minute: what a record may tell of when the user acted.
fn minute(at: Timestamp) -> Timestamp {
    Timestamp::from_ms(at.as_ms() - at.as_ms() % 60_000)
}

/// The part of its life in which an attestation is made anew: of 24 hours the last six, so that a phone that is looked at
/// twice a day never lets it end.
const ATTEST_ANEW_IN_LAST: u32 = 4;
/// Most records in one batch, as [`DeviceBatch`] says, and most that are queued.
const RECORDS_MAX: usize = 64;
/// Vault record of the ETag.
const ETAG: &str = "etag";
