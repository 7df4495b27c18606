//! The sections of a recipe: their keys, their defaults and what is required of them.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use joulewise_learn::builders;
use joulewise_learn::train::Hyperparameters;
use joulewise_learn::train::optimiser::Family;
use joulewise_learn::train::schedule::Schedule;
use joulewise_tune::Direction;
use serde::Serialize;

use super::document::{Document, did_you_mean};
use super::quantity::{Budget, Count, Percent, Worth};
use super::value::choice;
use crate::hint::Hint as _;
use crate::result::Imported;
use crate::task::metrics::MetricsFrom;
use crate::task::template::{Placeholder, Template};

/// `[data]`: what is learned from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Data {
    /// Folder or file of the data, relative to the recipe; absent: the built-in glyphs.
    pub path: Option<PathBuf>,
    /// Training pictures. For the glyphs how many are drawn, by default 16 000; otherwise how many are used
    /// at most, by default all.
    pub train: Option<usize>,
    /// Test pictures, likewise; by default 4000 glyphs.
    pub test: Option<usize>,
    /// Training pictures that are held out to select with; by default a twentieth of them or 2000, at most an eighth.
    pub select: Option<usize>,
    /// Training pictures that are held out to judge with; by default a tenth of them or 4000, at most a quarter.
    pub judge: Option<usize>,
    /// Leave out pictures that cannot be decoded instead of stopping; default: false.
    pub skip_bad: bool,
    /// For a command that takes `{subset}` and whose data are no folder of pictures: features of the training
    /// examples, a .npy file of float32 `[examples, width]`.
    pub features: Option<PathBuf>,
    /// The classes of those examples, a .npy file of int64 or uint8 `[examples]`; absent: they are all alike.
    pub labels: Option<PathBuf>,
}

/// `[model]`: what is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// The name of a builder, as in `lenet`, or an ONNX file, whose architecture is trained from fresh parameters;
    /// default: `lenet`.
    pub name: String,
    /// Factor on the width of every hidden layer; default: 1. For a command, what `{width}` is today, as in 64.
    pub width: f64,
    /// For a command, what `{depth}` is today, as in 18.
    pub depth: Option<usize>,
}

/// `[train]`: how the baseline is trained. Practices start from these values.
///
/// With `command` the user's own program trains, and every placeholder in it needs its key here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Train {
    /// The user's own training, as in `python train.py --lr {lr} --out {model}`; see [`Template`].
    pub command: Option<String>,
    /// The folder that commands run in; default: that of the recipe.
    pub folder: PathBuf,
    /// Seconds after which a command counts as hung; default: 6 h.
    pub timeout_s: f64,
    /// Where the metrics of commands are found; see [`MetricsFrom`]. Default: found out by looking.
    pub metrics: Option<String>,
    /// Number formats that `{precision}` can be, as in `["fp32", "bf16"]`: today's first, then cheaper ones.
    pub precisions: Vec<String>,
    /// Passes over the training data; default: 6 over the glyphs, 10 over other data.
    pub epochs: usize,
    /// Examples per step; default: 64.
    pub batch: usize,
    /// Peak learning rate; default: 0.05 with `sgd`, 0.002 with `adam` and `adamw`.
    pub lr: f64,
    /// Weight decay; default: 5e-4 with `sgd`, 0 with `adam`, 0.01 with `adamw`.
    pub weight_decay: f64,
    /// Momentum of `sgd`; default: 0.9.
    pub momentum: f64,
    /// Whether `sgd` looks ahead; default: true.
    pub nesterov: bool,
    /// Share of the mean gradient that `adam` and `adamw` keep in a step (β₁); default: 0.9.
    pub beta1: f64,
    /// Share of the mean square of the gradient that they keep (β₂); default: 0.999.
    pub beta2: f64,
    /// What they add to its root (ε); default: 1e-8.
    pub epsilon: f64,
    /// `sgd`, `adam` or `adamw`; default: `sgd`.
    pub optimiser: Family,
    /// `constant`, `step`, `cosine` or `one-cycle`; default: `one-cycle`.
    pub schedule: Schedule,
    /// Share of the steps on which the learning rate rises; default: 0.25.
    pub warmup: f64,
    /// Label smoothing; default: 0.
    pub label_smoothing: f64,
    /// Pixels that pictures are shifted by at random; default: 0.
    pub crop: usize,
    /// Whether pictures are mirrored at random; default: false.
    pub flip: bool,
    /// Threads; default: those that the process may use. The result does not depend on it.
    pub threads: usize,
}

