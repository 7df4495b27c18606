//! `joulewise ledger`: who spent which joules on what.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use joulewise_meter::SpanTotal;

use crate::exit;
use crate::report::grid::{Align, Column, GAP, Grid};
use crate::report::{quantity, terminal};
use crate::result::{Entry, RunResult};
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
            spans(&mut out, &result, terminal::width())?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}

fn table(out: &mut impl Write, result: &RunResult, width: usize) -> io::Result<()> {
    let ledger = &result.ledger;
    let columns = vec![
        column("id", Align::Right, 0),
        column("stage", Align::Names, 0),
        column("CPU", Align::Right, 2),
        column(joules_word(result), Align::Right, 0),
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
    write(out, Grid::new(columns, rows), width)
}

/// What the commands told of as parts of their stages; nothing if there is none.
fn spans(out: &mut impl Write, result: &RunResult, width: usize) -> io::Result<()> {
    let row = |entry: &Entry, (name, span): (String, &SpanTotal)| {
        let (cpu, joules) = (quantity::seconds(span.cpu_s), quantity::joules(span.energy.value));
        vec![entry.id.to_string(), name, span.count.to_string(), cpu, joules, quantity::seconds(span.wall_s)]
    };
    let entries = result.ledger.entries.iter();
    let rows: Vec<_> =
        entries.flat_map(|entry| entry.named_spans().map(move |span| row(entry, span))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = vec![
        column("id", Align::Right, 0),
        column("span of that stage", Align::Names, 0),
        column("times", Align::Right, 1),
        column("CPU", Align::Right, 2),
        column(joules_word(result), Align::Right, 0),
        column("wall", Align::Right, 3),
    ];
    writeln!(out)?;
    write(out, Grid::new(columns, rows), width)
}

fn column(heading: &str, align: Align, spare: u8) -> Column {
    Column { heading: heading.to_owned(), align, spare }
}

fn joules_word(result: &RunResult) -> &'static str {
    if quantity::is_modelled(result) { "J modelled" } else { "J" }
}

fn write(out: &mut impl Write, mut grid: Grid, width: usize) -> io::Result<()> {
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

    #[test]
    fn spans_follow_with_the_numbers_of_their_stages() {
        let mut result = fixture::result();
        let mut out = Vec::new();
        spans(&mut out, &result, 80).unwrap();
        assert_eq!(out, b"");
        let span = |id, name: &str, parent| SpanTotal {
            id,
            name: name.to_owned(),
            parent,
            count: 12,
            unclosed: 0,
            energy: result.ledger.entries[0].energy_j,
            cpu_s: 2.0,
            wall_s: 3.0,
        };
        result.ledger.entries[1].spans = vec![span(1, "epoch", None), span(2, "step", Some(1))];
        spans(&mut out, &result, 80).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(" 2  epoch ") && text.contains(" 2  epoch › step "), "{text}");
    }
}
