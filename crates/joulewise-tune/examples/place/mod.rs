//! Where an example keeps its study: in a file, or on a PostgreSQL server.

use std::error::Error;

#[cfg(feature = "postgres")]
use joulewise_tune::storage::Postgres;
use joulewise_tune::storage::{Sqlite, Storage};

/// The studies at the address of a server or, for any other text, in the file of that name.
pub(crate) fn studies(place: &str) -> Result<Box<dyn Storage>, Box<dyn Error>> {
    #[cfg(feature = "postgres")]
    if Postgres::is_address(place) {
        return Ok(Box::new(Postgres::at(place)?));
    }
    Ok(Box::new(Sqlite::at(place)))
}
