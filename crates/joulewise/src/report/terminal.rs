//! The table and the sentence that a run ends with in the terminal.

use std::fmt::Write as _;

use super::candidates::by_life_cost;
use super::{quantity, svg};
use crate::result::{Candidate, RunResult, Status};

/// Letters that fit into a line of stdout: those of the terminal, or plenty where stdout is a file or a pipe.
pub fn width() -> usize {
    terminal_size::terminal_size().map_or(160, |(width, _)| usize::from(width.0))
}

/// A column of the table.
struct Column {
    heading: String,
    cell: fn(&RunResult, &Candidate) -> String,
    /// The column that is left out first has the largest.
    spare: u8,
}

/// Letters that names give up before a column has to go.
const SPARE_LETTERS: usize = 4;

const GAP: &str = "  ";

/// All models sorted by life cost, and the verdict below.
///
/// Columns are left out until the table fits into `width` letters. With `colour` the status is coloured as well;
/// it is always a word.
pub fn table(result: &RunResult, width: usize, colour: bool) -> String {
    let (ranked, idle): (Vec<_>, Vec<_>) = by_life_cost(result)
        .into_iter()
        .partition(|model| !matches!(model.status, Status::Failed | Status::Skipped));
    let mut out = String::new();
    ranked_table(&mut out, result, &ranked, width, colour);
    idle_list(&mut out, &idle, width, colour);
    if quantity::is_modelled(result) {
        wrapped(
            &mut out,
            "\nJoules are modelled from CPU time: no counter could be read. Ratios are of CPU time.",
            width,
        );
    }
    out.push('\n');
    wrapped(&mut out, &result.verdict.replace('`', ""), width);
    out
}

fn ranked_table(out: &mut String, result: &RunResult, models: &[&Candidate], width: usize, colour: bool) {
    let mut columns = columns(result);
    let mut rows = texts(result, models, &columns);
    // A few letters fewer in the names cost less than a column.
    while total(&rows) > width + SPARE_LETTERS {
        let Some(spare) =
            (0..columns.len()).filter(|&i| columns[i].spare > 0).max_by_key(|&i| columns[i].spare)
        else {
            break;
        };
        columns.remove(spare);
        rows = texts(result, models, &columns);
    }
    let excess = total(&rows).saturating_sub(width);
    if excess > 0 {
        shorten_names(&mut rows, excess);
    }
    let widths = widths(&rows);
    for (i, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, &wide)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(wide - letters(cell));
            let status = i.checked_sub(1).filter(|_| column == 1).map(|i| models[i]);
            let cell = match status {
                Some(model) if colour && !result.is_baseline(model) => painted(model.status, cell),
                _ => cell.clone(),
            };
            line += if column == 0 { "" } else { GAP };
            // Words to the left, numbers to the right.
            line += &if column < 2 { cell + &padding } else { padding + &cell };
        }
        out.push_str(line.trim_end());
        out.push('\n');
        if i == 0 {
            let _ = writeln!(out, "{}", "─".repeat(total(&rows).min(width)));
        }
    }
}

fn columns(result: &RunResult) -> Vec<Column> {
    fn energy(value: Option<joulewise_meter::Energy>) -> String {
        value.map_or("–".to_owned(), |energy| quantity::energy(&energy))
    }
    fn split(result: &RunResult, value: Option<f64>) -> String {
        value.map_or("–".to_owned(), |value| quantity::metric(result, value))
    }
    let column = |heading: &str, spare, cell| Column { heading: heading.to_owned(), cell, spare };
    let modelled = if quantity::is_modelled(result) { "*" } else { "" };
    vec![
        column("model", 0, |_, model| model.name.clone()),
        column("status", 0, |result, model| {
            if result.is_baseline(model) { "baseline".to_owned() } else { symbol(model.status) }
        }),
        column("judge", 7, |result, model| {
            split(result, model.metrics.get(&result.metric).and_then(|m| m.judge))
        }),
        column(&result.metric, 1, |result, model| split(result, result.metric_of(model))),
        column("Δ", 0, |result, model| match result.gain_of(model) {
            Some(gain) if !result.is_baseline(model) => quantity::gain(result, gain),
            _ => "–".to_owned(),
        }),
        column(if result.baseline.energy_ratio.is_some() { "energy" } else { "CPU" }, 0, |_, model| {
            model.inference_ratio().map_or("–".to_owned(), |ratio| quantity::factor(ratio.value))
        }),
        column(&format!("J/inference{modelled}"), 4, |result, model| energy(result.inference_j(model))),
        column(&format!("training{modelled}"), 6, |_, model| energy(model.training_j)),
        column(&format!("to make{modelled}"), 5, |_, model| energy(model.cost_to_make_j)),
        column("break-even", 0, |result, model| match model.life_cost_j {
            Some(_) if !result.is_baseline(model) => quantity::break_even(&model.break_even),
            _ => "–".to_owned(),
        }),
        column(&format!("life cost{modelled}"), 0, |_, model| energy(model.life_cost_j)),
    ]
}

