//! `joulewise improve`: from a training task to cheaper models at the same quality, and one ledger.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::builder::ValueHint;

use crate::hint::Hint as _;
use crate::recipe::{Budget, Count, Override, Percent, Recipe, Worth};

/// Find cheaper models at the same quality, and account for every joule of finding them
///
/// Trains a baseline, tries every practice that cuts energy on it, and says which of the resulting models hold
/// the baseline's quality, what each cost to find and to make, what it saves, and after how many inferences it
/// has paid for itself. Everything is kept in a run folder, with the models and a report.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Improve {
    /// The recipe, a TOML file; without one, a LeNet learns built-in pictures of digits
    #[arg(value_name = "RECIPE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,

    /// Data: IDX, Parquet or CIFAR-10 files in a folder, or a folder of pictures per class
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: Option<PathBuf>,

    /// The network: mlp, lenet, vgg, resnet8, simple_cnn, simple_cnn_faithful, dense_poly, dense_linear, or an ONNX file
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// Passes over the training data that the baseline makes
    #[arg(long, value_name = "N")]
    pub epochs: Option<NonZero<u32>>,

    /// Largest loss of the metric at which a candidate still holds [default: 1%]
    #[arg(long, value_name = "PERCENT")]
    pub max_drop: Option<Percent>,

    /// The metric that candidates are held to [default: accuracy]
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,

    /// What a gain of the metric is worth over the life, as in "0.1% per 10kJ": names the model that is worth most
    #[arg(long, value_name = "WORTH")]
    pub worth: Option<Worth>,

    /// Inferences over the model's life [default: 1e6]
    #[arg(long, value_name = "COUNT")]
    pub inferences: Option<Count>,

    /// Trainings after the first, over the model's life [default: 1]
    #[arg(long, value_name = "COUNT")]
    pub retrainings: Option<Count>,

    /// What the search may cost: times the baseline's training ("3"), joules ("50kJ") or time ("10min")
    #[arg(long, value_name = "SHARE|J|TIME")]
    pub budget: Option<Budget>,

    /// Longest admitted time of one inference call in milliseconds; `inference` keeps within it [default: none]
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub latency: Option<f64>,

    /// Trainings of the baseline, each with another seed: how far chance alone moves the metric [default: 1]
    #[arg(long, value_name = "N")]
    pub seeds: Option<NonZero<u32>>,

    /// Print the plan with its predicted time and joules, with --json as JSON, and do nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Continue an interrupted run: its id, the start of its id, or @last
    #[arg(long, value_name = "RUN", conflicts_with_all = RECIPE_FLAGS)]
    pub resume: Option<String>,

    /// The folder that run folders are made in
    #[arg(long, value_name = "DIR", default_value = "runs", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,

    /// Write the result to stdout as JSON, the same as result.json in the run folder
    #[arg(long)]
    pub json: bool,

    /// Set any key of the recipe, as in --set train.lr=3e-3
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// The practices to try, separated by commas [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub practices: Option<Vec<String>>,

    /// Leave out pictures that cannot be decoded instead of stopping
    #[arg(long)]
    pub skip_bad: bool,

    /// Threads; the models do not depend on it [default: those of the machine]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZero<u32>>,

    /// Decide by the cost table of another run, its costs.json, to get the same models again
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub costs: Option<PathBuf>,

    /// Stop with an error when an energy source appears or disappears in mid-run
    #[arg(long)]
    pub strict: bool,
}

/// What a run that goes on has in its own recipe.
const RECIPE_FLAGS: [&str; 16] = [
    "file",
    "data",
    "model",
    "epochs",
    "max_drop",
    "metric",
    "worth",
    "inferences",
    "retrainings",
    "budget",
    "latency",
    "seeds",
    "dry_run",
    "set",
    "practices",
    "skip_bad",
];

const EXAMPLES: &str = "\
Examples:
  joulewise improve
  joulewise improve --data path/to/fashion-mnist --max-drop 0.5% --inferences 1e8
  joulewise improve recipe.toml --set train.lr=3e-3 --budget 10min
  joulewise improve recipe.toml --dry-run
  joulewise improve --resume @last";

