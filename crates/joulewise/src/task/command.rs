//! Tasks of which the user's own commands do the work: they train, evaluate and run the model.
//!
//! A command runs in `train.folder`, in a process group of its own, which ends with it. What it prints goes to
//! `output.log` in the `{out}` folder of that execution; its metrics are found as [`MetricsFrom`] says.
//!
//! - **train** writes the model to `{model}`, a file or a folder, and reports the metric, best once per epoch.
//! - **distil** reads `{model}` and writes its logits for every training example to `{teacher}`.
//! - **eval** reads `{model}` and reports the metric; it stands for the test.
//! - **deploy** reads `{model}`, runs as many inferences as it likes in batches of `{batch}`, and reports
//!   `inferences`, how many they were, in JSON. Everything it does is priced, its start included, so that it should run
//!   for seconds at least. It may report further metrics, as in `accuracy` or `latency_ms`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use joulewise_meter::Caveat;
use joulewise_tune::{Direction, Verdict};

use super::error::{TaskError, TaskErrorKind};
pub use super::execution::Watch;
use super::execution::{Ended, Execution, shown};
use super::logits::Logits;
use super::metrics::{FILE, Metrics, MetricsFrom};
use super::supervision::Supervision;
use super::template::{Placeholder, Template, Values};
use crate::recipe::{self, Recipe};
use crate::result::Imported;
use crate::selection::Source;

/// The user's own training, evaluation and deployment.
#[derive(Clone, Debug)]
pub struct CommandTask {
    train: Template,
    distil: Option<Template>,
    eval: Option<Template>,
    deploy: Option<Template>,
    baseline: Values,
    folder: PathBuf,
    timeout: Duration,
    metrics: MetricsFrom,
    goal: String,
    direction: Direction,
    trunk: Option<Imported>,
    examples: Option<Source>,
    precisions: Vec<String>,
}

/// What a training gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The last value of each metric.
    pub metrics: Metrics,
    /// Each report of the goal's metric, in order: epochs, if the command reports by epoch.
    pub curve: Vec<Metrics>,
    /// The model, a file or a folder; none if the command has no `{model}`, or was stopped before it wrote one.
    pub model: Option<PathBuf>,
    /// Whether the watcher stopped it.
    pub was_stopped: bool,
    /// CPU time of its processes, in seconds.
    pub cpu_s: f64,
    /// From start to end, in seconds.
    pub wall_s: f64,
}

/// What running a model gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Deployed {
    /// How many inferences it ran.
    pub inferences: f64,
    /// Everything that it reported.
    pub metrics: Metrics,
    /// CPU time of its processes, in seconds.
    pub cpu_s: f64,
    /// From start to end, in seconds.
    pub wall_s: f64,
}

/// The metric that a deploy command reports.
const INFERENCES: &str = "inferences";

impl CommandTask {
    /// The command task of `recipe`; none if our own engine trains.
    pub fn new(recipe: &Recipe) -> Result<Option<Self>> {
        let Some(train) = &recipe.train.command else { return Ok(None) };
        let optional = |command: &Option<String>| command.as_deref().map(Template::parse).transpose();
        Ok(Some(Self {
            train: Template::parse(train)?,
            distil: optional(&recipe.distil.command)?,
            eval: optional(&recipe.eval.command)?,
            deploy: optional(&recipe.deploy.command)?,
            baseline: baseline(recipe),
            folder: recipe.train.folder.clone(),
            timeout: Duration::from_secs_f64(recipe.train.timeout_s),
            metrics: recipe.train.metrics.as_deref().map_or(Ok(MetricsFrom::Auto), MetricsFrom::parse)?,
            goal: recipe.goal.metric.clone(),
            direction: recipe.goal.direction,
            trunk: recipe.transfer.imported(),
            examples: examples(&recipe.data),
            precisions: recipe.train.precisions.clone(),
        }))
    }

    /// What practices can change about the training.
    pub fn placeholders(&self) -> BTreeSet<Placeholder> {
        self.train.placeholders()
    }

