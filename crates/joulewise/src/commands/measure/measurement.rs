//! What was measured, as the machine-readable result holds it.

use joulewise_meter::carbon::Footprint;
use joulewise_meter::division::Division;
use joulewise_meter::spans::Told;
use joulewise_meter::{Caveat, DomainUsage, Energy, MetricPoint, MetricSeries, Shares, SpanTotal, Summary};
use serde::Serialize;

use super::carbon::Factors;
use super::execution::{Run, Runs};
use super::statistics::Scatter;
use super::{Measure, caveats};
use crate::attribution::Attribution;
use crate::result::SCHEMA;
use crate::waste::trace::{RecordedMetric, Sample};
use crate::waste::{Recording, Trace, Waste};

/// The machine-readable result. Of repeated runs, joules and seconds are the mean.
#[derive(Serialize)]
pub(super) struct Measurement {
    pub(super) schema: u32,
    pub(super) label: Option<String>,
    pub(super) command: Vec<String>,
    /// When the first run began.
    pub(super) started: String,
    /// That of the last run.
    pub(super) exit_code: u8,
    pub(super) signal: Option<i32>,
    pub(super) timed_out: bool,
    pub(super) energy_j: Energy,
    pub(super) power_w: f64,
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    /// CPU time of the meter itself, which `cpu_s` contains.
    pub(super) own_cpu_s: f64,
    pub(super) domains: Vec<DomainUsage>,
    /// How the joules are known, as fractions of them.
    pub(super) shares: Shares,
    /// The part of the time in which every source was read.
    pub(super) coverage: f64,
    pub(super) attribution: Attribution,
    pub(super) carbon: Option<Footprint>,
    /// Statistics over the runs, if there are several.
    pub(super) repeat: Option<Repeat>,
    pub(super) runs: Vec<RunRecord>,
    pub(super) interval_s: f64,
    pub(super) scope: String,
    pub(super) sources: Vec<String>,
    pub(super) caveats: Vec<Caveat>,
    /// Over all runs.
    pub(super) spans: Vec<SpanTotal>,
    /// What was burnt without use, as far as `trace` and `spans` show it.
    pub(super) waste: Waste,
    pub(super) trace: Recording,
}

/// One run.
#[derive(Serialize)]
pub(super) struct RunRecord {
    pub(super) started: String,
    pub(super) exit_code: u8,
    pub(super) energy_j: Energy,
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) coverage: f64,
    pub(super) shares: Shares,
    pub(super) domains: Vec<DomainUsage>,
}

/// Means with the 95 % interval that the runs' scatter gives.
#[derive(Serialize)]
pub(super) struct Repeat {
    pub(super) runs: usize,
    pub(super) warmup: u32,
    pub(super) energy_j: Scatter,
    pub(super) wall_s: Scatter,
    pub(super) cpu_s: Scatter,
}

impl Measurement {
    pub(super) fn new(
        measure: &Measure,
        runs: Runs,
        told: Told,
        summary: Summary,
        carbon: Option<Factors>,
    ) -> Self {
        let Runs { each: runs, division, idle, .. } = runs;
        let count = runs.len() as f64;
        let mean = |of: fn(&Run) -> f64| runs.iter().map(of).sum::<f64>() / count;
        let energy_j = runs.iter().map(|run| run.usage.energy).sum::<Energy>().scaled(1.0 / count);
        let shares = mean_shares(&runs);
        let last = runs.last().expect("there is a run where there is a result").outcome;
        let usages = runs.iter().map(|run| &run.usage);
        let trace = recording(&runs, &told.metrics, &division);
        let energies: Vec<Energy> = runs.iter().map(|run| run.usage.energy).collect();
        let idle_w = idle.map(|(before, after)| (before.whole_w, after.whole_w));
        let waste = Waste::in_trace(&Trace::of_runs(&energies, told.spans.clone(), &trace, idle_w));
        let mut caveats = summary.caveats;
        caveats.extend(caveats::of_runs(usages));
        caveats.extend(idle.and_then(|(before, after)| caveats::of_idle(before, after)));
        caveats.extend(carbon.as_ref().and_then(Factors::caveat));
        let wall_s = mean(|run| run.usage.wall_s);
        Self {
            schema: SCHEMA,
            label: measure.label.clone(),
            command: measure.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            started: runs.first().map_or_else(String::new, |run| run.started.to_string()),
            exit_code: last.code,
            signal: last.signal,
            timed_out: last.timed_out,
            energy_j,
            power_w: energy_j.value / wall_s,
            wall_s,
            cpu_s: mean(|run| run.usage.cpu_s),
            own_cpu_s: mean(|run| run.usage.own_cpu_s),
            domains: mean_domains(&runs),
            shares,
            coverage: mean(|run| run.usage.coverage),
            attribution: Attribution::new(energy_j, &division, idle, runs.len()),
            carbon: carbon.map(|factors| factors.footprint(energy_j)),
            repeat: Repeat::of(&runs, measure.warmup),
            runs: runs.into_iter().map(RunRecord::new).collect(),
            interval_s: measure.interval.as_secs_f64(),
            scope: summary.scope,
            sources: summary.sources,
            caveats,
            spans: told.spans,
            waste,
            trace,
        }
    }
}

