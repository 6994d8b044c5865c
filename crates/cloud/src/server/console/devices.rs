//! Devices: who they are, what they may be trusted with, and how that came to be.
//!
//! Pages follow an index each ([`crate::fleet`]); a device's decisions are looked for among the newest events in bounded
//! steps, between which decisions get their turn.

use super::line::LineJson;
use super::lookup::Strict;
use super::{By, Console};
use crate::error::CloudError;
use crate::fleet::{DeviceFile, DeviceRow, LOOK_BACK_STEPS, Wanted, words};
use crate::lines::Line;
use crate::page::{Ask, Page};
use crate::registry::NO_EVIDENCE;
use crate::server::rest::{Named, NoQuery, ROWS_DEFAULT, Reply, parse_thumbprint};
use axum::Extension;
use axum::extract::State;
use glacis_wire::message::enrol::TrustVector;
use glacis_wire::message::policy::FeedAction;
use glacis_wire::{Thumbprint, Tier, Timestamp};
use serde::{Deserialize, Serialize};

/// Devices on one page.
const PAGE_MAX: u32 = 200;
/// Decisions that are shown of one device.
const LINES_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DevicesAsked {
    cursor: Option<String>,
    limit: Option<u32>,
    tier: Option<String>,
    listed: Option<String>,
    q: Option<String>,
}

#[derive(Serialize)]
struct Devices {
    devices: Vec<RowJson>,
    next: Option<String>,
    tiers: Tiers,
}

#[derive(Serialize)]
struct Tiers {
    none: u64,
    software: u64,
    hardware: u64,
    strong: u64,
}

#[derive(Serialize)]
struct RowJson {
    thumbprint: String,
    tier: &'static str,
    trust: &'static str,
    family: String,
    enrolled_ms: u64,
    last_seen_ms: Option<u64>,
    listed: Option<&'static str>,
    forks: u64,
}

impl RowJson {
    fn of(row: DeviceRow) -> Self {
        Self {
            thumbprint: row.thumbprint.to_string(),
            tier: row.tier.name(),
            trust: row.trust.name(),
            family: row.family,
            enrolled_ms: row.enrolled.as_ms(),
            last_seen_ms: row.seen.map(Timestamp::as_ms),
            listed: row.listed.map(|action| action.name()),
            forks: row.forks,
        }
    }
}

/// `GET /console/v1/devices`
pub(super) async fn devices(
    State(console): State<Console>,
    Extension(by): By,
    Strict(asked): Strict<DevicesAsked>,
) -> Result<Reply, CloudError> {
    let limit = asked.limit.unwrap_or(ROWS_DEFAULT);
    if limit == 0 || limit > PAGE_MAX {
        return Err(CloudError::invalid(format!("`limit` is 1 to {PAGE_MAX}")));
    }
    let tier = asked.tier.map(|name| {
        let known = Tier::ALL.into_iter().find(|tier| tier.name() == name);
        known.ok_or_else(|| CloudError::invalid("`tier` is none, software, hardware or strong"))
    });
    let listed = asked.listed.map(|name| {
        let known = FeedAction::ALL.iter().copied().find(|action| action.name() == name);
        known.ok_or_else(|| CloudError::invalid("`listed` is cap or refuse"))
    });
    let prefix = asked.q.filter(|q| !q.is_empty()).map(|q| q.to_ascii_lowercase());
    let wanted = Wanted { tier: tier.transpose()?, listed: listed.transpose()?, prefix };
    let ask = Ask { cursor: asked.cursor, limit };
    let find = move |core: &mut crate::CloudCore| Ok((core.fleet_page(&wanted, &ask)?, core.tiers()?));
    let (Page { items, next }, [none, software, hardware, strong]) = console.call(&by.who, find).await?;
    let devices = items.into_iter().map(RowJson::of).collect();
    Reply::ok(&Devices { devices, next, tiers: Tiers { none, software, hardware, strong } })
}

#[derive(Serialize)]
struct Device {
    thumbprint: String,
    tier: &'static str,
    trust: &'static str,
    family: String,
    uniqueness: &'static str,
    partner: Option<String>,
    enrolled_ms: u64,
    last_seen_ms: Option<u64>,
    listed: Option<&'static str>,
    history: Vec<Change>,
    lineage: Vec<Step>,
    appraisal: Option<Appraisal>,
    sessions: Vec<Session>,
    forks: Vec<Fork>,
    incidents: Vec<Incident>,
    decisions: Vec<LineJson>,
}

#[derive(Serialize)]
struct Change {
    at_ms: u64,
    from: &'static str,
    to: &'static str,
    reason: String,
    words: String,
}

/// One step of the line of keys that a device stands in.
#[derive(Serialize)]
struct Step {
    old: String,
    new: String,
    why: &'static str,
    words: String,
    at_ms: u64,
}

#[derive(Serialize)]
struct Appraisal {
    at_ms: u64,
    not_after_ms: u64,
    family: String,
    tier: &'static str,
    trust: &'static str,
    vector: Vector,
}

