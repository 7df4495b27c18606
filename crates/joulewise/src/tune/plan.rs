//! What a study searches, how, and how far: its file with every default filled in.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use joulewise_tune::storage::Definition;
use joulewise_tune::{Direction, Objectives, Space};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::sampler::{Sampler, SamplerName};
use super::stopper::{Stopper, StopperName};
use super::worker::Study;
use super::workshop::Workshop;
use super::{command, configspace, objective, parameters, wandb};
use crate::hint::{Hint as _, Hinted};
use crate::recipe::did_you_mean;
use crate::recipe::quantity::{Worth, duration, energy_j};
use crate::report::quantity;
use crate::task::template;

/// Everything that the trials of a study depend on; kept with the study, so that a worker needs nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What the study is called.
    pub name: String,
    /// What a trial runs.
    pub trial: Work,
    /// What is wanted, the most important first.
    pub objectives: Objectives,
    /// What is searched.
    pub space: Space,
    /// Keys all randomness of the search.
    pub seed: u64,
    /// Where to look next.
    pub sampler: Sampler,
    /// When a trial is not worth going on.
    pub stopper: Option<Stopper>,
    /// When the search ends.
    pub limits: Limits,
    /// Whether the same point may give another value, so that trying it again teaches something.
    pub noisy: bool,
}

/// What is needed of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// That its trials can be run here.
    Work,
    /// That it can be searched; somebody else evaluates the trials.
    Space,
}

/// What a trial runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// A command of the user's.
    Command {
        /// Its words, with placeholders.
        words: Vec<String>,
        /// Where it runs.
        folder: PathBuf,
        /// Where its metrics are; see [`crate::task::metrics::MetricsFrom`].
        metrics: Option<String>,
        /// After so many seconds a trial counts as hung.
        timeout_s: f64,
    },
    /// A training of our own: this recipe with the parameters as its keys.
    Recipe {
        /// The recipe's file; the default recipe without one.
        file: Option<PathBuf>,
        /// The folder or file of the data, if not those of the recipe.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<PathBuf>,
    },
}

/// When a search ends; whatever comes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Trials in all.
    pub trials: Option<u64>,
    /// Joules of all trials.
    pub energy_j: Option<f64>,
    /// Wall time from the start of this command, in seconds.
    pub wall_s: Option<f64>,
    /// The search ends when a trial that keeps the bounds is as good as this in the first objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// What a unit of the first objective is worth, in joules: the search ends when no trial is expected to be
    /// worth its joules.
    pub worth_j: Option<f64>,
    /// How often a trial whose worker went silent is run again.
    pub retries: u32,
}

/// What a file has to be, for mistakes that nothing better can be said of.
const FORM: &str = "a study is TOML with lines as in command = \"python train.py --lr {lr}\" and objectives = [\"max accuracy\"], and below [parameters] as in lr = { low = 1e-5, high = 0.1, log = true }";

/// Trials that are run where nothing else ends the search.
const TRIALS: u64 = 64;
const TIMEOUT_S: f64 = 24.0 * 3600.0;

