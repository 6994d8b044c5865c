//! A client's socket under hyper: bytes pass the framing tracker on the way in, and progress is noted.
//!
//! Once the tracker refuses, hyper sees no further byte: the requests before are answered first, then the stream
//! ends. Nothing is parsed here twice and nothing is buffered.

use super::framing::Tracker;
use super::watch::{Phase, Watch};
use crate::core::EdgeCore;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A client's socket.
#[derive(Debug)]
pub(super) struct ClientStream {
    pub(super) socket: TcpStream,
    pub(super) tracker: Tracker,
    watch: Arc<Watch>,
    served: Arc<AtomicU64>,
    core: Arc<EdgeCore>,
}

impl ClientStream {
    /// `served` counts the requests that were answered.
    pub(super) fn new(
        socket: TcpStream,
        core: Arc<EdgeCore>,
        watch: Arc<Watch>,
        served: Arc<AtomicU64>,
    ) -> Self {
        let tracker = Tracker::new(core.config().limits.head_bytes);
        Self { socket, tracker, watch, served, core }
    }

    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(written) = written {
            self.watch.progress();
            self.core.metrics().passed(0, written.as_ref().map_or(0, |bytes| *bytes));
        }
    }

    /// Whether hyper may see the end of a stopped stream: inside a body at once (the request is lost), at a head
    /// when everything before it was answered.
    fn may_end(&self) -> bool {
        !self.tracker.stopped_at_head() || self.is_served()
    }

    /// Whether every good head was answered.
    pub(super) fn is_served(&self) -> bool {
        self.served.load(Ordering::Acquire) >= self.tracker.heads
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.tracker.refusal().is_some() {
            // hyper takes the end of the stream for a lost client while it serves a request: let it finish.
            return if this.may_end() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        let fresh = buf.filled().get(before..).unwrap_or(&[]);
        if fresh.is_empty() {
            return Poll::Ready(Ok(()));
        }
        this.core.metrics().passed(fresh.len(), 0);
        let was_in_head = this.tracker.is_in_head();
        let passed = this.tracker.feed(fresh);
        buf.set_filled(before + passed);
        if this.tracker.is_in_head() {
            // Only the first bytes of a head start its clock, or a drip would never end.
            if !was_in_head {
                this.watch.enter(Phase::Head);
            }
        } else {
            this.watch.enter(Phase::Busy);
        }
        if passed == 0 && !this.may_end() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tracker.refusal().is_some() {
            // A refusal still has to be written by whoever takes the stream back from hyper.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
