//! `glacis model show`: what a model reads and what it costs; the same part of every import's report.
//!
//! Loads the model as a device would, so what is shown has passed every check. Scores are integers in units; a
//! threshold on a probability is given as the least score that stands for it.

use super::read;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_model::format::MODEL_BYTES_MAX;
use glacis_model::{Cost, Link, Model, Scratch};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `glacis model show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A model that `glacis model import` wrote
    file: PathBuf,
    #[command(flatten)]
    thresholds: Thresholds,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Probabilities that are wanted as scores.
#[derive(Debug, Args)]
pub(crate) struct Thresholds {
    /// Also give the score that stands for this probability; may be repeated
    #[arg(long = "probability", value_name = "P")]
    probabilities: Vec<f64>,
}

/// A probability, its margin, and the least score that reaches it.
pub(crate) struct Threshold {
    probability: f64,
    margin: f64,
    score: i64,
}

impl Thresholds {
    /// The thresholds as margins and scores.
    pub(crate) fn of(&self, model: &Model<'_>) -> Result<Vec<Threshold>, CliError> {
        let threshold = |probability: &f64| {
            let wrong = |why| CliError::new(Code::Argument, format!("--probability {probability}: {why}"));
            if model.link() == Link::Identity {
                return Err(wrong("the model gives no probability: its margin is its answer")
                    .help("compare the score with the margin itself, divided by the unit"));
            }
            let margin = model.link().margin_of(*probability);
            let margin = margin.ok_or_else(|| wrong("not between 0 and 1").help("write it as in 0.95"))?;
            let score = model.score_of(margin).ok_or_else(|| wrong("not a number"))?;
            Ok(Threshold { probability: *probability, margin, score })
        };
        self.probabilities.iter().map(threshold).collect()
    }
}

/// Loads and shows.
pub(crate) fn run(args: &ShowArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let bytes = read(&args.file, MODEL_BYTES_MAX)?;
    let model = Model::load(&bytes).map_err(|error| {
        CliError::new(Code::ModelBroken, format!("{}: {error}", args.file.display())).caused_by(error)
    })?;
    let thresholds = args.thresholds.of(&model)?;
    if args.json {
        print_json(out, &document(&model, &thresholds))
    } else {
        print(out, plain(&text(&model, &thresholds)).trim_end())
    }
}

/// The model as JSON; names are stable.
pub(crate) fn document(model: &Model<'_>, thresholds: &[Threshold]) -> Value {
    let features: Vec<Value> = model
        .features()
        .map(|feature| {
            json!({
                "name": feature.name,
                "kind": feature.kind.name(),
                "zero_is_missing": feature.zero_is_missing,
                "thresholds": feature.thresholds,
            })
        })
        .collect();
    let thresholds: Vec<Value> = thresholds
        .iter()
        .map(|Threshold { probability, margin, score }| {
            json!({ "probability": probability, "margin": margin, "score": score })
        })
        .collect();
    let Cost { point, any } = model.cost();
    let (complete, sparse) = model.layouts();
    let all = model.score(&[], &mut Scratch::new());
    json!({
        "bytes": model.bytes().len(),
        "link": model.link().name(),
        "trees": { "complete": complete, "sparse": sparse },
        "depth": model.depth(),
        "features": features,
        "unit": model.unit(),
        "base": model.base(),
        "bound": model.bound(),
        "lowest": all.lo,
        "highest": all.hi,
        "steps": { "point": point, "any": any },
        "thresholds": thresholds,
    })
}

/// The model for people.
pub(crate) fn text(model: &Model<'_>, thresholds: &[Threshold]) -> String {
    let (complete, sparse) = model.layouts();
    let Cost { point, any } = model.cost();
    let all = model.score(&[], &mut Scratch::new());
    let mut shown = format!(
        "{} trees ({complete} complete, {sparse} sparse), at most {} splits deep, {} bytes, link {}\n",
        model.trees(),
        model.depth(),
        model.bytes().len(),
        model.link().name()
    );
    // Writing to a string cannot fail.
    let _ = write!(
        shown,
        "one unit is {:e}; margins from {:.6} to {:.6}, exact within {} units ({:.3e})\n\
         a score takes at most {point} steps where all is known, {any} in any case\n\n",
        model.unit(),
        model.margin(all.lo),
        model.margin(all.hi),
        model.bound(),
        model.margin(i64::try_from(model.bound()).unwrap_or(i64::MAX)),
    );
    let width = model.features().map(|feature| feature.name.chars().count()).max().unwrap_or(0).max(7);
    let _ = writeln!(shown, "  {:<width$}  {:<6}  thresholds", "feature", "kind");
    for feature in model.features() {
        let zero = if feature.zero_is_missing { ", zero is missing" } else { "" };
        let (name, kind, count) = (feature.name, feature.kind.name(), feature.thresholds);
        let _ = writeln!(shown, "  {name:<width$}  {kind:<6}  {count}{zero}");
    }
    for Threshold { probability, margin, score } in thresholds {
        let _ = write!(shown, "\nprobability {probability}: margin {margin:.9}, score {score}");
    }
    if !thresholds.is_empty() {
        shown.push('\n');
    }
    shown
}
