//! A hooked app, for real: a process of its own that runs the SDK, and an attacker who patches it meanwhile.
//!
//! [`main`] is the app: it enrols, guards the function that asks its user, and transfers money only if that
//! function says yes. `attack` is the attacker: starts the app, changes the function through `/proc/PID/mem` or by
//! Frida, and lets it act. The app's snapshots come back on its stdout pipe, for the equality check; no socket sees
//! them.

pub mod frida;
mod hook;
pub mod pipe;

pub use hook::{Hooked, SecureHardware, VictimCommand};

use crate::actor::{Device, Holder, Kit, Signals, Site, observed};
use crate::attack::{Attempt, End, Stage};
use crate::deeds;
use crate::net::Loopback;
use crate::persona::Stranger;
use crate::platform::Platform;
use crate::schedule::{Deed, Make};
use crate::snapshots::{Snapshot, Snapshots};
use crate::world::WorldError;
use frida::Frida;
use glacis_host::{Host, SystemHost};
use glacis_sdk::flow::enrol::{Asked, AttestFailure, Attester};
use glacis_sdk::sensor::{Guarded, Suite, SuiteConfig, signal};
use glacis_seal::text::hex;
use glacis_seal::{Context, PublicKey};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::policy::KeySet;
use glacis_wire::message::tpm::Activation;
use glacis_wire::{Answer, Decode, Encode, EventId, EventName, Realm, SignalName, TenantId, Thumbprint};
use pipe::{Brief, Line, MARK, unhex};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Has the user agreed to pay `amount`? The app's own gate, and what the attacker patches.
#[inline(never)]
pub fn agreed(amount: i64, consent: Option<i64>) -> bool {
    let asked = black_box(amount);
    let given = black_box(consent);
    black_box(given.is_some_and(|given| given == asked && given > 0))
}

/// The app. Reads a [`Brief`] and orders from stdin, says [`Line`]s on stdout.
pub fn main() -> ExitCode {
    let mut orders = io::stdin().lock().lines();
    match app(&mut || orders.next().and_then(Result::ok)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _gone = say(&Line::Failed { why });
            ExitCode::FAILURE
        }
    }
}

fn app(order: &mut dyn FnMut() -> Option<String>) -> Result<(), String> {
    let brief: Brief = order().and_then(|line| serde_json::from_str(&line).ok()).ok_or("no brief")?;
    let snapshots = Snapshots::default();
    let mut device = install(&brief, order)?;
    let address = agreed as fn(i64, Option<i64>) -> bool as usize as u64;
    say(&Line::Ready { address }).map_err(text)?;
    order().ok_or("no order")?;
    let deed = Deed::Transfer { payee: brief.payee.clone(), amount: brief.amount };
    for _ in 0..brief.times {
        // Nobody agreed to anything; only a patched gate lets the app go on.
        if !agreed(brief.amount, None) {
            say(&acted(&deed, Attempt { event: None, end: End::Declined }, None)?).map_err(text)?;
            continue;
        }
        let nobody = &mut Stranger::default();
        let attempt = if brief.unleashed {
            device.act_unleashed(&deed, nobody, &snapshots)
        } else {
            device.act(&deed, nobody, &snapshots)
        };
        let attempt = attempt.map_err(text)?;
        let snapshot = attempt.event.and_then(|(device, event)| snapshots.of(device, event));
        say(&acted(&deed, attempt, snapshot)?).map_err(text)?;
    }
    device.report();
    say(&Line::Done).map_err(text)
}

