//! Which parameters the value hangs on.

use std::collections::BTreeMap;
use std::fmt;

use super::{done, first, searched};
use crate::report::page::{data_table, figure, section};
use crate::report::quantity;
use crate::report::svg::bars::{self, Bar, Segment};
use crate::tune::worker::Study;

/// Trials below which nothing can be said.
const LEAST: usize = 12;
/// A parameter's range is cut into at most so many parts, with so many trials in each on average.
const PARTS: usize = 8;
const PER_PART: usize = 4;

pub(super) fn draw(out: &mut String, study: &Study) -> fmt::Result {
    let (index, metric) = first(study);
    let found = importances(study, index);
    if found.is_empty() {
        return Ok(());
    }
    section(
        out,
        "importance",
        "What decides",
        "The share of the variance between trials that a parameter explains by itself: of the means in parts of its range, less \
         what chance alone would give. What parameters do only together is in none of them.",
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
    let rows: Vec<Vec<String>> =
        found.iter().map(|(name, share)| vec![name.clone(), quantity::percent(*share)]).collect();
    data_table(out, &["parameter", "share of the variance"], &rows)?;
    out.push_str("</section>\n");
    Ok(())
}

/// The share of the variance that each parameter explains by itself, the largest first (adjusted for the number of
/// parts, as the adjusted coefficient of determination is).
fn importances(study: &Study, index: usize) -> Vec<(String, f64)> {
    let trials: Vec<_> = done(study, index).collect();
    if trials.len() < LEAST {
        return Vec::new();
    }
    let parts = (trials.len() / PER_PART).clamp(2, PARTS);
    let mut found: Vec<(String, f64)> = searched(study)
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
        .collect();
    found.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    found
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
