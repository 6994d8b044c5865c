//! What is in force: settings, the policy's slices as loaded, and for each route where every slot of its slice is
//! filled from.
//!
//! A plan is made once per accepted bundle or configuration, so a request looks nothing up by name. Replacing either
//! is one pointer; requests under way finish with what they started with.

use crate::config::{EdgeConfig, RouteConfig};
use crate::state::lock;
use crate::trust::token::Verifier;
use glacis_policy::{
    Close, Foreign, Input, Inputs, Outcome, Reading, Scratch, Slice, Source, eval, reading_of,
};
use glacis_seal::SealError;
use glacis_wire::message::decide::{EventFacts, SignalAnswer};
use glacis_wire::message::policy::Bundle;
use glacis_wire::message::{List, Text};
use glacis_wire::{Cause, Causes, Disclosed, EventName, NodeOutcome, Trust, Zone};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Reasons as a record keeps them.
pub(crate) type Reasons = List<Text<{ glacis_wire::limits::REASON_BYTES_MAX }>, 64>;

/// Settings and policies in force.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) config: Arc<EdgeConfig>,
    /// What verifies a principal's token, if any route wants one.
    pub(crate) tokens: Option<Arc<Verifier>>,
    /// Version of the bundle; `None` before the first.
    pub(crate) version: Option<u64>,
    slices: Slices,
    /// By route.
    plans: Vec<Option<Plan>>,
}

type Slices = HashMap<EventName, Arc<Slice>>;

/// A slice and how its slots are filled on one route.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) slice: Arc<Slice>,
    fills: Vec<Fill>,
    /// Whether some slot is the device's id, which is only then written out.
    names_device: bool,
    scratches: Mutex<Vec<Scratch>>,
}

/// Where a slot's answer comes from.
#[derive(Clone, Copy, Debug)]
enum Fill {
    Node(usize),
    Value(usize),
    Field(usize),
    Principal,
    Tier,
    DeviceId,
    Signed,
    Pending,
    /// Nobody on this route supplies it.
    Nothing,
}

/// Why a verified bundle cannot be put in force; the live one stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BundleError {
    /// A slice does not load.
    #[error("slice of event `{event}`: {fault}")]
    Slice {
        /// The event of the slice.
        event: String,
        /// What is wrong with it.
        fault: glacis_policy::LoadError,
    },
    /// A slice says another event, policy, zone, tenant or realm than the bundle.
    #[error("slice of event `{event}` does not belong in this bundle: {why}")]
    Foreign {
        /// The event of the slice.
        event: String,
        /// What differs.
        why: Foreign,
    },
}

impl Live {
    /// These settings, and no policy yet.
    pub(crate) fn new(config: Arc<EdgeConfig>) -> Result<Self, SealError> {
        let tokens = config.token.as_ref().map(Verifier::new).transpose()?.map(Arc::new);
        Ok(Self { config, tokens, version: None, slices: Slices::new(), plans: Vec::new() })
    }

    /// The same policy under other settings. What did not change stays the same object, so that links to upstreams
    /// and verified tokens outlive it.
    pub(crate) fn with_config(&self, mut config: EdgeConfig) -> Result<Self, SealError> {
        for upstream in &mut config.upstreams {
            if let Some(same) = self.config.upstreams.iter().find(|old| *old == upstream) {
                *upstream = Arc::clone(same);
            }
        }
        let same_tokens = config.token == self.config.token;
        let mut live = Self::new(Arc::new(config))?;
        if same_tokens {
            live.tokens.clone_from(&self.tokens);
        }
        let plans = plans(&live.config.routes, &self.slices);
        Ok(Self { version: self.version, slices: self.slices.clone(), plans, ..live })
    }

    /// The same settings with the slices of a bundle.
    pub(crate) fn with_bundle(&self, bundle: &Bundle) -> Result<Self, BundleError> {
        let (config, mut slices) = (Arc::clone(&self.config), Slices::new());
        for part in bundle.slices.iter() {
            let event = || part.event.as_str().to_owned();
            let slice =
                Slice::load(&part.slice).map_err(|fault| BundleError::Slice { event: event(), fault })?;
            let foreign = |why| BundleError::Foreign { event: event(), why };
            slice
                .check_place((&part.event, part.policy), Zone::Edge, (&config.tenant, config.realm))
                .map_err(foreign)?;
            if slices.insert(part.event.clone(), Arc::new(slice)).is_some() {
                return Err(foreign(Foreign::Twice));
            }
        }
        let plans = plans(&config.routes, &slices);
        Ok(Self { config, tokens: self.tokens.clone(), version: Some(bundle.version), slices, plans })
    }

    /// The settings of a route.
    pub(crate) fn route(&self, route: usize) -> Option<&RouteConfig> {
        self.config.routes.get(route)
    }

    /// The plan of a route; `None` where no policy can be run.
    pub(crate) fn plan(&self, route: usize) -> Option<&Plan> {
        self.plans.get(route).and_then(Option::as_ref)
    }
}

fn plans(routes: &[RouteConfig], slices: &Slices) -> Vec<Option<Plan>> {
    let plan = |route: &RouteConfig| {
        let slice = route.event.as_ref().and_then(|event| slices.get(event))?;
        Some(Plan::new(Arc::clone(slice), route))
    };
    routes.iter().map(plan).collect()
}