    /// The values that the user trains with today.
    pub fn baseline(&self) -> &Values {
        &self.baseline
    }

    /// Whether practices can change `placeholder`.
    pub fn has(&self, placeholder: Placeholder) -> bool {
        self.placeholders().contains(&placeholder)
    }

    /// Whether there is a command that runs a model.
    pub fn has_deploy(&self) -> bool {
        self.deploy.is_some()
    }

    /// Whether there is a command that writes a teacher's logits.
    pub fn has_distil(&self) -> bool {
        self.distil.is_some()
    }

    /// Whether there is a command that evaluates a model.
    pub fn has_eval(&self) -> bool {
        self.eval.is_some()
    }

    /// The metric that the training is judged by.
    pub fn goal(&self) -> &str {
        &self.goal
    }

    /// What a training may start from.
    pub fn trunk(&self) -> Option<&Imported> {
        self.trunk.as_ref()
    }

    /// Where the training examples can be told apart.
    pub fn examples(&self) -> Option<&Source> {
        self.examples.as_ref()
    }

    /// Number formats that are cheaper than today's.
    pub fn cheaper_precisions(&self) -> &[String] {
        self.precisions.get(1..).unwrap_or_default()
    }

    /// The whole command of a training with `values`, to be run by hand in [`folder`](Self::folder).
    pub fn by_hand(&self, values: &Values) -> Result<String> {
        let mut values = self.with_baseline(values);
        values.insert(Placeholder::Model, "model".to_owned());
        values.insert(Placeholder::Out, ".".to_owned());
        Ok(shown(&self.train.render(&values)?))
    }

    /// The folder that commands run in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Which way that metric improves.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The baseline's value of a placeholder that is a number.
    pub fn number(&self, placeholder: Placeholder) -> f64 {
        self.baseline.get(&placeholder).and_then(|value| value.parse().ok()).unwrap_or(1.0)
    }

    /// Epochs of the baseline. A command without `{epochs}` counts as one: a whole training is its unit.
    pub fn epochs(&self) -> f64 {
        if self.has(Placeholder::Epochs) { self.number(Placeholder::Epochs) } else { 1.0 }
    }

    /// What a training with `values` is expected to cost, in epochs of the baseline: in proportion to its epochs,
    /// its width and its depth, as far as the command takes them.
    pub fn cost(&self, values: &Values) -> f64 {
        let factor = |placeholder| {
            let taken = values.get(&placeholder).filter(|_| self.has(placeholder));
            let value = taken.and_then(|value| value.parse::<f64>().ok());
            value.map_or(1.0, |value| value / self.number(placeholder))
        };
        let factors = [Placeholder::Epochs, Placeholder::Width, Placeholder::Depth].map(factor);
        self.epochs() * factors.iter().product::<f64>()
    }

    /// The loss of the metric that `max_drop` admits of a value of `from`: a difference of two fractions where the
    /// metric is one, else a part of the value, as 1 % of a perplexity.
    pub fn admitted(&self, max_drop: f64, from: f64) -> f64 {
        if self.is_fraction(from) { max_drop } else { max_drop * from.abs() }
    }

    /// Whether the metric, of which `value` is one, is a fraction and written in percent.
    pub fn is_fraction(&self, value: f64) -> bool {
        self.direction == Direction::Max && (0.0..=1.0).contains(&value)
    }

    /// What a reader of its results must know.
    pub fn caveats(&self) -> Vec<Caveat> {
        let mut caveats = vec![Caveat::new(
            "metric-of-the-training",
            format!(
                "`{}` is what the commands report: the training's own value chose among the trials and decided which \
                 candidates hold, so it flatters them a little, and no interval of it is known",
                self.goal
            ),
            "compare the models that you want to use on data that no training has seen",
        )];
        if !self.has_deploy() {
            caveats.push(Caveat::new(
                "inference-not-priced",
                "without a command that runs a model no inference is priced: life costs are those of trainings",
                "give `[deploy]` and a `command` that prints {\"inferences\": N}",
            ));
        }
        caveats
    }

