//! `cargo xtask ci`: what every change must pass.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use joulewise_kernels::isa::{ISA_VARIABLE, Isa};
use serde_json::Value;

use crate::process::{cargo, command, output, say, show};
use crate::{services, wheel};

/// Runs every check; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    show(cargo(&["fmt", "--all", "--check"]))?;
    show(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    show(doc)?;
    let mut test = cargo(&["test", "--workspace"]);
    test.envs(services::ready()?);
    show(test)?;
    let tests = arithmetic_tests()?;
    for isa in unforced() {
        for test in &tests {
            let mut command = command(&test.program, ["--quiet"]);
            command.current_dir(&test.folder).env(ISA_VARIABLE, isa.name());
            show(command)?;
        }
    }
    wheel::test()?;
    deny()
}

/// A test program that `cargo test --workspace` has built.
struct TestProgram {
    program: PathBuf,
    /// The folder of its package.
    folder: PathBuf,
}

/// The test programs of the crates whose results depend on the instruction set.
///
/// They are run as they are: `cargo test --package` would resolve other features and build everything again.
fn arithmetic_tests() -> Result<Vec<TestProgram>> {
    let built = output(cargo(&["test", "--workspace", "--no-run", "--message-format=json"]))?;
    ensure!(built.status.success(), "cargo test --no-run ended with {}", built.status);
    let messages = serde_json::Deserializer::from_slice(&built.stdout).into_iter::<Value>();
    let mut tests = Vec::new();
    for message in messages {
        let message = message.context("cargo printed a message that is not JSON")?;
        let (Some(program), Some(manifest)) =
            (message["executable"].as_str(), message["manifest_path"].as_str())
        else {
            continue;
        };
        let folder = Path::new(manifest).parent().unwrap_or(Path::new("."));
        let is_arithmetic =
            ["joulewise-kernels", "joulewise-learn"].iter().any(|name| folder.ends_with(name));
        if is_arithmetic && message["profile"]["test"] == true {
            tests.push(TestProgram { program: program.into(), folder: folder.into() });
        }
    }
    ensure!(!tests.is_empty(), "found no test programs of joulewise-kernels and joulewise-learn");
    Ok(tests)
}

/// The instruction sets of this machine that `cargo test` does not choose by itself: all but the widest.
fn unforced() -> impl Iterator<Item = Isa> {
    Isa::available().filter(|&isa| isa != Isa::detect())
}

/// Licences and sources of the dependencies, where cargo-deny is installed.
fn deny() -> Result<()> {
    if output(command("cargo-deny", ["--version"])).is_ok_and(|version| version.status.success()) {
        // Not the advisories: their database is elsewhere, and what is new in it is no fault of a change.
        show(cargo(&["deny", "check", "bans", "licenses", "sources"]))
    } else {
        say("cargo-deny is not installed: licences and sources were not checked");
        Ok(())
    }
}
