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
    epochs: usize,
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
        let task = task.graph()?;
        let model = task.network(1.0, 0)?;
        let epoch_cpu_s = costs.training_s(&model, task.splits.train.len() as f64)?;
        let threads = task.cpu.threads() as f64;
        let epochs = match recipe.search.budget {
            recipe::Budget::Share(share) => share * recipe.train.epochs as f64,
            recipe::Budget::Joules(joules) => joules / (epoch_cpu_s * costs.joules_per_cpu_s),
            recipe::Budget::Time(time) => time.as_secs_f64() * threads / epoch_cpu_s,
        };
        let names: Vec<String> = chosen.iter().map(|planned| planned.practice.card().name).collect();
        let weights = names.iter().map(String::as_str).zip(chosen.iter().map(|planned| planned.weight));
        let splits = &task.splits;
        Ok(Self {
            name: recipe.name.clone(),
            budget: Budget::divide(epochs, weights),
            epochs: recipe.train.epochs,
            epoch_cpu_s,
            threads,
            joules_per_cpu_s: costs.joules_per_cpu_s,
            images: [splits.train.len(), splits.select.len(), splits.judge.len()],
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [train, select, judge] = self.images;
        writeln!(
            f,
            "{}: {train} images to train on, {select} to select and {judge} to judge with",
            self.name
        )?;
        writeln!(f)?;
        writeln!(f, "{:<18} {:>8} {:>10} {:>10}", "stage", "epochs", "time", "energy")?;
        let mut row = |name: &str, epochs: f64| {
            let cpu_s = epochs * self.epoch_cpu_s;
            let time = Seconds(cpu_s / self.threads).to_string();
            let energy = Joules(cpu_s * self.joules_per_cpu_s).to_string();
            writeln!(f, "{name:<18} {epochs:>8.1} {time:>10} {energy:>10}")
        };
        row("baseline", self.epochs as f64)?;
        let mut total = self.epochs as f64;
        for (name, share) in &self.budget.shares {
            row(name, share.epochs)?;
            total += share.epochs;
        }
        row("at most", total)?;
        writeln!(f)?;
        writeln!(f, "epochs are those of the baseline; time and energy are modelled from counted operations")
    }
}
