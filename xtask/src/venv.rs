//! Python environments, under `target/`, so that nothing is installed on the machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{command, root, say, show};

/// A Python that has the packages of `requirements` (relative to the root).
///
/// It is the interpreter named by `JOULEWISE_PYTHON` when that is set, else a virtual environment that is made once.
pub(crate) fn python(requirements: &str) -> Result<PathBuf> {
    if let Some(python) = std::env::var_os("JOULEWISE_PYTHON") {
        return Ok(python.into());
    }
    let folder = root().join("target/venv").join(requirements.trim_end_matches("/requirements.txt"));
    installed(&folder, &["--requirement", requirements])
}

/// A Python that has this package, in a virtual environment that is made once.
pub(crate) fn with(folder: &Path, package: &str) -> Result<PathBuf> {
    installed(folder, &[package])
}

/// A Python in a new virtual environment that has nothing else.
pub(crate) fn make(folder: &Path) -> Result<PathBuf> {
    let mut venv = command("python3", ["-m", "venv"]);
    venv.arg(folder);
    show(venv).context("Python 3.10 or newer is needed, with its module venv")?;
    Ok(folder.join("bin/python"))
}

fn installed(folder: &Path, what: &[&str]) -> Result<PathBuf> {
    let complete = folder.join("complete");
    if complete.is_file() && fs::read_to_string(&complete)? == what.join(" ") {
        return Ok(folder.join("bin/python"));
    }
    say(&format!("installing {} into {}", what.join(" "), folder.display()));
    let python = make(folder)?;
    let mut install = command(&python, ["-m", "pip", "install", "--quiet"]);
    install.args(what);
    show(install).context("cannot install from the Python package index")?;
    fs::write(complete, what.join(" "))?;
    Ok(python)
}
