//! The first objective against each of the others, or against joules, with the front.

use std::collections::BTreeMap;
use std::fmt;

use joulewise_tune::{Direction, Point, Trial, TrialId};

use super::{done, first, note, tick};
use crate::report::page::{figure, section};
use crate::report::quantity;
use crate::report::svg::axis::Axis;
use crate::report::svg::scale::Scale;
use crate::report::svg::scatter::{Look, Mark, Scatter};
use crate::tune::cost::{Cost, Origin};
use crate::tune::objective::{ENERGY, TIME};
use crate::tune::worker::Study;

/// Best estimate and interval.
type Span = (f64, f64, f64);

/// Trials that are named beside their points.
const NAMED: usize = 12;

pub(super) fn draw(out: &mut String, study: &Study) -> fmt::Result {
    let (index, _) = first(study);
    let mut others: Vec<Measure<'_>> =
        Measure::all(study).filter(|measure| measure.of != Some(index)).collect();
    let Some(value) = Measure::all(study).find(|measure| measure.of == Some(index)) else { return Ok(()) };
    if others.is_empty() {
        others.push(Measure::cost(study));
    }
    let shown = || others.iter().chain([&value]);
    let mut lead =
        "Each point is a trial that came to its end. No other trial beats those on a line in both."
            .to_owned();
    if shown().any(|measure| measure.name == ENERGY) {
        lead += if Origin::of(study).has_modelled() {
            " Bars are the intervals of the joules; where these are modelled, all trials share the error of their scale, so that \
             their order is surer than their value."
        } else {
            " Bars are the intervals of the joules."
        };
    }
    if shown().any(|measure| !measure.repeats.is_empty()) {
        lead += " Where a setting was tried more than once, bars reach from its least to its greatest value.";
    }
    section(out, "front", "What a better value costs", &lead)?;
    for other in &others {
        chart(out, study, &value, other)?;
    }
    out.push_str(
        "<ul class=\"legend\"><li class=\"best\">best</li><li>on the front</li><li class=\"drops\">beaten</li></ul>\n\
         </section>\n",
    );
    Ok(())
}

/// What an axis shows of a trial.
struct Measure<'a> {
    /// The number of the objective; what the trial cost without one.
    of: Option<usize>,
    name: &'a str,
    direction: Direction,
    cost: Cost,
    /// The least and the greatest value of settings that were tried more than once.
    repeats: BTreeMap<&'a Point, (f64, f64)>,
}

impl<'a> Measure<'a> {
    /// The objectives that are as good as can be, the most important first.
    fn all(study: &'a Study) -> impl Iterator<Item = Self> {
        let cost = Cost::of(study);
        study.objectives().iter().enumerate().filter_map(move |(i, objective)| {
            let direction = objective.goal.direction()?;
            let repeats = if objective.metric == ENERGY { BTreeMap::new() } else { repeats(study, i) };
            Some(Self { of: Some(i), name: &objective.metric, direction, cost, repeats })
        })
    }

    fn cost(study: &Study) -> Self {
        let cost = Cost::of(study);
        Self { of: None, name: cost.key(), direction: Direction::Min, cost, repeats: BTreeMap::new() }
    }

    /// Value and interval.
    fn at(&self, study: &Study, trial: &Trial) -> Option<Span> {
        let value = match self.of {
            Some(i) => *trial.outcome()?.values.get(i)?,
            None => trial.known_cost()?,
        };
        let (low, high) = match self.repeats.get(&trial.point) {
            Some(between) => *between,
            None if self.name == ENERGY => joules(study, trial.id, value),
            None => (value, value),
        };
        Some((value, low, high))
    }

    /// A round value beside the axis.
    fn text(&self, value: f64) -> String {
        match self.name {
            ENERGY => quantity::joules(value),
            TIME => quantity::seconds(value),
            _ if self.of.is_none() => self.cost.text(value),
            _ => tick(value),
        }
    }
}

