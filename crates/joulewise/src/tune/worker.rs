//! A worker: asks the study for a trial, runs it, tells what came of it, until the search is over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use joulewise_meter::division::Moment;
use joulewise_meter::{Covers, Mark, Method, Session};
use joulewise_tune::storage::StorageError;
use joulewise_tune::{Claim, Report, Sampler, SharedStudy, State, Stopper, Told, Trial, TrialId, Verdict};

use super::plan::Plan;
use super::trial::{Ran, Run, UNREPORTED, used};
use super::workshop::Workshop;
use super::{caveats, objective};
use crate::hint::Hint as _;
use crate::task::Supervision;

/// A study with whichever sampler its plan says.
pub type Study = SharedStudy<Box<dyn Sampler + Send>>;

/// Why a worker asks for no more trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All trials are done, the joules are spent, or the target is reached.
    Complete,
    /// Its time is over.
    Time,
    /// The user has interrupted it.
    Interrupted,
}

/// Runs trials of a study, one at a time.
pub struct Worker<'a> {
    /// What it is called in the study.
    pub name: &'a str,
    /// What the study is.
    pub plan: &'a Plan,
    /// Where the folders of the trials are.
    pub trials: &'a Path,
    /// Its meter, which sees only its own trials.
    pub session: &'a Session,
    /// Set when the user interrupts.
    pub cancel: &'a AtomicBool,
    /// Where trials tell of their spans.
    pub spans: Option<&'a Path>,
    /// When its time is over.
    pub until: Option<Instant>,
    /// How many workers have the GPUs that it sees, itself included.
    pub sharing: u32,
    /// When the trial that it runs began.
    pub began: &'a Mutex<Option<Moment>>,
}

/// Trials that fail, one after the other and before any has worked, until the study is given up. Those of which a
/// metric was no number do not count: they say that other parameters may fare better.
const HOPELESS: usize = 3;
/// The note of a trial of which a metric was no number.
const DIVERGED: &str = "diverged";
/// How often a worker without work looks whether it was interrupted and, where the storage cannot tell, whether there
/// is work again.
const WAIT: Duration = Duration::from_millis(250);
/// After so many waits without news it looks all the same: a lease that is over tells nobody.
const WAITS: usize = 8;