impl Plan {
    /// Reads a study's file: our TOML, a Weights & Biases sweep (YAML) or a ConfigSpace (JSON), by its extension.
    pub fn load(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the study {}", file.display()))
            .hint("a study is a TOML file, a sweep in YAML or a ConfigSpace in JSON")?;
        let folder = match file.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let name =
            file.file_stem().map_or_else(|| "study".into(), |stem| stem.to_string_lossy().into_owned());
        let plan = match file.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => wandb::read(&text, &name, &folder).or_hint(wandb::FORM),
            Some("json") => configspace::read(&text, &name, &folder).or_hint(configspace::FORM),
            _ => read(&text, &name, &folder).or_hint(FORM),
        };
        plan.and_then(|plan| command::check_names(&plan.space).map(|()| plan))
            .with_context(|| file.display().to_string())
    }

    /// A plan to search `space`, everything else being the default.
    pub(super) fn new(name: &str, folder: &Path, objectives: Objectives, space: Space) -> Self {
        Self {
            name: name.to_owned(),
            trial: Work::Command {
                words: Vec::new(),
                folder: folder.to_owned(),
                metrics: None,
                timeout_s: TIMEOUT_S,
            },
            objectives,
            space,
            seed: 0,
            sampler: Sampler::default(),
            stopper: None,
            limits: Limits { trials: None, retries: 1, ..Limits::default() },
            noisy: false,
        }
    }

    /// Takes the command that a trial runs from the command line.
    pub fn run(&mut self, command: &[String]) {
        if let Work::Command { words, .. } = &mut self.trial {
            *words = command.to_vec();
        } else {
            let new = Self::new(&self.name, Path::new("."), self.objectives.clone(), self.space.clone());
            self.trial = new.trial;
            self.run(command);
        }
    }

    /// Takes the data of a recipe's trainings from the command line.
    pub fn learn_from(&mut self, path: &Path) -> Result<()> {
        let Work::Recipe { data, .. } = &mut self.trial else {
            return Err(anyhow!("--data is for trainings of our own, and this study runs a command"))
                .hint("write the path of the data into the command");
        };
        *data =
            Some(std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))?);
        Ok(())
    }

    /// Ends a trial after that time, as in `10min`.
    pub fn time_out(&mut self, text: &str) -> Result<()> {
        let time = duration(text)
            .ok_or_else(|| anyhow!("`{text}` is no time"))
            .hint("write a number and a unit, as in \"90s\", \"10min\" or \"2h\"")?;
        match &mut self.trial {
            Work::Command { timeout_s, .. } => *timeout_s = time.as_secs_f64(),
            Work::Recipe { .. } => return Err(for_commands()),
        }
        Ok(())
    }

    /// Takes metrics from there: see [`crate::task::metrics::MetricsFrom`].
    pub fn read_metrics(&mut self, from: &str) -> Result<()> {
        match &mut self.trial {
            Work::Command { metrics, .. } => *metrics = Some(from.to_owned()),
            Work::Recipe { .. } => return Err(for_commands()),
        }
        Ok(())
    }

    /// Ends trials by the stopper that `text` says as a study's file does: by its name, which keeps what the study says of
    /// its stopper besides, or as a table.
    pub fn stop_by(&mut self, text: &str) -> Result<()> {
        let value = if text.trim_start().starts_with('{') {
            let parsed = toml::from_str::<toml::Table>(&format!("stopper = {text}"));
            let mut table = parsed.map_err(|error| anyhow!("{}", error.message().replace('\n', ", ")))?;
            table.remove("stopper").unwrap_or_else(|| toml::Value::Table(toml::Table::new()))
        } else {
            toml::Value::String(text.to_owned())
        };
        let is_name = value.is_str();
        let new: Stopper = named("stopper", value, &names::<StopperName>())?;
        self.stopper = Some(match self.stopper.take().filter(|_| is_name) {
            Some(old) => Stopper { name: new.name, ..old },
            None => new,
        });
        Ok(())
    }

    /// Fills in what nobody said, and refuses what cannot be run.
    pub fn finish(mut self, needs: Needs) -> Result<Self> {
        if needs == Needs::Work {
            self.check_work()?;
        }
        if self.limits.worth_j.is_some() && self.sampler.name != SamplerName::Gp {
            return Err(anyhow!("only the sampler `gp` knows what a trial is expected to gain"))
                .hint("add --sampler gp, or give a budget instead of a worth");
        }
        if self.space.parameters().next().is_none() {
            return Err(anyhow!("the study has no parameters"))
                .hint("write them into its file, as in `[parameters]` and `lr = { low = 1e-5, high = 0.1, log = true }`");
        }
        if self.limits.trials == Some(0) {
            return Err(anyhow!("a study of 0 trials finds nothing"))
                .hint("write how many trials there are at most");
        }
        if self.limits.target.is_some_and(|target| !target.is_finite()) {
            return Err(anyhow!("the target is not a number"))
                .hint("write the value of the first objective at which the search ends");
        }
        self.sampler.check(&self)?;
        self.stopper.as_ref().map(|stopper| stopper.build(&self)).transpose()?;
        let limits = &mut self.limits;
        // Who evaluates trials by hand says when it is enough by asking for no more.
        if needs == Needs::Work
            && limits.trials.is_none()
            && limits.energy_j.is_none()
            && limits.wall_s.is_none()
        {
            limits.trials = Some(match self.sampler.name {
                SamplerName::Grid => u64::MAX,
                _ => TRIALS,
            });
        }
        Ok(self)
    }

    fn check_work(&mut self) -> Result<()> {
        if let Work::Command { words, folder, .. } = &mut self.trial {
            if words.is_empty() {
                return Err(anyhow!("the study says nothing that a trial could run")).hint(
                    "write `command` into its file, or put it behind --, as in -- python train.py --lr {lr}",
                );
            }
            *folder = folder
                .canonicalize()
                .with_context(|| format!("cannot open the folder {}", folder.display()))?;
        }
        Workshop::of(self).map(|_| ())
    }
}

