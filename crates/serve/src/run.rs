//! The life of one process: start in order, say what is up, wait, stop in order.
//!
//! The first signal stops accepting and drains; the second ends at once. A store that has stopped for good ends the
//! process with an error: it is never tried again in this one, since after a failed fsync a retry may succeed without
//! the data.

use crate::backup;
use crate::config::{Role, ServeConfig};
use crate::control::Control;
use crate::error::{ServeError, ServeErrorKind};
use crate::health::Probes;
use crate::installation::Installation;
use crate::keys::Ring;
use crate::reload::Reloader;
use crate::watchdog;
use crate::zones::{Edge, Zones, open_cloud, start_cloud, start_edge};
use crate::{listen, surface};
use glacis_cloud::server::console::Links;
use glacis_cloud::{CloudCore, CloudLimits};
use glacis_host::Host;
use glacis_hosts::HostKind;
use glacis_seal::Context;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

/// What is up, for whoever started it.
#[derive(Clone, Debug)]
pub struct Up {
    /// Where clients connect, or the proxy in front of the host.
    pub edge: Option<SocketAddr>,
    /// Which proxy connects there; `None` where it is the gateway's clients.
    pub host: Option<HostKind>,
    /// Where gateways ask.
    pub nodes: Option<SocketAddr>,
    /// Where operators ask.
    pub admin: Option<SocketAddr>,
    /// Where backends ask.
    pub api: Option<SocketAddr>,
    /// Where the console is.
    pub console: Option<SocketAddr>,
    /// Makes links that open it, once each; a link is for whoever started the process and for no log.
    pub links: Option<Links>,
    /// Where health and metrics are asked for.
    pub health: Option<SocketAddr>,
    /// The control socket.
    pub control: PathBuf,
}

/// How it ended, where it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was drained and stopped.
    Stopped,
    /// A second signal did not wait for that.
    Interrupted,
}

