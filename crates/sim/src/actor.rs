//! One device with its app: the real SDK client, its line, and what the simulator remembers of its actions.
//!
//! An actor sees what an app sees (outcomes and refusals), never who decided. Whatever it does, its full snapshot
//! is kept for the check; the snapshot is what its process knew, or what a lying process claimed.

use crate::attack::{Attempt, End};
use crate::deeds;
use crate::manufacturer::{Hardware, Manufacturer};
use crate::persona::Owner;
use crate::schedule::{Deed, Make};
use crate::snapshots::{Snapshot, Snapshots, text};
use crate::world::{Line, World, WorldError};
use glacis_dtx::{SoftwareKeyStore, Vault};
use glacis_host::{Host, MemoryFiles};
use glacis_sdk::drive::{Reply, Transport, Unattended, User, drive};
use glacis_sdk::flow::enrol::{Asked, AttestFailure, Attester};
use glacis_sdk::{
    Action, Answered, Client, ClientParts, DEVICE_FINAL_TTL, DeviceSlice, FlowError, FlowErrorKind, Judged,
    Outcome, Prompt, SignalSet, SignalSource,
};
use glacis_seal::Context;
use glacis_wire::http::Response;
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::policy::KeySet;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::simulated::SecurityLevel;
use glacis_wire::message::tpm::Activation;
use glacis_wire::{Answer, Disclosed, EventId, EventName, SignalName, Thumbprint, Timestamp, Value, Verdict};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Answers of the device zone by signal.
pub type Signals = BTreeMap<SignalName, Answer>;

/// What a process observes, asked once for each action.
pub type Sense = Box<dyn FnMut() -> Signals + Send>;

/// A signal source that remembers what it said last, for the snapshot.
struct Remembering(Arc<Mutex<Mind>>);

/// The sense of a device and what it said last.
struct Mind {
    sense: Sense,
    last: Signals,
}

impl Mind {
    fn observe(&mut self) -> Signals {
        self.last = (self.sense)();
        self.last.clone()
    }
}

impl SignalSource for Remembering {
    fn signals(&mut self, _event: &EventName) -> SignalSet {
        lock(&self.0).observe().into_iter().collect()
    }
}

/// Who a device belongs to.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The user name.
    pub user: String,
    /// The user's token.
    pub token: String,
}

/// One device with its app.
pub struct Device {
    client: Client,
    line: Line,
    thumbprint: Thumbprint,
    mind: Arc<Mutex<Mind>>,
    holder: Holder,
    /// Its disk: whoever copies it has the keys of a software store.
    files: MemoryFiles,
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

/// What an app of this world is built with.
#[derive(Clone, Debug)]
pub struct Site {
    /// Tenant and realm.
    pub context: Context,
    /// Authority of the gateway.
    pub edge: String,
    /// The key set that the app is shipped with.
    pub pinned: KeySet,
}

/// Evidence of secure hardware over challenge and device key.
pub type Attest<'a> = &'a mut dyn FnMut(&[u8; 32], &PublicKey) -> Option<Evidence>;

/// What a device is made of.
pub struct Kit<'a> {
    /// Its clock and entropy.
    pub host: Arc<dyn Host>,
    /// Its secure hardware; answers nothing where it has none.
    pub attest: Attest<'a>,
    /// Whose it is.
    pub holder: Holder,
    /// Its way to the gateway.
    pub line: Line,
    /// What its process observes.
    pub sense: Sense,
}

impl fmt::Debug for Kit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("holder", &self.holder.user).finish_non_exhaustive()
    }
}

/// Hands the SDK's question on to the hardware.
struct Bridge<'a>(Attest<'a>);

impl Attester for Bridge<'_> {
    fn evidence(
        &mut self,
        asked: &Asked<'_>,
        _activation: Option<&Activation>,
    ) -> Result<Option<Evidence>, AttestFailure> {
        Ok((self.0)(&asked.challenge.nonce, asked.device_key))
    }
}

impl Device {
    /// A device of `make` that enrolled, has its bundle and is ready to act.
    ///
    /// # Errors
    /// If it is refused, which no device of this kind should be, or the world fails.
    pub fn enrolled(
        world: &dyn World,
        number: u32,
        make: Make,
        holder: Holder,
        line: Line,
        sense: Sense,
    ) -> Result<Self, WorldError> {
        let hardware = hardware(world.manufacturer(), world, make, number)?;
        let mut attest =
            |challenge: &[u8; 32], key: &PublicKey| hardware.as_ref()?.attest(challenge, key).ok();
        let host = world.host(&format!("device-{number}"));
        let kit = Kit { host, attest: &mut attest, holder, line, sense };
        Self::assemble(world.site(), kit)?
            .map_err(|end| WorldError::new("device", format!("its enrolment ended in {end}")))
    }

