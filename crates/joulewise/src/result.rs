//! `result.json`, schema 1: what a run found and what it cost. Everything that reports is a reader of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use joulewise_meter::Caveat;
use joulewise_meter::spans::nested;
use joulewise_meter::{Energy, Method, SpanTotal};
use joulewise_tune::Direction;
use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::waste::Waste;

/// The version of `result.json` that this binary writes.
pub const SCHEMA: u32 = 1;

/// The baseline's note on how far its metric moves with the seed.
pub const OTHER_SEEDS: &str = "other seeds";

/// The whole of `result.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The run's id, also its folder's name.
    pub id: String,
    /// The task's name, as in `lenet on glyphs`.
    pub task: String,
    /// `complete`, or `partial` when the run was interrupted.
    pub state: RunState,
    /// The life that costs are weighed over.
    pub life: Life,
    /// The metric that candidates are held to, as in `accuracy`.
    pub metric: String,
    /// Whether a larger or a smaller value of the metric is better.
    #[serde(default)]
    pub goal: Direction,
    /// Largest admitted loss of the metric against the baseline, a fraction.
    pub max_drop: f64,
    /// What the metric is worth in energy, if the user said so: it then decides which model is the knee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worth: Option<Worth>,
    /// The model that everything is compared with.
    pub baseline: Candidate,
    /// Everything that the practices tried, losers included.
    pub candidates: Vec<Candidate>,
    /// Who spent which joules on what.
    pub ledger: Ledger,
    /// How the budget was divided among the practices, and what each spent of it.
    #[serde(default)]
    pub budget: Budget,
    /// The whole exploration, losers included.
    pub choosing_j: Energy,
    /// What the joules cover, as in `process tree, CPU, modelled`.
    pub scope: String,
    /// What the baseline burns without use.
    #[serde(default)]
    pub waste: Waste,
    /// What a reader must know before quoting a number.
    pub caveats: Vec<Caveat>,
    /// Where it ran.
    pub host: Host,
    /// The conclusion in one sentence.
    pub verdict: String,
}

/// Whether the run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// All stages ran.
    Complete,
    /// Interrupted; `--resume` continues it.
    Partial,
}

/// A gain of the metric and the energy that it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    /// Gain of the metric, a fraction above zero.
    pub gain: f64,
    /// Joules that this gain is worth over the life.
    pub energy_j: f64,
}

/// How long and how often a model will be used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Inferences over the model's life.
    pub inferences: f64,
    /// Trainings of the winning recipe after the first.
    pub retrainings: f64,
    /// Batch size at which inference is priced (one of the keys of `by_batch`).
    pub batch: usize,
}

/// A model, or a training recipe, that a practice tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Unique within the run, as in `distil+quantise`.
    pub name: String,
    /// The chain of practices that made it; empty for the baseline.
    pub practices: Vec<String>,
    /// Whether it is worth keeping.
    pub status: Status,
    /// Why it has that status, a sentence.
    pub reason: String,
    /// Ids of the ledger entries that it is made from.
    pub depends_on: Vec<u32>,
    /// Ids of the ledger entries that running the winning recipe once would repeat.
    #[serde(default)]
    pub training: Vec<u32>,
    /// Quality by metric name; empty when it failed or was skipped.
    pub metrics: BTreeMap<String, MetricValue>,
    /// Trainable numbers.
    pub parameters: u64,
    /// Multiply-accumulates of one inference.
    pub macs: u64,
    /// Size of the exported model, in bytes.
    pub bytes: u64,
    /// Energy of one inference, per batch size.
    pub energy_per_inference_j: PerBatch,
    /// CPU time of one inference in seconds, by batch size.
    pub cpu_s_per_inference: BTreeMap<String, f64>,
    /// This candidate's CPU time per inference over the baseline's, paired, at `life.batch`.
    pub cpu_ratio: Option<Ratio>,
    /// Its joules per inference over the baseline's, likewise; absent where joules are modelled from CPU time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_ratio: Option<Ratio>,
    /// Running the winning recipe once.
    pub training_j: Option<Energy>,
    /// Everything upstream of the candidate; absent where it is unknown.
    pub cost_to_make_j: Option<Energy>,
    /// What it starts from that was trained elsewhere, whose cost is part of `cost_to_make_j`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// After how many inferences it has paid for itself.
    pub break_even: BreakEven,
    /// Cost of the whole life: once + retrainings · training + inferences · energy per inference.
    pub life_cost_j: Option<Energy>,
    /// The exported model, relative to the run folder.
    pub model: Option<String>,
    /// What a command trained it with, by placeholder, where that differs from the baseline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// The command that trains it again by hand, in the folder of the recipe's commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Further facts in the practice's own words, as in `("epochs", "6 of 12")`.
    #[serde(default)]
    pub notes: Vec<(String, String)>,
}

