//! What every storage has to satisfy.

use std::collections::BTreeSet;
use std::thread;

use crate::direction::Direction;
use crate::objective::Objectives;
use crate::point::Point;
use crate::random::Stream;
use crate::sampler::Sampler;
use crate::samplers::Random;
use crate::shared_study::{Claim, Limits, SharedStudy, Told, replay};
use crate::space::Space;
use crate::storage::{Definition, Entry, Event, Journal, Origin, Storage, StorageErrorKind};
use crate::trial::{Outcome, Report, State, Trial, TrialId};

/// Checks that a storage keeps names apart, numbers its events without gaps, appends all or nothing and one worker
/// at a time, leases trials with fencing tokens, and that studies in it lose nothing and do nothing twice.
///
/// `make` opens the same storage anew, as another process would, in which no study is called `check …` yet.
pub fn check_storage<S: Storage>(make: impl Fn() -> S + Sync) {
    let (mut here, mut there) = (make(), make());
    check_names(&mut here, &mut there);
    check_deltas(&mut here, &mut there);
    check_all_or_nothing(&mut here);
    check_leases(&mut here, &mut there);
    check_late_results(&mut here, &mut there);
    check_queue_and_limits(&mut here, &mut there);
    check_numbers_of_workers(&make);
    check_grid_of_workers(&make);
    check_resumption(&mut here);
}

fn check_names(here: &mut impl Storage, there: &mut impl Storage) {
    let definition = definition();
    drop(here.create("check names", &definition).expect("the name is free"));
    let other = Definition { seed: definition.seed + 1, ..definition.clone() };
    for error in [here.create("check names", &other), there.create("check names", &other)] {
        let kind = error.err().expect("a name was given to two studies").kind();
        assert_eq!(kind, StorageErrorKind::Taken);
    }
    let opened = there.open("check names").expect("the study is there");
    assert_eq!(*opened.definition(), definition, "the definition is not the one that was written");
    let missing = there.open("check nothing").err().expect("a study was opened that is not there");
    assert_eq!(missing.kind(), StorageErrorKind::Missing);
    drop(there.create("check 'another\" name\u{2003}", &definition).expect("the name is free"));
    let names = here.studies().expect("the storage can be read");
    assert!(names.contains(&"check names".to_owned()) && names.is_sorted(), "{names:?}");
}

fn check_deltas(here: &mut impl Storage, there: &mut impl Storage) {
    let mut writer = here.create("check deltas", &definition()).expect("the name is free");
    let mut reader = there.open("check deltas").expect("the study is there");
    let entries = strange_entries();
    let written: Vec<Event> = entries
        .chunks(2)
        .flat_map(|some| writer.append(0, &mut |_| Ok(some.to_vec())).expect("entries can be appended"))
        .collect();
    let numbers = written.iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>(), "numbers have gaps");
    let times = written.iter().map(|event| event.at_s);
    assert!(times.clone().is_sorted() && times.clone().all(|at_s| at_s > 1e9), "the clock is odd");

    for after in 0..=written.len() {
        let read = events(&mut *reader, after as u64);
        assert_eq!(text(&read), text(&written[after..]), "reading after {after}");
        let shown = &mut Vec::new();
        let nothing = reader.append(after as u64, &mut |news| {
            shown.extend(news.events);
            Ok(Vec::new())
        });
        assert!(nothing.is_ok_and(|appended| appended.is_empty()));
        assert_eq!(text(shown), text(&written[after..]), "news after {after}");
    }
    let stop = || crate::storage::StorageError::new(StorageErrorKind::Refused, "enough");
    let seen = &mut 0;
    let stopped = reader.read(0, &mut |_| {
        *seen += 1;
        if *seen == 2 { Err(stop()) } else { Ok(()) }
    });
    assert!(stopped.is_err() && *seen == 2, "reading went on after an error");
}

