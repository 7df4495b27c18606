//! `joulewise improve` on built-in and on real data.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Check, folder, joulewise};
use crate::process::{command, json};

/// Largest difference of test accuracy that counts as the same quality.
const SAME_QUALITY: f64 = 0.01;
/// Largest share of the energy that no stage may account for.
const UNATTRIBUTED: f64 = 0.02;

/// One run of `improve` and what it promises.
struct Case {
    name: &'static str,
    args: &'static [&'static str],
    /// Longest time, in seconds.
    seconds: u64,
    /// Least test accuracy of the baseline.
    baseline: Option<f64>,
    /// Most CPU time per inference of some candidate of the same quality, as a share of the baseline's.
    inference: Option<f64>,
    /// Most energy of training some candidate of the same quality, as a share of the baseline's.
    training: Option<f64>,
    /// Fewest candidates that hold.
    hold: usize,
}

const CASES: [Case; 4] = [
    Case {
        name: "glyphs",
        args: &[],
        seconds: 90,
        baseline: Some(0.97),
        inference: None,
        training: None,
        hold: 5,
    },
    Case {
        name: "fashion-mnist",
        args: &[],
        seconds: 20 * 60,
        baseline: Some(0.913),
        inference: Some(0.25),
        training: Some(0.5),
        hold: 1,
    },
    Case {
        name: "mnist",
        args: &[],
        seconds: 20 * 60,
        baseline: None,
        inference: Some(0.25),
        training: Some(0.5),
        hold: 1,
    },
    Case {
        name: "cifar10",
        args: &["--model", "resnet8", "--epochs", "3"],
        seconds: 60 * 60,
        baseline: None,
        inference: None,
        training: None,
        hold: 0,
    },
];

/// Runs every case; the run folders stay for the other parts.
pub(super) fn run(data: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    for case in &CASES {
        let outcome = verify(case, data);
        checks.extend(outcome.unwrap_or_else(|error| {
            vec![Check::new(format!("{}: completes", case.name), error.to_string(), false)]
        }));
    }
    checks
}

fn verify(case: &Case, data: &Path) -> Result<Vec<Check>> {
    let name = case.name;
    let out = folder("improve").join(name);
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    let mut improve = command(joulewise(), ["improve"]);
    if name != "glyphs" {
        improve.arg("--data").arg(data.join(name));
    }
    improve.args(case.args).arg("--out").arg(&out).arg("--json");
    let start = Instant::now();
    let result = json(improve)?;
    let (wall, allowed) = (start.elapsed(), Duration::from_secs(case.seconds));

    let mut checks = vec![Check::new(
        format!("{name}: completes in {} s", case.seconds),
        format!("{:.0} s", wall.as_secs_f64()),
        wall <= allowed,
    )];
    let baseline = accuracy(&result["baseline"]).context("the baseline has no test accuracy")?;
    checks.push(Check::new(
        format!("{name}: baseline, test accuracy{}", at_least(case.baseline)),
        format!("{:.2} %", 100.0 * baseline),
        case.baseline.is_none_or(|wanted| baseline >= wanted),
    ));
    let candidates = result["candidates"].as_array().context("no candidates")?;
    let hold = candidates.iter().filter(|c| c["status"] == "holds").count();
    checks.push(Check::new(
        format!("{name}: at least {} candidates hold", case.hold),
        format!("{hold} of {}", candidates.len()),
        hold >= case.hold,
    ));

    let same_quality = || {
        let good = |c: &&Value| accuracy(c).is_some_and(|a| baseline - a <= SAME_QUALITY);
        candidates.iter().filter(good)
    };
    let inference = least(same_quality().map(|c| (c, c["cpu_ratio"]["value"].as_f64())));
    checks.extend(share(&format!("{name}: CPU time per inference within 1 pp"), inference, case.inference));
    let baseline_training = result["baseline"]["training_j"]["value"].as_f64().unwrap_or(f64::NAN);
    let training =
        least(same_quality().map(|c| (c, c["training_j"]["value"].as_f64().map(|j| j / baseline_training))));
    checks.extend(share(&format!("{name}: training energy within 1 pp"), training, case.training));
    checks.extend(ledger(name, &result["ledger"]));
    Ok(checks)
}

/// That the entries and what is unattributed are the whole, and that little is unattributed.
fn ledger(name: &str, ledger: &Value) -> [Check; 2] {
    let entries = ledger["entries"]
        .as_array()
        .map_or(0.0, |entries| entries.iter().filter_map(|entry| entry["energy_j"]["value"].as_f64()).sum());
    let unattributed = ledger["unattributed_j"].as_f64().unwrap_or(f64::NAN);
    let total = ledger["total_j"]["value"].as_f64().unwrap_or(f64::NAN);
    let gap = (entries + unattributed - total).abs() / total;
    let share = unattributed.abs() / total;
    [
        Check::new(
            format!("{name}: entries and unattributed make the total"),
            format!("{total:.0} J, relative gap {gap:.0e}"),
            gap <= 1e-12,
        ),
        Check::new(
            format!("{name}: unattributed energy at most {:.0} %", 100.0 * UNATTRIBUTED),
            format!("{:.2} %", 100.0 * share),
            share <= UNATTRIBUTED,
        ),
    ]
}

fn accuracy(candidate: &Value) -> Option<f64> {
    candidate["metrics"]["accuracy"]["test"].as_f64()
}

fn at_least(wanted: Option<f64>) -> String {
    wanted.map_or(String::new(), |wanted| format!(" at least {:.1} %", 100.0 * wanted))
}

/// The candidate with the smallest value, and that value.
fn least<'a>(values: impl Iterator<Item = (&'a Value, Option<f64>)>) -> Option<(&'a Value, f64)> {
    values.filter_map(|(c, value)| Some((c, value?))).min_by(|a, b| a.1.total_cmp(&b.1))
}

/// A check that the best share is small enough; none where nothing is promised.
fn share(claim: &str, best: Option<(&Value, f64)>, most: Option<f64>) -> Option<Check> {
    let most = most?;
    let claim = format!("{claim}, at most {most} of the baseline's");
    Some(match best {
        Some((candidate, share)) => {
            let name = candidate["name"].as_str().unwrap_or("?");
            Check::new(claim, format!("{share:.3} ({name})"), share <= most)
        }
        None => Check::new(claim, "no candidate of that quality", false),
    })
}
