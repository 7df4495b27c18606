//! When each trial ran, by worker.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use joulewise_tune::State;

use super::note;
use crate::report::page::{figure, section};
use crate::report::quantity;
use crate::report::svg::{Escaped, Frame};
use crate::tune::worker::Study;

/// The height of a worker's row.
const ROW: f64 = 26.0;

pub(super) fn draw(out: &mut String, study: &Study) -> fmt::Result {
    let mut workers: BTreeMap<&str, usize> = BTreeMap::new();
    for trial in study.trials() {
        let Some(record) = study.record(trial.id) else { continue };
        let row = workers.len();
        workers.entry(record.worker.as_str()).or_insert(row);
    }
    if workers.is_empty() {
        return Ok(());
    }
    section(
        out,
        "timeline",
        "When they ran",
        "One row for each worker. Green: came to its end. Blue: stopped early. Orange: failed, or got lost.",
    )?;
    let height = ROW * workers.len() as f64 + 54.0;
    figure(out, (height, height), |out, frame| chart(out, frame, study, &workers))?;
    out.push_str("</section>\n");
    Ok(())
}

fn chart(out: &mut String, frame: Frame, study: &Study, workers: &BTreeMap<&str, usize>) -> fmt::Result {
    let runs = || {
        study.trials().iter().filter_map(|trial| {
            let record = study.record(trial.id)?;
            Some((trial, record, record.began_s, record.ended_s.unwrap_or(record.began_s)))
        })
    };
    let start = runs().map(|(_, _, began, _)| began).fold(f64::INFINITY, f64::min);
    let end = runs().map(|(_, _, _, ended)| ended).fold(start, f64::max);
    let width = frame.width - 24.0;
    let at = |time: f64| 12.0 + (time - start) / (end - start).max(1e-9) * width;
    write!(
        out,
        r#"<svg class="chart bars" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img"><title>trials over time</title>"#,
        w = frame.width,
        h = frame.height
    )?;
    for (trial, record, began, ended) in runs() {
        let row = workers[record.worker.as_str()] as f64;
        let class = match trial.state {
            State::Done(_) => "best",
            State::Stopped(_) => "",
            State::Running => "overhead",
            State::Failed { .. } | State::Lost { .. } => "drops",
        };
        write!(
            out,
            r#"<g><title>{}</title><rect class="bar {class}" x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" rx="1.5"/></g>"#,
            Escaped(&note(study, trial)),
            at(began),
            6.0 + row * ROW,
            (at(ended) - at(began) - 0.6).max(0.8),
            ROW - 6.0
        )?;
    }
    let base = 12.0 + workers.len() as f64 * ROW;
    write!(
        out,
        r#"<g class="axis"><path class="base" d="M12 {base:.1}H{:.1}"/><text x="12" y="{:.1}">0</text><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text></g></svg>"#,
        12.0 + width,
        base + 18.0,
        12.0 + width,
        base + 18.0,
        Escaped(&quantity::seconds(end - start))
    )
}