fn check_all_or_nothing(here: &mut impl Storage) {
    let exact = Definition { exact: true, ..definition() };
    let mut journal = here.create("check all or nothing", &exact).expect("the name is free");
    let asked = |trial, x| asked(trial, x, Origin::Sampler);
    let first = journal.append(0, &mut |_| Ok(vec![asked(0, 0.5)]));
    assert_eq!(first.expect("a trial can be begun").len(), 1);
    let note = || Entry::Noted { trial: None, key: "key".to_owned(), value: "value".to_owned() };
    let refusals = [
        ("a trial was begun twice", vec![note(), asked(0, 0.6)]),
        ("a trial was begun twice at once", vec![asked(1, 0.6), asked(1, 0.7)]),
        ("a point of an exact study was begun twice", vec![note(), asked(1, 0.5)]),
    ];
    for (complaint, entries) in refusals {
        assert!(journal.append(1, &mut |_| Ok(entries.clone())).is_err(), "{complaint}");
        assert_eq!(events(&mut *journal, 0).len(), 1, "{complaint}, by half");
    }
    let refusal = || crate::storage::StorageError::new(StorageErrorKind::Refused, "no");
    assert!(journal.append(1, &mut |_| Err(refusal())).is_err());
    assert_eq!(events(&mut *journal, 0).len(), 1);
    let again = Entry::Asked {
        trial: TrialId(1),
        point: point(0.5),
        worker: "w".to_owned(),
        origin: Origin::Retry(TrialId(0)),
    };
    assert!(journal.append(1, &mut |_| Ok(vec![again.clone()])).is_ok(), "a lost trial was not tried again");
}

fn check_leases(here: &mut impl Storage, there: &mut impl Storage) {
    let expired = |journal: &mut dyn Journal| {
        let found = &mut Vec::new();
        let read = journal.append(u64::MAX >> 1, &mut |news| {
            *found = news.expired;
            Ok(Vec::new())
        });
        read.expect("the journal can be read");
        found.clone()
    };
    let short = Definition { lease_s: 0.0, ..definition() };
    let mut journal = here.create("check leases", &short).expect("the name is free");
    let mut other = there.open("check leases").expect("the study is there");
    let begun =
        journal.append(0, &mut |_| Ok([0, 1].map(|trial| asked(trial, 0.5, Origin::Sampler)).to_vec()));
    let fence = begun.expect("trials can be begun")[0].seq;
    assert_eq!(expired(&mut *other), [TrialId(0), TrialId(1)]);
    assert!(other.renew(TrialId(0), fence).expect("leases can be renewed"), "a lease that is held");
    assert!(
        !other.renew(TrialId(0), fence + 7).expect("leases can be renewed"),
        "another's lease was renewed"
    );
    assert!(
        !other.renew(TrialId(9), fence).expect("leases can be renewed"),
        "a lease of no trial was renewed"
    );
    let end = Entry::Ended { trial: TrialId(0), state: State::Failed { cost: 1.0 } };
    journal.append(2, &mut |_| Ok(vec![end.clone()])).expect("a trial can be ended");
    assert_eq!(expired(&mut *other), [TrialId(1)], "a trial that ended is no longer leased");
    assert!(
        !other.renew(TrialId(0), fence).expect("leases can be renewed"),
        "a trial that ended was renewed"
    );

    let mut long = here.create("check long leases", &definition()).expect("the name is free");
    long.append(0, &mut |_| Ok(vec![asked(0, 0.5, Origin::Sampler)])).expect("a trial can be begun");
    assert_eq!(expired(&mut *long), [], "a lease of a minute is over at once");
}

