//! What a search shows while it runs: a line for each trial, and below them where it stands, which moves every second.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use joulewise_tune::{Domain, Objectives, State, Trial, TrialId, Value};

use super::cost::Cost;
use super::plan::Plan;
use super::worker::Study;
use crate::report::{quantity, terminal};

/// Shows trials as they end.
pub struct Live<'a> {
    plan: &'a Plan,
    bar: ProgressBar,
    started: Instant,
    /// When the last trial ended.
    ended: Instant,
    /// Trials that ended before this command began.
    earlier: usize,
    told: BTreeSet<TrialId>,
}

impl<'a> Live<'a> {
    /// Shows what happens to `study` from now on.
    pub fn new(plan: &'a Plan, study: &Study) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        let told: BTreeSet<TrialId> = ended(study).map(|trial| trial.id).collect();
        let now = Instant::now();
        let live = Self { plan, bar, started: now, ended: now, earlier: told.len(), told };
        live.bar.set_message(live.standing(study, 0.0));
        live
    }

    /// Whether there is a terminal to show where the search stands.
    pub fn is_seen(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Shows where the search stands. `running_j` is what trials have used that have not said so yet.
    pub fn tick(&self, study: &Study, running_j: f64) {
        self.bar.set_message(self.standing(study, running_j));
    }

    /// Shows the trials that ended since the last time, and where the search stands.
    pub fn show(&mut self, study: &Study) {
        let best = study.best().map(|best| best.id);
        for trial in ended(study) {
            if self.told.insert(trial.id) {
                self.ended = Instant::now();
                let line = line(study, trial, best == Some(trial.id));
                // Without a terminal the bar shows nothing, and a log wants the lines all the same.
                if self.bar.is_hidden() {
                    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
                } else {
                    self.bar.println(line);
                }
            }
        }
        self.tick(study, 0.0);
    }

    /// Takes the standing away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn standing(&self, study: &Study, running_j: f64) -> String {
        let done = ended(study).count();
        let mut text = match self.plan.limits.trials {
            Some(all) if all < u64::MAX => format!("{done} of {}", quantity::plural(all as usize, "trial")),
            _ => quantity::plural(done, "trial"),
        };
        let running = study.running();
        if running > 0 {
            let _ = write!(text, ", {running} running");
        }
        if let Some(best) = study.best() {
            let _ = write!(text, " · best {}", values(study.objectives(), best));
        }
        // What a running trial has told of is among what it has used.
        let told: f64 = study.trials().iter().map(Trial::cost).sum();
        let of_ended: f64 = ended(study).map(Trial::cost).sum();
        let _ = write!(text, " · {} spent", Cost::of(study).text(told.max(of_ended + running_j)));
        let saved = saved_j(study.trials());
        if saved > 0.0 {
            let _ = write!(text, ", {} saved by stopping", Cost::of(study).text(saved));
        }
        let _ = write!(text, " · {}", clock(self.started.elapsed().as_secs_f64()));
        if let Some(left) = self.left_s(study, done) {
            let _ = write!(text, ", {} left", clock(left));
        }
        text
    }

    /// As long as it takes if the rest goes on like what was seen.
    fn left_s(&self, study: &Study, done: usize) -> Option<f64> {
        let since = self.started.elapsed().as_secs_f64();
        let limits = &self.plan.limits;
        let of_time = limits.wall_s.map(|all| all - since);
        let Some(new) = done.checked_sub(self.earlier).filter(|new| *new > 0) else { return of_time };
        let until_last = self.ended.duration_since(self.started).as_secs_f64();
        let of_trials = limits.trials.map(|all| {
            until_last / new as f64 * all.saturating_sub(done as u64) as f64 - (since - until_last)
        });
        let spent = study.cost();
        let of_joules = limits.energy_j.filter(|_| spent > 0.0).map(|all| since * (all / spent - 1.0));
        [of_trials, of_joules, of_time].into_iter().flatten().min_by(f64::total_cmp).map(|left| left.max(0.0))
    }
}

/// A time as clocks show it: `0:07`, `12:30`, `3:05:00`.
fn clock(seconds: f64) -> String {
    let whole = seconds as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Joules that trials would have used if they had not been stopped, going by the mean of those that were not.
pub fn saved_j(trials: &[Trial]) -> f64 {
    let costs = |of: fn(&State) -> bool| {
        let costs: Vec<f64> =
            trials.iter().filter(|trial| of(&trial.state)).filter_map(Trial::known_cost).collect();
        costs
    };
    let whole = costs(|state| matches!(state, State::Done(_)));
    if whole.is_empty() {
        return 0.0;
    }
    let mean = whole.iter().sum::<f64>() / whole.len() as f64;
    costs(|state| matches!(state, State::Stopped(_)))
        .iter()
        .map(|cost| (mean - cost).max(0.0))
        .fold(0.0, |sum, saved| sum + saved)
}

/// Joules and seconds of CPU time that the search itself used, beside its trials.
pub fn overhead(study: &Study) -> (f64, f64) {
    let sum = |of: &str| {
        let notes = study.notes().iter().filter(|(key, _)| key.starts_with(of));
        notes.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    };
    (sum("overhead_j/"), sum("overhead_cpu_s/"))
}

/// A trial's values by the names of the metrics.
pub fn values(objectives: &Objectives, trial: &Trial) -> String {
    let Some(outcome) = trial.outcome() else { return String::new() };
    let pairs = objectives.iter().zip(&outcome.values);
    pairs
        .map(|(objective, value)| format!("{} {}", objective.metric, short(*value)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A number with as many digits as a reader compares.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e6).contains(&size) => format!("{value:.3e}"),
        size if size >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.4}"),
    }
}

fn ended(study: &Study) -> impl Iterator<Item = &Trial> {
    study.trials().iter().filter(|trial| trial.state != State::Running)
}

fn line(study: &Study, trial: &Trial, is_best: bool) -> String {
    let notes = study.record(trial.id).map(|record| &record.notes);
    let reason =
        notes.and_then(|notes| notes.get("reason")).map_or("", |reason| reason.lines().next().unwrap_or(""));
    let came = match &trial.state {
        State::Done(_) => values(study.objectives(), trial),
        State::Stopped(_) => format!("{}, stopped", values(study.objectives(), trial)),
        State::Failed { .. } => format!("failed: {reason}"),
        State::Lost { .. } => "lost, to be run again".to_owned(),
        State::Running => "runs".to_owned(),
    };
    let best = if is_best { "  best so far" } else { "" };
    let line = format!(
        "{:>4}  {came}  {}  {}{best}",
        trial.id.0,
        Cost::of(study).text(trial.cost()),
        brief(study, trial)
    );
    // Choices and reasons may be anything.
    terminal::escaped(&line).into_owned()
}

/// What was searched of the point, with numbers that a reader can take in.
fn brief(study: &Study, trial: &Trial) -> String {
    let value = |value: &Value| match value {
        Value::Float(x) => short(*x),
        other => other.to_string(),
    };
    let values = trial.point.values().filter(|(name, _)| is_searched(study, name));
    values.map(|(name, of)| format!("{name}={}", value(of))).collect::<Vec<_>>().join(" ")
}

/// Whether a parameter can be more than one thing.
pub fn is_searched(study: &Study, name: &str) -> bool {
    !matches!(study.space().domain(name), Some(Domain::Fixed(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_a_clock() {
        assert_eq!(
            [7.9, 60.0, 750.0, 3600.0, 11_100.0].map(clock),
            ["0:07", "1:00", "12:30", "1:00:00", "3:05:00"]
        );
    }
}
