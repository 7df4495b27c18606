//! One command, measured by one meter on one curve.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::curve::Curve;
use super::feeder::Feeder;
use super::launch;
use super::meters::{Meter, Site, Told};
use super::probe::Account;

/// What came of it, as the raw data hold it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trial {
    pub(crate) meter: String,
    pub(crate) curve: String,
    pub(crate) exit_code: i32,
    /// From the start of the meter to that of the command, in milliseconds.
    pub(crate) start_ms: f64,
    /// From the end of the command to that of the meter, in milliseconds.
    pub(crate) tail_ms: f64,
    /// How long the command took.
    pub(crate) wall_s: f64,
    /// CPU time of the meter and the command.
    pub(crate) cpu_s: f64,
    /// CPU time of the meter alone while the command ran.
    pub(crate) meter_cpu_s: f64,
    /// The meter's peak memory.
    pub(crate) rss_mib: f64,
    /// True joules while the command ran: of all that is counted, and of the packages alone.
    pub(crate) truth_j: f64,
    pub(crate) truth_packages_j: f64,
    /// The command's own account of its CPU time, if it gave one.
    pub(crate) truth_cpu_s: Option<f64>,
    /// True joules of the command's spans.
    pub(crate) truth_spans_j: Vec<f64>,
    #[serde(flatten)]
    pub(crate) told: Told,
}

impl Trial {
    /// Whether the truth lies in the meter's own interval.
    pub(crate) fn is_inside(&self) -> bool {
        let (low, high) = (self.told.low_j, self.told.high_j);
        low.is_some_and(|low| low <= self.truth_j) && high.is_some_and(|high| self.truth_j <= high)
    }
}

/// What a probe does, without the file into which it tells.
pub(crate) type Words<'a> = &'a [&'a str];

/// The counters run for that long before the meter starts.
const AHEAD: Duration = Duration::from_millis(20);

/// Runs a meter on a curve. The curve's event, if it has one, is in the middle of a command that starts `lead_s` after
/// the meter.
pub(crate) fn run(meter: &dyn Meter, curve: &Curve, lead_s: f64, words: Words<'_>) -> Result<Trial> {
    let folder = tempfile::tempdir()?;
    let curve = curve.clone().with_event_at(AHEAD.as_secs_f64() + lead_s + curve.length_s / 2.0);
    let feeder = Feeder::start(&curve)?;
    let site = Site {
        folder: folder.path().to_owned(),
        sysfs: feeder.sysfs(),
        registers: feeder.registers(),
        is_unprivileged: curve.is_denied,
    };
    let told = folder.path().join("probe");
    let (what, arguments) = words.split_first().context("a probe has a name")?;
    let mut probe = Command::new(std::env::current_exe()?);
    probe.args(["probe", what]).arg(&told).args(arguments).current_dir(folder.path());
    thread::sleep(AHEAD);
    let launched = launch::run(meter.command(&site, probe))?;
    let account = Account::read(&told)
        .with_context(|| format!("{} on {}: {}", meter.name(), curve.name, launched.stderr.trim_end()))?;
    let at = |time_s: f64| time_s - feeder.start_s();
    let (from_s, to_s) = (at(account.began_s), at(account.ended_s));
    let spans = account.rest.iter().filter(|line| line.len() == 2);
    Ok(Trial {
        meter: meter.name(),
        curve: curve.name.clone(),
        exit_code: launched.exit_code,
        start_ms: (account.began_s - launched.started_s) * 1e3,
        tail_ms: (launched.ended_s - account.ended_s) * 1e3,
        wall_s: to_s - from_s,
        cpu_s: launched.cpu_s,
        meter_cpu_s: launched.cpu_between_s(account.began_s, account.ended_s),
        rss_mib: launched.rss_mib,
        truth_j: curve.total_j(from_s, to_s),
        truth_packages_j: curve.packages_j(from_s, to_s),
        truth_cpu_s: account.rest.iter().find(|line| line.len() == 1).map(|line| line[0]),
        truth_spans_j: spans.map(|span| curve.total_j(at(span[0]), at(span[1]))).collect(),
        told: meter.told(&site, &launched)?,
    })
}
