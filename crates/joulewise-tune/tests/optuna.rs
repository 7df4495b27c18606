//! Studies from Optuna and for Optuna.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use joulewise_tune::samplers::Random;
use joulewise_tune::storage::{Definition, Memory, Storage, StorageErrorKind};
use joulewise_tune::{
    Domain, Goal, Objective, Objectives, Outcome, Point, Report, SharedStudy, Space, State, TrialId, Value,
    export, import,
};

/// The file that `tests/optuna/make.py` made with Optuna 5.0.0.
fn file_of_optuna(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("optuna.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute_batch(include_str!("optuna/optuna-5.0.0.sql")).unwrap();
    path
}

fn study(imported: import::Imported) -> SharedStudy<Random> {
    SharedStudy::new(imported.save("s", &mut Memory::new()).unwrap(), Random).unwrap()
}

fn objective(metric: &str, goal: Goal) -> Objective {
    Objective { metric: metric.to_owned(), goal }
}

#[test]
fn a_study_of_optuna_is_read_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let mut studies = import::optuna(&file_of_optuna(folder.path()), None).unwrap().into_iter();
    let one = studies.next().unwrap();
    assert_eq!(one.name, "one");
    assert_eq!(
        one.caveats,
        [
            "`momentum` was there where optimiser == \"sgd\"; this is taken for its condition",
            "3 trials have no number `cost`; what they cost is not known",
            "1 trials ran while the file was read; they count as failed",
            "1 trials that wait are left out: they do not say all of a point",
        ]
    );
    let one = study(one);
    let space = one.space();
    assert_eq!(space.domain("lr"), Some(&Domain::log_float(1e-5, 0.1)));
    assert_eq!(
        space.domain("drop"),
        Some(&Domain::Float { low: 0.0, high: 0.5, log: false, step: Some(0.1) })
    );
    assert_eq!(space.domain("batch"), Some(&Domain::log_int(16, 256)));
    let width = Domain::Int { low: 32, high: 160, log: false, step: 32 };
    assert_eq!(space.domain("width"), Some(&width), "ranges of all trials united");
    assert_eq!(space.domain("mixed"), Some(&Domain::choice(&["1", "2.5", "null", "true", "x"])));
    let objectives = [objective("accuracy", Goal::Max), objective("bytes", Goal::AtMost(0.0))];
    assert_eq!(one.objectives().iter().collect::<Vec<_>>(), objectives.iter().collect::<Vec<_>>());

    let names: Vec<&str> = one.trials().iter().map(|trial| trial.state.name()).collect();
    assert_eq!(names, ["done", "done", "stopped", "failed", "done", "done", "failed"]);
    let first = &one.trials()[0];
    assert_eq!(first.point.float("lr"), Some(0.00046568046379195655));
    assert_eq!(first.state, State::Done(Outcome { values: vec![0.00046568046379195655, -2.0], cost: 12.5 }));
    assert_eq!(first.curve.iter().map(|report| report.step).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(first.curve[1].value().is_nan() && first.curve[2].value() > 0.0);
    assert_eq!(one.record(TrialId(0)).unwrap().notes["host"], "a");
    assert_eq!(one.notes()["who"], "me");
    assert_eq!((one.trials()[2].cost(), one.trials()[2].known_cost()), (0.0, None));
    assert!(!one.notes().contains_key(import::COST_UNIT), "the costs are of the attribute's unit");
    let waiting: Vec<&Point> = one.waiting().collect();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].choice("mixed"), Some("null"));
    let done = one.trials().iter().filter(|trial| trial.outcome().is_some());
    assert!(done.clone().count() == 5 && done.clone().all(|trial| space.contains(&trial.point)));

    let two = study(studies.next().unwrap());
    let objectives = [objective("value_0", Goal::Min), objective("value_1", Goal::Max)];
    assert_eq!(two.objectives().iter().collect::<Vec<_>>(), objectives.iter().collect::<Vec<_>>());
    let names: Vec<&str> = two.trials().iter().map(|trial| trial.state.name()).collect();
    assert_eq!(names, ["done", "failed", "done"], "an infinite value is none");
    assert_eq!(two.front()[0].id, TrialId(0));
    assert_eq!(two.notes()[import::COST_UNIT], import::SECONDS, "by Optuna's own clock");
    assert!(two.cost() > 0.0);
    assert_eq!(studies.next().unwrap().name, "energy/3");
    assert!(studies.next().is_none());
}

/// The third study of the file, whose trials have the attribute `joules`, but for two of them.
fn with_joules(path: &Path) -> SharedStudy<Random> {
    study(import::optuna(path, Some("joules")).unwrap().remove(2))
}

#[test]
fn constraints_of_a_function_are_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let three = with_joules(&file_of_optuna(folder.path()));
    let expected = [
        objective("value", Goal::Min),
        objective("constraint_0", Goal::AtMost(0.0)),
        objective("constraint_1", Goal::AtMost(0.0)),
    ];
    assert_eq!(three.objectives().iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    let x = |trial: &joulewise_tune::Trial| trial.point.float("x").unwrap();
    let done = || three.trials().iter().filter(|trial| matches!(trial.state, State::Done(_)));
    assert!(done().any(|trial| x(trial) < 0.4), "some miss it");
    let best = done().map(x).filter(|x| *x >= 0.4).fold(f64::INFINITY, f64::min);
    assert_eq!(three.best().map(x), Some(best));
}

