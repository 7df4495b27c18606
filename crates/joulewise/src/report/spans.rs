//! The spans of a run's stages: what the user's commands told of.

use std::fmt::{self, Write as _};

use joulewise_meter::SpanTotal;

use super::page::energy_word;
use super::quantity;
use super::svg::Escaped;
use crate::result::{Entry, RunResult};

/// More spans of a stage than these are only in `result.json`.
const MOST_OF_A_STAGE: usize = 30;

/// Draws the table, if there are any.
pub(super) fn draw(out: &mut String, result: &RunResult) -> fmt::Result {
    let entries = || result.ledger.entries.iter().filter(|entry| !entry.spans.is_empty());
    if entries().next().is_none() {
        return Ok(());
    }
    out.push_str("<details class=\"data\"><summary>Inside the stages, as their commands told</summary><p>The joules of a span are among those of its stage. Spans that overlap count the same joules, each in full.</p><div class=\"scroll\"><table class=\"sortable\"><thead><tr><th scope=\"col\">stage</th><th scope=\"col\">span</th>");
    for column in ["times", "CPU time", energy_word(result), "of the stage", "wall time"] {
        write!(out, "<th scope=\"col\">{column}</th>")?;
    }
    out.push_str("</tr></thead><tbody>");
    for entry in entries() {
        for (name, span) in entry.named_spans().take(MOST_OF_A_STAGE) {
            row(out, entry, &name, span)?;
        }
    }
    out.push_str("</tbody></table></div>");
    let left_out: usize = entries().map(|entry| entry.spans.len().saturating_sub(MOST_OF_A_STAGE)).sum();
    if left_out > 0 {
        write!(out, "<p>{} more in result.json.</p>", quantity::plural(left_out, "span"))?;
    }
    out.push_str("</details>\n");
    Ok(())
}

fn row(out: &mut String, entry: &Entry, name: &str, span: &SpanTotal) -> fmt::Result {
    let share = if entry.energy_j.value > 0.0 { span.energy.value / entry.energy_j.value } else { 0.0 };
    write!(
        out,
        "<tr><th scope=\"row\">{}</th><td class=\"text\">{}</td><td data-v=\"{count}\">{count}</td><td data-v=\"{}\">{}</td><td data-v=\"{}\">{}</td><td data-v=\"{share}\">{}</td><td data-v=\"{}\">{}</td></tr>",
        Escaped(&entry.stage),
        Escaped(name),
        span.cpu_s,
        quantity::seconds(span.cpu_s),
        span.energy.value,
        quantity::energy(&span.energy),
        quantity::percent(share),
        span.wall_s,
        quantity::seconds(span.wall_s),
        count = span.count,
    )
}

#[cfg(test)]
mod tests {
    use joulewise_meter::{Energy, Method};

    use super::*;
    use crate::report::fixture;

    fn span(id: u32, name: &str, parent: Option<u32>) -> SpanTotal {
        let joules = f64::from(100 * id);
        let energy = Energy { value: joules, low: joules, high: joules, method: Method::Measured };
        SpanTotal {
            id,
            name: name.to_owned(),
            parent,
            count: 12,
            unclosed: 0,
            energy,
            cpu_s: 2.0,
            wall_s: 3.0,
        }
    }

    fn drawn(result: &RunResult) -> String {
        let mut out = String::new();
        draw(&mut out, result).unwrap();
        out
    }

    #[test]
    fn spans_stand_with_their_stage_and_their_path() {
        let mut result = fixture::result();
        assert_eq!(drawn(&result), "");
        result.ledger.entries[1].spans =
            vec![span(1, "epoch", None), span(2, "<load>", None), span(3, "step", Some(1))];
        let page = drawn(&result);
        assert_eq!(page.matches("<th scope=\"row\">").count(), 3);
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text} in {page}"));
        assert!(at(">epoch<") < at(">epoch › step<") && at(">epoch › step<") < at(">&lt;load&gt;<"));
        assert!(page.contains(&quantity::percent(100.0 / result.ledger.entries[1].energy_j.value)));
    }

    #[test]
    fn a_stage_shows_the_first_of_many() {
        let mut result = fixture::result();
        result.ledger.entries[1].spans = (1..=50).map(|id| span(id, &format!("batch {id}"), None)).collect();
        let page = drawn(&result);
        assert_eq!(page.matches("<th scope=\"row\">").count(), MOST_OF_A_STAGE);
        assert!(page.contains("20 spans more in result.json"), "{page}");
    }
}
