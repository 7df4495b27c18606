//! `cargo xtask ci`: what every change must pass.

use anyhow::Result;
use joulewise_kernels::isa::{ISA_VARIABLE, Isa};

use crate::process::{cargo, command, output, say, show};

/// Runs every check; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    show(cargo(&["fmt", "--all", "--check"]))?;
    show(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut doc = cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    show(doc)?;
    show(cargo(&["test", "--workspace"]))?;
    for isa in unforced() {
        let mut test = cargo(&["test", "--package", "joulewise-kernels", "--package", "joulewise-learn"]);
        test.env(ISA_VARIABLE, isa.name());
        show(test)?;
    }
    deny()
}

/// The instruction sets of this machine that `cargo test` does not choose by itself: all but the widest.
fn unforced() -> impl Iterator<Item = Isa> {
    Isa::available().filter(|&isa| isa != Isa::detect())
}

/// Licences, advisories and sources of the dependencies, where cargo-deny is installed.
fn deny() -> Result<()> {
    if output(command("cargo-deny", ["--version"])).is_ok_and(|version| version.status.success()) {
        show(cargo(&["deny", "check"]))
    } else {
        say("cargo-deny is not installed: licences and advisories were not checked");
        Ok(())
    }
}