    /// A device whose evidence comes from a manufacturer that nobody anchors; the inner error is its refusal.
    ///
    /// # Errors
    /// If the world fails.
    pub fn with_forged_root(
        world: &dyn World,
        number: u32,
        holder: Holder,
        line: Line,
    ) -> Result<Result<Self, End>, WorldError> {
        let host = world.host(&format!("forger-{number}"));
        let forger = Manufacturer::found(world.site().context.clone(), &*host);
        let forger = forger.map_err(|error| WorldError::new("forger", error))?;
        let hardware = hardware(&forger, world, Make::Strong, number)?;
        let mut attest =
            |challenge: &[u8; 32], key: &PublicKey| hardware.as_ref()?.attest(challenge, key).ok();
        Self::assemble(
            world.site(),
            Kit { host, attest: &mut attest, holder, line, sense: Box::new(all_clear) },
        )
    }

    /// Enrols and pulls the bundle.
    ///
    /// # Errors
    /// The outer one if the world fails, the inner one if the device is refused.
    pub fn assemble(site: &Site, kit: Kit<'_>) -> Result<Result<Self, End>, WorldError> {
        let Kit { host, attest, holder, mut line, sense } = kit;
        let mind = Arc::new(Mutex::new(Mind { sense, last: Signals::new() }));
        let files = MemoryFiles::new();
        let mut client = client(site, files.clone(), host, &mind)?;
        let mut bridge = Bridge(attest);
        let appraised = match drive(&mut client.enrol(&mut bridge), &mut *line, &mut Unattended) {
            Ok(appraised) => appraised,
            Err(error) => return Ok(Err(end_of_error(&error))),
        };
        let device = Self { client, line, thumbprint: appraised.thumbprint, mind, holder, files };
        device.pulled().map(Ok)
    }

    /// The app started again on this device's disk: enrolled, without session.
    ///
    /// # Errors
    /// If the world fails.
    pub fn restarted(self, world: &dyn World, number: u32) -> Result<Self, WorldError> {
        let host = world.host(&format!("restarted-{number}"));
        let client = client(world.site(), self.files.clone(), host, &self.mind)?;
        Self { client, ..self }.pulled()
    }

    /// The app started on a copy of this device's disk, on a machine of the thief's: enrolled as this device is, with
    /// its keys and its chain of sessions.
    ///
    /// # Errors
    /// If the world fails.
    pub fn copied(&self, world: &dyn World, number: u32) -> Result<Self, WorldError> {
        let host = world.host(&format!("copied-{number}"));
        let mind = Arc::new(Mutex::new(Mind { sense: Box::new(all_clear), last: Signals::new() }));
        let files = self.files.snapshot();
        let client = client(world.site(), files.clone(), host, &mind)?;
        let (line, holder) = (world.line(number)?, self.holder.clone());
        Self { client, line, thumbprint: self.thumbprint, mind, holder, files }.pulled()
    }

    fn pulled(mut self) -> Result<Self, WorldError> {
        match drive(&mut self.client.pull(), &mut *self.line, &mut Unattended) {
            Ok(_) => Ok(self),
            Err(error) => Err(WorldError::new("bundle", error)),
        }
    }

    /// Names the device.
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Whose app it is.
    pub const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The device's own line, for requests outside the SDK.
    pub fn line(&mut self) -> &mut dyn Transport {
        &mut *self.line
    }

    /// Does `deed` as the app does it: signals, slice, request, challenge if asked.
    ///
    /// # Errors
    /// If the world fails; being stopped is no error.
    pub fn act(
        &mut self,
        deed: &Deed,
        user: &mut dyn User,
        snapshots: &Snapshots,
    ) -> Result<Attempt, WorldError> {
        let action = self.action(deed)?;
        let mut asked = Asked { user, prompts: 0 };
        let mut act = self.client.act(action).map_err(|error| WorldError::new("client", error))?;
        let event = act.event_id();
        let result = drive(&mut act, &mut *self.line, &mut asked);
        let prompts = asked.prompts;
        drop(act);
        let device = lock(&self.mind).last.clone();
        self.keep(deed, event, device, snapshots)?;
        Ok(self.attempt(event, &result, prompts))
    }

