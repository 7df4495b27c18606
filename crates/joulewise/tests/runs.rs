//! The commands that read run folders, as a shell sees them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const RESULT: &str = r#"{"schema":1,"id":"20261121-0105-k3f9","task":"lenet on glyphs","state":"complete",
"life":{"inferences":1000000.0,"retrainings":0.0,"batch":64},"metric":"accuracy","max_drop":0.01,
"baseline":{"name":"baseline","practices":[],"status":"holds","reason":"","depends_on":[1],"metrics":{},
"parameters":10,"macs":20,"bytes":30,"energy_per_inference_j":{"by_batch":{}},"cpu_s_per_inference":{},
"cpu_ratio":null,"training_j":null,"cost_to_make_j":null,"break_even":{"kind":"not shown"},"life_cost_j":null,"model":null},
"candidates":[],
"ledger":{"entries":[{"id":1,"stage":"baseline/train","energy_j":{"value":99.0,"low":90.0,"high":110.0,"method":"measured"},
"cpu_s":4.5,"wall_s":2.25,"depends_on":[]}],
"total_j":{"value":100.0,"low":91.0,"high":111.0,"method":"measured"},"unattributed_j":1.0},
"choosing_j":{"value":0.0,"low":0.0,"high":0.0,"method":"measured"},"scope":"process tree","caveats":[],
"host":{"system":"linux x86_64","cpu":"a processor","threads":2,"isa":"avx2","sources":[],"version":"0.1.0",
"started":"2026-11-21T01:05:12Z"},"verdict":"Nothing was tried."}"#;

fn out_with_runs() -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    for id in ["20261121-0105-k3f9", "20261121-0900-0000"] {
        fs::create_dir(out.path().join(id)).unwrap();
    }
    fs::write(out.path().join("20261121-0105-k3f9/result.json"), RESULT).unwrap();
    out
}

fn joulewise(out: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joulewise")).args(args).arg("--out").arg(out).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn json_of_a_report_is_the_file_byte_for_byte() {
    let out = out_with_runs();
    let output = joulewise(out.path(), &["report", "20261121-01", "--json"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), RESULT);
}

#[test]
fn a_report_shows_the_verdict_and_writes_the_page() {
    let out = out_with_runs();
    let output = joulewise(out.path(), &["report", "20261121-0105-k3f9"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = out.path().join("20261121-0105-k3f9/report.html");
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("Nothing was tried.") && stdout.ends_with(&format!("\nreport  {}\n", page.display())),
        "{stdout}"
    );
    assert!(fs::read_to_string(page).unwrap().contains("Nothing was tried."));
}

#[test]
fn a_run_without_a_result_says_how_to_go_on() {
    let out = out_with_runs();
    let output = joulewise(out.path(), &["report", "@last"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("joulewise improve --resume 20261121-0900-0000"));
}

#[test]
fn runs_are_listed_with_and_without_a_result() {
    let out = out_with_runs();
    let table = text(&joulewise(out.path(), &["runs"]).stdout);
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("20261121-0105-k3f9  lenet on glyphs  complete")
            && lines[1].contains("no result")
    );
    let listed: serde_json::Value =
        serde_json::from_slice(&joulewise(out.path(), &["runs", "--json"]).stdout).unwrap();
    assert_eq!(listed[0]["total_j"], 100.0);
    assert_eq!(listed[1]["state"], serde_json::Value::Null);
    let none = joulewise(&out.path().join("none"), &["runs", "--json"]);
    assert_eq!((none.status.code(), text(&none.stdout).as_str()), (Some(0), "[]\n"));
}

#[test]
fn the_ledger_adds_up() {
    let out = out_with_runs();
    let table = text(&joulewise(out.path(), &["ledger", "20261121-01"]).stdout);
    assert!(table.contains("unattributed") && table.contains("1.0\u{a0}%"), "{table}");
    let ledger: serde_json::Value =
        serde_json::from_slice(&joulewise(out.path(), &["ledger", "20261121-01", "--json"]).stdout).unwrap();
    let entry = ledger["entries"][0]["energy_j"]["value"].as_f64().unwrap();
    assert_eq!(
        entry + ledger["unattributed_j"].as_f64().unwrap(),
        ledger["total_j"]["value"].as_f64().unwrap()
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let out = out_with_runs();
    let command = format!(
        "{} report 20261121-01 --json --out '{}' 2>&1 1>&3 3>&- | cat; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_joulewise"),
        out.path().display()
    );
    // The reader of descriptor 3 is gone before anything is written.
    let output = Command::new("bash")
        .args(["-c", &format!("exec 3> >(exec <&-; :); sleep 0.2; {command}")])
        .output()
        .unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ""));
}
