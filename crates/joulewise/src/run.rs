//! The folder of a run, `<out>/<id>`: what was asked, what happened and what came of it.
//!
//! | file | holds |
//! |---|---|
//! | `recipe.toml` | the recipe with every default filled in, saved first |
//! | `host.json`, `costs.json` | the machine, and the cost table that decisions were made with |
//! | `events.jsonl` | what happened, one event per line, appended as it happens |
//! | `result.json` | what came of it |
//! | `models/` | exported models |
//! | `report.html` | the report |
//!
//! Every file but the log of events appears whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::hint::{Hint as _, Hinted};
use crate::result::RunResult;

/// The recipe, every default filled in.
pub const RECIPE: &str = "recipe.toml";
/// The machine.
pub const HOST: &str = "host.json";
/// The cost table that decisions were made with.
pub const COSTS: &str = "costs.json";
/// The events, one JSON object per line.
pub const EVENTS: &str = "events.jsonl";
/// The result, schema [`crate::result::SCHEMA`].
pub const RESULT: &str = "result.json";
/// The report.
pub const REPORT: &str = "report.html";
/// The folder of the exported models.
pub const MODELS: &str = "models";

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    id: String,
    folder: PathBuf,
}

impl Run {
    /// Makes the folder of a new run inside `out`, which is made as well where it is missing.
    pub fn create(out: &Path) -> Result<Self> {
        fs::create_dir_all(out)
            .with_context(|| format!("cannot make {}", out.display()))
            .hint("choose another folder with --out")?;
        loop {
            let id = new_id();
            let folder = out.join(&id);
            match fs::create_dir(&folder).and_then(|()| fs::create_dir(folder.join(MODELS))) {
                Ok(()) => return Ok(Self { id, folder }),
                // Another run began in the same minute and drew the same letters.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let message = format!("cannot make {}", folder.display());
                    return Err(error).context(message).hint("choose another folder with --out");
                }
            }
        }
    }

    /// Removes the folder of a run that came to nothing.
    pub fn discard(self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }

    /// Opens the only run in `out` whose id begins with `prefix`, or the newest one for `@last`.
    pub fn open(out: &Path, prefix: &str) -> Result<Self> {
        let mut runs = Self::list(out)?;
        if prefix == "@last" {
            return runs
                .pop()
                .with_context(|| format!("no run in {}", out.display()))
                .hint("make one with `joulewise improve`, or name another folder with --out");
        }
        if let Some(exact) = runs.iter().position(|run| run.id == prefix) {
            return Ok(runs.swap_remove(exact));
        }
        runs.retain(|run| run.id.starts_with(prefix));
        match runs.len() {
            1 => Ok(runs.remove(0)),
            0 => Err(anyhow!("no run in {} begins with \"{prefix}\"", out.display()))
                .hint("`joulewise runs` lists them"),
            n => {
                let ids: Vec<&str> = runs.iter().map(Self::id).collect();
                Err(anyhow!(
                    "\"{prefix}\" begins the ids of {n} runs in {}: {}",
                    out.display(),
                    ids.join(", ")
                ))
                .hint("give more letters")
            }
        }
    }

    /// The run whose folder this is.
    pub fn at(folder: &Path) -> Result<Self> {
        let full = folder.canonicalize().with_context(|| format!("cannot open {}", folder.display()))?;
        let run =
            Self { id: full.file_name().unwrap_or_default().to_string_lossy().into_owned(), folder: full };
        if run.path(RECIPE).is_file() || run.has_result() {
            return Ok(run);
        }
        Err(anyhow!("{} is not the folder of a run", folder.display())).hint("`joulewise runs` lists them")
    }

    /// The runs in `out`, oldest first; none where `out` does not exist.
    pub fn list(out: &Path) -> Result<Vec<Self>> {
        let unreadable = || format!("cannot list {}", out.display());
        let folder = match fs::read_dir(out) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.with_context(unreadable).hint("name a folder of runs with --out")?,
        };
        let mut runs = Vec::new();
        for entry in folder {
            let entry = entry.with_context(unreadable)?;
            if let Ok(id) = entry.file_name().into_string()
                && is_id(&id)
                && entry.path().is_dir()
            {
                runs.push(Self { id, folder: entry.path() });
            }
        }
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(runs)
    }

    /// The id, also the folder's name; ids sort by time of creation.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a file of the run is, or will be: `name` is relative to the folder, as in `models/tune.onnx`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file of the run, whole or not at all.
    pub fn write_atomic(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(name);
        joulewise_learn::atomic::write(&path, bytes)
            .with_context(|| format!("cannot write {}", path.display()))
            .hint("free some space, or choose another folder with --out")
    }

    /// Saves the recipe, every default filled in.
    pub fn write_recipe(&self, toml: &str) -> Result<()> {
        self.write_atomic(RECIPE, toml.as_bytes())
    }

    /// The recipe as it was saved.
    pub fn recipe(&self) -> Result<String> {
        self.text(RECIPE)
    }

    /// Saves `value` as indented JSON under `name`, as in [`HOST`] or [`COSTS`].
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text =
            serde_json::to_vec_pretty(value).with_context(|| format!("cannot express {name} as JSON"))?;
        text.push(b'\n');
        self.write_atomic(name, &text)
    }

    /// Reads the JSON file `name`.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not what this version writes", self.path(name).display()))
            .hint("read it with the version that made it")
    }

    /// Saves the result.
    pub fn write_result(&self, result: &RunResult) -> Result<()> {
        self.write_json(RESULT, result)
    }

    /// The result; an error where the run was stopped before it had one.
    pub fn result(&self) -> Result<RunResult> {
        self.read_json(RESULT)
    }

    /// Whether the run came far enough to have a result.
    pub fn has_result(&self) -> bool {
        self.path(RESULT).is_file()
    }

    /// A file of the run as text.
    pub fn text(&self, name: &str) -> Result<String> {
        let path = self.path(name);
        fs::read_to_string(&path).map_err(|error| {
            let hint = match (error.kind(), name) {
                (io::ErrorKind::NotFound, RESULT) => {
                    format!(
                        "the run stopped before its result; continue it with `joulewise improve --resume {}`",
                        self.id
                    )
                }
                (io::ErrorKind::NotFound, _) => "the run stopped before it was written".to_owned(),
                _ => "check the file's permissions".to_owned(),
            };
            Hinted::new(anyhow!(error).context(format!("cannot read {}", path.display())), hint).into()
        })
    }
}

