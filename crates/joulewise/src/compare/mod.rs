//! Two or more pieces of work side by side: ratios of their joules, time and power, with intervals.
//!
//! Commands are run in turns and compared round by round, so that a drift of the machine meets all of them alike. What
//! was recorded earlier is compared by its runs. A ratio of joules from the same sources does not depend on the scale of
//! these sources, so its interval holds only what differs from run to run.

mod bootstrap;
pub mod metric;
pub mod recorded;
pub mod rounds;
pub mod rule;
mod table;

use std::collections::BTreeMap;

use joulewise_meter::{Caveat, Method};
use serde::Serialize;

pub use metric::Metric;
pub use rule::{Rule, Ruling};
pub use table::{markdown, text};

use bootstrap::Runs;

use crate::report::quantity::plural;
use crate::result::SCHEMA;

/// One execution of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Best estimate of the energy, in joules.
    pub energy_j: f64,
    /// From start to end, in seconds.
    pub wall_s: f64,
    /// CPU time of all its processes, in seconds.
    pub cpu_s: f64,
}

/// One of the pieces of work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// A letter, in the order of the arguments.
    pub name: String,
    /// The command, the file or the run.
    pub what: String,
    /// Its executions.
    pub runs: Vec<Run>,
    /// How the joules were obtained.
    pub method: Method,
    /// Factors from the joules to the ends of the part of their interval that all runs share.
    pub scale: (f64, f64),
    /// The sources by name; sides that share them share their scale.
    pub sources: Vec<String>,
    /// What the joules cover.
    pub scope: String,
    /// What a reader must know before quoting a number.
    pub caveats: Vec<Caveat>,
}

/// All sides, and how each compares with the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The pieces of work; the first is the one that the others are compared with.
    pub sides: Vec<Side>,
    /// The other sides against the first.
    pub against_first: Vec<Against>,
    /// Whether the sides were run in turns, so that ratios are taken round by round.
    pub is_paired: bool,
    /// Whether any joules are modelled.
    pub is_modelled: bool,
    /// What `--fail-if` asked for.
    pub rulings: Vec<Ruling>,
    /// What a reader must know before quoting a number.
    pub caveats: Vec<Caveat>,
}

/// One side against the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Against {
    /// The side's name.
    pub side: String,
    /// Its metrics over those of the first side; one that cannot be compared is missing.
    pub ratios: BTreeMap<Metric, Change>,
}

/// A metric of one side over that of the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Geometric mean of the ratios.
    pub ratio: f64,
    /// Lower end of its 95 % interval; absent where there are too few runs for one.
    pub low: Option<f64>,
    /// Upper end of its 95 % interval; absent where there are too few runs for one, and where it is open.
    pub high: Option<f64>,
    /// Whether a difference is shown: the interval leaves out 1.
    pub is_shown: bool,
}

/// Of fewer runs there is no interval: their scatter is not known well enough.
pub const FEWEST: usize = 5;

/// A smaller difference of ratios is that of the arithmetic.
const ROUNDING: f64 = 1e-9;

/// A window shorter than this holds too few steps of a counter.
const SHORT_S: f64 = 0.1;

impl Comparison {
    /// Compares all sides with the first, of which there must be two. `seed` is that of the bootstrap.
    pub fn new(sides: Vec<Side>, is_paired: bool, rules: &[Rule], seed: u64) -> Self {
        let first = &sides[0];
        let against_first: Vec<Against> = sides[1..]
            .iter()
            .map(|side| {
                let change = |metric| Some((metric, Change::of(metric, side, first, is_paired, seed)?));
                Against {
                    side: side.name.clone(),
                    ratios: Metric::ALL.into_iter().filter_map(change).collect(),
                }
            })
            .collect();
        let rulings =
            rules.iter().flat_map(|rule| against_first.iter().map(|against| rule.apply(against))).collect();
        Self {
            schema: SCHEMA,
            is_modelled: sides.iter().any(|side| side.method == Method::Modelled),
            caveats: caveats(&sides, is_paired),
            against_first,
            is_paired,
            rulings,
            sides,
        }
    }

    /// Whether a rule is violated.
    pub fn is_violated(&self) -> bool {
        self.rulings.iter().any(|ruling| ruling.is_violated)
    }
}

