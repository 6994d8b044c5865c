//! One request through the pipeline, as every host here drives it: head and body in, answer or forward out.
//!
//! The cloud is asked on the way. What only the gateway does while it forwards, comparing bodies and holding their
//! limits, is done here before, since these hosts do not see them pass.

use crate::head::Head;
use bytes::Bytes;
use glacis_edge::gateway::Cloud;
use glacis_edge::{Body, EdgeCore, Forward, Step};
use glacis_wire::http::Response;
use glacis_wire::message::refusal::Refusal;
use std::net::IpAddr;
use std::sync::Arc;

/// The pipeline as one runtime uses it.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) core: Arc<EdgeCore>,
    pub(crate) cloud: Cloud,
}

/// What a host has of a body.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// There is none.
    Empty,
    /// All of it.
    Whole(Bytes),
    /// There is one, of this length if it says so, and the host cannot bring it whole.
    OutOfReach(Refusal, Option<usize>),
}

/// What is to be done with a request.
#[derive(Debug)]
pub(crate) enum Settled {
    Answer(Response),
    Forward(Box<Forward>),
}

impl Edge {
    pub(crate) fn new(core: Arc<EdgeCore>) -> Self {
        Self { cloud: Cloud::new(Arc::clone(&core)), core }
    }

    /// A request of which everything is known that the host will ever know.
    pub(crate) async fn settle(&self, head: &Head<'_>, body: &Given, peer: IpAddr) -> Settled {
        let given = match body {
            Given::Empty => Body::Empty,
            Given::Whole(bytes) => Body::Whole(bytes),
            Given::OutOfReach(refusal, _) => Body::OutOfReach(*refusal),
        };
        let step = self.core.begin(&head.view(), given, peer, self.core.host().now());
        let settled = match self.follow(step).await {
            Followed::Answer(answer) => Settled::Answer(answer),
            // Not asked for where all of it is at hand; who asks cannot be answered otherwise.
            Followed::NeedBody(held) => match self.follow(self.core.body_too_large(held)).await {
                Followed::Forward(forward) => Settled::Forward(forward),
                Followed::Answer(answer) => Settled::Answer(answer),
                Followed::NeedBody(_) => self.refuse(Refusal::BodyUnreadable),
            },
            Followed::Forward(forward) => match over(&forward, body) {
                Some(refusal) => self.refuse(refusal),
                None => Settled::Forward(forward),
            },
        };
        // Nobody here sees the service's answer: it is counted, and its route is not learnt.
        if let Settled::Forward(forward) = &settled
            && let Some(learn) = &forward.learn
        {
            self.core.learn(learn, None);
        }
        settled
    }

    /// Follows a step as far as no body is needed.
    pub(crate) async fn follow(&self, mut step: Step) -> Followed {
        loop {
            step = match step {
                Step::Answer(answer) => return Followed::Answer(answer),
                Step::Forward(forward) => return Followed::Forward(forward),
                Step::NeedBody(held) => return Followed::NeedBody(held),
                Step::AskCloud(pending) => self.cloud.decide(pending).await,
                Step::Relay(relay) => return Followed::Answer(self.cloud.relay(*relay).await),
            };
        }
    }

    pub(crate) fn refuse(&self, refusal: Refusal) -> Settled {
        Settled::Answer(self.core.refusal(refusal))
    }
}

/// Where a step ends for now.
#[derive(Debug)]
pub(crate) enum Followed {
    Answer(Response),
    Forward(Box<Forward>),
    NeedBody(Box<glacis_edge::Held>),
}

/// Why a body may not go on, on a route that reads none.
fn over(forward: &Forward, body: &Given) -> Option<Refusal> {
    if forward.observes {
        return None;
    }
    match body {
        Given::Empty => None,
        Given::Whole(bytes) => (bytes.len() > forward.body_max).then_some(Refusal::BodyTooLarge),
        Given::OutOfReach(_, Some(length)) => (*length > forward.body_max).then_some(Refusal::BodyTooLarge),
        // Nobody knows how long it is, so nobody holds the limit.
        Given::OutOfReach(refusal, None) => Some(*refusal),
    }
}
