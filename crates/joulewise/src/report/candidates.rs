//! The table of all models, whether they hold or not.

use std::fmt::{self, Write as _};

use super::page::{Prose, pill, section};
use super::quantity;
use super::svg::Escaped;
use crate::result::{Candidate, RunResult, Status};

/// A cell: what is shown, the small line below it, and what the column is sorted by.
struct Cell {
    text: String,
    detail: String,
    sort: f64,
}

impl Cell {
    fn new(text: Option<String>, detail: Option<String>, sort: Option<f64>) -> Self {
        Self {
            text: text.unwrap_or_else(|| "–".to_owned()),
            detail: detail.unwrap_or_default(),
            sort: sort.unwrap_or(f64::INFINITY),
        }
    }
}

/// Draws the section.
pub(super) fn draw(out: &mut String, result: &RunResult) -> fmt::Result {
    section(
        out,
        "models",
        "All models",
        &format!(
            "Sorted by the cost of a life of {} inferences at batch {}. The {} is that of the test split where there is one, with its 95 % interval below.{}",
            quantity::count(result.life.inferences),
            result.life.batch,
            result.metric,
            if quantity::is_modelled(result) { " All joules are modelled." } else { "" },
        ),
    )?;
    let headings = [
        result.metric.as_str(),
        "change",
        "CPU/inference",
        "J/inference",
        "parameters",
        "training",
        "to make",
        "break-even",
        "life cost",
    ];
    out.push_str(
        "<div class=\"scroll\"><table class=\"models sortable\"><thead><tr><th scope=\"col\">model</th>",
    );
    for heading in headings {
        write!(out, "<th scope=\"col\">{}</th>", Escaped(heading))?;
    }
    out.push_str("</tr></thead><tbody>\n");
    for model in by_life_cost(result) {
        row(out, result, model, &headings)?;
    }
    out.push_str("</tbody></table></div>\n</section>\n");
    Ok(())
}

/// Models with the cheapest life first, and those without a life cost last, in the order of the run.
pub(super) fn by_life_cost(result: &RunResult) -> Vec<&Candidate> {
    let mut models: Vec<&Candidate> = result.models().collect();
    let cost = |model: &Candidate| model.life_cost_j.map_or(f64::INFINITY, |cost| cost.value);
    models.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
    models
}

fn row(out: &mut String, result: &RunResult, model: &Candidate, headings: &[&str]) -> fmt::Result {
    let is_baseline = result.is_baseline(model);
    let status = if is_baseline { "<b class=\"pill\">baseline</b>".to_owned() } else { pill(model.status) };
    let best = if model.name == result.best().name { " class=\"best\"" } else { "" };
    write!(out, "<tr{best}><th scope=\"row\">{} {status}</th>", Escaped(&model.name))?;
    if matches!(model.status, Status::Failed | Status::Skipped) {
        return writeln!(
            out,
            "<td class=\"text\" colspan=\"{}\">{}</td></tr>",
            headings.len(),
            Prose(&model.reason)
        );
    }
    for (cell, heading) in cells(result, model, is_baseline).iter().zip(headings) {
        write!(out, "<td data-h=\"{}\" data-v=\"{}\">{}", Escaped(heading), cell.sort, Escaped(&cell.text))?;
        if !cell.detail.is_empty() {
            write!(out, "<small>{}</small>", Escaped(&cell.detail))?;
        }
        out.push_str("</td>");
    }
    out.push_str("</tr>\n");
    Ok(())
}

fn cells(result: &RunResult, model: &Candidate, is_baseline: bool) -> [Cell; 9] {
    let metric = model.metrics.get(&result.metric);
    let value = result.metric_of(model);
    let gain = result.gain_of(model).filter(|_| !is_baseline);
    let ratio = model.inference_ratio();
    let energy = result.inference_j(model);
    let joules = |energy: Option<joulewise_meter::Energy>| {
        Cell::new(energy.map(|e| quantity::energy(&e)), None, energy.map(|e| e.value))
    };
    [
        Cell::new(
            value.map(|value| quantity::metric(result, value)),
            metric.map(|m| quantity::metric_interval(result, m.low, m.high)),
            value,
        ),
        Cell::new(gain.map(|gain| quantity::gain(result, gain)), None, gain),
        Cell::new(
            ratio.map(|ratio| quantity::factor(ratio.value)),
            result.inference_cpu_s(model).map(quantity::seconds),
            ratio.map(|ratio| ratio.value),
        ),
        joules(energy),
        Cell::new(
            (model.parameters > 0).then(|| quantity::count(model.parameters as f64)),
            (model.bytes > 0).then(|| quantity::bytes(model.bytes)),
            Some(model.parameters as f64),
        ),
        joules(model.training_j),
        joules(model.cost_to_make_j),
        Cell::new(
            (!is_baseline && model.life_cost_j.is_some()).then(|| quantity::break_even(&model.break_even)),
            None,
            None,
        ),
        joules(model.life_cost_j),
    ]
}
