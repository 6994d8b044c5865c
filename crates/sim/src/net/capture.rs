//! A recorder between the parts of the demo, for the test that the equality check puts nothing on a socket.
//!
//! Where a run has a [`Capture`], every listener of the demo is reached through a forwarder of it that keeps all
//! bytes of both directions. What is kept is compared and searched after the run; nothing is changed on the way.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Between whom bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// Fleet and gateway.
    FleetEdge,
    /// Gateway and control plane.
    EdgeCloud,
    /// Gateway and shop.
    EdgeShop,
    /// Fleet and the shop's plain listener (login, paired measurements).
    FleetShop,
}

/// All bytes of one direction of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Between whom.
    pub link: Link,
    /// Whether these are the bytes of the side that connected.
    pub request: bool,
    /// What was sent, in order.
    pub bytes: Vec<u8>,
}

/// Keeps what crossed the sockets of one run.
#[derive(Debug, Default)]
pub struct Capture {
    frames: Mutex<Vec<Arc<Mutex<Frame>>>>,
}

impl Capture {
    /// An empty recorder.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Starts a forwarder to `target` and returns where it listens. It lives as long as the process.
    ///
    /// # Errors
    /// If no loopback port can be bound.
    pub fn forward(self: &Arc<Self>, link: Link, target: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let capture = Arc::clone(self);
        thread::Builder::new().name("capture".to_owned()).spawn(move || {
            for inbound in listener.incoming().filter_map(Result::ok) {
                let _ended = capture.join(link, inbound, target);
            }
        })?;
        Ok(address)
    }

    /// Everything that was recorded so far: of each connection first what was asked, then what was answered.
    pub fn frames(&self) -> Vec<Frame> {
        let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.iter().map(|frame| frame.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }

    fn join(&self, link: Link, inbound: TcpStream, target: SocketAddr) -> io::Result<()> {
        // The client's source address is kept, so the edge's prefix limits see what they would see.
        let outbound = connect_as(inbound.peer_addr()?, target)?;
        inbound.set_nodelay(true)?;
        outbound.set_nodelay(true)?;
        let frame = |request| Arc::new(Mutex::new(Frame { link, request, bytes: Vec::new() }));
        let (asked, answered) = (frame(true), frame(false));
        // In one step, so that both directions of a connection stay neighbours.
        let both = [Arc::clone(&asked), Arc::clone(&answered)];
        self.frames.lock().unwrap_or_else(PoisonError::into_inner).extend(both);
        let (from, to) = (inbound.try_clone()?, outbound.try_clone()?);
        for (from, to, frame) in [(from, to, asked), (outbound, inbound, answered)] {
            thread::Builder::new().name("capture".to_owned()).spawn(move || pump(from, to, &frame))?;
        }
        Ok(())
    }
}

fn connect_as(peer: SocketAddr, target: SocketAddr) -> io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(peer.ip(), 0))?;
        socket.connect(target).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn pump(mut from: TcpStream, mut to: TcpStream, frame: &Mutex<Frame>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let sent = buffer.get(..count).unwrap_or_default();
        frame.lock().unwrap_or_else(PoisonError::into_inner).bytes.extend_from_slice(sent);
        if to.write_all(sent).is_err() {
            break;
        }
    }
    let _closed = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
}
