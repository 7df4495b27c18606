//! Runs commands in turns and meters each run.

use std::collections::VecDeque;

use anyhow::{Context as _, Result, anyhow};
use joulewise_meter::command::{Outcome, Signals};
use joulewise_meter::{Command, Energy, Session};

use super::recorded::scale;
use super::{Run, Side};
use crate::exit;
use crate::hint::Hint as _;
use crate::task::template::split;

/// A command to be compared, cut into words.
pub struct Subject {
    /// A letter, in the order of the arguments.
    pub name: String,
    /// As it was given.
    pub text: String,
    words: Vec<String>,
}

/// How commands are run.
pub struct Plan {
    /// How often each is run and metered.
    pub rounds: u32,
    /// How often each is run before that.
    pub warmup: u32,
    /// What is run before each run, unmetered.
    pub prepare: Option<Subject>,
}

/// What came of running them.
pub enum Outcomes {
    /// A side per command.
    Sides(Vec<Side>),
    /// The user asked to end.
    Interrupted,
}

/// Lines of output that are kept to explain a failure.
const KEPT_LINES: usize = 12;

impl Subject {
    /// Cuts a command into words as a POSIX shell does; no shell runs it.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let words = split(text).with_context(|| format!("cannot read the command `{text}`"))?;
        if words.is_empty() {
            return Err(anyhow!("a command is empty")).hint("give it in quotes, as in 'python train.py'");
        }
        Ok(Self { name: name.to_owned(), text: text.to_owned(), words })
    }

    /// A script that a shell runs before each command, as `joulewise measure --prepare` does.
    pub fn script(text: &str) -> Self {
        let words = ["sh", "-c", text].map(str::to_owned).to_vec();
        Self { name: "prepare".to_owned(), text: text.to_owned(), words }
    }

    /// Runs it to its end. Its output is kept only to explain a failure.
    fn execute(&self, signals: &Signals) -> Result<Outcome> {
        let mut last = VecDeque::new();
        let outcome = Command::new(&self.words)
            .process_group(true)
            .signals(signals)
            .without_input()
            .on_line(|_, line| {
                if last.len() == KEPT_LINES {
                    last.pop_front();
                }
                last.push_back(line.to_owned());
            })
            .run()
            .hint("sides are runs, files of `joulewise measure --output`, or commands in quotes")?;
        if outcome.code == exit::OK || signals.asked_to_end().is_some() {
            return Ok(outcome);
        }
        let mut message = vec![format!("`{}` ended with {}", self.text, outcome.code)];
        message.extend(last);
        Err(anyhow!(message.join("\n  "))).hint("commands that are compared must do their work")
    }
}

/// Runs every command once per round, every other round backwards. `tell` is told which one is about to run.
pub fn run(
    subjects: &[Subject],
    plan: &Plan,
    session: Session,
    mut tell: impl FnMut(u32, &Subject),
) -> Result<Outcomes> {
    let signals = Signals::hold();
    let mut metered: Vec<Vec<(Run, Energy)>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..plan.warmup + plan.rounds {
        for index in order(subjects.len(), round) {
            let subject = &subjects[index];
            tell(round, subject);
            if let Some(prepare) = &plan.prepare {
                prepare.execute(&signals)?;
            }
            let started = session.mark();
            let outcome = subject.execute(&signals);
            let usage = session.mark().since(&started);
            if signals.asked_to_end().is_some() {
                return Ok(Outcomes::Interrupted);
            }
            let outcome = outcome?;
            if round >= plan.warmup {
                let run = Run { energy_j: usage.energy.value, wall_s: outcome.wall_s, cpu_s: outcome.cpu_s };
                metered[index].push((run, usage.energy));
            }
        }
    }
    let summary = session.finish();
    let side = |(subject, runs): (&Subject, Vec<(Run, Energy)>)| {
        let total: Energy = runs.iter().map(|(_, energy)| *energy).sum();
        Side {
            name: subject.name.clone(),
            what: subject.text.clone(),
            runs: runs.into_iter().map(|(run, _)| run).collect(),
            method: total.method,
            scale: scale(total),
            sources: summary.sources.clone(),
            scope: summary.scope.clone(),
            caveats: summary.caveats.clone(),
        }
    };
    Ok(Outcomes::Sides(subjects.iter().zip(metered).map(side).collect()))
}

/// The sides' turns in a round: a drift of the machine favours none of them.
fn order(sides: usize, round: u32) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..sides).collect() } else { (0..sides).rev().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_alternate() {
        assert_eq!(order(3, 0), [0, 1, 2]);
        assert_eq!(order(3, 1), [2, 1, 0]);
    }

    #[test]
    fn commands_are_cut_into_words() {
        let subject = Subject::parse("A", r#"python "my train.py" --lr 0.1"#).unwrap();
        assert_eq!(subject.words, ["python", "my train.py", "--lr", "0.1"]);
        assert!(Subject::parse("A", " ").is_err());
        let open = format!("{:#}", Subject::parse("A", "python 'a.py").err().unwrap());
        assert!(open.starts_with("cannot read the command `python 'a.py`: "), "{open}");
    }
}
