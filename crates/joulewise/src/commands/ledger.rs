//! `joulewise ledger`: who spent which joules on what.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::exit;
use crate::report::quantity;
use crate::result::RunResult;
use crate::run::Run;

/// Show who spent which joules of a run on what.
#[derive(Debug, clap::Args)]
pub struct Ledger {
    /// The run's id or the beginning of it, or @last.
    pub run: String,
    /// The folder that run folders are made in.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Write the ledger of result.json as an object.
    #[arg(long)]
    pub json: bool,
}

impl Ledger {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let result = Run::open(&self.out, &self.run)?.result()?;
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &result.ledger).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            table(&mut out, &result)?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}

fn table(out: &mut impl Write, result: &RunResult) -> io::Result<()> {
    let ledger = &result.ledger;
    let width = ledger.entries.iter().map(|entry| entry.stage.chars().count()).max().unwrap_or(0).max(12);
    let joules = if quantity::is_modelled(result) { "J modelled" } else { "J" };
    writeln!(
        out,
        "{:>3}  {:width$}  {:>12}  {joules:>10}  {:>6}  {:>12}  depends on",
        "id", "stage", "CPU", "share", "wall"
    )?;
    let mut row = |id: &str, stage: &str, cpu: &str, joules: f64, wall: &str, upstream: &str| {
        let share = if ledger.total_j.value > 0.0 { joules / ledger.total_j.value } else { 0.0 };
        let line = format!(
            "{id:>3}  {stage:width$}  {cpu:>12}  {:>10}  {:>6}  {wall:>12}  {upstream}",
            quantity::joules(joules),
            quantity::percent(share),
        );
        writeln!(out, "{}", line.trim_end())
    };
    for entry in &ledger.entries {
        let upstream: Vec<String> = entry.depends_on.iter().map(u32::to_string).collect();
        row(
            &entry.id.to_string(),
            &entry.stage,
            &quantity::seconds(entry.cpu_s),
            entry.energy_j.value,
            &quantity::seconds(entry.wall_s),
            &upstream.join(" "),
        )?;
    }
    row("", "unattributed", "", ledger.unattributed_j, "", "")?;
    row("", "total", "", ledger.total_j.value, "", "")
}
