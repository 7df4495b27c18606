//! The subcommands of `joulewise`: each file holds the arguments of one and what it does.
//!
//! stdout carries data and stderr everything else; a command ends in an exit code of [`crate::exit`] or in an
//! error that `main` prints with its hints.

pub mod attach;
pub mod bench;
pub mod compare;
pub mod data;
pub mod doctor;
pub mod improve;
pub mod ledger;
pub mod measure;
pub mod practice;
pub mod predict;
pub mod report;
pub mod runs;
pub mod span;
pub mod tune;
pub mod waste;
