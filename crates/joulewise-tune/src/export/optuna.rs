//! A study as an SQLite file of Optuna.

mod distribution;
mod earlier;
mod rows;

use std::path::{Path, PathBuf};
use std::{fs, io, process};

use rusqlite::Connection;

use crate::sampler::Sampler;
use crate::shared_study::SharedStudy;
use crate::storage::{Failure, StorageError};
use rows::Rows;

/// Writes a study as a file that Optuna loads under `name` and `optuna-dashboard` opens. At `path` there may be an
/// earlier one of the same study, which is replaced; behind a symbolic link its target is.
///
/// Lost trials are failed ones there, with a user attribute `state`; bounds are constraints; what a trial cost, who
/// worked on it and its notes are user attributes. Curves are there where one metric is optimised.
///
/// Fails where `path` holds anything else, as studies or trials of Optuna's own.
pub fn optuna<S: Sampler>(study: &SharedStudy<S>, name: &str, path: &Path) -> Result<(), StorageError> {
    let failure = Failure::of(path);
    earlier::check(path, name)?;
    let target = followed(path);
    let unfinished = beside(&target);
    let written = write(study, name, &unfinished).map_err(failure.to("write"));
    let moved = written
        .and_then(|()| fs::rename(&unfinished, &target).map_err(|error| failure.of_io("write", error)));
    if moved.is_err() {
        // What is left of it is of no use, and the first error says what happened.
        drop(fs::remove_file(&unfinished));
    }
    moved
}

/// The target of a symbolic link, be it there or not, or else the path itself.
fn followed(path: &Path) -> PathBuf {
    let next = |folder: &Path| Ok(folder.join(fs::read_link(path)?));
    let target = path.canonicalize().or_else(|_| next(path.parent().unwrap_or(Path::new(""))));
    target.unwrap_or_else(|_: io::Error| path.to_owned())
}

/// A name in the same folder, for as long as the file is not whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.unfinished", process::id()));
    name.into()
}

fn write<S: Sampler>(study: &SharedStudy<S>, name: &str, path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(include_str!("optuna/schema.sql"))?;
    let rows = Rows { connection: &transaction, study };
    rows.head(name)?;
    for trial in study.trials() {
        rows.trial(trial)?;
    }
    for point in study.waiting() {
        rows.waiting(point)?;
    }
    rows.mark()?;
    transaction.commit()
}
