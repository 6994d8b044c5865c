//! A blocking HTTP/1.1 client over hyper: one connection an authority, kept alive, reopened when the peer closed it.
//!
//! It stands for what an app's own network stack does. It connects to loopback only and reads no message; what
//! its time-outs and retries may cause (a request that arrived twice) is the protocol's to withstand.

use bytes::Bytes;
use glacis_sdk::drive::{Lost, Transport};
use glacis_wire::http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{authority}: {what}")]
pub struct TransportError {
    authority: String,
    what: String,
}

/// The client of one device.
pub struct Loopback {
    runtime: Runtime,
    source: Ipv4Addr,
    open: BTreeMap<String, SendRequest<Full<Bytes>>>,
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loopback").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Loopback {
    /// A client for device `number`, with a source prefix (/24) of its own.
    ///
    /// # Errors
    /// If the kernel grants no event queue.
    pub fn new(number: u32) -> std::io::Result<Self> {
        let [_, _, middle, low] = number.to_be_bytes();
        // Clear of 127.0.0.0/24, where the servers are; 16 bits of number, then prefixes repeat.
        let source = Ipv4Addr::new(127, 64_u8.wrapping_add(middle), low, 1);
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        Ok(Self { runtime, source, open: BTreeMap::new() })
    }

    /// Sends `request` to its authority, which must be a loopback address and port.
    ///
    /// A request on a kept connection that the peer closed meanwhile is sent again on a new one; the signed
    /// sequence number makes a second copy of a request that did arrive a refused replay, never a second event.
    ///
    /// # Errors
    /// If there is no answer in time, or none in HTTP.
    pub fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        let (source, kept) = (self.source, self.open.remove(&request.authority));
        let exchange = exchange(source, kept, request);
        let done = self.runtime.block_on(async { tokio::time::timeout(WAIT, exchange).await });
        let error = |what: String| TransportError { authority: request.authority.clone(), what };
        let (sender, response) = done.map_err(|_| error("no answer in time".to_owned()))?.map_err(error)?;
        self.open.insert(request.authority.clone(), sender);
        Ok(response)
    }
}

impl Transport for Loopback {
    fn exchange(&mut self, request: &Request) -> Result<Response, Lost> {
        self.send(request).map_err(|error| {
            tracing::debug!(%error, "no answer");
            Lost
        })
    }
}

type Sender = SendRequest<Full<Bytes>>;

async fn exchange(
    source: Ipv4Addr,
    kept: Option<Sender>,
    request: &Request,
) -> Result<(Sender, Response), String> {
    if let Some(mut sender) = kept
        && sender.ready().await.is_ok()
    {
        match once(&mut sender, request).await {
            Ok(response) => return Ok((sender, response)),
            Err(error) if error.is_canceled() || error.is_incomplete_message() => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let mut sender = connect(source, &request.authority).await?;
    let response = once(&mut sender, request).await.map_err(|error| error.to_string())?;
    Ok((sender, response))
}

async fn connect(source: Ipv4Addr, authority: &str) -> Result<Sender, String> {
    let target: SocketAddr = authority.parse().map_err(|_| "not an address and port".to_owned())?;
    if !target.ip().is_loopback() {
        return Err("not on loopback".to_owned());
    }
    let connected = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        let stream = socket.connect(target).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    };
    let stream = connected.await.map_err(|error| error.to_string())?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // The connection runs while a later `send` blocks on this runtime; its end shows as a failed `ready`.
    tokio::spawn(async move {
        let _ended = connection.await;
    });
    Ok(sender)
}

async fn once(sender: &mut Sender, request: &Request) -> Result<Response, hyper::Error> {
    let mut head = http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("{}{}", request.path, request.query))
        .header("host", &request.authority);
    for (name, value) in &request.headers {
        head = head.header(name, value);
    }
    // An unbuildable head becomes a request that the server refuses, so that a caller's bug is seen in tests.
    let outgoing = head.body(Full::new(Bytes::from(request.body.clone()))).unwrap_or_default();
    let (head, body) = sender.send_request(outgoing).await?.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map(|body| body.to_bytes().to_vec());
    // A body over the limit reads as empty: whoever needs it fails to parse it.
    Ok(Response { status: head.status.as_u16(), headers, body: body.unwrap_or_default() })
}

/// Longest wait for an answer; far above every limit of the servers.
const WAIT: Duration = Duration::from_secs(10);
/// Longest body that a client of the demo reads: a device bundle. Unit: bytes.
const BODY_BYTES_MAX: usize = glacis_wire::limits::BUNDLE_BYTES_MAX;
