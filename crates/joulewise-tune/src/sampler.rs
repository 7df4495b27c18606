//! Samplers: where to look next.

use crate::point::Point;
use crate::random::Stream;
use crate::space::Space;
use crate::trial::Trial;

/// Proposes points.
///
/// A sampler is a deterministic fold over what it was told: after the same tells, the same ask gives the same
/// point, whatever was asked in between. [`check_sampler`](crate::testing::check_sampler) tests an implementation.
pub trait Sampler {
    /// Learns of a trial: when it starts and again when it ends. A failed trial has no value.
    fn tell(&mut self, trial: &Trial);

    /// Proposes a point of `space`. All randomness comes from `stream`, which belongs to the new trial.
    fn ask(&mut self, space: &Space, stream: Stream) -> Point;

    /// Whether there is no point left that is worth a trial: [`ask`](Self::ask) would repeat itself. It is asked
    /// before each trial; trials that get lost may make it false again.
    fn is_exhausted(&self, _space: &Space) -> bool {
        false
    }
}

impl<S: Sampler + ?Sized> Sampler for Box<S> {
    fn tell(&mut self, trial: &Trial) {
        (**self).tell(trial);
    }

    fn ask(&mut self, space: &Space, stream: Stream) -> Point {
        (**self).ask(space, stream)
    }

    fn is_exhausted(&self, space: &Space) -> bool {
        (**self).is_exhausted(space)
    }
}
