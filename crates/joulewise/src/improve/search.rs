//! The search: the baseline, then one practice after the other, each judged as soon as it is done.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use joulewise_learn::{Model, onnx};
use joulewise_meter::{EventKind, Session, StageRecord};

use super::benchmark::{self, Price, Subject};
use super::commands;
use super::judge::Loss;
use super::outcome::{self, Outcome, Tested};
use super::spread::Spread;
use super::state::State;
use crate::candidate::{Candidate, Status};
use crate::context::Context;
use crate::costs::Costs;
use crate::hint::Hint as _;
use crate::practice::{Planned, Setback};
use crate::recipe::Recipe;
use crate::result::{Entry, OTHER_SEEDS, RunState};
use crate::run::Run;
use crate::task::graph::{GraphTask, share};
use crate::task::{CommandTask, Task};

/// Rounds of the benchmark of inferences: enough for an interval by the sign test.
const ROUNDS: usize = 11;
/// CPU time of one model's turn in a round, in seconds.
const SLICE_S: f64 = 0.012;
/// The same where joules are counted: counters move once in a millisecond, or less often.
const COUNTED_SLICE_S: f64 = 0.1;

/// A run in progress.
pub(super) struct Search<'a> {
    run: &'a Run,
    recipe: &'a Recipe,
    task: &'a Task,
    costs: &'a Costs,
    session: &'a Session,
    cancel: &'a AtomicBool,
    state: State,
    /// The baseline first.
    candidates: Vec<Candidate>,
    /// Whether the baseline is right about each judging image.
    right: Vec<bool>,
    ledger: Vec<StageRecord>,
    /// Entries of the interrupted run that this one continues.
    earlier: Vec<Entry>,
    prices: Vec<Option<Priced>>,
    tested: Vec<Option<Tested>>,
    complete: bool,
}