#[test]
fn costs_that_nobody_told_are_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let three = with_joules(&file_of_optuna(folder.path()));
    let costs: Vec<_> = three.trials().iter().map(joulewise_tune::Trial::known_cost).collect();
    assert_eq!(costs, [Some(10.0), None, None, Some(40.0), Some(50.0), Some(60.0)]);
    assert_eq!(three.cost(), 160.0);
    let path = folder.path().join("back.db");
    export::optuna(&three, "s", &path).unwrap();
    let back = study(import::optuna(&path, None).unwrap().remove(0));
    assert_eq!(back.trials().iter().map(joulewise_tune::Trial::known_cost).collect::<Vec<_>>(), costs);
    let table = export::Table::of(&three);
    let cost = table.columns().find(|(name, _)| *name == "cost").unwrap().1;
    assert_eq!(*cost, export::Column::Numbers(costs));
}

#[test]
fn types_and_times_of_optuna_go_back_as_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let (theirs, ours) = (file_of_optuna(folder.path()), folder.path().join("ours.db"));
    export::optuna(&with_joules(&theirs), "energy/3", &ours).unwrap();
    let rows = |path: &Path, sql: &str| -> Vec<(String, serde_json::Value)> {
        let connection = rusqlite::Connection::open(path).unwrap();
        let sql = sql.replace("IT", "(SELECT study_id FROM studies WHERE study_name = 'energy/3')");
        let mut statement = connection.prepare(&sql).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
        let rows = statement.query_map([], row).unwrap().map(Result::unwrap);
        rows.map(|(key, json)| (key, serde_json::from_str(&json).unwrap())).collect()
    };
    for sql in [
        "SELECT param_name || number || ':' || param_value, distribution_json FROM trial_params
            JOIN trials USING (trial_id) WHERE study_id = IT AND param_name != 'x' ORDER BY 1",
        "SELECT key || number, value_json FROM trial_user_attributes JOIN trials USING (trial_id)
            WHERE study_id = IT AND key IN ('tags', 'fast', 'gpu', 'joules') ORDER BY 1",
    ] {
        assert!(rows(&theirs, sql).len() > 10);
        assert_eq!(rows(&ours, sql), rows(&theirs, sql));
    }
    let times = "SELECT CAST(number AS TEXT), json_array(unixepoch(datetime_start, 'subsec'), unixepoch(datetime_complete, 'subsec'))
        FROM trials WHERE study_id = IT ORDER BY number";
    for ((_, ours), (_, theirs)) in rows(&ours, times).iter().zip(&rows(&theirs, times)) {
        for i in 0..2 {
            let late = ours[i].as_f64().unwrap() - theirs[i].as_f64().unwrap();
            assert!(late.abs() < 0.002, "{late} s late");
        }
    }
}

#[test]
fn what_is_no_file_of_optuna_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let kind = |path: &Path| import::optuna(path, None).unwrap_err().kind();
    let path = folder.path().join("x.db");
    assert_eq!(kind(&path), StorageErrorKind::Io);
    assert!(!path.exists());
    fs::write(&path, "x".repeat(5000)).unwrap();
    assert_eq!(kind(&path), StorageErrorKind::Foreign);
    fs::write(&path, "").unwrap();
    assert_eq!(kind(&path), StorageErrorKind::Foreign);

    let path = file_of_optuna(folder.path());
    let change = |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    change("UPDATE trial_params SET distribution_json = '{' WHERE param_id = 1");
    assert_eq!(kind(&path), StorageErrorKind::Corrupt);
    change(
        "UPDATE trial_params SET distribution_json = (SELECT distribution_json FROM trial_params WHERE param_name = 'mixed') WHERE param_id = 1",
    );
    assert_eq!(kind(&path), StorageErrorKind::Refused);
    change("UPDATE version_info SET schema_version = 11");
    let error = import::optuna(&path, None).unwrap_err();
    assert!(error.to_string().contains("`optuna storage upgrade`"), "{error}");
}