/// The AR4SI vector; none where the verifier makes no claim.
#[derive(Serialize)]
struct Vector {
    instance_identity: Option<i8>,
    configuration: Option<i8>,
    executables: Option<i8>,
    file_system: Option<i8>,
    hardware: Option<i8>,
    runtime_opaque: Option<i8>,
    storage_opaque: Option<i8>,
    sourced_data: Option<i8>,
}

#[derive(Serialize)]
struct Session {
    opened_ms: u64,
    counter: u64,
    node: String,
    tier: &'static str,
    forked: bool,
}

#[derive(Serialize)]
struct Fork {
    at_ms: u64,
    node: String,
    words: String,
}

#[derive(Serialize)]
struct Incident {
    at_ms: u64,
    kind: String,
    node: String,
}

impl Vector {
    fn of(vector: &TrustVector) -> Self {
        // Zero is "no claim is made" (AR4SI, draft-ietf-rats-ar4si, table of values).
        let claim = |value: i8| (value != 0).then_some(value);
        Self {
            instance_identity: claim(vector.instance_identity),
            configuration: claim(vector.configuration),
            executables: claim(vector.executables),
            file_system: claim(vector.file_system),
            hardware: claim(vector.hardware),
            runtime_opaque: claim(vector.runtime_opaque),
            storage_opaque: claim(vector.storage_opaque),
            sourced_data: claim(vector.sourced_data),
        }
    }
}

impl Device {
    fn of(file: &DeviceFile, decisions: Vec<LineJson>) -> Self {
        let view = &file.view;
        let change = |change: &crate::registry::TierChange| Change {
            at_ms: change.at.as_ms(),
            from: change.from.name(),
            to: change.to.name(),
            words: words(&change.reason),
            reason: change.reason.clone(),
        };
        let step = |step: &crate::registry::Succession| Step {
            old: step.old.to_string(),
            new: step.new.to_string(),
            why: step.why.name(),
            words: words(step.why.name()),
            at_ms: step.at.as_ms(),
        };
        let appraisal = &file.appraisal;
        let appraised = Appraisal {
            at_ms: appraisal.verified_at.as_ms(),
            not_after_ms: appraisal.not_after.as_ms(),
            family: appraisal.family.0.clone(),
            tier: appraisal.tier.name(),
            trust: appraisal.trust.name(),
            vector: Vector::of(&appraisal.vector),
        };
        let session = |opening: &crate::fleet::SessionOpening| Session {
            opened_ms: opening.opened.as_ms(),
            counter: opening.counter,
            node: opening.node.clone(),
            tier: file.tier_at(opening.opened).name(),
            forked: opening.forked,
        };
        let forks = file.incidents.iter().filter(|incident| incident.kind == FORK);
        let incident = |incident: &crate::fleet::DeviceIncident| Incident {
            at_ms: incident.at.as_ms(),
            kind: incident.kind.clone(),
            node: incident.node.clone(),
        };
        Self {
            thumbprint: view.thumbprint.to_string(),
            tier: view.tier.name(),
            trust: view.trust.name(),
            family: view.family.clone(),
            uniqueness: view.uniqueness.name(),
            partner: view.partner.clone(),
            enrolled_ms: view.enrolled.as_ms(),
            last_seen_ms: file.seen.map(Timestamp::as_ms),
            listed: view.listed.map(|action| action.name()),
            history: view.history.iter().map(change).collect(),
            lineage: view.lineage.iter().map(step).collect(),
            // A device without evidence was not appraised.
            appraisal: (appraisal.family.0 != NO_EVIDENCE).then_some(appraised),
            sessions: file.sessions.iter().map(session).collect(),
            forks: forks
                .map(|fork| Fork { at_ms: fork.at.as_ms(), node: fork.node.clone(), words: words(FORK) })
                .collect(),
            incidents: file.incidents.iter().map(incident).collect(),
            decisions,
        }
    }
}

/// Kind of an incident, and reason code of what it does.
const FORK: &str = "session-fork";

/// `GET /console/v1/devices/{thumbprint}`
pub(super) async fn device(
    State(console): State<Console>,
    Extension(by): By,
    Named(thumbprint): Named,
    _: NoQuery,
) -> Result<Reply, CloudError> {
    let device = parse_thumbprint(&thumbprint)?;
    let file = console.call(&by.who, move |core| core.device_file(&device)).await?;
    let lines = console.look_back(&by.who, device).await?;
    let versions = console.versions().await?;
    let lines = lines.into_iter().map(|line| LineJson::of(line, &versions)).collect();
    Reply::ok(&Device::of(&file, lines))
}

impl Console {
    /// The newest decisions about a device, among the newest events.
    async fn look_back(&self, who: &super::Who, device: Thumbprint) -> Result<Vec<Line>, CloudError> {
        let (mut lines, mut before) = (Vec::new(), None);
        for _ in 0..LOOK_BACK_STEPS {
            let left = LINES_MAX.saturating_sub(lines.len());
            let step = self.call(who, move |core| core.look_back(&device, before, left)).await?;
            lines.extend(step.lines);
            before = step.before;
            if before.is_none() || lines.len() >= LINES_MAX {
                break;
            }
        }
        // They come in the order in which the cloud learnt of them; the edge's own arrive in batches.
        lines.sort_by_key(|line| std::cmp::Reverse(line.decided));
        Ok(lines)
    }
}
