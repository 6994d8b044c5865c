//! Who carries the requests: each with the processes whose CPU counts, all started before the first round.
//!
//! Where a proxy asks a service about each request, the service counts too: without it there is no check.
//! The two lines of the gateway are one process and differ in what is asked of it.

use glacis_bench_edge::load::{self, Fleet, Target};
use glacis_bench_edge::process::{Process, free_ports, local, wait_for};
use glacis_bench_edge::{Outcome, median, peers};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

pub(crate) const NGINX: &str = "nginx";
pub(crate) const BARE: &str = "bare hyper";
pub(crate) const NGINX_AUTH: &str = "nginx + auth_request";
pub(crate) const ENVOY_AUTH: &str = "Envoy + ext_authz";
pub(crate) const PLAIN: &str = "glacis, plain route";
pub(crate) const FULL: &str = "glacis, full trust";

/// One line of the table.
pub(crate) struct Carrier {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    target: Target,
    /// The one that clients talk to, and those that it asks.
    processes: Vec<Rc<Process>>,
    /// CPU of all of its processes, one for each round. Unit: µs a request.
    pub(crate) micros: Vec<f64>,
    /// CPU of the first one alone.
    pub(crate) first_micros: Vec<f64>,
    /// Requests a second.
    pub(crate) rates: Vec<f64>,
}

impl Carrier {
    fn new(name: &'static str, port: u16, target: Target, processes: Vec<Process>) -> Self {
        Self::sharing(name, port, target, processes.into_iter().map(Rc::new).collect())
    }

    fn sharing(name: &'static str, port: u16, target: Target, processes: Vec<Rc<Process>>) -> Self {
        let (micros, first_micros, rates) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, address: local(port), target, processes, micros, first_micros, rates }
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.micros)
    }

    pub(crate) fn wants_verdict(&self) -> bool {
        self.name == FULL
    }

    /// One round; what comes before the first one does not count.
    pub(crate) fn round(&mut self, fleet: &mut Fleet, each: usize, counts: bool) -> Outcome<()> {
        let batches = fleet.asking(self.target, each);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let before = self.cpu_ns()?;
        let sent = runtime.block_on(load::drive(self.address, batches, self.wants_verdict()));
        let sent = sent.map_err(|error| format!("{}: {error}", self.name))?;
        // What a request leaves behind (sync, timers) is part of its cost.
        std::thread::sleep(Duration::from_millis(120));
        let spent: Vec<f64> = self
            .cpu_ns()?
            .iter()
            .zip(&before)
            .map(|(after, before)| (after - before) as f64 / 1e3 / sent.requests as f64)
            .collect();
        if counts {
            self.micros.push(spent.iter().sum());
            self.first_micros.push(spent[0]);
            self.rates.push(sent.requests as f64 / sent.took.as_secs_f64());
        }
        Ok(())
    }

    fn cpu_ns(&self) -> Outcome<Vec<u64>> {
        self.processes.iter().map(|process| process.cpu_ns()).collect()
    }

    /// Resident memory of the first process. Unit: kB.
    pub(crate) fn resident_kb(&self) -> Outcome<u64> {
        self.processes[0].resident_kb()
    }
}

/// Everybody, in the order of the table.
pub(crate) fn start(scratch: &Path, envoy: &Path) -> Outcome<Vec<Carrier>> {
    let ports = free_ports::<10>()?;
    let [backend, nginx, haproxy, bare, plain_envoy, asking_nginx, asking_envoy, glacis, yes, yes_too] =
        ports;
    let apart = scratch.join("envoy");
    std::fs::create_dir_all(&apart)?;
    let (to, state) = (local(backend).to_string(), scratch.join("state"));
    let (bare_at, glacis_at) = (local(bare).to_string(), local(glacis).to_string());
    let event = Target::Event;
    let behind = peers::backend(scratch, backend)?;
    let gateway = Rc::new(peers::own(&["gateway", &glacis_at, &to, &state.to_string_lossy()])?);
    let carriers = vec![
        Carrier::new("direct", backend, event, vec![behind]),
        Carrier::new(NGINX, nginx, event, vec![peers::nginx(scratch, nginx, backend)?]),
        Carrier::new("haproxy", haproxy, event, vec![peers::haproxy(scratch, haproxy, backend)?]),
        Carrier::new(BARE, bare, event, vec![peers::own(&["bare", &bare_at, &to])?]),
        Carrier::new(
            "Envoy",
            plain_envoy,
            event,
            vec![peers::envoy(envoy, scratch, plain_envoy, backend, None)?],
        ),
        Carrier::new(
            NGINX_AUTH,
            asking_nginx,
            event,
            vec![peers::nginx_auth(scratch, asking_nginx, backend, yes)?, peers::yes(scratch, yes)?],
        ),
        Carrier::new(
            ENVOY_AUTH,
            asking_envoy,
            event,
            vec![
                peers::envoy(envoy, scratch, asking_envoy, backend, Some(yes_too))?,
                peers::yes(&apart, yes_too)?,
            ],
        ),
        // One process, two kinds of requests.
        Carrier::sharing(PLAIN, glacis, Target::Plain, vec![Rc::clone(&gateway)]),
        Carrier::sharing(FULL, glacis, event, vec![gateway]),
    ];
    for port in ports {
        wait_for(local(port))?;
    }
    Ok(carriers)
}