    /// Does `deed` with the app's own honest disclosure, but sends it whatever the slice says.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub fn act_unleashed(
        &mut self,
        deed: &Deed,
        user: &mut dyn User,
        snapshots: &Snapshots,
    ) -> Result<Attempt, WorldError> {
        let event = deeds::event(deed).map_err(|error| WorldError::new("deed", error))?;
        let device = lock(&self.mind).observe();
        let slice = self.client.slice(&event).map(|held| held.slice().clone());
        let slice = slice.and_then(|slice| DeviceSlice::new(slice, Timestamp::ZERO));
        let action = self.action(deed)?;
        let judged =
            slice.map(|mut slice| slice.judge(device.clone().into_iter().collect(), &action.said, false));
        self.act_disclosing(deed, judged.and_then(Judged::into_disclosed), device, user, snapshots)
    }

    /// Does `deed` with everything withheld.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub fn act_withholding(
        &mut self,
        deed: &Deed,
        user: &mut dyn User,
        snapshots: &Snapshots,
    ) -> Result<Attempt, WorldError> {
        let event = deeds::event(deed).map_err(|error| WorldError::new("deed", error))?;
        let slice = self.client.slice(&event).map(DeviceSlice::slice);
        let slice = slice.ok_or_else(|| WorldError::new("bundle", "no slice for the event"))?;
        let (nodes, values) = slice.layout();
        let disclosed = Disclosed::withheld(slice.policy(), nodes, values);
        self.act_disclosing(deed, Some(disclosed), Signals::new(), user, snapshots)
    }

    fn act_disclosing(
        &mut self,
        deed: &Deed,
        disclosed: Option<Disclosed>,
        device: Signals,
        user: &mut dyn User,
        snapshots: &Snapshots,
    ) -> Result<Attempt, WorldError> {
        let action = self.action(deed)?;
        let mut asked = Asked { user, prompts: 0 };
        let act = self.client.danger_act_disclosing(action, disclosed);
        let mut act = act.map_err(|error| WorldError::new("client", error))?;
        let event = act.event_id();
        let result = drive(&mut act, &mut *self.line, &mut asked);
        let prompts = asked.prompts;
        drop(act);
        self.keep(deed, event, device, snapshots)?;
        Ok(self.attempt(event, &result, prompts))
    }

    /// Sends what waits of local decisions; true if nothing waits any more.
    pub fn report(&mut self) -> bool {
        match self.client.report() {
            None => self.client.records() == 0,
            Some(mut report) => drive(&mut report, &mut *self.line, &mut Unattended).is_ok(),
        }
    }

    fn action(&self, deed: &Deed) -> Result<Action, WorldError> {
        deeds::action(deed, &self.holder.user, &self.holder.token)
            .map_err(|error| WorldError::new("deed", error))
    }

    fn keep(
        &self,
        deed: &Deed,
        event: EventId,
        device: Signals,
        snapshots: &Snapshots,
    ) -> Result<(), WorldError> {
        let name = deeds::event(deed).map_err(|error| WorldError::new("deed", error))?;
        let request = deeds::said(deed, &self.holder.user).map_err(|error| WorldError::new("deed", error))?;
        snapshots.keep(self.thumbprint, event, Snapshot { event: name, device, request });
        Ok(())
    }

    fn attempt(&self, event: EventId, result: &Result<Outcome, FlowError>, prompts: u32) -> Attempt {
        let end = match result {
            Ok(outcome) => end_of_outcome(outcome, prompts > 0),
            Err(error) => end_of_error(error),
        };
        Attempt { event: Some((self.thumbprint, event)), end }
    }
}

/// An SDK client on these files; what they hold of keys, enrolment and sessions counts.
fn client(
    site: &Site,
    files: MemoryFiles,
    host: Arc<dyn Host>,
    mind: &Arc<Mutex<Mind>>,
) -> Result<Client, WorldError> {
    let vault = Vault::open(Arc::new(files), host, site.context.clone());
    let vault = Arc::new(vault.map_err(|error| WorldError::new("vault", error))?);
    let keys =
        SoftwareKeyStore::open(Arc::clone(&vault)).map_err(|error| WorldError::new("key store", error))?;
    let parts = ClientParts {
        vault,
        keys: Arc::new(keys),
        pinned: site.pinned.clone(),
        authority: site.edge.clone(),
        app: None,
        source: Box::new(Remembering(Arc::clone(mind))),
        device_final_ttl: DEVICE_FINAL_TTL,
    };
    Client::new(parts).map_err(|error| WorldError::new("client", error))
}