impl Side {
    /// The geometric mean over the runs; none where a run used nothing.
    pub fn typical(&self, metric: Metric) -> Option<f64> {
        let logs = self.logs(metric)?;
        Some((logs.iter().sum::<f64>() / logs.len() as f64).exp())
    }

    /// Logarithms of the metric by run; none where one of them is not above zero.
    fn logs(&self, metric: Metric) -> Option<Vec<f64>> {
        let log =
            |run: &Run| Some(metric.of(run)).filter(|value| *value > 0.0 && value.is_finite()).map(f64::ln);
        self.runs.iter().map(log).collect::<Option<Vec<f64>>>().filter(|logs| !logs.is_empty())
    }
}

impl Change {
    fn of(metric: Metric, side: &Side, first: &Side, is_paired: bool, seed: u64) -> Option<Self> {
        // A modelled figure and a measured one of the same work are not the same quantity.
        if metric.is_of_energy() && side.method != first.method {
            return None;
        }
        let (ours, theirs) = (side.logs(metric)?, first.logs(metric)?);
        let fewest = ours.len().min(theirs.len());
        let runs = if is_paired {
            Runs::paired(ours.iter().zip(&theirs).map(|(our, their)| our - their).collect())
        } else {
            Runs::apart(ours, theirs)
        };
        let estimate = runs.difference();
        let interval = runs.interval(seed).filter(|_| fewest >= FEWEST).map(|(low, high)| {
            let (scale_low, scale_high) =
                if metric.is_of_energy() { scale_of_ratio(side, first) } else { (1.0, 1.0) };
            (low.exp() * scale_low, high.exp() * scale_high)
        });
        Some(Self {
            ratio: estimate.exp(),
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high).filter(|high| high.is_finite()),
            is_shown: interval.is_some_and(|(low, high)| low > 1.0 + ROUNDING || high < 1.0 - ROUNDING),
        })
    }
}

/// What the scales of two sides add to the ends of the interval of their ratio: nothing where they are the same.
fn scale_of_ratio(side: &Side, first: &Side) -> (f64, f64) {
    if side.sources == first.sources {
        return (1.0, 1.0);
    }
    (side.scale.0 / first.scale.1, side.scale.1 / first.scale.0)
}

