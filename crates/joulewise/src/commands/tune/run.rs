//! `joulewise tune run`: a search from its file to its best trial.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use joulewise_learn::atomic;
use joulewise_tune::SharedStudy;
use joulewise_tune::storage::{Journal, Storage, StorageErrorKind};

use super::place::Place;
use super::show;
use super::worker::{self, By};
use super::workers::Workers;
use crate::exit;
use crate::hint::Hint as _;
use crate::interrupt;
use crate::report::{self, quantity};
use crate::run::REPORT;
use crate::tune::command;
use crate::tune::live::Live;
use crate::tune::objective;
use crate::tune::plan::{Needs, Plan, Work};
use crate::tune::sampler::SamplerName;
use crate::tune::worker::{Ended, Study};

/// Search the parameters of a command or of a training of our own.
///
/// The study's file says what to search: our TOML, a Weights & Biases sweep (.yaml) or a ConfigSpace (.json). A study
/// that is there already is continued. Exits with 1 where no trial came to a value that keeps the bounds.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// The study's file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the study is called, if not as its file says
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The data that a recipe's trainings learn from, instead of its `data.path`
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// What is wanted, the most important first: "max accuracy", "min energy_j", "time_s <= 60"
    #[arg(long = "objective", value_name = "TEXT")]
    objectives: Vec<String>,
    /// Where to look next
    #[arg(long, value_enum)]
    sampler: Option<SamplerName>,
    /// When a trial is not worth going on with: a name, or a table as in a study's file, '{ name = "asha", max = 27 }'
    #[arg(long, value_name = "STOPPER")]
    stopper: Option<String>,
    /// Trials in all
    #[arg(long, value_name = "N")]
    trials: Option<u64>,
    /// Joules of all trials, or the time from now, as in 50kJ or 10min
    #[arg(long, value_name = "BUDGET")]
    budget: Option<String>,
    /// What a gain of the first objective is worth, as in "0.1% per 10kJ": stop when no trial is worth its joules
    #[arg(long, value_name = "WORTH")]
    worth: Option<String>,
    /// The value of the first objective at which the search ends
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    target: Option<f64>,
    /// After how long a trial counts as hung and is ended, as in 10min
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Where a command's metrics are: metrics.jsonl, json (lines of it on stdout), or a regular expression, as in
    /// 'accuracy: ([0-9.]+%?)'
    #[arg(long, value_name = "WHERE")]
    metrics: Option<String>,
    /// Keys all randomness of the search
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Trials that run at a time, each in a process of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    workers: u32,
    /// The GPUs that the workers take in turn, as in 0,1; a trial sees and counts only its own
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    gpus: Vec<String>,
    /// Write the study as JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
    /// What a trial runs, with the parameters as {placeholders}
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// How often the trials of other processes are looked at.
const LOOK: Duration = Duration::from_millis(300);

impl Run {
    pub(super) fn run(self) -> Result<ExitCode> {
        let plan = self.plan()?;
        let folder = self.place.folder(&plan.name)?;
        let mut storage = self.place.create()?;
        let journal = begin(&mut *storage, &plan)?;
        let mut study = SharedStudy::new(journal, plan.sampler.build(&plan))?;
        study.limit(plan.limits.of_study());
        let mut err = io::stderr().lock();
        writeln!(err, "study {}: {}", plan.name, plan.described())?;
        if let Some(reason) = plan.sampler.reason(&plan) {
            writeln!(err, "{reason}")?;
        }
        if let Work::Command { words, .. } = &plan.trial {
            for name in command::unmentioned(words, &plan.space) {
                writeln!(
                    err,
                    "note: the command has no {{{name}}}: only its environment and params.json tell it of `{name}`"
                )?;
            }
        }
        if !study.trials().is_empty() {
            writeln!(err, "continuing after {}", quantity::plural(study.trials().len(), "trial"))?;
        }
        drop(err);
        let cancel = interrupt::listen(worker::ASKING)?;
        let mut live = Live::new(&plan, &study);
        let ended = if self.workers == 1 && self.gpus.is_empty() {
            let (shown, shared) = (Mutex::new(live), Mutex::new(study));
            let by = By { index: 0, sharing: 1, live: Some(&shown) };
            let ended = worker::work(&plan, by, &folder, &shared, cancel);
            live = shown.into_inner().unwrap_or_else(PoisonError::into_inner);
            study = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
            ended
        } else {
            self.together(&plan, &mut study, &mut live, cancel)
        };
        live.finish();
        let ended = ended?;
        study.refresh()?;
        self.finish(&plan, &study, &folder, ended)
    }

