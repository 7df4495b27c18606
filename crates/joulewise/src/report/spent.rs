//! The ledger: who spent which joules on what, losers too.

use std::fmt::{self, Write as _};

use super::page::{energy_word, section};
use super::quantity;
use super::spans;
use super::svg::Escaped;
use super::svg::bars::{self, Bar, Segment};
use crate::ledger::Fate;
use crate::result::{Entry, RunResult};

/// Draws the section.
pub(super) fn draw(out: &mut String, result: &RunResult) -> fmt::Result {
    let ledger = &result.ledger;
    section(
        out,
        "ledger",
        "Where the energy went",
        &format!(
            "The whole run took {} of {}. Each stage is charged with its own energy alone, so the bars add up to the total; {} is unattributed.",
            quantity::energy(&ledger.total_j),
            energy_word(result),
            quantity::percent(ledger.unattributed_share()),
        ),
    )?;
    let groups = groups(result);
    let bars: Vec<Bar<'_>> = groups.iter().map(|(name, entries)| bar(result, name, entries)).collect();
    out.push_str("<figure><div class=\"wide\">");
    bars::draw(out, 960.0, "Energy of each practice by stage", &bars)?;
    out.push_str("</div><div class=\"narrow\">");
    bars::draw(out, 380.0, "Energy of each practice by stage", &bars)?;
    out.push_str("</div></figure>\n<ul class=\"legend bars\">");
    for fate in [Fate::Best, Fate::Kept, Fate::Lost, Fate::Overhead] {
        let spent: f64 =
            ledger.entries.iter().filter(|e| result.fate(e.id) == fate).map(|e| e.energy_j.value).sum();
        if spent > 0.0 {
            let share = quantity::percent(spent / ledger.total_j.value);
            write!(out, "<li class=\"{}\">{} <b>{share}</b></li>", class(fate), meaning(fate))?;
        }
    }
    out.push_str("</ul>\n");
    table(out, result)?;
    spans::draw(out, result)?;
    out.push_str("</section>\n");
    Ok(())
}

/// Entries by the part of their stage's name before the slash, the dearest group first.
fn groups(result: &RunResult) -> Vec<(&str, Vec<&Entry>)> {
    let mut groups: Vec<(&str, Vec<&Entry>)> = Vec::new();
    for entry in &result.ledger.entries {
        let name = entry.stage.split('/').next().unwrap_or(&entry.stage);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, entries)) => entries.push(entry),
            None => groups.push((name, vec![entry])),
        }
    }
    groups.sort_by(|a, b| joules(&b.1).total_cmp(&joules(&a.1)));
    groups
}

fn joules(entries: &[&Entry]) -> f64 {
    entries.iter().map(|entry| entry.energy_j.value).sum()
}

fn bar<'a>(result: &RunResult, name: &'a str, entries: &[&Entry]) -> Bar<'a> {
    let total = joules(entries);
    let segments = entries.iter().map(|entry| Segment {
        length: entry.energy_j.value.max(0.0),
        class: class(result.fate(entry.id)),
        note: format!(
            "{}: {}, {}",
            entry.stage,
            quantity::energy(&entry.energy_j),
            meaning(result.fate(entry.id))
        ),
    });
    let share = if result.ledger.total_j.value > 0.0 { total / result.ledger.total_j.value } else { 0.0 };
    Bar {
        label: name,
        value: format!("{} · {}", quantity::joules(total), quantity::percent(share)),
        segments: segments.collect(),
    }
}

fn class(fate: Fate) -> &'static str {
    match fate {
        Fate::Best => "best",
        Fate::Kept => "holds",
        Fate::Lost => "drops",
        Fate::Overhead => "overhead",
    }
}

/// What the energy was good for, in words.
fn meaning(fate: Fate) -> &'static str {
    match fate {
        Fate::Best => "in the best model",
        Fate::Kept => "in others that hold",
        Fate::Lost => "in what did not hold",
        Fate::Overhead => "in no model: searching and judging",
    }
}

fn table(out: &mut String, result: &RunResult) -> fmt::Result {
    out.push_str("<details class=\"data\"><summary>The ledger, entry by entry</summary><div class=\"scroll\"><table class=\"sortable\"><thead><tr><th scope=\"col\">stage</th>");
    for column in ["CPU time", energy_word(result), "share", "wall time", "depends on", "went into"] {
        write!(out, "<th scope=\"col\">{column}</th>")?;
    }
    out.push_str("</tr></thead><tbody>");
    let total = result.ledger.total_j.value;
    for entry in &result.ledger.entries {
        let upstream: Vec<&str> = entry.depends_on.iter().filter_map(|&id| stage(result, id)).collect();
        write!(
            out,
            "<tr><th scope=\"row\">{}</th><td data-v=\"{}\">{}</td><td data-v=\"{}\">{}</td><td data-v=\"{}\">{}</td><td data-v=\"{}\">{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td></tr>",
            Escaped(&entry.stage),
            entry.cpu_s,
            quantity::seconds(entry.cpu_s),
            entry.energy_j.value,
            quantity::energy(&entry.energy_j),
            entry.energy_j.value,
            quantity::percent(entry.energy_j.value / total),
            entry.wall_s,
            quantity::seconds(entry.wall_s),
            if upstream.is_empty() { "–".to_owned() } else { Escaped(&upstream.join(", ")).to_string() },
            meaning(result.fate(entry.id)),
        )?;
    }
    writeln!(
        out,
        "</tbody><tfoot><tr><th scope=\"row\">unattributed</th><td></td><td>{}</td><td>{}</td><td></td><td></td><td></td></tr><tr><th scope=\"row\">total</th><td></td><td>{}</td><td>{}</td><td></td><td></td><td></td></tr></tfoot></table></div></details>",
        quantity::joules(result.ledger.unattributed_j),
        quantity::percent(result.ledger.unattributed_share()),
        quantity::energy(&result.ledger.total_j),
        quantity::percent(1.0),
    )
}

fn stage(result: &RunResult, id: u32) -> Option<&str> {
    result.ledger.entries.iter().find(|entry| entry.id == id).map(|entry| entry.stage.as_str())
}
