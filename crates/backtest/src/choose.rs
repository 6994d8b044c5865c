//! Choosing the threshold of one rule on the first part of the events, and what it does on the rest.
//!
//! The rule must be one comparison of an integer signal with a literal, so that every threshold can be judged from
//! the values alone in one pass, exactly. Best is the highest F1; with a wished precision, the highest recall among
//! the thresholds that reach it. Of equals the one that matches the fewest events is taken, so the choice is a
//! function of the first part, and of nothing else.

use crate::error::BacktestError;
use crate::report::Share;
use crate::rows::Label;
use glacis_compiler::Compiled;
use glacis_compiler::checked::{BinaryOp, Expr, ExprKind};
use glacis_wire::{SignalName, Value};
use serde::Serialize;
use std::collections::BTreeMap;

/// What to choose, and by what.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Id of the rule.
    pub rule: String,
    /// Least precision on the first part; none: the best F1.
    pub precision: Option<f64>,
}

/// How a rule does on labelled events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Labelled events.
    pub events: u64,
    /// Positives that it matches.
    pub true_positive: u64,
    /// Negatives that it matches.
    pub false_positive: u64,
    /// Positives that it does not match.
    pub false_negative: u64,
    /// Of what it matches, the share that is positive.
    pub precision: Share,
    /// Of what is positive, the share that it matches.
    pub recall: Share,
}

/// A choice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chosen {
    /// The rule.
    pub rule: String,
    /// The signal that it compares.
    pub signal: String,
    /// How: `>`, `>=`, `<` or `<=`.
    pub operator: &'static str,
    /// The threshold in the policy.
    pub shipped: i64,
    /// The threshold chosen on the first part.
    pub chosen: i64,
    /// The chosen threshold on the part that it was chosen on.
    pub first: Quality,
    /// The chosen threshold on the rest.
    pub rest: Quality,
}

/// Values of the signal by label, of both parts.
#[derive(Debug)]
pub(crate) struct Chooser {
    wish: Wish,
    pub(crate) signal: SignalName,
    operator: Operator,
    shipped: i64,
    first: Values,
    rest: Values,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Gt,
    Ge,
    Lt,
    Le,
}

/// Positives and negatives at each value, and those without a value.
#[derive(Debug, Default)]
struct Values {
    at: BTreeMap<i64, (u64, u64)>,
    without: (u64, u64),
}

impl Chooser {
    pub(crate) fn new(wish: &Wish, compiled: &Compiled) -> Result<Self, BacktestError> {
        let rule = compiled.checked().rules().iter().find(|rule| rule.id == wish.rule);
        let rule =
            rule.ok_or_else(|| BacktestError::Option(format!("the policy has no rule `{}`", wish.rule)))?;
        let (signal, operator, shipped) = comparison(&rule.when).ok_or_else(|| {
            let why = "is not one comparison of an integer signal with a number";
            BacktestError::Option(format!(
                "rule `{}` {why}; move the comparison into a rule of its own to choose its threshold",
                wish.rule
            ))
        })?;
        if wish.precision.is_some_and(|least| !(0.0..=1.0).contains(&least)) {
            return Err(BacktestError::Option("a precision lies in 0..=1".to_owned()));
        }
        let (first, rest) = (Values::default(), Values::default());
        Ok(Self { wish: wish.clone(), signal, operator, shipped, first, rest })
    }

