//! Studies on a real PostgreSQL server.
#![cfg(feature = "postgres")]

mod server;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use joulewise_tune::samplers::{Grid, Random, Tpe};
use joulewise_tune::storage::{Definition, Entry, Postgres, Sqlite, Storage, StorageErrorKind};
use joulewise_tune::{Direction, Limits, Objectives, Outcome, SharedStudy, Space, State, Told, testing};
use server::Server;

fn definition() -> Definition {
    let space = Space::new().float("x", 0.0, 1.0).unwrap().int("n", 1, 9).unwrap();
    Definition::new(space, Objectives::single(Direction::Max), 3, "as the test says")
}

fn at(address: &str) -> Postgres {
    Postgres::at(address).unwrap()
}

fn note(value: &str) -> Entry {
    Entry::Noted { trial: None, key: "k".to_owned(), value: value.to_owned() }
}

/// How opening a study fails.
fn refusal(address: &str) -> (StorageErrorKind, String) {
    let mut storage = at(address);
    let error = storage.create("refused", &definition()).err().expect("the study was begun");
    assert!(error.cure().is_some(), "nothing is said about what to do: {error}");
    assert!(error.to_string().starts_with("postgresql://"), "{error}");
    (error.kind(), error.to_string())
}

#[test]
fn postgres_is_a_storage() {
    let Some(server) = Server::start() else { return };
    testing::check_storage(|| at(&server.address()));
    // What an index could not hold as it is.
    let exact = Definition { exact: true, ..definition() };
    let mut journal = at(&server.address()).create("long points", &exact).unwrap();
    let long = |end: &str| {
        let text = joulewise_tune::Value::Choice("long ".repeat(4000) + end);
        let point = [("x".to_owned(), text)].into_iter().collect();
        let origin = joulewise_tune::storage::Origin::Sampler;
        (point, origin)
    };
    let mut ask = |trial, end: &str| {
        let (point, origin) = long(end);
        let trial = joulewise_tune::TrialId(trial);
        let asked = Entry::Asked { trial, point, worker: "w".to_owned(), origin };
        journal.append(0, &mut |_| Ok(vec![asked.clone()])).is_ok()
    };
    assert!(ask(0, "a") && ask(1, "b") && !ask(2, "a"));
}

#[test]
fn a_study_is_the_same_study_in_sqlite() {
    let Some(server) = Server::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut storages: [Box<dyn Storage>; 2] =
        [Box::new(at(&server.address())), Box::new(Sqlite::at(folder.path().join("s.db")))];
    let searched = storages.each_mut().map(|storage| {
        let sampler = || Tpe::new(&Objectives::single(Direction::Max));
        let journal = storage.create("s", &definition()).unwrap();
        let mut study = SharedStudy::new(journal, sampler()).unwrap();
        for _ in 0..60 {
            let claim = study.ask("w").unwrap().unwrap();
            let value = claim.point.float("x").unwrap() - claim.point.int("n").unwrap() as f64;
            study.tell(&claim, State::Done(Outcome::of(value, 1.0))).unwrap();
        }
        let mut again = storage.open("s").unwrap();
        let mut derived = 0;
        let replayed = joulewise_tune::replay(&mut *again, sampler(), None, |replayed| {
            derived += usize::from(replayed.agrees());
        });
        replayed.unwrap();
        assert_eq!(derived, 60);
        study.trials().to_vec()
    });
    assert_eq!(searched[0], searched[1]);
}

/// Does all cells of a grid, or of those that are left.
fn work(address: &str, name: &str, begun: &AtomicU64) {
    let journal = at(address).open(name).unwrap();
    let mut study = SharedStudy::new(journal, Grid::default()).unwrap();
    loop {
        if let Some(claim) = study.ask("w").unwrap() {
            begun.fetch_add(1, Ordering::Relaxed);
            assert_eq!(study.tell(&claim, State::Done(Outcome::of(0.5, 1.0))).unwrap(), Told::Accepted);
        } else if study.running() == 0 {
            return;
        } else {
            study.wait(Duration::from_millis(50)).unwrap();
        }
    }
}

#[test]
fn whatever_becomes_of_the_server_no_event_is_lost_or_written_twice() {
    const CELLS: i64 = 800;
    // Commits that crash with the server must not be taken for kept: this one really writes to the disk.
    let Some(server) = Server::start_with("") else { return };
    let space = Space::new().int("cell", 0, CELLS - 1).unwrap();
    let exact =
        Definition { exact: true, ..Definition::new(space, Objectives::single(Direction::Max), 1, "grid") };
    drop(at(&server.address()).create("grid", &exact).unwrap());
    let begun = AtomicU64::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| work(&server.address(), "grid", &begun))).collect();
        let reached = |count| {
            while begun.load(Ordering::Relaxed) < count && workers.iter().any(|worker| !worker.is_finished())
            {
                thread::sleep(Duration::from_millis(5));
            }
        };
        for (round, step) in (1..=6).enumerate() {
            reached(step * CELLS as u64 / 8);
            match round % 3 {
                0 => server.restart(),
                1 => server.crash_and_start(),
                _ => drop(server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'joulewise'")),
            }
        }
    });
    let study = SharedStudy::new(at(&server.address()).open("grid").unwrap(), Grid::default()).unwrap();
    let done = study.trials().iter().filter(|trial| trial.outcome().is_some()).count() as i64;
    assert_eq!((study.trials().len() as i64, done), (CELLS, CELLS));
    assert_eq!(server.sql("SELECT count(*), max(seq) FROM joulewise.events"), format!("{0}|{0}", 2 * CELLS));
}

