//! How near evolution comes to optima and fronts, with some hundreds of evaluations.

use std::fmt::Write;

use anyhow::Result;

use super::peers::Peers;
use super::quality::{is_as_the_peers_say, search};
use super::ratio::cells;
use crate::process::{cargo, show};
use crate::{results, venv};

const SCRIPT: &str = "benches/tune/evolution/peers.py";
const REQUIREMENTS: &str = "benches/tune/evolution/requirements.txt";
const EVALUATIONS: [u64; 2] = [200, 1_000];
/// What lacks less than this has found it.
const FOUND: f64 = 1e-8;

/// A search of ours, one of a peer, and what it is called.
const PAIRS: [(&str, &str, &str, &[&str]); 3] = [
    ("cma-es", "optuna-cma-es", "Optuna 5.0.0's CmaEsSampler", LOSSES),
    ("cma-es", "pycma", "pycma 4.5.0, `cma.fmin2` with restarts", LOSSES),
    ("nsga-ii", "optuna-nsga-ii", "Optuna 5.0.0's NSGAIISampler", &["zdt1", "zdt2", "zdt3"]),
];
const LOSSES: &[&str] = &["rosenbrock5", "sphere10", "rastrigin5", "hartmann6"];

/// Runs the comparison and keeps its page.
pub(super) fn run(seeds: u64) -> Result<()> {
    let python = venv::python(REQUIREMENTS)?;
    show(cargo(&["build", "--release", "--package", "joulewise-tune", "--example", "regret"]))?;
    let mut peers = Peers::start(&python, SCRIPT, REQUIREMENTS)?;
    let mut page = format!(
        "`cargo xtask bench tune --parts evolution --seeds {seeds}`. Seed by seed in turns, one thread. Regret is what the \
         best value lacks of the optimum, and of ZDT1 to ZDT3 (5 parameters) the area below (11, 11) that the front lacks; \
         below {FOUND:e} it counts as that. Of both sides the median over the seeds; the ratio is that of the medians, ours to \
         theirs, with a bootstrap interval of 95 %. An interval that contains 1 is a tie.\n"
    );
    for (ours, theirs, name, problems) in PAIRS {
        write!(
            page,
            "\n## `{ours}` and {name}\n\n| problem | evaluations | ours | theirs | ratio | interval | |\n\
             |---|---:|---:|---:|---:|---|---|\n"
        )?;
        for problem in problems {
            is_as_the_peers_say(&mut peers, problem)?;
            for evaluations in EVALUATIONS {
                let (mut our, mut their) = (Vec::new(), Vec::new());
                for seed in 0..seeds {
                    our.push(search(ours, problem, evaluations, seed)?.max(FOUND));
                    their.push(peers.regret(theirs, problem, evaluations, seed)?.max(FOUND));
                }
                writeln!(page, "| {problem} | {evaluations} | {}", cells(&our, &their))?;
            }
        }
    }
    results::keep("bench-tune-evolution", "How near evolution comes to optima and fronts", &page)?;
    Ok(())
}