fn check_late_results(here: &mut impl Storage, there: &mut impl Storage) {
    let short = Definition { lease_s: 0.0, retries: 1, ..definition() };
    let create = |storage: &mut dyn Storage| {
        let journal = storage.create("check late results", &short).expect("the name is free");
        SharedStudy::new(journal, Random).expect("an empty study can be opened")
    };
    let mut silent = create(here);
    let mut other = open(there, "check late results", Random);

    let claim = ask(&mut silent, "silent");
    let report = Report { cost: 3.0, ..Report::of(1, 0.1) };
    assert_eq!(silent.report(&claim, &report).expect("a report can be written"), Told::Accepted);
    assert!(silent.renew(&claim, 4.0).expect("a lease can be renewed"), "nobody else was given the trial");
    assert_eq!(silent.cost(), 4.0, "what a trial has cost so far is forgotten");
    let again = ask(&mut other, "other");
    assert_eq!((again.id, &again.point), (TrialId(1), &claim.point), "a lost trial was not tried again");
    assert!(again.fence > claim.fence, "fencing tokens must grow");
    assert_eq!(other.trials()[0].state, State::Lost { cost: 4.0 }, "what was spent is forgotten");
    assert_eq!(silent.report(&claim, &report).expect("a late report is no error"), Told::Orphan);
    let late = State::Done(Outcome::of(0.9, 5.0));
    assert_eq!(silent.tell(&claim, late.clone()).expect("a late result is no error"), Told::Orphan);
    assert_eq!(silent.trials()[0].state, State::Lost { cost: 5.0 }, "what the silent worker spent is spent");
    assert_eq!(other.tell(&again, late.clone()).expect("a result can be told"), Told::Accepted);
    assert_eq!(other.tell(&again, late.clone()).expect("telling twice is no error"), Told::Accepted);
    let corrected = State::Done(Outcome::of(0.1, 5.0));
    assert_eq!(other.tell(&again, corrected).expect("telling twice is no error"), Told::Orphan);
    assert_eq!(other.trials()[1].state, late, "the first result counts");
    assert_eq!(other.cost(), 10.0);

    // A trial that nobody else was given is its worker's, however late it tells.
    let claim = ask(&mut silent, "silent");
    other.limit(Limits { cost: Some(0.0), trials: None });
    assert_eq!(other.ask("other").expect("the study can be asked"), None);
    assert_eq!((other.running(), other.waiting().len()), (0, 1), "the silent worker's trial is lost");
    assert_eq!(silent.tell(&claim, late.clone()).expect("a late result is no error"), Told::Accepted);
    other.refresh().expect("the study can be read");
    assert_eq!((&other.trials()[2].state, other.waiting().len()), (&late, 0));

    // After as many retries as the definition has, a point is given up.
    other.limit(Limits::default());
    let lost = [ask(&mut silent, "silent"), ask(&mut silent, "silent"), ask(&mut silent, "silent")];
    assert!(lost[0].point == lost[1].point && lost[1].point != lost[2].point, "retried {lost:?}");

    let forged = Claim { fence: lost[2].fence + 1, ..lost[2].clone() };
    assert_eq!(silent.tell(&forged, late.clone()).expect("a wrong token is no error"), Told::Orphan);
    let stranger = Claim { id: TrialId(99), ..forged };
    let unknown = silent.tell(&stranger, late).expect_err("a trial that never began was ended");
    assert_eq!(unknown.kind(), StorageErrorKind::Missing);
    let refused = silent.tell(&lost[2], State::Running).expect_err("a trial ended in running on");
    assert_eq!(refused.kind(), StorageErrorKind::Refused);
}

fn check_queue_and_limits(here: &mut impl Storage, there: &mut impl Storage) {
    let journal = here.create("check queue", &definition()).expect("the name is free");
    let mut study = SharedStudy::new(journal, Random).expect("an empty study can be opened");
    let mut other = open(there, "check queue", Random);
    let refused = study.enqueue(&point(7.0)).expect_err("a point outside of the space was taken");
    assert_eq!(refused.kind(), StorageErrorKind::Refused);
    study.enqueue(&point(0.25)).expect("a point can be queued");
    study.enqueue(&point(0.75)).expect("a point can be queued");
    other.limit(Limits { trials: Some(3), cost: None });
    let claims = [(); 3].map(|()| ask(&mut other, "w"));
    assert_eq!([&claims[0].point, &claims[1].point], [&point(0.25), &point(0.75)], "the queue comes first");
    assert_eq!(claims[2].point, Random.ask(study.space(), Stream::new(definition().seed, 2)));
    assert_eq!(other.ask("w").expect("the study can be asked"), None, "three trials were the limit");
    let lost = other.tell(&claims[1], State::Lost { cost: 1.0 });
    assert_eq!(lost.expect("a trial can be given back"), Told::Accepted);
    for _ in 0..9 {
        let again = ask(&mut other, "w");
        assert_eq!(again.point, point(0.75), "a limit of trials is none of retries");
        let left = other.tell(&again, State::Lost { cost: 1.0 });
        assert_eq!(left.expect("a trial can be given back"), Told::Accepted);
    }
    assert_eq!((other.waiting().len(), other.running()), (1, 2), "what is given back is no attempt");

    let nan = State::Done(Outcome::of(f64::NAN, 2.0));
    assert_eq!(other.tell(&claims[0], nan).expect("NaN is no error"), Told::Accepted);
    other.note(Some(TrialId(2)), &[("worker", "a"), ("worker", "b")]).expect("notes can be kept");
    other.note(None, &[("command", "python \"train\".py\n")]).expect("notes can be kept");
    assert!(other.note(Some(TrialId(99)), &[("a", "b")]).is_err(), "a note about no trial was kept");
    study.refresh().expect("the study can be read");
    assert_eq!(study.trials()[0].state, State::Failed { cost: 2.0 });
    assert_eq!(study.record(TrialId(2)).expect("the trial began").notes["worker"], "b");
    assert_eq!(study.notes()["command"], "python \"train\".py\n");
    assert_eq!(study.claim(TrialId(2)), Some(claims[2].clone()));
    assert_eq!(study.claim(TrialId(0)), None, "it is over");
}

