//! An idle GPU: it was busy less than 5 % of the time for at least 5 s, and drew power.
//!
//! ```text
//! at stake = joules of the GPU in these stretches
//! low      = joules of it beyond the lowest power that it was seen to draw
//! ```
//!
//! All of it is saved where the GPU can be given to others meanwhile, or is not held at all; what it draws in its lowest state
//! goes on where it stays in the machine.

use joulewise_meter::division::GpuWindow;
use joulewise_meter::{Seconds, Watts};

use super::{Judgement, Kind, Trace};

/// Busy for less than this part of the time is idle.
const IDLE: f64 = 0.05;
/// Shorter stretches are the pauses of any program, in seconds.
const SHORTEST_S: f64 = 5.0;

/// What a GPU did while it was idle.
#[derive(Default)]
struct Idling {
    stretches: usize,
    wall_s: f64,
    energy_j: f64,
}

pub(super) fn find(trace: &Trace) -> Judgement {
    let mut names: Vec<&str> = Vec::new();
    for gpu in trace.samples.iter().flat_map(|sample| &sample.gpus) {
        if !names.contains(&gpu.name.as_str()) {
            names.push(&gpu.name);
        }
    }
    if names.is_empty() {
        return Err("no GPU was metered over time".to_owned());
    }
    if !trace.samples.iter().flat_map(|sample| &sample.gpus).any(|gpu| gpu.busy_s.is_some()) {
        return Err("the GPU does not tell how busy it is".to_owned());
    }
    let (mut at_stake_j, mut low_j, mut said) = (0.0, 0.0, Vec::new());
    for name in names {
        let idling = idling(trace, name);
        if idling.stretches == 0 {
            continue;
        }
        at_stake_j += idling.energy_j;
        low_j += (idling.energy_j - lowest_w(trace, name) * idling.wall_s).max(0.0);
        said.push(format!(
            "{name} idled for {} in {}, at {}",
            Seconds(idling.wall_s),
            if idling.stretches == 1 {
                "one stretch".to_owned()
            } else {
                format!("{} stretches", idling.stretches)
            },
            Watts(idling.energy_j / idling.wall_s),
        ));
    }
    if said.is_empty() {
        return Ok(None);
    }
    let advice = "do without the GPU what needs none before it is asked for, or leave it to others: CUDA_VISIBLE_DEVICES names \
                  those that a program takes"
        .to_owned();
    Ok(Some(trace.finding(Kind::IdleGpu, (low_j, at_stake_j, at_stake_j), said.join("; "), advice)))
}

/// The long stretches of time in which that GPU did nothing.
fn idling(trace: &Trace, name: &str) -> Idling {
    let (mut all, mut stretch) = (Idling::default(), Idling::default());
    let mut end = |stretch: &mut Idling| {
        let Idling { wall_s, energy_j, .. } = std::mem::take(stretch);
        if wall_s >= SHORTEST_S {
            all.stretches += 1;
            all.wall_s += wall_s;
            all.energy_j += energy_j;
        }
    };
    for sample in &trace.samples {
        let gpu = sample.gpus.iter().find(|gpu| gpu.name == name);
        let is_idle = |gpu: &&GpuWindow| gpu.busy_s.is_some_and(|busy_s| busy_s < IDLE * sample.wall_s);
        match gpu.filter(is_idle) {
            Some(gpu) => {
                stretch.wall_s += sample.wall_s;
                stretch.energy_j += gpu.energy_j;
            }
            None => end(&mut stretch),
        }
    }
    end(&mut stretch);
    all
}

fn lowest_w(trace: &Trace, name: &str) -> f64 {
    let long = trace.samples.iter().filter(|sample| sample.is_long());
    let watts = long.filter_map(|sample| {
        let gpu = sample.gpus.iter().find(|gpu| gpu.name == name)?;
        Some(gpu.energy_j / sample.wall_s)
    });
    watts.fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{sample, trace};
    use super::*;

    /// Seconds, the GPU's watts and the part of the time that it was busy, one after another.
    fn judged(stretches: &[(f64, f64, Option<f64>)]) -> Judgement {
        let mut trace = trace(10_000.0);
        let samples = stretches.iter().map(|&(wall_s, watts, busy)| sample(wall_s, 500.0, &[(watts, busy)]));
        trace.samples = samples.collect();
        find(&trace)
    }

    #[test]
    fn long_idling_is_at_stake() {
        let found = judged(&[
            (4.0, 70.0, Some(0.0)),
            (4.0, 120.0, Some(0.04)),
            (20.0, 400.0, Some(0.9)),
            (3.0, 120.0, Some(0.0)),
            (9.0, 400.0, Some(0.06)),
            (8.0, 120.0, Some(0.0)),
        ]);
        let finding = found.unwrap().unwrap();
        assert_eq!(finding.energy_j.value, 4.0 * 70.0 + 12.0 * 120.0);
        assert!((finding.energy_j.low - 0.9 * 12.0 * 50.0).abs() < 1e-9, "{finding:?}");
        insta::assert_snapshot!(finding.lines().join("\n"));
    }

    #[test]
    fn one_of_two_may_do_nothing_at_all() {
        let mut trace = trace(10_000.0);
        trace.samples = vec![sample(10.0, 500.0, &[(300.0, Some(0.9)), (75.0, Some(0.0))]); 3];
        let finding = find(&trace).unwrap().unwrap();
        assert_eq!(finding.evidence, "gpu-1 idled for 30.0 s in one stretch, at 75.0 W");
        assert_eq!((finding.energy_j.value, finding.energy_j.low), (2250.0, 0.0));
    }

    #[test]
    fn pauses_are_no_waste() {
        assert_eq!(
            judged(&[(4.0, 70.0, Some(0.0)), (1.0, 400.0, Some(0.5)), (4.0, 70.0, Some(0.0))]),
            Ok(None)
        );
        assert_eq!(judged(&[(60.0, 400.0, Some(0.05))]), Ok(None));
    }

    #[test]
    fn without_a_gpu_that_tells_nothing_is_judged() {
        assert!(find(&trace(1.0)).unwrap_err().contains("no GPU"));
        assert!(judged(&[(60.0, 70.0, None)]).unwrap_err().contains("does not tell"));
    }
}
