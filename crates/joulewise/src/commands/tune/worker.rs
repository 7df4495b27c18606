//! `joulewise tune worker`: one of several processes that run the trials of a study.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use joulewise_meter::{Session, SpanListener, process};

use super::place::{Named, Place};
use crate::exit;
use crate::interrupt;
use crate::task::listen;
use crate::tune::live::Live;
use crate::tune::plan::{Needs, Plan};
use crate::tune::worker::{self, Ended, Study};

/// Run trials of a study, beside the other processes that do, on this machine or on others.
///
/// Those of other machines need a study on a server: --db postgresql://user@host/database. Asked to end (TERM), a worker
/// ends its trial, gives it back for another to run, and exits with 130.
#[derive(Debug, clap::Args)]
pub(super) struct Worker {
    #[command(flatten)]
    study: Named,
    /// The file of the study, which is begun if it is not there
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Its number among the workers of a command
    #[arg(long, default_value_t = 0, hide = true)]
    index: u32,
    /// The plan of the command that it works for, as JSON
    #[arg(long, hide = true)]
    plan: Option<String>,
    /// How many workers have the GPUs that it sees, itself included
    #[arg(long, default_value_t = 1, hide = true)]
    sharing: u32,
    /// The process that it works for, and ends with
    #[arg(long, hide = true)]
    parent: Option<i32>,
}

impl Worker {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut named = self.study;
        let begun = self.file.as_ref().map(|file| named.begin(file, Needs::Work)).transpose()?;
        let (mut study, mut plan) = named.study()?;
        // Limits may change from day to day.
        plan = match (&self.plan, begun) {
            (Some(plan), _) => serde_json::from_str(plan).context("--plan")?,
            (None, Some(begun)) => begun,
            (None, None) => plan.finish(Needs::Work)?,
        };
        study.limit(plan.limits.of_study());
        let folder = named.place.folder(&plan.name)?;
        // What one works for says it for all.
        let cancel = interrupt::listen(if self.parent.is_none() { ASKING } else { "" })?;
        if let Some(parent) = self.parent {
            process::end_with(parent);
        }
        // Who has nobody that shows what it does shows it itself.
        let live = self.parent.is_none().then(|| Mutex::new(Live::new(&plan, &study)));
        let by = By { index: self.index, sharing: self.sharing, live: live.as_ref() };
        let ended = work(&plan, by, &folder, &Mutex::new(study), cancel);
        if let Some(live) = &live {
            lock(live).finish();
        }
        let ended = ended?;
        Ok(ExitCode::from(if ended == Ended::Interrupted { exit::INTERRUPTED } else { exit::OK }))
    }
}

/// What the first interrupt says.
pub(super) const ASKING: &str = "asking what runs to end and keeping what is done";

/// Who works.
#[derive(Clone, Copy)]
pub(super) struct By<'a, 'p> {
    /// Its number among the workers of a command.
    pub(super) index: u32,
    /// How many workers have the GPUs that it sees, itself included.
    pub(super) sharing: u32,
    /// Where it shows what it does.
    pub(super) live: Option<&'a Mutex<Live<'p>>>,
}

/// How often it shows where the search stands.
const TICK: Duration = Duration::from_secs(1);

/// Runs trials in this process until the search is over.
pub(super) fn work(
    plan: &Plan,
    by: By<'_, '_>,
    folder: &Path,
    study: &Mutex<Study>,
    cancel: &AtomicBool,
) -> Result<Ended> {
    let session = Session::builder().open()?;
    let spans = listen(&session);
    let folder = std::path::absolute(folder.join("trials"))
        .with_context(|| format!("cannot resolve {}", folder.display()))?;
    let worker = worker::Worker {
        name: &format!("{}-{}-{}", machine(), std::process::id(), by.index),
        plan,
        trials: &folder,
        session: &session,
        cancel,
        spans: spans.as_ref().map(SpanListener::path),
        until: plan.limits.wall_s.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds)),
        sharing: by.sharing,
        began: &Mutex::new(None),
    };
    let stopper = plan.stopper.as_ref().map(|stopper| stopper.build(plan)).transpose()?;
    let Some(live) = by.live else { return worker.run(study, stopper, &mut |_, _| {}) };
    let (working, has_ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        if lock(live).is_seen() {
            let worker = &worker;
            scope.spawn(move || {
                while has_ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    let running_j = worker.running_j();
                    let study = lock(study);
                    lock(live).tick(&study, running_j);
                }
            });
        }
        let ended = worker.run(study, stopper, &mut |study, _| lock(live).show(study));
        drop(working);
        ended
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a worker in a process of its own. It is not in the group of the terminal: who interrupts it is this process.
pub(super) fn spawn(
    place: &Place,
    plan: &Plan,
    index: u32,
    gpu: Option<&String>,
    sharing: u32,
) -> Result<Child> {
    use std::os::unix::process::CommandExt as _;

    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.args(["tune", "worker", "--index", &index.to_string(), "--sharing", &sharing.to_string()]);
    command.args(["--parent", &std::process::id().to_string()]);
    command.arg("--plan").arg(serde_json::to_string(&plan)?);
    command.arg("--out").arg(&place.out);
    place.database()?.hand_to(&mut command);
    command.arg("--").arg(&plan.name);
    if let Some(gpu) = gpu {
        command.env("CUDA_VISIBLE_DEVICES", gpu);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    command.spawn().context("cannot start a worker")
}

/// What this machine is called, which tells processes of the same number apart.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let short = name.trim().split('.').next().unwrap_or_default();
    if short.is_empty() { "worker".to_owned() } else { short.to_owned() }
}
