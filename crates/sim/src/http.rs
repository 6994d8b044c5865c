//! The demo's world: gateway, control plane and shop as real servers on loopback, each on a thread of its own.
//!
//! Keys, roots and ports are made per run. The servers know nothing of the simulator; it reaches them by their
//! sockets, and reads the control plane's file after it stopped.

use crate::actor::Site;
use crate::chips::Chips;
use crate::gate::{self, Places};
use crate::inprocess::{decided, open_cloud, publish};
use crate::keys::RunKeys;
use crate::net::{Capture, Link, Loopback};
use crate::platform::Makers;
use crate::policies::Policies;
use crate::shop::{self, Shop};
use crate::terminal::{Part, Progress};
use crate::victim::VictimCommand;
use crate::world::{Line, World, WorldError};
use glacis_cloud::server::console::Links;
use glacis_cloud::server::node::NodeKey;
use glacis_cloud::server::writer::WriterLimits;
use glacis_cloud::server::{Hosted, ServerConfig};
use glacis_cloud::{CloudCore, CloudError, CloudErrorKind, OtpSender};
use glacis_edge::EdgeCore;
use glacis_edge::gateway::{Gateway, Running};
use glacis_host::{Clock, DirFiles, Host, SystemHost};
use glacis_seal::MacKey;
use glacis_wire::{NodeName, Thumbprint};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// What a run is set up with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Where control plane and gateway keep their files; must not hold another run's.
    pub folder: &'a Path,
    /// The policies to publish.
    pub policies: &'a Policies,
    /// Records every byte on every socket.
    pub capture: Option<Arc<Capture>>,
    /// How victim processes are started.
    pub victim: VictimCommand,
    /// Whether some devices have emulated TPMs.
    pub tpm: bool,
}

/// The running servers.
#[derive(Debug)]
pub struct HttpWorld {
    site: Site,
    plain: String,
    shop: Arc<Shop>,
    makers: Makers,
    host: Arc<SystemHost>,
    victim: VictimCommand,
    chips: Option<Chips>,
    store: PathBuf,
    console: Option<String>,
    gateway: Option<Running>,
    cloud: Option<Hosted>,
    doors: Option<shop::http::Server>,
}

/// Name of the one gateway.
const NODE: &str = "edge-1";
/// Longest wait for the gateway to get policies and feed.
const READY_WAIT: Duration = Duration::from_secs(10);
/// Pause between two looks whether it has.
const READY_POLL: Duration = Duration::from_millis(2);

impl HttpWorld {
    /// Starts everything and tells `progress` about keys, control plane, gateway and shop.
    ///
    /// # Errors
    /// If a part does not start; the message says which, and why.
    pub fn start(setup: Setup<'_>, progress: &mut dyn Progress) -> Result<Self, WorldError> {
        let host = Arc::new(SystemHost::new());
        let mut lap = Lap::new(&host);
        let keys = RunKeys::make(&*host).map_err(|error| WorldError::new("keys", error))?;
        let makers = Makers::found(keys.context().clone(), &*host);
        let makers = makers.map_err(|error| WorldError::new("makers", error))?;
        progress.tick(Part::Keys, lap.took(), "keys and roots of this run");
        let chips = chips(&setup)?;
        chips.iter().for_each(|_| progress.tick(Part::Chips, lap.took(), "a CA for emulated TPMs"));

        let token = keys.token().map_err(|error| WorldError::new("keys", error))?;
        let clock: Arc<dyn Clock> = Arc::clone(&host) as Arc<dyn Clock>;
        let shop = Arc::new(Shop::new(keys.context().clone(), token, keys.decision(), clock));
        let store = new_store(setup.folder)?;
        let mut core =
            open_cloud(&keys, &makers, chips.as_ref(), &store, Arc::clone(&host) as Arc<dyn Host>)?;
        publish(&mut core, &keys, setup.policies, &*host)?;
        let bootstrap = core.bootstrap_token().map_err(|error| WorldError::new("cloud", error))?;
        let cloud = start_cloud(core, &keys, Arc::clone(&shop), Arc::clone(&host))?;
        let access = bootstrap.map_or(String::new(), |token| {
            format!(", bootstrap token (works once, for an hour) {}", token.expose())
        });
        let detail = format!("control plane on {}, admin on {}{access}", cloud.nodes_at, cloud.admin_at);
        progress.tick(Part::Cloud, lap.took(), &detail);
        let link = cloud.console.as_ref().map(Links::make).transpose();
        let console =
            link.map_err(|error| WorldError::new("console", error))?.map(|link| link.url().to_owned());
        console.iter().for_each(|link| progress.console(link));

        let doors =
            shop::http::Server::start(Arc::clone(&shop)).map_err(|error| WorldError::new("shop", error))?;
        let shop_took = lap.took();
        let forward = |link, target| match &setup.capture {
            None => Ok(target),
            Some(capture) => capture.forward(link, target).map_err(|error| WorldError::new("capture", error)),
        };
        let places = Places {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            cloud: forward(Link::EdgeCloud, cloud.nodes_at)?,
            shop: forward(Link::EdgeShop, doors.protected)?,
        };
        let gateway = start_gateway(places, &keys, setup.folder, &host)?;
        let edge = forward(Link::FleetEdge, gateway.local_addr())?;
        progress.tick(Part::Edge, lap.took(), &format!("gateway on {}", gateway.local_addr()));
        progress.tick(Part::Shop, shop_took, &format!("shop on {}", doors.protected));
        let plain = forward(Link::FleetShop, doors.plain)?;
        Ok(Self {
            site: Site {
                context: keys.context().clone(),
                edge: edge.to_string(),
                pinned: keys.key_set().clone(),
            },
            plain: plain.to_string(),
            shop,
            makers,
            host,
            victim: setup.victim,
            chips,
            store,
            console,
            gateway: Some(gateway),
            cloud: Some(cloud),
            doors: Some(doors),
        })
    }