/// `[distil]`: how a model that `train.command` left in `{model}` teaches another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Distil {
    /// As in `python logits.py {model} {teacher}`: writes the model's logits for every training example to
    /// `{teacher}`, a safetensors file whose tensor `logits` `[examples, classes]` has them in the order in which the
    /// training numbers its examples.
    pub command: Option<String>,
}

/// `[eval]`: how a model that `train.command` left in `{model}` is evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Eval {
    /// As in `python eval.py {model}`; absent: the metric that the training printed counts.
    pub command: Option<String>,
}

/// `[deploy]`: how such a model is run, so that an inference can be priced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deploy {
    /// As in `python serve.py {model} --batch {batch}`, which prints `{"inferences": N}` as its last line;
    /// absent: inferences are not priced.
    pub command: Option<String>,
}

/// `[goal]`: what counts as an improvement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Goal {
    /// The metric that candidates are held to; default: `accuracy`.
    pub metric: String,
    /// Whether more of it is better; default: `min` for a metric whose name speaks of a loss or an error.
    pub direction: Direction,
    /// Largest admitted loss of the metric; default: 1 %.
    pub max_drop: Percent,
    /// What a gain of the metric is worth in energy over the model's life, as in "0.1% per 10kJ": makes the knee the
    /// model that is worth most; absent: the knee is where the front bends.
    pub worth: Option<Worth>,
    /// Inferences over the model's life; default: a million.
    pub inferences: Count,
    /// Trainings after the first; default: 1.
    pub retrainings: Count,
    /// Largest admitted latency of a batch, in milliseconds; default: none.
    pub latency_ms: Option<f64>,
    /// Batch size at which inference is priced; default: 64.
    pub batch: usize,
}

/// `[search]`: what may be tried and what it may cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Search {
    /// What all practices together may cost: a share of the baseline's training, joules or a time; default: 5
    /// trainings.
    pub budget: Budget,
    /// Trainings of the baseline, each with another seed, to show how far chance moves the metric; default: 1.
    pub seeds: usize,
    /// Keys all randomness; default: 1.
    pub seed: u64,
    /// The practices to try; absent: all.
    pub practices: Option<Vec<String>>,
}

/// `[transfer]`: what the practice of that name starts from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Transfer {
    /// An ONNX file with a trained network or, for a command task, the file that `{init}` stands for; absent: a
    /// trunk that is trained for this, where there is one.
    pub trunk: Option<PathBuf>,
    /// What training it has cost, in joules, if that is known; all of it is charged to who starts from it.
    pub trunk_j: Option<f64>,
}

choice!(Family { "sgd" => Sgd, "adam" => Adam, "adamw" => AdamW });
choice!(Schedule { "constant" => Constant, "step" => Step, "cosine" => Cosine, "one-cycle" => OneCycle });
choice!(Direction { "max" => Max, "min" => Min });

impl Data {
    pub(super) fn read(document: &mut Document) -> Result<Self> {
        let mut data = Self {
            path: None,
            train: None,
            test: None,
            select: None,
            judge: None,
            skip_bad: false,
            features: None,
            labels: None,
        };
        document.read("data.path", &mut data.path)?;
        if let Some(path) = &mut data.path {
            *path = absolute(&document.folder_of("data.path").join(&*path))?;
        } else {
            (data.train, data.test) = (Some(16_000), Some(4_000));
        }
        document.read("data.train", &mut data.train)?;
        document.read("data.test", &mut data.test)?;
        document.read("data.select", &mut data.select)?;
        document.read("data.judge", &mut data.judge)?;
        document.read("data.skip_bad", &mut data.skip_bad)?;
        document.read("data.features", &mut data.features)?;
        document.read("data.labels", &mut data.labels)?;
        for (key, path) in [("data.features", &mut data.features), ("data.labels", &mut data.labels)] {
            if let Some(path) = path {
                *path = absolute(&document.folder_of(key).join(&*path))?;
            }
        }
        document.require("data.labels", data.features.is_some(), "given with `data.features`")?;
        document.require("data.train", data.train != Some(0), AT_LEAST_ONE)?;
        document.require("data.test", data.test != Some(0), AT_LEAST_ONE)?;
        document.require("data.select", data.select != Some(0), AT_LEAST_ONE)?;
        document.require("data.judge", data.judge != Some(0), AT_LEAST_ONE)?;
        Ok(data)
    }
}

