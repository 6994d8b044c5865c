//! Listening sockets: one a worker on the same port, and a clear word about who holds a port that is taken.
//!
//! Who holds it is read from what the kernel tells this user; where it tells nothing, the error says so instead of
//! guessing. A port that is taken is never shared.

use glacis_host::PortHolder;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// A port cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", holder.reason(cause))]
pub struct BindError {
    address: SocketAddr,
    holder: PortHolder,
    #[source]
    cause: io::Error,
}

impl BindError {
    fn new(address: SocketAddr, cause: io::Error) -> Self {
        Self { address, holder: PortHolder::find(address.port(), &cause), cause }
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
