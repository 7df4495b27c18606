//! Commands and counters that behave badly: `joulewise measure` never hangs, never panics, and never tells of joules below
//! zero.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{ZONE, counter, joulewise};

/// What measuring a script gave: its output, and the result, which is sound.
fn measured(folder: &Path, arguments: &[&str], script: &str) -> (Output, Value) {
    let all = [&["measure", "-o", "result.json"], arguments, &["--", "sh", "-c", script]].concat();
    let output = joulewise(folder, &all);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    let result = fs::read_to_string(folder.join("result.json"));
    let result = serde_json::from_str(&result.unwrap_or_else(|error| panic!("{error}: {stderr}"))).unwrap();
    assert_nothing_negative(&result, "");
    (output, result)
}

/// No number of a result is below zero, or none at all where one is due.
fn assert_nothing_negative(value: &Value, path: &str) {
    match value {
        Value::Number(number) => {
            assert!(number.as_f64().is_some_and(|number| number >= 0.0), "{path} is {number}");
        }
        Value::Array(values) => values.iter().for_each(|value| assert_nothing_negative(value, path)),
        Value::Object(values) => {
            values.iter().for_each(|(key, value)| assert_nothing_negative(value, &format!("{path}.{key}")));
            assert!(values.get("value").is_none_or(Value::is_number), "{path} has no value");
        }
        _ => {}
    }
}

fn codes(result: &Value) -> Vec<&str> {
    result["caveats"].as_array().unwrap().iter().map(|caveat| caveat["code"].as_str().unwrap()).collect()
}

fn joules(result: &Value) -> f64 {
    result["energy_j"]["value"].as_f64().unwrap()
}

#[test]
fn a_zone_that_cannot_be_read_gives_way_to_the_model() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    let counter = folder.path().join(ZONE).join("energy_uj");
    fs::remove_file(&counter).unwrap();
    fs::create_dir(&counter).unwrap();
    let (output, result) = measured(folder.path(), &[], "exit 4");
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(result["energy_j"]["method"], "modelled");
    assert!(codes(&result).contains(&"modelled-energy"), "{result:#}");
    let (strict, _) = measured(folder.path(), &["--strict"], "exit 0");
    assert_eq!(strict.status.code(), Some(3));
}

#[test]
fn a_zone_that_vanishes_keeps_what_it_had_counted() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    let script = format!("echo 3000000 > {ZONE}/energy_uj; sleep 0.3; rm -r {ZONE}; sleep 0.3; exit 4");
    let (output, result) = measured(folder.path(), &[], &script);
    assert_eq!(output.status.code(), Some(4));
    assert!(joules(&result) >= 2.0, "{result:#}");
    assert!(codes(&result).iter().any(|code| code.starts_with("source-")), "{:?}", codes(&result));
}

#[test]
fn a_counter_that_jumps_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    let jumps = ["0", "262143328849", "5", "-7", "nonsense", "", "99999999999999999999999", "2000000"];
    let script = jumps.map(|jump| format!("echo '{jump}' > {ZONE}/energy_uj; sleep 0.15")).join("\n");
    let (output, result) = measured(folder.path(), &["--repeat", "2", "--idle", "200ms"], &script);
    assert_eq!(output.status.code(), Some(0));
    assert!(joules(&result) < 1e5, "a third of a second at most of hundreds of kilowatts: {result:#}");
    assert!(codes(&result).iter().any(|code| code.starts_with("counter-")), "{:?}", codes(&result));
}

#[test]
fn a_counter_that_stands_still_is_not_taken_for_no_energy() {
    let folder = tempfile::tempdir().unwrap();
    counter(folder.path());
    let (strict, result) = measured(folder.path(), &["--strict"], "sleep 0.8");
    assert_eq!(strict.status.code(), Some(3), "{result:#}");
    assert_eq!((codes(&result), joules(&result)), (vec!["counter-still"], 0.0));
}

#[test]
fn ten_thousand_processes_are_all_counted() {
    let folder = tempfile::tempdir().unwrap();
    // Every other one is an orphan, which nobody but the meter waits for.
    let script = "i=0; while [ $i -lt 5000 ]; do (: &); i=$((i+1)); done; times > times";
    let (output, result) = measured(folder.path(), &[], script);
    assert_eq!(output.status.code(), Some(0));
    let times = fs::read_to_string(folder.path().join("times")).unwrap();
    let seconds = |word: &str| {
        let (minutes, seconds) = word.strip_suffix('s').unwrap().split_once('m').unwrap();
        60.0 * minutes.parse::<f64>().unwrap() + seconds.parse::<f64>().unwrap()
    };
    // What the shell knows of, which are itself and the children that it waited for.
    let known_s: f64 = times.split_whitespace().map(seconds).sum();
    let counted_s = result["cpu_s"].as_f64().unwrap();
    assert!(counted_s >= 0.99 * known_s, "{counted_s} of {known_s}");
}

