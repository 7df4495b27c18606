//! Waste in what a command told of itself, seen from outside.

mod support;

use serde_json::Value;
use support::{ZONE, counter, joulewise, text};

/// Eight epochs of the same work, of which the first two get somewhere.
const TRAINING: &str = r#"
    spin() { i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; }
    for accuracy in 0.5 0.9 0.901 0.9 0.902 0.9 0.901 0.9; do
        spin
        echo "{\"accuracy\": $accuracy, \"lr\": 0.1}"
    done
"#;

#[test]
fn epochs_after_the_plateau_are_found_in_what_a_command_prints() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["measure", "--metrics", "json", "--label", "eight epochs", "-o", "run.json"];
    let output = joulewise(folder.path(), &[&arguments[..], &["--", "sh", "-c", TRAINING]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 8, "stdout goes on untouched");
    let summary = text(&output.stderr);
    assert!(summary.contains("training after the plateau: `accuracy` was within 0.5 pp"), "{summary}");
    assert!(summary.contains("hint: train for about 25 % as long"), "{summary}");

    let kept: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).unwrap()).unwrap();
    let [accuracy, _] = &kept["trace"]["metrics"].as_array().unwrap()[..] else { panic!("{kept}") };
    assert_eq!((&accuracy["name"], &accuracy["run"]), (&"accuracy".into(), &1.into()));
    let points = accuracy["points"].as_array().unwrap();
    assert_eq!((points.len(), &points[4]["value"]), (8, &0.902.into()));
    let joules: Vec<f64> = points.iter().map(|point| point["energy_j"].as_f64().unwrap()).collect();
    assert!(joules.is_sorted() && joules[7] <= kept["energy_j"]["value"].as_f64().unwrap(), "{joules:?}");
    let found = &kept["waste"]["findings"][0];
    assert_eq!(found["kind"], "after-plateau");
    assert!((0.4..1.0).contains(&found["share"].as_f64().unwrap()), "six of eight epochs: {found}");

    let shown = joulewise(folder.path(), &["waste", "run.json", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown[0]["findings"], kept["waste"]["findings"], "found again in what was kept");
    let page = joulewise(folder.path(), &["waste", "run.json"]);
    let page = text(&page.stdout);
    assert!(page.starts_with("eight epochs (run.json): "), "{page}");
    assert!(page.contains("not judged: evaluation too frequent: no span is called after"), "{page}");
}

#[test]
fn frequent_evaluations_are_found_in_spans() {
    let folder = tempfile::tempdir().unwrap();
    let script = r"
        spin() { i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; }
        for epoch in 1 2 3 4 5 6; do
            echo begin train; spin; echo end train
            echo begin evaluate; spin; echo end evaluate
        done
    ";
    let pattern = "begin (?<begin>.*)|end (?<end>.*)";
    let output =
        joulewise(folder.path(), &["measure", "--json", "--span-pattern", pattern, "--", "sh", "-c", script]);
    let json: Value = serde_json::from_str(text(&output.stdout).lines().last().unwrap()).unwrap();
    let found = &json["waste"]["findings"][0];
    assert_eq!(found["kind"], "frequent-evaluation", "{json}");
    assert!(found["energy_j"]["value"].as_f64() <= json["energy_j"]["value"].as_f64());
    assert!(text(&output.stderr).contains("evaluation too frequent: 6 evaluations take"));
}

#[test]
fn what_is_no_measurement_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other.json"), "{}").unwrap();
    let output = joulewise(folder.path(), &["waste", "other.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).starts_with("error: other.json is not what `joulewise measure --output` writes")
    );
    let output = joulewise(folder.path(), &["measure", "--metrics", "metrics.jsonl", "--", "true"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("only stdout is looked at"), "{}", text(&output.stderr));
}

#[test]
fn a_starved_loader_is_found_where_joules_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    let script = format!(
        "used=1000000
         use() {{ sleep 0.03; used=$((used + 2000000)); echo $used > {ZONE}/energy_uj; }}
         for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
             echo begin load; use; echo end load
             echo begin step; use; echo end step
         done"
    );
    let pattern = "begin (?<begin>.*)|end (?<end>.*)";
    let arguments = ["measure", "-o", "run.json", "--span-pattern", pattern, "--", "sh", "-c", &script];
    let output = joulewise(folder.path(), &arguments);
    let json: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).unwrap()).unwrap();
    let found = &json["waste"]["findings"][0];
    assert_eq!(found["kind"], "starved-loader", "{json}");
    let [low, value, high] = ["low", "value", "high"].map(|end| found["energy_j"][end].as_f64().unwrap());
    let used = json["energy_j"]["value"].as_f64().unwrap();
    assert!(0.0 <= low && low < value && value <= high && value < used, "{found}");
    assert!(json["trace"]["samples"][0]["energy_j"].as_f64().unwrap() <= used);
    assert!(text(&output.stderr).contains("of the loop's time"), "{}", text(&output.stderr));
}

#[test]
fn measurements_with_several_sizes_of_batches_show_the_cheapest() {
    let folder = tempfile::tempdir().unwrap();
    // The smaller the batches, the more of them there are.
    let script = "i=0; while [ $i -lt $((1600000 / $2)) ]; do i=$((i+1)); done";
    for size in ["16", "64"] {
        let output = format!("{size}.json");
        let arguments = ["measure", "-o", &output, "--", "sh", "-c", script, "training", "--batch", size];
        assert!(joulewise(folder.path(), &arguments).status.success());
    }
    let shown = joulewise(folder.path(), &["waste", "16.json", "64.json", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown[0]["findings"][0]["kind"], "small-batch", "{shown}");
    assert_eq!(shown[1]["findings"].as_array().unwrap().len(), 0, "{shown}");
}
