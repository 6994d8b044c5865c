//! An upstream's socket under hyper: it knows whether its peer has said anything, and looks for itself.
//!
//! What the runtime knows of an idle socket is as old as its last look at all sockets, so before an idle link is used
//! the kernel is asked: one system call instead of a request that is lost on a connection its peer has closed.

use socket2::SockRef;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket.
#[derive(Debug)]
pub(super) struct Line {
    socket: TcpStream,
    ear: Ear,
}

/// What is known of a line while hyper holds it.
#[derive(Clone, Debug, Default)]
pub(super) struct Ear(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// Whether any byte came since [`Ear::listen`].
    any: AtomicBool,
    /// Whether a read only asks if the line is still open and silent.
    probing: AtomicBool,
}

impl Ear {
    /// From here on, what comes answers the next request.
    pub(super) fn listen(&self) {
        self.0.any.store(false, Ordering::Relaxed);
    }

    /// Whether any byte came since.
    pub(super) fn heard(&self) -> bool {
        self.0.any.load(Ordering::Relaxed)
    }

    /// While `probing`, a read takes nothing and asks the kernel.
    pub(super) fn probe(&self, probing: bool) {
        self.0.probing.store(probing, Ordering::Relaxed);
    }
}

impl Line {
    pub(super) fn new(socket: TcpStream) -> (Self, Ear) {
        let ear = Ear::default();
        (Self { socket, ear: ear.clone() }, ear)
    }

    pub(super) fn into_socket(self) -> TcpStream {
        self.socket
    }

    /// Closed lines end, silent ones wait, and one that speaks unasked is broken.
    fn look(&self) -> Poll<io::Result<()>> {
        match SockRef::from(&self.socket).peek(&mut [MaybeUninit::uninit()]) {
            Ok(0) => Poll::Ready(Ok(())),
            Ok(_) => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ear.0.probing.load(Ordering::Relaxed) {
            return this.look();
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.ear.0.any.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
