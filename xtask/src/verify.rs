//! `cargo xtask verify`: what is too long for CI, as one table of claims and what was found.

mod determinism;
mod exports;
mod improve;
mod pytorch;

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::process::{cargo, root, say, show};
use crate::results;

/// What to verify.
#[derive(Args)]
pub(crate) struct Options {
    /// Parts to run; all of them when none is named.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Folder with the data sets `fashion-mnist`, `mnist` and `cifar10`; default: `JOULEWISE_DATA`.
    #[arg(long)]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// `improve` on built-in and on real data.
    Improve,
    /// Exported models against ONNX Runtime (takes the runs of `improve`).
    Exports,
    /// The same seed and cost table give the same models, for any thread count.
    Determinism,
    /// The PyTorch examples: measured, improved, and the verdict put to the test.
    Pytorch,
    /// The same with the script that is written like torchvision's references.
    Torchvision,
}

/// One claim and what was found.
pub(crate) struct Check {
    /// The claim, as in `mnist: unattributed energy ≤ 2 %`.
    claim: String,
    /// What was found.
    found: String,
    holds: bool,
}

impl Check {
    /// A check that holds when `holds` is true.
    pub(crate) fn new(claim: impl Into<String>, found: impl Into<String>, holds: bool) -> Self {
        Self { claim: claim.into(), found: found.into(), holds }
    }
}

/// Where the runs of a verification are kept: one folder per part.
pub(crate) fn folder(part: &str) -> PathBuf {
    root().join("target/verify").join(part)
}

/// The command under verification.
pub(crate) fn joulewise() -> PathBuf {
    root().join("target/release/joulewise")
}

/// Runs the parts and keeps the table; fails when a claim does not hold.
pub(crate) fn run(options: &Options) -> Result<()> {
    show(cargo(&["build", "--release", "--package", "joulewise"]))?;
    let chosen = |part| options.parts.is_empty() || options.parts.contains(&part);
    let folder = options.data.clone().or_else(|| std::env::var_os("JOULEWISE_DATA").map(PathBuf::from));
    let data = || folder.as_deref().context("no data sets: name their folder with --data or JOULEWISE_DATA");
    let mut parts: Vec<(&str, Result<Vec<Check>>)> = Vec::new();
    if chosen(Part::Improve) {
        parts.push(("improve", data().map(improve::run)));
    }
    if chosen(Part::Exports) {
        parts.push(("exports", data().and_then(exports::run)));
    }
    if chosen(Part::Determinism) {
        parts.push(("determinism", determinism::run()));
    }
    if chosen(Part::Pytorch) {
        parts.push(("pytorch", pytorch::run("pytorch")));
    }
    if chosen(Part::Torchvision) {
        parts.push(("torchvision", pytorch::run("torchvision")));
    }

    let mut page = String::from("`cargo xtask verify`\n\n| claim | found | |\n|---|---|---|\n");
    let mut broken = 0;
    for (part, outcome) in parts {
        let checks = outcome.unwrap_or_else(|error| {
            say(&format!("{part}: {error:#}"));
            vec![Check::new(format!("{part} runs"), first_line(&format!("{error:#}")), false)]
        });
        for check in checks {
            broken += usize::from(!check.holds);
            let mark = if check.holds { "holds" } else { "**broken**" };
            writeln!(page, "| {} | {} | {mark} |", check.claim, check.found)?;
        }
    }
    // What was chosen is a page of its own: it does not take the place of the whole verification.
    let chosen = options.parts.iter().filter_map(ValueEnum::to_possible_value);
    let name = chosen.fold("verify".to_owned(), |name, part| format!("{name}-{}", part.get_name()));
    results::keep(&name, "Verification", &page)?;
    if broken > 0 {
        bail!("{broken} claims do not hold");
    }
    Ok(())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().replace('|', "/")
}
