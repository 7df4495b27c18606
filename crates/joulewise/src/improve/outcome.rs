//! From what a search found to `result.json`, and back for a run that goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use joulewise_learn::onnx;
use joulewise_learn::shape::{infer, macs};
use joulewise_meter::{Energy, Session, StageRecord};

use super::benchmark::Ratios;
use super::judge::wilson;
use super::search::Priced;
use crate::budget::Budget;
use crate::candidate::{Candidate, Status};
use crate::ledger::{self, Outlay};
use crate::recipe::{Direction, Recipe, Worth};
use crate::result::{
    self, BreakEven, Caveat, Entry, Host, Ledger, Life, MetricValue, PerBatch, Ratio, RunResult, RunState,
    SCHEMA,
};
use crate::run::{MODELS, Run};
use crate::task::Task;
use crate::task::template::{Placeholder, Values};
use crate::waste::Waste;

/// Stages that are paid for the report and lead to no candidate.
const FOR_THE_REPORT: [&str; 2] = ["benchmark-inference", "evaluate-test"];

/// A look at the test images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tested {
    pub(super) share: f64,
    /// Images of the test; unknown where a command evaluates.
    pub(super) images: Option<usize>,
}

/// Everything about a run but its metered total.
pub(super) struct Outcome {
    task: String,
    state: RunState,
    life: Life,
    metric: String,
    goal: Direction,
    max_drop: f64,
    worth: Option<Worth>,
    candidates: Vec<result::Candidate>,
    training: Vec<Vec<u32>>,
    ratios: Vec<Option<Ratios>>,
    entries: Vec<Entry>,
    earlier: Option<Energy>,
    budget: Budget,
    /// Caveats of the data and of the interrupted run that this one continues.
    caveats: Vec<Caveat>,
    host: Host,
}

impl Outcome {
    pub(super) fn new(
        recipe: &Recipe,
        run: &Run,
        task: &Task,
        state: RunState,
        candidates: &[Candidate],
        entries: Vec<Entry>,
        interrupted: Option<&RunResult>,
        prices: &[Option<Priced>],
        tested: &[Option<Tested>],
        budget: Budget,
        host: Host,
    ) -> Result<Self> {
        let batch = recipe.goal.batch;
        let judged = match task {
            Task::Graph(task) => Some(task.splits.judge.len()),
            Task::Commands(_) => None,
        };
        let price_at = |index: usize| {
            let priced = prices.get(index)?.as_ref()?;
            priced.batches.iter().find(|(b, _)| *b == batch).map(|(_, price)| price)
        };
        let mut caveats = interrupted.map_or_else(Vec::new, |result| result.caveats.clone());
        add_caveats(&mut caveats, task.caveats());
        let mut described = Vec::new();
        let mut ratios = Vec::new();
        for (index, candidate) in candidates.iter().enumerate() {
            let tested = tested.get(index).copied().flatten();
            let priced = prices.get(index).and_then(Option::as_ref);
            described.push(describe(candidate, run, task, &recipe.goal.metric, judged, tested, priced)?);
            ratios.push(price_at(index).zip(price_at(0)).map(|(price, baseline)| price.over(baseline)));
        }
        Ok(Self {
            task: recipe.name.clone(),
            state,
            life: Life {
                // A life of which no inference can be priced consists of its trainings.
                inferences: if task.prices_inference() { recipe.goal.inferences.get() } else { 0.0 },
                retrainings: recipe.goal.retrainings.get(),
                batch,
            },
            metric: recipe.goal.metric.clone(),
            goal: recipe.goal.direction,
            max_drop: recipe.goal.max_drop.fraction(),
            worth: recipe.goal.worth,
            training: candidates.iter().map(|c| c.training.clone()).collect(),
            candidates: described,
            ratios,
            entries,
            earlier: interrupted.map(|result| result.ledger.total_j),
            budget,
            caveats,
            host,
        })
    }