/// `20261121-0105-k3f9`: UTC time to the minute, then the seconds and chance.
///
/// The first letter after the time holds the second of the minute, so that ids sort by time.
fn new_id() -> String {
    let now = Timestamp::now();
    let time = now.to_zoned(TimeZone::UTC);
    // The letters run through a second, about 1.8 ms each, and the process id parts runs that share them.
    let tick = u64::from(time.second().unsigned_abs()) * 1_000 + u64::from(time.millisecond().unsigned_abs());
    let letters = tick * 36 * 36 * 36 * 36 / 60_000;
    let letters = letters - letters % 36 + u64::from(std::process::id()) % 36;
    let suffix: String =
        (0..4).rev().map(|place| LETTERS[(letters / 36u64.pow(place) % 36) as usize] as char).collect();
    format!("{}-{suffix}", time.strftime("%Y%m%d-%H%M"))
}

/// Base 36 in the order of ASCII, so that the text sorts as the number does.
const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn is_id(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() == 18
        && bytes.iter().enumerate().all(|(i, &byte)| match i {
            8 | 13 => byte == b'-',
            14.. => byte.is_ascii_digit() || byte.is_ascii_lowercase(),
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint;

    fn folder_with(ids: &[&str]) -> tempfile::TempDir {
        let out = tempfile::tempdir().unwrap();
        for id in ids {
            fs::create_dir(out.path().join(id)).unwrap();
        }
        out
    }

    /// The error as the terminal shows it.
    fn told<T: std::fmt::Debug>(result: Result<T>) -> String {
        let mut out = Vec::new();
        hint::print(&result.unwrap_err(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_new_run_is_the_last_one() {
        let out = folder_with(&["20200101-0000-aaaa", "notes"]);
        let run = Run::create(&out.path().join("deep").join("er")).unwrap();
        assert!(is_id(run.id()) && run.path(MODELS).is_dir());
        let first = Run::create(out.path()).unwrap();
        let second = Run::create(out.path()).unwrap();
        assert_ne!(first, second);
        assert_eq!(Run::list(out.path()).unwrap().len(), 3);
        assert_eq!(Run::open(out.path(), "@last").unwrap(), second);
    }

    #[test]
    fn a_prefix_opens_a_run_only_where_it_is_unique() {
        let out = folder_with(&["20261121-0105-k3f9", "20261121-0105-k3g0", "20261122-0900-0001"]);
        assert_eq!(Run::open(out.path(), "20261122").unwrap().id(), "20261122-0900-0001");
        let ambiguous = told(Run::open(out.path(), "20261121-0105-k3"));
        assert!(ambiguous.contains("k3f9, 20261121-0105-k3g0\nhint: give more letters"), "{ambiguous}");
        let missing = told(Run::open(out.path(), "2019"));
        assert!(missing.contains("begins with \"2019\"\nhint: `joulewise runs`"), "{missing}");
        let empty = told(Run::open(&out.path().join("none"), "@last"));
        assert!(empty.contains("none\nhint: make one with"), "{empty}");
    }

    #[test]
    fn files_are_read_back_and_missing_ones_explained() {
        let out = tempfile::tempdir().unwrap();
        let run = Run::create(out.path()).unwrap();
        run.write_recipe("epochs = 3\n").unwrap();
        run.write_json(COSTS, &[1.5, 2.5]).unwrap();
        assert_eq!(run.recipe().unwrap(), "epochs = 3\n");
        assert_eq!(run.read_json::<Vec<f64>>(COSTS).unwrap(), [1.5, 2.5]);
        let message = told(run.result());
        assert!(message.contains(&format!("--resume {}", run.id())), "{message}");
        run.write_atomic(RESULT, b"{}").unwrap();
        assert!(told(run.result()).contains("result.json is not what"));
    }
}
