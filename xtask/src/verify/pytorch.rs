//! The PyTorch examples: ordinary scripts, measured as they are, improved by their recipes, and the verdict put to the test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Check, folder, joulewise};
use crate::process::{command, json, output, root, show};
use crate::venv;

/// Scripts, a recipe, and what must come of them.
struct Example {
    name: &'static str,
    /// Below `examples/`.
    folder: &'static str,
    /// What the scripts need once.
    prepare: &'static [&'static str],
    /// The training as it is, if it is to be measured.
    training: Option<Training>,
    recipe: &'static str,
    /// Practices of which a candidate must have been made.
    made: &'static [&'static str],
    metric: &'static str,
    /// The metric's value that stands for all right.
    perfect: f64,
    /// The baseline's part of that must be at least so much.
    at_least: f64,
    /// The last value of the metric in what a training printed.
    reported: fn(&str) -> Option<f64>,
}

/// A script that knows nothing of Joulewise.
struct Training {
    arguments: &'static [&'static str],
    /// Its spans, told from what it prints.
    pattern: &'static str,
    epochs: u64,
}

const EXAMPLES: [Example; 3] = [
    Example {
        name: "pytorch",
        folder: "pytorch",
        prepare: &["features.py"],
        training: Some(Training {
            arguments: &["train.py", "--epochs", "4", "--out", MODEL],
            pattern: r#""(?<end>epoch)":"#,
            epochs: 4,
        }),
        recipe: "recipe.toml",
        made: &["tune", "early-stopping"],
        metric: "accuracy",
        perfect: 1.0,
        at_least: 0.9,
        reported: in_json,
    },
    Example {
        name: "pytorch, every practice",
        folder: "pytorch",
        prepare: &["features.py"],
        training: None,
        recipe: "every_practice.toml",
        made: &["tune", "early-stopping", "smaller-network", "distil", "data-subset", "quantise"],
        metric: "accuracy",
        perfect: 1.0,
        at_least: 0.9,
        reported: in_json,
    },
    Example {
        name: "torchvision",
        folder: "torchvision",
        prepare: &["make_pictures.py", "pictures"],
        training: Some(Training {
            arguments: &["train.py", "--width", "32", "--epochs", "3", "--lr", "0.01"],
            pattern: "(?<end>Epoch|Test):.* Total time",
            epochs: 3,
        }),
        recipe: "recipe.toml",
        made: &["smaller-network", "quantise", "data-subset", "tune"],
        metric: "acc1",
        perfect: 100.0,
        at_least: 0.9,
        reported: after_acc1,
    },
];

/// The word of a command that says where the model goes. Nobody wants it among the scripts.
const MODEL: &str = "model";
/// How far the accuracy of a recommended training may be from the one that was promised: it is the same training again.
const MISSED: f64 = 0.01;
/// How far its joules may be from those that were promised, on a machine that does other things too.
const JOULES: std::ops::RangeInclusive<f64> = 0.75..=1.33;

/// Runs the examples in a folder below `examples/` with their environment's Python first in the path.
pub(super) fn run(folder: &str) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for example in EXAMPLES.iter().filter(|example| example.folder == folder) {
        let place = Place::of(example)?;
        if let Some(training) = &example.training {
            checks.push(measured(example, training, &place)?);
        }
        checks.extend(improved(example, &place)?);
    }
    Ok(checks)
}

/// Where an example's scripts are, and what they run with.
struct Place {
    scripts: PathBuf,
    path: OsString,
}

impl Place {
    fn of(example: &Example) -> Result<Self> {
        let scripts = root().join("examples").join(example.folder);
        let python = venv::python(&format!("examples/{}/requirements.txt", example.folder))?;
        let bin = python.parent().context("the Python interpreter has no folder")?;
        let mut path = bin.as_os_str().to_owned();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        let mut prepare = command(&python, example.prepare);
        prepare.current_dir(&scripts);
        show(prepare)?;
        Ok(Self { scripts, path })
    }

    /// `joulewise` with these arguments, among the scripts.
    fn joulewise(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = command(joulewise(), arguments);
        command.current_dir(&self.scripts).env("PATH", &self.path);
        command
    }
}

/// Measures a training as it is.
fn measured(example: &Example, training: &Training, place: &Place) -> Result<Check> {
    let result = folder(example.folder).join("measure.json");
    std::fs::create_dir_all(folder(example.folder))?;
    let mut measure = place.joulewise(&["measure", "--span-pattern", training.pattern, "-o"]);
    let left = folder(example.folder).join("measured");
    let arguments =
        training.arguments.iter().map(|&word| if word == MODEL { left.as_os_str() } else { word.as_ref() });
    measure.arg(&result).args(["--", "python", "-u"]).args(arguments);
    show(measure)?;
    let result = read(&result)?;
    let spans = result["spans"].as_array().context("no spans")?;
    let joules = |value: &Value| value["energy_j"]["value"].as_f64().unwrap_or(f64::NAN);
    let share = spans.iter().map(joules).sum::<f64>() / joules(&result);
    let found = spans.iter().map(|span| format!("{} {}", span["count"], span["name"].as_str().unwrap_or("")));
    Ok(Check::new(
        format!("{}: measured as it is, the epochs that it prints are spans of the run", example.name),
        format!("{}: {:.1} % of the joules", found.collect::<Vec<_>>().join(", "), 100.0 * share),
        // Importing PyTorch belongs to the first of them.
        spans.iter().all(|span| span["count"] == training.epochs) && (0.5..=1.0).contains(&share),
    ))
}

