//! What is there and where it is: the installation at a glance, pages of decisions, and search.
//!
//! Nothing here counts a table or reads one whole. Places in the logs are handed out as texts and taken back unchanged;
//! what a reader types is only ever compared, by its beginning, with what is stored.

use super::line::{LineJson, RESOLUTION_US};
use super::{By, Console};
use crate::error::CloudError;
use crate::inspect::{SEARCH_STEPS, Sought};
use crate::lines::{Line, Position};
use crate::page::ROWS_MAX;
use crate::policy::LivePolicies;
use crate::server::rest::{NoQuery, ROWS_DEFAULT, Reply, parse_hex};
use axum::Extension;
use axum::extract::{FromRequestParts, Query, State};
use glacis_wire::{EventId, Reference, Thumbprint, Tier};
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Events that are looked at for which nodes there are.
const NODES_SEEN_EVENTS: u32 = 500;
/// Results of one kind.
const FOUND_MAX: usize = 10;
/// Shortest beginning that is searched for.
const PREFIX_MIN: usize = 4;

/// A query of the form of `T`, read strictly.
pub(super) struct Strict<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Strict<T> {
    type Rejection = CloudError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, CloudError> {
        let Query(asked) =
            Query::<T>::try_from_uri(&parts.uri).map_err(|error| CloudError::invalid(error.body_text()))?;
        Ok(Self(asked))
    }
}

/// The installation at a glance.
#[derive(Serialize)]
struct Overview {
    tenant: String,
    realm: &'static str,
    policy_version: u64,
    key_set: u64,
    events: u64,
    decisions: u64,
    devices: u64,
    incidents: u64,
    policies: BTreeMap<String, String>,
    nodes: Vec<NodeSeen>,
    feed: FeedCounts,
    server_ms: u64,
    took_resolution_us: u64,
}

#[derive(Serialize)]
struct NodeSeen {
    node: String,
    newest_ms: u64,
}

#[derive(Serialize)]
struct FeedCounts {
    refused: usize,
    capped: usize,
}

