//! What a reader must know before quoting a figure of this run, beyond what the session says.

use joulewise_meter::division::Idle;
use joulewise_meter::{Caveat, Method, Usage};

/// A sampling error beyond this share of the energy is worth telling.
const SAMPLING_SHARE: f64 = 0.05;
/// So many updates of a counter, which come every millisecond, make a figure.
const SHORTEST_S: f64 = 0.02;
/// Less of the time without a reading is not worth telling.
const UNCOVERED_SHARE: f64 = 0.01;
/// Idle power that differs more before and after is not idle power.
const IDLE_SHARE: f64 = 0.1;

/// The caveats as lines for people, each with what to do about it.
pub(in super::super) fn lines(caveats: &[Caveat]) -> impl Iterator<Item = String> {
    caveats.iter().flat_map(|Caveat { text, hint, .. }| {
        let hint = (!hint.is_empty()).then(|| format!("  hint: {hint}"));
        [Some(format!("caveat: {text}")), hint].into_iter().flatten()
    })
}

/// Caveats of the runs.
pub(super) fn of_runs<'a>(runs: impl Iterator<Item = &'a Usage> + Clone) -> Vec<Caveat> {
    let mut found = Vec::new();
    let short = runs.clone().filter(|usage| is_short(usage)).min_by(|a, b| a.wall_s.total_cmp(&b.wall_s));
    if let Some(Usage { wall_s, estimate, .. }) = short {
        let text = format!(
            "{:.0} ms are only a few updates of the counters: the energy is right within ±{:.2} J",
            wall_s * 1e3,
            estimate.sampling_j
        );
        found.push(Caveat::new(
            "short-window",
            text,
            "measure a longer run, as with many repetitions in one command",
        ));
    }
    let least = runs.map(|usage| usage.coverage).fold(1.0, f64::min);
    if least < 1.0 - UNCOVERED_SHARE {
        let text = format!("only {:.0} % of the time are backed by readings of every source", least * 100.0);
        found.push(Caveat::new("low-coverage", text, "measure again, for longer"));
    }
    found
}

fn is_short(usage: &Usage) -> bool {
    let energy = usage.energy;
    energy.method == Method::Measured
        && (usage.wall_s < SHORTEST_S || usage.estimate.sampling_j > SAMPLING_SHARE * energy.value)
}

/// Caveats of the idle power.
pub(super) fn of_idle(before: Idle, after: Idle) -> Option<Caveat> {
    let difference_w = (before.whole_w - after.whole_w).abs();
    (difference_w > IDLE_SHARE * before.whole_w.max(after.whole_w)).then(|| {
        Caveat::new(
            "unsteady-idle",
            format!("the idle machine drew {:.1} W before and {:.1} W after", before.whole_w, after.whole_w),
            "measure when nothing else runs, and give --idle a longer time",
        )
    })
}

#[cfg(test)]
mod tests {
    use joulewise_meter::Session;

    use super::*;

    /// A run with a sampling error of 10 mJ.
    fn usage(wall_s: f64, value_j: f64, coverage: f64) -> Usage {
        let session = Session::builder().sysfs_root("/nowhere").open().unwrap();
        let mut usage = session.mark().since(&session.mark());
        usage.estimate.value_j = value_j;
        usage.estimate.sampling_j = 0.01;
        usage.energy.value = value_j;
        usage.energy.method = Method::Measured;
        Usage { wall_s, coverage, ..usage }
    }

    fn codes(runs: &[Usage]) -> Vec<String> {
        of_runs(runs.iter()).into_iter().map(|caveat| caveat.code).collect()
    }

    #[test]
    fn a_clean_run_has_none() {
        assert!(codes(&[usage(1.0, 100.0, 1.0), usage(1.0, 100.0, 0.995)]).is_empty());
    }

    #[test]
    fn a_few_updates_of_a_counter_are_told() {
        assert_eq!(codes(&[usage(1.0, 100.0, 1.0), usage(0.01, 1.0, 1.0)]), ["short-window"]);
        assert_eq!(codes(&[usage(0.1, 0.1, 1.0)]), ["short-window"]);
    }

    #[test]
    fn time_without_readings_is_told() {
        assert_eq!(codes(&[usage(1.0, 100.0, 0.9)]), ["low-coverage"]);
    }

    #[test]
    fn idle_power_must_be_steady() {
        let idle = |whole_w| Idle { whole_w, processor_w: 0.0 };
        assert_eq!(of_idle(idle(40.0), idle(43.0)), None);
        assert_eq!(of_idle(idle(40.0), idle(50.0)).unwrap().code, "unsteady-idle");
    }
}
