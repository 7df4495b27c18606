//! Where studies are: in a database, a file or on a server, and in a folder for each study.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};
use joulewise_tune::SharedStudy;
#[cfg(feature = "postgres")]
use joulewise_tune::storage::Postgres;
use joulewise_tune::storage::{Sqlite, Storage, StorageErrorKind};

use crate::hint::Hint as _;
use crate::recipe::did_you_mean;
use crate::tune::plan::{Needs, Plan};
use crate::tune::worker::Study;

/// The database in the folder of runs.
const DATABASE: &str = "studies.db";

/// Which studies are meant.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Place {
    /// The folder of the studies' database and of their trials
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(super) out: PathBuf,
    /// The studies' database, if it is not `studies.db` in that folder: a file, or postgresql://user@host/database
    #[arg(long, value_name = "FILE|ADDRESS")]
    pub(super) db: Option<OsString>,
}

/// A database of studies.
pub(super) enum Database {
    File(PathBuf),
    #[cfg(feature = "postgres")]
    Server(Box<Postgres>),
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
    /// The database.
    pub(super) fn database(&self) -> Result<Database> {
        let Some(db) = &self.db else { return Ok(Database::File(self.out.join(DATABASE))) };
        #[cfg(feature = "postgres")]
        if let Some(address) = db.to_str().filter(|text| Postgres::is_address(text)) {
            return Ok(Database::Server(Box::new(Postgres::at(address)?)));
        }
        if db.to_str().is_some_and(|text| text.contains("://")) {
            return Err(anyhow!("--db: this Joulewise knows no databases of that kind"))
                .hint("name a file, or a server as in postgresql://user@host/database");
        }
        Ok(Database::File(db.into()))
    }

    /// The studies, in a database that is made if it is missing.
    pub(super) fn create(&self) -> Result<Box<dyn Storage>> {
        let database = self.database()?;
        if let Database::File(file) = &database
            && let Some(folder) = file.parent().filter(|folder| *folder != Path::new(""))
        {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))
                .hint("choose another folder with --out")?;
        }
        Ok(database.storage())
    }

    /// The studies, in a database that is there.
    pub(super) fn open(&self) -> Result<Box<dyn Storage>> {
        let database = self.database()?;
        if let Database::File(file) = &database
            && !file.is_file()
        {
            return Err(anyhow!("no studies in {database}: no such file"))
                .hint("`joulewise tune run` makes it; name another one with --out DIR or --db FILE");
        }
        Ok(database.storage())
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

impl Database {
    fn storage(self) -> Box<dyn Storage> {
        match self {
            Self::File(file) => Box::new(Sqlite::at(file)),
            #[cfg(feature = "postgres")]
            Self::Server(server) => server,
        }
    }

    /// Fails where `file` is one of its own, by whichever name: what is written there would be the end of all studies.
    pub(super) fn spare(&self, file: &Path) -> Result<()> {
        match self {
            Self::File(database) if holds(database, file) => {
                Err(anyhow!("{} holds the studies themselves", file.display())).hint("name another file")
            }
            _ => Ok(()),
        }
    }

    /// Has `command` use it too. A password does not stand among the arguments, which everybody can read.
    pub(super) fn hand_to(&self, command: &mut Command) {
        match self {
            Self::File(file) => command.arg("--db").arg(file),
            #[cfg(feature = "postgres")]
            Self::Server(server) => {
                if let Some(password) = server.password() {
                    command.env("PGPASSWORD", password);
                }
                command.arg("--db").arg(server.address())
            }
        };
    }
}

/// Whether `file` is a database of SQLite, or what belongs to it, by any of the names that links may give it.
fn holds(database: &Path, file: &Path) -> bool {
    let identity = |file: &Path| fs::metadata(file).map(|found| (found.dev(), found.ino())).ok();
    let Some(file) = identity(file) else { return false };
    ["", "-wal", "-shm", "-journal"].iter().any(|part| {
        let mut name = database.as_os_str().to_owned();
        name.push(part);
        identity(Path::new(&name)) == Some(file)
    })
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            #[cfg(feature = "postgres")]
            Self::Server(server) => server.address().fmt(f),
        }
    }
}

impl Named {
    /// Begins the study of a file, if it is not there, and means it from now on.
    pub(super) fn begin(&mut self, file: &Path, needs: Needs) -> Result<Plan> {
        let mut plan = Plan::load(file)?;
        plan.name = self.name.take().unwrap_or(plan.name);
        let plan = plan.finish(needs).with_context(|| file.display().to_string())?;
        self.place.folder(&plan.name)?;
        super::run::begin(&mut *self.place.create()?, &plan)?;
        self.name = Some(plan.name.clone());
        Ok(plan)
    }

    /// The study, with its own sampler, and its plan.
    pub(super) fn study(&self) -> Result<(Study, Plan)> {
        let mut storage = self.place.open()?;
        let name = self.name(&mut *storage)?;
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
    pub(super) fn name(&self, storage: &mut dyn Storage) -> Result<String> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let mut names = storage.studies()?;
        let database = self.place.database()?;
        match names.len() {
            1 => Ok(names.remove(0)),
            0 => Err(anyhow!("{database} holds no study")).hint("`joulewise tune run` makes one"),
            _ => Err(anyhow!("{database} holds several studies: {}", names.join(", ")))
                .hint("say which one, as in `joulewise tune best NAME`"),
        }
    }
}
