//! Trials that are a command of the user's.
//!
//! A trial is told its parameters in every way that a script may like: in the words of its command, in the variable
//! `JOULEWISE_PARAMETERS` and the file `{params}` as JSON, and each in `JOULEWISE_PARAMETER_<NAME>`. It reports by
//! lines of JSON in `metrics.jsonl` in its folder (`{out}`, or the variable `JOULEWISE_OUT`), on stdout, or by lines
//! that a regular expression understands.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use joulewise_tune::Space;

use super::objective::{TIME, reported};
use super::trial::{Ending, Run, See, json};
use crate::hint::Hint as _;
use crate::recipe::did_you_mean;
use crate::task::execution::Execution;
use crate::task::metrics::{FILE, MetricsFrom};
use crate::task::template::{Template, Values};
use crate::task::{Supervision, TaskErrorKind};

/// Placeholders beside the names of the parameters.
const OTHERS: [&str; 4] = ["out", "params", "seed", "trial"];
/// The file with the parameters in a trial's folder.
const PARAMETERS: &str = "params.json";

/// The one of them that a parameter may be called too, as those of many scripts are: it is that parameter's then.
const SEED: &str = "seed";

/// Fails where a parameter has a name that a command could not be told.
pub(super) fn check_names(space: &Space) -> Result<()> {
    for (name, _) in space.parameters() {
        if name.trim().is_empty() {
            return Err(anyhow!("a parameter has no name"))
                .hint("write a name that its placeholder can have");
        }
        if name != SEED && OTHERS.contains(&name) {
            return Err(anyhow!("parameter `{name}`: {{{name}}} is of every trial")).hint(format!(
                "give it another name: {{{}}} stand for what a trial has besides its parameters",
                OTHERS.join("}, {")
            ));
        }
    }
    Ok(())
}

/// Runs a command once for each trial.
pub struct Commands {
    template: Template<String>,
    /// Whether `{seed}` is a parameter's, also where that has no value.
    has_seed: bool,
    folder: PathBuf,
    metrics: MetricsFrom,
    timeout: Duration,
}

impl Commands {
    /// A command with the parameters of `space` as its placeholders, to be run in `folder` for at most so long.
    pub(super) fn new(
        words: &[String],
        folder: &Path,
        metrics: Option<&str>,
        timeout_s: f64,
        space: &Space,
    ) -> Result<Self> {
        Ok(Self {
            template: program(words, folder).and_then(|()| template(words, space))?,
            has_seed: space.domain(SEED).is_some(),
            folder: folder.to_owned(),
            metrics: metrics.map_or(Ok(MetricsFrom::Auto), MetricsFrom::parse).context("`metrics`")?,
            timeout: Duration::from_secs_f64(timeout_s),
        })
    }

    pub(super) fn run(&self, run: &Run<'_>, see: &mut See<'_>, by: Supervision<'_>) -> Result<Ending> {
        fs::create_dir_all(run.folder)
            .and_then(|()| fs::write(run.folder.join(PARAMETERS), json(run.point).to_string()))
            .with_context(|| format!("cannot write to {}", run.folder.display()))
            .hint("choose another folder with --out")?;
        // What an earlier attempt of the same trial reported is not this one's.
        let _ = fs::remove_file(run.folder.join(FILE));
        let execution = Execution {
            argv: &self.template.render_known(&values(run, self.has_seed)),
            environment: &environment(run),
            folder: &self.folder,
            out: run.folder,
            timeout: self.timeout,
            timeout_key: "timeout",
            metrics: &self.metrics,
            goal: reported(run.objectives).unwrap_or(TIME),
        };
        let ended = execution.run(see, by);
        let failed = matches!(&ended, Err(error) if error.kind() == TaskErrorKind::Failed);
        let is_over = matches!(&ended, Ok(ended) if !ended.was_stopped);
        if (failed || is_over) && is_cancelled(by.cancel, failed) {
            return Ok(Ending::Interrupted);
        }
        Ok(match ended {
            Ok(ended) if ended.was_stopped => Ending::Stopped,
            Ok(ended) => Ending::Done(ended.reported.last),
            Err(error) if error.kind() == TaskErrorKind::Cancelled => Ending::Interrupted,
            Err(error) if error.kind() == TaskErrorKind::NotANumber => Ending::Diverged(error.to_string()),
            Err(error) => Ending::Failed(error.to_string()),
        })
    }
}

