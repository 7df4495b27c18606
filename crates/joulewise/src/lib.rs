//! Energy as a metric equal to accuracy: measure, search, compress, and one ledger of every joule.

pub mod card;
pub mod commands;
pub mod events;
pub mod exit;
pub mod hint;
pub mod ledger;
pub mod recipe;
pub mod report;
pub mod result;
pub mod run;
pub mod task;