    /// The result, with `total` joules metered by this session.
    pub(super) fn result(&self, id: &str, total: Energy, scope: &str, caveats: &[Caveat]) -> RunResult {
        let total = self.earlier.map_or(total, |earlier| earlier + total);
        let ledger = Ledger::close(self.entries.clone(), total);
        let mut candidates = self.candidates.clone();
        for (candidate, training) in candidates.iter_mut().zip(&self.training) {
            if matches!(candidate.status, Status::Holds | Status::Drops) {
                let here = ledger.energy_of(&ledger.upstream(&candidate.depends_on));
                let imported = candidate.imported.as_ref();
                candidate.cost_to_make_j = imported.map_or(Some(here), |imported| imported.with(here));
                candidate.training_j = Some(ledger.energy_of(&training.iter().copied().collect()));
            }
        }
        let baseline = candidates.first().and_then(|baseline| Outlay::of(baseline, &self.life));
        for (candidate, ratio) in candidates.iter_mut().zip(&self.ratios) {
            candidate.cpu_ratio = ratio.map(|ratio| ratio.cpu);
            candidate.energy_ratio = ratio.and_then(|ratio| ratio.energy);
            let outlay = Outlay::of(candidate, &self.life);
            candidate.life_cost_j = outlay.map(|outlay| outlay.over(&self.life));
            // Without inferences only what the trainings cost can tell two candidates apart.
            let same = Ratio { value: 1.0, low: 1.0, high: 1.0 };
            let ratio = candidate.inference_ratio().or_else(|| (self.life.inferences == 0.0).then_some(same));
            if let (Some(outlay), Some(baseline), Some(ratio)) = (outlay, &baseline, ratio) {
                candidate.break_even = ledger::break_even(&outlay, baseline, ratio, &self.life);
            }
        }
        let exploration: Vec<u32> = ledger
            .entries
            .iter()
            .filter(|entry| {
                let name = entry.stage.as_str();
                !FOR_THE_REPORT.contains(&name) && name != "baseline/train" && name != "load-data"
            })
            .map(|entry| entry.id)
            .collect();
        let mut all_caveats = self.caveats.clone();
        add_caveats(&mut all_caveats, caveats.iter().cloned());
        let mut candidates = candidates.into_iter();
        let baseline = candidates.next().expect("a run without a baseline has no result");
        let mut result = RunResult {
            schema: SCHEMA,
            id: id.to_owned(),
            task: self.task.clone(),
            state: self.state,
            life: self.life,
            metric: self.metric.clone(),
            goal: self.goal,
            max_drop: self.max_drop,
            worth: self.worth.map(Worth::stated),
            baseline,
            candidates: candidates.collect(),
            choosing_j: ledger.energy_of(&exploration.into_iter().collect()),
            ledger,
            budget: self.budget.clone(),
            scope: scope.to_owned(),
            waste: Waste::default(),
            caveats: all_caveats,
            host: self.host.clone(),
            verdict: String::new(),
        };
        result.verdict = ledger::verdict(&result);
        result
    }
}

/// Adds those caveats that are not there yet.
fn add_caveats(to: &mut Vec<Caveat>, caveats: impl IntoIterator<Item = Caveat>) {
    for caveat in caveats {
        if !to.contains(&caveat) {
            to.push(caveat);
        }
    }
}

