//! A recipe's text: where each key came from, which keys were asked for, and the errors that name both.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use super::value::Value;
use crate::hint::{Hint as _, Hinted};

/// A value from the command line that takes precedence over the recipe's file.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Dotted key, as in `train.lr`.
    pub key: String,
    /// The value.
    pub value: toml::Value,
    /// What the user typed it into, as in `--set` or `--epochs`.
    pub origin: &'static str,
}

impl Override {
    /// Reads `KEY=VALUE`. The value is TOML where it can be and a text where it cannot, so that quotes are
    /// not needed.
    pub fn parse(text: &str) -> Result<Self> {
        let example = "write a dotted key and a value, as in --set train.lr=3e-3";
        let (key, value) =
            text.split_once('=').ok_or_else(|| anyhow!("--set {text}: no `=`")).hint(example)?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || key.split('.').any(str::is_empty) {
            return Err(anyhow!("--set {text}: `{key}` is not a key")).hint(example);
        }
        let as_toml = toml::from_str::<toml::Table>(&format!("value = {value}"));
        let value = match as_toml.ok().filter(|table| table.len() == 1).and_then(|mut t| t.remove("value")) {
            Some(value) => value,
            None => toml::Value::String(value.to_owned()),
        };
        Ok(Self { key: key.to_owned(), value, origin: "--set" })
    }
}

/// The keys of a recipe, from its file and from the command line.
pub(super) struct Document {
    file: Option<PathBuf>,
    table: toml::Table,
    /// Keys that did not come from the file.
    origins: BTreeMap<String, &'static str>,
    /// Keys that exist, whether or not they were given.
    asked: Vec<&'static str>,
}

impl Document {
    /// Reads a recipe's text.
    pub(super) fn parse(text: &str, file: Option<&Path>) -> Result<Self> {
        let table = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            anyhow!("{} line {line}: {}", Shown(file), error.message().replace('\n', ", "))
        })?;
        Ok(Self { file: file.map(Path::to_owned), table, origins: BTreeMap::new(), asked: Vec::new() })
    }

    /// Whether there is no key at all.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Sets a key, whatever its value was.
    pub(super) fn set(&mut self, over: Override) -> Result<()> {
        let Override { key, value, origin } = over;
        let mut table = &mut self.table;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                table.insert(part.to_owned(), value);
                break;
            }
            let section = table.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let Some(section) = section.as_table_mut() else {
                bail!("{origin} {key}: `{part}` is a value, not a section");
            };
            table = section;
        }
        self.origins.insert(key, origin);
        Ok(())
    }

    /// Reads `key` over the default in `into`, if it was given.
    pub(super) fn read<T: Value>(&mut self, key: &'static str, into: &mut T) -> Result<()> {
        self.asked.push(key);
        let Some(value) = self.get(key)? else { return Ok(()) };
        *into = T::read(value).map_err(|expected| self.wrong(key, value, &expected))?;
        Ok(())
    }

    /// Requires something of the value of `key`.
    pub(super) fn require(&self, key: &str, holds: bool, expected: &str) -> Result<()> {
        match self.get(key)? {
            Some(value) if !holds => Err(self.wrong(key, value, expected)),
            _ => Ok(()),
        }
    }

    /// Whether `key` was given.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_ok_and(|value| value.is_some())
    }

    /// The folder that a path given as `key` is relative to: the recipe's own for a path in the file.
    pub(super) fn folder_of(&self, key: &str) -> &Path {
        match &self.file {
            Some(file) if !self.origins.contains_key(key) => file.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        }
    }

    /// Refuses keys that nobody asked for.
    pub(super) fn finish(&self) -> Result<()> {
        let mut given = Vec::new();
        leaves(&self.table, "", &mut given);
        // An empty section is a mistake only if there is no such section.
        let known = |key: &str| {
            self.asked.iter().any(|asked| {
                asked.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        let Some(unknown) = given.iter().find(|key| !known(key)) else { return Ok(()) };
        let error = match unknown.rsplit_once('.') {
            Some((section, key)) => anyhow!("{}: unknown key `{key}` in [{section}]", self.origin(unknown)),
            None => anyhow!("{}: unknown key `{unknown}`", self.origin(unknown)),
        };
        let hint = match nearest(unknown, &self.asked) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("the keys are {}", self.asked.join(", ")),
        };
        Err(Hinted::new(error, hint).into())
    }

    /// Where the recipe was read from, as messages name it.
    pub(super) fn name(&self) -> String {
        Shown(self.file.as_deref()).to_string()
    }

    fn get(&self, key: &str) -> Result<Option<&toml::Value>> {
        let Some((section, name)) = key.split_once('.') else { return Ok(self.table.get(key)) };
        match self.table.get(section) {
            None => Ok(None),
            Some(toml::Value::Table(table)) => Ok(table.get(name)),
            Some(value) => Err(self.wrong(section, value, &format!("a section, as in [{section}]"))),
        }
    }

    fn wrong(&self, key: &str, value: &toml::Value, expected: &str) -> anyhow::Error {
        anyhow!("{}: `{key}` is {value}, expected {expected}", self.origin(key))
    }

    fn origin(&self, key: &str) -> String {
        match self.origins.get(key) {
            Some(origin) => (*origin).to_owned(),
            None => self.name(),
        }
    }
}

/// Of `known`, the key that `key` is most likely a misspelling of: the same name in another section, or a
/// similar spelling.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let score = |other: &str| {
        let whole = strsim::normalized_damerau_levenshtein(key, other);
        // The right name in the wrong section is a better guess than a similar name.
        whole.max(0.95 * strsim::normalized_damerau_levenshtein(&name(key), &name(other)))
    };
    known.iter().copied().filter(|other| score(other) > 0.6).max_by(|a, b| score(a).total_cmp(&score(b)))
}

/// Of `known`, the name that `name` is most likely a misspelling of.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest(name, &known.into_iter().collect::<Vec<_>>())
}

fn leaves(table: &toml::Table, prefix: &str, found: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => {
                leaves(inner, &format!("{prefix}{key}."), found);
            }
            _ => found.push(format!("{prefix}{key}")),
        }
    }
}

/// The recipe's file as messages name it.
struct Shown<'a>(Option<&'a Path>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(file) => write!(f, "{}", file.display()),
            None => f.write_str("the default recipe"),
        }
    }
}
