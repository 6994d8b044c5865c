//! One device with its app: the real SDK client, its line, and what the simulator remembers of its actions.
//!
//! An actor sees what an app sees (outcomes and refusals), never who decided. Whatever it does, its full snapshot
//! is kept for the check; the snapshot is what its process knew, or what a lying process claimed.

use crate::attack::{Attempt, End};
use crate::chips::{Chip, Chips};
use crate::deeds;
use crate::persona::Owner;
use crate::platform::{Makers, Platform};
use crate::schedule::{Deed, Make};
use crate::snapshots::{Snapshot, Snapshots, text};
use crate::world::{Line, World, WorldError};
use glacis_dtx::tpm::{DeviceTpm, Measured, TpmOptions};
use glacis_dtx::{Enrolled, KeyStore, SoftwareKeyStore, Vault};
use glacis_host::{Host, MemoryFiles};
use glacis_sdk::chip::TpmAttester;
use glacis_sdk::drive::{Reply, Transport, Unattended, User, drive};
use glacis_sdk::flow::enrol::{Attester, NoEvidence};
use glacis_sdk::{
    Action, Answered, Client, ClientParts, DEVICE_FINAL_TTL, DeviceSlice, FlowError, FlowErrorKind, Judged,
    Outcome, Prompt, SignalSet, SignalSource,
};
use glacis_seal::Context;
use glacis_wire::http::Response;
use glacis_wire::message::policy::KeySet;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Answer, Disclosed, EventId, EventName, SignalName, Thumbprint, Timestamp, Value, Verdict};
use std::collections::BTreeMap;
use std::error::Error;
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
    /// Its TPM, if it has one.
    chip: Option<Arc<Chip>>,
    /// What proves something about it, if anything does.
    platform: Option<Proves>,
}

/// What proves something about a device, as long as its app runs.
type Proves = Box<dyn Attester + Send>;

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

/// What a device is made of.
pub struct Kit<'a> {
    /// Its clock and entropy.
    pub host: Arc<dyn Host>,
    /// What proves something about it when it enrols.
    pub attester: &'a mut dyn Attester,
    /// Whose it is.
    pub holder: Holder,
    /// Its way to the gateway.
    pub line: Line,
    /// What its process observes.
    pub sense: Sense,
    /// Its TPM, which then holds its keys and gives the evidence.
    pub chip: Option<Arc<Chip>>,
}

