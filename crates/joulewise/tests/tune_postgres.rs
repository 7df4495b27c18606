//! `joulewise tune` with its studies on a PostgreSQL server.
#![cfg(feature = "postgres")]

#[path = "../../joulewise-tune/tests/server/mod.rs"]
mod server;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use server::Server;
use support::text;

const STUDY: &str = r#"
command = "sh train.sh {digit}"
objectives = ["max accuracy"]
trials = 8

[parameters]
digit = { low = 0, high = 99 }
"#;

/// Takes longer than its worker lives where `$HANG` is a file.
const TRAIN: &str = "echo $$ > pid
    echo '{\"epoch\": 1, \"accuracy\": 0.1}'; [ -e \"$HANG\" ] && sleep 600; echo '{\"accuracy\": 0.'$1'}'";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.sh"), TRAIN).unwrap();
    fs::write(folder.path().join("s.toml"), STUDY).unwrap();
    folder
}

fn tune(folder: &Path, address: &str, arguments: &[&str]) -> Output {
    support::joulewise(folder, &[&["tune"], arguments, &["--db", address]].concat())
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_command_works_with_a_server() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE ROLE ann LOGIN PASSWORD 'secret'; GRANT CREATE ON DATABASE postgres TO ann");
    let rules = "local all test trust\nhost all ann 127.0.0.1/32 scram-sha-256\n";
    fs::write(server.data("pg_hba.conf"), rules).unwrap();
    server.sql("SELECT pg_reload_conf()");
    let (folder, address) = (folder(), server.address_of("ann:secret", ""));
    let path = folder.path();
    let run = |arguments: &[&str]| {
        let output = tune(path, &address, arguments);
        let said = [text(&output.stdout), text(&output.stderr)].concat();
        assert!(!said.contains("secret"), "the password was shown by {arguments:?}: {said}");
        output
    };

    let none = run(&["best"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("the database holds no studies"), "{}", text(&none.stderr));
    let study = json(&run(&["run", "s.toml", "--workers", "2", "--json"]));
    assert_eq!(study["trials"].as_array().unwrap().len(), 8);
    assert!(!path.join("runs/studies.db").exists());
    assert!(path.join("runs/s/report.html").exists());
    let more = json(&run(&["run", "s.toml", "--trials", "10", "--json"]));
    assert_eq!(more["trials"].as_array().unwrap().len(), 10);

    let asked = json(&run(&["ask", "--trials", "11"]));
    let (trial, fence) = (asked["trial"].to_string(), asked["fence"].to_string());
    let told = ["tell", "--trial", &trial, "--fence", &fence, "--value", "accuracy=0.999"];
    assert_eq!(run(&told).status.code(), Some(0));
    assert_eq!(json(&run(&["best", "--json"]))[0]["trial"], asked["trial"]);
    assert!(!json(&run(&["front", "--json"])).as_array().unwrap().is_empty());
    assert_eq!(json(&run(&["trials", "--json"])).as_array().unwrap().len(), 11);
    assert!(text(&run(&["show"]).stdout).starts_with("study s: 11 trials"));
    assert_eq!(text(&run(&["export"]).stdout).lines().count(), 12);
    assert!(text(&run(&["replay"]).stdout).starts_with("11 of 11 suggestions"));
    assert_eq!(run(&["export", "--optuna", "optuna.db"]).status.code(), Some(0));
    assert_eq!(run(&["import", "optuna", "optuna.db", "--name", "again"]).status.code(), Some(0));
    assert_eq!(json(&run(&["trials", "again", "--json"])).as_array().unwrap().len(), 11);
    let unnamed = run(&["best"]);
    assert!(text(&unnamed.stderr).contains("several studies: again, s"), "{}", text(&unnamed.stderr));

    let wrong = tune(path, &server.address_of("ann:guess", ""), &["best", "s"]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = text(&wrong.stderr);
    assert!(
        said.contains("password authentication failed") && said.contains("hint: ") && !said.contains("guess"),
        "{said}"
    );
}

#[test]
fn workers_begin_the_study_that_is_not_there_and_share_it() {
    let Some(server) = Server::start() else { return };
    let (folder, address) = (folder(), server.address());
    let arguments = ["tune", "worker", "--file", "s.toml", "--db", &address];
    let workers: Vec<_> =
        (0..3).map(|_| support::command(folder.path(), &arguments).spawn().unwrap()).collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    let trials = json(&tune(folder.path(), &address, &["trials", "--json"]));
    let trials = trials.as_array().unwrap();
    assert!(trials.len() == 8 && trials.iter().all(|trial| trial["state"] == "done"), "{trials:?}");
}

#[test]
fn what_a_worker_that_was_asked_to_end_did_not_finish_is_done_by_the_next() {
    let Some(server) = Server::start() else { return };
    let (folder, address) = (folder(), server.address());
    let (path, hang) = (folder.path(), folder.path().join("hang"));
    fs::write(&hang, "").unwrap();
    let worker = || {
        let arguments = ["tune", "worker", "--file", "s.toml", "--db", &address];
        support::command(path, &arguments).env("HANG", &hang).spawn().unwrap()
    };
    let mut first = worker();
    let reported = || server.sql("SELECT count(*) FROM joulewise.events WHERE entry LIKE '%\"reported\"%'");
    while server.sql("SELECT to_regclass('joulewise.events') IS NOT NULL") == "f" || reported() == "0" {
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(first.try_wait().unwrap().is_none(), "the worker ended before it was asked to");
    }
    // A scheduler signals all processes of a job, and the job's script passes its signal on.
    let trial: i32 = fs::read_to_string(path.join("pid")).unwrap().trim().parse().unwrap();
    for process in [trial, first.id() as i32, first.id() as i32] {
        joulewise_meter::process::ask_to_end(process);
    }
    assert_eq!(first.wait().unwrap().code(), Some(130));
    fs::remove_file(&hang).unwrap();
    assert!(worker().wait().unwrap().success());

    let trials = json(&tune(path, &address, &["trials", "--json"]));
    let of = |state: &str| -> Vec<&Value> {
        trials.as_array().unwrap().iter().filter(|trial| trial["state"] == state).collect()
    };
    let (lost, done) = (of("lost"), of("done"));
    assert_eq!((lost.len(), done.len()), (1, 8));
    assert!(lost[0]["energy_j"].as_f64().unwrap() > 0.0, "what the lost trial had cost is forgotten");
    let points: BTreeSet<String> = done.iter().map(|trial| trial["parameters"].to_string()).collect();
    assert!(points.contains(&lost[0]["parameters"].to_string()), "the lost trial was not run again");
}
