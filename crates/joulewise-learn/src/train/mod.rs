//! Training: hyperparameters, schedules, losses, optimisers and the loop over epochs.

pub mod examples;
pub mod fit;
pub mod loss;
pub mod optimiser;
pub mod schedule;

pub use examples::{Examples, Features, Pictures};
pub use fit::{Control, Epoch, Fitted, Hyperparameters, Split, Teacher, Tick, TrainError, fit};