impl Model {
    pub(super) fn read(document: &mut Document) -> Result<Self> {
        let mut model = Self { name: "lenet".into(), width: 1.0, depth: None };
        document.read("model.name", &mut model.name)?;
        document.read("model.width", &mut model.width)?;
        document.read("model.depth", &mut model.depth)?;
        document.require("model.width", model.width > 0.0, ABOVE_ZERO)?;
        document.require("model.depth", model.depth != Some(0), AT_LEAST_ONE)?;
        if let Some(file) = model.file() {
            let path = absolute(&document.folder_of("model.name").join(file))?;
            model.name = path.to_string_lossy().into_owned();
        }
        Ok(model)
    }

    /// The ONNX file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        Some(Path::new(&self.name)).filter(|path| path.extension().is_some_and(|e| e == "onnx"))
    }

    /// Requires a network that our engine can train.
    pub(super) fn require_known(&self, document: &Document) -> Result<()> {
        let expected = format!("one of {}, or a file that ends in .onnx", builders::NAMES.join(", "));
        let known = self.file().is_some() || builders::NAMES.contains(&self.name.as_str());
        let required = document.require("model.name", known, &expected);
        match did_you_mean(&self.name, builders::NAMES) {
            Some(name) => required.hint(format!("did you mean `{name}`?")),
            None => required,
        }
    }
}

impl Train {
    pub(super) fn read(document: &mut Document) -> Result<Self> {
        let mut optimiser = Family::Sgd;
        document.read("train.optimiser", &mut optimiser)?;
        let (lr, weight_decay) = match optimiser {
            Family::Sgd => (0.05, 5e-4),
            Family::Adam => (0.002, 0.0),
            Family::AdamW => (0.002, 0.01),
        };
        let mut train = Self {
            command: None,
            folder: PathBuf::new(),
            timeout_s: 6.0 * 3600.0,
            metrics: None,
            precisions: Vec::new(),
            epochs: if document.has("data.path") || document.has("train.command") { 10 } else { 6 },
            batch: 64,
            lr,
            weight_decay,
            momentum: 0.9,
            nesterov: true,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            optimiser,
            schedule: Schedule::OneCycle,
            warmup: 0.25,
            label_smoothing: 0.0,
            crop: 0,
            flip: false,
            threads: thread::available_parallelism().map_or(1, NonZero::get),
        };
        document.read("train.epochs", &mut train.epochs)?;
        document.read("train.batch", &mut train.batch)?;
        document.read("train.lr", &mut train.lr)?;
        document.read("train.weight_decay", &mut train.weight_decay)?;
        document.read("train.momentum", &mut train.momentum)?;
        document.read("train.nesterov", &mut train.nesterov)?;
        document.read("train.beta1", &mut train.beta1)?;
        document.read("train.beta2", &mut train.beta2)?;
        document.read("train.epsilon", &mut train.epsilon)?;
        document.read("train.schedule", &mut train.schedule)?;
        document.read("train.warmup", &mut train.warmup)?;
        document.read("train.label_smoothing", &mut train.label_smoothing)?;
        document.read("train.crop", &mut train.crop)?;
        document.read("train.flip", &mut train.flip)?;
        document.read("train.threads", &mut train.threads)?;
        document.require("train.epochs", train.epochs > 0, AT_LEAST_ONE)?;
        document.require("train.batch", train.batch > 0, AT_LEAST_ONE)?;
        document.require("train.lr", train.lr > 0.0, ABOVE_ZERO)?;
        document.require("train.weight_decay", train.weight_decay >= 0.0, "a number that is not negative")?;
        document.require("train.momentum", (0.0..1.0).contains(&train.momentum), BELOW_ONE)?;
        document.require("train.beta1", (0.0..1.0).contains(&train.beta1), BELOW_ONE)?;
        document.require("train.beta2", (0.0..1.0).contains(&train.beta2), BELOW_ONE)?;
        document.require("train.epsilon", train.epsilon > 0.0, ABOVE_ZERO)?;
        document.require("train.warmup", (0.0..1.0).contains(&train.warmup), BELOW_ONE)?;
        document.require("train.label_smoothing", (0.0..1.0).contains(&train.label_smoothing), BELOW_ONE)?;
        document.require("train.threads", train.threads > 0, AT_LEAST_ONE)?;
        train.read_commands(document)?;
        Ok(train)
    }