fn chart(out: &mut String, study: &Study, value: &Measure<'_>, other: &Measure<'_>) -> fmt::Result {
    let (index, _) = first(study);
    let front: Vec<TrialId> = study.front().iter().map(|trial| trial.id).collect();
    let best = study.best().map(|best| best.id);
    let mut marks: Vec<(TrialId, Mark)> = done(study, index)
        .filter_map(|(trial, _)| {
            let is_named = front.len() <= NAMED && front.contains(&trial.id) || best == Some(trial.id);
            let look = match () {
                () if best == Some(trial.id) => Look::Best,
                () if front.contains(&trial.id) => Look::Holds,
                () => Look::Drops,
            };
            let label = if is_named { trial.id.0.to_string() } else { String::new() };
            let (x, y) = (other.at(study, trial)?, value.at(study, trial)?);
            Some((trial.id, Mark { label, remark: String::new(), note: note(study, trial), look, x, y }))
        })
        .collect();
    marks.sort_by(|(_, a), (_, b)| {
        a.x.0.total_cmp(&b.x.0).then_with(|| value.direction.compare(a.y.0, b.y.0))
    });
    // Of the trials that nothing beats in all objectives, those that nothing beats in these two.
    let mut on_line: Vec<usize> = Vec::new();
    for (i, (id, mark)) in marks.iter().enumerate() {
        let gains = |&last: &usize| value.direction.gain(mark.y.0, marks[last].1.y.0) > 0.0;
        if front.contains(id) && on_line.last().is_none_or(gains) {
            on_line.push(i);
        }
    }
    let mut marks: Vec<Mark> = marks.into_iter().map(|(_, mark)| mark).collect();
    // Among many, the bars of those that are beaten would hide the others.
    let is_crowd = marks.len() > NAMED;
    for mark in marks.iter_mut().filter(|mark| is_crowd && mark.look == Look::Drops) {
        (mark.x, mark.y) = ((mark.x.0, mark.x.0, mark.x.0), (mark.y.0, mark.y.0, mark.y.0));
    }
    let ends = |of: fn(&Mark) -> Span| {
        let ends = marks.iter().map(of).flat_map(|(value, low, high)| [value, low, high]);
        ends.collect::<Vec<f64>>()
    };
    let xs = ends(|mark| mark.x);
    let across = if xs.iter().all(|x| *x > 0.0) { Scale::log(xs) } else { Scale::linear(xs) };
    figure(out, (420.0, 340.0), |out, frame| {
        Scatter {
            title: &format!("{} against {}", value.name, other.name),
            x: Axis { title: other.name, scale: across, format: &|x| other.text(x) },
            y: Axis {
                title: value.name,
                scale: Scale::linear(ends(|mark| mark.y)),
                format: &|y| value.text(y),
            },
            limit: None,
            marks: &marks,
            front: if other.direction == Direction::Min { &on_line } else { &[] },
            rising: value.direction == Direction::Max,
        }
        .draw(out, frame)
    })
}

/// Between what the joules of a trial lie.
fn joules(study: &Study, id: TrialId, energy_j: f64) -> (f64, f64) {
    let notes = study.record(id).map(|record| &record.notes);
    let number = |key: &str| notes.and_then(|notes| notes.get(key)?.parse::<f64>().ok()).unwrap_or(energy_j);
    // What a trial itself reported as its joules need not be what was metered.
    (number("energy_low_j").min(energy_j), number("energy_high_j").max(energy_j))
}

/// The least and the greatest value of objective number `of`, by settings that were tried more than once.
fn repeats(study: &Study, of: usize) -> BTreeMap<&Point, (f64, f64)> {
    let mut values: BTreeMap<&Point, (usize, f64, f64)> = BTreeMap::new();
    for (trial, value) in done(study, of) {
        let (n, low, high) = values.entry(&trial.point).or_insert((0, value, value));
        (*n, *low, *high) = (*n + 1, low.min(value), high.max(value));
    }
    values
        .into_iter()
        .filter(|(_, (n, ..))| *n > 1)
        .map(|(point, (_, low, high))| (point, (low, high)))
        .collect()
}