/// Whether the trial ended because everything is to end. A scheduler signals all processes of a job at a time, and a
/// trial may be gone before this process has heard of it: where one failed, that is waited for.
fn is_cancelled(cancel: &AtomicBool, failed: bool) -> bool {
    for _ in 0..if failed { 10 } else { 0 } {
        if cancel.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    cancel.load(Ordering::Relaxed)
}

/// Fails where the program that every trial would start is not there.
fn program(words: &[String], folder: &Path) -> Result<()> {
    let Some(program) = words.first().filter(|program| !program.contains(['{', '}'])) else { return Ok(()) };
    let is_there = if program.contains('/') {
        folder.join(program).is_file()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    };
    if is_there {
        return Ok(());
    }
    Err(anyhow!("cannot find the program `{program}`"))
        .hint("install it, or write its path, which counts from the folder of the study's file")
}

/// Parameters that a command has no placeholder for though it has others: a name may be misspelt there.
pub fn unmentioned<'a>(words: &[String], space: &'a Space) -> Vec<&'a str> {
    let is_mentioned = |name: &str| words.iter().any(|word| word.contains(&format!("{{{name}}}")));
    let searched =
        || space.parameters().filter(|(_, domain)| domain.cardinality() != Some(1)).map(|(name, _)| name);
    let is_told_all = words.iter().any(|word| word.contains("{params}"));
    if is_told_all || !searched().any(is_mentioned) {
        return Vec::new();
    }
    searched().filter(|name| !is_mentioned(name)).collect()
}

fn template(words: &[String], space: &Space) -> Result<Template<String>> {
    let others = || OTHERS.into_iter().filter(|name| space.domain(name).is_none());
    let known = || space.parameters().map(|(name, _)| name).chain(others());
    Template::of_words(words, |name| {
        if known().any(|known| known == name) {
            return Ok(name.to_owned());
        }
        let hint = match did_you_mean(name, known()) {
            Some(known) => format!("did you mean {{{known}}}?"),
            None => format!(
                "the placeholders are {}; write {{{{{name}}}}} for the braces themselves",
                known().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" ")
            ),
        };
        Err(anyhow!("unknown placeholder {{{name}}}")).hint(hint)
    })
}

fn values(run: &Run<'_>, has_seed: bool) -> Values<String> {
    let mut values = BTreeMap::from([
        ("params".to_owned(), run.folder.join(PARAMETERS).display().to_string()),
        ("out".to_owned(), run.folder.display().to_string()),
        ("trial".to_owned(), run.number.to_string()),
    ]);
    values.extend((!has_seed).then(|| (SEED.to_owned(), run.seed.to_string())));
    values.extend(run.point.values().map(|(name, value)| (name.to_owned(), value.to_string())));
    values
}

fn environment(run: &Run<'_>) -> Vec<(String, String)> {
    let variable = |name: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("JOULEWISE_PARAMETER_{}", name.chars().map(plain).collect::<String>())
    };
    let mut environment = vec![
        ("JOULEWISE_PARAMETERS".to_owned(), json(run.point).to_string()),
        ("JOULEWISE_OUT".to_owned(), run.folder.display().to_string()),
        ("JOULEWISE_TRIAL".to_owned(), run.number.to_string()),
    ];
    environment.extend(run.point.values().map(|(name, value)| (variable(name), value.to_string())));
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_told_before_the_first_trial() {
        let check = |program_: &str| program(&[program_.to_owned()], Path::new("/"));
        assert!(check("sh").is_ok() && check("bin/sh").is_ok() && check("{shell}").is_ok());
        assert_eq!(
            check("no-such-program").unwrap_err().to_string(),
            "cannot find the program `no-such-program`"
        );
        assert!(check("./no-such-program").is_err());
    }

    #[test]
    fn parameters_that_a_command_leaves_out_are_noticed() {
        let space = Space::new().float("lr", 0.0, 1.0).unwrap().int("n", 1, 9).unwrap();
        let of = |words: &str| unmentioned(&words.split(' ').map(str::to_owned).collect::<Vec<_>>(), &space);
        assert_eq!(of("train --lr={lr}"), ["n"]);
        assert!(
            of("train").is_empty() && of("train {params} {lr}").is_empty() && of("t {lr} {n}").is_empty()
        );
    }

    #[test]
    fn a_parameter_may_be_called_seed_and_nothing_else_that_a_trial_has() {
        let named = |name: &str| check_names(&Space::new().int(name, 0, 1).unwrap());
        assert!(named("seed").is_ok() && named("outer").is_ok());
        for name in ["", " ", "out", "params", "trial"] {
            assert!(named(name).is_err(), "{name}");
        }
    }

    #[test]
    fn placeholders_are_the_parameters_and_a_few_others() {
        let space = Space::new().log_float("optimiser.lr", 1e-5, 0.1).unwrap();
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let template_of = |text: &str| template(&words(text), &space);
        let values = BTreeMap::from([("optimiser.lr".to_owned(), "0.01".to_owned())]);
        let rendered =
            template_of("train {optimiser.lr} {{out}} --seed {seed}").unwrap().render_known(&values);
        assert_eq!(rendered, ["train", "0.01", "{out}"]);
        assert_eq!(template_of("train {lrate}").unwrap_err().to_string(), "unknown placeholder {lrate}");
    }
}
