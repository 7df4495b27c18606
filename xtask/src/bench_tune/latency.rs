//! How long searches take to say where to look.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;

use super::peers::{Peers, number};
use crate::process::{cargo, command, json, root, show};
use crate::quantile::median;
use crate::results;

const DIMENSIONS: u64 = 10;

/// What is compared: ours, theirs, after how many trials, and in how many rounds where not in all.
const TPE: [(&str, &str); 3] =
    [("Joulewise", ""), ("Rustuna 0.2.0", "rustuna-tpe"), ("Optuna 5.0.0", "optuna-tpe")];
const GP: [(&str, &str); 2] = [("Joulewise", ""), ("Optuna 5.0.0, GPSampler", "optuna-gp")];
const TPE_TRIALS: [u64; 3] = [100, 1_000, 10_000];
const GP_TRIALS: [u64; 3] = [100, 500, 1_000];

/// Runs the comparison and keeps its page.
pub(super) fn run(python: &Path, rounds: usize) -> Result<()> {
    show(cargo(&["build", "--release", "--package", "joulewise-tune", "--examples"]))?;
    let mut peers = Peers::of_all_kinds(python)?;
    let mut page = format!(
        "`cargo xtask bench tune --parts latency`. Milliseconds of a suggestion of {DIMENSIONS} parameters after so many \
         random trials, the tell before it included, on one thread: the median of 21 suggestions, of which the median \
         of {rounds} interleaved rounds, with their range. Optuna's GPSampler is asked three times in one round.\n"
    );
    table(&mut page, "tpe", &TPE, &TPE_TRIALS, rounds, &mut peers)?;
    table(&mut page, "gp", &GP, &GP_TRIALS, rounds, &mut peers)?;
    page += "\nEvery so many trials, when a twentieth of them is new, `gp` fits its length scales anew, which takes \
             longer: the greatest of the 21 suggestions was";
    for (trials, ms) in GP_TRIALS.iter().zip(GP_TRIALS.map(|trials| ours("gp", trials, "greatest_ms"))) {
        write!(page, " {:.0} ms after {trials} trials{}", ms?, if *trials == 1_000 { ".\n" } else { "," })?;
    }
    results::keep("bench-tune-latency", "How long searches take to suggest", &page)?;
    Ok(())
}

fn table(
    page: &mut String,
    sampler: &str,
    sides: &[(&str, &str)],
    trials: &[u64],
    rounds: usize,
    peers: &mut Peers,
) -> Result<()> {
    write!(page, "\n## `{sampler}`\n\n| trials |")?;
    for (name, _) in sides {
        write!(page, " {name}, ms | range |")?;
    }
    writeln!(page, "\n|---:|{}", "---:|---|".repeat(sides.len()))?;
    for &trials in trials {
        let mut times = vec![Vec::new(); sides.len()];
        for round in 0..rounds {
            for turn in 0..sides.len() {
                let at = (turn + round) % sides.len();
                let ms = match sides[at].1 {
                    "" => ours(sampler, trials, "ms")?,
                    "optuna-gp" if round > 0 => continue,
                    theirs => peers.latency_ms(theirs, DIMENSIONS, trials)?,
                };
                times[at].push(ms);
            }
        }
        write!(page, "| {trials} |")?;
        for mut times in times {
            let middle = median(&mut times);
            write!(page, " {middle:.3} | {:.3}–{:.3} |", times[0], times[times.len() - 1])?;
        }
        writeln!(page)?;
    }
    Ok(())
}

fn ours(sampler: &str, trials: u64, field: &str) -> Result<f64> {
    let example = root().join("target/release/examples/latency");
    let told = json(command(example, [sampler, &DIMENSIONS.to_string(), &trials.to_string()]))?;
    number(&told, field)
}