/// The headings, and below them a row per model.
fn texts(result: &RunResult, models: &[&Candidate], columns: &[Column]) -> Vec<Vec<String>> {
    let headings = columns.iter().map(|column| column.heading.clone()).collect();
    let row = |model: &&Candidate| columns.iter().map(|column| (column.cell)(result, model)).collect();
    std::iter::once(headings).chain(models.iter().map(row)).collect()
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns).map(|i| rows.iter().map(|row| letters(&row[i])).max().unwrap_or(0)).collect()
}

fn total(rows: &[Vec<String>]) -> usize {
    let widths = widths(rows);
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// Names give way when no column is left to spare, down to eight letters.
fn shorten_names(rows: &mut [Vec<String>], excess: usize) {
    let longest = rows.iter().map(|row| letters(&row[0])).max().unwrap_or(0);
    let most = longest.saturating_sub(excess).max(8);
    for row in rows {
        row[0] = svg::shortened(&row[0], most);
    }
}

/// Candidates without numbers, each with its reason.
fn idle_list(out: &mut String, models: &[&Candidate], width: usize, colour: bool) {
    if models.is_empty() {
        return;
    }
    out.push('\n');
    let names = models.iter().map(|model| letters(&model.name)).max().unwrap_or(0);
    for model in models {
        let symbol = symbol(model.status);
        let status = if colour { painted(model.status, &symbol) } else { symbol.clone() };
        let padding = " ".repeat(names - letters(&model.name));
        let indent = names + GAP.len() + letters(&symbol) + GAP.len();
        let mut reason = String::new();
        wrapped(&mut reason, &model.reason, width.saturating_sub(indent).max(20));
        let reason = reason.trim_end().replace('\n', &format!("\n{}", " ".repeat(indent)));
        let _ = writeln!(out, "{}{padding}{GAP}{status}{GAP}{reason}", model.name);
    }
}

fn symbol(status: Status) -> String {
    let sign = match status {
        Status::Holds => '✓',
        Status::Drops => '↓',
        Status::Failed => '✕',
        Status::Skipped => '–',
    };
    format!("{sign} {}", status.word())
}

fn painted(status: Status, text: &str) -> String {
    let code = match status {
        Status::Holds => 32,
        Status::Drops => 33,
        Status::Failed => 31,
        Status::Skipped => 2,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Longer lines are hard to read.
const PROSE: usize = 100;

/// `text` in lines of at most `width` letters. No-break spaces keep numbers with their units.
fn wrapped(out: &mut String, text: &str, width: usize) {
    let width = width.min(PROSE);
    for paragraph in text.split('\n') {
        let mut used = 0;
        for word in paragraph.split(' ') {
            if used > 0 && used + 1 + letters(word) > width {
                out.push('\n');
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += letters(word);
        }
        out.push('\n');
    }
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_table_of_a_wide_terminal() {
        insta::assert_snapshot!(table(&fixture::result(), 140, false));
    }

    #[test]
    fn the_table_of_a_narrow_terminal() {
        insta::assert_snapshot!(table(&fixture::result(), 80, false));
    }

    #[test]
    fn tables_fit_and_colour_adds_no_letter() {
        let result = fixture::result();
        for width in 60..160 {
            let plain = table(&result, width, false);
            assert!(plain.lines().all(|line| letters(line) <= width), "{width}\n{plain}");
            let mut painted = table(&result, width, true);
            for code in ["\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[2m", "\x1b[0m"] {
                painted = painted.replace(code, "");
            }
            assert_eq!(painted, plain);
        }
    }
}
