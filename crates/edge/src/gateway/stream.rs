//! A client's socket under hyper: bytes pass the framing tracker on the way in, and progress is noted.
//!
//! Once the tracker refuses, hyper sees no further byte: the requests before are answered first, then the stream
//! ends. Nothing is parsed here twice and nothing is buffered but the start of a connection that may be HTTP/2.

use super::framing::Tracker;
use super::speak::Socket;
use super::watch::{Phase, Watch};
use crate::core::EdgeCore;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's socket.
#[derive(Debug)]
pub(super) struct ClientStream<S> {
    pub(super) socket: S,
    pub(super) tracker: Tracker,
    watch: Arc<Watch>,
    served: Arc<AtomicU64>,
    core: Arc<EdgeCore>,
    start: Start,
}

/// Whether a connection begins as HTTP/2 does.
#[derive(Debug)]
enum Start {
    /// It is over, or nobody asks.
    Known,
    /// So far yes; these bytes hyper has not seen.
    Open(Vec<u8>),
    /// It does; hyper sees the end, and whoever takes the stream back goes on with these bytes.
    Http2(Vec<u8>),
}

impl<S: Socket> ClientStream<S> {
    /// `served` counts the requests that were answered.
    pub(super) fn new(socket: S, core: Arc<EdgeCore>, watch: Arc<Watch>, served: Arc<AtomicU64>) -> Self {
        let tracker = Tracker::new(core.config().limits.head_bytes);
        Self { socket, tracker, watch, served, core, start: Start::Known }
    }

    /// The first bytes may be the preface of HTTP/2.
    pub(super) fn look(&mut self) {
        self.start = Start::Open(Vec::new());
    }

    /// The stream comes under TLS.
    pub(super) fn secured(&mut self) {
        self.tracker = Tracker::new(self.core.config().limits.head_bytes).secured();
    }

    /// What was read where the client speaks HTTP/2.
    pub(super) fn preface(&mut self) -> Option<Vec<u8>> {
        match &mut self.start {
            Start::Http2(early) => Some(std::mem::take(early)),
            Start::Known | Start::Open(_) => None,
        }
    }

    /// Reads until it is known what the client speaks: true where that is HTTP/1.1, with its bytes in `buf`.
    fn begin(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        loop {
            let held = match &mut self.start {
                Start::Known => return Poll::Ready(Ok(true)),
                Start::Http2(_) => return Poll::Ready(Ok(false)),
                Start::Open(held) => held,
            };
            let before = buf.filled().len();
            if held.is_empty() {
                ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
                let fresh = buf.filled().get(before..).unwrap_or(&[]);
                if fresh.is_empty() || !(fresh.starts_with(PREFACE) || PREFACE.starts_with(fresh)) {
                    self.start = Start::Known;
                    return Poll::Ready(Ok(true));
                }
                held.extend_from_slice(fresh);
                buf.set_filled(before);
            } else {
                let mut part = buf.take(PREFACE.len() - held.len());
                ready!(Pin::new(&mut self.socket).poll_read(cx, &mut part))?;
                held.extend_from_slice(part.filled());
                if part.filled().is_empty() || !PREFACE.starts_with(held) {
                    buf.put_slice(&std::mem::take(held));
                    self.start = Start::Known;
                    return Poll::Ready(Ok(true));
                }
            }
            if held.starts_with(PREFACE) {
                self.core.metrics().passed(held.len(), 0);
                self.start = Start::Http2(std::mem::take(held));
            }
        }
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

impl<S: Socket> AsyncRead for ClientStream<S> {
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
        if matches!(this.start, Start::Known) {
            ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        } else if !ready!(this.begin(cx, buf))? {
            return Poll::Ready(Ok(()));
        }
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

impl<S: Socket> AsyncWrite for ClientStream<S> {
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
        if self.tracker.refusal().is_some() || matches!(self.start, Start::Http2(_)) {
            // A refusal still has to be written by whoever takes the stream back from hyper, and HTTP/2 spoken.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// What a connection of HTTP/2 begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
