//! Connections to upstreams and to the cloud, kept alive per worker.
//!
//! A link is driven by the task that uses it: whoever waits for the answer also polls the connection. That saves
//! a task, a channel hop and two wake-ups a request against the usual spawned connection. An idle link is driven by
//! nobody; that its peer closed it shows on its next use, and a request that was not sent is sent over a fresh one.

use super::body::UpBody;
use super::watch::Watch;
use crate::state::lock;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;

/// Most idle links that one worker keeps to one place.
const IDLE_MAX: usize = 512;

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    sender: SendRequest<UpBody>,
    connection: Connection<TokioIo<TcpStream>, UpBody>,
    closed: bool,
}

/// Idle connections of one worker to one place.
#[derive(Debug)]
pub(super) struct Links {
    address: SocketAddr,
    #[expect(clippy::vec_box, reason = "a link is large and moves at every step of a request")]
    idle: Mutex<Vec<Box<Link>>>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    /// No connection, or it broke, or its peer does not speak HTTP.
    Broken,
    /// Waited too long.
    Expired,
}

impl Link {
    /// Lets the connection do what it can; remembers whether it is over.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.closed {
            self.closed = Pin::new(&mut self.connection).poll(cx).is_ready();
        }
    }
}

impl Link {
    /// The socket behind a link whose peer switched protocols, and what was read from it since.
    pub(super) fn into_socket(self) -> (TcpStream, Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf)
    }
}

impl Links {
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::new(Vec::new()) }
    }

    /// Keeps a link for the next request, if it can serve one.
    pub(super) fn put(&self, link: Box<Link>) {
        let mut idle = lock(&self.idle);
        if !link.closed && link.sender.is_ready() && idle.len() < IDLE_MAX {
            idle.push(link);
        }
    }

    /// An idle link that is still open.
    fn take(&self) -> Option<Box<Link>> {
        loop {
            let mut link = lock(&self.idle).pop()?;
            link.drive(&mut Context::from_waker(Waker::noop()));
            if !link.closed && link.sender.is_ready() {
                return Some(link);
            }
        }
    }

    async fn connect(&self) -> Result<Box<Link>, LinkError> {
        let socket = TcpStream::connect(self.address).await.map_err(|_| LinkError::Broken)?;
        socket.set_nodelay(true).map_err(|_| LinkError::Broken)?;
        let (mut sender, mut connection) =
            http1::handshake(TokioIo::new(socket)).await.map_err(|_| LinkError::Broken)?;
        let mut closed = false;
        poll_fn(|cx| {
            closed = Pin::new(&mut connection).poll(cx).is_ready();
            sender.poll_ready(cx)
        })
        .await
        .map_err(|_| LinkError::Broken)?;
        Ok(Box::new(Link { sender, connection, closed }))
    }

    /// Sends a request and waits for the head of its answer. A request that an idle link did not take goes over
    /// a fresh one; one that was sent is never sent again.
    pub(super) async fn send(
        &self,
        mut request: Request<UpBody>,
        watch: Option<&Watch>,
    ) -> Result<(Response<Incoming>, Box<Link>), LinkError> {
        if let Some(link) = self.take() {
            match exchange(link, request, watch).await {
                Err(Unsent::Back(back)) => request = *back,
                Err(Unsent::Lost(error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
        // On the heap: it happens once a connection, and would make every request's future larger.
        let link = expiring(Box::pin(self.connect()).as_mut(), watch).await??;
        exchange(link, request, watch).await.map_err(|unsent| match unsent {
            Unsent::Back(_) => LinkError::Broken,
            Unsent::Lost(error) => error,
        })
    }
}

enum Unsent {
    Back(Box<Request<UpBody>>),
    Lost(LinkError),
}

/// Waits for `work` unless the watch says that it took too long.
async fn expiring<T>(
    mut work: Pin<&mut impl Future<Output = T>>,
    watch: Option<&Watch>,
) -> Result<T, LinkError> {
    poll_fn(|cx| {
        if watch.is_some_and(Watch::take_expired) {
            return Poll::Ready(Err(LinkError::Expired));
        }
        work.as_mut().poll(cx).map(Ok)
    })
    .await
}

async fn exchange(
    mut link: Box<Link>,
    request: Request<UpBody>,
    watch: Option<&Watch>,
) -> Result<(Response<Incoming>, Box<Link>), Unsent> {
    let mut answer = pin!(link.sender.try_send_request(request));
    let done = poll_fn(|cx| {
        if watch.is_some_and(Watch::take_expired) {
            return Poll::Ready(Err(LinkError::Expired));
        }
        if !link.closed {
            link.closed = Pin::new(&mut link.connection).poll(cx).is_ready();
        }
        answer.as_mut().poll(cx).map(Ok)
    });
    match done.await {
        Ok(Ok(response)) => Ok((response, link)),
        Ok(Err(mut failed)) => Err(match failed.take_message() {
            Some(request) => Unsent::Back(Box::new(request)),
            None => Unsent::Lost(LinkError::Broken),
        }),
        Err(error) => Err(Unsent::Lost(error)),
    }
}
