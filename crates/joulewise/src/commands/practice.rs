//! `joulewise practice`: the cards of the practices.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, anyhow};

use crate::exit;
use crate::hint::Hint as _;
use crate::practice::{ALL, names};
use crate::recipe::did_you_mean;

/// Explain the practices that improve tries
#[derive(Clone, Debug, clap::Args)]
pub struct Practice {
    /// The practice; without one, all of them in a line each
    pub name: Option<String>,
}

impl Practice {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        let cards: Vec<_> = ALL.iter().map(|planned| planned.practice.card()).collect();
        let Some(name) = &self.name else {
            for card in cards {
                let first = card.what.split(". ").next().unwrap_or_default();
                writeln!(out, "{:<16} {}", card.name, first.trim_end_matches('.'))?;
            }
            return Ok(ExitCode::from(exit::OK));
        };
        let known = names();
        let hint = did_you_mean(name, known.iter().map(String::as_str)).map_or_else(
            || format!("there are {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let card = cards
            .into_iter()
            .find(|card| card.name == *name)
            .ok_or_else(|| anyhow!("no practice is called `{name}`"))
            .hint(hint)?;
        writeln!(out, "{}", card.name)?;
        for (heading, text) in [
            ("What it does", &card.what),
            ("Why it saves energy", &card.why),
            ("When it costs", &card.when),
            ("Evidence", &card.evidence),
            ("How to check", &card.check),
        ] {
            writeln!(out, "\n{heading}\n  {}", text.replace('\n', "\n  "))?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}
