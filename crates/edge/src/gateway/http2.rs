//! What HTTP/2 needs beside HTTP/1.1: its requests put into the form of the others, or refused where they have none.
//!
//! The h2 library holds the frames, the order and the names of fields to RFC 9113. What a request says twice, or
//! what HTTP/1.1 cannot say in one way, is refused here, before anything is decided (RFC 9113 §10.3): whatever goes
//! on can be written as HTTP/1.1 and be read as the same request.

use super::framing::{HEADERS_MAX, decimal};
use crate::core::EdgeCore;
use crate::gateway::watch::Watch;
use glacis_wire::message::refusal::Refusal;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use hyper::Method;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Makes a request of HTTP/2 say what HTTP/1.1 would say, or refuses it.
pub(super) fn plain(parts: &mut Parts) -> Result<(), Refusal> {
    if parts.headers.len() > HEADERS_MAX {
        return Err(Refusal::HeadTooLarge);
    }
    let scheme = parts.uri.scheme_str().unwrap_or("http");
    if parts.method == Method::CONNECT || !matches!(scheme, "http" | "https") || !is_target(parts) {
        return Err(Refusal::Framing);
    }
    if parts.headers.values().any(|value| !is_trimmed(value.as_bytes())) {
        return Err(Refusal::Framing);
    }
    host(parts)?;
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next()
        && (decimal(length.as_bytes()).is_none() || lengths.next().is_some())
    {
        return Err(Refusal::Framing);
    }
    cookies(&mut parts.headers);
    Ok(())
}

/// Whether the path can stand in a request line: it starts with a slash, or asks of the whole server.
fn is_target(parts: &Parts) -> bool {
    let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let starts = target.starts_with('/') || (target == "*" && parts.method == Method::OPTIONS);
    starts && target.bytes().all(|byte| matches!(byte, 0x21..=0x7E) && byte != b'#')
}

/// RFC 9113 §8.2.1.
fn is_trimmed(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !blank(value.first()) && !blank(value.last())
}

/// Puts the authority where HTTP/1.1 has it. A request that names both names one.
fn host(parts: &mut Parts) -> Result<(), Refusal> {
    let mut fields = parts.headers.get_all(HOST).iter();
    let named = fields.next();
    if fields.next().is_some() {
        return Err(Refusal::Framing);
    }
    let authority = match (parts.uri.authority(), named) {
        (None, None) => return Err(Refusal::Framing),
        (None, Some(host)) => host.as_bytes(),
        (Some(authority), None) => authority.as_str().as_bytes(),
        (Some(authority), Some(host))
            if authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()) =>
        {
            host.as_bytes()
        }
        (Some(_), Some(_)) => return Err(Refusal::Framing),
    };
    let odd = |byte: &u8| matches!(byte, b'@' | b'/' | b'?' | b'#' | b',' | b' ' | b'\t' | 0x80..);
    if authority.is_empty() || authority.iter().any(odd) {
        return Err(Refusal::Framing);
    }
    if named.is_none() {
        let host = HeaderValue::from_bytes(authority).map_err(|_| Refusal::Framing)?;
        parts.headers.insert(HOST, host);
    }
    Ok(())
}

/// One field of all crumbs (RFC 9113 §8.2.3).
fn cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return;
    }
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// How often a client takes requests back, on one connection.
#[derive(Clone, Debug)]
pub(super) struct Resets {
    /// Requests that were answered.
    pub(super) served: Arc<AtomicU64>,
    taken_back: Arc<AtomicU64>,
    max: u64,
    watch: Arc<Watch>,
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(super) struct Running(Option<Resets>);

impl Resets {
    pub(super) fn new(max: u64, watch: Arc<Watch>) -> Self {
        Self { served: Arc::default(), taken_back: Arc::default(), max, watch }
    }

    pub(super) fn begin(&self) -> Running {
        Running(Some(self.clone()))
    }
}

impl Running {
    /// It has one.
    pub(super) fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(resets) = &self.0 else { return };
        let taken_back = resets.taken_back.fetch_add(1, Ordering::Relaxed) + 1;
        // LIMIT: each has cost a decision, and maybe a request to the upstream (CVE-2023-44487).
        if taken_back > resets.max.saturating_add(resets.served.load(Ordering::Relaxed)) {
            resets.watch.kill();
        }
    }
}

/// Shortest write that counts as progress of a connection. Unit: bytes.
const PROGRESS_BYTES: usize = 1_024;

/// A client's socket under HTTP/2: what was read too early comes first, and bytes are counted.
#[derive(Debug)]
pub(super) struct Wire<S> {
    socket: S,
    early: Vec<u8>,
    core: Arc<EdgeCore>,
    watch: Arc<Watch>,
}

impl<S> Wire<S> {
    pub(super) fn new(socket: S, early: Vec<u8>, core: &Arc<EdgeCore>, watch: &Arc<Watch>) -> Self {
        Self { socket, early, core: Arc::clone(core), watch: Arc::clone(watch) }
    }

    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.core.metrics().passed(0, *bytes);
            // An answer leaves after its stream is gone; what answers pings is shorter.
            if *bytes >= PROGRESS_BYTES {
                self.watch.progress();
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.early.is_empty() {
            let count = this.early.len().min(buf.remaining());
            buf.put_slice(this.early.get(..count).unwrap_or(&[]));
            this.early.drain(..count);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, buf);
        this.core.metrics().passed(buf.filled().len() - before, 0);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
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
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
