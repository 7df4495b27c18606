//! What burns joules without use, found in what a run recorded of itself.
//!
//! Each finding is a file with a function that looks at the [`Trace`] of a run and says what it found, that it found
//! nothing, or why it cannot tell. Findings may count the same joules, as evaluations after the plateau: they are not to be
//! added up.

mod batch;
mod evaluation;
#[cfg(test)]
mod fixture;
mod gpu;
mod loading;
mod names;
mod plateau;
pub mod recorded;
pub mod run;
pub mod text;
pub mod trace;

use joulewise_meter::Energy;
use serde::{Deserialize, Serialize};

pub use trace::{Curve, Recording, Trace};

/// What a run wasted, and what could not be judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waste {
    /// The one with the most joules at stake first.
    pub findings: Vec<Finding>,
    /// What the trace does not show.
    pub not_judged: Vec<NotJudged>,
}

/// Something that burns joules without use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of waste.
    pub kind: Kind,
    /// The joules at stake: what could have been saved at best, and between what that lies.
    pub energy_j: Energy,
    /// The part of all joules that this is, a fraction.
    pub share: f64,
    /// What shows it, a sentence without its full stop.
    pub evidence: String,
    /// What to do, a sentence without its full stop.
    pub advice: String,
}

/// A kind of waste that the trace says nothing about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotJudged {
    /// What kind of waste.
    pub kind: Kind,
    /// Why, a sentence without its full stop.
    pub reason: String,
}

/// A kind of waste.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The training waits for its data.
    StarvedLoader,
    /// A GPU draws power and does nothing.
    IdleGpu,
    /// Evaluations take more than their share.
    FrequentEvaluation,
    /// Training went on after it had come to what it could.
    AfterPlateau,
    /// Batches are smaller than they have to be.
    SmallBatch,
    /// So are those in which the model will be used.
    SmallInferenceBatch,
}

impl Kind {
    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::StarvedLoader => "waiting for data",
            Self::IdleGpu => "idle GPU",
            Self::FrequentEvaluation => "evaluation too frequent",
            Self::AfterPlateau => "training after the plateau",
            Self::SmallBatch => "batches below the knee",
            Self::SmallInferenceBatch => "inferences in batches below the knee",
        }
    }
}

/// What a look at a trace gave: a finding, nothing, or the reason why it shows nothing either way.
type Judgement = Result<Option<Finding>, String>;

/// Less than this part of the joules is not worth anybody's time.
const SMALLEST_SHARE: f64 = 0.01;

/// Looks for one kind of waste.
type Find = fn(&Trace) -> Judgement;

const LOOKS: [(Kind, Find); 5] = [
    (Kind::StarvedLoader, loading::find),
    (Kind::IdleGpu, gpu::find),
    (Kind::FrequentEvaluation, evaluation::find),
    (Kind::AfterPlateau, plateau::find),
    (Kind::SmallBatch, batch::find),
];

impl Waste {
    /// Looks for every kind of waste.
    pub fn in_trace(trace: &Trace) -> Self {
        let mut waste = Self::default();
        for (kind, find) in LOOKS {
            waste.add(kind, find(trace));
        }
        waste
    }

    fn add(&mut self, kind: Kind, judgement: Judgement) {
        match judgement {
            Ok(finding) => self.findings.extend(finding.filter(|found| found.share >= SMALLEST_SHARE)),
            Err(reason) => self.not_judged.push(NotJudged { kind, reason }),
        }
        self.findings.sort_by(|a, b| b.energy_j.value.total_cmp(&a.energy_j.value));
    }
}

#[cfg(test)]
mod tests {
    use joulewise_tune::Direction;
    use proptest::prelude::*;

    use super::fixture::{curve, sample, span, trace};
    use super::*;

    #[test]
    fn a_clean_run_has_no_waste_and_says_what_it_did_not_show() {
        let waste = Waste::in_trace(&trace(100.0));
        assert!(waste.findings.is_empty());
        assert_eq!(waste.not_judged.len(), LOOKS.len());
        insta::assert_snapshot!(text::page(&waste));
    }

    fn traces() -> impl Strategy<Value = Trace> {
        let names =
            prop::sample::select(vec!["epoch", "step", "load", "evaluate", "train batch 32", "batch 8"]);
        let spans = prop::collection::vec((names, 0..4u32, 0..50u64, 0.0..2e3f64), 0..8);
        let values = prop::collection::vec(prop_oneof![0.0..1.0f64, -5.0..500.0f64, Just(f64::NAN)], 0..30);
        let metrics = prop::sample::select(vec![("accuracy", Direction::Max), ("val_loss", Direction::Min)]);
        let curves = prop::collection::vec((metrics, 0.0..100.0f64, values), 0..3);
        let gpus = prop::collection::vec((0.0..100.0f64, prop::option::of(0.0..1.0f64)), 0..3);
        let samples = prop::collection::vec((0.0..20.0f64, 0.0..1e3f64, gpus), 0..10);
        let idle_w = prop::option::of((0.0..200.0f64, 0.0..200.0f64));
        (0.0..1e3f64, 1..4usize, spans, curves, samples, idle_w).prop_map(
            |(joules, runs, spans, curves, samples, idle_w)| {
                let mut trace = trace(joules);
                trace.samples =
                    samples.into_iter().map(|(wall_s, watts, gpus)| sample(wall_s, watts, &gpus)).collect();
                trace.idle_w = idle_w;
                trace.runs = runs;
                // A span may be nested in any that came before it.
                let nested = spans.into_iter().zip(1..).map(|((name, parent, count, used_j), id)| {
                    span(id, name, (0 < parent && parent < id).then_some(parent), count, used_j)
                });
                trace.spans = nested.collect();
                let drawn = curves
                    .into_iter()
                    .map(|((name, direction), each_j, values)| curve(name, direction, each_j, &values));
                trace.curves = drawn.collect();
                trace.batches = batch::of_spans(&trace.spans);
                trace
            },
        )
    }

    proptest! {
        /// Whatever was recorded, and however little sense it makes: never are more joules at stake than were used.
        #[test]
        fn what_is_at_stake_is_part_of_what_was_used(trace in traces()) {
            let waste = Waste::in_trace(&trace);
            for Finding { energy_j, share, .. } in &waste.findings {
                prop_assert!(0.0 <= energy_j.low && energy_j.low <= energy_j.value, "{energy_j:?}");
                prop_assert!(energy_j.value <= energy_j.high, "{energy_j:?}");
                prop_assert!(energy_j.value <= trace.energy.value && energy_j.high <= trace.energy.high, "{energy_j:?}");
                prop_assert!((SMALLEST_SHARE..=1.0).contains(share), "{share}");
            }
            prop_assert!(waste.findings.len() + waste.not_judged.len() <= LOOKS.len());
        }
    }
}
