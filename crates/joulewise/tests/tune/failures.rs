//! Studies without a best trial, and what else comes of trials that fail.

use std::process::Output;

use serde_json::Value;

use crate::support::text;
use crate::{folder, tune};

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// A study of which a trial prints its parameter as its accuracy.
fn echoing(rest: &str) -> String {
    format!(
        "command = \"echo '{{{{\\\"accuracy\\\": {{x}}}}}}'\"\nsampler = \"random\"\ntrials = 3\n{rest}\n[parameters]\n\
         x = {{ low = 0.1, high = 0.9 }}\n"
    )
}

#[test]
fn no_trial_is_the_best_that_breaks_a_bound() {
    let folder = folder(&echoing("objectives = [\"max accuracy\", \"energy_j <= 0\"]"));
    let ran = tune(folder.path(), &["run", "s.toml"]);
    assert_eq!(code(&ran), Some(1), "{}", text(&ran.stderr));
    assert!(text(&ran.stdout).contains("no trial keeps the bounds"), "{}", text(&ran.stdout));
    assert!(!text(&ran.stderr).contains("best so far"), "{}", text(&ran.stderr));
    let best = tune(folder.path(), &["best"]);
    assert_eq!(code(&best), Some(1));
    assert!(text(&best.stderr).contains("no trial of study s keeps the bounds"), "{}", text(&best.stderr));
    let study: Value = serde_json::from_slice(&tune(folder.path(), &["show", "--json"]).stdout).unwrap();
    assert!(study["best"].is_null() && study["trials"][2]["state"] == "done", "{study}");
}

#[test]
fn a_study_of_failures_fails_however_often_it_is_run() {
    let folder = folder(
        "command = \"false {x}\"\nobjectives = [\"max a\"]\ntrials = 2\n[parameters]\nx = { low = 0, high = 9 }\n",
    );
    for _ in 0..2 {
        let ran = tune(folder.path(), &["run", "s.toml"]);
        assert_eq!(code(&ran), Some(1), "{}", text(&ran.stderr));
        assert!(text(&ran.stdout).contains("no trial has a value"), "{}", text(&ran.stdout));
    }
}

#[test]
fn workers_that_fail_alike_say_so_once() {
    let folder = folder(
        "command = \"false {x}\"\nobjectives = [\"max a\"]\n[parameters]\nx = { low = 0, high = 99 }\n",
    );
    let ran = tune(folder.path(), &["run", "s.toml", "--workers", "3"]);
    let said = text(&ran.stderr);
    assert_eq!(code(&ran), Some(2), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert_eq!(said.matches("hint: ").count(), 1, "{said}");
    assert!(said.contains("all failed: `false "), "{said}");
}

#[test]
fn a_time_limit_may_be_raised_and_the_command_not_changed() {
    let folder = folder(&echoing("objectives = [\"max accuracy\"]"));
    let run = |arguments: &[&str]| tune(folder.path(), &[&["run", "s.toml"], arguments].concat());
    assert_eq!(code(&run(&["--timeout", "1min"])), Some(0));
    let more = run(&["--timeout", "2min", "--trials", "5", "--workers", "2", "--json"]);
    assert_eq!(code(&more), Some(0), "{}", text(&more.stderr));
    let other = run(&["--metrics", "json"]);
    assert!(text(&other.stderr).contains("its way of reading metrics is another"), "{}", text(&other.stderr));
    let other = run(&["--", "echo", "{x}"]);
    assert!(text(&other.stderr).contains("its command is another"), "{}", text(&other.stderr));
}

#[test]
fn what_no_trial_can_have_cost_or_come_to_is_refused() {
    let folder =
        folder("objectives = [\"max accuracy\"]\ntrials = 2\n[parameters]\nx = { low = 0, high = 9 }\n");
    let path = folder.path();
    assert_eq!(code(&tune(path, &["ask", "--file", "s.toml"])), Some(0));
    let tell = |values: &[&str]| {
        let values = values.iter().flat_map(|value| ["--value", value]);
        let told = tune(path, &["tell", "--trial", "0"].into_iter().chain(values).collect::<Vec<_>>());
        (code(&told), text(&told.stderr).to_owned())
    };
    for cost in ["energy_j=nan", "energy_j=inf", "energy_j=-5"] {
        let (code, said) = tell(&["accuracy=0.5", cost]);
        assert!(code == Some(2) && said.contains("nothing that a trial could have cost"), "{said}");
    }
    let (code_, said) = tell(&["accuracy=0.4", "accuracy=0.5"]);
    assert!(code_ == Some(2) && said.contains("`accuracy` has two values, 0.4 and 0.5"), "{said}");
    assert_eq!(tell(&["accuracy=0.5", "energy_j=5"]).0, Some(0));

    assert_eq!(code(&tune(path, &["ask"])), Some(0));
    let over = tune(path, &["ask"]);
    assert_eq!(code(&over), Some(1), "{}", text(&over.stdout));
    assert!(text(&over.stderr).contains("a limit is reached"), "{}", text(&over.stderr));
    assert_eq!(code(&tune(path, &["ask", "--trials", "3"])), Some(0));
}

#[test]
fn what_is_no_gpu_is_refused() {
    let folder = folder(&echoing("objectives = [\"max accuracy\"]"));
    for gpus in ["", "0,x", "0,,1"] {
        let ran = tune(folder.path(), &["run", "s.toml", "--gpus", gpus]);
        assert_eq!(code(&ran), Some(2), "{gpus}");
        assert!(text(&ran.stderr).contains("is no GPU"), "{}", text(&ran.stderr));
    }
}