impl Improve {
    /// The recipe that the arguments ask for: flags over `--set` over the recipe's file over the defaults.
    pub fn recipe(&self) -> Result<Recipe> {
        let mut overrides = self.set.iter().map(|set| Override::parse(set)).collect::<Result<Vec<_>>>()?;
        overrides.extend(self.flags()?);
        Recipe::load(self.file.as_deref(), overrides)
    }

    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        crate::improve::improve(&self)
    }

    /// The flags that are keys of the recipe.
    fn flags(&self) -> Result<impl Iterator<Item = Override>> {
        let text = |value: &dyn ToString| toml::Value::String(value.to_string());
        let whole = |value: NonZero<u32>| toml::Value::Integer(value.get().into());
        let data = self.data.as_ref().map(|path| {
            path.to_str().ok_or_else(|| anyhow!("--data {}: the path is not UTF-8", path.display()))
        });
        let data = data.transpose().hint("a run saves its recipe as text: rename the folder")?;
        let practices = self.practices.as_ref().map(|names| {
            names.iter().filter(|name| !name.is_empty()).map(|name| text(name)).collect::<Vec<_>>().into()
        });
        let flags = [
            ("--data", "data.path", data.map(|path| text(&path))),
            ("--skip-bad", "data.skip_bad", self.skip_bad.then_some(toml::Value::Boolean(true))),
            ("--model", "model.name", self.model.as_ref().map(|name| text(name))),
            ("--epochs", "train.epochs", self.epochs.map(whole)),
            ("--threads", "train.threads", self.threads.map(whole)),
            ("--metric", "goal.metric", self.metric.as_ref().map(|name| text(name))),
            ("--max-drop", "goal.max_drop", self.max_drop.map(|percent| text(&percent))),
            ("--worth", "goal.worth", self.worth.map(|worth| text(&worth))),
            ("--inferences", "goal.inferences", self.inferences.map(|count| text(&count))),
            ("--retrainings", "goal.retrainings", self.retrainings.map(|count| text(&count))),
            ("--budget", "search.budget", self.budget.map(|budget| text(&budget))),
            ("--latency", "goal.latency_ms", self.latency.map(toml::Value::Float)),
            ("--seeds", "search.seeds", self.seeds.map(whole)),
            ("--practices", "search.practices", practices),
        ];
        Ok(flags
            .into_iter()
            .filter_map(|(origin, key, value)| Some(Override { key: key.to_owned(), value: value?, origin })))
    }
}

fn milliseconds(text: &str) -> Result<f64, String> {
    let positive = text.parse().ok().filter(|&ms: &f64| ms > 0.0 && ms.is_finite());
    positive.ok_or_else(|| "expected a number of milliseconds above 0, as in 5 or 0.5".into())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "joulewise improve", term_width = 100)]
    struct Cli {
        #[command(flatten)]
        improve: Improve,
    }

    fn recipe(args: &[&str]) -> Result<Recipe> {
        Cli::try_parse_from([&["improve"], args].concat())?.improve.recipe()
    }

    #[test]
    fn help_shows_every_flag() {
        Cli::command().debug_assert();
        insta::assert_snapshot!(Cli::command().render_long_help());
    }

    #[test]
    fn flags_take_precedence_over_set() {
        let args = ["--epochs", "3", "--set", "train.epochs=9", "--set", "train.lr=3e-3", "--budget", "300%"];
        let recipe = recipe(&args).unwrap();
        assert_eq!((recipe.train.epochs, recipe.train.lr), (3, 3e-3));
        assert_eq!(recipe.search.budget, Budget::Share(3.0));
    }

    #[test]
    fn every_flag_reaches_the_recipe() {
        let args = "--data d --skip-bad --model vgg --epochs 2 --threads 1 --metric accuracy --max-drop 2% \
                    --inferences 5 --retrainings 6 --budget 50kJ --latency 2.5 --seeds 7 --practices tune,prune";
        let mut args = args.split_whitespace().collect::<Vec<_>>();
        args.extend(["--worth", "1% per 1kJ"]);
        let got = recipe(&args).unwrap();
        let mut expected = recipe(&[]).unwrap();
        expected.name = "vgg on d".into();
        expected.data.path = Some(std::env::current_dir().unwrap().join("d"));
        (expected.data.train, expected.data.test, expected.data.skip_bad) = (None, None, true);
        expected.model.name = "vgg".into();
        (expected.train.epochs, expected.train.threads) = (2, 1);
        expected.goal.max_drop = "2%".parse().unwrap();
        expected.goal.worth = Some("1% per 1kJ".parse().unwrap());
        expected.goal.inferences = Count::new(5.0).unwrap();
        expected.goal.retrainings = Count::new(6.0).unwrap();
        expected.goal.latency_ms = Some(2.5);
        expected.search.budget = Budget::Joules(5e4);
        expected.search.seeds = 7;
        expected.search.practices = Some(vec!["tune".into(), "prune".into()]);
        assert_eq!(got, expected);
        // Our own engine has one metric, so another is known by its refusal.
        let refused = recipe(&["--metric", "f1"]).unwrap_err().to_string();
        assert!(refused.starts_with("--metric: `goal.metric` is \"f1\""), "{refused}");
    }

    #[test]
    fn a_flag_that_is_no_quantity_is_a_usage_error() {
        for args in [
            ["--max-drop", "1"],
            ["--worth", "much"],
            ["--budget", "10 parsecs"],
            ["--epochs", "0"],
            ["--latency", "0"],
        ] {
            let error = Cli::try_parse_from([&["improve"], &args[..]].concat()).unwrap_err();
            assert_eq!(error.exit_code(), i32::from(crate::exit::ERROR));
            assert!(error.to_string().contains(args[1]), "{error}");
        }
    }
}
