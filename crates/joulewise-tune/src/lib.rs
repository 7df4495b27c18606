//! Search spaces, samplers, stoppers and studies in which a cost is a number.
//!
//! A [`Study`] asks its [`Sampler`] for a [`Point`] of a [`Space`], the caller evaluates it in whatever way and
//! unit it likes, and tells the study the value and the cost. A [`Stopper`] watches the intermediate values
//! and says when going on is not worth it.
//!
//! All randomness is counter-based: trial 7 of seed 1 draws the same numbers on every machine, whatever ran
//! before it or beside it. A value that is not a number is information (the trial failed), never an error.
//!
//! ```
//! use joulewise_tune::samplers::Random;
//! use joulewise_tune::{Direction, Objectives, Outcome, Space, Study};
//!
//! let space = Space::new().log_float("lr", 1e-4, 1e-1)?.int("layers", 1, 8)?;
//! let mut study = Study::new(space, Objectives::single(Direction::Min), 1, Random);
//! for _ in 0..20 {
//!     let (id, point) = study.ask();
//!     let (lr, layers) = (point.float("lr").unwrap(), point.int("layers").unwrap());
//!     let loss = (lr.log10() + 2.0).powi(2) + 0.1 * (layers - 3).abs() as f64;
//!     study.tell(id, Outcome::of(loss, layers as f64));
//! }
//! assert!(study.best().unwrap().value().unwrap() < 1.0);
//! # Ok::<(), joulewise_tune::SpaceError>(())
//! ```

mod curves;
mod direction;
mod domain;
pub mod export;
mod expression;
mod front;
mod gp;
mod hypervolume;
pub mod import;
mod importance;
mod literal;
mod number;
mod objective;
mod point;
mod random;
mod rank;
mod sampler;
pub mod samplers;
mod shared_study;
mod space;
mod stopper;
pub mod stoppers;
pub mod storage;
mod study;
pub mod testing;
mod trial;

pub use direction::Direction;
pub use domain::{Domain, Value};
pub use expression::{Expression, ExpressionError};
pub use importance::{Importance, importances};
pub use objective::{Goal, Objective, Objectives, ObjectivesError};
pub use point::Point;
pub use random::Stream;
pub use sampler::Sampler;
pub use shared_study::{Claim, Limits, Record, Replayed, SharedStudy, Told, replay};
pub use space::{Parameter, Space, SpaceError};
pub use stopper::{Stopper, Verdict};
pub use study::{Study, best, front};
pub use trial::{Outcome, Report, State, Trial, TrialId};
