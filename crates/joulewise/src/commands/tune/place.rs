//! Where studies are: a database file, and a folder for each study beside it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use joulewise_tune::SharedStudy;
use joulewise_tune::storage::{Sqlite, Storage, StorageErrorKind};

use crate::hint::Hint as _;
use crate::recipe::did_you_mean;
use crate::tune::plan::Plan;
use crate::tune::worker::Study;

/// The database in the folder of runs.
const DATABASE: &str = "studies.db";

/// Which studies are meant.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Place {
    /// The folder of the studies' database and of their trials
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(super) out: PathBuf,
    /// The studies' database, if it is not `studies.db` in that folder
    #[arg(long, value_name = "FILE")]
    pub(super) db: Option<PathBuf>,
}

/// A study by its name.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Named {
    /// The name of the study; may be left out where there is only one
    #[arg(value_name = "STUDY")]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) place: Place,
}

impl Place {
    /// The database file.
    pub(super) fn database(&self) -> PathBuf {
        self.db.clone().unwrap_or_else(|| self.out.join(DATABASE))
    }

    /// The studies, in a database that is made if it is missing.
    pub(super) fn create(&self) -> Result<Sqlite> {
        let database = self.database();
        if let Some(folder) = database.parent().filter(|folder| *folder != Path::new("")) {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))
                .hint("choose another folder with --out")?;
        }
        Ok(Sqlite::at(database))
    }

    /// The studies, in a database that is there.
    pub(super) fn open(&self) -> Result<Sqlite> {
        let database = self.database();
        if !database.is_file() {
            return Err(anyhow!("no studies in {}: no such file", database.display()))
                .hint("`joulewise tune run` makes it; name another one with --out DIR or --db FILE");
        }
        Ok(Sqlite::at(database))
    }

    /// The folder of a study.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let plain = |c: char| c.is_alphanumeric() || " _-.+=,@".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(anyhow!("a study cannot be called `{name}`"))
                .hint("use letters, digits, spaces and _-.+=,@ since its folder has the same name");
        }
        Ok(self.out.join(name))
    }
}

impl Named {
    /// The study, with its own sampler, and its plan.
    pub(super) fn study(&self) -> Result<(Study, Plan)> {
        let mut storage = self.place.open()?;
        let name = self.name(&mut storage)?;
        let journal = match storage.open(&name) {
            Err(error) if error.kind() == StorageErrorKind::Missing => {
                let there = storage.studies()?;
                let hint = match did_you_mean(&name, there.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if there.is_empty() => "`joulewise tune run` makes one".to_owned(),
                    None => format!("there are {}", there.join(", ")),
                };
                return Err(error).hint(hint);
            }
            opened => opened?,
        };
        let plan = Plan::of(journal.definition(), &name)?;
        let sampler = plan.sampler.build(&plan);
        Ok((SharedStudy::new(journal, sampler)?, plan))
    }

    /// Its name, or that of the only study.
    pub(super) fn name(&self, storage: &mut Sqlite) -> Result<String> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let mut names = storage.studies()?;
        let database = self.place.database();
        match names.len() {
            1 => Ok(names.remove(0)),
            0 => Err(anyhow!("{} holds no study", database.display())).hint("`joulewise tune run` makes one"),
            _ => Err(anyhow!("{} holds several studies: {}", database.display(), names.join(", ")))
                .hint("say which one, as in `joulewise tune best NAME`"),
        }
    }
}
