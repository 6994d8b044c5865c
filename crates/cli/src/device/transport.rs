//! A blocking HTTP/1.1 client of one authority, for a command that lives as long as one request.
//!
//! It keeps what an error message needs: why there was no answer, and what time the other side says it is. It
//! follows no redirect and reads no more than a limit.

use bytes::Bytes;
use glacis_sdk::drive::{Lost, Transport};
use glacis_wire::http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::fmt;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

type Sender = SendRequest<Full<Bytes>>;

/// The client.
pub(super) struct Http {
    runtime: Runtime,
    authority: String,
    timeout: Duration,
    open: Option<Sender>,
    /// Why the last request got no answer.
    pub(super) lost: Option<String>,
    /// `Date` of the last answer, as it came.
    pub(super) date: Option<String>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Http {
    /// A client that waits so long for an answer.
    pub(super) fn new(authority: &str, timeout: Duration) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let authority = authority.to_owned();
        Ok(Self { runtime, authority, timeout, open: None, lost: None, date: None })
    }

    /// Whom it asks.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }
}

impl Transport for Http {
    fn exchange(&mut self, request: &Request) -> Result<Response, Lost> {
        let kept = self.open.take();
        let exchange = exchange(&self.authority, kept, request);
        let timeout = self.timeout;
        let done = self.runtime.block_on(async { tokio::time::timeout(timeout, exchange).await });
        match done.unwrap_or_else(|_| Err(format!("no answer within {} s", timeout.as_secs()))) {
            Ok((sender, response)) => {
                self.open = Some(sender);
                self.date = response.header("date").map(str::to_owned);
                Ok(response)
            }
            Err(why) => {
                self.lost = Some(why);
                Err(Lost)
            }
        }
    }
}

async fn exchange(
    authority: &str,
    kept: Option<Sender>,
    request: &Request,
) -> Result<(Sender, Response), String> {
    if let Some(mut sender) = kept
        && sender.ready().await.is_ok()
    {
        match once(&mut sender, authority, request).await {
            Ok(response) => return Ok((sender, response)),
            // Closed before it was sent. Anything later may have arrived, and is the flow's to repeat.
            Err(Failed { unsent: true, .. }) => {}
            Err(failed) => return Err(failed.what),
        }
    }
    let mut sender = connect(authority).await?;
    let response = once(&mut sender, authority, request).await.map_err(|failed| failed.what)?;
    Ok((sender, response))
}

async fn connect(authority: &str) -> Result<Sender, String> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let stream = TcpStream::connect(&address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // The connection runs while this runtime is blocked on; its end shows as a failed `ready`.
    tokio::spawn(async move {
        let _ended = connection.await;
    });
    Ok(sender)
}

struct Failed {
    what: String,
    unsent: bool,
}

async fn once(sender: &mut Sender, authority: &str, request: &Request) -> Result<Response, Failed> {
    let failed = |what: String| Failed { what, unsent: false };
    let mut head = http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("{}{}", request.path, request.query))
        .header("host", authority);
    for (name, value) in &request.headers {
        head = head.header(name, value);
    }
    let outgoing = head.body(Full::new(Bytes::from(request.body.clone())));
    let outgoing = outgoing.map_err(|error| failed(error.to_string()))?;
    let answer = sender.send_request(outgoing).await;
    let answer = answer.map_err(|error| Failed { unsent: error.is_canceled(), what: error.to_string() })?;
    let (head, body) = answer.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| failed(format!("the answer's body: {error}")))?.to_bytes().to_vec();
    Ok(Response { status: head.status.as_u16(), headers, body })
}

/// Longest body of an answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;
