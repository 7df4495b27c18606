//! The files that a command was told to write its data to, of which `-` is stdout.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use joulewise_learn::atomic;

use crate::hint::Hint as _;

/// What stdout is called where a file is to be named.
pub const STDOUT: &str = "-";

/// Whether stdout is meant.
pub fn is_stdout(file: &Path) -> bool {
    file == Path::new(STDOUT)
}

/// Writes text to `file`, whole or not at all.
pub fn write(file: &Path, text: &[u8]) -> Result<()> {
    let written = if is_stdout(file) {
        let mut out = io::stdout().lock();
        out.write_all(text).and_then(|()| out.flush())
    } else {
        atomic::write(file, text)
    };
    written
        .hint("name a file that may be written to, where there is space")
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Writes what nobody can read to `file`, whole or not at all, and to no terminal.
pub fn write_binary(file: &Path, bytes: &[u8]) -> Result<()> {
    if is_stdout(file) && io::stdout().is_terminal() {
        return Err(anyhow!("stdout is a terminal, which can show no binary data"))
            .hint("name a file, or send stdout to one");
    }
    write(file, bytes)
}