    /// Trains with `values` over those of the [`baseline`](Self::baseline), in the folder `out`.
    ///
    /// `watch` is shown each report of the metric. When it stops the training, the command is asked to end
    /// (TERM), and whether there is a model then depends on the command.
    pub fn train(
        &self,
        values: &Values,
        out: &Path,
        watch: &mut Watch<'_>,
        by: Supervision<'_>,
    ) -> Result<Trained, TaskError> {
        let mut values = self.with_baseline(values);
        values.entry(Placeholder::Model).or_insert_with(|| path(&out.join("model")));
        let model = PathBuf::from(&values[&Placeholder::Model]);
        // An earlier, interrupted execution must not be taken for this one.
        remove(&model)?;
        let (argv, ended) = self.run(&self.train, &values, (&self.metrics, &self.goal), out, watch, by)?;
        checked(&argv, &ended, &self.goal, &values)?;
        let has_model = model.exists();
        if !has_model && !ended.was_stopped && self.placeholders().contains(&Placeholder::Model) {
            let text = format!("`{argv}` wrote no model to {{model}}, which was {}", model.display());
            return Err(TaskError::new(TaskErrorKind::NoModel, text));
        }
        Ok(Trained {
            metrics: ended.reported.last,
            curve: ended.reported.curve,
            model: has_model.then_some(model),
            was_stopped: ended.was_stopped,
            cpu_s: ended.cpu_s,
            wall_s: ended.wall_s,
        })
    }

    /// Writes the logits of a model in the folder `out`. Fails without a distil command.
    pub fn teach(&self, model: &Path, out: &Path, by: Supervision<'_>) -> Result<Logits, TaskError> {
        let Some(distil) = &self.distil else {
            return Err(TaskError::new(TaskErrorKind::Start, "the recipe has no `distil.command`"));
        };
        let logits = out.join("logits.safetensors");
        remove(&logits)?;
        let values = [(Placeholder::Model, path(model)), (Placeholder::Teacher, path(&logits))];
        let values = self.with_baseline(&Values::from(values));
        self.run(distil, &values, (&MetricsFrom::Auto, &self.goal), out, &mut go_on, by)?;
        Logits::open(&logits)
    }

    /// Evaluates a model that was trained with `values` in the folder `out`; none without an eval command.
    pub fn evaluate(
        &self,
        model: &Path,
        values: &Values,
        out: &Path,
        by: Supervision<'_>,
    ) -> Result<Option<Metrics>, TaskError> {
        let Some(eval) = &self.eval else { return Ok(None) };
        let mut values = self.with_baseline(values);
        values.insert(Placeholder::Model, path(model));
        let (argv, ended) = self.run(eval, &values, (&self.metrics, &self.goal), out, &mut go_on, by)?;
        checked(&argv, &ended, &self.goal, &values)?;
        Ok(Some(ended.reported.last))
    }

    /// Runs a model that was trained with `values` in batches of `batch` in the folder `out`; none without a deploy
    /// command.
    pub fn deploy(
        &self,
        model: &Path,
        values: &Values,
        batch: usize,
        out: &Path,
        by: Supervision<'_>,
    ) -> Result<Option<Deployed>, TaskError> {
        let Some(deploy) = &self.deploy else { return Ok(None) };
        let mut values = self.with_baseline(values);
        values.insert(Placeholder::Model, path(model));
        values.insert(Placeholder::Batch, batch.to_string());
        let (argv, ended) =
            self.run(deploy, &values, (&MetricsFrom::Auto, INFERENCES), out, &mut go_on, by)?;
        let inferences = checked(&argv, &ended, INFERENCES, &values)?;
        if inferences <= 0.0 {
            let text = format!("`{argv}` reported {inferences} inferences, which gives no price of one");
            return Err(TaskError::new(TaskErrorKind::NoMetric, text));
        }
        let metrics = ended.reported.last;
        Ok(Some(Deployed { inferences, metrics, cpu_s: ended.cpu_s, wall_s: ended.wall_s }))
    }

