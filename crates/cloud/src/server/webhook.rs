//! Delivers the outbox: posts what is due, signed as standard-webhooks has it, until the receiver takes it.
//!
//! Where it posts comes from the operator's configuration and from nowhere else; redirects are not followed. `https`
//! under the system's roots, or `http` to loopback. What the receiver answers is its status, nothing of its body is
//! read. Delivery never waits on a decision, nor a decision on delivery.

use super::Shared;
use crate::error::CloudError;
use crate::webhook::{Message, Tell};
use axum::body::Body;
use glacis_seal::webhook::WebhookKey;
use glacis_wire::Timestamp;
use http::{Request, StatusCode, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;

/// Time for a receiver to answer. Source: standard-webhooks, 15 to 30 seconds.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// Pause between two looks at an empty outbox.
const POLL: Duration = Duration::from_millis(250);
/// Messages on their way at once.
const AT_ONCE: u32 = 8;

/// Who is told of what.
#[derive(Clone, Debug)]
pub struct Webhook {
    url: Uri,
    keys: Vec<WebhookKey>,
    tell: Tell,
}

/// Why a webhook cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Not an address that may be posted to.
    #[error(
        "`{0}` is no `https` address, nor an `http` address of a loopback IP such as http://127.0.0.1:9000/"
    )]
    Url(String),
    /// No secret, or one of another form.
    #[error("secret {0} is not `whsec_` followed by 24 to 64 bytes in base64")]
    Secret(usize),
    /// Too many secrets.
    #[error("at most 4 secrets sign at once: the new one and those that are about to end")]
    Secrets,
}

impl Webhook {
    /// Posts to `url`, signed under each of `secrets` (one usually; two while one is replaced).
    pub fn new<'s>(
        url: &str,
        secrets: impl IntoIterator<Item = &'s str>,
        tell: Tell,
    ) -> Result<Self, WebhookError> {
        let wrong = || WebhookError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']);
        let loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        match uri.scheme_str() {
            Some("https") if !user => {}
            Some("http") if loopback && !user => {}
            _ => return Err(wrong()),
        }
        let parse = |(at, secret): (usize, &str)| {
            WebhookKey::parse(secret.trim()).map_err(|_| WebhookError::Secret(at + 1))
        };
        let keys = secrets.into_iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()?;
        match keys.len() {
            0 => Err(WebhookError::Secret(1)),
            1..=4 => Ok(Self { url: uri, keys, tell }),
            _ => Err(WebhookError::Secrets),
        }
    }

    pub(super) const fn tell(&self) -> Tell {
        self.tell
    }

    pub(super) fn url(&self) -> String {
        self.url.to_string()
    }

    fn request(&self, message: &Message, now: Timestamp) -> Result<Request<Body>, http::Error> {
        let seconds = now.as_secs();
        let sign = |key: &WebhookKey| key.sign(&message.name, seconds, &message.body);
        Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "glacis")
            .header("webhook-id", &message.name)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", self.keys.iter().map(sign).collect::<Vec<_>>().join(" "))
            .body(Body::from(message.body.clone()))
    }
}

type Sender = Client<HttpsConnector<HttpConnector>, Body>;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    Delivered,
    Failed,
    Gone,
}

