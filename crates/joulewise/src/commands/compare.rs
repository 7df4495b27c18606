//! `joulewise compare`: which of several ways to do something costs less.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use joulewise_meter::{Session, nvml};

use crate::compare::rounds::{self, Outcomes, Plan, Subject};
use crate::compare::{Comparison, Rule, Side, markdown, recorded, text};
use crate::exit;
use crate::hint::Hint as _;
use crate::report::terminal::width;
use crate::run::Run;

/// Compare the energy of commands, runs or measurements with the first of them.
///
/// Commands are run in turns, as often as --repeat says, and compared round by round; their output is not shown. A
/// difference is shown where the 95 % interval of the ratio leaves out 1.
#[derive(Debug, clap::Args)]
pub struct Compare {
    /// Two or more: commands in quotes, files of `joulewise measure --output`, or runs (id, its beginning, @last, folder)
    #[arg(value_name = "SIDE", required = true, num_args = 2..=26)]
    pub sides: Vec<String>,
    /// Run each command so many times
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: u32,
    /// Run each command so many times before, without measuring
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub warmup: u32,
    /// Run this with `sh` before each run of a command, without measuring
    #[arg(long, value_name = "COMMAND")]
    pub prepare: Option<String>,
    /// Exit with 1 if a side changes a metric beyond a limit, as in 'energy_j > +5%'
    ///
    /// Metrics are energy_j, cpu_s, wall_s and power_w. A limit above zero guards against a rise, which must be shown to
    /// violate it; one below zero, as in 'energy_j > -20%', demands a saving, which must be shown to keep it. May be given
    /// several times.
    #[arg(long, value_name = "RULE")]
    pub fail_if: Vec<Rule>,
    /// The seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The folder that run folders are made in
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// How to write the comparison
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Write one JSON object to stdout
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// How a comparison is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For the terminal.
    Text,
    /// For a pull request or a page.
    Markdown,
}

/// What an argument stands for.
enum Given {
    Recorded(Side),
    Command(Subject),
}

impl Compare {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let mut recorded = Vec::new();
        let mut commands = Vec::new();
        for (argument, letter) in self.sides.iter().zip('A'..='Z') {
            match self.given(&letter.to_string(), argument)? {
                Given::Recorded(side) => recorded.push(side),
                Given::Command(subject) => commands.push(subject),
            }
        }
        let is_paired = recorded.is_empty();
        let mut sides = match self.measure(&commands)? {
            Outcomes::Sides(sides) => sides,
            Outcomes::Interrupted => return Ok(ExitCode::from(exit::INTERRUPTED)),
        };
        sides.extend(recorded);
        sides.sort_by(|a, b| a.name.cmp(&b.name));
        let comparison = Comparison::new(sides, is_paired, &self.fail_if, self.seed);
        self.write(&comparison)?;
        if let Some(undecided) = comparison.rulings.iter().find(|ruling| ruling.is_undecided) {
            let message = format!("cannot decide whether {} holds of {}", undecided.rule, undecided.side);
            return Err(anyhow!(message)).hint(undecided.advice());
        }
        Ok(ExitCode::from(if comparison.is_violated() { exit::NO } else { exit::OK }))
    }

    /// A file or a folder is a recording, as is the id of a run; everything else is a command.
    fn given(&self, letter: &str, argument: &str) -> Result<Given> {
        let path = Path::new(argument);
        if path.is_dir() {
            let run = Run::at(path)?;
            return Ok(Given::Recorded(recorded::whole_run(letter, &run.result()?)?));
        }
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        if is_json && !argument.contains(' ') {
            return Ok(Given::Recorded(recorded::measurement(letter, path)?));
        }
        let is_id = argument == "@last" || argument.starts_with(|c: char| c.is_ascii_digit());
        if is_id && !argument.contains([' ', '/']) {
            let run = Run::open(&self.out, argument)?;
            return Ok(Given::Recorded(recorded::whole_run(letter, &run.result()?)?));
        }
        Ok(Given::Command(Subject::parse(letter, argument)?))
    }

    fn measure(&self, commands: &[Subject]) -> Result<Outcomes> {
        if commands.is_empty() {
            return Ok(Outcomes::Sides(Vec::new()));
        }
        let prepare = self.prepare.as_deref().map(Subject::script);
        let plan = Plan { rounds: self.repeat, warmup: self.warmup, prepare };
        let runs = u64::from(self.repeat + self.warmup) * commands.len() as u64;
        let bar = if io::stderr().is_terminal() { ProgressBar::new(runs) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len}  {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        // All rounds are to count the GPUs, the first one too.
        nvml::load();
        let session = Session::builder().open()?;
        let outcomes = rounds::run(commands, &plan, session, |round, subject| {
            let kind = if round < self.warmup { "warm-up" } else { "measuring" };
            bar.set_message(format!("{kind} {}: {}", subject.name, subject.text));
            bar.inc(1);
        });
        bar.finish_and_clear();
        outcomes
    }

    fn write(&self, comparison: &Comparison) -> Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, comparison).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            let page = match self.format {
                Format::Text => text(comparison, width())?,
                Format::Markdown => markdown(comparison)?,
            };
            out.write_all(page.as_bytes())?;
        }
        Ok(())
    }
}
