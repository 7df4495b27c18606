//! `joulewise tune show`: where a study stands.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use joulewise_tune::{State, Trial};
use serde_json::json;

use super::place::Named;
use super::trials;
use crate::commands::measure;
use crate::exit;
use crate::output;
use crate::report::{self, quantity, terminal};
use crate::tune::caveats;
use crate::tune::cost::{Cost, Origin};
use crate::tune::importance;
use crate::tune::live::{overhead, saved_j, values};
use crate::tune::objective;
use crate::tune::plan::Plan;
use crate::tune::worker::Study;

/// Show where a study stands: its best trials, and what they and the others cost
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    study: Named,
    /// Write JSON instead of text
    #[arg(long)]
    json: bool,
    /// Write the report, an HTML file, to this file; `-` writes it alone to stdout
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Show {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (study, plan) = self.study.study()?;
        if let Some(file) = &self.html {
            self.study.place.database()?.spare(file)?;
            output::write(file, report::study::html(&plan, &study).as_bytes())?;
            if output::is_stdout(file) {
                return Ok(ExitCode::from(exit::OK));
            }
        }
        let mut out = io::stdout().lock();
        if self.json {
            json(&mut out, &plan, &study)?;
        } else {
            summary(&mut out, &plan, &study)?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}

/// Parameters, and pairs of them, that are named: those that explain so much of the variance, and no more than these.
const DECISIVE: f64 = 0.05;
const DECISIVE_SHOWN: usize = 5;

/// Writes a study as JSON: what it is, where it stands, and all its trials.
pub(super) fn json(out: &mut impl Write, plan: &Plan, study: &Study) -> io::Result<()> {
    let cost = Cost::of(study);
    let objects =
        |trials: Vec<&Trial>| -> Vec<_> { trials.iter().map(|t| trials::object(study, t)).collect() };
    let (overhead_j, overhead_cpu_s) = overhead(study);
    let told = json!({
        "schema": crate::result::SCHEMA,
        "study": plan.name,
        "objectives": study.objectives().iter().map(objective::text).collect::<Vec<_>>(),
        "plan": plan,
        "sampler_reason": plan.reason(study),
        "best": study.best().map(|best| trials::object(study, best)),
        "front": study.front().iter().map(|trial| trial.id.0).collect::<Vec<_>>(),
        (cost.key()): study.cost(),
        "overhead_j": overhead_j,
        "overhead_cpu_s": overhead_cpu_s,
        (if cost == Cost::Joules { "saved_j" } else { "saved_s" }): saved_j(study.trials()),
        "caveats": caveats::of(study),
        "importances": importance::of(study)
            .iter()
            .map(|of| json!({ "parameters": of.parameters, "share": of.share }))
            .collect::<Vec<_>>(),
        "trials": objects(study.trials().iter().collect()),
    });
    serde_json::to_writer_pretty(&mut *out, &told)?;
    writeln!(out)
}

/// Writes where a study stands.
pub(super) fn summary(out: &mut impl Write, plan: &Plan, study: &Study) -> io::Result<()> {
    let mut parts = Vec::new();
    for word in ["done", "stopped", "failed", "lost", "running"] {
        let n = study.trials().iter().filter(|trial| trials::word(&trial.state) == word).count();
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    let cost = Cost::of(study);
    let method = if cost == Cost::Joules { Origin::of(study).text() } else { "" };
    let method = if method.is_empty() { String::new() } else { format!(", {method}") };
    let (trials, spent) = (quantity::plural(study.trials().len(), "trial"), cost.text(study.cost()));
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    writeln!(out, "study {}: {trials}{parts}, {spent}{method}", plan.name)?;
    if let Some(reason) = plan.reason(study) {
        writeln!(out, "sampler: {reason}")?;
    }
    let saved = saved_j(study.trials());
    if saved > 0.0 {
        writeln!(out, "stopping early saved about {}", cost.text(saved))?;
    }
    let (overhead_j, overhead_cpu_s) = overhead(study);
    if overhead_cpu_s > 0.0 {
        let (joules, seconds) = (quantity::joules(overhead_j), quantity::seconds(overhead_cpu_s));
        writeln!(out, "the search itself used {joules} and {seconds} of CPU time")?;
    }
    for line in measure::caveats::lines(&caveats::of(study)) {
        writeln!(out, "{line}")?;
    }
    let Some(best) = study.best() else {
        return writeln!(out, "no trial {}", lack(study));
    };
    writeln!(out, "best: trial {}, {}", best.id.0, values(study.objectives(), best))?;
    for (name, value) in best.point.values() {
        writeln!(out, "  {} = {}", terminal::escaped(name), terminal::escaped(&value.to_string()))?;
    }
    let decisive = importance::of(study).into_iter().filter(|of| of.share >= DECISIVE).take(DECISIVE_SHOWN);
    let decisive: Vec<String> =
        decisive.map(|of| format!("{} {}", importance::label(&of), quantity::percent(of.share))).collect();
    if !decisive.is_empty() {
        writeln!(out, "what decides: {}", decisive.join(", "))?;
    }
    let front = study.front();
    if front.len() > 1 {
        writeln!(out, "\nfront of {} trials:", front.len())?;
        trials::table(out, study, &front)?;
    }
    Ok(())
}

/// What keeps every trial from being the best.
pub(super) fn lack(study: &Study) -> &'static str {
    let is_of = |state: fn(&State) -> bool| study.trials().iter().any(|trial| state(&trial.state));
    if is_of(|state| matches!(state, State::Done(_))) {
        "keeps the bounds"
    } else if is_of(|state| matches!(state, State::Stopped(_))) {
        "came to its end: those with values were stopped early"
    } else {
        "has a value yet"
    }
}