    /// What our engine trains with; `seed` keys the order of the examples, their augmentation and dropout.
    pub fn hyperparameters(&self, seed: u64) -> Hyperparameters {
        Hyperparameters {
            epochs: self.epochs,
            batch: self.batch,
            lr: self.lr,
            weight_decay: self.weight_decay,
            momentum: self.momentum,
            nesterov: self.nesterov,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            optimiser: self.optimiser,
            schedule: self.schedule,
            warmup: self.warmup,
            label_smoothing: self.label_smoothing,
            crop: self.crop,
            flip: self.flip,
            seed,
        }
    }

    fn read_commands(&mut self, document: &mut Document) -> Result<()> {
        document.read("train.command", &mut self.command)?;
        document.read("train.folder", &mut self.folder)?;
        document.read("train.timeout_s", &mut self.timeout_s)?;
        document.read("train.metrics", &mut self.metrics)?;
        document.read("train.precisions", &mut self.precisions)?;
        let timeout = 0.0 < self.timeout_s && self.timeout_s < 1e9;
        document.require("train.timeout_s", timeout, "a number of seconds above 0")?;
        self.folder = absolute(&document.folder_of("train.folder").join(&self.folder))?;
        if let Some(metrics) = &self.metrics {
            MetricsFrom::parse(metrics).with_context(|| format!("{}: `train.metrics`", document.name()))?;
        }
        let Some(template) = template(document, "train.command", self.command.as_deref())? else {
            return Ok(());
        };
        for (placeholder, key) in [
            (Placeholder::Lr, "train.lr"),
            (Placeholder::Epochs, "train.epochs"),
            (Placeholder::Batch, "train.batch"),
            (Placeholder::WeightDecay, "train.weight_decay"),
            (Placeholder::Depth, "model.depth"),
            (Placeholder::Precision, "train.precisions"),
        ] {
            // Our defaults suit our engine; on somebody else's training they would be a poor baseline to beat.
            if template.placeholders().contains(&placeholder) && !document.has(key) {
                return Err(anyhow!(
                    "{}: the command uses {placeholder}, but `{key}` is not given",
                    document.name()
                ))
                .hint(format!("give `{key}` the value that your training uses today"));
            }
        }
        Ok(())
    }
}

impl Distil {
    pub(super) fn read(document: &mut Document) -> Result<Self> {
        let mut distil = Self::default();
        document.read("distil.command", &mut distil.command)?;
        let template = template(document, "distil.command", distil.command.as_deref())?;
        for needed in [Placeholder::Model, Placeholder::Teacher] {
            let has = template.as_ref().is_none_or(|template| template.placeholders().contains(&needed));
            document.require("distil.command", has, &format!("a command with {needed}"))?;
        }
        Ok(distil)
    }
}

impl Eval {
    pub(super) fn read(document: &mut Document) -> Result<Self> {
        let mut eval = Self::default();
        document.read("eval.command", &mut eval.command)?;
        template(document, "eval.command", eval.command.as_deref())?;
        Ok(eval)
    }
}

impl Deploy {
    pub(super) fn read(document: &mut Document) -> Result<Self> {
        let mut deploy = Self::default();
        document.read("deploy.command", &mut deploy.command)?;
        template(document, "deploy.command", deploy.command.as_deref())?;
        Ok(deploy)
    }
}

impl Goal {
    pub(super) fn read(document: &mut Document) -> Result<Self> {
        let mut metric = "accuracy".to_owned();
        document.read("goal.metric", &mut metric)?;
        let mut goal = Self {
            direction: direction_of(&metric),
            metric,
            max_drop: "1%".parse()?,
            worth: None,
            inferences: Count::new(1e6)?,
            retrainings: Count::new(1.0)?,
            latency_ms: None,
            batch: 64,
        };
        document.read("goal.direction", &mut goal.direction)?;
        document.read("goal.max_drop", &mut goal.max_drop)?;
        document.read("goal.worth", &mut goal.worth)?;
        document.read("goal.inferences", &mut goal.inferences)?;
        document.read("goal.retrainings", &mut goal.retrainings)?;
        document.read("goal.latency_ms", &mut goal.latency_ms)?;
        document.read("goal.batch", &mut goal.batch)?;
        document.require("goal.metric", !goal.metric.is_empty(), "the name of a metric")?;
        document.require("goal.latency_ms", goal.latency_ms.is_none_or(|ms| ms > 0.0), ABOVE_ZERO)?;
        document.require("goal.batch", goal.batch > 0, AT_LEAST_ONE)?;
        Ok(goal)
    }

