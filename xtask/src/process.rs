//! Running other programs, loudly or for what they print.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().map_or(xtask.clone(), PathBuf::from)
}

/// A command that will run in the root of the workspace.
pub(crate) fn command<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Cargo, the one that runs this task.
pub(crate) fn cargo(args: &[&str]) -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
}

/// Writes a line to standard error.
pub(crate) fn say(line: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Runs a command with its output shown; fails when it fails.
pub(crate) fn show(mut command: Command) -> Result<()> {
    let line = describe(&command);
    say(&format!("\n$ {line}"));
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs a command and returns all that it printed, whatever its exit status.
pub(crate) fn output(mut command: Command) -> Result<Output> {
    let line = describe(&command);
    say(&format!("$ {line}"));
    command.output().with_context(|| format!("cannot start `{line}`"))
}

/// Runs a command that prints one JSON document.
pub(crate) fn json(command: Command) -> Result<Value> {
    let line = describe(&command);
    let output = output(command)?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` ended with {}:\n{}", output.status, errors.trim_end());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("`{line}` printed no JSON"))
}

/// The command as one would type it, with the variables that it sets.
fn describe(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy())));
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    variables.chain(words.map(|word| word.to_string_lossy().into_owned())).collect::<Vec<_>>().join(" ")
}
