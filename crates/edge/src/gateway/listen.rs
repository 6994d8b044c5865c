//! Listening sockets: one a worker on the same port, and a clear word about who holds a port that is taken.
//!
//! Who holds it is read from what the kernel tells this user; where it tells nothing, the error says so instead of
//! guessing. A port that is taken is never shared.

use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// A port cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {holder}")]
pub struct BindError {
    address: SocketAddr,
    holder: Holder,
    #[source]
    cause: io::Error,
}

/// Who holds a port, as far as this process may see.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// The port is not taken; the reason is another.
    Nobody,
    /// Taken, and this process may not see by whom.
    Unknown,
    Process {
        id: u32,
        name: String,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("refused by the operating system"),
            Self::Unknown => f.write_str("in use by another process that this user may not look at"),
            Self::Process { id, name } => write!(f, "in use by `{name}` (process {id})"),
        }
    }
}

impl BindError {
    fn new(address: SocketAddr, cause: io::Error) -> Self {
        let holder = if cause.kind() == io::ErrorKind::AddrInUse {
            holder(address.port()).unwrap_or(Holder::Unknown)
        } else {
            Holder::Nobody
        };
        Self { address, holder, cause }
    }
}

/// Listeners for `count` workers. The first is bound alone, so that a port that another process shares by
/// `SO_REUSEPORT` is an error and not a silent split of its traffic.
pub(super) fn bind(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, BindError> {
    let fail = |cause| BindError::new(address, cause);
    let first = socket(address, false).map_err(fail)?;
    let bound = first.local_addr().map_err(fail)?;
    if count <= 1 {
        return Ok(vec![first]);
    }
    drop(first);
    (0..count).map(|_| socket(bound, true).map_err(fail)).collect()
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Connections that wait to be accepted. Source: the kernel's own default ceiling.
const BACKLOG: i32 = 4_096;

/// The process that listens on `port`: its socket's inode from `/proc/net/tcp`, found again among open files.
fn holder(port: u16) -> Option<Holder> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path())
                .is_ok_and(|to| links.iter().any(|link| to.as_os_str() == link.as_str()))
        };
        if files.flatten().any(holds) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(Holder::Process { id, name: name.trim().to_owned() });
        }
    }
    None
}

/// Inodes of sockets in state LISTEN (`0A`) on `port`, from a table in the form of `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let matches = columns.get(1)?.ends_with(&suffix) && *columns.get(3)? == "0A";
        matches.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        for workers in [1, 2] {
            let error = bind(address, workers).unwrap_err().to_string();
            let me = format!("(process {})", std::process::id());
            assert!(error.contains(&format!("cannot listen on {address}: in use by `")), "{error}");
            assert!(error.contains(&me), "{error}");
        }
    }

    #[test]
    fn workers_share_a_free_port() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert!(ports.len() == 3 && ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    }
}
