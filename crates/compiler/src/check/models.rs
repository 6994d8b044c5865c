//! Models in conditions: `model.fraud(amount, user.tx_1h)` is an int, the score in the units of the model.
//!
//! A call names a signal for each feature, in the order of the model. Types are checked, and so is the order as far as
//! names tell: a signal that is called like another feature stands in the wrong place.

use super::expr::{Checker, Result, kind, path};
use crate::cel::ast::{Ast, AstKind};
use crate::checked::{Checked, Expr, ExprKind, ModelDef};
use crate::diagnostic::{Spanned, suggest};
use crate::read::model::{Feature, RawModel};
use crate::read::policy::RawPolicy;
use crate::source::Finding;
use glacis_wire::{SignalName, Type};
use std::collections::BTreeSet;

/// The models that rules ask, by name.
pub(super) fn used(raw: &RawPolicy<'_>, checked: &Checked) -> Vec<ModelDef> {
    let mut names = BTreeSet::new();
    checked.rules.iter().for_each(|rule| asked(&rule.when, &mut names));
    let models = raw.models.iter().filter(|model| names.contains(model.name.value.as_str()));
    let mut models: Vec<ModelDef> =
        models.map(|model| ModelDef { name: model.name.value.clone(), bytes: model.bytes.clone() }).collect();
    models.sort_by(|a, b| a.name.cmp(&b.name));
    models
}

fn asked<'e>(expr: &'e Expr, names: &mut BTreeSet<&'e str>) {
    if let ExprKind::Model(name, _) = &expr.kind {
        names.insert(name);
    }
    expr.parts().into_iter().for_each(|part| asked(part, names));
}

impl Checker<'_> {
    /// A call of a model.
    pub(super) fn score(&mut self, ast: &Ast, name: &Spanned<String>, args: &[Ast]) -> Result<Expr> {
        let Some(model) = self.models.iter().find(|model| model.name.value == name.value) else {
            let finding =
                Finding::new(name.span, "G3005", format!("no model is called `model.{}`", name.value));
            let known = self.models.iter().map(|model| model.name.value.as_str());
            return Err(finding.maybe_help(suggest(&name.value, known)));
        };
        if args.len() != model.features.len() {
            let names: Vec<&str> = model.features.iter().map(|feature| feature.name.as_str()).collect();
            let message = format!("`model.{}` has {} features, not {}", name.value, names.len(), args.len());
            let help = format!("name a signal for each, in this order: {}", names.join(", "));
            return Err(Finding::new(name.span, "G3041", message).help(help));
        }
        let mut inputs = Vec::new();
        for (at, (arg, feature)) in args.iter().zip(&model.features).enumerate() {
            inputs.push(self.input(arg, model, (at, feature))?);
        }
        Ok(self.done(ExprKind::Model(name.value.clone(), inputs), Type::Int, ast))
    }

    /// The signal of one feature.
    fn input(&mut self, arg: &Ast, model: &RawModel, (at, feature): (usize, &Feature)) -> Result<Expr> {
        if !matches!(arg.kind, AstKind::Name(_) | AstKind::Field(..)) || path(arg).is_none() {
            let finding = Finding::new(arg.span, "G3041", "a model takes signals, by their names");
            return Err(finding.help("compute what it needs where the signal is made, as in training"));
        }
        let input = self.expr(arg, None)?;
        let fits = match input.ty {
            Type::Bool | Type::Int => true,
            Type::Double => !feature.whole,
            _ => false,
        };
        if !fits {
            let wants = if feature.whole { "an int or a bool" } else { "a number or a bool" };
            let message = format!("feature `{}` is {wants}, not {}", feature.name, kind(input.ty));
            return Err(Finding::new(arg.span, "G3041", message));
        }
        let Some(signal) = input.reads() else { return Ok(input) };
        let other = model.features.iter().position(|other| is_called(signal, &other.name));
        if let Some(other) = other.filter(|other| *other != at && !is_called(signal, &feature.name)) {
            let message =
                format!("`{signal}` stands for feature `{}`, and is called like another", feature.name);
            let help = format!("it belongs in place {} of `model.{}`", other + 1, model.name.value);
            return Err(Finding::new(arg.span, "G3041", message).help(help));
        }
        Ok(input)
    }
}

/// Whether a signal is called like a feature: as a whole, with `_` for dots, or by its last segment.
fn is_called(signal: &SignalName, feature: &str) -> bool {
    let name = signal.as_str();
    name == feature || name.replace('.', "_") == feature || name.rsplit('.').next() == Some(feature)
}
