//! Learning rates over the steps of a training.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate changes from the first step to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// The same at every step.
    Constant,
    /// A tenth of it after each third of the steps.
    Step,
    /// Half a cosine from the peak to zero (Loshchilov and Hutter 2017).
    Cosine,
    /// Up by half a cosine from a 25th of the peak, then down to a 10 000th of that
    /// (Smith and Topin 2018; the constants are those of PyTorch's `OneCycleLR`).
    #[default]
    OneCycle,
}

impl Schedule {
    /// The learning rate of `step` (from 0) of `steps` with the peak `peak`.
    ///
    /// `warmup` is the share of the steps on the way up: linear from zero, or OneCycle's own rise.
    pub fn rate(self, peak: f64, step: u64, steps: u64, warmup: f64) -> f64 {
        let last = steps.saturating_sub(1).max(1) as f64;
        let (at, rise) = (step as f64, (warmup * steps as f64).floor());
        if self == Self::OneCycle {
            let top = warmup * steps as f64 - 1.0;
            let start = peak / 25.0;
            return if at <= top && top > 0.0 {
                anneal(start, peak, at / top)
            } else {
                anneal(peak, start / 1e4, (at - top.max(0.0)) / (last - top.max(0.0)).max(1.0))
            };
        }
        if at < rise {
            return peak * (at + 1.0) / rise;
        }
        match self {
            Self::Constant | Self::OneCycle => peak,
            Self::Step => peak * 0.1f64.powi((3.0 * at / steps as f64).floor() as i32),
            Self::Cosine => anneal(peak, 0.0, (at - rise) / (steps as f64 - rise).max(1.0)),
        }
    }
}

/// From `start` to `end` along half a cosine, at `share` of the way.
fn anneal(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) / 2.0 * (1.0 + (PI * share.clamp(0.0, 1.0)).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_start_and_end_where_they_should() {
        let rates = |s: Schedule| -> Vec<f64> { (0..100).map(|i| s.rate(0.1, i, 100, 0.25)).collect() };
        let one_cycle = rates(Schedule::OneCycle);
        assert!((one_cycle[0] - 0.004).abs() < 1e-12);
        assert!((one_cycle[24] - 0.1).abs() < 1e-12);
        assert!((one_cycle[99] - 4e-7).abs() < 1e-12);
        let cosine = rates(Schedule::Cosine);
        assert!((cosine[24] - 0.1).abs() < 1e-12 && cosine[99] < 1e-3 && cosine[60] < cosine[59]);
        assert!(rates(Schedule::Constant)[24..].iter().all(|&r| r == 0.1));
        assert!((rates(Schedule::Step)[99] - 0.001).abs() < 1e-12);
    }
}