    /// What an operator does or sees at the control plane.
    ///
    /// # Errors
    /// What the control plane says; also if it has stopped.
    pub fn cloud<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut CloudCore) -> Result<T, CloudError> + Send + 'static,
    ) -> Result<T, CloudError> {
        let Some(cloud) = &self.cloud else {
            return Err(CloudError::new(CloudErrorKind::Stopped, "the control plane has stopped"));
        };
        cloud.handle.call_blocking(run)
    }

    /// What opened the console, once.
    pub fn console(&self) -> Option<&str> {
        self.console.as_deref()
    }

    /// Stops everything, the gateway first so that it can bring what it owes; returns the control plane's file.
    ///
    /// All lines should be gone before, or the gateway waits for them.
    pub fn stop(mut self) -> PathBuf {
        self.end();
        self.store.clone()
    }

    fn end(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.shutdown();
        }
        self.cloud = None;
        self.doors = None;
    }
}

/// Who makes TPMs for this run, if it has some.
fn chips(setup: &Setup<'_>) -> Result<Option<Chips>, WorldError> {
    setup.tpm.then(|| Chips::open(&setup.folder.join("tpm"))).transpose()
}

/// The control plane's file, which must not be there yet.
fn new_store(folder: &Path) -> Result<PathBuf, WorldError> {
    let store = folder.join("cloud.db");
    if !store.exists() {
        return Ok(store);
    }
    let what = "is another run's; keys are made per run, so give an empty folder";
    Err(WorldError::new("cloud", format!("`{}` {what}", store.display())))
}

impl Drop for HttpWorld {
    fn drop(&mut self) {
        self.end();
    }
}

impl World for HttpWorld {
    fn site(&self) -> &Site {
        &self.site
    }

    fn plain(&self) -> &str {
        &self.plain
    }

    fn shop(&self) -> &Shop {
        &self.shop
    }

    fn makers(&self) -> &Makers {
        &self.makers
    }

    fn host(&self, _label: &str) -> Arc<dyn Host> {
        Arc::clone(&self.host) as Arc<dyn Host>
    }

    fn line(&self, number: u32) -> Result<Line, WorldError> {
        Loopback::new(number)
            .map(|line| Box::new(line) as Line)
            .map_err(|error| WorldError::new("line", error))
    }

    fn pass(&self, by: Duration) {
        if !by.is_zero() {
            thread::sleep(by);
        }
    }

    fn victim(&self) -> Option<&VictimCommand> {
        Some(&self.victim)
    }

    fn chips(&self) -> Option<&Chips> {
        self.chips.as_ref()
    }

    fn is_listed(&self, device: &Thumbprint) -> bool {
        self.gateway.as_ref().is_some_and(|gateway| gateway.core().listed(device).is_some())
    }

    fn decided(&self) -> (u32, u32) {
        self.gateway.as_ref().map_or((0, 0), |gateway| decided(gateway.core()))
    }
}

/// Serves `core` from a thread of its own.
fn start_cloud(
    core: CloudCore,
    keys: &RunKeys,
    otp: Arc<Shop>,
    host: Arc<SystemHost>,
) -> Result<Hosted, WorldError> {
    let failed = |error: &dyn std::fmt::Display| WorldError::new("cloud", error.to_string());
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let name = NodeName::parse(NODE).map_err(|error| failed(&error))?;
    let config = ServerConfig {
        nodes_at: anywhere,
        admin_at: anywhere,
        api_at: None,
        console_at: Some(anywhere),
        webhook: None,
        nodes: vec![NodeKey { name, key: MacKey::new(keys.node().clone()) }],
        writer: WriterLimits::default(),
        otp: otp as Arc<dyn OtpSender>,
        host,
    };
    Hosted::start(core, config).map_err(|error| failed(&error))
}

/// Starts the gateway and waits until it holds policies and feed.
fn start_gateway(
    places: Places,
    keys: &RunKeys,
    folder: &Path,
    host: &Arc<SystemHost>,
) -> Result<Running, WorldError> {
    let failed = |error: &dyn std::fmt::Display| WorldError::new("edge", error.to_string());
    let config = gate::config(places, &keys.token_key()).map_err(|error| failed(&error))?;
    let files = DirFiles::open(folder.join("edge")).map_err(|error| failed(&error))?;
    let core = EdgeCore::new(config, keys.edge(), Arc::clone(host) as Arc<dyn Host>, Arc::new(files));
    let core = Arc::new(core.map_err(|error| failed(&error))?);
    let gateway = Gateway::bind(Arc::clone(&core)).map_err(|error| failed(&error))?;
    let running = gateway.start().map_err(|error| failed(&error))?;
    let began = host.monotonic();
    while !core.is_ready() {
        if host.monotonic().saturating_sub(began) > READY_WAIT {
            running.shutdown();
            return Err(failed(&"no policy came from the control plane"));
        }
        thread::sleep(READY_POLL);
    }
    Ok(running)
}

/// Time since the last part was up.
struct Lap<'a> {
    host: &'a SystemHost,
    last: Duration,
}

impl<'a> Lap<'a> {
    fn new(host: &'a SystemHost) -> Self {
        Self { host, last: host.monotonic() }
    }

    fn took(&mut self) -> Duration {
        let now = self.host.monotonic();
        now.saturating_sub(std::mem::replace(&mut self.last, now))
    }
}