impl fmt::Debug for Kit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("holder", &self.holder.user).finish_non_exhaustive()
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
        let mut platform = platform(world.makers(), world, make, number)?;
        let host = world.host(&format!("device-{number}"));
        let chip = match make {
            Make::Chip => Some(Arc::new(chips(world)?.make()?)),
            _ => None,
        };
        let none = &mut NoEvidence as &mut dyn Attester;
        let attester = platform.as_mut().map_or(none, |own| own);
        let device = Self::assemble(world.site(), Kit { host, attester, holder, line, sense, chip })?;
        let device =
            device.map_err(|end| WorldError::new("device", format!("its enrolment ended in {end}")))?;
        let own = platform.map(|own| Box::new(own) as Proves);
        Ok(Self { platform: own.or(device.platform), ..device })
    }

    /// A device of `make` whose evidence comes from makers that nobody anchors; the inner error is its refusal.
    ///
    /// # Errors
    /// If the world fails.
    pub fn with_forged_root(
        world: &dyn World,
        number: u32,
        make: Make,
        holder: Holder,
        line: Line,
    ) -> Result<Result<Self, End>, WorldError> {
        let host = world.host(&format!("forger-{number}"));
        let forger = Makers::found(world.site().context.clone(), &*host);
        let forger = forger.map_err(|error| WorldError::new("forger", error))?;
        let mut platform = platform(&forger, world, make, number)?;
        let none = &mut NoEvidence as &mut dyn Attester;
        let attester = platform.as_mut().map_or(none, |own| own);
        let sense = Box::new(all_clear);
        Self::assemble(world.site(), Kit { host, attester, holder, line, sense, chip: None })
    }

    /// Enrols and pulls the bundle.
    ///
    /// # Errors
    /// The outer one if the world fails, the inner one if the device is refused.
    pub fn assemble(site: &Site, kit: Kit<'_>) -> Result<Result<Self, End>, WorldError> {
        let Kit { host, attester, holder, mut line, sense, chip } = kit;
        let mind = Arc::new(Mutex::new(Mind { sense, last: Signals::new() }));
        let on = Machine { files: MemoryFiles::new(), host, chip };
        let (mut client, tpm) = client(site, &on, &mind)?.map_err(|why| WorldError::new("key store", why))?;
        let mut own = tpm.map(|tpm| TpmAttester::new(tpm, Measured::default()));
        let attester = own.as_mut().map_or(attester, |own| own);
        let appraised = match drive(&mut client.enrol(attester), &mut *line, &mut Unattended) {
            Ok(appraised) => appraised,
            Err(error) if error.kind() == FlowErrorKind::Unattested => {
                return Err(WorldError::new("evidence", why(&error)));
            }
            Err(error) => return Ok(Err(end_of_error(&error))),
        };
        let Machine { files, chip, .. } = on;
        let (thumbprint, platform) = (appraised.thumbprint, own.map(|own| Box::new(own) as Proves));
        Self { client, line, thumbprint, mind, holder, files, chip, platform }.pulled().map(Ok)
    }

    /// The app started again on this device's disk: enrolled, without session.
    ///
    /// # Errors
    /// If the world fails.
    pub fn restarted(self, world: &dyn World, number: u32) -> Result<Self, WorldError> {
        let files = self.files.clone();
        self.restored(world, number, files)?.map_err(|why| WorldError::new("restart", why))
    }

    /// The app started again on what this device's disk once was, under the same chip. The inner error says why it does
    /// not open.
    ///
    /// # Errors
    /// If the world fails.
    pub fn restored(
        self,
        world: &dyn World,
        number: u32,
        files: MemoryFiles,
    ) -> Result<Result<Self, String>, WorldError> {
        let Self { client: old, line, thumbprint, mind, holder, chip, platform, .. } = self;
        // A chip serves one process at a time, and its attester is one of them.
        let platform = platform.filter(|_| chip.is_none());
        drop(old);
        let host = world.host(&format!("restarted-{number}"));
        let app = App { line, thumbprint, mind, holder, platform };
        app.started(world.site(), Machine { files, host, chip })
    }

    /// The app started on a copy of this device's disk, on a machine of the thief's: enrolled as this device is, with its
    /// chain of sessions, and with its keys where no chip holds them. The inner error says why it does not open.
    ///
    /// # Errors
    /// If the world fails.
    pub fn copied(
        &self,
        world: &dyn World,
        number: u32,
        chip: Option<Arc<Chip>>,
    ) -> Result<Result<Self, String>, WorldError> {
        let host = world.host(&format!("copied-{number}"));
        let mind = Arc::new(Mutex::new(Mind { sense: Box::new(all_clear), last: Signals::new() }));
        let (line, holder) = (world.line(number)?, self.holder.clone());
        let app = App { line, thumbprint: self.thumbprint, mind, holder, platform: None };
        app.started(world.site(), Machine { files: self.disk(), host, chip })
    }

    /// What its disk holds now.
    pub fn disk(&self) -> MemoryFiles {
        self.files.snapshot()
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

    /// Logs its user in again: a log-in lasts an hour.
    ///
    /// # Errors
    /// If the shop gives no token.
    pub fn log_in(&mut self, world: &dyn World) -> Result<(), WorldError> {
        let token = world.shop().issue(&self.holder.user);
        self.holder.token = token.ok_or_else(|| WorldError::new("shop", "no token"))?;
        Ok(())
    }

    /// Proves anew what this device is, if that is due; says whether it was. A refusal changes nothing: what is vouched for
    /// ends when it would have ended.
    ///
    /// # Errors
    /// If the world fails, or the platform does.
    pub fn keep_attested(&mut self) -> Result<Option<Result<(), End>>, WorldError> {
        if !self.client.is_attestation_due() {
            return Ok(None);
        }
        let none = &mut NoEvidence as &mut dyn Attester;
        let attester = self.platform.as_mut().map_or(none, |own| &mut **own);
        match drive(&mut self.client.attest_anew(attester), &mut *self.line, &mut Unattended) {
            Ok(appraised) => {
                self.thumbprint = appraised.thumbprint;
                Ok(Some(Ok(())))
            }
            Err(error) if error.kind() == FlowErrorKind::Unattested => {
                Err(WorldError::new("evidence", why(&error)))
            }
            Err(error) => Ok(Some(Err(end_of_error(&error)))),
        }
    }

    /// Until when the cloud vouches for this device.
    pub fn attested_until(&mut self) -> Option<Timestamp> {
        self.client.line().enrolment().map(Enrolled::not_after)
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
        let mut prompted = Prompted { user, prompts: 0 };
        let mut act = self.client.act(action).map_err(|error| WorldError::new("client", error))?;
        let event = act.event_id();
        let result = drive(&mut act, &mut *self.line, &mut prompted);
        let prompts = prompted.prompts;
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
        let mut prompted = Prompted { user, prompts: 0 };
        let act = self.client.danger_act_disclosing(action, disclosed);
        let mut act = act.map_err(|error| WorldError::new("client", error))?;
        let event = act.event_id();
        let result = drive(&mut act, &mut *self.line, &mut prompted);
        let prompts = prompted.prompts;
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

/// What an app runs on.
struct Machine {
    files: MemoryFiles,
    host: Arc<dyn Host>,
    chip: Option<Arc<Chip>>,
}

/// An app that was enrolled before, and who uses it.
struct App {
    line: Line,
    thumbprint: Thumbprint,
    mind: Arc<Mutex<Mind>>,
    holder: Holder,
    /// Its platform; one with a TPM gets a new one, of the machine's.
    platform: Option<Proves>,
}

impl App {
    /// Starts it on this machine, without session. The inner error says why its files do not open there.
    fn started(self, site: &Site, on: Machine) -> Result<Result<Device, String>, WorldError> {
        let Self { line, thumbprint, mind, holder, platform } = self;
        match client(site, &on, &mind)? {
            Ok((client, tpm)) => {
                let Machine { files, chip, .. } = on;
                let tpm = tpm.map(|tpm| Box::new(TpmAttester::new(tpm, Measured::default())) as Proves);
                let platform = platform.or(tpm);
                Device { client, line, thumbprint, mind, holder, files, chip, platform }.pulled().map(Ok)
            }
            Err(why) => Ok(Err(why)),
        }
    }
}

/// An SDK client and the chip that it uses.
type Opened = (Client, Option<Arc<DeviceTpm>>);

/// An SDK client on this machine; what the files hold of keys, enrolment and sessions counts. The inner error is a key
/// store that does not open.
fn client(site: &Site, on: &Machine, mind: &Arc<Mutex<Mind>>) -> Result<Result<Opened, String>, WorldError> {
    let Machine { files, host, chip } = on;
    let vault = Vault::open(Arc::new(files.clone()), Arc::clone(host), site.context.clone());
    let vault = Arc::new(vault.map_err(|error| WorldError::new("vault", error))?);
    let (keys, tpm) = match keys(&vault, chip.as_deref()) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(why(&*error))),
    };
    let parts = ClientParts {
        vault,
        keys,
        pinned: site.pinned.clone(),
        authority: site.edge.clone(),
        app: None,
        source: Box::new(Remembering(Arc::clone(mind))),
        device_final_ttl: DEVICE_FINAL_TTL,
    };
    let client = Client::new(parts).map_err(|error| WorldError::new("client", error))?;
    Ok(Ok((client, tpm)))
}

