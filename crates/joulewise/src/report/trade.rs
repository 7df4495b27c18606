//! The metric against the energy of an inference: which models no other model beats in both.

use std::fmt::{self, Write as _};

use joulewise_tune::Direction;

use super::page::{data_table, energy_word, figure, section};
use super::quantity;
use super::svg::axis::Axis;
use super::svg::scale::Scale;
use super::svg::scatter::{Look, Mark, Scatter};
use crate::ledger::pareto_front;
use crate::result::{Candidate, RunResult, Status};

/// Draws the section.
pub(super) fn draw(out: &mut String, result: &RunResult) -> fmt::Result {
    let (models, points): (Vec<_>, Vec<_>) = result.trade_offs().into_iter().unzip();
    if models.len() < 2 {
        return Ok(());
    }
    let modelled = quantity::is_modelled(result);
    let front = pareto_front(&points, result.goal);
    let knee = result.knee().map_or(String::new(), |knee| knee_sentence(result, knee));
    section(
        out,
        "trade",
        &format!("{} against {} per inference", result.metric, if modelled { "CPU time" } else { "energy" }),
        &format!(
            "Up and to the left is better. The line is the Pareto front of the values shown, of what holds and what drops: no \
             model beats it in both respects.{knee}"
        ),
    )?;
    let mut marks: Vec<Mark> = models.iter().map(|model| mark(result, model, modelled)).collect();
    let x_title = if modelled { "CPU time per inference" } else { "energy per inference" };
    let unit = if modelled { "s" } else { "J" };
    let x_format = |value: f64| quantity::tick(value, unit);
    let y_format = |value: f64| quantity::metric_tick(result, value);
    let limit = result.metric_of(&result.baseline).map(|value| {
        let admitted = result.admitted();
        let lost = if result.goal == Direction::Max { value - admitted } else { value + admitted };
        (lost, format!("more than {} lost", quantity::gain(result, admitted).trim_start_matches('+')))
    });
    let y_scale = heights(result, &marks, limit.as_ref().map(|limit| limit.0));
    for (mark, model) in marks.iter_mut().zip(&models) {
        if result.knee().is_some_and(|knee| knee.name == model.name) {
            mark.remark += if result.worth.is_some() { " (worth most)" } else { " (knee)" };
        }
        let (low, high) = y_scale.domain();
        if !(low..=high).contains(&mark.y.0) {
            let arrow = if mark.y.0 < low { '↓' } else { '↑' };
            write!(mark.remark, " {arrow} {}", quantity::metric_tick(result, mark.y.0))?;
        }
    }
    let chart = Scatter {
        title: &format!("{} against {x_title}, a point per model with its 95 % intervals", result.metric),
        x: Axis {
            title: &format!("{x_title}, batch {}", result.life.batch),
            scale: Scale::log(marks.iter().flat_map(|mark| [mark.x.1, mark.x.2])),
            format: &x_format,
        },
        y: Axis { title: &result.metric, scale: y_scale, format: &y_format },
        limit,
        marks: &marks,
        front: &front,
        rising: result.goal == Direction::Max,
    };
    figure(out, (470.0, 440.0), |out, frame| chart.draw(out, frame))?;
    out.push_str("<ul class=\"legend\"><li class=\"baseline\">baseline</li><li class=\"best\">cheapest over this life</li><li class=\"holds\">holds</li><li class=\"drops\">drops</li></ul>\n");
    let rows: Vec<Vec<String>> =
        models.iter().enumerate().map(|(i, model)| row(result, model, front.contains(&i))).collect();
    let energy = energy_word(result);
    data_table(
        out,
        &[
            "model",
            "CPU time",
            "ratio to the baseline",
            energy,
            &result.metric,
            "95 % interval",
            "on the front",
        ],
        &rows,
    )?;
    out.push_str("</section>\n");
    Ok(())
}

/// Which model is the knee, and by what.
fn knee_sentence(result: &RunResult, knee: &Candidate) -> String {
    match &result.worth {
        Some(worth) => format!(
            " Of the baseline and what holds, `{}` is worth most {}: its gain of {} at that rate, less what its life costs.",
            knee.name,
            quantity::at_worth(worth),
            result.metric
        ),
        None => format!(
            " Of the baseline and what holds, the knee is `{}`: beyond it, saving more begins to cost more {}.",
            knee.name, result.metric
        ),
    }
}

/// The scale of the metric. What lies far beyond the limit is moved to the edge: it would press the models that
/// hold into a line.
fn heights(result: &RunResult, marks: &[Mark], limit: Option<f64>) -> Scale {
    let ys = || marks.iter().flat_map(|mark| [mark.y.1, mark.y.2]).chain(limit);
    let scale = Scale::linear(ys());
    let (low, high) = scale.domain();
    let Some(limit) = limit else { return scale };
    match result.goal {
        Direction::Max => scale.spanning(low.max(limit - 0.7 * (high - limit)), high),
        Direction::Min => scale.spanning(low, high.min(limit + 0.7 * (limit - low))),
    }
}

/// The point of a model. Its horizontal bar is the interval of the paired ratio: the scale of the source would
/// move all points alike.
fn mark(result: &RunResult, model: &Candidate, modelled: bool) -> Mark {
    let energy = result.inference_j(model).map_or(f64::NAN, |energy| energy.value);
    let x = if modelled { result.inference_cpu_s(model).unwrap_or(energy) } else { energy };
    let (low, high) = model
        .inference_ratio()
        .map_or((1.0, 1.0), |ratio| (ratio.low / ratio.value, ratio.high / ratio.value));
    let (y, y_low, y_high) = model
        .metrics
        .get(&result.metric)
        .map_or((f64::NAN, f64::NAN, f64::NAN), |m| (m.reported().unwrap_or(f64::NAN), m.low, m.high));
    Mark {
        label: model.name.clone(),
        remark: String::new(),
        note: format!(
            "{}: {} {}, {} per inference{}",
            model.name,
            result.metric,
            quantity::metric(result, y),
            quantity::joules(energy),
            if modelled { " (modelled)" } else { "" }
        ),
        look: look(result, model),
        x: (x, x * low, x * high),
        y: (y, y_low, y_high),
    }
}

/// How a model is told apart in charts.
pub(super) fn look(result: &RunResult, model: &Candidate) -> Look {
    if result.is_baseline(model) {
        Look::Baseline
    } else if model.name == result.best().name {
        Look::Best
    } else if model.status == Status::Holds {
        Look::Holds
    } else {
        Look::Drops
    }
}

fn row(result: &RunResult, model: &Candidate, on_front: bool) -> Vec<String> {
    let metric = model.metrics.get(&result.metric);
    vec![
        model.name.clone(),
        result.inference_cpu_s(model).map_or("–".to_owned(), quantity::seconds),
        model.inference_ratio().as_ref().map_or("–".to_owned(), quantity::ratio),
        result.inference_j(model).map_or("–".to_owned(), |energy| quantity::energy(&energy)),
        result.metric_of(model).map_or("–".to_owned(), |value| quantity::metric(result, value)),
        metric.map_or("–".to_owned(), |m| quantity::metric_interval(result, m.low, m.high)),
        if on_front { "yes" } else { "no" }.to_owned(),
    ]
}
