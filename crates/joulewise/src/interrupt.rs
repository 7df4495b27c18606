//! Ctrl-C: once stops at the next batch and keeps what is done, twice stops now.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};

use crate::exit;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Starts to listen, and gives the flag that the first interrupt sets.
pub(crate) fn listen() -> Result<&'static AtomicBool> {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            // Commands run in groups of their own, which the terminal does not interrupt.
            joulewise_meter::command::kill_running();
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
        let text = "\nstopping at the next batch and keeping what is done; press Ctrl-C again to stop now\n";
        // Nobody is left to tell when stderr is closed.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    };
    match ctrlc::set_handler(handler) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(&INTERRUPTED),
        Err(error) => Err(error).context("cannot listen for Ctrl-C"),
    }
}
