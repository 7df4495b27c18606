//! Parallel coordinates: every trial as a line across its parameters to its value.

use std::fmt::{self, Write as _};

use joulewise_tune::{Domain, Trial};

use super::{done, first, note, searched, tick};
use crate::report::abbreviation::abbreviated;
use crate::report::page::{figure, section};
use crate::report::svg::scale::Scale;
use crate::report::svg::{Escaped, Frame};
use crate::tune::worker::Study;

/// More axes than this are not told apart.
const MOST: usize = 12;
/// Above the axes, below them, and beside them.
const MARGINS: (f64, f64, f64) = (44.0, 30.0, 52.0);

pub(super) fn draw(out: &mut String, study: &Study) -> fmt::Result {
    let mut parameters = searched(study);
    parameters.truncate(MOST);
    if parameters.len() < 2 {
        return Ok(());
    }
    section(
        out,
        "parallel",
        "Settings side by side",
        "Each line is a trial, from its parameters on the left to its value on the right; the best tenth is coloured. A line \
         that leaves out an axis had no such parameter.",
    )?;
    figure(out, (380.0, 320.0), |out, frame| chart(out, frame, study, &parameters))?;
    out.push_str("</section>\n");
    Ok(())
}

fn chart(out: &mut String, frame: Frame, study: &Study, parameters: &[(&str, &Domain)]) -> fmt::Result {
    let (index, metric) = first(study);
    let (top, bottom, side) = MARGINS;
    let bottom = frame.height - bottom;
    let step = (frame.width - 2.0 * side) / parameters.len() as f64;
    let at = |axis: usize| side + step * axis as f64;
    let mut trials: Vec<(&Trial, f64)> = done(study, index).collect();
    let goal = study
        .objectives()
        .iter()
        .nth(index)
        .and_then(|objective| objective.goal.direction())
        .unwrap_or_default();
    // The best are drawn last, over the others.
    trials.sort_by(|(_, a), (_, b)| goal.compare(*b, *a));
    let values = Scale::linear(trials.iter().map(|(_, value)| *value)).onto(bottom, top);
    write!(
        out,
        r#"<svg class="chart lines" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img"><title>trials by their parameters and {}</title>"#,
        Escaped(metric),
        w = frame.width,
        h = frame.height
    )?;
    let coloured = trials.len() - trials.len().div_ceil(10);
    for (rank, (trial, value)) in trials.iter().enumerate() {
        let class = if rank >= coloured { "best" } else { "overhead" };
        write!(
            out,
            r#"<g class="series {class}"><title>{}</title><path class="line" d=""#,
            Escaped(&note(study, trial))
        )?;
        let mut pen = 'M';
        for (axis, (name, domain)) in parameters.iter().enumerate() {
            if let Some(value) = trial.point.get(name) {
                let height = bottom - domain.unit(value) * (bottom - top);
                write!(out, "{pen}{:.1} {height:.1}", at(axis))?;
                pen = 'L';
            }
        }
        write!(out, "{pen}{:.1} {:.1}\"/></g>", at(parameters.len()), values.at(*value))?;
    }
    let names: Vec<&str> = parameters.iter().map(|(name, _)| *name).chain([metric]).collect();
    let names = abbreviated(&names, (step / 7.5).max(3.0) as usize);
    out.push_str(r#"<g class="axis">"#);
    for (axis, name) in names.iter().enumerate() {
        let x = at(axis);
        let (low, high) = match parameters.get(axis) {
            Some((_, domain)) => (domain.at(0.0), domain.at(1.0)),
            None => {
                let (low, high) = values.domain();
                (joulewise_tune::Value::Float(low), joulewise_tune::Value::Float(high))
            }
        };
        let end = |value: &joulewise_tune::Value| match value {
            joulewise_tune::Value::Float(x) => tick(*x),
            other => other.to_string(),
        };
        write!(
            out,
            r#"<path class="base" d="M{x:.1} {top}V{bottom:.1}"/><text class="name" x="{x:.1}" y="16" text-anchor="middle">{}</text><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            Escaped(name),
            top - 10.0,
            Escaped(&end(&high)),
            bottom + 18.0,
            Escaped(&end(&low)),
        )?;
    }
    out.push_str("</g></svg>");
    Ok(())
}