/// What the device said, as the edge may read it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DeviceSays<'a> {
    /// In the layout of this policy.
    Disclosed(&'a Disclosed),
    /// Nothing, for this cause.
    Nothing(Cause),
}

impl Plan {
    fn new(slice: Arc<Slice>, route: &RouteConfig) -> Self {
        let fill = |slot: &glacis_policy::Slot| {
            let name = slot.name.as_str();
            let fill = match slot.source {
                Source::Node(at) => Fill::Node(usize::from(at)),
                Source::Value(at) => Fill::Value(usize::from(at)),
                Source::Cloud => Fill::Pending,
                Source::Request if route.principal.as_ref().is_some_and(|p| p.signal == slot.name) => {
                    Fill::Principal
                }
                Source::Request => route
                    .fields
                    .iter()
                    .position(|field| field.signal == slot.name)
                    .map_or(Fill::Nothing, Fill::Field),
                Source::Edge if name == "device.tier" => Fill::Tier,
                Source::Edge if name == "device.id" => Fill::DeviceId,
                Source::Edge if name == "request.signed" => Fill::Signed,
                Source::Edge | Source::Device => Fill::Nothing,
            };
            if matches!(fill, Fill::Nothing) {
                tracing::warn!(event = %slice.event(), signal = name, "no route supplies this signal; it reads as withheld");
            }
            fill
        };
        let fills: Vec<Fill> = slice.slots().iter().map(fill).collect();
        let names_device = fills.iter().any(|fill| matches!(fill, Fill::DeviceId));
        Self { slice, fills, names_device, scratches: Mutex::new(Vec::new()) }
    }

    /// Whether a disclosure has every node and value that this slice reads.
    pub(crate) fn fits(&self, disclosed: &Disclosed) -> bool {
        self.fills.iter().all(|fill| match fill {
            Fill::Node(at) => *at < disclosed.nodes.len(),
            Fill::Value(at) => *at < disclosed.values.len(),
            _ => true,
        })
    }

    /// Evaluates the slice; the reasons are those of the rules that matched.
    pub(crate) fn run(&self, facts: &EventFacts, device: DeviceSays<'_>, close: Close) -> (Outcome, Reasons) {
        let device_id = facts.thumbprint.filter(|_| self.names_device).map(|device| device.to_string());
        let input = |fill: &Fill| input(*fill, facts, device, device_id.as_deref());
        let inputs: Vec<Input<'_>> = self.fills.iter().map(input).collect();
        let inputs =
            Inputs { slots: &inputs, passed: facts.passed.as_ref().map(|passed| passed.method), close };
        let mut scratch = lock(&self.scratches).pop().unwrap_or_else(|| Scratch::for_slice(&self.slice));
        let outcome = eval(&self.slice, &inputs, &mut scratch);
        let reasons = scratch.reasons(&self.slice).take(64).map(|reason| Text(reason.to_owned())).collect();
        let mut pool = lock(&self.scratches);
        if pool.len() < SCRATCHES_MAX {
            pool.push(scratch);
        }
        (outcome, List(reasons))
    }
}

fn input<'a>(
    fill: Fill,
    facts: &'a EventFacts,
    device: DeviceSays<'a>,
    device_id: Option<&'a str>,
) -> Input<'a> {
    let proven = |reading| Input { reading, trust: Trust::Proven };
    let said = |reading: Option<Reading<'a>>| match reading {
        Some(reading) => Input { reading, trust: facts.trust },
        None => proven(Reading::WITHHELD),
    };
    match (fill, device) {
        (Fill::Node(_) | Fill::Value(_), DeviceSays::Nothing(cause)) => {
            proven(Reading::Unknown(Causes::of(cause)))
        }
        (Fill::Node(at), DeviceSays::Disclosed(disclosed)) => {
            said(disclosed.nodes.get(at).map(|node| match node {
                NodeOutcome::False => Reading::Bool(false),
                NodeOutcome::True => Reading::Bool(true),
                NodeOutcome::Unknown => Reading::WITHHELD,
                NodeOutcome::Error => Reading::Error,
            }))
        }
        (Fill::Value(at), DeviceSays::Disclosed(disclosed)) => said(disclosed.values.get(at).map(reading_of)),
        (Fill::Field(at), _) => proven(
            facts.fields.get(at).map_or(Reading::WITHHELD, |SignalAnswer { answer, .. }| reading_of(answer)),
        ),
        (Fill::Principal, _) => {
            proven(facts.principal.as_ref().map_or(Reading::WITHHELD, |principal| Reading::Str(principal)))
        }
        (Fill::Tier, _) => proven(Reading::Str(facts.tier.name())),
        (Fill::DeviceId, _) => proven(device_id.map_or(Reading::Missing, Reading::Str)),
        (Fill::Signed, _) => proven(Reading::Bool(facts.thumbprint.is_some())),
        (Fill::Pending, _) => Input::PENDING,
        (Fill::Nothing, _) => proven(Reading::WITHHELD),
    }
}

/// Most scratches kept per plan. LIMIT: as many as threads evaluate at once; further ones are dropped.
const SCRATCHES_MAX: usize = 64;