#[test]
fn a_command_may_close_its_streams() {
    let folder = tempfile::tempdir().unwrap();
    let script = "exec <&- >&- 2>&-; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 5";
    for arguments in [&[][..], &["--span-pattern", "epoch (?<end>.*)"], &["--live"]] {
        let (output, result) = measured(folder.path(), arguments, script);
        assert_eq!(output.status.code(), Some(5), "{arguments:?}");
        assert!(joules(&result) > 0.0);
    }
}

#[test]
fn nobody_may_be_there_to_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let script = "$JOULEWISE measure -o result.json -- sh -c 'exit 6' >&- 2>&- <&-";
    let shell = Command::new("sh")
        .args(["-c", script])
        .env("JOULEWISE", env!("CARGO_BIN_EXE_joulewise"))
        .env("JOULEWISE_SYSFS", folder.path())
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert_eq!(shell.code(), Some(6));
    assert!(folder.path().join("result.json").is_file());
    let full = Command::new("sh")
        .args(["-c", "$JOULEWISE measure --json -- true > /dev/full"])
        .env("JOULEWISE", env!("CARGO_BIN_EXE_joulewise"))
        .env("JOULEWISE_SYSFS", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(2), "{said}");
    assert!(
        said.contains("error: cannot write to standard output: ") && !said.contains("panicked"),
        "{said}"
    );
}

#[test]
fn a_command_that_ignores_the_request_to_end_is_made_to() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        "trap '' TERM INT HUP; sh -c 'trap \"\" TERM; echo $$ > inner; sleep 600; :' & wait; sleep 600; :";
    let (output, result) = measured(folder.path(), &["--timeout", "300ms"], script);
    assert_eq!((output.status.code(), result["timed_out"].as_bool()), (Some(124), Some(true)));
    let inner = fs::read_to_string(folder.path().join("inner")).unwrap();
    assert!(!is_running(inner.trim()), "what it had started has ended too");
}

#[test]
fn what_outlives_its_parent_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    // It keeps the other end of the pipe in which patterns are looked for.
    let script = "sleep 600 2>&- & echo $! > left; echo epoch 1; exit 3";
    let (output, result) = measured(folder.path(), &["--span-pattern", "epoch (?<end>.*)"], script);
    let left = fs::read_to_string(folder.path().join("left")).unwrap();
    assert!(is_running(left.trim()), "it is none of our business");
    Command::new("kill").arg(left.trim()).status().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, b"epoch 1\n");
    assert_eq!(result["spans"][0]["name"], "1", "{result:#}");
}

#[test]
fn a_search_does_not_wait_for_what_outlives_its_training_either() {
    let folder = tempfile::tempdir().unwrap();
    let train = "sleep 600 & echo $! >> left; echo '{\"accuracy\": 0.9}'; echo weights > $1";
    fs::write(folder.path().join("train.sh"), train).unwrap();
    let recipe = "[train]\ncommand = 'sh train.sh {model} {epochs}'\nepochs = 4\n";
    fs::write(folder.path().join("recipe.toml"), recipe).unwrap();
    let output = joulewise(folder.path(), &["improve", "recipe.toml", "--practices", "early-stopping"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The joules of what is left would be those of later stages.
    let left = fs::read_to_string(folder.path().join("left")).unwrap();
    assert!(left.lines().all(|process| !is_running(process)), "{left}");
}

#[test]
fn a_span_that_is_never_ended_ends_with_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let script = "$JOULEWISE span begin open; $JOULEWISE span begin inner; kill -KILL $$";
    let (output, result) = measured(folder.path(), &["--repeat", "3"], script);
    assert_eq!(output.status.code(), Some(128 + 9));
    let spans = result["spans"].as_array().unwrap();
    let seen = |i: usize| [spans[i]["count"].as_u64(), spans[i]["unclosed"].as_u64()];
    assert_eq!((seen(0), seen(1)), ([Some(1); 2], [Some(1); 2]), "{result:#}");
    assert!(spans[0]["energy_j"]["value"].as_f64() <= result["energy_j"]["value"].as_f64());
}

/// Whether there is such a process, and it has not ended.
fn is_running(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