fn for_commands() -> anyhow::Error {
    let error = anyhow!("that is for commands, and the trials of this study are trainings of our own");
    Hinted::new(error, "leave it out: they report by themselves").into()
}

impl Plan {
    /// What the study is, for its storage.
    pub fn definition(&self) -> Result<Definition> {
        let sampler = serde_json::to_value(self.sampler.name)?;
        let sampler = sampler.as_str().unwrap_or_default();
        let mut definition = Definition::new(self.space.clone(), self.objectives.clone(), self.seed, sampler);
        definition.settings = serde_json::to_value(self)?;
        definition.exact = self.sampler.name == SamplerName::Grid;
        definition.retries = self.limits.retries;
        Ok(definition)
    }

    /// The plan of a study that is there.
    pub fn of(definition: &Definition, name: &str) -> Result<Self> {
        if definition.settings.is_null() {
            // It was brought from another tool: there are trials, and nothing that could run more.
            let mut plan =
                Self::new(name, Path::new("."), definition.objectives.clone(), definition.space.clone());
            plan.seed = definition.seed;
            return Ok(plan);
        }
        serde_json::from_value(definition.settings.clone())
            .with_context(|| format!("the plan of study `{name}` cannot be read"))
    }

    /// What keeps this from being the plan of a study that is there; limits, and when a trial counts as hung, may change from
    /// day to day.
    pub fn difference(&self, there: &Self) -> Option<&'static str> {
        let parts = [
            ("space", self.space != there.space),
            ("list of objectives", self.objectives != there.objectives),
            ("command", self.trial.command() != there.trial.command()),
            ("way of reading metrics", self.trial.metrics() != there.trial.metrics()),
            ("recipe", self.trial.recipe() != there.trial.recipe()),
            ("data", self.trial.data() != there.trial.data()),
            ("seed", self.seed != there.seed),
            ("sampler", self.sampler != there.sampler),
            ("stopper", self.stopper != there.stopper),
            ("noise", self.noisy != there.noisy),
        ];
        parts.into_iter().find(|(_, differs)| *differs).map(|(what, _)| what)
    }

    /// Which sampler it is and why, where nobody has chosen one for `study`.
    pub fn reason(&self, study: &Study) -> Option<String> {
        // What was brought from another tool was searched by that.
        if study.definition().settings.is_null() { None } else { self.sampler.reason(self) }
    }

    /// What is searched and how, in a line.
    pub fn described(&self) -> String {
        let names: Vec<&str> = self.space.parameters().map(|(name, _)| name).collect();
        let goals: Vec<String> = self.objectives.iter().map(objective::text).collect();
        let mut limits = Vec::new();
        let trials = self.limits.trials.filter(|n| *n < u64::MAX);
        limits.extend(trials.map(|n| quantity::plural(n as usize, "trial")));
        limits.extend(self.limits.energy_j.map(|joules| format!("at most {}", quantity::joules(joules))));
        limits.extend(self.limits.wall_s.map(|seconds| format!("at most {}", quantity::seconds(seconds))));
        let first = self.objectives.iter().find(|objective| objective.goal.direction().is_some());
        limits.extend(
            self.limits.target.zip(first).map(|(to, first)| format!("until {} is {to}", first.metric)),
        );
        let limits = if limits.is_empty() { String::new() } else { format!("; {}", limits.join(", ")) };
        format!("{} over {}{limits}", goals.join(", "), names.join(", "))
    }
}

impl Work {
    fn command(&self) -> Option<(&[String], &Path)> {
        match self {
            Self::Command { words, folder, .. } => Some((words, folder)),
            Self::Recipe { .. } => None,
        }
    }