/// A candidate's inference at batch 1 and at the life's batch.
#[derive(Clone, Debug)]
pub(super) struct Priced {
    pub(super) batches: Vec<(usize, Price)>,
    /// Unknown where a command runs the model.
    pub(super) threads: Option<usize>,
    /// The model that was run in its place, because it does the same work.
    pub(super) twin: Option<String>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        run: &'a Run,
        recipe: &'a Recipe,
        task: &'a Task,
        costs: &'a Costs,
        session: &'a Session,
        cancel: &'a AtomicBool,
        state: State,
    ) -> Self {
        let earlier = state.result.as_ref().map_or_else(Vec::new, |result| result.ledger.entries.clone());
        Self {
            run,
            recipe,
            task,
            costs,
            session,
            cancel,
            state,
            candidates: Vec::new(),
            right: Vec::new(),
            ledger: Vec::new(),
            earlier,
            prices: Vec::new(),
            tested: Vec::new(),
            complete: false,
        }
    }

    /// Puts a stage that was run outside the search on the ledger.
    pub(super) fn record(&mut self, mut record: StageRecord) {
        record.id += self.first_entry();
        self.ledger.push(record);
    }

    /// Runs everything; an interrupt ends it early and is no error.
    pub(super) fn all(&mut self, chosen: &[&Planned]) -> Result<()> {
        let ended = self.everything(chosen);
        // A practice that did not come to its end is tried again as a whole when the run is resumed.
        self.candidates.truncate(self.state.kept);
        match ended {
            Ok(()) => {
                self.complete = true;
                self.state.write(self.run)
            }
            Err(Stop::Cancelled) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn everything(&mut self, chosen: &[&Planned]) -> Result<(), Stop> {
        if self.state.kept > 0 {
            self.recall()?;
        } else {
            self.baseline()?;
        }
        self.judge_baseline()?;
        for planned in chosen {
            let name = planned.practice.card().name;
            if !self.state.done.contains(&name) {
                self.predict(chosen);
                self.attempt(planned)?;
                self.state.done.push(name);
                self.save()?;
            }
        }
        self.price()?;
        self.intact()?;
        self.test()?;
        self.intact()
    }

    /// Trains what everything is compared with. Its failure ends the run.
    fn baseline(&mut self) -> Result<(), Stop> {
        match self.task {
            Task::Graph(task) => self.train_baseline(task)?,
            Task::Commands(task) => self.run_baseline(task)?,
        }
        self.save()
    }

    /// Finds out how good the baseline is, and how far chance alone moves it, unless an earlier run did.
    fn judge_baseline(&mut self) -> Result<(), Stop> {
        let mut baseline = self.candidates[0].clone();
        if let Task::Graph(_) = self.task {
            self.right = self.right(&baseline)?;
            baseline.judge = Some(share(&self.right));
        }
        let seeds = self.recipe.search.seeds;
        if seeds > 1 && !baseline.notes.iter().any(|(name, _)| name == OTHER_SEEDS) {
            let (task, mut cx) = (self.task, self.context("baseline", &[]));
            let spread = Spread::over_seeds(task, baseline.select, seeds, &mut cx)?;
            drop(cx);
            baseline.note(OTHER_SEEDS, spread.to_string());
        }
        self.candidates[0] = baseline;
        self.save()
    }

    /// In a strict run, an error once a source of joules was lost.
    fn intact(&self) -> Result<(), Stop> {
        self.session.check().map_err(|error| Stop::Failed(error.into()))
    }

    fn run_baseline(&mut self, task: &CommandTask) -> Result<(), Stop> {
        let mut cx = self.context("baseline", &[]);
        let candidate = commands::baseline(task, &mut cx)?;
        drop(cx);
        if let Some(record) = self.ledger.iter().find(|record| candidate.training.contains(&record.id)) {
            let epochs = commands::affordable_epochs(self.recipe.search.budget, task, record);
            self.state.budget.scale_to(epochs);
            self.state.epoch_s = record.wall_s / task.epochs();
        }
        self.state.curve.clone_from(&candidate.curve);
        self.candidates.push(candidate);
        Ok(())
    }

    fn train_baseline(&mut self, task: &GraphTask) -> Result<(), Stop> {
        let model = task.network(1.0, self.recipe.search.seed).map_err(anyhow::Error::from)?;
        let mut cx = self.context("baseline", &[]);
        let began = Instant::now();
        let trained =
            cx.train("train", &[], task, &model, &task.hyper, None).map_err(|setback| match setback {
                Setback::Cancelled => Stop::Cancelled,
                other => Stop::Failed(anyhow!("the baseline cannot be trained: {other}")),
            })?;
        self.state.epoch_s = began.elapsed().as_secs_f64() / task.hyper.epochs as f64;
        let mut candidate = Candidate::trained("baseline", trained.fitted.model);
        candidate.practices.clear();
        candidate.made_by(trained.entry);
        candidate.hyper = Some(task.hyper.clone());
        candidate.select = trained.fitted.epochs.last().and_then(|epoch| epoch.select);
        candidate.reason = "everything is compared with it".into();
        candidate.note("epochs", task.hyper.epochs.to_string());
        self.candidates.push(candidate);
        Ok(())
    }

    /// Whether the baseline is right about each judging image.
    fn right(&mut self, baseline: &Candidate) -> Result<Vec<bool>, Stop> {
        let task = self.task.graph().map_err(Stop::from)?;
        let Some(model) = &baseline.model else {
            return Err(Stop::Failed(anyhow!("the baseline has no model")));
        };
        let mut cx = self.context("baseline", &[]);
        let (right, _) = cx.stage("judge", &baseline.depends_on, |_| {
            task.right(model, &task.data.train, &task.splits.judge)
        })?;
        Ok(right)
    }

    /// Tells the progress line how long the rest will take, if every practice uses up its share.
    fn predict(&self, chosen: &[&Planned]) {
        let ahead = chosen.iter().map(|planned| planned.practice.card().name);
        let ahead = ahead.filter(|name| !self.state.done.contains(name));
        let epochs: f64 = ahead.map(|name| self.state.budget.left(&name)).sum();
        let text = format!("at most {} left to train", joulewise_meter::Seconds(epochs * self.state.epoch_s));
        self.session.emit(EventKind::Progress { stage: 0, done: 0, of: 0, text });
    }

    fn attempt(&mut self, planned: &Planned) -> Result<(), Stop> {
        self.intact()?;
        let name = planned.practice.card().name;
        let (earlier, task) = (self.candidates.clone(), self.task);
        let mut cx = self.context(&name, &earlier[1..]);
        let outcome = planned.applies(task).and_then(|()| planned.practice.apply(&earlier[0], task, &mut cx));
        drop(cx);
        match outcome {
            Ok(candidates) => {
                for candidate in candidates {
                    self.judge(&name, candidate)?;
                }
            }
            Err(Setback::Cancelled) => return Err(Stop::Cancelled),
            Err(Setback::Skipped(reason)) => {
                self.keep(Candidate::without_model(&name, Status::Skipped, reason));
            }
            Err(Setback::Failed(reason)) => {
                self.keep(Candidate::without_model(&name, Status::Failed, reason));
            }
        }
        Ok(())
    }

    /// Decides whether a candidate holds, by the one look at the judging images that it gets.
    fn judge(&mut self, practice: &str, mut candidate: Candidate) -> Result<(), Stop> {
        if !candidate.is_made() {
            self.keep(candidate);
            return Ok(());
        }
        let max_drop = self.recipe.goal.max_drop.fraction();
        let task = match self.task {
            Task::Graph(task) => task,
            Task::Commands(task) => {
                commands::decide(&mut candidate, &self.candidates[0], task, max_drop);
                self.keep(candidate);
                return Ok(());
            }
        };
        let Some(model) = candidate.model.clone() else {
            self.keep(candidate);
            return Ok(());
        };
        let mut cx = self.context(practice, &[]);
        let stage = format!("judge-{}", candidate.name);
        let judged = cx.stage(&stage, &candidate.depends_on, |_| {
            let select = task.select(&model)?;
            Ok((select, task.right(&model, &task.data.train, &task.splits.judge)?))
        });
        drop(cx);
        match judged {
            Ok(((select, right), _)) => {
                let loss = Loss::paired(&self.right, &right);
                candidate.select = Some(select);
                candidate.judge = Some(share(&right));
                candidate.status = if loss.holds(max_drop) { Status::Holds } else { Status::Drops };
                candidate.reason = loss.reason(max_drop);
            }
            Err(Setback::Cancelled) => return Err(Stop::Cancelled),
            Err(setback) => {
                candidate.status = Status::Failed;
                candidate.reason = setback.to_string();
                candidate.model = None;
            }
        }
        self.keep(candidate);
        Ok(())
    }

    /// Adds a candidate to the run: its model to the folder, its fate to the log.
    fn keep(&mut self, candidate: Candidate) {
        self.session.emit(EventKind::Candidate {
            name: candidate.name.clone(),
            status: candidate.status.word().to_owned(),
            reason: candidate.reason.clone(),
        });
        self.candidates.push(candidate);
    }

    /// What an inference of every model costs, all in turns.
    fn price(&mut self) -> Result<(), Stop> {
        if !self.task.prices_inference() {
            return Ok(());
        }
        let (task, batches) = (self.task, self.batches());
        let mut candidates = self.candidates.clone();
        let mut cx = self.context("benchmark-inference", &[]);
        let (prices, _) = match task {
            Task::Graph(task) => cx.stage("", &[], |cx| priced(task, &candidates, &batches, cx)),
            Task::Commands(task) => {
                cx.command_stage("", &[], |cx, by| commands::price(task, &mut candidates, cx, by))
            }
        }?;
        drop(cx);
        self.prices = prices;
        self.candidates = candidates;
        Ok(())
    }

    /// The one look at the test images, after all candidates are decided on.
    fn test(&mut self) -> Result<(), Stop> {
        let task = match self.task {
            Task::Graph(task) => task,
            Task::Commands(task) => return self.evaluate(task),
        };
        let Some(test) = &task.data.test else { return Ok(()) };
        let candidates = self.candidates.clone();
        let indices: Vec<u32> = (0..test.len() as u32).collect();
        let mut cx = self.context("evaluate-test", &[]);
        let (tested, _) = cx.stage("", &[], |cx| {
            let mut tested = Vec::new();
            for candidate in &candidates {
                cx.check()?;
                tested.push(match &candidate.model {
                    Some(model) => {
                        let right = task.right(model, test, &indices)?;
                        Some(Tested { share: share(&right), images: Some(right.len()) })
                    }
                    None => None,
                });
            }
            Ok(tested)
        })?;
        drop(cx);
        self.tested = tested;
        Ok(())
    }

    fn evaluate(&mut self, task: &CommandTask) -> Result<(), Stop> {
        if !task.has_eval() {
            return Ok(());
        }
        let mut candidates = self.candidates.clone();
        let mut cx = self.context("evaluate-test", &[]);
        let (tested, _) =
            cx.command_stage("", &[], |cx, by| commands::test(task, &mut candidates, cx, by))?;
        drop(cx);
        self.tested = tested;
        self.candidates = candidates;
        Ok(())
    }

    /// Batch sizes that every model is priced at: one image, the life's batch, and 64 to compare with other runs.
    fn batches(&self) -> Vec<usize> {
        let mut batches = vec![1, self.recipe.goal.batch, 64];
        batches.sort_unstable();
        batches.dedup();
        batches
    }

    /// Brings back what the interrupted run had.
    fn recall(&mut self) -> Result<(), Stop> {
        let Some(result) = &self.state.result else { return Ok(()) };
        let described = std::iter::once(&result.baseline).chain(&result.candidates).take(self.state.kept);
        let recalled = described.map(|described| {
            let mut candidate = outcome::recall(self.run, self.task, described)?;
            candidate.deployment = self.state.deployments.get(&candidate.name).cloned();
            Ok(candidate)
        });
        self.candidates = recalled.collect::<Result<_>>()?;
        self.candidates[0].curve.clone_from(&self.state.curve);
        Ok(())
    }

    /// Writes the models of new candidates, the partial result and the state.
    fn save(&mut self) -> Result<(), Stop> {
        for candidate in &self.candidates[self.state.kept..] {
            if let Some(deployment) = &candidate.deployment {
                self.state.deployments.insert(candidate.name.clone(), deployment.clone());
            }
            let Some(model) = &candidate.model else { continue };
            let path = self.run.path(&outcome::model_path(&candidate.name));
            onnx::save(model, &path)
                .with_context(|| format!("cannot export `{}`", candidate.name))
                .hint("free some space or choose another folder with --out")?;
        }
        self.state.kept = self.candidates.len();
        if let Some(outcome) = self.outcome()? {
            let reading = self.session.reading();
            let result = outcome.result(self.run.id(), reading.energy, "", &[]);
            self.run.write_result(&result)?;
        }
        self.state.write(self.run)?;
        Ok(())
    }

    /// Everything that the result is made from; none without a baseline.
    pub(super) fn outcome(&self) -> Result<Option<Outcome>> {
        if self.candidates.is_empty() {
            return Ok(None);
        }
        let state = if self.complete { RunState::Complete } else { RunState::Partial };
        Outcome::new(
            self.recipe,
            self.run,
            self.task,
            state,
            &self.candidates,
            self.earlier.iter().cloned().chain(self.ledger.iter().map(outcome::entry)).collect(),
            self.state.result.as_ref(),
            &self.prices,
            &self.tested,
            self.state.budget.clone(),
            outcome::host(self.session, self.task),
        )
        .map(Some)
    }

    fn first_entry(&self) -> u32 {
        self.earlier.iter().map(|entry| entry.id).max().unwrap_or(0)
    }

    fn context<'c>(&'c mut self, practice: &str, candidates: &'c [Candidate]) -> Context<'c> {
        let first_entry = self.first_entry();
        Context {
            session: self.session,
            cancel: self.cancel,
            costs: self.costs,
            budget: &mut self.state.budget,
            practice: practice.to_owned(),
            seed: self.recipe.search.seed,
            max_drop: self.recipe.goal.max_drop.fraction(),
            latency_s: self.recipe.goal.latency_ms.map(|ms| ms / 1e3),
            ledger: &mut self.ledger,
            candidates,
            stage: 0,
            first_entry,
            earlier: &self.earlier,
            batch: self.recipe.goal.batch,
            folder: self.run.folder(),
        }
    }
}

fn priced(
    task: &GraphTask,
    candidates: &[Candidate],
    batches: &[usize],
    cx: &mut Context<'_>,
) -> Result<Vec<Option<Priced>>, Setback> {
    let threads = task.cpu.threads();
    let slice_s = if cx.session.has_counter() { COUNTED_SLICE_S } else { SLICE_S };
    let twins: Vec<Option<usize>> = (0..candidates.len()).map(|index| twin(candidates, index)).collect();
    let mut prices: Vec<Option<Priced>> = candidates
        .iter()
        .map(|c| c.model.as_ref().map(|_| Priced { batches: Vec::new(), threads: None, twin: None }))
        .collect();
    for &batch in batches {
        cx.check()?;
        // The baseline also on all threads: it is compared at its best.
        let mut owners = vec![0; usize::from(threads > 1)];
        let mut subjects = Vec::new();
        if let (true, Some(model)) = (threads > 1, &candidates[0].model) {
            subjects.push(Subject::new(task, model, batch, threads)?);
        }
        for (owner, candidate) in candidates.iter().enumerate() {
            let (Some(model), None) = (&candidate.model, twins[owner]) else { continue };
            let (calls, threads) = match &candidate.deployment {
                Some(deployment) => (deployment.batch.min(batch), deployment.threads),
                None => (batch, 1),
            };
            subjects.push(Subject::new(task, model, calls, threads)?);
            owners.push(owner);
        }
        let measured = benchmark::price(&mut subjects, cx.session, ROUNDS, slice_s)?;
        for ((owner, subject), price) in owners.into_iter().zip(&subjects).zip(measured) {
            let Some(priced) = &mut prices[owner] else { continue };
            match priced.batches.iter_mut().find(|(b, _)| *b == batch) {
                Some((_, best)) if price.cpu_s < best.cpu_s => {
                    *best = price;
                    priced.threads = Some(subject.threads());
                }
                Some(_) => {}
                None => {
                    priced.batches.push((batch, price));
                    priced.threads = Some(subject.threads());
                }
            }
        }
    }
    for (index, twin) in twins.into_iter().enumerate() {
        if let Some(twin) = twin {
            let name = candidates[twin].name.clone();
            prices[index] = prices[twin].clone().map(|price| Priced { twin: Some(name), ..price });
        }
    }
    Ok(prices)
}

/// The first candidate whose inference is the same work as that of candidate `index`, other than itself: the same
/// operations on tensors of the same shapes, which only noise would price differently.
fn twin(candidates: &[Candidate], index: usize) -> Option<usize> {
    let candidate = &candidates[index];
    let model = candidate.model.as_ref()?;
    let shapes = |model: &Model| -> Vec<(String, Vec<usize>)> {
        model.weights.0.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
    };
    candidates[..index].iter().position(|earlier| {
        earlier.model.as_ref().is_some_and(|other| {
            earlier.deployment == candidate.deployment
                && other.graph.nodes == model.graph.nodes
                && shapes(other) == shapes(model)
        })
    })
}

/// Why the search ended early.
enum Stop {
    Cancelled,
    Failed(anyhow::Error),
}

impl From<Setback> for Stop {
    fn from(setback: Setback) -> Self {
        match setback {
            Setback::Cancelled => Self::Cancelled,
            other => Self::Failed(anyhow!("{other}")),
        }
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}
