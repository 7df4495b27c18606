//! How much memory a process takes that knows a study of many trials.
//!
//! `cargo run --release --example memory -- 10000 10` writes 10 000 trials of 10 parameters, opens the study in a process
//! of its own, has it ask for one more trial and prints, as JSON, how much memory that took.

use std::error::Error;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, fs, io, process};

use joulewise_tune::samplers::Random;
use joulewise_tune::storage::{Definition, Entry, Origin, Sqlite, Storage};
use joulewise_tune::{Direction, Objectives, Outcome, SharedStudy, Space, State, Stream, TrialId};

const STUDY: &str = "memory";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [role, path] = &arguments[..]
        && role == "reader"
    {
        return read(path);
    }
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |text| text.parse::<u64>());
    let (trials, parameters) = (number(0, 10_000)?, number(1, 10)?);
    let path = env::temp_dir().join(format!("joulewise-memory-{}.db", process::id()));
    let space = (0..parameters).try_fold(Space::new(), |space, i| space.float(&format!("x{i}"), 0.0, 1.0))?;
    let definition = Definition::new(space, Objectives::single(Direction::Min), 1, "random");
    let mut journal = Sqlite::at(&path).create(STUDY, &definition)?;
    let entries = &mut Vec::new();
    for number in 0..trials {
        let (trial, point) = (TrialId(number), definition.space.draw(&mut Stream::new(1, number)));
        entries.push(Entry::Asked { trial, point, worker: "w".to_owned(), origin: Origin::Sampler });
        entries.push(Entry::Ended { trial, state: State::Done(Outcome::of(number as f64, 1.0)) });
    }
    journal.append(0, &mut |_| Ok(std::mem::take(entries)))?;
    drop(journal);

    let mut reader = Command::new(env::current_exe()?);
    let status = reader.arg("reader").arg(&path).stdout(Stdio::inherit()).status()?;
    fs::remove_file(&path)?;
    if status.success() { Ok(()) } else { Err("the reader failed".into()) }
}

fn read(path: &str) -> Result<(), Box<dyn Error>> {
    let before_mb = peak_mb()?;
    let begin = Instant::now();
    let mut study = SharedStudy::new(Sqlite::at(path).open(STUDY)?, Random)?;
    let open_s = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    study.ask("w")?.ok_or("the study is over")?;
    let result = serde_json::json!({
        "trials": study.trials().len(), "before_mb": before_mb, "peak_mb": peak_mb()?, "open_s": open_s,
        "ask_s": begin.elapsed().as_secs_f64(),
    });
    writeln!(io::stdout().lock(), "{result}")?;
    Ok(())
}

/// The most memory that this process had, in MB of 10⁶ bytes, as Linux tells.
fn peak_mb() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1.024e-3)
}
