//! The Python wheel: built with the profile of the tests, and tested in an environment that has nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::{command, root, show};
use crate::venv;

/// The Python project.
const PROJECT: &str = "crates/joulewise-python";
/// What builds the wheel.
const MATURIN: &str = "maturin==1.16.0";

/// Builds the wheel, installs it into a fresh environment and runs the tests of the Python module there.
pub(crate) fn test() -> Result<()> {
    let wheel = build()?;
    let folder = root().join("target/venv/wheel");
    // Left-overs of an earlier wheel would be tested too.
    let _ = fs::remove_dir_all(&folder);
    let python = venv::make(&folder)?;
    let mut install = command(&python, ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]);
    install.arg(wheel);
    show(install)?;
    let mut tests = command(&python, ["-m", "unittest", "discover", "--start-directory", "tests"]);
    // Not the root: the folder that Python is started in is the first that it looks for modules in.
    tests.current_dir(root().join(PROJECT)).env("PYTHONDONTWRITEBYTECODE", "1");
    show(tests)
}

/// Builds the wheel from what `cargo test` has built.
fn build() -> Result<PathBuf> {
    let maturin = venv::with(&root().join("target/venv/maturin"), MATURIN)
        .context("the wheel is built by maturin, which comes from the Python package index")?;
    let folder = root().join("target/wheels");
    let _ = fs::remove_dir_all(&folder);
    let mut build =
        command(maturin, ["-m", "maturin", "build", "--quiet", "--locked", "--profile", "dev", "--out"]);
    build.arg(&folder).current_dir(root().join(PROJECT));
    show(build)?;
    only_file(&folder)
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let files: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).collect();
    match files.as_slice() {
        [file] => Ok(file.clone()),
        _ => bail!("expected one wheel in {}, found {}", folder.display(), files.len()),
    }
}