    pub(crate) fn take(
        &mut self,
        value: Option<i64>,
        label: Label,
        first: bool,
    ) -> Result<(), BacktestError> {
        let values = if first { &mut self.first } else { &mut self.rest };
        let counts = match value {
            Some(value) => values.at.entry(value).or_default(),
            None => &mut values.without,
        };
        match label {
            Label::Positive => counts.0 += 1,
            Label::Negative => counts.1 += 1,
            Label::None => {}
        }
        if values.at.len() > VALUES_MAX {
            let why = format!("`{}` has more than {VALUES_MAX} different values", self.signal);
            return Err(BacktestError::Option(format!("{why}; choose its threshold on a coarser signal")));
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Chosen, BacktestError> {
        let (chosen, first) = self.best()?;
        let rest = self.rest.quality(self.operator, chosen);
        Ok(Chosen {
            rule: self.wish.rule,
            signal: self.signal.to_string(),
            operator: self.operator.text(),
            shipped: self.shipped,
            chosen,
            first,
            rest,
        })
    }

    fn best(&self) -> Result<(i64, Quality), BacktestError> {
        let mut best: Option<(i64, Quality)> = None;
        let mut most: f64 = 0.0;
        for (threshold, quality) in self.first.sweep(self.operator) {
            most = most.max(quality.precision.value());
            if self.wish.precision.is_some_and(|least| quality.precision.value() < least) {
                continue;
            }
            let better = |than: &Quality| match self.wish.precision {
                Some(_) => quality.true_positive > than.true_positive,
                None => quality.beats(than),
            };
            if quality.true_positive > 0 && best.as_ref().is_none_or(|(_, held)| better(held)) {
                best = Some((threshold, quality));
            }
        }
        best.ok_or_else(|| {
            let (rule, least) = (&self.wish.rule, self.wish.precision.unwrap_or(0.0));
            BacktestError::Option(format!(
                "no threshold of `{rule}` reaches precision {least} on the first part; the best is {most:.4}"
            ))
        })
    }
}

impl Values {
    fn totals(&self) -> (u64, u64) {
        let sum = |all: (u64, u64), more: &(u64, u64)| (all.0 + more.0, all.1 + more.1);
        self.at.values().fold(self.without, sum)
    }

    fn quality(&self, operator: Operator, threshold: i64) -> Quality {
        let matched = self.at.iter().filter(|(value, _)| operator.holds(**value, threshold));
        let matched = matched.fold((0, 0), |all, (_, more)| (all.0 + more.0, all.1 + more.1));
        Quality::new(matched, self.totals())
    }

    /// Every threshold at which something changes, from the one that matches the fewest events.
    fn sweep(&self, operator: Operator) -> Vec<(i64, Quality)> {
        let totals = self.totals();
        let mut matched = (0, 0);
        let mut step = |(value, more): (&i64, &(u64, u64))| {
            matched = (matched.0 + more.0, matched.1 + more.1);
            Some((operator.at(*value)?, Quality::new(matched, totals)))
        };
        match operator {
            Operator::Gt | Operator::Ge => self.at.iter().rev().filter_map(&mut step).collect(),
            Operator::Lt | Operator::Le => self.at.iter().filter_map(&mut step).collect(),
        }
    }
}

impl Operator {
    const fn text(self) -> &'static str {
        match self {
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Lt => "<",
            Self::Le => "<=",
        }
    }

    const fn holds(self, value: i64, threshold: i64) -> bool {
        match self {
            Self::Gt => value > threshold,
            Self::Ge => value >= threshold,
            Self::Lt => value < threshold,
            Self::Le => value <= threshold,
        }
    }

    /// The threshold that just matches `value`.
    const fn at(self, value: i64) -> Option<i64> {
        match self {
            Self::Gt => value.checked_sub(1),
            Self::Ge | Self::Le => Some(value),
            Self::Lt => value.checked_add(1),
        }
    }

    /// The same comparison with its sides exchanged.
    const fn turned(self) -> Self {
        match self {
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
        }
    }
}

impl Quality {
    fn new((true_positive, false_positive): (u64, u64), (positive, negative): (u64, u64)) -> Self {
        Self {
            events: positive + negative,
            true_positive,
            false_positive,
            false_negative: positive - true_positive,
            precision: Share::new(true_positive, true_positive + false_positive),
            recall: Share::new(true_positive, positive),
        }
    }

    /// Whether its F1 is higher: 2·TP / (2·TP + FP + FN), compared without rounding.
    fn beats(&self, other: &Self) -> bool {
        let parts = |q: &Self| {
            let hits = 2 * u128::from(q.true_positive);
            (hits, hits + u128::from(q.false_positive) + u128::from(q.false_negative))
        };
        let ((ours, our_all), (theirs, their_all)) = (parts(self), parts(other));
        ours * their_all > theirs * our_all
    }
}

fn comparison(when: &Expr) -> Option<(SignalName, Operator, i64)> {
    let ExprKind::Binary(op, left, right) = &when.kind else { return None };
    let operator = match op {
        BinaryOp::Gt => Operator::Gt,
        BinaryOp::Ge => Operator::Ge,
        BinaryOp::Lt => Operator::Lt,
        BinaryOp::Le => Operator::Le,
        _ => return None,
    };
    match (&left.kind, &right.kind) {
        (ExprKind::Signal(signal), ExprKind::Literal(Value::Int(number))) => {
            Some((signal.clone(), operator, *number))
        }
        (ExprKind::Literal(Value::Int(number)), ExprKind::Signal(signal)) => {
            Some((signal.clone(), operator.turned(), *number))
        }
        _ => None,
    }
}

/// LIMIT: different values of a signal whose threshold is chosen; some 50 MB.
const VALUES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn values(rows: &[(i64, bool)]) -> Values {
        let mut values = Values::default();
        for (value, positive) in rows {
            let counts = values.at.entry(*value).or_default();
            if *positive { counts.0 += 1 } else { counts.1 += 1 }
        }
        values
    }

    #[test]
    fn every_threshold_of_the_sweep_is_what_counting_says() {
        let rows = [(1, false), (2, true), (2, false), (5, true), (7, false), (9, true), (9, true)];
        let values = values(&rows);
        for operator in [Operator::Gt, Operator::Ge, Operator::Lt, Operator::Le] {
            let sweep = values.sweep(operator);
            assert_eq!(sweep.len(), 5);
            for (threshold, quality) in sweep {
                assert_eq!(quality, values.quality(operator, threshold), "{operator:?} {threshold}");
                let hit = |wanted| {
                    let hits = rows.iter().filter(|(v, p)| *p == wanted && operator.holds(*v, threshold));
                    u64::try_from(hits.count()).unwrap()
                };
                assert_eq!((quality.true_positive, quality.false_positive), (hit(true), hit(false)));
                assert_eq!(quality.false_negative, 4 - hit(true));
            }
        }
    }
}