/// Enrols the app's device, with real sensors on this very process.
fn install(brief: &Brief, order: &mut dyn FnMut() -> Option<String>) -> Result<Device, String> {
    let tenant = TenantId::parse(&brief.tenant).map_err(text)?;
    let pinned =
        unhex(&brief.pinned).and_then(|bytes| KeySet::from_bytes(&bytes).ok()).ok_or("no pinned keys")?;
    let host = Arc::new(SystemHost::new());
    let site = Site { context: Context::new(tenant, Realm::Demo), edge: brief.edge.clone(), pinned };
    let suite = sensors(Arc::clone(&host) as Arc<dyn Host>).map_err(text)?;
    let sense = move || {
        suite.check(CHECK_MAX);
        let readings = suite.readings();
        observed(signal::answer("app.hooked", &readings), signal::answer("app.debugger", &readings))
    };
    let kit = Kit {
        host,
        attester: &mut Told(order),
        holder: Holder { user: brief.user.clone(), token: brief.token.clone() },
        line: Box::new(Loopback::new(brief.number).map_err(text)?),
        sense: Box::new(sense),
        chip: None,
    };
    let device = Device::assemble(&site, kit).map_err(text)?;
    device.map_err(|end| format!("enrolment ended in {end}"))
}

/// The secure hardware of the app's device is in the process that started it.
struct Told<'a>(&'a mut dyn FnMut() -> Option<String>);

impl Attester for Told<'_> {
    fn evidence(
        &mut self,
        asked: &Asked<'_>,
        _activation: Option<&Activation>,
    ) -> Result<Option<Evidence>, AttestFailure> {
        let device_key = hex(&asked.device_key.to_bytes().map_err(AttestFailure::new)?);
        let challenge = hex(&asked.challenge.nonce);
        say(&Line::Attest { challenge, device_key }).map_err(AttestFailure::new)?;
        let told = (self.0)().and_then(|line| unhex(&line)).ok_or("the hardware does not answer");
        let told = told.map_err(AttestFailure::new)?;
        Evidence::from_bytes(&told).map(Some).map_err(AttestFailure::new)
    }
}

/// All sensors, on this very process; their baselines are taken on return.
fn sensors(host: Arc<dyn Host>) -> io::Result<Suite> {
    let gate = Guarded::new("agreed", agreed as fn(i64, Option<i64>) -> bool as usize);
    let suite = Suite::start(SuiteConfig::new().guard(gate).share_permille(SENSOR_SHARE), host)?;
    if suite.check(BASELINE_MAX) { Ok(suite) } else { Err(io::Error::other("the sensors do not come up")) }
}

/// Share of one core that the sensors may take, in thousandths: this app lives for a second, so that its baselines are
/// most of what they cost.
const SENSOR_SHARE: u16 = 200;
/// How long an action waits for a fresh look at everything; what is older answers after that.
const CHECK_MAX: Duration = Duration::from_millis(50);
/// How long the app waits for its baselines, on the busiest machine.
const BASELINE_MAX: Duration = Duration::from_secs(20);

fn acted(deed: &Deed, attempt: Attempt, snapshot: Option<Snapshot>) -> Result<Line, String> {
    let encoded = |answers: &BTreeMap<SignalName, Answer>| {
        let one =
            |(name, answer): (&SignalName, &Answer)| Some((name.to_string(), hex(&answer.to_bytes().ok()?)));
        answers.iter().filter_map(one).collect()
    };
    Ok(Line::Acted {
        event: deeds::event(deed).map_err(text)?.to_string(),
        thumbprint: attempt.event.map(|(device, _)| hex(device.as_bytes())),
        event_id: attempt.event.map(|(_, event)| hex(event.as_bytes())),
        end: attempt.end.to_string(),
        device: snapshot.as_ref().map(|snapshot| encoded(&snapshot.device)).unwrap_or_default(),
        request: snapshot.as_ref().map(|snapshot| encoded(&snapshot.request)).unwrap_or_default(),
    })
}

