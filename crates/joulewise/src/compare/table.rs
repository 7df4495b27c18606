//! A comparison for people: a table per side, in the terminal or in Markdown.

use std::fmt::{self, Write};

use super::{Against, Change, Comparison, FEWEST, Metric, Ruling, Side};
use crate::report::grid::{Align, Column, GAP, Grid};
use crate::report::quantity::{plain, plural, signed_percent};
use crate::report::terminal::wrapped;

/// The comparison for the terminal.
pub fn text(comparison: &Comparison, width: usize) -> Result<String, fmt::Error> {
    let mut out = String::new();
    for side in &comparison.sides {
        writeln!(out, "{}  {}", side.name, side.what)?;
    }
    for against in &comparison.against_first {
        let mut grid = Grid::new(columns(comparison, against), rows(comparison, against));
        grid.fit(width);
        writeln!(out)?;
        grid.lines().try_for_each(|cells| writeln!(out, "{}", cells.join(GAP).trim_end()))?;
    }
    writeln!(out)?;
    notes(comparison).iter().for_each(|note| wrapped(&mut out, note, width));
    if !comparison.rulings.is_empty() {
        writeln!(out)?;
    }
    comparison.rulings.iter().try_for_each(|ruling| writeln!(out, "{}", told_of(ruling)))?;
    Ok(out)
}

/// The comparison as Markdown, for a pull request or a page.
pub fn markdown(comparison: &Comparison) -> Result<String, fmt::Error> {
    let mut out = String::new();
    for side in &comparison.sides {
        writeln!(out, "- **{}**: `{}`", side.name, side.what.replace('`', "'"))?;
    }
    for against in &comparison.against_first {
        let headings: Vec<String> =
            columns(comparison, against).into_iter().map(|column| column.heading).collect();
        writeln!(out, "\n| {} |\n|---|---:|---:|---:|---:|---|", headings.join(" | "))?;
        for row in rows(comparison, against) {
            writeln!(out, "| {} |", row.join(" | ").replace('*', "\\*"))?;
        }
    }
    for note in notes(comparison) {
        writeln!(out, "\n{}", note.replace('*', "\\*"))?;
    }
    if !comparison.rulings.is_empty() {
        writeln!(out)?;
    }
    comparison.rulings.iter().try_for_each(|ruling| writeln!(out, "- {}", told_of(ruling)))?;
    Ok(out)
}

fn columns(comparison: &Comparison, against: &Against) -> Vec<Column> {
    let (first, side) = (&comparison.sides[0].name, &against.side);
    let column = |heading: String, align, spare| Column { heading, align, spare };
    vec![
        column(String::new(), Align::Left, 0),
        column(first.clone(), Align::Right, 2),
        column(side.clone(), Align::Right, 1),
        column(format!("{side} / {first}"), Align::Right, 0),
        column("95 %".to_owned(), Align::Right, 0),
        column("change".to_owned(), Align::Left, 0),
    ]
}

/// A row per metric. CPU time comes first where joules follow from it.
fn rows(comparison: &Comparison, against: &Against) -> Vec<Vec<String>> {
    let first = &comparison.sides[0];
    let side = comparison.sides.iter().find(|side| side.name == against.side);
    let metrics = if comparison.is_modelled {
        Metric::ALL
    } else {
        [Metric::EnergyJ, Metric::WallS, Metric::PowerW, Metric::CpuS]
    };
    let row = |metric: Metric| {
        let mark = if comparison.is_modelled && metric.is_of_energy() { "*" } else { "" };
        let value = |side: &Side| side.typical(metric).map_or("–".to_owned(), |value| metric.shown(value));
        let [ratio, interval, change] = against.ratios.get(&metric).map_or_else(no_change, told);
        let values = [value(first), side.map_or_else(String::new, value)];
        [format!("{}{mark}", metric.title())]
            .into_iter()
            .chain(values)
            .chain([ratio, interval, change])
            .collect()
    };
    metrics.into_iter().map(row).collect()
}

fn no_change() -> [String; 3] {
    ["–".to_owned(), String::new(), "not comparable".to_owned()]
}

