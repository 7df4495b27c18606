//! `joulewise waste`: what a kept run burnt without use.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use joulewise_meter::Energy;
use serde::Serialize;

use crate::hint::Hint as _;
use crate::recipe::Recipe;
use crate::run::{self, Run};
use crate::waste::recorded::Measurement;
use crate::waste::trace::Batch;
use crate::waste::{Trace, text};
use crate::{events, exit};

/// Show what runs burnt without use, and what to do about it
///
/// Measurements of one command with batches of several sizes also show which of them is cheapest.
#[derive(Debug, clap::Args)]
pub struct Waste {
    /// Files that `joulewise measure --output` wrote, folders of runs, their ids or the beginning of them, or @last
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<String>,
    /// The folder that run folders are made in
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Write an array of objects instead of text
    #[arg(long)]
    pub json: bool,
}

/// What was looked at, and what was found in it.
#[derive(Serialize)]
struct Looked {
    run: String,
    /// What the shares are parts of.
    energy_j: Energy,
    #[serde(flatten)]
    waste: crate::waste::Waste,
}

/// What is to be looked at.
enum Given {
    Measured { name: String, trace: Trace, batches: Option<(u64, Vec<String>)> },
    Run(Looked),
}

impl Waste {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let mut given = self.runs.iter().map(|run| self.open(run)).collect::<Result<Vec<_>>>()?;
        share_batches(&mut given);
        let looked: Vec<Looked> = given.into_iter().map(Given::look).collect();
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &looked).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            for Looked { run, energy_j, waste } in &looked {
                writeln!(out, "{run}: {energy_j}")?;
                out.write_all(text::page(waste).as_bytes())?;
            }
        }
        Ok(ExitCode::from(exit::OK))
    }

    fn open(&self, argument: &str) -> Result<Given> {
        let path = Path::new(argument);
        if path.is_file() || path.extension().is_some_and(|extension| extension == "json") {
            return measured(path);
        }
        let run = if path.is_dir() { Run::at(path)? } else { Run::open(&self.out, argument)? };
        let result = run.result()?;
        let log = run.text(run::EVENTS).unwrap_or_default();
        let batch =
            Recipe::load(Some(&run.path(run::RECIPE)), None).ok().map(|recipe| recipe.train.batch as u64);
        let baseline = result.ledger.entries.iter().find(|entry| entry.stage == crate::waste::run::STAGE);
        Ok(Given::Run(Looked {
            run: format!("baseline of {} (run {})", result.task, result.id),
            energy_j: baseline.map_or_else(Energy::zero, |entry| entry.energy_j),
            waste: crate::waste::Waste::in_run(&result, &events::parse(&log), batch),
        }))
    }
}

impl Given {
    fn look(self) -> Looked {
        match self {
            Self::Run(looked) => looked,
            Self::Measured { name, trace, .. } => {
                let waste = crate::waste::Waste::in_trace(&trace);
                Looked { run: name, energy_j: trace.energy, waste }
            }
        }
    }
}

fn measured(path: &Path) -> Result<Given> {
    let text = fs::read_to_string(path)
        .hint("give a run, or a file that `joulewise measure --output` has written")
        .with_context(|| format!("cannot read {}", path.display()))?;
    let measurement: Measurement = serde_json::from_str(&text)
        .with_context(|| format!("{} is not what `joulewise measure --output` writes", path.display()))
        .hint("give such a file or a run")?;
    let what = measurement.label.clone().unwrap_or_else(|| measurement.command.join(" "));
    Ok(Given::Measured {
        name: format!("{what} ({})", path.display()),
        batches: measurement.batch_size(),
        trace: measurement.into_trace(),
    })
}

/// Commands that only differ in the size of their batches do the same work: each is shown what it costs the others.
fn share_batches(given: &mut [Given]) {
    let mut works: BTreeMap<Vec<String>, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for each in given.iter() {
        if let Given::Measured { trace, batches: Some((size, rest)), .. } = each {
            let joules = trace.energy.value / trace.runs.max(1) as f64;
            works.entry(rest.clone()).or_default().entry(*size).or_default().push(joules);
        }
    }
    for each in given {
        let Given::Measured { trace, batches: Some((own, rest)), .. } = each else { continue };
        let Some(sizes) = works.get(rest).filter(|sizes| sizes.len() > 1) else { continue };
        let batch = |(&size, each): (&u64, &Vec<f64>)| Batch {
            size,
            unit_j: each.iter().sum::<f64>() / each.len() as f64,
            used_j: if size == *own { trace.energy.value } else { 0.0 },
        };
        trace.batches = sizes.iter().map(batch).collect();
    }
}
