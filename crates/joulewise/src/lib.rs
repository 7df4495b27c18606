//! Energy as a metric equal to accuracy: measure, search, compress, and one ledger of every joule.

pub mod commands;
pub mod exit;
pub mod hint;
pub mod recipe;
pub mod result;
pub mod task;