/// Delivers until `stopped` closes; what is on its way then is sent again after the next start.
pub(super) async fn deliver(webhook: Webhook, shared: Arc<Shared>, mut stopped: Receiver<()>) {
    let connector = match HttpsConnectorBuilder::new().with_native_roots() {
        Ok(builder) => builder.https_or_http().enable_http1().build(),
        Err(error) => {
            tracing::error!(%error, "the system has no certificate roots: webhooks wait in the outbox");
            return;
        }
    };
    let sender: Sender = Client::builder(TokioExecutor::new()).build(connector);
    let webhook = Arc::new(webhook);
    loop {
        let more = tokio::select! {
            more = round(&webhook, &shared, &sender) => more,
            _ = stopped.changed() => return,
        };
        match more {
            Ok(Round::Gone) => {
                tracing::warn!(url = %webhook.url, "the receiver wants no webhooks any more (410)");
                return;
            }
            Ok(Round::More) => {}
            Ok(Round::Idle) | Err(_) => {
                tokio::select! {
                    () = tokio::time::sleep(POLL) => {}
                    _ = stopped.changed() => return,
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Idle,
    More,
    Gone,
}

async fn round(webhook: &Arc<Webhook>, shared: &Arc<Shared>, sender: &Sender) -> Result<Round, CloudError> {
    let due = shared.handle.call(|core| core.messages_due(AT_ONCE)).await?;
    if due.is_empty() {
        return Ok(Round::Idle);
    }
    let mut attempts = JoinSet::new();
    for message in due {
        let (webhook, sender, now) = (Arc::clone(webhook), sender.clone(), shared.host.now());
        attempts.spawn(async move { (message.id, attempt(&webhook, &sender, &message, now).await) });
    }
    let mut gone = false;
    while let Some(Ok((id, attempt))) = attempts.join_next().await {
        match attempt {
            Attempt::Delivered => shared.handle.call(move |core| core.message_delivered(id)).await?,
            Attempt::Failed => shared.handle.call(move |core| core.message_failed(id)).await?,
            Attempt::Gone => gone = true,
        }
    }
    if gone {
        let url = webhook.url();
        shared.handle.call(move |core| core.receiver_gone(&url)).await?;
        return Ok(Round::Gone);
    }
    Ok(Round::More)
}

async fn attempt(webhook: &Webhook, sender: &Sender, message: &Message, now: Timestamp) -> Attempt {
    let Ok(request) = webhook.request(message, now) else { return Attempt::Failed };
    match tokio::time::timeout(ANSWER_WAIT, sender.request(request)).await {
        Ok(Ok(answer)) if answer.status().is_success() => Attempt::Delivered,
        Ok(Ok(answer)) if answer.status() == StatusCode::GONE => Attempt::Gone,
        Ok(Ok(answer)) => {
            tracing::debug!(status = %answer.status(), message = %message.name, "a webhook was not taken");
            Attempt::Failed
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, message = %message.name, "a webhook did not arrive");
            Attempt::Failed
        }
        Err(_) => Attempt::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn only_https_and_loopback_are_posted_to() {
        let make = |url: &str| Webhook::new(url, [SECRET], Tell::default());
        for good in [
            "https://hooks.example.org/glacis?x=1",
            "http://127.0.0.1:9000/",
            "http://[::1]:9000/x",
            "https://10.0.0.7/",
        ] {
            assert!(make(good).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.example.org/",
            "http://localhost:9000/",
            "http://10.0.0.7/",
            "http://127.0.0.1.example.org/",
            "https://user:word@example.org/",
            "http://127.0.0.1@example.org/",
            "ftp://127.0.0.1/",
            "/path",
            "",
        ] {
            assert_eq!(make(bad).unwrap_err(), WebhookError::Url(bad.to_owned()));
        }
    }

    #[test]
    fn every_secret_signs_and_none_is_no_webhook() {
        let url = "https://hooks.example.org/";
        assert_eq!(Webhook::new(url, [], Tell::default()).unwrap_err(), WebhookError::Secret(1));
        assert_eq!(Webhook::new(url, [SECRET, "x"], Tell::default()).unwrap_err(), WebhookError::Secret(2));
        assert_eq!(Webhook::new(url, [SECRET; 5], Tell::default()).unwrap_err(), WebhookError::Secrets);
        let webhook = Webhook::new(url, [SECRET, SECRET], Tell::default()).unwrap();
        let message = Message { id: 1, name: "msg_1".to_owned(), body: b"{}".to_vec() };
        let request = webhook.request(&message, Timestamp::from_secs(5)).unwrap();
        let signatures = request.headers().get("webhook-signature").unwrap().to_str().unwrap();
        assert_eq!(signatures.split(' ').count(), 2);
        assert!(!format!("{webhook:?}").contains("MfKQ"));
    }
}
