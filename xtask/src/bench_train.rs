//! `cargo xtask bench train`: CPU time of a training step against PyTorch, interleaved.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::process::{cargo, command, json, root, show};
use crate::quantile::median;
use crate::{results, venv};

/// What to compare, and for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Networks to compare.
    #[arg(long, value_delimiter = ',', default_values_t = ["lenet", "vgg", "resnet8", "mlp", "untuned"].map(String::from))]
    nets: Vec<String>,
    /// Images per step.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Threads of either side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Seconds per side and round.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Interleaved rounds; the medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Runs the comparison and keeps its table.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "--rounds must be at least 1");
    let python = venv::python("benches/train/requirements.txt")?;
    show(cargo(&["build", "--release", "--package", "joulewise"]))?;
    let (batch, threads, seconds) =
        (options.batch.to_string(), options.threads.to_string(), options.seconds.to_string());
    let mut page = format!(
        "`cargo xtask bench train`: one training step (SGD with momentum, cross-entropy, random data), batch {batch}, \
         {threads} threads, f32, PyTorch in channels_last. Medians of {} interleaved rounds of {seconds} s; CPU time is \
         that of all threads. The ratio is the median of the rounds' ratios, with their range.\n\n\
         | net | Joulewise, CPU ms | PyTorch, CPU ms | ratio | range | Joulewise, MiB | PyTorch, MiB |\n\
         |---|---:|---:|---:|---|---:|---:|\n",
        options.rounds
    );
    for net in &options.nets {
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let (mut our_memory, mut their_memory) = (0.0_f64, 0.0_f64);
        for round in 0..options.rounds {
            let joulewise = || {
                let bench = ["bench", net, "--mode", "train", "--batch", &batch, "--threads", &threads];
                let mut bench = command(root().join("target/release/joulewise"), bench);
                bench.args(["--seconds", &seconds, "--json"]);
                json(bench)
            };
            let torch =
                || json(command(&python, ["benches/train/torch_step.py", net, &batch, &threads, &seconds]));
            // The order alternates, so that a slow drift of the machine favours neither side.
            let (our, their) = if round % 2 == 0 {
                let our = joulewise()?;
                (our, torch()?)
            } else {
                let their = torch()?;
                (joulewise()?, their)
            };
            let read = |value: &serde_json::Value, field: &str| {
                value[field].as_f64().with_context(|| format!("{net}: no number `{field}` in {value}"))
            };
            let (our_ms, their_ms) = (read(&our, "cpu_ms_per_step")?, read(&their, "cpu_ms_per_step")?);
            ours.push(our_ms);
            theirs.push(their_ms);
            ratios.push(our_ms / their_ms);
            our_memory = our_memory.max(read(&our, "rss_mb")?);
            their_memory = their_memory.max(read(&their, "rss_mb")?);
        }
        let (ours, theirs, ratio) = (median(&mut ours), median(&mut theirs), median(&mut ratios));
        let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
        writeln!(
            page,
            "| {net} | {ours:.1} | {theirs:.1} | {ratio:.2} | {low:.2}–{high:.2} | {our_memory:.0} | {their_memory:.0} |"
        )?;
    }
    results::keep("bench-train", "Training step against PyTorch", &page)?;
    Ok(())
}
