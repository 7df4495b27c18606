//! Energy as a metric equal to accuracy: measure, search, compress, and one ledger of every joule.

pub mod attribution;
pub mod budget;
pub mod candidate;
pub mod card;
pub mod commands;
pub mod compare;
pub mod context;
pub mod costs;
pub mod events;
pub mod exit;
pub mod hint;
pub mod improve;
mod interrupt;
pub mod ledger;
pub mod output;
pub mod practice;
pub mod recipe;
pub mod report;
pub mod result;
pub mod run;
pub mod selection;
pub mod task;
pub mod tune;
pub mod waste;