    fn metrics(&self) -> Option<&str> {
        match self {
            Self::Command { metrics, .. } => metrics.as_deref(),
            Self::Recipe { .. } => None,
        }
    }

    fn recipe(&self) -> Option<&Path> {
        match self {
            Self::Recipe { file, .. } => file.as_deref(),
            Self::Command { .. } => None,
        }
    }

    fn data(&self) -> Option<&Path> {
        match self {
            Self::Recipe { data, .. } => data.as_deref(),
            Self::Command { .. } => None,
        }
    }
}

impl Limits {
    /// Those that the study keeps by itself.
    pub fn of_study(&self) -> joulewise_tune::Limits {
        joulewise_tune::Limits { trials: self.trials, cost: self.energy_j }
    }

    /// Whether a trial has come to the target.
    pub fn is_reached(&self, study: &Study) -> bool {
        let value = || {
            let best = study.best()?.outcome()?;
            let mut pairs = study.objectives().iter().zip(&best.values);
            pairs.find_map(|(objective, value)| Some((objective.goal.direction()?, *value)))
        };
        self.target.is_some_and(|target| match value() {
            Some((Direction::Max, value)) => value >= target,
            Some((Direction::Min, value)) => value <= target,
            None => false,
        })
    }

    /// Joules, as in `50kJ`, or a time, as in `10min`.
    pub fn spend(&mut self, budget: &str) -> Result<()> {
        match (energy_j(budget), duration(budget)) {
            (Some(joules), _) => self.energy_j = Some(joules),
            (None, Some(time)) => self.wall_s = Some(time.as_secs_f64()),
            (None, None) => {
                return Err(anyhow!("`{budget}` is neither joules nor a time"))
                    .hint("write a budget as \"50kJ\" or \"10min\"; the number of trials is `trials`");
            }
        }
        Ok(())
    }