fn describe(
    candidate: &Candidate,
    run: &Run,
    task: &Task,
    metric: &str,
    judged: Option<usize>,
    tested: Option<Tested>,
    priced: Option<&Priced>,
) -> Result<result::Candidate> {
    let mut described = result::Candidate {
        name: candidate.name.clone(),
        practices: candidate.practices.clone(),
        status: candidate.status,
        reason: candidate.reason.clone(),
        depends_on: candidate.depends_on.clone(),
        training: candidate.training.clone(),
        metrics: BTreeMap::new(),
        parameters: 0,
        macs: 0,
        bytes: 0,
        energy_per_inference_j: PerBatch::default(),
        cpu_s_per_inference: BTreeMap::new(),
        cpu_ratio: None,
        energy_ratio: None,
        training_j: None,
        cost_to_make_j: None,
        imported: candidate.imported.clone(),
        break_even: BreakEven::NotShown,
        life_cost_j: None,
        model: None,
        values: named(&candidate.values),
        command: None,
        notes: candidate.notes.clone(),
    };
    if !candidate.is_made() {
        return Ok(described);
    }
    if let Some(model) = &candidate.model {
        let shapes = infer(&model.graph, &model.weights)?;
        described.parameters = model.weights.count() as u64;
        described.macs = macs(&model.graph, &shapes);
        described.bytes = onnx::encode(model)?.len() as u64;
        described.model = Some(model_path(&candidate.name));
    }
    if let Some(artifact) = &candidate.artifact {
        described.bytes = size(&run.folder().join(artifact));
        described.model = Some(artifact.to_string_lossy().into_owned());
    }
    if let Task::Commands(task) = task {
        described.command = Some(task.by_hand(&candidate.values)?);
    }
    let reported = candidate.judge.or(candidate.select).unwrap_or_default();
    let (share, n) = tested.map_or((reported, judged), |t| (t.share, t.images));
    let (low, high) = n.map_or((share, share), |n| wilson(share, n));
    let value = MetricValue {
        select: candidate.select,
        judge: candidate.judge,
        test: tested.map(|t| t.share),
        low,
        high,
    };
    described.metrics.insert(metric.to_owned(), value);
    if let Some(priced) = priced {
        if let Some(twin) = &priced.twin {
            let text = format!("priced as `{twin}`, whose network does the same work");
            described.notes.push(("inference".to_owned(), text));
        }
        for (batch, price) in &priced.batches {
            described.energy_per_inference_j.by_batch.insert(batch.to_string(), price.energy);
            described.cpu_s_per_inference.insert(batch.to_string(), price.cpu_s);
        }
        if let Some(threads) = priced.threads {
            described.notes.push(("threads of inference".to_owned(), threads.to_string()));
        }
    }
    Ok(described)
}

/// Bytes of a model that a command wrote: a file, or a folder with all that is in it.
fn size(model: &Path) -> u64 {
    match fs::read_dir(model) {
        Ok(inside) => inside
            .flatten()
            .map(|entry| match entry.file_type() {
                // A link may lead around in circles.
                Ok(kind) if kind.is_symlink() => 0,
                _ => size(&entry.path()),
            })
            .sum(),
        Err(_) => model.metadata().map_or(0, |file| file.len()),
    }
}

/// Values by the names of their placeholders.
fn named(values: &Values) -> BTreeMap<String, String> {
    values.iter().map(|(placeholder, value)| (placeholder.name().to_owned(), value.clone())).collect()
}

/// A candidate of an interrupted run.
pub(super) fn recall(run: &Run, task: &Task, described: &result::Candidate) -> Result<Candidate> {
    let (model, artifact) = match task {
        Task::Graph(_) => (described.model.as_ref(), None),
        Task::Commands(_) => (None, described.model.as_ref()),
    };
    let model = model
        .map(|path| {
            onnx::load(&run.path(path)).with_context(|| format!("cannot resume `{}`", described.name))
        })
        .transpose()?;
    let metric = described.metrics.values().next();
    let mut candidate = Candidate::without_model(&described.name, described.status, described.reason.clone());
    candidate.practices.clone_from(&described.practices);
    candidate.model = model.map(Arc::new);
    candidate.artifact = artifact.map(PathBuf::from);
    candidate.depends_on.clone_from(&described.depends_on);
    candidate.training.clone_from(&described.training);
    candidate.imported.clone_from(&described.imported);
    let value =
        |placeholder: Placeholder| Some((placeholder, described.values.get(placeholder.name())?.clone()));
    candidate.values = Placeholder::ALL.into_iter().filter_map(value).collect();
    candidate.select = metric.and_then(|m| m.select);
    candidate.judge = metric.and_then(|m| m.judge);
    candidate.notes.clone_from(&described.notes);
    Ok(candidate)
}

/// Where a candidate's model lies in the run folder.
pub(super) fn model_path(name: &str) -> String {
    format!("{MODELS}/{name}.onnx")
}

/// A stage as a line of the ledger.
pub(super) fn entry(record: &StageRecord) -> Entry {
    Entry {
        id: record.id,
        stage: record.name.clone(),
        energy_j: record.energy,
        cpu_s: record.cpu_s,
        wall_s: record.wall_s,
        depends_on: record.depends_on.clone(),
        spans: record.spans.clone(),
    }
}

/// The machine that the run is made on.
pub(super) fn host(session: &Session, task: &Task) -> Host {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    Host {
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cpu,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        isa: task.isa().to_owned(),
        sources: session.sources(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: jiff::Timestamp::now().to_string(),
    }
}