fn say(line: &Line) -> io::Result<()> {
    let mut out = io::stdout().lock();
    // A line of its own, whatever a test harness printed before.
    writeln!(out, "\n{MARK}{}", serde_json::to_string(line)?)?;
    out.flush()
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// One attack on one app.
#[derive(Debug)]
pub(crate) struct Raid<'a> {
    /// Number of the device.
    pub(crate) number: u32,
    /// Whose app it is.
    pub(crate) holder: &'a Holder,
    /// To whom it shall pay.
    pub(crate) payee: &'a str,
    /// Sends although the own slice blocks.
    pub(crate) unleashed: bool,
    /// With Frida; else through `/proc/PID/mem`.
    pub(crate) frida: Option<&'a Frida>,
}

/// Starts the app, changes its gate, lets it act, and takes its snapshots. `Err` inside is a Frida that could not
/// inject, and why: nothing was attacked then.
///
/// # Errors
/// If the process cannot be started, patched or understood.
pub(crate) fn attack(stage: &Stage<'_>, raid: &Raid<'_>) -> Result<Result<Vec<Attempt>, String>, WorldError> {
    let failed = |error: &dyn ToString| WorldError::new("victim", error.to_string());
    let world = stage.world;
    let command = world.victim().ok_or_else(|| failed(&"this world has no processes"))?;
    let mut platform = crate::actor::platform(world.makers(), world, Make::StrongBox, raid.number)?;
    let site = world.site();
    let brief = Brief {
        tenant: site.context.tenant.to_string(),
        edge: site.edge.clone(),
        number: raid.number,
        user: raid.holder.user.clone(),
        token: raid.holder.token.clone(),
        pinned: hex(&site.pinned.to_bytes().map_err(|error| failed(&error))?),
        unleashed: raid.unleashed,
        payee: raid.payee.to_owned(),
        amount: crate::attack::HOOKED_AMOUNT,
        times: crate::attack::HOOKED_TRANSFERS,
    };
    let mut attest = |challenge: &[u8], key: &[u8]| evidence(platform.as_mut()?, challenge, key);
    let (mut hooked, address) =
        Hooked::start(command, &brief, &mut attest).map_err(|error| failed(&error))?;
    // The hook lives as long as this, and the app acts meanwhile.
    let injected = match raid.frida.map(|frida| frida.hook(hooked.pid(), address)) {
        Some(Err(why)) => return Ok(Err(why.to_string())),
        Some(Ok(injection)) => Some(injection),
        None => {
            hooked.patch(address).map_err(|error| failed(&error))?;
            None
        }
    };
    let lines = hooked.act().map_err(|error| failed(&error))?;
    drop(injected);
    let attempts =
        lines.iter().map(|line| heard(line, stage.snapshots).ok_or_else(|| failed(&"it says nonsense")));
    attempts.collect::<Result<_, _>>().map(Ok)
}

fn evidence(platform: &mut Platform, challenge: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let key = PublicKey::from_bytes(key).ok()?;
    platform.attest(challenge, &key).ok()?.to_bytes().ok()
}

/// One action as the app told it; its snapshot is kept.
fn heard(line: &Line, snapshots: &Snapshots) -> Option<Attempt> {
    let Line::Acted { event, thumbprint, event_id, end, device, request } = line else { return None };
    let end = End::parse(end)?;
    let (Some(thumbprint), Some(event_id)) = (thumbprint, event_id) else {
        return Some(Attempt { event: None, end });
    };
    let thumbprint = Thumbprint::from_bytes(&unhex(thumbprint)?).ok()?;
    let event_id = EventId::from_bytes(&unhex(event_id)?).ok()?;
    let decoded = |answers: &BTreeMap<String, String>| -> Option<Signals> {
        let one = |(name, answer): (&String, &String)| {
            Some((SignalName::parse(name).ok()?, Answer::from_bytes(&unhex(answer)?).ok()?))
        };
        answers.iter().map(one).collect()
    };
    let (device, request) = (decoded(device)?, decoded(request)?);
    snapshots.keep(thumbprint, event_id, Snapshot { event: EventName::parse(event).ok()?, device, request });
    Some(Attempt { event: Some((thumbprint, event_id)), end })
}
