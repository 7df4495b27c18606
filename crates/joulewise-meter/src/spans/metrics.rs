//! The values of metrics that programs told of, and what had been used by then.

use serde::{Deserialize, Serialize};

use crate::event::finite_or_null;
use crate::meter::Totals;

/// The values of one metric, in the order in which they were told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSeries {
    /// Chosen by the program, as in `accuracy`.
    pub name: String,
    /// Where there were very many, every second, every fourth and so on of them.
    pub points: Vec<MetricPoint>,
}

/// A value of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// When it was told, in seconds since the session was opened.
    pub at_s: f64,
    /// Joules since the session was opened.
    pub energy_j: f64,
    /// Written as `null` when it is not finite.
    #[serde(with = "finite_or_null")]
    pub value: f64,
}

/// What was told so far.
#[derive(Default)]
pub(super) struct Metrics {
    pub(super) series: Vec<MetricSeries>,
    /// For each series, how many values make one that is kept, and how many came since the last of these.
    thinned: Vec<(u64, u64)>,
}

/// A program that counts in its metrics' names is not to fill the memory.
const MOST_NAMES: usize = 16;
/// Nor is one that tells the loss of every step. An even number.
const MOST_POINTS: usize = 512;

impl Metrics {
    pub(super) fn add(&mut self, name: String, value: f64, now: Totals) {
        let known = self.series.iter().position(|series| series.name == name);
        let index = known.unwrap_or(self.series.len());
        if known.is_none() {
            if index >= MOST_NAMES {
                return;
            }
            self.series.push(MetricSeries { name, points: Vec::new() });
            self.thinned.push((1, 0));
        }
        let (points, (every, since)) = (&mut self.series[index].points, &mut self.thinned[index]);
        *since += 1;
        if *since < *every {
            return;
        }
        *since = 0;
        points.push(MetricPoint { at_s: now.at_s, energy_j: now.joules(), value });
        if points.len() > MOST_POINTS {
            *every *= 2;
            let mut place = 0;
            points.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_s: f64) -> Totals {
        let mut totals = Totals::START.corrected(10.0 * at_s, (1.0, 1.0));
        totals.at_s = at_s;
        totals
    }

    #[test]
    fn values_stand_by_name_with_the_joules_of_their_moment() {
        let mut metrics = Metrics::default();
        metrics.add("loss".to_owned(), 2.0, at(1.0));
        metrics.add("accuracy".to_owned(), 0.5, at(1.0));
        metrics.add("loss".to_owned(), f64::NAN, at(2.0));
        let [loss, accuracy] = &metrics.series[..] else { panic!("{:?}", metrics.series) };
        assert_eq!((loss.points.len(), accuracy.points.len()), (2, 1));
        assert_eq!(accuracy.points[0], MetricPoint { at_s: 1.0, energy_j: 10.0, value: 0.5 });
        let json = serde_json::to_string(loss).unwrap();
        assert!(json.ends_with(r#"{"at_s":2.0,"energy_j":20.0,"value":null}]}"#), "{json}");
        assert!(serde_json::from_str::<MetricSeries>(&json).unwrap().points[1].value.is_nan());
    }

    #[test]
    fn however_many_there_are_a_few_are_kept_evenly() {
        let mut metrics = Metrics::default();
        (0..20_000).for_each(|i| metrics.add("loss".to_owned(), f64::from(i), at(f64::from(i))));
        let points = &metrics.series[0].points;
        assert!((MOST_POINTS / 2..=MOST_POINTS).contains(&points.len()), "{}", points.len());
        let step = points[1].value - points[0].value;
        assert!(points.windows(2).all(|pair| pair[1].value - pair[0].value == step), "{points:?}");
        assert!(20_000.0 - points[points.len() - 1].value <= 2.0 * step);
        (0..100).for_each(|i| metrics.add(format!("metric {i}"), 1.0, at(20_000.0)));
        assert_eq!(metrics.series.len(), MOST_NAMES);
    }
}
