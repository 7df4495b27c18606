//! How near searches come to the optimum of known functions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::peers::{Peers, number};
use super::ratio::cells;
use crate::process::{cargo, command, json, root, show};
use crate::results;

const EVALUATIONS: u64 = 100;

/// A search of ours and one of a peer.
struct Pair {
    ours: &'static str,
    theirs: &'static str,
    name: &'static str,
    problems: &'static [&'static str],
    /// Whether a search of theirs takes minutes.
    is_slow: bool,
}

const PAIRS: [Pair; 4] = [
    Pair {
        ours: "gp",
        theirs: "optuna-tpe",
        name: "Optuna 5.0.0's default, TPE",
        problems: &["branin", "hartmann6", "levy8", "rosenbrock5", "ackley5", "griewank6", "styblinski5"],
        is_slow: false,
    },
    Pair {
        ours: "gp",
        theirs: "botorch",
        name: "BoTorch 0.18.1's LogExpectedImprovement",
        problems: &["branin", "hartmann6", "levy8", "rosenbrock5"],
        is_slow: true,
    },
    Pair {
        ours: "tpe",
        theirs: "optuna-tpe",
        name: "Optuna 5.0.0's default, TPE",
        problems: TPE_PROBLEMS,
        is_slow: false,
    },
    Pair {
        ours: "tpe",
        theirs: "rustuna-tpe",
        name: "Rustuna 0.2.0's TPE",
        problems: TPE_PROBLEMS,
        is_slow: false,
    },
];
const TPE_PROBLEMS: &[&str] = &[
    "branin",
    "hartmann6",
    "levy8",
    "rosenbrock5",
    "ackley5",
    "ackley10",
    "griewank6",
    "styblinski5",
    "mixed",
    "conditional",
];
const FRONTS: [Pair; 1] = [Pair {
    ours: "gp",
    theirs: "optuna-gp",
    name: "Optuna 5.0.0's GPSampler",
    problems: &["zdt1", "zdt2", "zdt3"],
    is_slow: true,
}];

/// How many seeds: of searches that take minutes, and of the others.
#[derive(Clone, Copy)]
pub(super) struct Seeds {
    pub(super) all: u64,
    pub(super) slow: u64,
}

/// One objective.
pub(super) fn regrets(python: &Path, seeds: Seeds) -> Result<()> {
    let about = "Regret is what the best value lacks of the optimum.";
    let page = compare(python, seeds, "quality", about, &PAIRS)?;
    results::keep("bench-tune-quality", "How near searches come to the optimum", &page)?;
    Ok(())
}

/// Two objectives.
pub(super) fn hypervolumes(python: &Path, seeds: Seeds) -> Result<()> {
    let about = "ZDT1 to ZDT3 with 5 parameters. Regret is the area below (11, 11) that the front lacks.";
    let page = compare(python, seeds, "hypervolume", about, &FRONTS)?;
    results::keep("bench-tune-hypervolume", "How near searches come to fronts", &page)?;
    Ok(())
}

fn compare(python: &Path, seeds: Seeds, part: &str, about: &str, pairs: &[Pair]) -> Result<String> {
    show(cargo(&["build", "--release", "--package", "joulewise-tune", "--examples"]))?;
    let mut peers = Peers::of_all_kinds(python)?;
    let mut page = format!(
        "`cargo xtask bench tune --parts {part} --seeds {} --slow-seeds {}`. {EVALUATIONS} evaluations, seed by seed in \
         turns, one thread. {about} Of both sides the median over the seeds; the ratio is that of the medians, ours to \
         theirs, with a bootstrap interval of 95 %. An interval that contains 1 is a tie.\n",
        seeds.all, seeds.slow
    );
    let mut known = BTreeMap::new();
    for pair in pairs {
        let theirs = if pair.is_slow { seeds.slow } else { seeds.all };
        write!(
            page,
            "\n## `{}` and {}\n\n{} seeds of ours, {theirs} of theirs.\n\n| problem | ours | theirs | ratio | interval | |\n\
             |---|---:|---:|---:|---|---|\n",
            pair.ours, pair.name, seeds.all
        )?;
        for problem in pair.problems {
            if !["mixed", "conditional"].contains(problem) {
                is_as_the_peers_say(&mut peers, problem)?;
            }
            let (mut our, mut their) = (Vec::new(), Vec::new());
            for seed in 0..seeds.all {
                let regret = match known.entry((pair.ours, problem, seed)) {
                    Entry::Occupied(entry) => *entry.get(),
                    Entry::Vacant(entry) => *entry.insert(search(pair.ours, problem, EVALUATIONS, seed)?),
                };
                our.push(regret);
                if seed < theirs {
                    their.push(peers.regret(pair.theirs, problem, EVALUATIONS, seed)?);
                }
            }
            writeln!(page, "| {problem} | {}", cells(&our, &their))?;
        }
    }
    Ok(page)
}

fn regret() -> std::path::PathBuf {
    root().join("target/release/examples/regret")
}

/// Fails where a problem is another one to the peers.
pub(super) fn is_as_the_peers_say(peers: &mut Peers, problem: &str) -> Result<()> {
    let ours = json(command(regret(), ["--problem", problem, "--at", "0.3"]))?;
    peers.check(problem, 0.3, &ours["values"])
}

/// What a search of ours lacks in the end.
pub(super) fn search(sampler: &str, problem: &str, evaluations: u64, seed: u64) -> Result<f64> {
    let (seed, evaluations) = (seed.to_string(), evaluations.to_string());
    let flags = ["--sampler", sampler, "--problem", problem, "--first-seed", &seed, "--seeds", "1"];
    let mut ours = command(regret(), flags);
    ours.args(["--evaluations", &evaluations]);
    number(&json(ours)?, "median")
}