    fn plan(&self) -> Result<Plan> {
        // CUDA takes what is no GPU for the end of the list: the trials would run without any, unnoticed.
        if let Some(gpu) = self.gpus.iter().find(|gpu| !is_gpu(gpu)) {
            return Err(anyhow!("--gpus: `{gpu}` is no GPU")).hint(
                "write numbers, as in 0,1, or the names that `nvidia-smi -L` lists, as in GPU-8f2a or MIG-41b3",
            );
        }
        let mut plan = Plan::load(&self.file)?;
        if let Some(name) = &self.name {
            plan.name.clone_from(name);
        }
        if let Some(data) = &self.data {
            plan.learn_from(data)?;
        }
        if !self.objectives.is_empty() {
            plan.objectives = objective::read(&self.objectives)?;
        }
        if let Some(sampler) = self.sampler {
            plan.sampler.name = sampler;
        }
        if let Some(stopper) = &self.stopper {
            plan.stop_by(stopper).context("--stopper")?;
        }
        plan.limits.trials = self.trials.or(plan.limits.trials);
        plan.limits.target = self.target.or(plan.limits.target);
        if let Some(budget) = &self.budget {
            plan.limits.spend(budget).context("--budget")?;
        }
        if let Some(worth) = &self.worth {
            plan.limits.value(worth).context("--worth")?;
        }
        plan.seed = self.seed.unwrap_or(plan.seed);
        if !self.command.is_empty() {
            plan.run(&self.command);
        }
        if let Some(timeout) = &self.timeout {
            plan.time_out(timeout).context("--timeout")?;
        }
        if let Some(metrics) = &self.metrics {
            plan.read_metrics(metrics).context("--metrics")?;
        }
        plan.finish(Needs::Work).with_context(|| self.file.display().to_string())
    }

    /// Runs the trials in processes of their own, so that each is metered apart, and shows what they do.
    fn together(
        &self,
        plan: &Plan,
        study: &mut Study,
        live: &mut Live<'_>,
        cancel: &AtomicBool,
    ) -> Result<Ended> {
        let mut workers = Workers::default();
        let all = self.workers.max(self.gpus.len() as u32);
        let gpu_of = |index: u32| self.gpus.get(index as usize % self.gpus.len().max(1));
        for index in 0..all {
            let gpu = gpu_of(index);
            let sharing = (0..all).filter(|other| gpu_of(*other) == gpu).count() as u32;
            workers.add(worker::spawn(&self.place, plan, index, gpu, sharing)?);
        }
        let mut is_interrupted = false;
        loop {
            study.refresh()?;
            live.show(study);
            if workers.running()? == 0 {
                break;
            }
            if cancel.load(Ordering::Relaxed) && !is_interrupted {
                is_interrupted = true;
                workers.interrupt();
            }
            thread::sleep(LOOK);
        }
        study.refresh()?;
        live.show(study);
        if is_interrupted {
            return Ok(Ended::Interrupted);
        }
        workers.verdict()
    }

    fn finish(&self, plan: &Plan, study: &Study, folder: &Path, ended: Ended) -> Result<ExitCode> {
        let report = folder.join(REPORT);
        std::fs::create_dir_all(folder)
            .and_then(|()| atomic::write(&report, report::study::html(plan, study).as_bytes()))
            .with_context(|| format!("cannot write {}", report.display()))?;
        let mut out = io::stdout().lock();
        if self.json {
            show::json(&mut out, plan, study)?;
        } else {
            show::summary(&mut out, plan, study)?;
        }
        out.flush()?;
        let mut err = io::stderr().lock();
        writeln!(err, "report: {}", report.display())?;
        match ended {
            Ended::Complete | Ended::Time if study.best().is_none() => Ok(ExitCode::from(exit::NO)),
            Ended::Complete | Ended::Time => Ok(ExitCode::from(exit::OK)),
            Ended::Interrupted => {
                writeln!(err, "interrupted: the same command continues the study")?;
                Ok(ExitCode::from(exit::INTERRUPTED))
            }
        }
    }
}

fn is_gpu(text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number || text.starts_with("GPU-") || text.starts_with("MIG-")
}

/// The study of the plan: a new one, or the one that is there if it is the same.
pub(super) fn begin(storage: &mut dyn Storage, plan: &Plan) -> Result<Box<dyn Journal>> {
    match storage.create(&plan.name, &plan.definition()?) {
        Err(error) if error.kind() == StorageErrorKind::Taken => {}
        created => return Ok(created?),
    }
    let journal = storage.open(&plan.name)?;
    let there = Plan::of(journal.definition(), &plan.name)?;
    match plan.difference(&there) {
        None => Ok(journal),
        Some(what) => Err(anyhow!("there is a study `{}` already, and its {what} is another", plan.name))
            .hint("call this one something else with --name, or keep the file as it was to continue"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn help_shows_every_flag() {
        #[derive(Parser)]
        struct Program {
            #[command(flatten)]
            run: Run,
        }
        let mut command =
            <Program as clap::CommandFactory>::command().name("joulewise tune run").term_width(100);
        insta::assert_snapshot!(command.render_help());
    }
}