/// Improves a training by its recipe, and does what the verdict says.
fn improved(example: &Example, place: &Place) -> Result<Vec<Check>> {
    let name = example.name;
    let runs = folder(example.folder);
    let mut improve = place.joulewise(&["improve", example.recipe, "--json", "--out"]);
    improve.arg(&runs);
    let result = json(improve)?;
    let baseline = &result["baseline"];
    let accuracy = part(example, baseline, "test");
    let candidates = result["candidates"].as_array().context("no candidates")?;
    let holding: Vec<&Value> = candidates.iter().filter(|c| c["status"] == "holds").collect();
    let skipped: Vec<&Value> = candidates.iter().filter(|c| c["status"] == "skipped").collect();
    let made = |practice: &&str| {
        candidates
            .iter()
            .any(|c| c["practices"][0] == **practice && (c["status"] == "holds" || c["status"] == "drops"))
    };
    let missing: Vec<&str> = example.made.iter().copied().filter(|practice| !made(practice)).collect();
    let cost = |model: &Value| model["life_cost_j"]["value"].as_f64().unwrap_or(f64::INFINITY);
    let cheapest = holding.iter().copied().min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(baseline);
    let best = if cost(cheapest) < cost(baseline) { cheapest } else { baseline };
    let best_name = best["name"].as_str().unwrap_or_default();
    let verdict = result["verdict"].as_str().unwrap_or_default();
    let report = runs.join(result["id"].as_str().context("no id")?).join("report.html");
    let page = std::fs::read_to_string(report)?;
    let mut checks = vec![
        Check::new(
            format!("{name}: baseline accuracy at least {:.0} %", 100.0 * example.at_least),
            format!("{:.1} %", 100.0 * accuracy),
            accuracy >= example.at_least,
        ),
        Check::new(
            format!("{name}: {} make a candidate", example.made.join(", ")),
            if missing.is_empty() { "all of them".to_owned() } else { format!("not {}", missing.join(", ")) },
            missing.is_empty(),
        ),
        Check::new(format!("{name}: a candidate holds"), holding.len().to_string(), !holding.is_empty()),
        Check::new(
            format!("{name}: every skipped practice says why"),
            format!("{} skipped", skipped.len()),
            skipped.iter().all(|c| c["reason"].as_str().is_some_and(|reason| !reason.is_empty())),
        ),
        Check::new(
            format!("{name}: the verdict and the report name the cheapest life"),
            verdict.to_owned(),
            verdict.contains(best_name) && page.contains(best_name),
        ),
    ];
    checks.extend(by_hand(example, best, place)?);
    if best["name"] != cheapest["name"] {
        checks.extend(by_hand(example, cheapest, place)?);
    }
    Ok(checks)
}

/// The metric of a model, as a part of what would be perfect.
fn part(example: &Example, model: &Value, split: &str) -> f64 {
    model["metrics"][example.metric][split].as_f64().map_or(f64::NAN, |value| value / example.perfect)
}

/// Whether the command of the model that the verdict recommends gives what the run promises of it.
fn by_hand(example: &Example, model: &Value, place: &Place) -> Result<[Check; 2]> {
    let line = model["command"].as_str().context("the model names no command")?;
    let left = folder(example.folder).join("by-hand");
    let left = format!("'{}'", left.display());
    let words: Vec<&str> = line.split(' ').map(|word| if word == MODEL { &left } else { word }).collect();
    let line = words.join(" ");
    let measurement = folder(example.folder).join("by-hand.json");
    let mut measure = place.joulewise(&["measure", "-o"]);
    measure.arg(&measurement).args(["--", "sh", "-c", &line]);
    let printed = output(measure)?.stdout;
    let found = (example.reported)(&String::from_utf8_lossy(&printed)).unwrap_or(f64::NAN) / example.perfect;
    let promised = part(example, model, "select");
    let joules = |value: &Value| value["value"].as_f64().unwrap_or(f64::NAN);
    let measured = joules(&read(&measurement)?["energy_j"]);
    let ratio = measured / joules(&model["training_j"]);
    let of =
        format!("{}: the command of `{}`, run by hand,", example.name, model["name"].as_str().unwrap_or(""));
    Ok([
        Check::new(
            format!("{of} gives its accuracy"),
            format!("{:.2} %, promised {:.2} %", 100.0 * found, 100.0 * promised),
            (found - promised).abs() <= MISSED,
        ),
        Check::new(
            format!("{of} takes the joules of its training"),
            format!("{measured:.0} J, {ratio:.2} of what was promised"),
            JOULES.contains(&ratio),
        ),
    ])
}

fn read(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// As in `{"epoch": 3, "accuracy": 0.91}`.
fn in_json(printed: &str) -> Option<f64> {
    let row: Value = serde_json::from_str(printed.lines().last()?).ok()?;
    row["accuracy"].as_f64()
}

/// As in `Test:  Acc@1 86.094 Acc@5 100.000`.
fn after_acc1(printed: &str) -> Option<f64> {
    let (_, after) = printed.rsplit_once("Acc@1 ")?;
    after.split_whitespace().next()?.parse().ok()
}
