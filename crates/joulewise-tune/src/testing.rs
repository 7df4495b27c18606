//! Conformance suites: what every sampler, stopper and storage has to satisfy. They panic with the reason.

mod storage;

pub use storage::check_storage;

use crate::direction::Direction;
use crate::domain::{Domain, Value};
use crate::objective::{Goal, Objective, Objectives};
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::space::{Space, SpaceError};
use crate::stopper::{Stopper, Verdict};
use crate::study::Study;
use crate::trial::{Outcome, Report, State, Trial, TrialId};

/// Checks that a sampler proposes points of the space, explores, and is a deterministic fold over its tells,
/// trials that failed, were stopped, got lost or still run included; with one objective, with two, and with a bound.
pub fn check_sampler<S: Sampler>(make: impl Fn(&Objectives) -> S) {
    check_sampler_in(|_, objectives| make(objectives));
}

/// The same for a sampler that has to know its space from the start.
pub fn check_sampler_in<S: Sampler>(make: impl Fn(&Space, &Objectives) -> S) {
    for space in spaces() {
        for objectives in goals() {
            check_fold(&space, &objectives, &|objectives: &Objectives| make(&space, objectives));
        }
    }
}

fn check_fold<S: Sampler>(space: &Space, objectives: &Objectives, make: &impl Fn(&Objectives) -> S) {
    let mut study = Study::new(space.clone(), objectives.clone(), 11, make(objectives));
    let mut told: Vec<Trial> = Vec::new();
    for number in 0..30_u32 {
        let mut twin = make(objectives);
        for trial in &told {
            twin.tell(trial);
        }
        let replayed = twin.ask(space, Stream::new(11, u64::from(number)));
        let (id, point) = study.ask();
        assert!(space.contains(&point), "{point:?} is not in {space:?}");
        assert_eq!(point, replayed, "trial {number}: the same tells gave another point");
        told.push(study.trials()[id.0 as usize].clone());
        let (value, cost) = (f64::from(number).sin(), f64::from(number));
        let values = objectives.iter().zip([value, -value * value]).map(|(_, value)| value).collect();
        match number % 11 {
            2 => study.end(id, State::Failed { cost }),
            4 => study.end(id, State::Stopped(Outcome { values, cost })),
            6 => study.end(id, State::Lost { cost }),
            9 => continue,
            _ => study.tell(id, Outcome { values, cost }),
        }
        told.push(study.trials()[id.0 as usize].clone());
    }
    let first = &study.trials()[0].point;
    let explores = space.cardinality() == Some(1) || study.trials().iter().any(|t| t.point != *first);
    assert!(explores, "all trials are the same point of {space:?}");
}

/// Checks that a stopper ends trials that fail, never the one that gets better all the time and leads, nor the first
/// one while it gets better; that the same reports get the same verdicts; and that odd reports are no end of it.
pub fn check_stopper<S: Stopper>(make: impl Fn(Direction) -> S) {
    for direction in [Direction::Max, Direction::Min] {
        let sign = if direction == Direction::Max { 1.0 } else { -1.0 };
        let mut stopper = make(direction);
        let verdict = stopper.report(TrialId(0), &Report { cost: 1.0, ..Report::of(1, f64::NAN) });
        assert_eq!(verdict, Verdict::Stop, "a trial that gave NaN went on");

        let run = |stopper: &mut S| {
            let mut verdicts = Vec::new();
            for step in 1..=30_u64 {
                for trial in 1..=9_u64 {
                    let value = if trial == 9 { step as f64 } else { -((trial * step) as f64) };
                    let report = Report { cost: step as f64, ..Report::of(step, sign * value) };
                    verdicts.push(stopper.report(TrialId(trial), &report));
                }
            }
            verdicts
        };
        let verdicts = run(&mut make(direction));
        let leader = verdicts.iter().skip(8).step_by(9).position(|verdict| *verdict == Verdict::Stop);
        assert_eq!(leader, None, "the best trial, which improves at every step, was stopped");
        assert_eq!(verdicts, run(&mut make(direction)), "the same reports got other verdicts");

        let mut alone = make(direction);
        let mut rises = (1..=30_u64).map(|n| Report { cost: n as f64, ..Report::of(7 * n, sign * n as f64) });
        let goes_on = |report: Report| alone.report(TrialId(4), &report) == Verdict::Continue;
        assert!(rises.all(goes_on), "a trial that gets better and has no rival was stopped");
        check_odd_reports(make(direction));
    }
}

fn check_odd_reports<S: Stopper>(mut stopper: S) {
    let values = [0.0, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE];
    for (n, step) in [0, 1, 1, 0, u64::MAX, 3, u64::MAX - 1].into_iter().cycle().take(200).enumerate() {
        let cost = [0.0, f64::NAN, -1.0, f64::INFINITY][n % 4];
        let report = Report { cost, ..Report::of(step, values[n % 6]) };
        let _ = stopper.report(TrialId([u64::MAX, 0, 3][n % 3]), &report);
    }
    let verdict = stopper.report(TrialId(77), &Report { step: 1, values: Vec::new(), cost: 0.0 });
    assert_eq!(verdict, Verdict::Stop, "a trial that gave no value went on");
}

fn spaces() -> Vec<Space> {
    let mixed = || -> Result<_, SpaceError> {
        let space = Space::new().float("x", -1.0, 1.0)?.log_float("lr", 1e-5, 1.0)?;
        let space = space.with("drop", Domain::Float { low: 0.0, high: 0.5, log: false, step: Some(0.1) })?;
        space.int("n", -3, 3)?.log_int("batch", 1, 256)?.choice("optimiser", &["sgd", "adam"])
    };
    let conditional = || -> Result<_, SpaceError> {
        let space = Space::new().choice("optimiser", &["sgd", "adam"])?.float("momentum", 0.0, 1.0)?;
        let space =
            space.when("momentum", "optimiser == sgd")?.with("fixed", Domain::Fixed(Value::Int(3)))?;
        space.int("layers", 1, 4)?.int("width", 1, 64)?.constraint("layers * width <= 96")
    };
    let one_point = Space::new();
    [mixed(), conditional(), Ok(one_point)].map(|space| space.expect("the domains are possible")).into()
}

fn goals() -> Vec<Objectives> {
    let objective = |metric: &str, goal| Objective { metric: metric.to_owned(), goal };
    let first = || objective("first", Goal::Max);
    let all = [
        vec![first()],
        vec![first(), objective("second", Goal::Min)],
        vec![first(), objective("second", Goal::AtMost(-0.2))],
    ];
    all.map(|objectives| Objectives::new(objectives).expect("the objectives are possible")).into()
}
