//! One decision, whole: where it was stopped, what the policy's text says, what was known, what would have changed it,
//! and whether the audit chain still holds it.
//!
//! Everything is worked out anew from what was stored, by the reference interpreter, over the policy as everybody beyond
//! the device sees it ([`Compiled::beyond_device`](glacis_compiler::Compiled::beyond_device)). Where that does not come
//! to the verdict that was recorded, the answer says so instead of explaining something else. Of the device there is
//! nothing but the conditions that it let out.

pub(super) mod change;
pub(super) mod known;
mod path;
pub(super) mod rules;
mod signals;

use super::line::LineJson;
use super::versions::Kept;
use super::{By, Console};
use crate::admin::FeedbackView;
use crate::audit::EntryProof;
use crate::error::CloudError;
use crate::lines::Line;
use crate::record::StoredDecision;
use crate::registry::DeviceView;
use crate::server::rest::{Named, NoQuery, Reply, parse_reference};
use crate::server::view;
use axum::Extension;
use axum::extract::State;
use change::Counterfactual;
use glacis_proof::counterfactual::explain;
use glacis_wire::message::decide::ClosedBy;
use known::Known;
use path::Step;
use rules::RuleJson;
use serde::Serialize;
use signals::SignalJson;
use std::sync::Arc;

#[derive(Serialize)]
struct Detail {
    line: LineJson,
    record: view::Record,
    server_ms: u64,
    path: [Step; 4],
    policy: Option<Policy>,
    signals: Vec<SignalJson>,
    counterfactual: Counterfactual,
    audit: Option<Audit>,
    commands: Commands,
}

#[derive(Serialize)]
struct Policy {
    name: String,
    event: String,
    digest: String,
    versions: Vec<u64>,
    text: String,
    rules: Vec<RuleJson>,
}

/// The link of the audit chain over the decision.
#[derive(Serialize)]
struct Audit {
    entry_seq: u64,
    entry: String,
    row_digest: Option<String>,
    head_seq: u64,
    head: String,
    holds: bool,
}

#[derive(Serialize)]
struct Commands {
    explain: String,
    replay: String,
    record: String,
}

impl Audit {
    fn of(proof: EntryProof) -> Self {
        Self {
            entry_seq: proof.seq,
            entry: proof.entry.to_string(),
            row_digest: proof.rows.map(|rows| rows.to_string()),
            head_seq: proof.head.seq,
            head: proof.head.digest.to_string(),
            holds: proof.holds,
        }
    }
}

impl Commands {
    fn of(reference: &str) -> Self {
        let ask = "curl --unix-socket glacis-data/control.sock http://localhost/admin/v1/records";
        Self {
            explain: format!("glacis explain {reference}"),
            replay: format!("{ask}/{reference}/explanation"),
            record: format!("{ask}/{reference}"),
        }
    }
}

/// What the store has about a decision.
pub(super) struct Stored {
    pub(super) decision: StoredDecision,
    feedback: Vec<FeedbackView>,
    line: Line,
    device: Option<DeviceView>,
    audit: Option<EntryProof>,
}

impl Console {
    /// What is stored about the decision of a reference.
    pub(super) async fn stored(&self, who: &super::Who, reference: &str) -> Result<Stored, CloudError> {
        let reference = parse_reference(reference)?;
        let find = move |core: &mut crate::CloudCore| {
            let decision = core.decision(&reference)?;
            let line = core.line_of(&reference)?;
            let line = line.ok_or_else(|| CloudError::not_found("decision"))?;
            let device = decision.record.facts.thumbprint.and_then(|device| core.device(&device).ok());
            Ok(Stored { feedback: core.feedback_on(&reference)?, decision, line, device, audit: None })
        };
        let mut stored = self.call(who, find).await?;
        // Another call, so that what waits gets its turn between.
        stored.audit = self.call(who, move |core| core.audit_of(&reference)).await?;
        Ok(stored)
    }
}

/// `GET /console/v1/decisions/{reference}`
pub(super) async fn decision(
    State(console): State<Console>,
    Extension(by): By,
    Named(reference): Named,
    _: NoQuery,
) -> Result<Reply, CloudError> {
    let server_ms = console.0.shared.host.now().as_ms();
    let Stored { decision, feedback, line, device, audit } = console.stored(&by.who, &reference).await?;
    let versions = console.versions().await?;
    let digest = decision.record.facts.policy;
    let all = versions.all(&digest);
    let kept = match all.first() {
        Some(newest) => console.policy(*newest, digest).await?,
        None => None,
    };
    let record = view::Record::of(&decision, feedback);
    let path = path::steps(&decision, device.as_ref());
    let (policy, signals, counterfactual) = match kept {
        None => (None, Vec::new(), Counterfactual::none("the policy that decided is not stored any more")),
        Some(kept) => {
            let work = move || Ok(explained(&kept, &decision, all));
            let (policy, signals, counterfactual) = console.slowly(work).await?;
            (Some(policy), signals, counterfactual)
        }
    };
    let commands = Commands::of(&line.reference.map_or_else(|| reference.clone(), |known| known.text()));
    Reply::ok(&Detail {
        line: LineJson::of(line, &versions),
        record,
        server_ms,
        path,
        policy,
        signals,
        counterfactual,
        audit: audit.map(Audit::of),
        commands,
    })
}

fn explained(
    kept: &Arc<Kept>,
    decision: &StoredDecision,
    versions: Vec<u64>,
) -> (Policy, Vec<SignalJson>, Counterfactual) {
    let known = Known::of(kept, decision);
    let explanation = explain(known.subject(kept), &known.event);
    let stance = decision.record.closed_by == ClosedBy::Stance;
    let rules = rules::of_decision(kept, &known, &explanation, decision);
    let counterfactual = if stance {
        Counterfactual::none("no policy ran: the route's stance answered")
    } else {
        change::of(kept, &known, &explanation, decision)
    };
    let signals = signals::of(kept, &known, decision);
    let policy = Policy {
        name: kept.compiled.name().to_owned(),
        event: kept.compiled.event().to_string(),
        digest: decision.record.facts.policy.to_string(),
        versions,
        text: kept.text.clone(),
        rules,
    };
    (policy, signals, counterfactual)
}
