//! The value over each parameter.

use std::fmt;

use joulewise_tune::Domain;

use super::{done, first, note, searched, tick};
use crate::report::page::{figure, section};
use crate::report::svg::axis::Axis;
use crate::report::svg::scale::Scale;
use crate::report::svg::scatter::{Look, Mark, Scatter};
use crate::tune::worker::Study;

pub(super) fn draw(out: &mut String, study: &Study) -> fmt::Result {
    section(
        out,
        "slices",
        "One parameter at a time",
        "Each point is a trial. Where the points hang in a narrow band, the parameter decides; where they scatter, others do.",
    )?;
    let (index, metric) = first(study);
    let best = study.best().map(|best| best.id);
    for (name, domain) in searched(study) {
        let place = |value: &joulewise_tune::Value| match domain {
            Domain::Choice(options) => {
                options.iter().position(|option| Some(option.as_str()) == choice(value)).map(|i| i as f64)
            }
            _ => value.number(),
        };
        let marks: Vec<Mark> = done(study, index)
            .filter_map(|(trial, value)| {
                let x = place(trial.point.get(name)?)?;
                let look = if best == Some(trial.id) { Look::Best } else { Look::Holds };
                let (label, remark) = (String::new(), String::new());
                let note = note(study, trial);
                Some(Mark { label, remark, note, look, x: (x, x, x), y: (value, value, value) })
            })
            .collect();
        if marks.is_empty() {
            continue;
        }
        let is_log = matches!(domain, Domain::Float { log: true, .. } | Domain::Int { log: true, .. });
        let values = || marks.iter().map(|mark| mark.x.0);
        let scale = match domain {
            _ if is_log => Scale::log(values()),
            Domain::Int { .. } | Domain::Choice(_) => Scale::linear(values()).whole(),
            _ => Scale::linear(values()),
        };
        let options: &[String] = if let Domain::Choice(options) = domain { options } else { &[] };
        let word = |value: f64| {
            let option =
                (value.fract().abs() < 1e-9 && value >= 0.0).then(|| options.get(value as usize)).flatten();
            option.cloned().unwrap_or_default()
        };
        let format: &dyn Fn(f64) -> String = if options.is_empty() { &tick } else { &word };
        figure(out, (250.0, 230.0), |out, frame| {
            Scatter {
                title: &format!("{metric} over {name}"),
                x: Axis { title: name, scale, format },
                y: Axis {
                    title: metric,
                    scale: Scale::linear(marks.iter().map(|mark| mark.y.0)),
                    format: &tick,
                },
                limit: None,
                marks: &marks,
                front: &[],
                rising: true,
            }
            .draw(out, frame)
        })?;
    }
    out.push_str("</section>\n");
    Ok(())
}

fn choice(value: &joulewise_tune::Value) -> Option<&str> {
    match value {
        joulewise_tune::Value::Choice(text) => Some(text),
        _ => None,
    }
}
