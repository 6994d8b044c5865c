//! `cedar-policy`: every rule is a `permit`, and those that determined the answer are the hits.
//!
//! Principal, action and resource are the same for all; the signals are the context. Cedar has no doubles: they are
//! given as whole hundredths, its cheapest number, and the thresholds too.

use super::{Given, given, names};
use crate::Outcome;
use crate::engine::Engine;
use crate::text::{Language, rule};
use crate::workload::{Condition, Event};
use cedar_policy::{
    Authorizer, Context, Entities, EntityUid, Policy, PolicyId, PolicySet, Request, RestrictedExpression,
};

struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    /// Principal, action and resource: nobody in particular.
    who: [EntityUid; 3],
    names: Vec<String>,
}

pub(super) fn build(rules: &[Condition]) -> Outcome<Box<dyn Engine>> {
    let mut policies = PolicySet::new();
    for (at, condition) in rules.iter().enumerate() {
        let when = rule(Language::Cedar, condition);
        let text = format!("permit(principal, action, resource) when {{ {when} }};");
        policies.add(Policy::parse(Some(PolicyId::new(at.to_string())), text)?)?;
    }
    let who = ["User::\"u\"", "Action::\"a\"", "Thing::\"t\""].map(str::parse::<EntityUid>);
    let [principal, action, resource] = who;
    Ok(Box::new(Cedar {
        authorizer: Authorizer::new(),
        policies,
        entities: Entities::empty(),
        who: [principal?, action?, resource?],
        names: names(|name| name),
    }))
}

impl Engine for Cedar {
    fn name(&self) -> &'static str {
        "cedar-policy"
    }

    fn decide(&mut self, event: &Event, hits: &mut Vec<u32>) -> Outcome<()> {
        let pairs = given(event, &self.names).map(|(name, value)| {
            let value = match value {
                Given::Int(value) => RestrictedExpression::new_long(value),
                Given::Double(value) => RestrictedExpression::new_long((value * 100.0).round() as i64),
                Given::String(value) => RestrictedExpression::new_string(value.to_owned()),
                Given::Bool(value) => RestrictedExpression::new_bool(value),
            };
            (name.clone(), value)
        });
        let context = Context::from_pairs(pairs)?;
        let [principal, action, resource] = self.who.clone();
        let request = Request::new(principal, action, resource, context, None)?;
        let answer = self.authorizer.is_authorized(&request, &self.policies, &self.entities);
        if let Some(error) = answer.diagnostics().errors().next() {
            return Err(error.to_string().into());
        }
        for id in answer.diagnostics().reason() {
            let id: &str = id.as_ref();
            hits.push(id.parse()?);
        }
        Ok(())
    }
}
