//! An app in these tests: a client on a folder, and an edge in memory that answers it.

use crate::edge::FakeEdge;
use glacis_ffi::surface::client::Client;
use glacis_ffi::surface::error::GlacisError;
use glacis_ffi::surface::flow::Flow;
use glacis_ffi::surface::keys::PlatformStore;
use glacis_ffi::surface::types::{
    Action, ClientConfig, Ended, HttpHeader, HttpRequest, HttpResponse, Outcome, Reply, Step,
};
use glacis_host::{Clock, SystemHost};
use glacis_sdk::drive::Transport;
use glacis_wire::Encode;
use glacis_wire::http::{Request, Response};
use std::collections::HashMap;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) struct App {
    pub(crate) edge: FakeEdge,
    folder: TempDir,
}

impl App {
    pub(crate) fn new() -> Self {
        let edge = FakeEdge::new(7);
        edge.host.set_now(SystemHost::new().now());
        Self { edge, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn config(&self) -> ClientConfig {
        ClientConfig {
            folder: self.folder.path().join("device").to_string_lossy().into_owned(),
            key_set: self.edge.key_set(1).to_bytes().unwrap(),
            authority: "shop.example".to_owned(),
            app: None,
            device_final_ttl_s: None,
            keep_sessions: false,
        }
    }

    pub(crate) fn open(&self) -> Arc<Client> {
        Client::with_software_keys(self.config()).unwrap()
    }

    pub(crate) fn open_with(&self, store: PlatformStore) -> Arc<Client> {
        Client::with_platform_keys(self.config(), store).unwrap()
    }

    /// Enrols and opens a session.
    pub(crate) fn ready(&mut self) -> Arc<Client> {
        let client = self.open();
        self.drive(&client.enrol().unwrap()).unwrap();
        self.drive(&client.open_session().unwrap()).unwrap();
        client
    }

    /// Runs a flow to its end; nobody is there to ask.
    pub(crate) fn drive(&mut self, flow: &Flow) -> Result<Ended, GlacisError> {
        loop {
            match flow.next()? {
                Step::Send { request } => match self.exchange(request) {
                    Some(response) => flow.receive(response),
                    None => flow.lost(),
                },
                Step::Ask { .. } => flow.reply(Reply::Declined),
                Step::Done { ended } => return Ok(ended),
            }
        }
    }

    pub(crate) fn decide(&mut self, flow: &Flow) -> Result<Outcome, GlacisError> {
        match self.drive(flow)? {
            Ended::Decided { outcome } => Ok(outcome),
            other => panic!("an action ended as {other:?}"),
        }
    }

    pub(crate) fn exchange(&mut self, request: HttpRequest) -> Option<HttpResponse> {
        let fields = request.headers.into_iter().map(|header| (header.name, header.value)).collect();
        let HttpRequest { method, authority, path, query, body, .. } = request;
        let request = Request { method, authority, path, query, headers: fields, body };
        self.edge.exchange(&request).ok().map(answer)
    }
}

fn answer(response: Response) -> HttpResponse {
    let header = |(name, value)| HttpHeader { name, value };
    HttpResponse {
        status: response.status,
        headers: response.headers.into_iter().map(header).collect(),
        body: response.body,
    }
}

/// A transfer, with nothing known.
pub(crate) fn transfer() -> Action {
    Action {
        event: "payment.transfer".to_owned(),
        request: HttpRequest {
            method: "POST".to_owned(),
            authority: String::new(),
            path: "/transfers".to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: br#"{"amount":10}"#.to_vec(),
        },
        signals: HashMap::new(),
        said: HashMap::new(),
    }
}

/// The request that a flow wants sent now.
pub(crate) fn sends(flow: &Flow) -> HttpRequest {
    match flow.next().unwrap() {
        Step::Send { request } => request,
        other => panic!("nothing to send: {other:?}"),
    }
}

pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, GlacisError>) -> String {
    result.unwrap_err().code().to_owned()
}
