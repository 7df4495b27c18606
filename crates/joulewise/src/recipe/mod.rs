//! Recipes: everything that `joulewise improve` depends on, in TOML, with every default filled in.
//!
//! A recipe's file may leave out any key; flags take precedence over `--set`, that over the file, and the file
//! over the defaults that each section documents. What a run used is saved as its `recipe.toml`, which reads
//! back to the same recipe.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;

mod document;
pub mod quantity;
mod sections;
mod value;

pub use document::{Override, did_you_mean};
pub use joulewise_learn::train::optimiser::Family;
pub use joulewise_learn::train::schedule::Schedule;
pub use joulewise_tune::Direction;
pub use quantity::{Budget, Count, Percent, Worth};
pub use sections::{Data, Deploy, Distil, Eval, Goal, Model, Search, Train, Transfer};

use crate::hint::Hint as _;
use document::Document;

/// A training task, what to improve about it, and what the search may cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// What the run and its report are called; default: the model and the data, or the recipe's file name.
    pub name: String,
    /// What is learned from.
    pub data: Data,
    /// What is trained.
    pub model: Model,
    /// How it is trained.
    pub train: Train,
    /// How the user's own model teaches another; only with `train.command`.
    pub distil: Distil,
    /// How the user's own model is evaluated; only with `train.command`.
    pub eval: Eval,
    /// How the user's own model is run; only with `train.command`.
    pub deploy: Deploy,
    /// What counts as an improvement.
    pub goal: Goal,
    /// What the search may try and cost.
    pub search: Search,
    /// What `transfer` starts from.
    pub transfer: Transfer,
}

impl Recipe {
    /// Reads the recipe in `file`, or the default one, with `overrides` in ascending precedence.
    pub fn load(file: Option<&Path>, overrides: impl IntoIterator<Item = Override>) -> Result<Self> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the recipe {}", file.display()))
                .hint("a recipe is a TOML file, as in recipes/glyphs.toml")?,
            None => String::new(),
        };
        let mut document = Document::parse(&text, file)?;
        if file.is_some() && document.is_empty() {
            return Err(anyhow!("{}: the recipe is empty", document.name()))
                .hint("say what to train, as in `[model]` and `name = \"lenet\"`, or leave the recipe out");
        }
        for over in overrides {
            document.set(over)?;
        }
        Self::read(&mut document, file)
    }

    /// As TOML that [`load`](Self::load) reads back to the same recipe.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every section is a table of plain values")
    }

    fn read(document: &mut Document, file: Option<&Path>) -> Result<Self> {
        let data = Data::read(document)?;
        let model = Model::read(document)?;
        let train = Train::read(document)?;
        if train.command.is_none() {
            model.require_known(document)?;
        }
        let distil = Distil::read(document)?;
        let eval = Eval::read(document)?;
        let deploy = Deploy::read(document)?;
        let goal = Goal::read(document)?;
        if train.command.is_none() {
            goal.require_known(document)?;
        }
        let search = Search::read(document)?;
        search.require_seeds(&train, document)?;
        let transfer = Transfer::read(document)?;
        let mut name = default_name(&data, &model, &train, file);
        document.read("name", &mut name)?;
        document.finish()?;
        Ok(Self { name, data, model, train, distil, eval, deploy, goal, search, transfer })
    }
}

fn default_name(data: &Data, model: &Model, train: &Train, file: Option<&Path>) -> String {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match (&train.command, file) {
        (Some(_), Some(file)) => stem(file),
        (Some(_), None) => "command".to_owned(),
        (None, _) => {
            let data = data.path.as_deref().map_or("glyphs".to_owned(), stem);
            format!("{} on {data}", stem(&PathBuf::from(&model.name)))
        }
    }
}

#[cfg(test)]
mod tests;
