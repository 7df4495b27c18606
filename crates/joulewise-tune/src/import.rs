//! Studies of other tools.

mod optuna;

pub use optuna::optuna;

/// The note of a study that says what its costs are where they are no joules.
pub const COST_UNIT: &str = "cost_unit";
/// What [`COST_UNIT`] is where a tool knows only how long its trials took.
pub const SECONDS: &str = "s";

use crate::storage::{Definition, Entry, Journal, Storage, StorageError};

/// A study of another tool, as far as it can be told in our words.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Its name there.
    pub name: String,
    /// What it is here. Its sampler is `auto` and its seed 0, for the other tool does not tell.
    pub definition: Definition,
    /// What happened in it.
    pub entries: Vec<Entry>,
    /// What got lost on the way or was guessed, a sentence each.
    pub caveats: Vec<String>,
}

impl Imported {
    /// Writes it as a study called `name`, which must be free.
    pub fn save(self, name: &str, storage: &mut dyn Storage) -> Result<Box<dyn Journal>, StorageError> {
        let mut journal = storage.create(name, &self.definition)?;
        journal.append(0, &mut |_| Ok(self.entries.clone()))?;
        Ok(journal)
    }
}