    /// Requires a metric that our engine evaluates.
    pub(super) fn require_known(&self, document: &Document) -> Result<()> {
        let expected = "\"accuracy\", the one metric of our own engine";
        let hint = "leave it out, or give `train.command`: your own training is held to whatever it reports";
        document.require("goal.metric", self.metric == "accuracy", expected).hint(hint)?;
        document
            .require("goal.direction", self.direction == Direction::Max, "\"max\" for accuracy")
            .hint(hint)
    }
}

impl Transfer {
    pub(super) fn read(document: &mut Document) -> Result<Self> {
        let mut transfer = Self::default();
        document.read("transfer.trunk", &mut transfer.trunk)?;
        document.read("transfer.trunk_j", &mut transfer.trunk_j)?;
        if let Some(trunk) = &mut transfer.trunk {
            *trunk = absolute(&document.folder_of("transfer.trunk").join(&*trunk))?;
        }
        document.require("transfer.trunk_j", transfer.trunk.is_some(), "given with `transfer.trunk`")?;
        document.require(
            "transfer.trunk_j",
            transfer.trunk_j.is_none_or(|j| j >= 0.0),
            "a number of joules",
        )?;
        Ok(transfer)
    }

    /// The trunk as candidates that start from it name it.
    pub fn imported(&self) -> Option<Imported> {
        let file = self.trunk.clone()?;
        Some(Imported { file, energy_j: self.trunk_j })
    }
}

impl Search {
    pub(super) fn read(document: &mut Document) -> Result<Self> {
        let mut search = Self { budget: Budget::Share(5.0), seeds: 1, seed: 1, practices: None };
        document.read("search.budget", &mut search.budget)?;
        document.read("search.seeds", &mut search.seeds)?;
        document.read("search.seed", &mut search.seed)?;
        document.read("search.practices", &mut search.practices)?;
        document.require("search.seeds", search.seeds > 0, AT_LEAST_ONE)?;
        let some = search.practices.as_ref().is_none_or(|names| !names.is_empty());
        document
            .require("search.practices", some, "the name of at least one practice")
            .hint("leave it out to try them all; `joulewise practice` lists them")?;
        // TOML's integers are signed.
        document.require("search.seed", i64::try_from(search.seed).is_ok(), "a whole number below 2^63")?;
        Ok(search)
    }

    /// Requires that a training repeated with other seeds is another training.
    pub(super) fn require_seeds(&self, train: &Train, document: &Document) -> Result<()> {
        let Some(command) = template(document, "train.command", train.command.as_deref())? else {
            return Ok(());
        };
        let differs = self.seeds == 1 || command.placeholders().contains(&Placeholder::Seed);
        document
            .require(
                "search.seeds",
                differs,
                "1, because the command has no {seed} and would be repeated as it is",
            )
            .hint("put {seed} where the command takes its seed, as in --seed {seed}")
    }
}

/// Which way a metric improves, by its name.
fn direction_of(metric: &str) -> Direction {
    let metric = metric.to_lowercase();
    let lower = ["loss", "error", "perplexity", "nll", "mse", "mae", "latency"];
    if lower.iter().any(|word| metric.contains(word)) { Direction::Min } else { Direction::Max }
}

const AT_LEAST_ONE: &str = "a whole number of at least 1";
const ABOVE_ZERO: &str = "a number above 0";
const BELOW_ONE: &str = "a number from 0 to below 1";

/// Saved recipes are read from another folder than the one that a relative path was written in.
fn absolute(path: &Path) -> Result<PathBuf> {
    // An empty path is the current folder to everybody but the system.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let path = std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))?;
    if path.to_str().is_none() {
        bail!("the path {} is not UTF-8, which a recipe has to be", path.display());
    }
    Ok(path)
}

fn template(document: &Document, key: &str, command: Option<&str>) -> Result<Option<Template>> {
    let parse = |command| Template::parse(command).with_context(|| format!("{}: `{key}`", document.name()));
    command.map(parse).transpose()
}
