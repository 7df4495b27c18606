//! The best so far, over trials and over joules.

use std::fmt;

use joulewise_tune::Trial;

use super::{done, first, tick};
use crate::report::page::{data_table, figure, section};
use crate::report::svg::axis::Axis;
use crate::report::svg::lines::{Lines, Series};
use crate::report::svg::scale::Scale;
use crate::tune::cost::Cost;
use crate::tune::live::short;
use crate::tune::worker::Study;

pub(super) fn draw(out: &mut String, study: &Study) -> fmt::Result {
    let cost = Cost::of(study);
    let unit = cost.unit();
    section(
        out,
        "history",
        "The best so far",
        &format!(
            "Over the number of trials, and over the {unit} that all trials had used by then, those that failed or were \
             stopped included. What counts is how little was spent when the line stops rising."
        ),
    )?;
    let (index, metric) = first(study);
    let best = best_so_far(study, index);
    let by_trial: Vec<(f64, f64)> = best.iter().map(|step| (step.trial as f64, step.value)).collect();
    let by_joules: Vec<(f64, f64)> = best.iter().map(|step| (step.spent_j, step.value)).collect();
    let over = |points: &[(f64, f64)]| Scale::linear(points.iter().map(|point| point.0));
    let trials = Axis { title: "trials", scale: over(&by_trial).whole(), format: &tick };
    chart(out, metric, &trials, &by_trial)?;
    let (title, format) = (format!("{unit} spent"), |spent| cost.text(spent));
    let spent = Axis { title: &title, scale: over(&by_joules), format: &format };
    chart(out, metric, &spent, &by_joules)?;
    let rows: Vec<Vec<String>> = best
        .iter()
        .map(|step| vec![step.trial.to_string(), short(step.value), cost.text(step.spent_j)])
        .collect();
    data_table(out, &["trials", metric, "spent"], &rows)?;
    out.push_str("</section>\n");
    Ok(())
}

struct Step {
    trial: usize,
    value: f64,
    spent_j: f64,
}

fn best_so_far(study: &Study, index: usize) -> Vec<Step> {
    let is_better = |value: f64, best: f64| {
        let goal = study.objectives().iter().nth(index).and_then(|objective| objective.goal.direction());
        goal.is_some_and(|direction| direction.gain(value, best) > 0.0)
    };
    let mut steps = Vec::new();
    let (mut best, mut spent_j) = (f64::NAN, 0.0);
    let values: std::collections::BTreeMap<u64, f64> =
        done(study, index).map(|(trial, value)| (trial.id.0, value)).collect();
    for (number, trial) in study.trials().iter().enumerate() {
        spent_j += Trial::cost(trial);
        if let Some(&value) = values.get(&trial.id.0)
            && (best.is_nan() || is_better(value, best))
        {
            best = value;
        }
        if !best.is_nan() {
            steps.push(Step { trial: number + 1, value: best, spent_j });
        }
    }
    steps
}

fn chart(out: &mut String, metric: &str, over: &Axis<'_>, points: &[(f64, f64)]) -> fmt::Result {
    let title = format!("best {metric} over {}", over.title);
    let series = [Series {
        label: "best",
        note: title.clone(),
        class: "best".to_owned(),
        points: stairs(points),
        marked: None,
    }];
    figure(out, (300.0, 260.0), |out, frame| {
        Lines {
            title: &title,
            x: Axis { ..*over },
            y: Axis {
                title: metric,
                scale: Scale::linear(points.iter().map(|point| point.1)),
                format: &tick,
            },
            here: None,
            series: &series,
        }
        .draw(out, frame)
    })
}

/// A best is known from its trial on: the line is level until then.
fn stairs(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut stairs: Vec<(f64, f64)> = Vec::new();
    for &(x, y) in points {
        stairs.extend(stairs.last().map(|last| (x, last.1)));
        stairs.push((x, y));
    }
    stairs
}