/// A network that was trained elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// Its file.
    pub file: PathBuf,
    /// What training it has cost, in joules, as the user states it; absent where that is unknown.
    pub energy_j: Option<f64>,
}

impl Imported {
    /// What was made with it cost in all, `here` being the part that was metered; `None` where its own is unknown.
    pub fn with(&self, here: Energy) -> Option<Energy> {
        let stated = self.energy_j?;
        Some(here + Energy { value: stated, low: stated, high: stated, method: Method::Modelled })
    }
}

/// Energies by batch size; the keys are decimal numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerBatch {
    /// Batch size to energy of one inference.
    pub by_batch: BTreeMap<String, Energy>,
}

/// A paired ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// Median of the pairs.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end of its 95 % interval.
    pub high: f64,
}

impl Candidate {
    /// The cost of an inference over the baseline's: joules where they are counted, else CPU time.
    pub fn inference_ratio(&self) -> Option<Ratio> {
        self.energy_ratio.or(self.cpu_ratio)
    }
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Within the admitted loss.
    Holds,
    /// Loses more than admitted.
    Drops,
    /// Could not be made.
    Failed,
    /// Not applicable here.
    Skipped,
}

/// A metric on each split, and the interval of the value that reports state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// On the images used for tuning and stopping.
    pub select: Option<f64>,
    /// On the images used once, to decide whether the candidate holds.
    pub judge: Option<f64>,
    /// On the test images, after the candidates were frozen.
    pub test: Option<f64>,
    /// Lower end of the 95 % interval of `test` (of `judge` without a test set).
    pub low: f64,
    /// Upper end of that interval.
    pub high: f64,
}

/// After how many inferences a candidate has paid for what it cost to make.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum BreakEven {
    /// After `n` inferences.
    At {
        /// Best estimate.
        n: f64,
        /// Lower end of its interval.
        low: f64,
        /// Upper end of its interval; absent when the interval is open.
        high: Option<f64>,
    },
    /// It costs no more to make than the baseline and runs cheaper.
    Immediately,
    /// It costs more to make and more to run.
    Never,
    /// It saves to make and costs to run: cheaper up to `n` inferences.
    Until {
        /// Best estimate; where the interval is open, its lower end.
        n: f64,
        /// Lower end of its interval.
        low: f64,
        /// Upper end of its interval; absent when the interval is open.
        high: Option<f64>,
    },
    /// The saving is within the noise.
    #[serde(rename = "not shown")]
    NotShown,
}

/// Who spent which joules on what. `entries` and `unattributed_j` sum to `total_j` exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// One entry per stage, in the order in which they closed.
    pub entries: Vec<Entry>,
    /// The metered total of the run.
    pub total_j: Energy,
    /// What no stage accounts for.
    pub unattributed_j: f64,
}

/// The exclusive energy of one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Unique within the run.
    pub id: u32,
    /// Name of the stage, as in `distil/train-student`.
    pub stage: String,
    /// Joules of this stage without those of the stages inside it.
    pub energy_j: Energy,
    /// CPU time of the process tree, in seconds.
    pub cpu_s: f64,
    /// Wall time, in seconds.
    pub wall_s: f64,
    /// Entries whose product this stage used.
    pub depends_on: Vec<u32>,
    /// What the commands of this stage told of as parts of it. Their joules are among the stage's, so that they are not
    /// added to the ledger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<SpanTotal>,
}

impl Entry {
    /// Its spans, each behind the one that it is nested in, with a name as in `epoch › step`.
    pub fn named_spans(&self) -> impl Iterator<Item = (String, &SpanTotal)> {
        let mut path = Vec::new();
        nested(&self.spans).into_iter().map(move |(depth, span)| {
            path.truncate(depth);
            path.push(span.name.as_str());
            (path.join(" › "), span)
        })
    }
}

/// The machine a run was made on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// As in `linux x86_64`.
    pub system: String,
    /// The processor's model name.
    pub cpu: String,
    /// Hardware threads that the process may use.
    pub threads: usize,
    /// The kernels' instruction set, as in `avx512`.
    pub isa: String,
    /// Energy sources in use, as in `model: Intel Xeon (Sapphire Rapids), W per thread`.
    pub sources: Vec<String>,
    /// Joulewise's version.
    pub version: String,
    /// When the run started, RFC 3339.
    pub started: String,
}
