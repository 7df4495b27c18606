//! Joules of anything: sources, sessions, spans and events.

pub mod energy;

pub use energy::{Energy, Method};