fn check_numbers_of_workers<S: Storage>(make: &(impl Fn() -> S + Sync)) {
    drop(make().create("check workers", &definition()).expect("the name is free"));
    let work = |worker: usize| {
        let mut study = open(&mut make(), "check workers", Counting::default());
        study.limit(Limits { trials: Some(120), cost: None });
        while let Some(claim) = study.ask(&worker.to_string()).expect("a worker was hurt by another") {
            let value = claim.point.float("x").expect("it is a parameter");
            let told = study.tell(&claim, State::Done(Outcome::of(value, 1.0)));
            assert_eq!(told.expect("a worker was hurt by another"), Told::Accepted);
        }
    };
    thread::scope(|scope| (0..6).for_each(|worker| drop(scope.spawn(move || work(worker)))));
    let study = open(&mut make(), "check workers", Counting::default());
    assert_eq!(study.trials().len(), 120, "a limit of 120 trials");
    assert!(study.trials().iter().all(|trial| trial.outcome().is_some()), "results were lost");
    assert_eq!(study.cost(), 120.0);
    check_replay(&mut make(), "check workers", 120);
}

fn check_grid_of_workers<S: Storage>(make: &(impl Fn() -> S + Sync)) {
    let space = Space::new().int("cell", 0, 59).expect("the domain is possible");
    let grid = Definition { space, exact: true, ..definition() };
    drop(make().create("check grid", &grid).expect("the name is free"));
    let work = |worker: usize| {
        let mut study = open(&mut make(), "check grid", FirstFree::default());
        while let Some(claim) = study.ask(&worker.to_string()).expect("a worker was hurt by another") {
            let is_dropped = claim.id.0.is_multiple_of(10);
            let state =
                if is_dropped { State::Lost { cost: 1.0 } } else { State::Done(Outcome::of(0.5, 1.0)) };
            study.tell(&claim, state).expect("a worker was hurt by another");
        }
    };
    thread::scope(|scope| (0..4).for_each(|worker| drop(scope.spawn(move || work(worker)))));
    // What was given back after the others had left.
    work(4);
    let study = open(&mut make(), "check grid", FirstFree::default());
    let done = study.trials().iter().filter(|trial| trial.outcome().is_some());
    let cells = done.map(|trial| trial.point.int("cell").expect("it is a parameter")).collect::<Vec<_>>();
    assert_eq!(cells.len(), 60, "cells were done twice or not at all");
    assert_eq!(cells.iter().collect::<BTreeSet<_>>().len(), 60, "cells were done twice");
}

/// One process or several, one after the other, get the same suggestions.
fn check_resumption(here: &mut impl Storage) {
    let mut points = Vec::new();
    for (name, sessions) in [("check one session", 1), ("check four sessions", 4)] {
        drop(here.create(name, &definition()).expect("the name is free"));
        for _ in 0..sessions {
            let mut study = open(here, name, Counting::default());
            for _ in 0..40 / sessions {
                let claim = ask(&mut study, "w");
                let state = match claim.id.0 % 5 {
                    3 => State::Failed { cost: 1.0 },
                    _ => State::Done(Outcome::of(claim.point.float("x").unwrap_or(0.0), 1.0)),
                };
                study.tell(&claim, state).expect("a result can be told");
            }
        }
        points.push(open(here, name, Counting::default()).trials().to_vec());
        check_replay(here, name, 40);
    }
    assert_eq!(points[0], points[1], "a study that is continued is another");
}