    /// What a gain of the first objective is worth, as in `0.1% per 10kJ`.
    pub fn value(&mut self, worth: &str) -> Result<()> {
        let parsed =
            worth.parse::<Worth>().map_err(|_| anyhow!("`{worth}` is no worth of the metric in energy"));
        let worth =
            parsed.hint("write how much of it is worth how many joules, as in \"0.1% per 10kJ\"")?.stated();
        self.worth_j = Some(worth.energy_j / worth.gain);
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    name: Option<String>,
    command: Option<String>,
    recipe: Option<PathBuf>,
    metrics: Option<String>,
    timeout: Option<String>,
    #[serde(default)]
    objectives: Vec<String>,
    #[serde(default)]
    parameters: toml::Table,
    #[serde(default)]
    constraints: Vec<String>,
    #[serde(default)]
    seed: u64,
    sampler: Option<toml::Value>,
    stopper: Option<toml::Value>,
    trials: Option<u64>,
    target: Option<f64>,
    budget: Option<String>,
    worth: Option<String>,
    retries: Option<u32>,
    #[serde(default)]
    noisy: bool,
}

/// A sampler or a stopper, which `known` lists by name: a table, or only the name in it.
fn named<T: DeserializeOwned>(key: &str, value: toml::Value, known: &[String]) -> Result<T> {
    let table = match value {
        toml::Value::String(name) => toml::Table::from_iter([("name".to_owned(), name.into())]),
        toml::Value::Table(table) => table,
        _ => {
            return Err(anyhow!("`{key}` is neither a name nor a table"))
                .hint(format!("write a name, as in {key} = \"{}\", or {{ name = \"{0}\" }}", known[0]));
        }
    };
    match table.get("name") {
        Some(toml::Value::String(name)) if known.contains(name) => {}
        Some(toml::Value::String(name)) => {
            let hint = match did_you_mean(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", known.join(", ")),
            };
            return Err(anyhow!("there is no {key} `{name}`")).hint(hint);
        }
        _ => return Err(anyhow!("`{key}` has no name")).hint(format!("there are {}", known.join(", "))),
    }
    table.try_into().map_err(|error: toml::de::Error| {
        // In a table that has been read already, its message names the key and nothing else does.
        let text = error.to_string();
        let inner = text.lines().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
        misread(&error, &inner.map_or_else(|| format!("`{key}`"), |inner| format!("`{key}.{inner}`")))
    })
}

/// What is expected, in words of the code and in those of users, and how that is written.
const KINDS: [(&str, &str, &str); 7] = [
    ("expected f64", "expected a number", NUMBER),
    ("expected u64", "expected a whole number", WHOLE),
    ("expected u32", "expected a whole number", WHOLE),
    ("expected a boolean", "expected true or false", "write true or false without quotes"),
    ("expected a string", "expected a text", "write it in quotes, as in \"10min\""),
    ("expected a sequence", "expected a list", "write a list, as in objectives = [\"max accuracy\"]"),
    (
        "expected a map",
        "expected a table",
        "write a table, as in { low = 0.0, high = 0.5 }, or below [parameters]",
    ),
];
const NUMBER: &str = "write a number without quotes, as in 0.95";
const WHOLE: &str = "write a whole number without quotes, as in 27";

/// What keeps a file from being read, at some place in it.
fn misread(error: &toml::de::Error, place: &str) -> anyhow::Error {
    let message = error.message().replace('\n', ", ");
    let kind = KINDS.iter().find_map(|(code, ours, hint)| Some((message.strip_suffix(code)?, ours, hint)));
    if let Some((found, ours, hint)) = kind {
        return Hinted::new(anyhow!("{place}: {found}{ours}"), hint).into();
    }
    if message.starts_with("duplicate key") {
        return Hinted::new(anyhow!("{place}: {message}"), "write each key once").into();
    }
    // Serde lists what it knows, which is more than a reader wants to compare.
    let mut quoted = message.split('`').skip(1).step_by(2);
    let what = [("unknown field", "unknown key", "keys"), ("unknown variant", "there is no", "words")];
    let what = what.into_iter().find(|(code, ..)| message.starts_with(code));
    let Some(((_, problem, all), unknown)) = what.zip(quoted.next()) else {
        return anyhow!("{place}: {message}");
    };
    let known: Vec<&str> = quoted.collect();
    let hint = match did_you_mean(unknown, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the {all} are {}", known.join(", ")),
    };
    Hinted::new(anyhow!("{place}: {problem} `{unknown}`"), hint).into()
}

/// What the variants of `T` are called.
fn names<T: clap::ValueEnum>() -> Vec<String> {
    let names = T::value_variants().iter().filter_map(clap::ValueEnum::to_possible_value);
    names.map(|name| name.get_name().to_owned()).collect()
}

fn read(text: &str, name: &str, folder: &Path) -> Result<Plan> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        misread(&error, &format!("line {line}"))
    })?;
    let constraints = file.constraints.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let space = Space::build(parameters::read(&file.parameters)?, constraints)?;
    let objectives = if file.objectives.is_empty() {
        return Err(anyhow!("the study has no objectives")).hint("write `objectives = [\"max accuracy\"]`");
    } else {
        objective::read(&file.objectives)?
    };
    let mut plan = Plan::new(file.name.as_deref().unwrap_or(name), folder, objectives, space);
    plan.seed = file.seed;
    plan.noisy = file.noisy;
    if let Some(stopper) = file.stopper {
        plan.stopper = Some(named("stopper", stopper, &names::<StopperName>())?);
    }
    if let Some(sampler) = file.sampler {
        plan.sampler = named("sampler", sampler, &names::<SamplerName>())?;
    }
    plan.limits.trials = file.trials;
    plan.limits.target = file.target;
    plan.limits.retries = file.retries.unwrap_or(plan.limits.retries);
    if let Some(budget) = &file.budget {
        plan.limits.spend(budget)?;
    }
    if let Some(worth) = &file.worth {
        plan.limits.value(worth)?;
    }
    match (file.command, file.recipe) {
        (Some(_), Some(_)) => {
            return Err(anyhow!("the study has both a `command` and a `recipe`"))
                .hint("leave out what its trials do not run");
        }
        (None, Some(recipe)) => plan.trial = Work::Recipe { file: Some(folder.join(recipe)), data: None },
        (command, None) => {
            if let Work::Command { words, metrics, .. } = &mut plan.trial {
                *words = command.map(|command| template::split(&command)).transpose()?.unwrap_or_default();
                *metrics = file.metrics;
            }
            if let Some(timeout) = &file.timeout {
                plan.time_out(timeout).context("`timeout`")?;
            }
        }
    }
    Ok(plan)
}
