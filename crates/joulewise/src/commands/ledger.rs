//! `joulewise ledger`: who spent which joules on what.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::exit;
use crate::report::grid::{Align, Column, GAP, Grid};
use crate::report::{quantity, terminal};
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
            table(&mut out, &result, terminal::width())?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}

fn table(out: &mut impl Write, result: &RunResult, width: usize) -> io::Result<()> {
    let ledger = &result.ledger;
    let modelled = if quantity::is_modelled(result) { "J modelled" } else { "J" };
    let column = |heading: &str, align, spare| Column { heading: heading.to_owned(), align, spare };
    let columns = vec![
        column("id", Align::Right, 0),
        column("stage", Align::Names, 0),
        column("CPU", Align::Right, 2),
        column(modelled, Align::Right, 0),
        column("share", Align::Right, 0),
        column("wall", Align::Right, 3),
        column("depends on", Align::Left, 1),
    ];
    let row = |id: &str, stage: &str, cpu: &str, joules: f64, wall: &str, upstream: &str| {
        let share = if ledger.total_j.value > 0.0 { joules / ledger.total_j.value } else { 0.0 };
        [id, stage, cpu, &quantity::joules(joules), &quantity::percent(share), wall, upstream]
            .map(str::to_owned)
            .to_vec()
    };
    let mut rows: Vec<Vec<String>> = ledger
        .entries
        .iter()
        .map(|entry| {
            let upstream: Vec<String> = entry.depends_on.iter().map(u32::to_string).collect();
            let (cpu, wall) = (quantity::seconds(entry.cpu_s), quantity::seconds(entry.wall_s));
            row(&entry.id.to_string(), &entry.stage, &cpu, entry.energy_j.value, &wall, &upstream.join(" "))
        })
        .collect();
    rows.push(row("", "unattributed", "", ledger.unattributed_j, "", ""));
    rows.push(row("", "total", "", ledger.total_j.value, "", ""));
    let mut grid = Grid::new(columns, rows);
    grid.fit(width);
    grid.lines().try_for_each(|cells| writeln!(out, "{}", cells.join(GAP).trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_ledger_fits_its_terminal_and_keeps_every_joule() {
        let result = fixture::result();
        for width in [60, 80, 100] {
            let mut out = Vec::new();
            table(&mut out, &result, width).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            assert_eq!(text.lines().count(), 3 + result.ledger.entries.len());
            assert!(text.contains("10.0\u{a0}kJ"), "{text}");
        }
    }
}
