//! What a run will do and about what it will cost, before it does anything.

use std::fmt;

use anyhow::{Result, anyhow};
use joulewise_meter::{Joules, Seconds};

use crate::budget::Budget;
use crate::costs::Costs;
use crate::hint::Hint as _;
use crate::practice::{self, Planned};
use crate::recipe::{self, Recipe, did_you_mean};
use crate::task::Task;

/// The division of the budget, and the predictions for it.
pub(super) struct Plan {
    name: String,
    /// Epochs of the baseline for each practice.
    pub(super) budget: Budget,
    epochs: f64,
    /// Whether the shares are only proportions of a budget in joules or time.
    is_relative: bool,
    /// Unknown where a command trains, before it has.
    prediction: Option<Prediction>,
}

struct Prediction {
    epoch_cpu_s: f64,
    threads: f64,
    joules_per_cpu_s: f64,
    images: [usize; 3],
}

/// The practices that the recipe asks for, in the order in which they are tried.
pub(super) fn practices(recipe: &Recipe) -> Result<Vec<&'static Planned>> {
    let Some(wanted) = &recipe.search.practices else { return Ok(practice::ALL.iter().collect()) };
    let known = practice::names();
    for name in wanted {
        if !known.contains(name) {
            let hint = did_you_mean(name, known.iter().map(String::as_str)).map_or_else(
                || format!("there are {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(anyhow!("no practice is called `{name}`")).hint(hint);
        }
    }
    Ok(practice::ALL.iter().filter(|p| wanted.contains(&p.practice.card().name)).collect())
}

/// Joules of one busy CPU-second by the model of this machine.
pub(super) fn joules_per_cpu_s() -> f64 {
    joulewise_meter::processor::Family::of_this_machine().busy_thread_w(1.0)
}

impl Plan {
    pub(super) fn new(recipe: &Recipe, task: &Task, costs: &Costs, chosen: &[&Planned]) -> Result<Self> {
        let prediction = Prediction::of(task, costs)?;
        let baseline = match task {
            Task::Graph(_) => recipe.train.epochs as f64,
            Task::Commands(task) => task.epochs(),
        };
        let epochs = match (recipe.search.budget, &prediction) {
            (recipe::Budget::Share(share), _) => share * baseline,
            (recipe::Budget::Joules(joules), Some(p)) => joules / (p.epoch_cpu_s * p.joules_per_cpu_s),
            (recipe::Budget::Time(time), Some(p)) => time.as_secs_f64() * p.threads / p.epoch_cpu_s,
            // Only proportions, until the baseline shows what an epoch costs.
            (_, None) => baseline,
        };
        let working: Vec<_> = chosen.iter().filter(|planned| planned.applies(task).is_ok()).collect();
        let names: Vec<String> = working.iter().map(|planned| planned.practice.card().name).collect();
        let weights =
            names.iter().map(String::as_str).zip(working.iter().map(|planned| planned.weight(task)));
        Ok(Self {
            name: recipe.name.clone(),
            budget: Budget::divide(epochs, weights),
            epochs: baseline,
            is_relative: prediction.is_none() && !matches!(recipe.search.budget, recipe::Budget::Share(_)),
            prediction,
        })
    }
}

impl Prediction {
    fn of(task: &Task, costs: &Costs) -> Result<Option<Self>> {
        let Task::Graph(task) = task else { return Ok(None) };
        let splits = &task.splits;
        Ok(Some(Self {
            epoch_cpu_s: costs.training_s(&task.network(1.0, 0)?, splits.train.len() as f64)?,
            threads: task.cpu.threads() as f64,
            joules_per_cpu_s: costs.joules_per_cpu_s,
            images: [splits.train.len(), splits.select.len(), splits.judge.len()],
        }))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.prediction {
            Some(Prediction { images: [train, select, judge], .. }) => writeln!(
                f,
                "{}: {train} images to train on, {select} to select and {judge} to judge with",
                self.name
            )?,
            None => writeln!(f, "{}: trained by a command", self.name)?,
        }
        writeln!(f)?;
        writeln!(f, "{:<18} {:>8} {:>10} {:>10}", "stage", "epochs", "time", "energy")?;
        let mut row = |name: &str, epochs: f64| {
            let (time, energy) = match &self.prediction {
                Some(p) => {
                    let cpu_s = epochs * p.epoch_cpu_s;
                    let time = Seconds(cpu_s / p.threads).to_string();
                    (time, Joules(cpu_s * p.joules_per_cpu_s).to_string())
                }
                None => ("–".to_owned(), "–".to_owned()),
            };
            writeln!(f, "{name:<18} {epochs:>8.1} {time:>10} {energy:>10}")
        };
        row("baseline", self.epochs)?;
        let mut total = self.epochs;
        for (name, share) in &self.budget.shares {
            row(name, share.epochs)?;
            total += share.epochs;
        }
        row("at most", total)?;
        writeln!(f)?;
        f.write_str("epochs are those of the baseline; ")?;
        match &self.prediction {
            Some(_) => writeln!(f, "time and energy are modelled from counted operations"),
            None if self.is_relative => writeln!(
                f,
                "the shares are proportions, which the budget scales when the baseline has shown what an epoch takes"
            ),
            None => writeln!(f, "what one of them takes is known when the baseline has run"),
        }
    }
}
