//! The first objective against joules, or against the second objective, with the front.

use std::fmt;

use joulewise_tune::{Direction, Goal, TrialId};

use super::{done, first, is_modelled_of, note, tick};
use crate::report::page::{figure, section};
use crate::report::quantity;
use crate::report::svg::axis::Axis;
use crate::report::svg::scale::Scale;
use crate::report::svg::scatter::{Look, Mark, Scatter};
use crate::tune::cost::Cost;
use crate::tune::objective::ENERGY;
use crate::tune::worker::Study;

/// Trials that are named beside their points.
const NAMED: usize = 12;

pub(super) fn draw(out: &mut String, study: &Study) -> fmt::Result {
    let (index, metric) = first(study);
    let cost = Cost::of(study);
    let second =
        study.objectives().iter().enumerate().find(|(i, o)| *i != index && o.goal.direction().is_some());
    let (of_second, horizontal, rises) = match second {
        Some((i, objective)) => (Some(i), objective.metric.as_str(), objective.goal == Goal::Max),
        None => (None, cost.key(), false),
    };
    let front: Vec<TrialId> = study.front().iter().map(|trial| trial.id).collect();
    let best = study.best().map(|best| best.id);
    let mut marks: Vec<(TrialId, Mark)> = done(study, index)
        .filter_map(|(trial, value)| {
            let x = match of_second {
                Some(i) => *trial.outcome()?.values.get(i)?,
                None => trial.cost(),
            };
            let is_named = front.len() <= NAMED && front.contains(&trial.id) || best == Some(trial.id);
            let look = match () {
                () if best == Some(trial.id) => Look::Best,
                () if front.contains(&trial.id) => Look::Holds,
                () => Look::Drops,
            };
            let (low, high) = if horizontal == ENERGY { interval(study, trial.id, x) } else { (x, x) };
            let label = if is_named { trial.id.0.to_string() } else { String::new() };
            let note = note(study, trial);
            let mark = Mark {
                label,
                remark: String::new(),
                note,
                look,
                x: (x, low, high),
                y: (value, value, value),
            };
            Some((trial.id, mark))
        })
        .collect();
    marks.sort_by(|(_, a), (_, b)| a.x.0.total_cmp(&b.x.0));
    let on_front: Vec<usize> = (0..marks.len()).filter(|&i| front.contains(&marks[i].0)).collect();
    let marks: Vec<Mark> = marks.into_iter().map(|(_, mark)| mark).collect();
    section(
        out,
        "front",
        "What a better value costs",
        "Each point is a trial that came to its end. No other trial beats those on the line in both; where joules are modelled, \
         their scale is shared by all trials, so that their order is surer than their value.",
    )?;
    let positive = marks.iter().all(|mark| mark.x.0 > 0.0);
    let values = || marks.iter().map(|mark| mark.x.0);
    let scale = if positive { Scale::log(values()) } else { Scale::linear(values()) };
    let format: &dyn Fn(f64) -> String = match horizontal {
        ENERGY => &quantity::joules,
        _ if of_second.is_none() => &|spent| cost.text(spent),
        _ => &tick,
    };
    let goal = study.objectives().iter().nth(index).and_then(|objective| objective.goal.direction());
    figure(out, (420.0, 340.0), |out, frame| {
        Scatter {
            title: &format!("{metric} against {horizontal}"),
            x: Axis { title: horizontal, scale, format },
            y: Axis { title: metric, scale: Scale::linear(marks.iter().map(|mark| mark.y.0)), format: &tick },
            limit: None,
            marks: &marks,
            front: if rises { &[] } else { &on_front },
            rising: goal == Some(Direction::Max),
        }
        .draw(out, frame)
    })?;
    out.push_str(
        "<ul class=\"legend\"><li class=\"best\">best</li><li>on the front</li><li class=\"drops\">beaten</li></ul>\n\
         </section>\n",
    );
    Ok(())
}

/// Between what the joules of a trial lie, but for the scale that all trials share.
fn interval(study: &Study, id: TrialId, energy_j: f64) -> (f64, f64) {
    if is_modelled_of(study, id) {
        return (energy_j, energy_j);
    }
    let notes = study.record(id).map(|record| &record.notes);
    let number = |key: &str| notes.and_then(|notes| notes.get(key)?.parse::<f64>().ok()).unwrap_or(energy_j);
    (number("energy_low_j"), number("energy_high_j"))
}