/// `GET /console/v1/overview`
pub(super) async fn overview(
    State(console): State<Console>,
    Extension(by): By,
    _: NoQuery,
) -> Result<Reply, CloudError> {
    let server_ms = console.0.shared.host.now().as_ms();
    let seen = console.call(&by.who, |core| core.nodes_seen(NODES_SEEN_EVENTS)).await?;
    let look = move |core: &mut crate::CloudCore| {
        let glance = core.glance()?;
        let LivePolicies { version, key_set, policies, is_current: _ } = core.live_policies()?;
        let (refused, capped) = core.listed_devices()?;
        Ok(Overview {
            tenant: core.context().tenant.to_string(),
            realm: core.context().realm.name(),
            policy_version: version,
            key_set,
            events: glance.events,
            decisions: glance.decisions,
            devices: glance.devices,
            incidents: glance.incidents,
            policies: policies.into_iter().map(|(event, digest)| (event, digest.to_string())).collect(),
            nodes: seen.into_iter().map(|(node, at)| NodeSeen { node, newest_ms: at.as_ms() }).collect(),
            feed: FeedCounts { refused, capped },
            server_ms,
            took_resolution_us: RESOLUTION_US,
        })
    };
    Reply::ok(&console.call(&by.who, look).await?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageAsked {
    before: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// Decisions, newest first, with the places on both sides.
#[derive(Serialize)]
struct Decisions {
    rows: Vec<LineJson>,
    /// Where older ones begin; none where there are none.
    before: Option<String>,
    /// Behind the newest of these: where the live feed goes on.
    after: String,
}

/// `GET /console/v1/decisions`
pub(super) async fn decisions(
    State(console): State<Console>,
    Extension(by): By,
    Strict(asked): Strict<PageAsked>,
) -> Result<Reply, CloudError> {
    let limit = asked.limit.unwrap_or(ROWS_DEFAULT);
    if limit == 0 || limit > ROWS_MAX {
        return Err(CloudError::invalid(format!("`limit` is 1 to {ROWS_MAX}")));
    }
    let place = |text: String| {
        Position::parse(&text).ok_or_else(|| CloudError::invalid("hand `before` and `after` back unchanged"))
    };
    let versions = console.versions().await?;
    let page = match (asked.before, asked.after) {
        (Some(_), Some(_)) => return Err(CloudError::invalid("either `before` or `after`")),
        (None, Some(after)) => {
            let after = place(after)?;
            let mut raw = console.call(&by.who, move |core| core.lines_after(after, limit)).await?;
            raw.lines.reverse();
            let rows = LineJson::all(&raw.lines, &versions);
            let before = Position { decision: after.decision + 1, device: after.device + 1 };
            Decisions { rows, before: Some(before.to_string()), after: raw.at.to_string() }
        }
        (before, None) => {
            let from = before.map(place).transpose()?.unwrap_or(Position::END);
            let raw = console.call(&by.who, move |core| core.lines_before(from, limit)).await?;
            let rows = LineJson::all(&raw.lines, &versions);
            // What is before the first row of a log has been read to its end.
            let newest = Position {
                decision: from.decision.saturating_sub(1).min(raw.end.decision),
                device: from.device.saturating_sub(1).min(raw.end.device),
            };
            Decisions { rows, before: raw.more.then(|| raw.at.to_string()), after: newest.to_string() }
        }
    };
    Reply::ok(&page)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchAsked {
    q: String,
}

#[derive(Serialize, Default)]
struct Found {
    decisions: Vec<FoundDecision>,
    devices: Vec<FoundDevice>,
}

#[derive(Serialize)]
struct FoundDecision {
    reference: Option<String>,
    event: String,
    verdict: String,
    decided_ms: u64,
}

#[derive(Serialize)]
struct FoundDevice {
    thumbprint: String,
    tier: &'static str,
}

/// `GET /console/v1/search`: a reference or its beginning, an event id, or the beginning of a thumbprint.
pub(super) async fn search(
    State(console): State<Console>,
    Extension(by): By,
    Strict(SearchAsked { q }): Strict<SearchAsked>,
) -> Result<Reply, CloudError> {
    let plain: String =
        q.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').take(80).collect();
    let mut found = Found::default();
    if plain.len() >= PREFIX_MIN && plain.len() <= 64 && plain.chars().all(|digit| digit.is_ascii_hexdigit())
    {
        let prefix = plain.to_ascii_lowercase();
        let most = u32::try_from(FOUND_MAX).unwrap_or(u32::MAX);
        let devices = console.call(&by.who, move |core| core.devices_like(&prefix, most)).await?;
        let one = |(device, tier): (Thumbprint, Tier)| FoundDevice {
            thumbprint: device.to_string(),
            tier: tier.name(),
        };
        found.devices = devices.into_iter().map(one).collect();
    }
    let lines = console.lines_like(&by.who, &plain).await?;
    found.decisions = lines.into_iter().take(FOUND_MAX).map(FoundDecision::of).collect();
    Reply::ok(&found)
}

impl FoundDecision {
    fn of(line: Line) -> Self {
        Self {
            reference: line.reference.map(|reference| reference.text()),
            event: line.event,
            verdict: line.verdict.to_string(),
            decided_ms: line.decided.as_ms(),
        }
    }
}

impl Console {
    /// Decisions by reference, by its beginning or by event id; the latter two among the newest.
    async fn lines_like(&self, who: &super::Who, plain: &str) -> Result<Vec<Line>, CloudError> {
        if let Some(reference) = Reference::parse(plain) {
            return Ok(self.call(who, move |core| core.line_of(&reference)).await?.into_iter().collect());
        }
        let event = parse_hex::<{ EventId::LEN }>(plain).map(EventId::new);
        let sought = match event {
            Some(event) => Sought::Event(event),
            None if (PREFIX_MIN..12).contains(&plain.len()) && is_of_references(plain) => {
                Sought::Reference(plain.to_ascii_uppercase())
            }
            None => return Ok(Vec::new()),
        };
        if let Some(event) = event {
            let unsigned = self.call(who, move |core| core.unsigned_event(&event)).await?;
            if !unsigned.is_empty() {
                return Ok(unsigned);
            }
        }
        let (mut lines, mut before) = (Vec::new(), None);
        for _ in 0..SEARCH_STEPS {
            let sought = sought.clone();
            let left = FOUND_MAX.saturating_sub(lines.len());
            let step = self.call(who, move |core| core.search_step(&sought, before, left)).await?;
            lines.extend(step.found);
            before = step.before;
            if before.is_none() || lines.len() >= FOUND_MAX {
                break;
            }
        }
        Ok(lines)
    }
}

fn is_of_references(text: &str) -> bool {
    // What a reference of these characters would be, if it had them all.
    Reference::parse(&format!("{text:0<12}")).is_some()
}
