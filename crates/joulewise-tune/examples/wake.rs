//! How long it takes until a worker that waits hears, from a PostgreSQL server, that there is work again.
//!
//! `cargo run --release --features postgres --example wake -- postgresql://user@host/database 200` has a trial given back 200
//! times while another worker waits for it, and prints as JSON for how many milliseconds that one did not know.

use std::error::Error;
use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, io, process, thread};

use joulewise_tune::samplers::Random;
use joulewise_tune::storage::{Definition, Postgres, Storage};
use joulewise_tune::{Direction, Limits, Objectives, SharedStudy, Space, State};

type Study = SharedStudy<Random>;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, rounds] = &arguments[..] else { return Err("name a server and a number of rounds".into()) };
    let name = format!("wake {}", process::id());
    let space = Space::new().float("x", 0.0, 1.0)?;
    let definition = Definition::new(space, Objectives::single(Direction::Min), 1, "random");
    drop(Postgres::at(address)?.create(&name, &definition)?);
    let open = || -> Result<Study, Box<dyn Error>> {
        let mut study = SharedStudy::new(Postgres::at(address)?.open(&name)?, Random)?;
        study.limit(Limits { trials: Some(1), cost: None });
        Ok(study)
    };
    let (mut working, mut waiting) = (open()?, open()?);
    let mut waits = Vec::new();
    for _ in 0..rounds.parse()? {
        let claim = working.ask("working")?.ok_or("there is no work")?;
        while waiting.wait(Duration::ZERO)? {}
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(20));
                let _ = tell.send((Instant::now(), working.tell(&claim, State::Lost { cost: 0.0 })));
            });
            while !waiting.wait(Duration::from_secs(10))? {}
            let heard = Instant::now();
            let (begun, told) = told.recv()?;
            told?;
            waits.push(heard.duration_since(begun).as_secs_f64() * 1e3);
            Ok::<(), Box<dyn Error>>(())
        })?;
    }
    waits.sort_by(f64::total_cmp);
    let at = |fraction: f64| waits.get((waits.len() as f64 * fraction) as usize).copied();
    let result = serde_json::json!({ "rounds": waits.len(), "median_ms": at(0.5), "p95_ms": at(0.95) });
    writeln!(io::stdout().lock(), "{result}")?;
    Ok(())
}