/// What the runs told of, each from its own beginning.
fn recording(runs: &[Run], metrics: &[MetricSeries], division: &Division) -> Recording {
    let of_run = |(run, series): (usize, &MetricSeries)| {
        let Run { begun, usage, .. } = &runs[run];
        let points = series.points.iter().filter_map(|point| {
            let at_s = point.at_s - begun.at_s();
            let energy_j = (point.energy_j - begun.energy_j()).clamp(0.0, usage.energy.value);
            (0.0..=usage.wall_s).contains(&at_s).then_some(MetricPoint { at_s, energy_j, ..*point })
        });
        RecordedMetric { name: series.name.clone(), run: run + 1, points: points.collect() }
    };
    let all = metrics.iter().flat_map(|series| (0..runs.len()).map(move |run| (run, series)));
    Recording {
        metrics: all.map(of_run).filter(|metric| !metric.points.is_empty()).collect(),
        samples: division.windows().iter().map(Sample::of).collect(),
    }
}

impl RunRecord {
    fn new(run: Run) -> Self {
        let usage = run.usage;
        Self {
            started: run.started.to_string(),
            exit_code: run.outcome.code,
            energy_j: usage.energy,
            wall_s: usage.wall_s,
            cpu_s: usage.cpu_s,
            coverage: usage.coverage,
            shares: usage.shares,
            domains: usage.domains,
        }
    }
}

impl Repeat {
    fn of(runs: &[Run], warmup: u32) -> Option<Self> {
        Some(Self {
            runs: runs.len(),
            warmup,
            energy_j: Scatter::of(runs.iter().map(|run| run.usage.energy.value))?,
            wall_s: Scatter::of(runs.iter().map(|run| run.usage.wall_s))?,
            cpu_s: Scatter::of(runs.iter().map(|run| run.usage.cpu_s))?,
        })
    }
}

/// The shares in the sum of all runs.
fn mean_shares(runs: &[Run]) -> Shares {
    let total_j: f64 = runs.iter().map(|run| run.usage.energy.value).sum();
    let share = |of: fn(&Shares) -> f64| {
        let weighted = |run: &Run| of(&run.usage.shares) * run.usage.energy.value;
        if total_j > 0.0 {
            runs.iter().map(weighted).sum::<f64>() / total_j
        } else {
            of(&runs[0].usage.shares)
        }
    };
    Shares {
        measured: share(|shares| shares.measured),
        modelled: share(|shares| shares.modelled),
        assumed: share(|shares| shares.assumed),
    }
}

/// The mean over the runs. Sources that join later come last: the last run knows all of them.
fn mean_domains(runs: &[Run]) -> Vec<DomainUsage> {
    let mut domains = runs.last().map_or_else(Vec::new, |run| run.usage.domains.clone());
    for (i, domain) in domains.iter_mut().enumerate() {
        let sum: f64 = runs.iter().filter_map(|run| Some(run.usage.domains.get(i)?.energy_j)).sum();
        domain.energy_j = sum / runs.len() as f64;
        let busy_s: Option<f64> = runs.iter().map(|run| run.usage.domains.get(i)?.busy_s).sum();
        domain.busy_s = busy_s.map(|busy_s| busy_s / runs.len() as f64);
    }
    domains
}
