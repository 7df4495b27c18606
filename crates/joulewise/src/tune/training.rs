//! Trials that are trainings of our own: a recipe, with the parameters as its keys, in this process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, anyhow};
use joulewise_learn::train::{self, Control, TrainError};
use joulewise_learn::{Model, shape};
use joulewise_tune::{Point, Space, Value, Verdict};

use super::trial::{Ending, Run, See};
use crate::hint::Hint as _;
use crate::recipe::{self, Override, Recipe};
use crate::task::graph::GraphTask;
use crate::task::metrics::Metrics;

/// Trains once for each trial; the data are loaded once for all of them.
pub struct Trainings {
    file: Option<PathBuf>,
    /// Where the data are, if not where the recipe says.
    data: Option<PathBuf>,
    /// A trial like any other, of which the data are loaded in advance.
    any: Point,
    loaded: Option<Loaded>,
}

/// A task, and what its data depend on.
struct Loaded {
    data: recipe::Data,
    task: GraphTask,
}

impl Trainings {
    /// Trainings of the recipe in `file`, or of the default one, with the parameters of `space` as its keys; of its
    /// data unless `data` says where others are.
    pub(super) fn new(file: Option<&Path>, data: Option<&Path>, space: &Space) -> Result<Self> {
        let any = space.draw(&mut joulewise_tune::Stream::new(0, 0));
        let this = Self { file: file.map(Path::to_owned), data: data.map(Path::to_owned), any, loaded: None };
        // A name that is no key is a mistake to be told before the first trial.
        let recipe = this.recipe(&this.any).context("the parameters of the study are keys of its recipe")?;
        if recipe.train.command.is_some() {
            return Err(anyhow!("the recipe of the study trains by a command"))
                .hint("write that command into the study instead, with the parameters as placeholders");
        }
        // A study that could not begin is not to be there afterwards.
        if let Some(path) = recipe.data.path.as_deref().filter(|path| !path.exists()) {
            return Err(anyhow!("{}: no such file or folder", path.display()))
                .hint("say where the data are with --data, or as `data.path` in the recipe");
        }
        Ok(this)
    }

    pub(super) fn prepare(&mut self) -> Result<()> {
        let recipe = self.recipe(&self.any)?;
        self.task(&recipe).map(|_| ())
    }

    pub(super) fn run(&mut self, run: &Run<'_>, see: &mut See<'_>, cancel: &AtomicBool) -> Result<Ending> {
        let recipe = match self.recipe(run.point) {
            Ok(recipe) => recipe,
            Err(error) => return Ok(Ending::Failed(format!("{error:#}"))),
        };
        let task = self.task(&recipe)?;
        let hyper = recipe.train.hyperparameters(run.seed);
        let model = match task.network(1.0, run.seed) {
            Ok(model) => model,
            Err(error) => return Ok(Ending::Failed(error.to_string())),
        };
        let size = size(&model)?;
        let mut was_stopped = false;
        let mut metrics = size.clone();
        let fitted =
            train::fit(&task.cpu, &model, &task.pictures(&hyper), task.split(), &hyper, None, &mut |tick| {
                if cancel.load(Ordering::Relaxed) {
                    return Control::Cancel;
                }
                let train::Tick::Epoch(epoch) = tick else { return Control::Continue };
                metrics.insert("epoch".to_owned(), epoch.epoch as f64);
                metrics.insert("loss".to_owned(), epoch.loss);
                metrics.insert("accuracy".to_owned(), epoch.select.unwrap_or(f64::NAN));
                // After the last epoch there is nothing left to stop.
                if see(&metrics) == Verdict::Stop && epoch.epoch < epoch.of {
                    was_stopped = true;
                    return Control::Stop;
                }
                Control::Continue
            });
        Ok(match fitted {
            Ok(_) if was_stopped => Ending::Stopped,
            Ok(_) => Ending::Done(metrics),
            Err(TrainError::Cancelled) => Ending::Interrupted,
            Err(error @ TrainError::Diverged { .. }) => Ending::Diverged(error.to_string()),
            Err(error) => Ending::Failed(error.to_string()),
        })
    }

    fn recipe(&self, point: &Point) -> Result<Recipe> {
        let overrides = point.values().map(|(name, value)| Override {
            key: name.to_owned(),
            value: toml(value),
            origin: "parameter",
        });
        let data = match self.data.as_deref().map(|path| (path, path.to_str())) {
            Some((path, None)) => {
                return Err(anyhow!("{}: the path is not UTF-8", path.display()))
                    .hint("a recipe is text: rename the folder");
            }
            Some((_, Some(path))) => Some(Override {
                key: "data.path".to_owned(),
                value: toml::Value::String(path.to_owned()),
                origin: "--data",
            }),
            None => None,
        };
        Recipe::load(self.file.as_deref(), overrides.chain(data))
    }

    /// The task of `recipe`, on the data of the trial before if they are the same.
    fn task(&mut self, recipe: &Recipe) -> Result<&GraphTask> {
        let loaded = match self.loaded.take().filter(|loaded| loaded.data == recipe.data) {
            Some(Loaded { data, task }) => Loaded { data, task: task.revised(recipe)? },
            None => Loaded { data: recipe.data.clone(), task: GraphTask::load(recipe)? },
        };
        Ok(&self.loaded.insert(loaded).task)
    }
}

/// What is known of a network before it is trained.
fn size(model: &Model) -> Result<Metrics> {
    let shapes = shape::infer(&model.graph, &model.weights)?;
    let macs = shape::macs(&model.graph, &shapes) as f64;
    let parameters = model.weights.count() as f64;
    Ok(Metrics::from([("macs".to_owned(), macs), ("parameters".to_owned(), parameters)]))
}

/// A value as a recipe has it; choices that read as something else than a text are that.
fn toml(value: &Value) -> toml::Value {
    match value {
        Value::Float(x) => toml::Value::Float(*x),
        Value::Int(n) => toml::Value::Integer(*n),
        Value::Choice(text) => {
            let parsed = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
            parsed
                .and_then(|mut table| table.remove("value"))
                .unwrap_or_else(|| toml::Value::String(text.clone()))
        }
    }
}