fn caveats(sides: &[Side], is_paired: bool) -> Vec<Caveat> {
    let mut caveats: Vec<Caveat> = Vec::new();
    for caveat in sides.iter().flat_map(|side| &side.caveats) {
        // That joules are modelled is said below the table.
        if caveat.code != "modelled-energy" && !caveats.contains(caveat) {
            caveats.push(caveat.clone());
        }
    }
    let fewest = sides.iter().map(|side| side.runs.len()).min().unwrap_or(0);
    if fewest < FEWEST {
        let runs = plural(fewest, "run");
        let text = format!("a side has {runs}: too few for an interval, and to show a difference");
        caveats.push(Caveat::new("few-runs", text, format!("ask for at least {FEWEST} with --repeat")));
    }
    let first = &sides[0];
    if sides.iter().any(|side| side.method != first.method) {
        let text = "joules of some sides are measured and of others modelled, which is not the same quantity: they are \
                    not compared";
        caveats.push(Caveat::new("mixed-methods", text, "measure all sides on one machine"));
    } else if sides.iter().any(|side| side.sources != first.sources) {
        let text = "the sides were metered by different sources: their scales do not cancel, and widen the intervals";
        caveats.push(Caveat::new("mixed-sources", text, "measure all sides on one machine"));
    }
    if !is_paired {
        let text =
            "the sides were not run in turns: a drift of the machine between them looks like a difference";
        caveats.push(Caveat::new("not-in-turns", text, "give the commands themselves to compare"));
    }
    let is_short = |side: &Side| {
        side.method == Method::Measured && side.typical(Metric::WallS).is_some_and(|wall_s| wall_s < SHORT_S)
    };
    if sides.iter().any(is_short) {
        let text = format!("runs shorter than {SHORT_S} s hold few steps of the counters");
        caveats.push(Caveat::new("short-window", text, "give the commands more to do"));
    }
    caveats
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A side whose runs use these joules, one second each.
    pub(crate) fn side(name: &str, joules: &[f64], method: Method) -> Side {
        let run = |&energy_j: &f64| Run { energy_j, wall_s: 1.0, cpu_s: energy_j / 4.0 };
        Side {
            name: name.to_owned(),
            what: format!("python {}.py", name.to_lowercase()),
            runs: joules.iter().map(run).collect(),
            method,
            scale: if method == Method::Measured { (0.95, 1.05) } else { (0.6, 1.7) },
            sources: vec![format!("source, {method}")],
            scope: format!("process tree, CPU, {method}"),
            caveats: Vec::new(),
        }
    }

    const A: [f64; 6] = [10.0, 10.4, 9.8, 10.1, 9.9, 10.2];
    const B: [f64; 6] = [8.0, 8.3, 7.9, 8.1, 7.9, 8.2];

    fn of(sides: Vec<Side>, is_paired: bool) -> Comparison {
        Comparison::new(sides, is_paired, &[], 1)
    }

    fn codes(comparison: &Comparison) -> Vec<&str> {
        comparison.caveats.iter().map(|caveat| caveat.code.as_str()).collect()
    }

    #[test]
    fn a_difference_beyond_the_scatter_is_shown() {
        let comparison = of(vec![side("A", &A, Method::Modelled), side("B", &B, Method::Modelled)], true);
        let energy = comparison.against_first[0].ratios[&Metric::EnergyJ];
        assert!((energy.ratio - 0.8).abs() < 0.01 && energy.is_shown, "{energy:?}");
        assert!(energy.low < Some(energy.ratio) && Some(energy.ratio) < energy.high);
        let time = comparison.against_first[0].ratios[&Metric::WallS];
        assert_eq!((time.ratio, time.is_shown), (1.0, false));
        assert!(codes(&comparison).is_empty() && comparison.is_modelled);
    }

    #[test]
    fn the_scale_cancels_only_between_the_same_sources() {
        let same = of(vec![side("A", &A, Method::Measured), side("B", &B, Method::Measured)], false);
        let mut other = side("B", &B, Method::Measured);
        other.sources = vec!["another".to_owned()];
        let different = of(vec![side("A", &A, Method::Measured), other], false);
        let width = |comparison: &Comparison| {
            let energy = comparison.against_first[0].ratios[&Metric::EnergyJ];
            energy.high.unwrap() / energy.low.unwrap()
        };
        assert!((width(&different) / width(&same) - (1.05f64 / 0.95).powi(2)).abs() < 1e-9);
        assert_eq!(codes(&same), ["not-in-turns"]);
        assert_eq!(codes(&different), ["mixed-sources", "not-in-turns"]);
    }

    #[test]
    fn measured_and_modelled_joules_are_not_compared() {
        let mixed = of(vec![side("A", &A, Method::Measured), side("B", &B, Method::Modelled)], true);
        let compared: Vec<&Metric> = mixed.against_first[0].ratios.keys().collect();
        assert_eq!(compared, [&Metric::CpuS, &Metric::WallS]);
        assert_eq!(codes(&mixed), ["mixed-methods"]);
    }

    #[test]
    fn few_runs_show_nothing() {
        let few = of(vec![side("A", &A[..4], Method::Measured), side("B", &B[..4], Method::Measured)], true);
        assert!(few.against_first[0].ratios.values().all(|change| !change.is_shown));
        assert_eq!(
            few.caveats[0].text,
            "a side has 4 runs: too few for an interval, and to show a difference"
        );
        let one = of(vec![side("A", &A[..1], Method::Measured), side("B", &B[..1], Method::Measured)], false);
        let energy = one.against_first[0].ratios[&Metric::EnergyJ];
        assert!((energy.ratio - 0.8).abs() < 1e-12);
        assert_eq!((energy.low, energy.high), (None, None));
    }

    #[test]
    fn what_used_nothing_has_no_ratio() {
        let zero = of(vec![side("A", &[0.0; 6], Method::Measured), side("B", &B, Method::Measured)], true);
        assert_eq!(zero.against_first[0].ratios.keys().collect::<Vec<_>>(), [&Metric::WallS]);
    }

    #[test]
    fn short_runs_are_told_where_a_counter_has_steps() {
        let mut short = side("B", &B, Method::Measured);
        short.runs.iter_mut().for_each(|run| run.wall_s = 0.02);
        let comparison = of(vec![side("A", &A, Method::Measured), short], true);
        assert_eq!(codes(&comparison), ["short-window"]);
    }
}
