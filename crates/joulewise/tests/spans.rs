//! Spans of a command that `joulewise measure` runs, seen from outside.

mod support;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::joulewise;

/// What a run of `sh -c SCRIPT` gave: its output, and the result as JSON.
fn measured(arguments: &[&str], script: &str) -> (Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let all = [&["measure", "-o", "result.json"], arguments, &["--", "sh", "-c", script]].concat();
    let output = joulewise(folder.path(), &all);
    let json = std::fs::read_to_string(folder.path().join("result.json")).unwrap();
    (output, serde_json::from_str(&json).unwrap())
}

fn names(json: &Value) -> Vec<(&str, u64, u64)> {
    let spans = json["spans"].as_array().unwrap().iter();
    let number = |span: &Value, key: &str| span[key].as_u64().unwrap();
    spans
        .map(|span| (span["name"].as_str().unwrap(), number(span, "count"), number(span, "unclosed")))
        .collect()
}

#[test]
fn a_shell_names_its_spans() {
    let script = r#"
        $JOULEWISE span begin night
        for i in 1 2 3; do
            $JOULEWISE span begin "one run"
            $JOULEWISE span end "one run"
        done
        $JOULEWISE span begin open
        (exec $JOULEWISE span end night)
        $JOULEWISE span end never-begun
        exit 4
    "#;
    let (output, json) = measured(&[], script);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(names(&json), [("night", 1, 0), ("one run", 3, 0), ("open", 1, 1)]);
    let spans = &json["spans"];
    assert_eq!(spans[1]["parent"], spans[0]["id"]);
    let [night, run] = [0, 1].map(|i| spans[i]["energy_j"]["value"].as_f64().unwrap());
    assert!(0.0 <= run && run <= night && night <= json["energy_j"]["value"].as_f64().unwrap());
    assert_eq!(spans[0]["energy_j"]["method"], "modelled");
    let codes: Vec<_> = json["caveats"].as_array().unwrap().iter().map(|caveat| &caveat["code"]).collect();
    assert!(codes.contains(&&Value::from("span-messages")), "{codes:?}");
    let summary = String::from_utf8(output.stderr).unwrap();
    let rows: Vec<_> = summary.lines().skip_while(|line| !line.contains("span  ")).collect();
    assert!(
        rows[1].starts_with("           night ") && rows[2].starts_with("             one run "),
        "{summary}"
    );
    assert!(summary.contains("1 of them had not ended"), "{summary}");
}

#[test]
fn a_span_that_nobody_measures_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let begin = joulewise(folder.path(), &["span", "begin", "epoch"]);
    assert_eq!((begin.status.code(), begin.stdout.len()), (Some(0), 0));
    let said = String::from_utf8(begin.stderr).unwrap();
    assert_eq!(said, "joulewise: the span `epoch` is not counted: nothing is measured here\n");
    let end = joulewise(folder.path(), &["span", "end", "epoch"]);
    assert_eq!((end.status.code(), end.stdout.len(), end.stderr.len()), (Some(0), 0, 0));
    assert_eq!(joulewise(folder.path(), &["span", "start", "epoch"]).status.code(), Some(2));
}

#[test]
fn lines_of_stdout_mark_spans_and_go_on_untouched() {
    let (output, json) = measured(
        &["--span-pattern", r"^epoch (?<end>\d+)", "--span-pattern", "begin (?<begin>.*)|done (?<end>.*)"],
        r"printf 'begin load\n\377\0done load\nepoch 1 loss 0.5\repoch 2\nbegin test'; echo out >&2; exit 7",
    );
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stdout, b"begin load\n\xff\0done load\nepoch 1 loss 0.5\repoch 2\nbegin test");
    assert!(output.stderr.starts_with(b"out\n"));
    let mut names = names(&json);
    names.sort_unstable();
    assert_eq!(names, [("1", 1, 0), ("2", 1, 0), ("load", 1, 0), ("test", 1, 1)]);

    let folder = tempfile::tempdir().unwrap();
    let refused = joulewise(folder.path(), &["measure", "--span-pattern", "epoch", "--", "touch", "ran"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("a group `begin` or `end`"));
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn a_socket_may_have_a_place_of_its_own() {
    let script = r#"[ "$JOULEWISE_SPANS" = here ] && [ -S here ] && $JOULEWISE span begin a && exit 5"#;
    let (output, json) = measured(&["--span-socket", "here"], script);
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(names(&json), [("a", 1, 1)]);
    let folder = tempfile::tempdir().unwrap();
    let refused =
        joulewise(folder.path(), &["measure", "--span-socket", "no/such/place", "--", "touch", "ran"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.starts_with("error: cannot listen for spans at no/such/place: "), "{said}");
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn a_process_that_runs_already_can_be_measured() {
    let folder = tempfile::tempdir().unwrap();
    let spin = "read line; i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
    let mut process = Command::new("sh").args(["-c", spin]).stdin(Stdio::piped()).spawn().unwrap();
    let pid = process.id().to_string();
    let meter = support::command(folder.path(), &["attach", &pid, "--json", "--span-socket", "here"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !folder.path().join("here").exists() {
        std::thread::yield_now();
    }
    let span = |edge| {
        let mut command = support::command(folder.path(), &["span", edge, "spin"]);
        command.env("JOULEWISE_SPANS", folder.path().join("here"));
        assert!(command.status().unwrap().success());
    };
    span("begin");
    process.stdin.take().unwrap().write_all(b"go\n").unwrap();
    // It is there to be looked at until somebody waits for it.
    let output = meter.wait_with_output().unwrap();
    process.wait().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["process"].to_string(), pid);
    assert_eq!(names(&json), [("spin", 1, 1)]);
    assert!(json["cpu_s"].as_f64().unwrap() > 0.01, "{json}");
    assert!(output.stderr.starts_with(b"joulewise: "));

    let refused = joulewise(folder.path(), &["attach", "4194304"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stderr.starts_with(b"error: there is no process 4194304\n"));
}
