//! Training curves: what each stage reported of its metrics, epoch by epoch.

use std::collections::BTreeMap;
use std::fmt;

use joulewise_meter::event::{Event, EventKind};

use super::page::{data_table, section};
use super::quantity;
use super::svg::Frame;
use super::svg::axis::Axis;
use super::svg::lines::{Lines, Series};
use super::svg::scale::Scale;
use crate::ledger::Fate;
use crate::result::RunResult;

/// The values of one metric in one stage.
struct Curve<'a> {
    stage: &'a str,
    points: Points,
}

/// Steps and values.
type Points = Vec<(f64, f64)>;

/// More lines than this in one chart tell nothing.
const MOST_LINES: usize = 14;

/// Draws the section.
pub(super) fn draw(out: &mut String, result: &RunResult, events: &[Event]) -> fmt::Result {
    let metrics = fold(events);
    if metrics.is_empty() {
        return Ok(());
    }
    section(
        out,
        "curves",
        "Training curves",
        "A line per training; those of the baseline and of the best model stand out.",
    )?;
    out.push_str("<div class=\"pair\">");
    for (metric, curves) in &metrics {
        chart(out, result, metric, &curves[..curves.len().min(MOST_LINES)])?;
    }
    out.push_str("</div>\n");
    let rows: Vec<Vec<String>> = metrics
        .iter()
        .flat_map(|(metric, curves)| curves.iter().map(move |curve| row(metric, curve)))
        .collect();
    data_table(out, &["stage", "metric", "steps", "first", "last", "least", "most"], &rows)?;
    out.push_str("</section>\n");
    Ok(())
}

/// Curves of at least two points by metric; values that are no numbers leave a gap.
fn fold(events: &[Event]) -> BTreeMap<&str, Vec<Curve<'_>>> {
    let mut names: BTreeMap<u32, &str> = BTreeMap::new();
    let mut by_metric: BTreeMap<&str, BTreeMap<u32, Points>> = BTreeMap::new();
    for event in events {
        match &event.kind {
            EventKind::StageOpened { id, name, .. } => {
                names.insert(*id, name);
            }
            EventKind::Metric { stage, name, step, value } if value.is_finite() => {
                by_metric.entry(name).or_default().entry(*stage).or_default().push((*step as f64, *value));
            }
            _ => {}
        }
    }
    let mut curves = BTreeMap::new();
    for (metric, stages) in by_metric {
        let drawn: Vec<Curve<'_>> = stages
            .into_iter()
            .filter(|(_, points)| points.len() > 1)
            .map(|(id, points)| Curve { stage: names.get(&id).copied().unwrap_or("stage"), points })
            .collect();
        if !drawn.is_empty() {
            curves.insert(metric, drawn);
        }
    }
    curves
}

fn chart(out: &mut String, result: &RunResult, metric: &str, curves: &[Curve<'_>]) -> fmt::Result {
    // Every line is a training, so the word tells nothing.
    let labels: Vec<String> = curves.iter().map(|curve| curve.stage.replace("/train", "")).collect();
    let mut series: Vec<Series<'_>> = curves
        .iter()
        .zip(&labels)
        .map(|(curve, label)| Series {
            label,
            note: format!("{}: {}", curve.stage, row(metric, curve)[4]),
            class: class(result, curve.stage).to_owned(),
            points: curve.points.clone(),
            marked: None,
        })
        .collect();
    // The lines that matter are drawn over the others.
    series.sort_by_key(|series| {
        ["drops", "holds", "baseline", "best"].iter().position(|class| *class == series.class)
    });
    let values = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    // Losses fall by orders of magnitude; the interesting part of an accuracy is its end.
    let falling = values().all(|(_, value)| value > 0.0) && metric.contains("loss");
    let y_values = values().map(|(_, value)| value);
    let x_format = |value: f64| if value.fract() == 0.0 { quantity::count(value) } else { String::new() };
    let is_judged = metric == result.metric;
    let y_format =
        |value: f64| if is_judged { quantity::metric_tick(result, value) } else { quantity::plain(value) };
    let lines = Lines {
        title: &format!("{metric} against training step, a line per stage"),
        x: Axis { title: "step", scale: Scale::linear(values().map(|(step, _)| step)), format: &x_format },
        y: Axis {
            title: metric,
            scale: if falling { Scale::log(y_values) } else { Scale::linear(y_values) },
            format: &y_format,
        },
        here: None,
        series: &series,
    };
    out.push_str("<figure>");
    lines.draw(out, Frame { width: 470.0, height: 320.0 })?;
    out.push_str("</figure>");
    Ok(())
}

fn class(result: &RunResult, stage: &str) -> &'static str {
    let entry = result.ledger.entries.iter().find(|entry| entry.stage == stage);
    match entry.map(|entry| result.fate(entry.id)) {
        _ if stage.starts_with("baseline") => "baseline",
        Some(Fate::Best) => "best",
        Some(Fate::Kept) => "holds",
        _ => "drops",
    }
}

fn row(metric: &str, curve: &Curve<'_>) -> Vec<String> {
    let values = || curve.points.iter().map(|&(_, value)| value);
    let text = |value: Option<f64>| value.map_or(String::new(), quantity::three_figures);
    vec![
        curve.stage.to_owned(),
        metric.to_owned(),
        curve.points.len().to_string(),
        text(values().next()),
        text(values().next_back()),
        text(values().reduce(f64::min)),
        text(values().reduce(f64::max)),
    ]
}
