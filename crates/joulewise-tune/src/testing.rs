//! Conformance suites: what every sampler and every stopper has to satisfy. They panic with the reason.

use crate::direction::Direction;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::space::Space;
use crate::stopper::{Stopper, Verdict};
use crate::study::Study;
use crate::trial::{Outcome, Trial, TrialId};

/// Checks that a sampler proposes points of the space, explores, and is a deterministic fold over its tells,
/// failed and running trials included.
pub fn check_sampler<S: Sampler>(make: impl Fn() -> S) {
    for space in spaces() {
        let mut study = Study::new(space.clone(), Direction::Max, 11, make());
        let mut told: Vec<Trial> = Vec::new();
        for number in 0..30_u32 {
            let mut twin = make();
            for trial in &told {
                twin.tell(trial);
            }
            let replayed = twin.ask(&space, Stream::new(11, u64::from(number)));
            let (id, point) = study.ask();
            assert!(space.contains(&point), "{point:?} is not in {space:?}");
            assert_eq!(point, replayed, "trial {number}: the same tells gave another point");
            told.push(study.trials()[id.0 as usize].clone());
            // Every third trial fails and every fifth keeps running.
            if number % 5 != 4 {
                let value = if number % 3 == 2 { f64::NAN } else { f64::from(number).sin() };
                study.tell(id, Outcome { value, cost: f64::from(number) });
                told.push(study.trials()[id.0 as usize].clone());
            }
        }
        let first = &study.trials()[0].point;
        let explores =
            space.parameters().next().is_none() || study.trials().iter().any(|t| t.point != *first);
        assert!(explores, "all trials are the same point of {space:?}");
    }
}

/// Checks that a stopper ends trials that fail, never the one that gets better all the time and leads, and
/// that the same reports get the same verdicts.
pub fn check_stopper<S: Stopper>(make: impl Fn(Direction) -> S) {
    for direction in [Direction::Max, Direction::Min] {
        let sign = if direction == Direction::Max { 1.0 } else { -1.0 };
        let mut stopper = make(direction);
        let verdict = stopper.report(TrialId(0), 1, f64::NAN);
        assert_eq!(verdict, Verdict::Stop, "a trial that gave NaN went on");

        let run = |stopper: &mut S| {
            let mut verdicts = Vec::new();
            for step in 1..=30_u64 {
                for trial in 1..=9_u64 {
                    let value = if trial == 9 { step as f64 } else { -((trial * step) as f64) };
                    verdicts.push(stopper.report(TrialId(trial), step, sign * value));
                }
            }
            verdicts
        };
        let verdicts = run(&mut make(direction));
        let leader = verdicts.iter().skip(8).step_by(9).position(|verdict| *verdict == Verdict::Stop);
        assert_eq!(leader, None, "the best trial, which improves at every step, was stopped");
        assert_eq!(verdicts, run(&mut make(direction)), "the same reports got other verdicts");
    }
}

fn spaces() -> Vec<Space> {
    let mixed = || -> Result<_, crate::space::SpaceError> {
        let space = Space::new().float("x", -1.0, 1.0)?.log_float("lr", 1e-5, 1.0)?;
        space.int("n", -3, 3)?.log_int("batch", 1, 256)?.choice("optimiser", &["sgd", "adam"])
    };
    let one_point = Space::new();
    vec![mixed().expect("the domains are possible"), one_point]
}
