//! `cargo xtask bench meter`: meters on simulated counters whose truth is known, in turns.

mod curve;
mod curves;
mod feeder;
mod intervals;
mod launch;
mod meters;
mod overhead;
mod probe;
mod raw;
mod spans;
mod storm;
mod trial;

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use self::meters::{Alumet, CodeCarbon, EnergiBridge, JouleProfiler, Joulewise, Meter};
pub(crate) use self::probe::Probe;
use self::trial::Trial;
use crate::process::{cargo, root, show};
use crate::{results, venv};

/// What to compare, and how often.
#[derive(Args)]
pub(crate) struct Options {
    /// Parts to run; all of them when none is named. The page has all that were run on the same day.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Rounds in which the meters take turns; medians are reported.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Measure nothing: write the page anew from what is kept of this day.
    #[arg(long, conflicts_with = "parts")]
    page: bool,
    /// The program of EnergiBridge, to be compared as well.
    #[arg(long)]
    energibridge: Option<PathBuf>,
    /// The program of joule-profiler, to be compared as well.
    #[arg(long)]
    joule_profiler: Option<PathBuf>,
    /// The program of Alumet's agent, to be compared as well.
    #[arg(long)]
    alumet: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Joules of commands on curves C1 to C9.
    Curves,
    /// Whether the truth lies in Joulewise's interval, on a thousand curves drawn by chance.
    Intervals,
    /// Time before and after the command, CPU time, memory.
    Overhead,
    /// CPU time of many short children.
    Storm,
    /// Joules of short spans.
    Spans,
}

impl Part {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn measure(self, bench: &Bench, rounds: usize) -> Result<Vec<Trial>> {
        match self {
            Self::Curves => curves::measure(bench, rounds),
            Self::Intervals => intervals::measure(bench),
            Self::Overhead => overhead::measure(bench, rounds),
            Self::Storm => storm::measure(bench, rounds),
            Self::Spans => spans::measure(bench, rounds),
        }
    }

    fn section(self, trials: &[Trial]) -> String {
        match self {
            Self::Curves => curves::section(trials),
            Self::Intervals => intervals::section(trials),
            Self::Overhead => overhead::section(trials),
            Self::Storm => storm::section(trials),
            Self::Spans => spans::section(trials),
        }
    }
}

/// The meters at hand.
struct Bench {
    joulewise: Joulewise,
    peers: Vec<Box<dyn Meter + Sync>>,
}

impl Bench {
    fn prepare(options: &Options) -> Result<Self> {
        show(cargo(&["build", "--release", "--package", "joulewise"]))?;
        let python = venv::python("benches/meter/requirements.txt")?;
        let program = python.with_file_name("codecarbon");
        let mut peers: Vec<Box<dyn Meter + Sync>> = vec![Box::new(CodeCarbon { program })];
        if let Some(program) = options.energibridge.clone() {
            peers.push(Box::new(EnergiBridge { program }));
        }
        if let Some(program) = options.joule_profiler.clone() {
            peers.push(Box::new(JouleProfiler { program }));
        }
        if let Some(program) = options.alumet.clone() {
            peers.push(Box::new(Alumet { program }));
        }
        let program = root().join("target/release/joulewise");
        Ok(Self { joulewise: Joulewise { program, interval_ms: 100 }, peers })
    }

    fn meters(&self) -> impl Iterator<Item = &(dyn Meter + Sync)> {
        let joulewise: &(dyn Meter + Sync) = &self.joulewise;
        std::iter::once(joulewise).chain(self.peers.iter().map(AsRef::as_ref))
    }
}

/// Runs the parts, keeps their raw data, and writes the page from what is kept of this day.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "--rounds must be at least 1");
    if !options.page {
        let bench = Bench::prepare(options)?;
        for part in Part::value_variants() {
            if options.parts.is_empty() || options.parts.contains(part) {
                raw::keep(&part.name(), &part.measure(&bench, options.rounds)?)?;
            }
        }
    }
    let mut page = String::from(
        "`cargo xtask bench meter`: what meters say of commands while simulated counters (a powercap tree, moved a \
         thousand times in a second) follow curves whose joules are known. No figure here was read from a real counter. \
         Meters take turns. The raw data lie beside this page.\n",
    );
    for part in Part::value_variants() {
        if let Some((trials, commit)) = raw::kept(&part.name())? {
            let (section, name) = (part.section(&trials), part.name());
            writeln!(page, "\n{section}\n(`cargo xtask bench meter {name}`, commit {commit})")?;
        }
    }
    results::keep("bench-meter", "Meters on simulated counters", &page)?;
    Ok(())
}
