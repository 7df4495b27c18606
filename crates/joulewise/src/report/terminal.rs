//! The table and the sentence that a run ends with in the terminal.

use std::borrow::Cow;
use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};

use super::candidates::by_life_cost;
use super::grid::{Align, Column, GAP, Grid, letters};
use super::quantity;
use crate::result::{Candidate, RunResult, Status};
use crate::waste::Finding;

/// A text of which nothing commands the terminal: `\u{1b}` and `\n` instead of what they stand for.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    Cow::Owned(shown)
}

/// Letters that fit into a line of stdout: as many as `COLUMNS` says, else those of the terminal that stdout is, and no
/// limit where it is a file or a pipe.
pub fn width() -> usize {
    let asked = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&width| width > 0);
    let shown = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    asked.or_else(shown).unwrap_or(usize::MAX)
}

/// Whether what is written there may be coloured: a terminal, unless `NO_COLOR` is set.
pub fn is_coloured(out: &impl IsTerminal) -> bool {
    out.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

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
    if let Some(spread) = result.spread() {
        wrapped(&mut out, &format!("\nThe baseline with {}: {spread}.", crate::result::OTHER_SEEDS), width);
    }
    for line in result.waste.findings.iter().flat_map(Finding::lines) {
        let gap = if line.starts_with(' ') { "" } else { "\n" };
        wrapped(&mut out, &format!("{gap}{}", line.trim_start().replace('`', "")), width);
    }
    if quantity::is_modelled(result) {
        wrapped(
            &mut out,
            "\nJoules are modelled from CPU time: no counter could be read. Ratios are of CPU time.",
            width,
        );
    }
    out.push('\n');
    wrapped(&mut out, &result.verdict.replace('`', ""), width);
    if let Some(command) = result.recommended_command() {
        // On a line of its own, however long: it is there to be copied.
        let _ = write!(out, "\nTrain it by hand in the folder of the commands:\n  {command}\n");
    }
    out
}

fn ranked_table(out: &mut String, result: &RunResult, models: &[&Candidate], width: usize, colour: bool) {
    let (columns, cells): (Vec<Column>, Vec<Cell>) = columns(result).into_iter().unzip();
    let row = |model: &&Candidate| cells.iter().map(|cell| cell(result, model)).collect();
    let mut grid = Grid::new(columns, models.iter().map(row).collect());
    grid.fit(width);
    for (i, mut cells) in grid.lines().enumerate() {
        let model = i.checked_sub(1).map(|i| models[i]).filter(|model| colour && !result.is_baseline(model));
        if let Some(model) = model {
            cells[STATUS] = painted(model.status, &cells[STATUS]);
        }
        out.push_str(cells.join(GAP).trim_end());
        out.push('\n');
        if i == 0 {
            let _ = writeln!(out, "{}", "─".repeat(grid.width().min(width)));
        }
    }
}

/// What stands in a column's cell.
type Cell = fn(&RunResult, &Candidate) -> String;

/// The column that is coloured.
const STATUS: usize = 1;

fn columns(result: &RunResult) -> Vec<(Column, Cell)> {
    fn energy(value: Option<joulewise_meter::Energy>) -> String {
        value.map_or("–".to_owned(), |energy| quantity::energy(&energy))
    }
    fn split(result: &RunResult, value: Option<f64>) -> String {
        value.map_or("–".to_owned(), |value| quantity::metric(result, value))
    }
    let column = |align, heading: &str, spare, cell: Cell| {
        (Column { heading: heading.to_owned(), align, spare }, cell)
    };
    let words = |heading: &str, align, cell: Cell| column(align, heading, 0, cell);
    let number = |heading: &str, spare, cell: Cell| column(Align::Right, heading, spare, cell);
    let modelled = if quantity::is_modelled(result) { "*" } else { "" };
    vec![
        words("model", Align::Names, |_, model| model.name.clone()),
        words("status", Align::Left, |result, model| {
            if result.is_baseline(model) { "baseline".to_owned() } else { symbol(model.status) }
        }),
        number("judge", 7, |result, model| {
            split(result, model.metrics.get(&result.metric).and_then(|m| m.judge))
        }),
        number(&result.metric, 1, |result, model| split(result, result.metric_of(model))),
        number("Δ", 0, |result, model| match result.gain_of(model) {
            Some(gain) if !result.is_baseline(model) => quantity::gain(result, gain),
            _ => "–".to_owned(),
        }),
        number(if result.baseline.energy_ratio.is_some() { "energy" } else { "CPU" }, 0, |_, model| {
            model.inference_ratio().map_or("–".to_owned(), |ratio| quantity::factor(ratio.value))
        }),
        number(&format!("J/inference{modelled}"), 4, |result, model| energy(result.inference_j(model))),
        number(&format!("training{modelled}"), 6, |_, model| energy(model.training_j)),
        number(&format!("to make{modelled}"), 5, |_, model| energy(model.cost_to_make_j)),
        number("break-even", 0, |result, model| match model.life_cost_j {
            Some(_) if !result.is_baseline(model) => quantity::break_even(&model.break_even),
            _ => "–".to_owned(),
        }),
        number(&format!("life cost{modelled}"), 0, |_, model| energy(model.life_cost_j)),
    ]
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
pub(crate) fn wrapped(out: &mut String, text: &str, width: usize) {
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
    fn a_narrow_table_tells_all_models_apart() {
        let mut result = fixture::result();
        for (i, model) in result.candidates.iter_mut().enumerate() {
            model.name = format!("smaller-network-0.{i}+quantise");
        }
        let table = table(&result, 60, false);
        let names: Vec<&str> =
            table.lines().skip(2).take(12).map(|line| &line[..line.find(' ').unwrap()]).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{table}");
    }

    #[test]
    fn the_spread_over_seeds_stands_below_the_table() {
        let mut result = fixture::result();
        assert!(!table(&result, 100, false).contains("other seeds"));
        result
            .baseline
            .notes
            .push((crate::result::OTHER_SEEDS.to_owned(), "3 trainings: 0.92 on average".to_owned()));
        assert!(
            table(&result, 100, false)
                .contains("\nThe baseline with other seeds: 3 trainings: 0.92 on average.\n")
        );
    }

    #[test]
    fn the_command_of_the_best_model_is_there_to_be_copied() {
        let mut result = fixture::result();
        assert_eq!(result.recommended_command(), None);
        let best = result.best().name.clone();
        let best = result.candidates.iter_mut().find(|candidate| candidate.name == best).unwrap();
        let command = format!("python train.py {}", "--more ".repeat(30).trim_end());
        best.command = Some(command.clone());
        assert!(table(&result, 60, false).ends_with(&format!("\n  {command}\n")));
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
