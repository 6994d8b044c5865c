//! The running client: folder, sensors on this very process, SDK and transport, put together.
//!
//! The sensors are an app's sensors: what traces or patches this process shows in what it discloses. A command
//! that lives for milliseconds gives them little to see; they are here so that the whole path is exercised.

use super::custody::{Chip, Shown, StoreName, key_error};
use super::fault;
use super::home::{Home, broken};
use super::transport::Http;
use crate::codes::Code;
use crate::error::CliError;
use glacis_dtx::{EnrolError, Enrolled, KeyStore, Role, Vault};
use glacis_host::{Clock, SystemHost};
use glacis_sdk::drive::{Unattended, drive};
use glacis_sdk::flow::enrol::{Appraised, Attester, NoEvidence};
use glacis_sdk::sensor::{Guarded, Prologue, Sensor, Tracer};
use glacis_sdk::{Client, ClientParts, DEVICE_FINAL_TTL, FlowError, FlowErrorKind, Sensors};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Answer, AppName, SignalName, Thumbprint, Value};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// A device that can act.
pub(super) struct Phone {
    pub(super) client: Client,
    pub(super) http: Http,
    pub(super) host: Arc<SystemHost>,
    pub(super) keys: Arc<dyn KeyStore>,
    /// What proves where the keys are, if the device shows it.
    chip: Option<Chip>,
}

impl Phone {
    /// Puts it together. Each write of the session reserves `block` request numbers.
    pub(super) fn assemble(
        home: &Home,
        http: Http,
        host: &Arc<SystemHost>,
        block: NonZeroU32,
    ) -> Result<Self, CliError> {
        let now = host.now();
        let shown = Shown::of(&home.vault)?;
        let (keys, chip) = StoreName::of(&home.vault)?.open_with_chip(&home.vault)?;
        let chip = chip.filter(|_| shown == Shown::Native);
        let client = Client::new(ClientParts {
            vault: Arc::clone(&home.vault),
            keys: Arc::clone(&keys),
            pinned: home.profile.pinned.clone(),
            authority: home.profile.authority.0.clone(),
            app: AppName::parse(&home.profile.app_id).ok(),
            source: Box::new(sensors(host, &home.profile.app_id)?),
            device_final_ttl: DEVICE_FINAL_TTL,
        });
        let mut client = client.map_err(|error| fault::flow(&http, error, now))?;
        client.keep_sessions(block).map_err(|error| fault::flow(&http, error, now))?;
        Ok(Self { client, http, host: Arc::clone(host), keys, chip })
    }

    /// Takes what the installation publishes, if it has published anything.
    pub(super) fn pull(&mut self) -> Result<(), CliError> {
        match drive(&mut self.client.pull(), &mut self.http, &mut Unattended) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == FlowErrorKind::Refused(Refusal::Unavailable) => Ok(()),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Enrols, or renews an enrolment: with the same keys, or with a new device key that the present one vouches for.
    pub(super) fn enrol(&mut self, new_key: bool) -> Result<Appraised, CliError> {
        let mut chip = self.chip.as_ref().map(Chip::attester).transpose()?;
        let attester: &mut dyn Attester = match &mut chip {
            Some(chip) => chip,
            None => &mut NoEvidence,
        };
        let mut flow = if new_key { self.client.replace_key(attester) } else { self.client.enrol(attester) };
        let done = drive(&mut flow, &mut self.http, &mut Unattended);
        done.map_err(|error| self.fault(error))
    }

    /// Everything before a signature: an enrolment and a session that last, the newest policy, a leg that the edge
    /// holds.
    pub(super) fn make_ready(&mut self, renew: bool) -> Result<(), CliError> {
        self.pull()?;
        if self.enrolment_ends_soon()? {
            self.enrol(false)?;
        }
        if renew {
            self.client.distrust_leg();
        }
        let checked = drive(&mut self.client.check(), &mut self.http, &mut Unattended);
        checked.map_err(|error| self.fault(error))
    }

    /// Whether the enrolment would not outlast a session, or is about keys that were renewed since.
    pub(super) fn enrolment_ends_soon(&mut self) -> Result<bool, CliError> {
        let now = self.host.now();
        let enrolled = self.client.line().enrolment();
        let enrolled =
            enrolled.ok_or_else(|| CliError::new(Code::DeviceMissing, "the device is not enrolled"))?;
        let certificate = enrolled.certificate();
        let key = |role| self.keys.public(role).map_err(|error| key_error(&error));
        let fits = key(Role::Device)? == Some(certificate.device_key)
            && certificate
                .passkey
                .is_none_or(|passkey| key(Role::PASSKEY).is_ok_and(|key| key == Some(passkey)));
        Ok(!fits || enrolled.not_after() < now.after(RENEWAL))
    }

    /// Tells the installation what the device decided itself. It is told again with the next one if this fails.
    pub(super) fn report(&mut self) {
        if let Some(mut report) = self.client.report() {
            let _told = drive(&mut report, &mut self.http, &mut Unattended);
        }
    }

    /// A flow's error as one of the command.
    pub(super) fn fault(&self, error: FlowError) -> CliError {
        fault::flow(&self.http, error, self.host.now())
    }
}

/// The device that this folder is enrolled as.
pub(super) fn enrolled_as(vault: &Vault) -> Result<Thumbprint, CliError> {
    let enrolled = Enrolled::load(vault).map_err(|error| match error {
        EnrolError::Vault(error) => broken(&error),
        error => CliError::new(Code::DeviceBroken, error.to_string()),
    })?;
    let missing = || CliError::new(Code::DeviceMissing, "the device is not enrolled");
    enrolled.map(|enrolled| enrolled.thumbprint()).ok_or_else(missing)
}

/// Sensors on this process, under the names of the shipped catalogue; a policy that reads others finds nothing.
fn sensors(host: &Arc<SystemHost>, app_id: &str) -> Result<Sensors, CliError> {
    let clock = Arc::clone(host) as Arc<dyn Clock>;
    let failed =
        |error: std::io::Error| CliError::new(Code::Internal, format!("a sensor does not start: {error}"));
    let guarded = [
        Guarded::new("sign", super::sign::run as fn(_, _) -> _ as usize),
        Guarded::new("fetch", super::fetch::run as fn(_, _) -> _ as usize),
    ];
    let hooked: Arc<dyn Sensor> = Arc::new(Prologue::start(&guarded, Arc::clone(&clock)).map_err(failed)?);
    let debugger: Arc<dyn Sensor> = Arc::new(Tracer::start(clock).map_err(failed)?);
    let name =
        |name| SignalName::parse(name).map_err(|error| CliError::new(Code::Internal, error.to_string()));
    let mut sensors =
        Sensors::new().sensor(name("app.hooked")?, hooked).sensor(name("app.debugger")?, debugger);
    if !app_id.is_empty() {
        sensors = sensors.fixed(name("app.id")?, Answer::Value(Value::String(app_id.to_owned())));
    }
    Ok(sensors)
}

/// An enrolment that ends within this is renewed first: no session may outlive it.
const RENEWAL: Duration = Duration::from_secs(60 * 60);
