//! What scripts rely on: exit codes, and errors on stderr only.

use std::process::{Command, Output};

fn joulewise(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joulewise")).args(args).output().unwrap()
}

#[test]
fn bad_usage_and_bad_input_exit_with_2_and_leave_stdout_alone() {
    let cases: [(&[&str], &str); 4] = [
        (&["improve", "no/such.toml"], "error: cannot read the recipe no/such.toml: "),
        (&["improve", "--set", "train.lrr=1"], "hint: did you mean `train.lr`?"),
        (&["improve", "--max-drop", "a bit"], "error: invalid value 'a bit' for '--max-drop <PERCENT>'"),
        (&["imrpove"], "improve"),
    ];
    for (args, expected) in cases {
        let output = joulewise(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn help_and_version_are_data() {
    for args in [["--help"], ["--version"]] {
        let output = joulewise(&args);
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(String::from_utf8_lossy(&output.stdout).contains("joulewise"));
    }
}