/// A ratio, its interval, and what it means.
fn told(change: &Change) -> [String; 3] {
    let interval = match (change.low, change.high) {
        (Some(low), Some(high)) => format!("[{low:.3}, {high:.3}]"),
        (Some(low), None) => format!("[{low:.3}, ∞)"),
        (None, _) => String::new(),
    };
    let meaning = match change.low {
        _ if change.is_shown => signed_percent(change.ratio - 1.0),
        Some(_) => "no difference shown".to_owned(),
        None => "too few runs".to_owned(),
    };
    [format!("{:.3}", change.ratio), interval, meaning]
}

fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = Vec::new();
    let runs = comparison.sides.iter().map(|side| side.runs.len()).min().unwrap_or(0);
    let how = if comparison.is_paired {
        format!("{}, the commands in turns and compared round by round.", plural(runs, "round"))
    } else {
        let counts: Vec<String> = comparison
            .sides
            .iter()
            .map(|side| format!("{}: {}", side.name, plural(side.runs.len(), "run")))
            .collect();
        format!("{}.", counts.join(", "))
    };
    let intervals = if runs >= FEWEST { " Intervals at 95 %, bootstrapped over the runs." } else { "" };
    notes.push(format!("{how}{intervals}"));
    if comparison.is_modelled {
        let (low, high) = (plain(comparison.sides[0].scale.0), plain(comparison.sides[0].scale.1));
        notes.push(format!(
            "* Joules are modelled from CPU time, right within ×{low} to ×{high}: no counter could be read. Compare CPU \
             time first; what the model gets wrong alike on all sides cancels in the ratio."
        ));
    }
    for caveat in &comparison.caveats {
        let hint = if caveat.hint.is_empty() { String::new() } else { format!(" ({})", caveat.hint) };
        notes.push(format!("Caveat: {}{hint}.", caveat.text));
    }
    notes
}

/// As in `✗ energy_j > +5% is violated by B (+6.1 %)`.
fn told_of(ruling: &Ruling) -> String {
    let Ruling { rule, side, .. } = ruling;
    let change = ruling.change.map_or("not comparable".to_owned(), signed_percent);
    let doubt = if ruling.is_shown || ruling.is_undecided { "" } else { ", no difference shown" };
    match (ruling.is_undecided, ruling.is_violated) {
        (true, _) => format!("? {rule} cannot be decided for {side} ({change})"),
        (_, true) => format!("✗ {rule} is violated by {side} ({change}{doubt})"),
        (_, false) => format!("✓ {rule} is kept by {side} ({change}{doubt})"),
    }
}

#[cfg(test)]
mod tests {
    use joulewise_meter::{Caveat, Method};

    use super::super::tests::side;
    use super::*;

    fn rules() -> Vec<super::super::Rule> {
        ["energy_j > +5%", "wall_s > +10%", "cpu_s > -30%"].map(|rule| rule.parse().unwrap()).to_vec()
    }

    fn modelled() -> Comparison {
        let a = side("A", &[10.0, 10.4, 9.8, 10.1, 9.9, 10.2], Method::Modelled);
        let b = side("B", &[8.0, 8.3, 7.9, 8.1, 7.9, 8.2], Method::Modelled);
        let c = side("C", &[11.0, 11.5, 10.8, 11.0, 10.9, 11.4], Method::Modelled);
        Comparison::new(vec![a, b, c], true, &rules(), 1)
    }

    fn recorded() -> Comparison {
        let mut a = side("A", &[1_000.0], Method::Measured);
        a.caveats =
            vec![Caveat::new("counter-reset", "the counter of package-0 was set back", "measure again")];
        let b = side("B", &[1_100.0], Method::Measured);
        Comparison::new(vec![a, b], false, &rules()[..1], 1)
    }

    #[test]
    fn commands_in_the_terminal() {
        insta::assert_snapshot!(text(&modelled(), 100).unwrap());
    }

    #[test]
    fn recordings_in_the_terminal() {
        insta::assert_snapshot!(text(&recorded(), 80).unwrap());
    }

    #[test]
    fn commands_in_markdown() {
        insta::assert_snapshot!(markdown(&modelled()).unwrap());
    }
}
