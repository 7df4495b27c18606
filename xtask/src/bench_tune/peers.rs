//! The peers' process: it is asked and answers in lines of JSON.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::process::{command, root};

const SCRIPT: &str = "benches/tune/quality.py";
const REQUIREMENTS: &str = "benches/tune/requirements.txt";

/// Searches of others, on one thread.
pub(super) struct Peers {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    known: BTreeMap<String, f64>,
    kept: File,
}

impl Peers {
    /// Starts those of Optuna, Rustuna and BoTorch.
    pub(super) fn of_all_kinds(python: &Path) -> Result<Self> {
        Self::start(python, SCRIPT, REQUIREMENTS)
    }

    /// Starts a script. What searches came to is kept under `target/`, as long as script and requirements stay: the
    /// same seed gives the same again, and some of them take minutes.
    pub(super) fn start(python: &Path, script: &str, requirements: &str) -> Result<Self> {
        let mut told = command(python, [script]);
        for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
            told.env(name, "1");
        }
        let mut child = told
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the peers")?;
        let input = child.stdin.take().context("the peers have no input")?;
        let output = BufReader::new(child.stdout.take().context("the peers have no output")?);

        let mut hasher = DefaultHasher::new();
        for file in [script, requirements] {
            fs::read_to_string(root().join(file))
                .with_context(|| format!("cannot read {file}"))?
                .hash(&mut hasher);
        }
        let folder = root().join("target/bench-tune");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("{:016x}.jsonl", hasher.finish()));
        let mut known = BTreeMap::new();
        for line in fs::read_to_string(&path).unwrap_or_default().lines() {
            let line: Value =
                serde_json::from_str(line).with_context(|| format!("{}: no JSON", path.display()))?;
            known.insert(line["asked"].to_string(), number(&line, "regret")?);
        }
        let kept = OpenOptions::new().create(true).append(true).open(&path);
        let kept = kept.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { child, input, output, known, kept })
    }

    /// What a search of a seed lacks in the end.
    pub(super) fn regret(&mut self, search: &str, problem: &str, evaluations: u64, seed: u64) -> Result<f64> {
        let asked = json!({ "search": search, "problem": problem, "evaluations": evaluations, "seed": seed });
        if let Some(regret) = self.known.get(&asked.to_string()) {
            return Ok(*regret);
        }
        let regret = number(&self.ask(&asked)?, "regret")?;
        writeln!(self.kept, "{}", json!({ "asked": asked, "regret": regret }))?;
        self.known.insert(asked.to_string(), regret);
        Ok(regret)
    }

    /// Milliseconds of a suggestion.
    pub(super) fn latency_ms(&mut self, search: &str, dimensions: u64, trials: u64) -> Result<f64> {
        let asked = json!({ "search": search, "dimensions": dimensions, "trials": trials });
        number(&self.ask(&asked)?, "ms")
    }

    /// Makes sure that both sides mean the same by a problem.
    pub(super) fn check(&mut self, problem: &str, at: f64, ours: &Value) -> Result<()> {
        let told = self.ask(&json!({ "problem": problem, "at": at }))?;
        let pairs =
            told["values"].as_array().into_iter().flatten().zip(ours.as_array().into_iter().flatten());
        let is_same = |(a, b): (&Value, &Value)| {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= 1e-9 * b.abs().max(1.0)
        };
        let is_known = told["values"].is_array() && pairs.into_iter().all(is_same);
        ensure!(is_known, "{problem} is {told} to the peers and {ours} to us");
        Ok(())
    }

    fn ask(&mut self, asked: &Value) -> Result<Value> {
        writeln!(self.input, "{asked}").context("the peers have ended")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the peers answered {asked} with `{line}`"))
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn number(told: &Value, field: &str) -> Result<f64> {
    told[field].as_f64().with_context(|| format!("no number `{field}` in {told}"))
}
