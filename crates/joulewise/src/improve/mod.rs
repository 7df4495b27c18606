//! `joulewise improve`: a baseline, every practice tried on it, and one ledger of what all that cost.

pub mod benchmark;
mod commands;
pub mod judge;
mod log;
mod outcome;
mod plan;
mod progress;
mod search;
mod spread;
mod state;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use joulewise_meter::{Session, Summary};

use crate::commands::improve::Improve;
use crate::costs::Costs;
use crate::hint::Hint as _;
use crate::interrupt;
use crate::recipe::{Override, Recipe};
use crate::result::{RunResult, RunState};
use crate::run::{self, Run};
use crate::task::graph::GraphTask;
use crate::task::{CommandTask, Task};
use crate::waste::Waste;
use crate::{commands::report, events, exit};
use log::Log;
use search::Search;
use state::State;

/// Runs the command with its arguments.
pub fn improve(args: &Improve) -> Result<ExitCode> {
    let resumed = args.resume.as_deref().map(|id| resume(&args.out, id)).transpose()?;
    let recipe = match &resumed {
        Some((run, _)) => {
            let threads = args.threads.map(|n| Override::parse(&format!("train.threads={n}"))).transpose()?;
            Recipe::load(Some(&run.path(run::RECIPE)), threads)?
        }
        None => args.recipe()?,
    };
    let chosen = plan::practices(&recipe)?;
    let cancel = interrupt::listen(interrupt::AT_THE_NEXT_BATCH)?;
    let log = Log::default();
    let session = Session::builder()
        .strict(args.strict)
        .observer(log.clone())
        .observer(progress::Progress::new())
        .open()
        .context("cannot meter the run")?;

    let (task, loaded) = match CommandTask::new(&recipe)? {
        Some(task) => (Task::Commands(Box::new(task)), None),
        None => {
            let opened = session.open_stage("load-data", &[]);
            let task = Task::Graph(Box::new(GraphTask::load(&recipe)?));
            (task, Some(session.close_stage(opened)))
        }
    };
    let saved = resumed.as_ref().map(|(run, _)| run.path(run::COSTS));
    let costs = costs(args.costs.as_deref().or(saved.as_deref()), &task)?;
    let plan = plan::Plan::new(&recipe, &task, &costs, &chosen)?;
    if args.dry_run {
        let text = if args.json { serde_json::to_string_pretty(&plan)? + "\n" } else { plan.to_string() };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        return Ok(ExitCode::from(exit::OK));
    }

    let (run, state) = match resumed {
        Some(resumed) => resumed,
        None => (Run::create(&args.out)?, State::new(plan.budget.clone())),
    };
    let searched = (|| {
        log.attach(&run)?;
        run.write_recipe(&recipe.to_toml())?;
        run.write_json(run::COSTS, &costs)?;
        run.write_json(run::HOST, &outcome::host(&session, &task))?;
        state.write(&run)?;

        let mut search = Search::new(&run, &recipe, &task, &costs, &session, cancel, state);
        loaded.into_iter().for_each(|record| search.record(record));
        let ended = search.all(&chosen);
        let Some(outcome) = search.outcome()? else { return ended.map(|()| None) };
        let result = finish(&run, &outcome, &session.finish(), recipe.train.batch as u64)?;
        log.close(&run)?;
        let printed = print(args, &run, &result);
        ended.hint(format!("`joulewise improve --resume {}` goes on from what is done", run.id()))?;
        printed.map(|()| Some(result.state))
    })();
    if !run.has_result() {
        // Nothing in it can be read or resumed; the first error is the one to report.
        let _ = run.discard();
    }
    Ok(ExitCode::from(match searched? {
        Some(RunState::Complete) => exit::OK,
        Some(RunState::Partial) => exit::INTERRUPTED,
        None => {
            let text = "interrupted before the baseline was trained: there is nothing to report\n";
            // Nobody is left to tell when stderr is closed.
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
            exit::INTERRUPTED
        }
    }))
}

/// A run of an earlier session, and how far it came.
fn resume(out: &Path, id: &str) -> Result<(Run, State)> {
    let run = Run::open(out, id)?;
    let state = State::read(&run)?;
    Ok((run, state))
}

/// The cost table of `file`, or a typical one for this machine.
fn costs(file: Option<&Path>, task: &Task) -> Result<Costs> {
    let Some(file) = file else { return Ok(Costs::typical(task.isa(), plan::joules_per_cpu_s())) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the cost table {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a costs.json", file.display()))
}

/// Closes the ledger with the metered total and writes result and report.
fn finish(run: &Run, outcome: &outcome::Outcome, summary: &Summary, batch: u64) -> Result<RunResult> {
    let mut result = outcome.result(run.id(), summary.total, &summary.scope, &summary.caveats);
    // The end of a stage has put its events on the disk.
    let events = run.text(run::EVENTS).map(|log| events::parse(&log))?;
    result.waste = Waste::in_run(&result, &events, Some(batch));
    run.write_result(&result)?;
    report::write(run, &result)?;
    Ok(result)
}

fn print(args: &Improve, run: &Run, result: &RunResult) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        out.write_all(run.text(run::RESULT)?.as_bytes())?;
        return Ok(());
    }
    report::print(&mut out, run, result)?;
    Ok(())
}
