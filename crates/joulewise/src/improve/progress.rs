//! Live progress on stderr: the stage, its metric, joules so far and time left.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use joulewise_meter::{Caveat, Event, EventKind, Joules, Observer, Seconds};

/// A line that is drawn again and again on a terminal, and one line for each stage elsewhere.
pub(super) struct Progress {
    bar: ProgressBar,
    plain: bool,
    /// Name and begin of each stage.
    stages: BTreeMap<u32, (String, Instant)>,
    metric: Option<(String, f64)>,
    energy_j: f64,
    left: String,
}

impl Progress {
    pub(super) fn new() -> Self {
        let plain = !std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
            bar.set_style(style);
        }
        if !plain {
            bar.enable_steady_tick(Duration::from_millis(125));
        }
        Self { bar, plain, stages: BTreeMap::new(), metric: None, energy_j: 0.0, left: String::new() }
    }

    fn say(&self, line: &str) {
        if self.plain {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        } else {
            self.bar.println(line);
        }
    }

    fn draw(&self, stage: u32, done: u64, of: u64) {
        let (name, left) = match self.stages.get(&stage) {
            Some((name, began)) => (name.as_str(), left(*began, done, of)),
            None => ("", String::new()),
        };
        let left = [left, self.left.clone()].into_iter().filter(|left| !left.is_empty()).collect::<Vec<_>>();
        let share =
            if of == 0 { String::new() } else { format!("{:>4.0} %", 100.0 * done as f64 / of as f64) };
        let metric = self.metric.as_ref().map_or(String::new(), |(name, value)| metric(name, *value));
        self.bar.set_message(format!(
            "{name:<32}{share}{metric}  {}  {}",
            Joules(self.energy_j),
            left.join(", ")
        ));
    }
}

impl Observer for Progress {
    fn on(&mut self, event: &Event) {
        match &event.kind {
            EventKind::StageOpened { id, name, .. } => {
                self.stages.insert(*id, (name.clone(), Instant::now()));
                self.metric = None;
                self.draw(*id, 0, 0);
            }
            EventKind::StageClosed { name, energy, wall_s, .. } if *wall_s >= 0.05 => {
                let metric = self.metric.take().map_or(String::new(), |(name, value)| metric(&name, value));
                self.say(&format!(
                    "  {name:<32} {wall_s:>6.1} s  {:>9}{metric}",
                    Joules(energy.value).to_string()
                ));
            }
            EventKind::Metric { name, value, .. } if name != "loss" => {
                self.metric = Some((name.clone(), *value));
            }
            EventKind::Sample { energy_j, .. } => self.energy_j = *energy_j,
            EventKind::Progress { stage, done, of, text } => {
                if !text.is_empty() {
                    self.left.clone_from(text);
                }
                self.draw(*stage, *done, *of);
            }
            EventKind::Candidate { name, status, reason } => {
                let mark = match status.as_str() {
                    "holds" => "+",
                    "drops" => "-",
                    _ => " ",
                };
                self.say(&format!("{mark} {name}: {status}, {reason}"));
            }
            EventKind::Caveat(Caveat { text, hint, .. }) => {
                let hint = if hint.is_empty() { String::new() } else { format!("\n  hint: {hint}") };
                self.say(&format!("! {text}{hint}"));
            }
            EventKind::Finished => self.bar.finish_and_clear(),
            _ => {}
        }
    }
}

/// How long a stage that has done so much will still take, if it goes on like that.
fn left(began: Instant, done: u64, of: u64) -> String {
    if done == 0 || done > of {
        return String::new();
    }
    let per_step = began.elapsed().as_secs_f64() / done as f64;
    format!("{} of this stage left", Seconds(per_step * (of - done) as f64))
}

/// An accuracy as a percentage, anything else as it is.
fn metric(name: &str, value: f64) -> String {
    if name.contains("acc") && (0.0..=1.0).contains(&value) {
        format!("  {name} {:.2} %", 100.0 * value)
    } else {
        format!("  {name} {value:.4}")
    }
}
