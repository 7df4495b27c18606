//! Python environments for the peers, under `target/`, so that nothing is installed on the machine.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::{command, root, say, show};

/// A Python that has the packages of `requirements` (relative to the root).
///
/// It is the interpreter named by `JOULEWISE_PYTHON` when that is set, else a virtual environment that is made once.
pub(crate) fn python(requirements: &str) -> Result<PathBuf> {
    if let Some(python) = std::env::var_os("JOULEWISE_PYTHON") {
        return Ok(python.into());
    }
    let folder = root().join("target/venv").join(requirements.trim_end_matches("/requirements.txt"));
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    if !complete.exists() {
        say(&format!("installing {requirements} into {}", folder.display()));
        let mut venv = command("python3", ["-m", "venv"]);
        venv.arg(&folder);
        show(venv)?;
        show(command(&python, ["-m", "pip", "install", "--quiet", "--requirement", requirements]))?;
        std::fs::write(complete, "")?;
    }
    Ok(python)
}
