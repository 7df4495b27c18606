//! Studies for other tools.

mod json;
mod optuna;
mod table;

pub use json::json;
pub use optuna::optuna;
pub use table::{Column, Table};