    fn with_baseline(&self, values: &Values) -> Values {
        let mut all = self.baseline.clone();
        all.extend(values.iter().map(|(placeholder, value)| (*placeholder, value.clone())));
        all
    }

    /// Runs a command; gives it as messages show it, and what came of it.
    fn run(
        &self,
        template: &Template,
        values: &Values,
        (metrics, goal): (&MetricsFrom, &str),
        out: &Path,
        watch: &mut Watch<'_>,
        by: Supervision<'_>,
    ) -> Result<(String, Ended), TaskError> {
        let mut values = values.clone();
        values.insert(Placeholder::Out, path(out));
        let argv = template
            .render(&values)
            .map_err(|error| TaskError::new(TaskErrorKind::Start, error.to_string()))?;
        remove(&out.join(FILE))?;
        let (argv, folder, timeout) = (&argv[..], &*self.folder, self.timeout);
        let execution = Execution {
            argv,
            environment: &[],
            folder,
            out,
            timeout,
            timeout_key: "train.timeout_s",
            metrics,
            goal,
        };
        let ended = execution.run(watch, by)?;
        Ok((execution.shown(), ended))
    }
}

/// Where `data` says that the training examples are.
fn examples(data: &recipe::Data) -> Option<Source> {
    match (&data.features, &data.path) {
        (Some(features), _) => Some(Source::Rows { features: features.clone(), labels: data.labels.clone() }),
        (None, Some(path)) => Some(Source::Pictures { path: path.clone(), skip_bad: data.skip_bad }),
        (None, None) => None,
    }
}

/// What the user trains with today.
fn baseline(recipe: &Recipe) -> Values {
    let train = &recipe.train;
    Values::from([
        (Placeholder::Lr, train.lr.to_string()),
        (Placeholder::Epochs, train.epochs.to_string()),
        (Placeholder::Batch, train.batch.to_string()),
        (Placeholder::WeightDecay, train.weight_decay.to_string()),
        (Placeholder::Width, recipe.model.width.to_string()),
        (Placeholder::Depth, recipe.model.depth.map_or(String::new(), |depth| depth.to_string())),
        (Placeholder::Precision, train.precisions.first().cloned().unwrap_or_default()),
        (Placeholder::Subset, String::new()),
        (Placeholder::Teacher, String::new()),
        (Placeholder::Init, String::new()),
        (Placeholder::Seed, recipe.search.seed.to_string()),
    ])
}

/// The last value of `metric`, checked.
fn checked(argv: &str, ended: &Ended, metric: &str, values: &Values) -> Result<f64, TaskError> {
    let Some(&value) = ended.reported.last.get(metric) else {
        let text = format!(
            "`{argv}` ended well but reported no `{metric}`: print a line {{\"{metric}\": …}}, write such \
             lines to metrics.jsonl in {{out}}, or say how to find it in `train.metrics`"
        );
        return Err(TaskError::new(TaskErrorKind::NoMetric, text));
    };
    if !value.is_finite() {
        let lr = values.get(&Placeholder::Lr).map_or(String::new(), |lr| format!(" at learning rate {lr}"));
        let step = ended.reported.curve.len();
        let text = format!("`{argv}` reported {value} as {metric} in its report {step}{lr}");
        return Err(TaskError::new(TaskErrorKind::NotANumber, text));
    }
    if metric == "accuracy" && !(0.0..=1.0).contains(&value) {
        let text = format!(
            "`{argv}` reported {value} as accuracy, which is a fraction of 1: divide it by 100, or print a \
             percent sign after it"
        );
        return Err(TaskError::new(TaskErrorKind::NotAFraction, text));
    }
    Ok(value)
}

/// Removes a file or a folder if it is there.
fn remove(path: &Path) -> Result<(), TaskError> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TaskError::file(path, &error)),
        _ => Ok(()),
    }
}

/// A path as a command gets it, which may run in another folder than we do.
fn path(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

fn go_on(_: &Metrics) -> Verdict {
    Verdict::Continue
}

#[cfg(test)]
mod tests;