/// A study with something of everything.
fn everything() -> SharedStudy<Random> {
    let space =
        Space::new().log_float("lr", 1e-5, 0.1).unwrap().choice("optimiser", &["sgd", "adam"]).unwrap();
    let step = Domain::Float { low: 0.0, high: 0.35, log: false, step: Some(0.1) };
    let space = space.with("drop", step).unwrap().float("momentum", 0.0, 0.99).unwrap();
    let space = space.when("momentum", "optimiser == sgd").unwrap().int("layers", 1, 4).unwrap();
    let space = space.with("epochs", Domain::Fixed(Value::Int(3))).unwrap();
    let objectives = vec![objective("accuracy", Goal::Max), objective("bytes", Goal::AtMost(10.0))];
    let definition = Definition {
        retries: 0,
        ..Definition::new(space, Objectives::new(objectives).unwrap(), 3, "random")
    };
    let mut study = SharedStudy::new(Memory::new().create("s", &definition).unwrap(), Random).unwrap();
    for i in 0..10_u32 {
        let claim = study.ask("worker").unwrap().unwrap();
        for step in 0..3 {
            let values = vec![if step == 1 { f64::NAN } else { f64::from(i) / 8.0 }, f64::NAN];
            study.report(&claim, &Report { step, values, cost: 1.0 }).unwrap();
        }
        study.note(Some(claim.id), &[("energy_j", "12.5"), ("exit", "code 0")]).unwrap();
        let outcome = Outcome { values: vec![f64::from(i) / 8.0, f64::from(i)], cost: 12.5 };
        let state = match i {
            3 => State::Failed { cost: 1.5 },
            5 => State::Stopped(outcome),
            7 => State::Lost { cost: 2.5 },
            8 => continue,
            _ => State::Done(outcome),
        };
        study.tell(&claim, state).unwrap();
    }
    let point = study.trials()[0].point.clone();
    study.enqueue(&point).unwrap();
    study.note(None, &[("command", "python train.py")]).unwrap();
    study
}

#[test]
fn what_is_written_for_optuna_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.db");
    let original = everything();
    export::optuna(&original, "ours", &path).unwrap();
    export::optuna(&original, "ours", &path).expect("an older export is replaced");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left beside the file");
    let back = import::optuna(&path, None).unwrap().remove(0);
    assert_eq!(back.name, "ours");
    let back = study(back);
    assert_eq!(back.trials().len(), original.trials().len());
    for (ours, theirs) in original.trials().iter().zip(back.trials()) {
        assert_eq!(ours.point, theirs.point);
        let steps = |trial: &joulewise_tune::Trial| {
            trial.curve.iter().map(|r| (r.step, r.value().to_bits())).collect::<Vec<_>>()
        };
        assert_eq!(steps(ours), steps(theirs));
        let expected = match ours.state.clone() {
            // Optuna knows by how much a bound is missed, not the bound.
            State::Done(outcome) => {
                State::Done(Outcome { values: vec![outcome.values[0], outcome.values[1] - 10.0], ..outcome })
            }
            State::Stopped(outcome) => State::Stopped(Outcome {
                values: vec![outcome.values[0], outcome.values[1] - 10.0],
                ..outcome
            }),
            _ => State::Failed { cost: ours.cost() },
        };
        assert_eq!(theirs.state, expected);
    }
    assert_eq!(back.notes()["command"], "python train.py");
    assert_eq!(back.record(TrialId(0)).unwrap().notes["energy_j"], "12.5");
    assert_eq!(back.waiting().collect::<Vec<_>>(), original.waiting().collect::<Vec<_>>());
    let missing = folder.path().join("no/such/folder.db");
    assert!(export::optuna(&original, "ours", &missing).unwrap_err().to_string().contains("folder.db"));
}

#[test]
fn what_is_not_ours_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let original = everything();
    let refused = |path: &Path, name: &str| {
        let before = fs::read(path).unwrap();
        let error = export::optuna(&original, name, path).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Refused, "{error}");
        assert!(error.cure().is_some());
        assert_eq!(fs::read(path).unwrap(), before);
        error.to_string()
    };
    let text = folder.path().join("notes.txt");
    fs::write(&text, "dear diary").unwrap();
    assert!(refused(&text, "ours").contains("no file of Optuna"));
    fs::write(&text, "").unwrap();
    export::optuna(&original, "ours", &text).unwrap();
    assert!(refused(&text, "another").contains("another study, `ours`"));
    assert!(refused(&file_of_optuna(folder.path()), "two").contains("another study, `one`"));
    let connection = rusqlite::Connection::open(&text).unwrap();
    connection.execute("INSERT INTO trials (number, study_id, state) VALUES (11, 1, 'RUNNING')", []).unwrap();
    drop(connection);
    assert!(refused(&text, "ours").contains("went on there"));
}

#[test]
#[cfg(unix)]
fn the_target_of_a_link_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let [target, link] = ["target.db", "link.db"].map(|name| folder.path().join(name));
    std::os::unix::fs::symlink("target.db", &link).unwrap();
    for _ in 0..2 {
        export::optuna(&everything(), "ours", &link).unwrap();
        assert!(link.is_symlink());
        assert_eq!(import::optuna(&target, None).unwrap().len(), 1);
    }
}

#[test]
#[ignore = "needs a Python with Optuna: JOULEWISE_OPTUNA_PYTHON=python cargo test --test optuna -- --ignored"]
fn optuna_loads_what_is_written_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.db");
    export::optuna(&everything(), "ours", &path).unwrap();
    let python = env::var("JOULEWISE_OPTUNA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/optuna/check.py");
    let status = Command::new(python).args(["-W", "error"]).arg(script).arg(&path).status().unwrap();
    assert!(status.success());
}