/// An installation whose folder, keys and store are open, and that does not run yet.
pub struct Opened {
    config: ServeConfig,
    installation: Installation,
    ring: Ring,
    cloud: Option<CloudCore>,
    host: Arc<dyn Host>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Opened {
    /// Opens what `config` describes and `role` needs; nothing listens yet.
    ///
    /// # Errors
    /// If the folder, a key or the store is missing, damaged, or of another tenant or realm.
    pub fn open(config: ServeConfig, role: Role, host: Arc<dyn Host>) -> Result<Self, ServeError> {
        let installation = Installation::open(&config.data_dir, false)?;
        let ring = installation.ring(&Context::new(config.tenant.clone(), config.realm))?;
        Self::with(config, role, installation, ring, host)
    }

    /// The same, with folder and ring at hand.
    ///
    /// # Errors
    /// If the store cannot be opened, or the file does not describe the role's zone.
    pub fn with(
        mut config: ServeConfig,
        role: Role,
        installation: Installation,
        ring: Ring,
        host: Arc<dyn Host>,
    ) -> Result<Self, ServeError> {
        narrow(&mut config, role)?;
        let cloud = match &config.cloud {
            Some(section) => {
                let limits = CloudLimits {
                    retention: section.retention,
                    disk_quota: section.disk_quota,
                    enrolments_daily_max: section.enrolment.daily_max,
                    enrolments_prefix_hourly_max: section.enrolment.prefix_hourly_max,
                    issuer_batch_max: section.enrolment.issuer_batch_max,
                    issuer_own_max: section.enrolment.issuer_own_max,
                    ..CloudLimits::default()
                };
                let trusted = crate::enrolment::load(&section.enrolment, ring.context())?;
                let mut core = open_cloud(&installation, &ring, (section, &limits), &trusted, &host)?;
                if let Some(file) = &section.enrolment.collateral {
                    crate::collateral::load(&mut core, file)?;
                }
                Some(core)
            }
            None => None,
        };
        Ok(Self { config, installation, ring, cloud, host })
    }

    /// The store before it is served, and the key ring; `None` where no control plane runs here.
    pub fn cloud_and_ring(&mut self) -> Option<(&mut CloudCore, &Ring)> {
        self.cloud.as_mut().map(|core| (core, &self.ring))
    }

    /// Starts the zones, calls `up` once everything listens, and runs until it is told to stop.
    ///
    /// # Errors
    /// If something does not start, or the store stopped.
    pub fn run(self, up: impl FnOnce(&Up)) -> Result<Ended, ServeError> {
        let failed = |error: &dyn std::fmt::Display| ServeError::failed("process", error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        let ended = runtime.block_on(self.serve(up));
        // A surface that still answers somebody must not hold up the end.
        runtime.shutdown_background();
        ended
    }

    async fn serve(self, up: impl FnOnce(&Up)) -> Result<Ended, ServeError> {
        let Self { config, installation, ring, cloud, host } = self;
        let mut signals = Signals::listen()?;
        let control = Control::bind(&installation.control())?;
        let health = match config.health {
            Some(at) => Some(bind(at).await?),
            None => None,
        };
        let zones = start(&config, &installation, &ring, cloud, &host)?;
        let edge = zones.edge.as_ref().map(|edge| Arc::clone(edge.core()));
        let cloud = zones.cloud.as_ref();
        let stores = cloud.zip(config.cloud.as_ref()).map(|(zone, section)| (&zone.handle, section));
        let probes = Probes::new(stores, edge.clone());
        let facts = Up {
            edge: zones.edge.as_ref().map(Edge::local_addr),
            host: config.host.as_ref().map(|host| host.kind),
            nodes: cloud.map(|cloud| cloud.nodes_at),
            admin: cloud.map(|cloud| cloud.admin_at),
            api: cloud.and_then(|cloud| cloud.api_at),
            console: cloud.and_then(|cloud| cloud.console.as_ref()).map(Links::at),
            links: cloud.and_then(|cloud| cloud.console.clone()),
            health: health.as_ref().and_then(|listener| listener.local_addr().ok()),
            control: installation.control(),
        };
        let gateway = zones.edge.as_ref().map(Edge::reloader);
        let reloader = gateway.map(|gateway| Arc::new(Reloader::new(gateway, config.clone())));
        let (stopping, stopped) = watch::channel(());
        let local = cloud.map(|cloud| cloud.local.clone().merge(backup::router(cloud.handle.clone())));
        let control = tokio::spawn(control.serve(local, edge.clone().zip(reloader.clone()), stopped.clone()));
        if let (Some(zone), Some(section)) = (cloud, &config.cloud)
            && let Some(file) = section.enrolment.collateral.clone()
        {
            tokio::spawn(crate::collateral::watch(zone.handle.clone(), file, stopped.clone()));
        }
        if let Some(listener) = health {
            tokio::spawn(listen::serve(listener, surface::router(probes.clone()), stopped));
        }
        up(&facts);
        let fault = tokio::select! {
            () = signals.stop_or(|| reload(reloader.as_deref())) => None,
            fault = watchdog::fatal(&probes) => Some(fault),
        };
        drop((probes, stopping));
        let _ended = control.await;
        match (stop(zones, &mut signals).await, fault) {
            (Ended::Interrupted, _) => Ok(Ended::Interrupted),
            (Ended::Stopped, None) => Ok(Ended::Stopped),
            (Ended::Stopped, Some(fault)) => Err(ServeError::new(ServeErrorKind::Stopped, fault)),
        }
    }
}

/// Leaves in `config` what `role` runs.
fn narrow(config: &mut ServeConfig, role: Role) -> Result<(), ServeError> {
    if !role.has_cloud() {
        config.cloud = None;
    }
    if !role.has_edge() {
        config.edge = None;
        config.host = None;
    }
    let lacks = match role {
        Role::Cloud => config.cloud.is_none().then_some("cloud"),
        Role::Edge => config.edge.is_none().then_some("edge"),
        Role::All => None,
    };
    match lacks {
        Some(table) => Err(ServeError::new(
            ServeErrorKind::Usage,
            format!("--role {table}: the configuration has no [{table}] table"),
        )),
        None => Ok(()),
    }
}

fn start(
    config: &ServeConfig,
    installation: &Installation,
    ring: &Ring,
    cloud: Option<CloudCore>,
    host: &Arc<dyn Host>,
) -> Result<Zones, ServeError> {
    let mut zones = Zones { cloud: None, edge: None };
    if let (Some(core), Some(section)) = (cloud, &config.cloud) {
        zones.cloud = Some(start_cloud(core, ring, section, Arc::clone(host))?);
    }
    let Some(mut edge) = config.edge.clone() else { return Ok(zones) };
    // The control plane beside it may have been given any free port.
    if let (Some(zone), Some(section)) = (&zones.cloud, &config.cloud)
        && edge.cloud == section.nodes_at
    {
        edge.cloud = zone.nodes_at;
    }
    zones.with_edge(|| start_edge(installation, ring, (edge, config.host.as_ref()), Arc::clone(host)))
}

/// Stops the zones on a thread of their own, so that a second signal is heard meanwhile.
async fn stop(zones: Zones, signals: &mut Signals) -> Ended {
    let (done, stopped) = oneshot::channel();
    let stop = move || {
        zones.stop();
        // Nobody waits any more after a second signal.
        let _gone = done.send(());
    };
    if let Err(error) = std::thread::Builder::new().name("stop".to_owned()).spawn(stop) {
        tracing::error!(%error, "no thread to stop with");
        return Ended::Interrupted;
    }
    tokio::select! {
        _ = stopped => Ended::Stopped,
        () = signals.next() => Ended::Interrupted,
    }
}

async fn bind(at: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(at).await.map_err(|error| {
        let holder = glacis_host::PortHolder::find(at.port(), &error);
        ServeError::failed("health", format!("cannot listen on {at}: {}", holder.reason(&error)))
    })
}

/// SIGHUP: nobody waits for an answer, so it is logged.
fn reload(reloader: Option<&Reloader>) {
    let Some(reloader) = reloader else { return tracing::info!("SIGHUP: no gateway runs here") };
    match reloader.reload("signal", false) {
        Ok(done) => {
            tracing::info!(changed = done.changed, restart = ?done.restart, "configuration read again")
        }
        Err(error) => tracing::error!(%error, "configuration refused; the one in force stays"),
    }
}

/// SIGINT and SIGTERM, and SIGHUP.
#[derive(Debug)]
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, ServeError> {
        let failed = |error| ServeError::failed("process", format!("signals: {error}"));
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let hangup = signal(SignalKind::hangup()).map_err(failed)?;
        Ok(Self { hangup, interrupt, terminate })
    }

    /// Returns when the process is to stop; until then each SIGHUP calls `hung_up`.
    async fn stop_or(&mut self, hung_up: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => hung_up(),
            }
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
