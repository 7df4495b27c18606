//! The spans and the metrics of a command: where they come from, and how the summary shows the spans.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;
use joulewise_meter::spans::{SpanSender, Told, VARIABLE, nested};
use joulewise_meter::{Command, Joules, Seconds, Session, SpanListener, SpanTotal};

use super::markers::{Markers, SpanPattern};
use crate::hint::Hint as _;
use crate::task::{self, metrics::MetricsFrom};

/// Takes in the spans and the metrics that a command tells of.
pub(in crate::commands) struct Spans<'a> {
    /// `None` where there is no place for a socket, which is no reason not to measure.
    listener: Option<SpanListener>,
    patterns: &'a [SpanPattern],
    metrics: Option<&'a MetricsFrom>,
}

impl<'a> Spans<'a> {
    /// Listens from now on, at a socket with that path if one is given, else anywhere.
    pub(in crate::commands) fn listen(
        session: &Session,
        socket: Option<&Path>,
        patterns: &'a [SpanPattern],
        metrics: Option<&'a MetricsFrom>,
    ) -> anyhow::Result<Self> {
        let listener = match socket {
            Some(path) => {
                let listener = SpanListener::open_at(session, path)
                    .hint("name a file that does not exist yet, in a folder that does")
                    .with_context(|| format!("cannot listen for spans at {}", path.display()))?;
                Some(listener)
            }
            None => task::listen(session),
        };
        Ok(Self { listener, patterns, metrics })
    }

    /// The command, told where to send its spans, and with its output looked at if there is anything to look for.
    pub(super) fn of<'c>(&self, command: Command<'c>) -> Command<'c>
    where
        'a: 'c,
    {
        let Some(listener) = &self.listener else { return command };
        let command = command.env(VARIABLE, listener.path());
        let is_looked_at = !self.patterns.is_empty() || self.metrics.is_some();
        match self.sender("stdout").filter(|_| is_looked_at) {
            None => command,
            Some(sender) => {
                let mut markers = Markers::new(self.patterns, self.metrics, sender);
                command.on_stdout(move |bytes| markers.pass(bytes, &mut io::stdout().lock()).is_ok())
            }
        }
    }

    /// Ends what a run of the command has left open.
    pub(super) fn end_open(&self) {
        // A socket that somebody has removed has no spans to end.
        let _ = self.sender("joulewise").map(|sender| sender.end_open());
    }

    fn sender(&self, name: &str) -> Option<SpanSender> {
        SpanSender::connect(self.listener.as_ref()?.path(), name).ok()
    }

    /// What was told. Spans that are still open end here.
    pub(in crate::commands) fn finish(self) -> Told {
        self.listener.map(SpanListener::finish).unwrap_or_default()
    }
}

/// More spans than these are only in the machine-readable result.
const MOST_ROWS: usize = 30;

/// Writes a table of the spans of so many runs, each below the one that it is nested in; nothing if there are none.
pub(in crate::commands) fn write(totals: &[SpanTotal], runs: usize, out: &mut impl Write) -> io::Result<()> {
    if totals.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> =
        nested(totals).into_iter().take(MOST_ROWS).map(|(depth, total)| row(depth, total)).collect();
    let width = rows.iter().map(|row| row[0].chars().count()).max().unwrap_or(0).max("span".len());
    let mut line = |[name, count, wall, energy, power]: &[String; 5]| {
        writeln!(out, "           {name:width$}  {count:>8}  {wall:>9}  {energy:>9}  {power:>9}")
    };
    line(&["span", "count", "time", "energy", "power"].map(String::from))?;
    rows.iter().try_for_each(&mut line)?;
    if runs > 1 {
        writeln!(out, "           in all {runs} runs")?;
    }
    let unclosed: u64 = totals.iter().map(|total| total.unclosed).sum();
    if totals.len() > MOST_ROWS {
        writeln!(out, "           and {} more, in the JSON", totals.len() - MOST_ROWS)?;
    }
    if unclosed > 0 {
        writeln!(
            out,
            "           {unclosed} of them had not ended, and were counted to the end of the command"
        )?;
    }
    Ok(())
}

fn row(depth: usize, total: &SpanTotal) -> [String; 5] {
    let (energy, wall) = (Joules(total.energy.value), Seconds(total.wall_s));
    [
        format!("{}{}", "  ".repeat(depth), total.name),
        total.count.to_string(),
        wall.to_string(),
        energy.to_string(),
        if total.wall_s > 0.0 { (energy / wall).to_string() } else { "–".to_owned() },
    ]
}

#[cfg(test)]
mod tests {
    use joulewise_meter::{Energy, Method};

    use super::*;

    fn total(id: u32, name: &str, parent: Option<u32>, joules: f64) -> SpanTotal {
        let energy = Energy { value: joules, low: joules, high: joules, method: Method::Measured };
        SpanTotal {
            id,
            name: name.to_owned(),
            parent,
            count: u64::from(id) * 10,
            unclosed: u64::from(id == 4),
            energy,
            cpu_s: 0.5,
            wall_s: if id == 3 { 0.0 } else { 2.0 },
        }
    }

    fn written(totals: &[SpanTotal]) -> String {
        let mut out = Vec::new();
        write(totals, 1, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn spans_stand_below_what_they_are_nested_in() {
        let totals = [
            total(1, "epoch", None, 1234.0),
            total(2, "load", None, 40.0),
            total(3, "step", Some(1), 900.0),
            total(4, "backward pass", Some(3), 0.6),
        ];
        insta::assert_snapshot!(written(&totals));
        assert_eq!(written(&[]), "");
    }

    #[test]
    fn a_table_has_an_end() {
        let totals: Vec<_> = (1..=50).map(|id| total(id * 10, "x", None, 1.0)).collect();
        let text = written(&totals);
        assert_eq!(text.lines().count(), MOST_ROWS + 2);
        assert!(text.ends_with("and 20 more, in the JSON\n"));
    }
}
