//! Studies in one SQLite file and on a PostgreSQL server: trials a second, grids of which workers are killed, memory, and how
//! soon a worker that waits hears of work.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::peers::number;
use crate::process::{cargo, command, json, root, show};
use crate::quantile::median;
use crate::results;
use crate::server::Server;

const WORKERS: &str = "8";
/// Trials of each worker: so many that a side takes seconds, which is far fewer for the peers.
const SIDES: [(&str, &str, &str); 3] = [
    ("Joulewise", "joulewise", "4000"),
    ("Optuna 5.0.0", "optuna", "20"),
    ("Rustuna 0.2.0", "rustuna", "20"),
];
/// Workers on a PostgreSQL server, and trials of each of them.
const ON_A_SERVER: [(&str, &str); 2] = [("8", "1000"), ("32", "250")];
const WAKES: &str = "200";
/// Cells, workers, seconds between kills, milliseconds a cell.
const OUR_GRID: [&str; 4] = ["1000", "16", "2", "600"];
const BOTH_GRIDS: [&str; 4] = ["100", "8", "2", "200"];

/// Runs the comparison and keeps its page.
pub(super) fn run(python: &Path, rounds: usize) -> Result<()> {
    show(cargo(&[
        "build",
        "--release",
        "--package",
        "joulewise-tune",
        "--features",
        "postgres",
        "--examples",
    ]))?;
    let mut page = format!(
        "`cargo xtask bench tune --parts storage`. Medians of {rounds} interleaved rounds, with their range; processes \
         start within the time.\n\n## Trials a second\n\n{WORKERS} processes ask for trials of five parameters at random \
         and tell their values, through one SQLite file.\n\n| | trials a second | range | errors in all rounds |\n|---|---:|---|---:|\n"
    );
    let mut measured = [(); SIDES.len()].map(|()| (Vec::new(), 0.0));
    for round in 0..rounds {
        for turn in 0..SIDES.len() {
            let at = (turn + round) % SIDES.len();
            let told = throughput(python, SIDES[at].1, SIDES[at].2)?;
            measured[at].0.push(number(&told, "trials_per_s")?);
            measured[at].1 += number(&told, "failures")?;
        }
    }
    for ((name, ..), (mut rates, failures)) in SIDES.iter().zip(measured) {
        let middle = median(&mut rates);
        let (low, high) = (rates[0], rates[rates.len() - 1]);
        writeln!(page, "| {name} | {middle:.0} | {low:.0}–{high:.0} | {failures} |")?;
    }
    let server = Server::start_with("");
    if let Some(server) = &server {
        page += &on_a_server(server, rounds)?;
    }
    page += "\n## Grids of which workers are killed\n\nEvery two seconds a worker gets SIGKILL and another takes its place. \
             Done counts results; each cell should have one. Optuna has its heartbeat and its callback that retries.\n\n\
             | | workers | kills | cells | done | distinct | workers hurt by others |\n|---|---:|---:|---:|---:|---:|---:|\n";
    let script = "benches/tune/storage.py";
    let ours = |arguments: &[&str]| json(command(example("kills"), arguments));
    let mut grids = vec![("Joulewise", OUR_GRID[1], ours(&OUR_GRID)?)];
    if let Some(server) = &server {
        let told = ours(&[&OUR_GRID[..], &[&server.address()]].concat())?;
        grids.push(("Joulewise, on a PostgreSQL server", OUR_GRID[1], told));
    }
    grids.push(("Joulewise", BOTH_GRIDS[1], ours(&BOTH_GRIDS)?));
    let told = json(command(python, [&[script, "kills"], &BOTH_GRIDS[..]].concat()))?;
    grids.push(("Optuna 5.0.0", BOTH_GRIDS[1], told));
    for (name, workers, told) in &grids {
        let fields = ["kills", "cells", "done", "distinct", "workers_hurt"];
        let cells = fields.map(|field| told[field].to_string()).join(" | ");
        writeln!(page, "| {name} | {workers} | {cells} |")?;
    }
    let memory = json(command(example("memory"), ["10000", "10"]))?;
    write!(
        page,
        "\n## Memory\n\nA process that opens a study of 10 000 trials of 10 parameters takes {:.1} MB at its peak, {:.1} MB \
         of them before it opens it, and {:.2} s.\n",
        number(&memory, "peak_mb")?,
        number(&memory, "before_mb")?,
        number(&memory, "open_s")?,
    )?;
    results::keep("bench-tune-storage", "Studies in one file and on a server", &page)?;
    Ok(())
}

/// The same on a PostgreSQL server of this machine, which has each event on its disk before it answers.
fn on_a_server(server: &Server, rounds: usize) -> Result<String> {
    let address = server.address();
    let mut page = format!(
        "\n## Trials a second on a PostgreSQL server\n\nThe same through {}, which runs on the same processors with its \
         settings as they come: each event is on its disk before a worker goes on.\n\n\
         | processes | trials a second | range | errors in all rounds |\n|---:|---:|---|---:|\n",
        server.sql("SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)")
    );
    for (workers, trials) in ON_A_SERVER {
        let (mut rates, mut failures) = (Vec::new(), 0.0);
        for _ in 0..rounds {
            let told = json(command(example("trials_per_second"), [workers, trials, &address]))?;
            rates.push(number(&told, "trials_per_s")?);
            failures += number(&told, "failures")?;
        }
        let middle = median(&mut rates);
        let (low, high) = (rates[0], rates[rates.len() - 1]);
        writeln!(page, "| {workers} | {middle:.0} | {low:.0}–{high:.0} | {failures} |")?;
    }
    let woken = json(command(example("wake"), [&address, WAKES]))?;
    writeln!(
        page,
        "\nA worker that waits hears of a trial that was given back {:.1} ms after that was begun to be told (median of {WAKES}; 95 % \
         within {:.1} ms).",
        number(&woken, "median_ms")?,
        number(&woken, "p95_ms")?,
    )?;
    Ok(page)
}

fn throughput(python: &Path, side: &str, trials: &str) -> Result<Value> {
    if side == "joulewise" {
        return json(command(example("trials_per_second"), [WORKERS, trials]));
    }
    json(command(python, ["benches/tune/storage.py", "throughput", side, WORKERS, trials]))
}

fn example(name: &str) -> std::path::PathBuf {
    root().join("target/release/examples").join(name)
}
