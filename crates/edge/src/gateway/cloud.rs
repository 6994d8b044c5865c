//! Calls to the cloud, authenticated both ways under the shared node key.
//!
//! A request is signed (RFC 9421, tag `glacis/node/v1`); the answer's `glacis-node-mac` covers that signature,
//! the status and the body. An answer without a right one is an outage, never a verdict.

use super::body::UpBody;
use super::link::Links;
use crate::core::EdgeCore;
use crate::request::sequence_array;
use bytes::Bytes;
use glacis_seal::httpsig::{self, Cover, Params, profile};
use glacis_seal::{Purpose, sha256};
use glacis_wire::http::{MEDIA_TYPE, Request, Response};
use glacis_wire::limits::{BUNDLE_BYTES_MAX, FEED_BYTES_MAX, MESSAGE_BYTES_MAX};
use glacis_wire::message::decide::{DecideAnswer, EventFacts};
use glacis_wire::{Decode, Encode, Timestamp};
use http_body_util::{BodyExt, Limited};
use std::sync::Arc;
use std::time::Duration;

/// Response header that proves who answered.
const NODE_MAC: &str = "glacis-node-mac";

/// A worker's way to the cloud.
#[derive(Debug)]
pub(super) struct CloudClient {
    core: Arc<EdgeCore>,
    links: Links,
    authority: String,
}

/// There is no authentic answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Outage {
    #[error("cloud does not answer")]
    Silent,
    #[error("answer is not the cloud's")]
    NotAuthentic,
    #[error("answer is not a message")]
    Unreadable,
    #[error("cloud answered with status {0}")]
    Status(u16),
}

impl CloudClient {
    pub(super) fn new(core: Arc<EdgeCore>) -> Self {
        let address = core.config().cloud;
        Self { core, links: Links::new(address, Duration::MAX), authority: address.to_string() }
    }

    /// Asks for a decision; `None` where there is none in time.
    pub(super) async fn decide(&self, facts: &EventFacts) -> Option<DecideAnswer> {
        let body = facts.to_bytes().ok()?;
        let wait = self.core.config().cloud_wait;
        let outcome = self.message("POST", "/v1/decide", body, wait).await;
        if let Err(outage) = &outcome {
            tracing::debug!(%outage, "no decision from the cloud");
        }
        outcome.ok()
    }

    /// A call whose answer is one message with status 200.
    pub(super) async fn message<T: Decode>(
        &self,
        method: &'static str,
        path: &str,
        body: Vec<u8>,
        wait: Duration,
    ) -> Result<T, Outage> {
        let answer = self.call(method, path, None, body, wait).await?;
        if answer.status != 200 {
            return Err(Outage::Status(answer.status));
        }
        T::from_bytes(&answer.body).map_err(|_| Outage::Unreadable)
    }

    /// Any call; the answer is authentic, whatever its status.
    pub(super) async fn call(
        &self,
        method: &'static str,
        target: &str,
        etag: Option<&str>,
        body: Vec<u8>,
        wait: Duration,
    ) -> Result<Response, Outage> {
        let (request, signature) = self.signed(method, target, etag, body)?;
        match tokio::time::timeout(wait, self.exchange(request, &signature)).await {
            Ok(answer) => answer,
            Err(_) => Err(Outage::Silent),
        }
    }

    async fn exchange(
        &self,
        request: hyper::Request<UpBody>,
        signature: &[u8; 32],
    ) -> Result<Response, Outage> {
        let (answer, mut link) = self.links.send(request, None).await.map_err(|_| Outage::Silent)?;
        let (parts, body) = answer.into_parts();
        let limit = BUNDLE_BYTES_MAX.max(FEED_BYTES_MAX) + MESSAGE_BYTES_MAX;
        let mut collect = std::pin::pin!(Limited::new(body, limit).collect());
        let body = std::future::poll_fn(|cx| {
            link.drive(cx);
            collect.as_mut().poll(cx)
        });
        let body: Bytes = body.await.map_err(|_| Outage::Silent)?.to_bytes();
        link.drive(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        self.links.put(link);
        let status = parts.status.as_u16();
        let mac =
            parts.headers.get(NODE_MAC).and_then(|value| value.to_str().ok()).and_then(sequence_array::<32>);
        let mac = mac.ok_or(Outage::NotAuthentic)?;
        let digest = sha256(&body);
        let said: [&[u8]; 3] = [signature, &status.to_be_bytes(), digest.as_bytes()];
        let key = self.core.node_key();
        key.verify_parts(self.core.context(), Purpose::NodeResponse, &said, &mac)
            .map_err(|_| Outage::NotAuthentic)?;
        let headers = parts.headers.iter().filter_map(|(name, value)| {
            value.to_str().ok().map(|value| (name.as_str().to_owned(), value.to_owned()))
        });
        Ok(Response { status, headers: headers.collect(), body: body.into() })
    }

    fn signed(
        &self,
        method: &'static str,
        target: &str,
        etag: Option<&str>,
        body: Vec<u8>,
    ) -> Result<(hyper::Request<UpBody>, [u8; 32]), Outage> {
        let host = self.core.host();
        let now: Timestamp = host.now();
        let nonce: [u8; 16] = glacis_host::entropy::array(&**host).map_err(|_| Outage::Silent)?;
        let (path, query) = target
            .split_once('?')
            .map_or((target, ""), |(path, _)| (path, target.get(path.len()..).unwrap_or("")));
        let mut message = Request {
            method: method.to_owned(),
            authority: self.authority.clone(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: vec![(profile::CONTENT_DIGEST.to_owned(), httpsig::content_digest(&sha256(&body)))],
            body,
        };
        let params = Params {
            created: Some(now.as_secs()),
            expires: Some(now.as_secs() + 60),
            nonce: Some(glacis_seal::text::base64url(&nonce).into()),
            keyid: Some(self.core.node().as_str().into()),
            alg: Some("hmac-sha256".into()),
            tag: Some(profile::TAG_NODE.into()),
        };
        let cover = Cover { label: profile::LABEL, components: profile::NODE, params };
        let (mut base, mut input) = (String::new(), String::new());
        httpsig::write_base(&mut base, &mut input, &message, &cover).map_err(|_| Outage::Silent)?;
        let signature = self.core.node_key().mac_raw(base.as_bytes());
        let mut field = String::new();
        httpsig::write_signature(&mut field, profile::LABEL, &signature);
        message.headers.push((profile::SIGNATURE_INPUT.to_owned(), input));
        message.headers.push((profile::SIGNATURE.to_owned(), field));
        let mut request =
            hyper::Request::builder().method(method).uri(target).header("host", &self.authority);
        for (name, value) in &message.headers {
            request = request.header(name, value);
        }
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        let body = if message.body.is_empty() {
            UpBody::Empty
        } else {
            request = request.header("content-type", MEDIA_TYPE);
            UpBody::Full(Some(message.body.into()))
        };
        request.body(body).map(|request| (request, signature)).map_err(|_| Outage::Silent)
    }
}
