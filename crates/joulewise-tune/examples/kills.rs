//! A grid that workers finish although one of them is killed every now and then.
//!
//! `cargo run --release --example kills -- 1000 16 2 150` has 16 processes do a grid of 1 000 cells, 150 ms a cell, kills one
//! of them every 2 seconds and starts another, and prints what came of it as JSON. It fails unless every cell was done
//! exactly once and nobody but the killed was hurt. With the address of a PostgreSQL server as a fifth argument, and
//! `--features postgres`, the study is there instead of in a file.

mod place;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, process, thread};

use joulewise_tune::samplers::Grid;
use joulewise_tune::storage::Definition;
use joulewise_tune::{Direction, Objectives, Outcome, SharedStudy, Space, State};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [role, place, study, trial_ms] = &arguments[..]
        && role == "worker"
    {
        return work(place, study, Duration::from_millis(trial_ms.parse()?));
    }
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |text| text.parse::<f64>());
    let (cells, workers) = (number(0, 1000.0)? as i64, number(1, 16.0)? as usize);
    let (kill_every, trial_ms) = (Duration::from_secs_f64(number(2, 2.0)?), number(3, 150.0)?);

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("study.db");
    let path = path.to_str().ok_or("the folder for temporary files has a strange name")?;
    let place = arguments.get(4).map_or(path, String::as_str);
    let study = format!("kills {}", process::id());
    let space = Space::new().int("cell", 0, cells - 1)?;
    let definition = Definition {
        exact: true,
        lease_s: 1.0 + 4.0 * trial_ms / 1e3,
        retries: 20,
        ..Definition::new(space, Objectives::single(Direction::Max), 1, "grid")
    };
    drop(place::studies(place)?.create(&study, &definition)?);

    let start = || -> io::Result<Child> {
        let mut worker = Command::new(env::current_exe()?);
        worker.args(["worker", place, &study, &trial_ms.to_string()]).stdout(Stdio::null()).spawn()
    };
    let begin = Instant::now();
    let mut processes = (0..workers).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
    let (mut kills, mut hurt, mut last_kill) = (0_u64, 0_u64, Instant::now());
    while !processes.is_empty() {
        thread::sleep(Duration::from_millis(20));
        let mut running = Vec::new();
        for mut process in processes {
            match process.try_wait()? {
                None => running.push(process),
                Some(status) => hurt += u64::from(!status.success()),
            }
        }
        processes = running;
        if last_kill.elapsed() >= kill_every && !processes.is_empty() {
            let mut victim = processes.remove(kills as usize * 7 % processes.len());
            let killed = victim.kill();
            victim.wait()?;
            killed?;
            processes.push(start()?);
            (kills, last_kill) = (kills + 1, Instant::now());
        }
    }
    let wall_s = begin.elapsed().as_secs_f64();

    let study = SharedStudy::new(place::studies(place)?.open(&study)?, Grid::default())?;
    let done: Vec<_> = study.trials().iter().filter(|trial| trial.outcome().is_some()).collect();
    let distinct = done.iter().filter_map(|trial| trial.point.int("cell")).collect::<BTreeSet<_>>().len();
    let lost = study.trials().iter().filter(|trial| matches!(trial.state, State::Lost { .. })).count();
    let is_exact = done.len() as i64 == cells && distinct as i64 == cells && hurt == 0;
    let result = serde_json::json!({
        "cells": cells, "workers": workers, "kills": kills, "done": done.len(), "distinct": distinct, "lost": lost,
        "workers_hurt": hurt, "wall_s": wall_s, "exact": is_exact,
    });
    writeln!(io::stdout().lock(), "{result}")?;
    if is_exact { Ok(()) } else { Err("the grid was not done exactly once".into()) }
}

fn work(place: &str, study: &str, trial: Duration) -> Result<(), Box<dyn Error>> {
    let mut study = SharedStudy::new(place::studies(place)?.open(study)?, Grid::default())?;
    let worker = process::id().to_string();
    loop {
        if let Some(claim) = study.ask(&worker)? {
            thread::sleep(trial);
            study.tell(&claim, State::Done(Outcome::of(0.5, trial.as_secs_f64())))?;
        } else if study.running() == 0 {
            return Ok(());
        } else {
            // One of those that run may get lost.
            thread::sleep(Duration::from_millis(50));
        }
    }
}