fn check_replay(storage: &mut impl Storage, name: &str, count: u64) {
    let mut journal = storage.open(name).expect("the study is there");
    let (agreed, seen) = (&mut 0, &mut 0);
    let replayed = replay(&mut *journal, Counting::default(), None, |replayed| {
        *agreed += u64::from(replayed.agrees());
        *seen += 1;
    });
    replayed.expect("the study can be read");
    assert_eq!((*seen, *agreed), (count, count), "suggestions cannot be derived again");
}

/// A sampler that hangs on the order of all that it was told.
#[derive(Default)]
struct Counting(f64);

impl Sampler for Counting {
    fn tell(&mut self, trial: &Trial) {
        let value = trial.value().unwrap_or(trial.id.0 as f64);
        self.0 = (self.0 * 1.7 + value).fract();
    }

    fn ask(&mut self, _space: &Space, mut stream: Stream) -> Point {
        point((self.0 + stream.unit()).fract())
    }
}

/// A grid: the first cell that it was not told of; the first of all when there is none left.
#[derive(Default)]
struct FirstFree(BTreeSet<i64>);

impl Sampler for FirstFree {
    fn tell(&mut self, trial: &Trial) {
        self.0.extend(trial.point.int("cell"));
    }

    fn ask(&mut self, space: &Space, _stream: Stream) -> Point {
        let last = space.cardinality().map_or(0, |count| count as i64);
        let free = (0..last).find(|cell| !self.0.contains(cell)).unwrap_or(0);
        Point::from_iter([("cell".to_owned(), crate::domain::Value::Int(free))])
    }
}

fn definition() -> Definition {
    let space = Space::new().float("x", 0.0, 1.0).expect("the domain is possible");
    Definition::new(space, Objectives::single(Direction::Max), 5, "random")
}

fn point(x: f64) -> Point {
    Point::from_iter([("x".to_owned(), crate::domain::Value::Float(x))])
}

fn asked(trial: u64, x: f64, origin: Origin) -> Entry {
    Entry::Asked { trial: TrialId(trial), point: point(x), worker: "w".to_owned(), origin }
}

/// Numbers and texts that are easily lost on the way.
fn strange_entries() -> Vec<Entry> {
    let trial = TrialId(0);
    let values = vec![f64::NAN, f64::INFINITY, -0.0, 0.1 + 0.2];
    vec![
        Entry::Queued { point: point(f64::MIN_POSITIVE) },
        Entry::Asked {
            trial,
            point: point(0.1 + 0.2),
            worker: "ünïcode \"'\u{1f980}\n".into(),
            origin: Origin::Queue(1),
        },
        Entry::Reported {
            trial,
            report: Report { step: u64::MAX >> 1, values: values.clone(), cost: 1e-300 },
        },
        Entry::Ended { trial, state: State::Stopped(Outcome { values, cost: f64::INFINITY }) },
        Entry::Returned { trial, cost: f64::NEG_INFINITY },
        Entry::Spent { trial, cost: 0.1 + 0.2 },
        Entry::Orphaned { trial, state: State::Failed { cost: f64::NAN } },
        Entry::Timed { trial, began_s: 1.5e9, ended_s: None },
        Entry::Timed { trial, began_s: 1.5e9 + 0.125, ended_s: Some(1.5e9 + 7.25) },
        Entry::Noted { trial: Some(trial), key: String::new(), value: "\u{0}x".repeat(5000) },
        Entry::Noted { trial: None, key: "k".to_owned(), value: String::new() },
    ]
}

fn ask<S: Sampler>(study: &mut SharedStudy<S>, worker: &str) -> Claim {
    study.ask(worker).expect("the study can be asked").expect("the study is not over")
}

fn open<S: Sampler>(storage: &mut impl Storage, name: &str, sampler: S) -> SharedStudy<S> {
    let journal = storage.open(name).expect("the study is there");
    SharedStudy::new(journal, sampler).expect("the study can be read")
}

fn events(journal: &mut dyn Journal, after: u64) -> Vec<Event> {
    let mut events = Vec::new();
    let read = journal.read(after, &mut |event| {
        events.push(event);
        Ok(())
    });
    read.expect("the journal can be read");
    events
}

/// As text, in which NaN equals itself.
fn text(events: &[Event]) -> String {
    format!("{events:?}")
}
