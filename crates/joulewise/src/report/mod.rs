//! What people see of a run: one page of HTML, and a table for the terminal.
//!
//! The page is one file that needs no network. Its charts are SVG drawn here; every chart has a table behind it,
//! and the result itself is embedded as JSON.

pub mod abbreviation;
mod candidates;
mod curves;
#[cfg(test)]
pub(crate) mod fixture;
pub mod grid;
mod headline;
mod life;
mod machine;
mod page;
mod practices;
pub mod quantity;
mod spans;
mod spent;
pub mod study;
pub mod svg;
pub mod terminal;
mod trade;
mod waste;

pub use page::html;
