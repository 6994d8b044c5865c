//! Processes under measurement: started on one core, their CPU time read, ended by their own handle.
//!
//! A role of this very program (a gateway, a bare proxy) is started as a child like any peer, so that nothing of the
//! load generator is in its account.

use crate::Outcome;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where proxies run.
pub const PROXY_CORE: &str = "1";
/// Where load, backend and whatever else is not measured run.
pub const LOAD_CORE: &str = "0";

/// One process; killed when dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`, whose first argument is a core, through `taskset`.
    pub fn start(command: &mut Command) -> Outcome<Self> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("{command:?} does not start: {error}"))?;
        Ok(Self { child })
    }

    /// On-CPU time of all threads so far. Unit: nanoseconds.
    pub fn cpu_ns(&self) -> Outcome<u64> {
        let mut sum = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            sum += text.split(' ').next().unwrap_or("0").parse::<u64>()?;
        }
        Ok(sum)
    }

    /// Resident memory. Unit: kB.
    pub fn resident_kb(&self) -> Outcome<u64> {
        resident_kb(&self.child.id().to_string())
    }
}

/// Resident memory of a process (`self` for this one). Unit: kB.
pub fn resident_kb(process: &str) -> Outcome<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no resident memory told")?;
    Ok(kb.trim().parse()?)
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pins this process to the core of the load.
pub fn pin() -> Outcome<()> {
    let own = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-cp", LOAD_CORE, &own]).stdout(Stdio::null()).status()?;
    if pinned.success() { Ok(()) } else { Err("taskset cannot pin this process".into()) }
}

/// Ports that nobody listens on now.
pub fn free_ports<const N: usize>() -> Outcome<[u16; N]> {
    let mut held = Vec::new();
    for _ in 0..N {
        held.push(std::net::TcpListener::bind("127.0.0.1:0")?);
    }
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// Waits until something listens there.
pub fn wait_for(address: SocketAddr) -> Outcome<()> {
    let start = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if start.elapsed() > Duration::from_secs(20) {
            return Err(format!("nothing listens on {address}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// An address of this machine.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