/// A key store and the chip that it uses.
type Keys = (Arc<dyn KeyStore>, Option<Arc<DeviceTpm>>);

/// The keys of this vault: in the chip where there is one, else in software.
fn keys(vault: &Arc<Vault>, chip: Option<&Chip>) -> Result<Keys, Box<dyn Error>> {
    match chip {
        Some(chip) => {
            let tpm = DeviceTpm::open(Arc::clone(vault), Box::new(chip.link()), TpmOptions::default())?;
            Ok((Arc::new(tpm.key_store()?), Some(tpm)))
        }
        None => Ok((Arc::new(SoftwareKeyStore::open(Arc::clone(vault))?), None)),
    }
}

/// An error with its causes, in one line.
fn why(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The world's maker of chips.
pub(crate) fn chips(world: &dyn World) -> Result<&Chips, WorldError> {
    world.chips().ok_or_else(|| WorldError::new("tpm", "this world has no chips"))
}

/// The platform of a new device, if it has one.
pub(crate) fn platform(
    makers: &Makers,
    world: &dyn World,
    make: Make,
    number: u32,
) -> Result<Option<Platform>, WorldError> {
    let host = world.host(&format!("factory-{number}"));
    makers.platform(make, number, &host).map_err(|error| WorldError::new("makers", error))
}

/// Passes prompts on and counts them.
struct Prompted<'a> {
    user: &'a mut dyn User,
    prompts: u32,
}

impl User for Prompted<'_> {
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
