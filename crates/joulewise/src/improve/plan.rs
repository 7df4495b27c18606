//! What a run will do and about what it will cost, before it does anything.

use std::fmt;

use anyhow::{Result, anyhow};
use joulewise_learn::data::Images;
use joulewise_meter::{Joules, Method};
use serde::Serialize;

use crate::budget::Budget;
use crate::costs::Costs;
use crate::hint::Hint as _;
use crate::practice::{self, Planned};
use crate::recipe::{self, Recipe, did_you_mean};
use crate::report::quantity;
use crate::task::Task;

/// The division of the budget, and the predictions for it. As JSON it is what `--dry-run --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    name: String,
    /// Unknown where a command reads the data.
    images: Option<Pictures>,
    /// In the order in which they run.
    stages: Vec<Stage>,
    at_most: Outlook,
    /// What judging and testing a model takes on top; unknown where a command does it.
    each_model: Option<Outlook>,
    /// How the joules are known.
    method: Method,
    /// Epochs of the baseline for each practice.
    #[serde(skip)]
    pub(super) budget: Budget,
    /// Whether the shares are only proportions of a budget in joules or time.
    is_relative: bool,
}

/// How many pictures there are for what.
#[derive(Clone, Copy, Debug, Serialize)]
struct Pictures {
    train: usize,
    select: usize,
    judge: usize,
    test: usize,
}

/// The baseline or a practice.
#[derive(Clone, Debug, Serialize)]
struct Stage {
    #[serde(rename = "stage")]
    name: String,
    #[serde(flatten)]
    outlook: Outlook,
    /// Why it will not be tried.
    skipped: Option<String>,
}

/// What something will take.
#[derive(Clone, Copy, Debug, Serialize)]
struct Outlook {
    /// Epochs of the baseline.
    epochs: f64,
    /// Unknown where a command trains, before it has; so are the joules.
    wall_s: Option<f64>,
    energy_j: Option<f64>,
}

/// What an epoch of the baseline takes by the cost table.
struct Prediction {
    epoch_cpu_s: f64,
    threads: f64,
    joules_per_cpu_s: f64,
    /// Judging and testing a model, in epochs of the baseline.
    evaluation: f64,
    images: Pictures,
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
        let budget = Budget::divide(epochs, weights);

        let outlook = |epochs| Outlook::of(epochs, prediction.as_ref());
        let stage =
            |name: &str, epochs| Stage { name: name.to_owned(), outlook: outlook(epochs), skipped: None };
        let mut stages = vec![stage("baseline", baseline)];
        if recipe.search.seeds > 1 {
            stages.push(stage("other seeds", (recipe.search.seeds - 1) as f64 * baseline));
        }
        for planned in chosen {
            let name = planned.practice.card().name;
            let skipped = planned.applies(task).err().map(|reason| reason.to_string());
            stages.push(Stage { skipped, ..stage(&name, budget.left(&name)) });
        }
        Ok(Self {
            name: recipe.name.clone(),
            images: prediction.as_ref().map(|p| p.images),
            at_most: outlook(stages.iter().map(|stage| stage.outlook.epochs).sum()),
            each_model: prediction.as_ref().map(|p| outlook(p.evaluation)),
            stages,
            method: Method::Modelled,
            budget,
            is_relative: prediction.is_none() && !matches!(recipe.search.budget, recipe::Budget::Share(_)),
        })
    }
}

impl Prediction {
    fn of(task: &Task, costs: &Costs) -> Result<Option<Self>> {
        let Task::Graph(task) = task else { return Ok(None) };
        let (splits, baseline) = (&task.splits, task.network(1.0, 0)?);
        let images = Pictures {
            train: splits.train.len(),
            select: splits.select.len(),
            judge: splits.judge.len(),
            test: task.data.test.as_ref().map_or(0, Images::len),
        };
        let epoch_cpu_s = costs.training_s(&baseline, images.train as f64)?;
        let evaluated = (images.select + images.judge + images.test) as f64;
        Ok(Some(Self {
            epoch_cpu_s,
            threads: task.cpu.threads() as f64,
            joules_per_cpu_s: costs.joules_per_cpu_s,
            evaluation: evaluated * costs.inference_s(&baseline)? / epoch_cpu_s,
            images,
        }))
    }
}

impl Outlook {
    fn of(epochs: f64, prediction: Option<&Prediction>) -> Self {
        let cpu_s = prediction.map(|p| (epochs * p.epoch_cpu_s, p));
        Self {
            epochs,
            wall_s: cpu_s.map(|(cpu_s, p)| cpu_s / p.threads),
            energy_j: cpu_s.map(|(cpu_s, p)| cpu_s * p.joules_per_cpu_s),
        }
    }
}

impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "–".to_owned();
        let time = self.wall_s.map_or_else(unknown, quantity::seconds);
        let energy = self.energy_j.map_or_else(unknown, |energy| Joules(energy).to_string());
        write!(f, "{:>8.1} {time:>13} {energy:>10}", self.epochs)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.images {
            Some(Pictures { train, select, judge, test }) => writeln!(
                f,
                "{}: {train} images to train on, {select} to select, {judge} to judge and {test} to test with",
                self.name
            )?,
            None => writeln!(f, "{}: trained by a command", self.name)?,
        }
        writeln!(f)?;
        writeln!(f, "{:<18} {:>8} {:>13} {:>10}", "stage", "epochs", "time", "energy")?;
        for Stage { name, outlook, skipped } in &self.stages {
            match skipped {
                Some(reason) => writeln!(f, "{name:<18} skipped: {reason}")?,
                None => writeln!(f, "{name:<18} {outlook}")?,
            }
        }
        writeln!(f, "{:<18} {}", "at most", self.at_most)?;
        if let Some(each) = &self.each_model {
            writeln!(f, "{:<18} {each}", "each model")?;
        }
        writeln!(f)?;
        f.write_str("epochs are those of the baseline; ")?;
        match (&self.each_model, self.is_relative) {
            (Some(_), _) => writeln!(
                f,
                "time and energy are modelled from counted operations\n\"at most\" is what trainings take: loading the \
                 data, what practices do beside training, and the benchmark\nof inferences are not in it, nor are \
                 judging and testing, which the last row gives for each model"
            ),
            (None, true) => writeln!(
                f,
                "the shares are proportions, which the budget scales when the baseline has shown what an epoch takes\n\
                 \"at most\" is what trainings take: running and evaluating the models is not in it"
            ),
            (None, false) => writeln!(
                f,
                "what one of them takes is known when the baseline has run\n\
                 \"at most\" is what trainings take: running and evaluating the models is not in it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Override;
    use crate::task::CommandTask;
    use crate::task::graph::GraphTask;

    const PRICES: f64 = 2.0;

    fn recipe(sets: &[&str]) -> Recipe {
        let tiny = ["data.train=400", "data.test=50", "model.width=0.25", "train.threads=2", "train.lr=0.1"];
        Recipe::load(None, tiny.iter().chain(sets).map(|set| Override::parse(set).unwrap())).unwrap()
    }

    fn plan(recipe: &Recipe, task: &Task) -> Plan {
        Plan::new(recipe, task, &Costs::typical("avx2", PRICES), &practices(recipe).unwrap()).unwrap()
    }

    fn graph(sets: &[&str]) -> Plan {
        let recipe = recipe(sets);
        plan(&recipe, &Task::Graph(Box::new(GraphTask::load(&recipe).unwrap())))
    }

    #[test]
    fn rows_stand_in_the_order_in_which_they_run_and_sum_to_what_they_say() {
        let plan = graph(&["search.seeds=3"]);
        let rows: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
        let known = practice::names();
        let in_order = ["baseline", "other seeds"].into_iter().chain(known.iter().map(String::as_str));
        assert_eq!(rows, in_order.collect::<Vec<_>>());
        // The baseline, its two repetitions and a budget of five trainings.
        assert!((plan.at_most.epochs - 8.0 * 6.0).abs() < 1e-9, "{}", plan.at_most.epochs);
        let sum: f64 = plan.stages.iter().filter_map(|stage| stage.outlook.energy_j).sum();
        assert!((sum / plan.at_most.energy_j.unwrap() - 1.0).abs() < 1e-9);
        let (energy, time) = (plan.at_most.energy_j.unwrap(), plan.at_most.wall_s.unwrap());
        assert!((energy / (time * 2.0 * PRICES) - 1.0).abs() < 1e-9, "two threads are busy");
        assert!(plan.each_model.unwrap().epochs > 0.0);
    }

    #[test]
    fn text_and_json_have_the_same_figures_and_long_times_are_readable() {
        // A thousand times the data of a run that takes seconds.
        let plan = graph(&["train.epochs=100000"]);
        let (text, json) = (plan.to_string(), serde_json::to_value(&plan).unwrap());
        let rows = json["stages"].as_array().unwrap();
        for row in rows.iter().chain([&json["at_most"]]) {
            let time = quantity::seconds(row["wall_s"].as_f64().unwrap());
            let energy = Joules(row["energy_j"].as_f64().unwrap()).to_string();
            let name = row["stage"].as_str().unwrap_or("at most");
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            assert!(line.contains(&time) && line.ends_with(&energy), "{line}: {time}, {energy}");
        }
        assert!(text.contains("\u{a0}min\u{a0}"), "{text}");
        assert!(!text.contains("ks"), "{text}");
        assert_eq!(json["images"]["test"], 50);
        assert_eq!(json["method"], "modelled");
    }

    #[test]
    fn what_a_command_lacks_is_skipped_with_the_reason_and_takes_no_share() {
        let recipe = recipe(&["train.command=train.sh {lr}"]);
        let task = CommandTask::new(&recipe).unwrap().unwrap();
        let plan = plan(&recipe, &Task::Commands(Box::new(task)));
        let stage = |name: &str| plan.stages.iter().find(|stage| stage.name == name).unwrap();
        assert_eq!(stage("early-stopping").skipped.as_deref(), Some("the command has no {epochs}"));
        assert_eq!(stage("early-stopping").outlook.epochs, 0.0);
        assert_eq!(stage("tune").skipped, None);
        assert_eq!(plan.budget.shares.keys().collect::<Vec<_>>(), ["tune"]);
        assert!(plan.at_most.wall_s.is_none() && plan.each_model.is_none());
        assert!(
            plan.to_string().contains("early-stopping     skipped: the command has no {epochs}"),
            "{plan}"
        );
    }
}
