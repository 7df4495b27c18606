//! `joulewise data select`: a part of the training data that stands for the whole.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use joulewise_meter::{Energy, Session, cpu_time_s};
use serde::Serialize;

use crate::exit;
use crate::hint::Hint as _;
use crate::recipe::Percent;
use crate::selection::{Method, Source};

/// Find out which training data a training can do without
#[derive(Clone, Debug, clap::Args)]
pub struct Data {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with data.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Action {
    /// Leave out duplicates and select a part of the rest; its numbers are written as an array for numpy.load
    Select(Select),
}

/// What to select, from what and how.
#[derive(Clone, Debug, clap::Args)]
pub struct Select {
    /// A folder or file of pictures: IDX, Parquet, CIFAR-10, or a folder for each class
    #[arg(required_unless_present = "features", conflicts_with = "features")]
    pub path: Option<PathBuf>,
    /// Features of the examples instead, float32 [examples, width]
    #[arg(long, value_name = "X.npy")]
    pub features: Option<PathBuf>,
    /// Their classes, int64 or uint8, one for each example; without it, all are of one class
    #[arg(long, value_name = "Y.npy", requires = "features")]
    pub labels: Option<PathBuf>,
    /// The part to keep of all examples
    #[arg(long, value_name = "PERCENT", default_value = "50%")]
    pub share: Percent,
    /// How many to keep
    #[arg(long, value_name = "N", conflicts_with = "share")]
    pub count: Option<usize>,
    /// How to select
    #[arg(long, value_enum, default_value = "coreset")]
    pub method: Method,
    /// Keys what is random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Leave out pictures that cannot be decoded instead of stopping; they keep no number
    #[arg(long, conflicts_with = "features")]
    pub skip_bad: bool,
    /// Where the numbers of the selected examples are written to
    #[arg(short, long, value_name = "INDICES.npy")]
    pub output: PathBuf,
    /// Write one JSON object to stdout
    #[arg(long)]
    pub json: bool,
}

/// The machine-readable result.
#[derive(Serialize)]
struct Selected {
    file: PathBuf,
    examples: usize,
    of: usize,
    duplicates: usize,
    method: Method,
    seed: u64,
    energy_j: Energy,
    cpu_s: f64,
}

impl Data {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let Action::Select(select) = self.action;
        let session = Session::builder().open()?;
        let cpu_before = cpu_time_s();
        let source = match (select.features, select.path) {
            (Some(features), _) => Source::Rows { features, labels: select.labels },
            (None, Some(path)) => Source::Pictures { path, skip_bad: select.skip_bad },
            (None, None) => {
                return Err(anyhow!("nothing to select from")).hint("give a folder or --features");
            }
        };
        let examples = source.load()?;
        let share = (select.share.fraction() * examples.len() as f64).round() as usize;
        let count = select.count.unwrap_or(share).max(1);
        let selection = examples.select(select.method, count, select.seed);
        selection.write(&select.output)?;
        let selected = Selected {
            file: select.output,
            examples: selection.indices.len(),
            of: selection.of,
            duplicates: selection.duplicates,
            method: select.method,
            seed: select.seed,
            cpu_s: cpu_time_s() - cpu_before,
            energy_j: session.finish().total,
        };
        if select.json {
            let mut out = std::io::stdout().lock();
            serde_json::to_writer(&mut out, &selected)?;
            writeln!(out)?;
        } else {
            selected.summarise(&mut std::io::stderr().lock())?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}

impl Selected {
    fn summarise(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let Self { examples, of, duplicates, energy_j, cpu_s, .. } = self;
        writeln!(out, "{examples} of {of} examples selected, {duplicates} left out as duplicates")?;
        writeln!(out, "{energy_j}, {cpu_s:.2} s of CPU time")?;
        writeln!(out, "{}", self.file.display())
    }
}
