//! Ctrl-C: once stops at the next batch and keeps what is done, twice stops now.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::exit;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// When the first interrupt came.
static FIRST: OnceLock<Instant> = OnceLock::new();
/// What comes so soon after the first is the same one: a scheduler signals all processes of a job, and the script that
/// started this one passes its signal on.
const ECHO: Duration = Duration::from_millis(500);

/// What the first interrupt says where a training of ours can end.
pub(crate) const AT_THE_NEXT_BATCH: &str = "stopping at the next batch and keeping what is done";

/// Starts to listen, and gives the flag that the first interrupt sets. It says what happens now, if that is not empty.
pub(crate) fn listen(says: &'static str) -> Result<&'static AtomicBool> {
    let handler = move || {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            if FIRST.get().is_some_and(|first| first.elapsed() < ECHO) {
                return;
            }
            // Commands run in groups of their own, which the terminal does not interrupt.
            joulewise_meter::command::kill_running();
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
        FIRST.get_or_init(Instant::now);
        if !says.is_empty() {
            let text = format!("\n{says}; press Ctrl-C again to stop now\n");
            // Nobody is left to tell when stderr is closed.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(&INTERRUPTED),
        Err(error) => Err(error).context("cannot listen for Ctrl-C"),
    }
}
