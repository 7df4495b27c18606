//! Which parameters the value hangs on.

use std::collections::BTreeMap;
use std::fmt;

use joulewise_tune::Importance;

use super::{done, first, searched};
use crate::report::page::{data_table, figure, section};
use crate::report::quantity;
use crate::report::svg::bars::{self, Bar, Segment};
use crate::tune::importance::{self, label};
use crate::tune::worker::Study;

/// Pairs that are shown: no more than these, and none that explain less than this.
const PAIRS: usize = 5;
const LEAST: f64 = 0.02;
/// A parameter's range is cut into at most so many parts, with so many trials in each on average.
const PARTS: usize = 8;
const PER_PART: usize = 4;

pub(super) fn draw(out: &mut String, study: &Study) -> fmt::Result {
    let (index, metric) = first(study);
    let found = importance::of(study);
    let (single, pairs): (Vec<Importance>, Vec<Importance>) =
        found.into_iter().partition(|importance| importance.parameters.len() == 1);
    if single.is_empty() {
        return Ok(());
    }
    let pairs = pairs.into_iter().filter(|pair| pair.share >= LEAST).take(PAIRS);
    let found: Vec<(String, f64)> =
        single.into_iter().chain(pairs).map(|importance| (label(&importance), importance.share)).collect();
    section(
        out,
        "importance",
        "What decides",
        "The share of the variance over the whole space that a parameter explains by itself, and two together (×) beyond that, going \
         by a random forest that has learnt from the trials (fANOVA). The table has beside it the share of the variance between \
         the trials as they are: of the means in parts of a range, less what chance alone would give.",
    )?;
    let bars: Vec<Bar<'_>> = found
        .iter()
        .map(|(name, share)| Bar {
            label: name,
            value: quantity::percent(*share),
            segments: vec![Segment {
                length: share.max(1e-3),
                class: "best",
                note: format!("{name}: {}", quantity::percent(*share)),
            }],
        })
        .collect();
    figure(out, (0.0, 0.0), |out, frame| {
        bars::draw(out, frame.width, &format!("importance for {metric}"), &bars)
    })?;
    let between = between_trials(study, index);
    let row = |(name, share): &(String, f64)| {
        let between = between.get(name).map_or_else(String::new, |share| quantity::percent(*share));
        vec![name.clone(), quantity::percent(*share), between]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    data_table(out, &["parameter", "share over the space", "share between the trials"], &rows)?;
    out.push_str("</section>\n");
    Ok(())
}

/// The share of the variance between the trials that each parameter explains by itself (adjusted for the number of
/// parts, as the adjusted coefficient of determination is).
fn between_trials(study: &Study, index: usize) -> BTreeMap<String, f64> {
    let trials: Vec<_> = done(study, index).collect();
    let parts = (trials.len() / PER_PART).clamp(2, PARTS);
    searched(study)
        .into_iter()
        .filter_map(|(name, domain)| {
            let part = |unit: f64| ((unit * parts as f64) as usize).min(parts - 1);
            let points: Vec<(usize, f64)> = trials
                .iter()
                .filter_map(|(trial, value)| {
                    let unit = domain.unit(trial.point.get(name)?);
                    let cells = domain.cardinality().filter(|cells| *cells <= parts as u64);
                    let cell = cells.map_or_else(|| part(unit), |cells| (unit * cells as f64) as usize);
                    Some((cell, *value))
                })
                .collect();
            Some((name.to_owned(), explained(&points)?))
        })
        .collect()
}

fn explained(points: &[(usize, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let mut groups: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (cell, value) in points {
        groups.entry(*cell).or_default().push(*value);
    }
    let k = groups.len() as f64;
    if n - k < 2.0 {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let squares = |values: &[f64], around: f64| values.iter().map(|x| (x - around).powi(2)).sum::<f64>();
    let all: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let total = squares(&all, mean(&all));
    let within: f64 = groups.values().map(|group| squares(group, mean(group))).sum();
    if total <= 0.0 {
        return Some(0.0);
    }
    Some((1.0 - (within / (n - k)) / (total / (n - 1.0))).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_explains_all_and_chance_nothing() {
        let decides: Vec<(usize, f64)> = (0..40).map(|i| (i % 4, (i % 4) as f64)).collect();
        assert!((explained(&decides).unwrap() - 1.0).abs() < 1e-12);
        let chance: Vec<(usize, f64)> = (0..400).map(|i| (i % 4, ((i * 7919) % 101) as f64)).collect();
        assert!(explained(&chance).unwrap() < 0.03);
        assert_eq!(explained(&[(0, 1.0), (1, 2.0)]), None);
        assert_eq!(explained(&[(0, 1.0); 9]), Some(0.0));
    }
}
