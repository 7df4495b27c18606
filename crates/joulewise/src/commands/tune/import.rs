//! `joulewise tune import`: studies of other tools.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use joulewise_tune::import;

use super::place::Place;
use crate::exit;
use crate::hint::Hint as _;

/// Bring studies of another tool, to look at them, or to go on with `joulewise tune ask`
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    Optuna(Optuna),
}

/// Bring the studies of an Optuna database in SQLite
#[derive(Debug, clap::Args)]
struct Optuna {
    /// The database
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only this study
    #[arg(long, value_name = "NAME")]
    study: Option<String>,
    /// What the study is called here; only with one study
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The user attribute that holds what a trial cost, as in energy_j; without, the cost is how long it took
    #[arg(long, value_name = "ATTRIBUTE")]
    cost: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Import {
    pub(super) fn run(self) -> Result<ExitCode> {
        let From::Optuna(from) = self.from;
        from.run()
    }
}

impl Optuna {
    fn run(self) -> Result<ExitCode> {
        let mut studies = import::optuna(&self.file, self.cost.as_deref())?;
        if let Some(wanted) = &self.study {
            studies.retain(|study| study.name == *wanted);
        }
        if studies.is_empty() {
            let what = self.study.map_or_else(|| "study".to_owned(), |name| format!("study `{name}`"));
            return Err(anyhow!("{} holds no {what}", self.file.display()))
                .hint("`optuna studies` lists what it holds");
        }
        if self.name.is_some() && studies.len() > 1 {
            return Err(anyhow!("{} studies cannot all have one name", studies.len()))
                .hint("choose one with --study");
        }
        for study in &studies {
            let folder = self.place.folder(self.name.as_deref().unwrap_or(&study.name)).map(drop);
            if self.name.is_some() {
                folder?;
            } else {
                folder.hint(format!(
                    "give it another name here, as in --study '{}' --name NAME",
                    study.name.escape_debug()
                ))?;
            }
        }
        let mut storage = self.place.create()?;
        let database = self.place.database()?;
        let mut err = io::stderr().lock();
        for study in studies {
            let name = self.name.clone().unwrap_or_else(|| study.name.clone());
            for caveat in &study.caveats {
                writeln!(err, "{name}: {caveat}")?;
            }
            study.save(&name, &mut *storage)?;
            writeln!(err, "study {name} is in {database}")?;
        }
        Ok(ExitCode::from(exit::OK))
    }
}
