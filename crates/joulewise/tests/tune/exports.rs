//! Studies that leave for other tools and come back.

use std::fs;

use serde_json::Value;

use crate::support::text;
use crate::{STUDY, folder, json, tune};

#[test]
fn a_study_leaves_for_other_tools_and_comes_back() {
    let folder = folder(STUDY);
    let path = folder.path();
    let study = json(&tune(path, &["run", "s.toml", "--json"]));
    let files =
        ["export", "--csv", "o.csv", "--parquet", "o.parquet", "--json", "o.json", "--optuna", "o.db"];
    assert_eq!(tune(path, &files).status.code(), Some(0));
    let csv = fs::read_to_string(path.join("o.csv")).unwrap();
    assert_eq!(csv.lines().count(), 7);
    assert!(csv.starts_with("number,state,values.accuracy,values.energy_j,cost,"), "{csv}");
    assert_eq!(tune(path, &["export"]).stdout, csv.as_bytes());
    let parquet = fs::File::open(path.join("o.parquet")).unwrap();
    let parquet = parquet::file::reader::SerializedFileReader::new(parquet).unwrap();
    let rows: Vec<parquet::record::Row> = parquet.into_iter().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 6);
    let double = |column: &str| match rows[2].get_column_iter().find(|(name, _)| *name == column) {
        Some((_, parquet::record::Field::Double(x))) => *x,
        other => panic!("{other:?}"),
    };
    assert!(double("notes.time_s") > 0.0);
    assert_eq!(study["trials"][2]["energy_j"], double("values.energy_j"));
    let exported: Value = serde_json::from_slice(&fs::read(path.join("o.json")).unwrap()).unwrap();
    assert_eq!(exported["trials"].as_array().unwrap().len(), 6);

    assert_eq!(tune(path, &["import", "optuna", "o.db", "--name", "back"]).status.code(), Some(0));
    let best = json(&tune(path, &["best", "back", "--json"]));
    assert_eq!(best[0]["metrics"], study["best"]["metrics"]);
    let unknown = tune(path, &["best", "bakc"]);
    assert!(text(&unknown.stderr).contains("hint: did you mean `back`?"), "{}", text(&unknown.stderr));
    let foreign = tune(path, &["import", "optuna", "s.toml"]);
    assert!(text(&foreign.stderr).contains("is no SQLite database"), "{}", text(&foreign.stderr));
}

#[test]
fn no_export_ends_another_file() {
    let folder = folder(STUDY);
    let path = folder.path();
    assert_eq!(tune(path, &["run", "s.toml", "--trials", "1"]).status.code(), Some(0));
    std::os::unix::fs::symlink("runs/studies.db", path.join("link")).unwrap();
    fs::hard_link(path.join("runs/studies.db"), path.join("hard")).unwrap();
    let before = fs::read(path.join("runs/studies.db")).unwrap();
    for name in ["runs/studies.db", "link", "hard"] {
        for format in ["--csv", "--parquet", "--json", "--optuna"] {
            let itself = tune(path, &["export", "s", format, name]);
            assert!(text(&itself.stderr).contains("holds the studies themselves"), "{format} {name}");
            assert_eq!(itself.status.code(), Some(2));
        }
        assert_eq!(tune(path, &["show", "s", "--html", name]).status.code(), Some(2));
    }
    assert_eq!(fs::read(path.join("runs/studies.db")).unwrap(), before);
    let twice = tune(path, &["export", "s", "--csv", "-", "--json", "-"]);
    assert!(twice.stdout.is_empty() && text(&twice.stderr).contains("two formats"));
    let foreign = tune(path, &["export", "s", "--optuna", "s.toml"]);
    assert!(text(&foreign.stderr).contains("hint: name another file"), "{}", text(&foreign.stderr));
    assert_eq!(fs::read_to_string(path.join("s.toml")).unwrap(), STUDY);
}

#[test]
fn exports_go_to_stdout_under_its_name() {
    let folder = folder(STUDY);
    let path = folder.path();
    assert_eq!(tune(path, &["run", "s.toml", "--trials", "1"]).status.code(), Some(0));
    let stdout = |arguments: &[&str]| {
        let output = tune(path, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        output.stdout
    };
    assert_eq!(stdout(&["export", "--csv", "-"]), stdout(&["export"]));
    assert_eq!(stdout(&["export", "--csv", "/dev/stdout"]), stdout(&["export"]));
    assert!(serde_json::from_slice::<Value>(&stdout(&["export", "--json", "-"])).unwrap().is_object());
    assert!(stdout(&["export", "--parquet", "-"]).starts_with(b"PAR1"));
    assert!(stdout(&["export", "--optuna", "-"]).starts_with(b"SQLite format 3"));
    assert!(text(&stdout(&["show", "--html", "-"])).trim_end().ends_with("</html>"));
    assert!(!path.join("-").exists());
}