impl Worker<'_> {
    /// Works until the search is over. `each` is shown the study after every trial of this worker.
    pub fn run(
        &self,
        study: &Mutex<Study>,
        stopper: Option<Box<dyn Stopper + Send>>,
        each: &mut dyn FnMut(&Study, TrialId),
    ) -> Result<Ended> {
        let mut judge = Judge::new(stopper);
        let mut workshop = Workshop::of(self.plan)?;
        let mut overhead = Overhead::new(self.session);
        let ended = self.trials(study, &mut workshop, &mut judge, &mut overhead, each);
        let (energy_j, cpu_s) = overhead.read(self.session);
        let of = |what: &str| format!("overhead_{what}/{}", self.name);
        let notes = [(of("j"), format!("{energy_j:.6}")), (of("cpu_s"), format!("{cpu_s:.6}"))];
        let mut study = lock(study);
        study.note(None, &notes.each_ref().map(|(key, value)| (key.as_str(), value.as_str())))?;
        caveats::keep(&mut study, &self.session.caveats())?;
        ended
    }

    /// Joules of the trial that it runs, so far.
    pub fn running_j(&self) -> f64 {
        let began = lock(self.began).clone();
        began.map_or(0.0, |began| used(&began, &Moment::now(self.session), self.sharing).energy.value)
    }

    fn trials(
        &self,
        study: &Mutex<Study>,
        workshop: &mut Workshop,
        judge: &mut Judge,
        overhead: &mut Overhead,
        each: &mut dyn FnMut(&Study, TrialId),
    ) -> Result<Ended> {
        workshop.prepare()?;
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return Ok(Ended::Interrupted);
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Ok(Ended::Time);
            }
            if self.plan.limits.target.is_some() {
                let mut study = lock(study);
                study.refresh()?;
                if self.plan.limits.is_reached(&study) {
                    return Ok(Ended::Complete);
                }
            }
            let claim = lock(study).ask(self.name)?;
            let Some(claim) = claim else {
                if lock(study).running() == 0 {
                    return Ok(Ended::Complete);
                }
                self.wait(study)?;
                continue;
            };
            *lock(self.began) = Some(Moment::now(self.session));
            let ran = self.evaluate(study, &claim, workshop, judge);
            *lock(self.began) = None;
            let ran = ran?;
            overhead.exclude(&ran);
            let is_lost = matches!(ran.state, State::Lost { .. });
            if ran.used_gpus && self.sharing > 1 {
                caveats::keep(&mut lock(study), &[caveats::shared_gpus(self.sharing)])?;
            }
            tell(study, &claim, ran)?;
            let study = lock(study);
            each(&study, claim.id);
            if is_lost && self.cancel.load(Ordering::Relaxed) {
                return Ok(Ended::Interrupted);
            }
            hopeless(&study)?;
        }
    }

    /// Waits until there may be work again.
    fn wait(&self, study: &Mutex<Study>) -> Result<()> {
        for _ in 0..WAITS {
            if self.cancel.load(Ordering::Relaxed) || lock(study).wait(WAIT)? {
                break;
            }
        }
        Ok(())
    }

    fn evaluate(
        &self,
        study: &Mutex<Study>,
        claim: &Claim,
        workshop: &mut Workshop,
        judge: &mut Judge,
    ) -> Result<Ran> {
        let folder = self.folder(claim.id);
        let run = Run {
            number: claim.id.0,
            point: &claim.point,
            seed: self.plan.seed.wrapping_add(claim.id.0),
            folder: &folder,
            objectives: &self.plan.objectives,
            session: self.session,
            sharing: self.sharing,
        };
        let lease = Duration::from_secs_f64(lock(study).definition().lease_s / 3.0);
        let has_ended = AtomicBool::new(false);
        let mut failure: Option<StorageError> = None;
        let ran = thread::scope(|scope| {
            let renewing = scope.spawn(|| {
                while !has_ended.load(Ordering::Relaxed) {
                    thread::park_timeout(lease);
                    if !has_ended.load(Ordering::Relaxed) {
                        // A storage that is busy for once may answer the next time: two more fit into the lease.
                        let running_j = self.running_j();
                        let _ = lock(study).renew(claim, running_j);
                    }
                }
            });
            let ran = run.run(
                workshop,
                &mut |report| match reported(&mut lock(study), claim, report, judge) {
                    Ok(verdict) => verdict,
                    Err(error) => {
                        failure = Some(error);
                        Verdict::Stop
                    }
                },
                Supervision { cancel: self.cancel, spans: self.spans },
            );
            has_ended.store(true, Ordering::Relaxed);
            renewing.thread().unpark();
            ran
        });
        match failure {
            Some(failure) => Err(failure.into()),
            None => ran,
        }
    }

    fn folder(&self, id: TrialId) -> PathBuf {
        self.trials.join(id.0.to_string())
    }
}

/// Tells the study what came of a trial.
fn tell(study: &Mutex<Study>, claim: &Claim, ran: Ran) -> Result<()> {
    let mut study = lock(study);
    let number = |x: f64| format!("{x:.6}");
    let method = match ran.energy.method {
        Method::Measured => "measured",
        Method::Modelled => "modelled",
    };
    let (low, high) = (number(ran.energy.low), number(ran.energy.high));
    let (wall_s, cpu_s) = (number(ran.wall_s), number(ran.cpu_s));
    let mut notes = vec![
        ("energy_low_j", low.as_str()),
        ("energy_high_j", high.as_str()),
        ("energy_method", method),
        ("time_s", wall_s.as_str()),
        ("cpu_s", cpu_s.as_str()),
    ];
    notes.extend(ran.reason.as_deref().map(|reason| ("reason", reason)));
    notes.extend(ran.diverged.then_some((DIVERGED, "true")));
    study.note(Some(claim.id), &notes)?;
    // A result that comes too late is kept apart; the worker goes on.
    let (Told::Accepted | Told::Orphan) = study.tell(claim, ran.state)?;
    Ok(())
}

