//! `joulewise tune worker`: one of several processes that run the trials of a study.

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use joulewise_meter::{Session, SpanListener, process};
use joulewise_tune::TrialId;

use super::place::{Named, Place};
use crate::exit;
use crate::interrupt;
use crate::task::listen;
use crate::tune::plan::Plan;
use crate::tune::worker::{self, Ended, Study};

/// Run trials of a study that is there, beside the other processes that do
#[derive(Debug, clap::Args)]
pub(super) struct Worker {
    #[command(flatten)]
    study: Named,
    /// Its number among the workers of a command
    #[arg(long, default_value_t = 0, hide = true)]
    index: u32,
    /// The limits of the search, as JSON
    #[arg(long, hide = true)]
    limits: Option<String>,
    /// The process that it works for, and ends with
    #[arg(long, hide = true)]
    parent: Option<i32>,
}

impl Worker {
    pub(super) fn run(self) -> Result<ExitCode> {
        let (mut study, mut plan) = self.study.study()?;
        if let Some(limits) = &self.limits {
            plan.limits = serde_json::from_str(limits).context("--limits")?;
        }
        study.limit(plan.limits.of_study());
        let folder = self.study.place.folder(&plan.name)?;
        let cancel = interrupt::listen()?;
        if let Some(parent) = self.parent {
            process::end_with(parent);
        }
        let ended = work(&plan, self.index, &folder, &Mutex::new(study), cancel, &mut |_, _| {})?;
        Ok(ExitCode::from(if ended == Ended::Interrupted { exit::INTERRUPTED } else { exit::OK }))
    }
}

/// Runs trials in this process until the search is over.
pub(super) fn work(
    plan: &Plan,
    index: u32,
    folder: &Path,
    study: &Mutex<Study>,
    cancel: &AtomicBool,
    each: &mut dyn FnMut(&Study, TrialId),
) -> Result<Ended> {
    let session = Session::builder().open()?;
    let spans = listen(&session);
    let folder = std::path::absolute(folder.join("trials"))?;
    let worker = worker::Worker {
        name: &format!("{}-{index}", std::process::id()),
        plan,
        trials: &folder,
        session: &session,
        cancel,
        spans: spans.as_ref().map(SpanListener::path),
        until: plan.limits.wall_s.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds)),
    };
    worker.run(study, plan.stopper.as_ref().map(|stopper| stopper.build(plan)).transpose()?, each)
}

/// Starts a worker in a process of its own. It is not in the group of the terminal: who interrupts it is this process.
pub(super) fn spawn(place: &Place, plan: &Plan, index: u32, gpu: Option<&String>) -> Result<Child> {
    use std::os::unix::process::CommandExt as _;

    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.args(["tune", "worker", "--index", &index.to_string()]);
    command.args(["--parent", &std::process::id().to_string()]);
    command.arg("--limits").arg(serde_json::to_string(&plan.limits)?);
    command.arg("--out").arg(&place.out).arg("--db").arg(place.database());
    command.arg("--").arg(&plan.name);
    if let Some(gpu) = gpu {
        command.env("CUDA_VISIBLE_DEVICES", gpu);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
    command.spawn().context("cannot start a worker")
}