#[test]
fn a_server_that_lost_what_it_had_confirmed_is_found_out() {
    let Some(server) = Server::start() else { return };
    let mut journal = at(&server.address()).create("s", &definition()).unwrap();
    let events = journal.append(0, &mut |_| Ok(vec![note("a"), note("b")])).unwrap();
    server.sql("DELETE FROM joulewise.events WHERE seq = 2");
    server.restart();
    let error = journal.append(2, &mut |_| Ok(vec![note("c")])).unwrap_err();
    assert_eq!((events.len(), error.kind()), (2, StorageErrorKind::Corrupt), "{error}");
    // Who begins anew goes on from what is there.
    let mut anew = at(&server.address()).open("s").unwrap();
    assert_eq!(anew.append(1, &mut |_| Ok(vec![note("c")])).unwrap()[0].seq, 2);
}

#[test]
fn who_waits_hears_of_what_others_did() {
    let Some(server) = Server::start() else { return };
    let hour = Duration::from_hours(1);
    let mut study =
        SharedStudy::new(at(&server.address()).create("s", &definition()).unwrap(), Random).unwrap();
    study.limit(Limits { trials: Some(1), cost: None });
    let mut other = SharedStudy::new(at(&server.address()).open("s").unwrap(), Random).unwrap();
    other.limit(Limits { trials: Some(1), cost: None });
    let claim = study.ask("w").unwrap().unwrap();
    assert!(other.ask("v").unwrap().is_none());
    assert!(other.wait(hour).unwrap(), "what happened before it listened has to be looked at");
    assert!(!other.wait(Duration::from_millis(1)).unwrap(), "nothing happened");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| other.wait(hour).unwrap());
        study.note(None, &[("a", "b")]).unwrap();
        study.tell(&claim, State::Lost { cost: 1.0 }).unwrap();
        assert!(waiting.join().unwrap());
    });
    assert_eq!(other.ask("v").unwrap().unwrap().point, claim.point);
    // A connection that broke is none that waits for ever.
    server.restart();
    assert!(other.wait(hour).unwrap());
}

#[test]
fn tables_of_a_newer_version_or_of_something_else_are_refused() {
    let Some(server) = Server::start() else { return };
    let mut storage = at(&server.address());
    assert_eq!(storage.studies().unwrap_err().kind(), StorageErrorKind::Missing);
    assert_eq!(storage.open("s").err().unwrap().kind(), StorageErrorKind::Missing);
    assert_eq!(server.sql("SELECT to_regnamespace('joulewise') IS NULL"), "t", "looking made something");
    let mut journal = storage.create("s", &definition()).unwrap();
    journal.append(0, &mut |_| Ok(vec![note("a")])).unwrap();
    server.sql("UPDATE joulewise.version SET number = 99");
    let (kind, message) = refusal(&server.address());
    assert_eq!(kind, StorageErrorKind::Newer);
    assert!(
        message.ends_with("it has studies of version 99, and this Joulewise knows up to version 1"),
        "{message}"
    );
    assert_eq!(storage.open("s").err().unwrap().kind(), StorageErrorKind::Newer);
    server.sql("DROP SCHEMA joulewise CASCADE; CREATE SCHEMA joulewise; CREATE TABLE joulewise.other ()");
    assert_eq!(refusal(&server.address()).0, StorageErrorKind::Foreign);
    server.sql("DROP TABLE joulewise.other");
    assert!(storage.create("s", &definition()).is_ok(), "an empty schema is one that was made for it");
}

#[test]
fn many_processes_may_make_the_tables_at_once() {
    let Some(server) = Server::start() else { return };
    let create = |i: usize| drop(at(&server.address()).create(&i.to_string(), &definition()).unwrap());
    thread::scope(|scope| (0..8).for_each(|i| drop(scope.spawn(move || create(i)))));
    assert_eq!(at(&server.address()).studies().unwrap().len(), 8);
}

#[test]
fn every_way_to_be_turned_away_has_its_reason_and_its_cure() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE ROLE ann LOGIN PASSWORD 'secret'; CREATE ROLE poor LOGIN");
    let rules =
        "local all test trust\nhost all ann 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
    std::fs::write(server.data("pg_hba.conf"), rules).unwrap();
    server.sql("SELECT pg_reload_conf()");
    let over = |user: &str, parameters: &str| refusal(&server.address_of(user, parameters));
    let (kind, message) = over("ann:guess", "?sslmode=disable");
    assert_eq!(kind, StorageErrorKind::Denied);
    assert!(message.contains("password authentication failed") && !message.contains("guess"), "{message}");
    assert!(server.address_of("ann:guess", "").contains("guess"));
    assert_eq!(over("poor", "").0, StorageErrorKind::Denied, "poor may not make a schema");
    assert_eq!(over("nobody", "").0, StorageErrorKind::Denied);
    assert_eq!(over("test", "?sslmode=require").0, StorageErrorKind::Denied, "the server does not encrypt");
    assert_eq!(over("test", "?dbname=none").0, StorageErrorKind::Missing);
    assert_eq!(
        over("test", "?options=-c%20default_transaction_read_only%3Don").0,
        StorageErrorKind::ReadOnly
    );
    server.stop();
    assert_eq!(over("test", "").0, StorageErrorKind::Unreachable);
}