/// Keeps what a trial reports, and says whether it is worth going on with.
fn reported(
    study: &mut Study,
    claim: &Claim,
    report: &Report,
    judge: &mut Judge,
) -> Result<Verdict, StorageError> {
    if study.report(claim, report)? == Told::Orphan {
        return Ok(Verdict::Stop);
    }
    judge.follow(study.trials(), claim.id);
    Ok(judge.verdict(claim.id, report))
}

/// An error once so many trials have failed that the next will not fare better.
fn hopeless(study: &Study) -> Result<()> {
    let ended = || study.trials().iter().filter(|trial| trial.state != State::Running);
    let has_failed = |trial: &Trial| {
        let diverged = study.record(trial.id).is_some_and(|record| record.notes.contains_key(DIVERGED));
        matches!(trial.state, State::Failed { .. }) && !diverged
    };
    if ended().count() < HOPELESS || !ended().all(has_failed) {
        return Ok(());
    }
    let reason = ended().filter_map(|trial| study.record(trial.id)?.notes.get("reason")).next_back();
    let reason = reason.map_or("no reason is known", String::as_str);
    let hint = if reason.starts_with(UNREPORTED) {
        let metric = objective::reported(study.objectives()).unwrap_or("accuracy");
        format!(
            "let it print a line as {{\"{metric}\": 0.9}}, or say where its metrics are with --metrics; what it printed is in \
             output.log in the folder of the trial"
        )
    } else {
        "run the command by hand with the parameters of a trial; its output.log is in the folder of the trial"
            .to_owned()
    };
    Err(anyhow!("the first {} trials all failed: {reason}", ended().count())).hint(hint)
}

/// What a worker uses beside its trials.
struct Overhead {
    start: Mark,
    trials_cpu_s: f64,
}

impl Overhead {
    fn new(session: &Session) -> Self {
        Self { start: session.mark(), trials_cpu_s: 0.0 }
    }

    fn exclude(&mut self, ran: &Ran) {
        self.trials_cpu_s += ran.cpu_s;
    }

    /// Joules and seconds of CPU time: of the processor's joules, which may be the whole machine's, the part of its CPU time.
    fn read(&self, session: &Session) -> (f64, f64) {
        let usage = session.mark().since(&self.start);
        let processor =
            usage.domains.iter().filter(|domain| domain.is_counted && domain.part == Covers::Processor);
        let processor_j: f64 = processor.map(|domain| domain.energy_j).sum();
        let own_cpu_s = (usage.cpu_s - self.trials_cpu_s).max(0.0);
        let share = if usage.cpu_s > 0.0 { own_cpu_s / usage.cpu_s } else { 0.0 };
        (processor_j * share, own_cpu_s)
    }
}

/// A stopper that is told what all trials report, those of other workers included.
struct Judge {
    stopper: Option<Box<dyn Stopper + Send>>,
    /// How many reports of each trial it knows.
    seen: BTreeMap<TrialId, usize>,
    /// The trials of which it knows how they ended.
    ended: BTreeSet<TrialId>,
}

impl Judge {
    fn new(stopper: Option<Box<dyn Stopper + Send>>) -> Self {
        Self { stopper, seen: BTreeMap::new(), ended: BTreeSet::new() }
    }

    /// Tells the stopper what is new of all trials but `own`.
    fn follow(&mut self, trials: &[Trial], own: TrialId) {
        let Some(stopper) = &mut self.stopper else { return };
        for trial in trials.iter().filter(|trial| trial.id != own) {
            let seen = self.seen.entry(trial.id).or_default();
            for report in &trial.curve[(*seen).min(trial.curve.len())..] {
                stopper.report(trial.id, report);
            }
            *seen = trial.curve.len();
            if trial.state != State::Running && self.ended.insert(trial.id) {
                stopper.end(trial);
            }
        }
    }

    fn verdict(&mut self, own: TrialId, report: &Report) -> Verdict {
        *self.seen.entry(own).or_default() += 1;
        self.stopper.as_mut().map_or(Verdict::Continue, |stopper| stopper.report(own, report))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