/// Secure hardware for devices that have any.
pub(crate) fn hardware(
    maker: &Manufacturer,
    world: &dyn World,
    make: Make,
    number: u32,
) -> Result<Option<Hardware>, WorldError> {
    let level = match make {
        Make::Strong => SecurityLevel::Strongbox,
        Make::Tee => SecurityLevel::Tee,
        Make::Software => return Ok(None),
    };
    let host = world.host(&format!("factory-{number}"));
    maker.hardware(level, &*host).map(Some).map_err(|error| WorldError::new("manufacturer", error))
}

/// Passes prompts on and counts them.
struct Asked<'a> {
    user: &'a mut dyn User,
    prompts: u32,
}

impl User for Asked<'_> {
    fn prompt(&mut self, prompt: &Prompt) -> Reply {
        self.prompts += 1;
        self.user.prompt(prompt)
    }
}

/// How a decided action ended. An action that was allowed and not served is lost: the shop does not refuse
/// actors of the demo for reasons of its own.
fn end_of_outcome(outcome: &Outcome, challenged: bool) -> End {
    let served = outcome.response.as_ref().is_some_and(|response| (200..300).contains(&response.status));
    match (outcome.verdict, outcome.zone) {
        (Verdict::Allow, _) if served => End::Allowed { challenged },
        (Verdict::Allow, _) => End::Lost,
        (Verdict::Challenge(method), _) => End::Challenged(method),
        (Verdict::Block, Answered::Device) => End::OnDevice,
        (Verdict::Block, Answered::Remote) => End::Blocked,
    }
}

/// The refusal inside a flow's error, also where the flow had tried again.
fn end_of_error(error: &FlowError) -> End {
    let mut next: Option<&FlowError> = Some(error);
    while let Some(error) = next {
        if let FlowErrorKind::Refused(refusal) = error.kind() {
            return End::Refused(refusal);
        }
        next = error.source().and_then(|source| source.downcast_ref());
    }
    End::Lost
}

/// How a request without an SDK ended: by its status and the code of its problem document.
pub(crate) fn end_of_answer(response: &Response) -> End {
    if (200..300).contains(&response.status) {
        return End::Allowed { challenged: false };
    }
    let problem: Option<serde_json::Value> = serde_json::from_slice(&response.body).ok();
    let code = problem.as_ref().and_then(|problem| problem.get("code")).and_then(|code| code.as_str());
    let refusal = Refusal::ALL.iter().find(|refusal| Some(refusal.name()) == code);
    refusal.map_or(End::Blocked, |refusal| End::Refused(*refusal))
}

/// What a sound process observes, or a lying one claims.
pub fn all_clear() -> Signals {
    hooked_signals(false)
}

/// What the process observes whose function is patched, or is not.
pub fn hooked_signals(hooked: bool) -> Signals {
    observed(Answer::Value(Value::Bool(hooked)), Answer::Value(Value::Bool(false)))
}

/// Everything that a process of the demo knows: what its two sensors say, and something that no policy releases.
pub(crate) fn observed(hooked: Answer, debugger: Answer) -> Signals {
    let known = [("app.hooked", hooked), ("app.debugger", debugger), ("app.packages", text(DEVICE_ONLY))];
    known.into_iter().filter_map(|(name, answer)| Some((SignalName::parse(name).ok()?, answer))).collect()
}

/// Value of a private signal of every device, in every snapshot, that must never be seen outside of a process: a
/// test looks for it in all captured bytes.
pub const DEVICE_ONLY: &str = "known to this device only: seventeen apps, one of them a pharmacy's";

/// A thread that panicked cannot have left these half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does the paired direct request of an allowed benign one; false if the shop did not serve it.
pub(crate) fn direct(line: &mut dyn Transport, plain: &str, deed: &Deed, holder: &Holder) -> bool {
    let mut request = deeds::request(deed, &holder.user, &holder.token);
    plain.clone_into(&mut request.authority);
    line.exchange(&request).is_ok_and(|response| (200..300).contains(&response.status))
}

/// The owner of a device, as the one who answers its prompts.
pub(crate) fn owner<'a>(world: &'a dyn World, user: &'a str) -> Owner<'a> {
    Owner::new(world.shop(), user)
}
