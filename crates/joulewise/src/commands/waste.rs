//! `joulewise waste`: what a kept run burnt without use.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use joulewise_meter::Energy;
use serde::Serialize;

use crate::exit;
use crate::hint::Hint as _;
use crate::waste::recorded::Measurement;
use crate::waste::{Trace, text};

/// Show what runs burnt without use, and what to do about it
#[derive(Debug, clap::Args)]
pub struct Waste {
    /// Files that `joulewise measure --output` wrote
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Write an array of objects instead of text
    #[arg(long)]
    pub json: bool,
}

/// What was looked at, and what was found in it.
#[derive(Serialize)]
struct Looked {
    run: String,
    energy_j: Energy,
    #[serde(flatten)]
    waste: crate::waste::Waste,
}

impl Waste {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let looked = self.runs.iter().map(|run| look(run)).collect::<Result<Vec<_>>>()?;
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
}

fn look(path: &Path) -> Result<Looked> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let measurement: Measurement = serde_json::from_str(&text)
        .with_context(|| format!("{} is not what `joulewise measure --output` writes", path.display()))
        .hint("give such a file or a run")?;
    let what = measurement.label.clone().unwrap_or_else(|| measurement.command.join(" "));
    let trace: Trace = measurement.into_trace();
    Ok(Looked {
        run: format!("{what} ({})", path.display()),
        energy_j: trace.energy,
        waste: crate::waste::Waste::in_trace(&trace),
    })
}
