//! How many trials a second several processes ask for and tell of through one SQLite file, or one PostgreSQL server.
//!
//! `cargo run --release --example trials_per_second -- 8 2000` runs 8 processes of 2 000 trials each, five parameters a trial,
//! and prints what it measured as JSON. With the address of a server as a third argument, and `--features postgres`, the
//! study is there.

mod place;

use std::error::Error;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, io, process};

use joulewise_tune::samplers::Random;
use joulewise_tune::storage::Definition;
use joulewise_tune::{Direction, Objectives, Outcome, SharedStudy, Space, State, Told};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [role, place, study, trials] = &arguments[..]
        && role == "worker"
    {
        return work(place, study, trials.parse()?);
    }
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |text| text.parse::<u64>());
    let (workers, each) = (number(0, 8)?, number(1, 2000)?);

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("study.db");
    let path = path.to_str().ok_or("the folder for temporary files has a strange name")?;
    let place = arguments.get(2).map_or(path, String::as_str);
    let study = format!("trials per second {}", process::id());
    let definition = Definition::new(space()?, Objectives::single(Direction::Min), 1, "random");
    drop(place::studies(place)?.create(&study, &definition)?);
    let begin = Instant::now();
    let mut processes = Vec::new();
    for _ in 0..workers {
        let mut worker = Command::new(env::current_exe()?);
        worker.args(["worker", place, &study, &each.to_string()]).stdout(Stdio::null());
        processes.push(worker.spawn()?);
    }
    let mut failures = 0;
    for mut process in processes {
        failures += u64::from(!process.wait()?.success());
    }
    let wall_s = begin.elapsed().as_secs_f64();
    let study = SharedStudy::new(place::studies(place)?.open(&study)?, Random)?;
    let done = study.trials().iter().filter(|trial| trial.outcome().is_some()).count();
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    let result = serde_json::json!({
        "workers": workers, "trials": done, "expected": workers * each, "failures": failures,
        "wall_s": wall_s, "trials_per_s": done as f64 / wall_s, "file_bytes": bytes,
    });
    writeln!(io::stdout().lock(), "{result}")?;
    Ok(())
}

fn work(place: &str, study: &str, trials: u64) -> Result<(), Box<dyn Error>> {
    let mut study = SharedStudy::new(place::studies(place)?.open(study)?, Random)?;
    let worker = process::id().to_string();
    for _ in 0..trials {
        let claim = study.ask(&worker)?.ok_or("the study is over")?;
        let value = claim.point.values().filter_map(|(_, value)| value.number()).sum();
        let told = study.tell(&claim, State::Done(Outcome::of(value, 1.0)))?;
        if told != Told::Accepted {
            return Err(format!("trial {} was given to two workers", claim.id.0).into());
        }
    }
    Ok(())
}

fn space() -> Result<Space, Box<dyn Error>> {
    Ok((0..5).try_fold(Space::new(), |space, i| space.float(&format!("x{i}"), 0.0, 1.0))?)
}
