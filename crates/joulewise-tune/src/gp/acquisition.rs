//! What a trial at a point would be worth.

use super::boxes::{Boxes, Gain, log_up_to};
use super::normal::{inverse_log_gain, log_below, log_density, log_gain};
use super::process::{Belief, Process, Slopes};

/// What is after: less is better.
#[derive(Clone, Debug)]
pub(crate) enum Aim {
    /// The logarithm of the expected improvement of the first objective on a loss (Ament et al. 2023).
    Improve {
        /// The least loss so far.
        best: f64,
    },
    /// The index of Gittins of the first objective: the loss that would make the trial just worth what it costs
    /// (Xie et al. 2024). The last process but those of conditions is that of the logarithm of the cost.
    Index {
        /// The logarithm of what a cost of 1 is worth, in units of the objective's scale.
        log_worth: f64,
    },
    /// The logarithm of the expected volume that is added to the front of the objectives, on average over the worlds that
    /// their processes imagine, or where they imagine none in a single one (Daulton et al. 2021; in logarithms, Ament et
    /// al. 2023).
    Front(Vec<Boxes>),
    /// Only that the conditions hold: nothing is known that keeps them.
    Admission,
}

/// A condition on the value of a process.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) process: Process,
    /// The value is to be less than this.
    pub(crate) bound: f64,
}

/// The cost of a trial.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    /// Of its logarithm, on a scale of its own.
    pub(crate) process: Process,
    /// What one unit of that scale is in the logarithm.
    pub(crate) spread: f64,
    /// The logarithm at 0 of that scale.
    pub(crate) centre: f64,
    /// How much cheap trials are preferred to equally promising ones; 1 is improvement per cost.
    pub(crate) power: f64,
}

/// What a trial would be worth, from what processes believe of its values.
#[derive(Clone, Debug)]
pub(crate) struct Acquisition {
    pub(crate) objectives: Vec<Process>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) cost: Option<Cost>,
    pub(crate) aim: Aim,
}

/// What is believed at a point by each process, and how much more its mean is in each world.
type Prospects = Vec<(Belief, Vec<f64>)>;

/// A value with its derivatives with respect to means, deviations and, process by process, the shifts of means.
struct Worth {
    value: f64,
    means: Vec<f64>,
    deviations: Vec<f64>,
    shifts: Vec<Vec<f64>>,
}

impl Acquisition {
    fn processes(&self) -> impl Iterator<Item = &Process> {
        let conditions = self.conditions.iter().map(|condition| &condition.process);
        self.objectives.iter().chain(self.cost.iter().map(|cost| &cost.process)).chain(conditions)
    }

    /// Takes for granted that trials at `points` will give what is expected of them. The processes of a front have
    /// imagined that already.
    pub(crate) fn expect(&mut self, points: &[&[f64]]) {
        let is_front = matches!(self.aim, Aim::Front(_));
        let objectives = self.objectives.iter_mut().filter(|_| !is_front);
        let conditions = self.conditions.iter_mut().map(|condition| &mut condition.process);
        let cost = self.cost.iter_mut().map(|cost| &mut cost.process);
        for process in objectives.chain(cost).chain(conditions) {
            process.expect(points);
        }
    }

    /// At each of `points`; more is better.
    pub(crate) fn values(&self, points: &[Vec<f64>]) -> Vec<f64> {
        let mut of: Vec<_> = self.processes().map(|process| process.prospects(points).into_iter()).collect();
        let next = |_| self.worth(&of.iter_mut().filter_map(Iterator::next).collect()).value;
        points.iter().map(next).collect()
    }

    /// At `point`, and how it changes around.
    pub(crate) fn slope(&self, point: &[f64]) -> (f64, Vec<f64>) {
        let slopes: Vec<_> = self.processes().map(|process| process.slopes(point)).collect();
        let prospect = |of: &Slopes| (of.belief, of.shifts.iter().map(|(shift, _)| *shift).collect());
        let worth = self.worth(&slopes.iter().map(prospect).collect());
        let mut gradient = vec![0.0; point.len()];
        let mut add = |by: f64, changes: &[f64]| {
            for (gradient, change) in gradient.iter_mut().zip(changes) {
                *gradient += by * change;
            }
        };
        for (i, of) in slopes.iter().enumerate() {
            add(worth.means[i], &of.mean);
            add(worth.deviations[i], &of.deviation);
            for (by, (_, shift)) in worth.shifts[i].iter().zip(&of.shifts) {
                add(*by, shift);
            }
        }
        (worth.value, gradient)
    }

    fn worth(&self, prospects: &Prospects) -> Worth {
        let n = prospects.len();
        let beliefs: Vec<Belief> = prospects.iter().map(|(belief, _)| *belief).collect();
        let mut worth =
            Worth { value: 0.0, means: vec![0.0; n], deviations: vec![0.0; n], shifts: vec![Vec::new(); n] };
        let at_cost = self.objectives.len();
        let first_condition = at_cost + usize::from(self.cost.is_some());
        for (i, condition) in self.conditions.iter().enumerate() {
            let (i, belief) = (first_condition + i, beliefs[first_condition + i]);
            let u = (condition.bound - belief.mean) / belief.deviation;
            let log = log_below(u);
            let slope = (log_density(u) - log).exp() / belief.deviation;
            worth.value += log;
            worth.means[i] -= slope;
            worth.deviations[i] -= slope * u;
        }
        match &self.aim {
            Aim::Improve { best } => {
                let (log, mean, deviation) = log_up_to(beliefs[0], *best);
                worth.value += log;
                worth.means[0] += mean;
                worth.deviations[0] += deviation;
            }
            Aim::Front(worlds) => self.front(worlds, prospects, &mut worth),
            Aim::Index { log_worth } => {
                // What a trial costs for each time that it keeps the conditions.
                let log_cost = log_worth - worth.value
                    + self
                        .cost
                        .as_ref()
                        .map_or(0.0, |cost| cost.centre + cost.spread * beliefs[at_cost].mean);
                return self.index(&worth, beliefs[0], log_cost, at_cost);
            }
            Aim::Admission => {}
        }
        if let Some(cost) = &self.cost {
            worth.value -= cost.power * cost.spread * beliefs[at_cost].mean;
            worth.means[at_cost] -= cost.power * cost.spread;
        }
        worth
    }

    /// Adds the logarithm of the volume that is expected on average over the worlds.
    fn front(&self, worlds: &[Boxes], prospects: &Prospects, worth: &mut Worth) {
        let objectives = &prospects[..self.objectives.len()];
        let gain = |(world, boxes): (usize, &Boxes)| {
            let shifted = objectives.iter().map(|(belief, shifts)| {
                let shift = shifts.get(world).copied().unwrap_or(0.0);
                Belief { mean: belief.mean + shift, ..*belief }
            });
            boxes.log_gain(&shifted.collect::<Vec<_>>())
        };
        let gains: Vec<Gain> = worlds.iter().enumerate().map(gain).collect();
        let greatest = gains.iter().map(|gain| gain.log).fold(f64::NEG_INFINITY, f64::max);
        if !greatest.is_finite() {
            worth.value = greatest;
            return;
        }
        let sum: f64 = gains.iter().map(|gain| (gain.log - greatest).exp()).sum();
        worth.value += greatest + (sum / worlds.len() as f64).ln();
        for gain in gains {
            let share = (gain.log - greatest).exp() / sum;
            for k in 0..objectives.len() {
                worth.means[k] += share * gain.means[k];
                worth.deviations[k] += share * gain.deviations[k];
                worth.shifts[k].push(share * gain.means[k]);
            }
        }
    }

    /// The negated g at which the expected improvement on it is the cost: σ h((g − μ) / σ) = c.
    fn index(&self, conditions: &Worth, belief: Belief, log_cost: f64, at_cost: usize) -> Worth {
        let u = inverse_log_gain(log_cost - belief.deviation.ln());
        let log_probability = log_below(u);
        // d g / d log c = σ h / Φ; d g / d σ = −φ / Φ.
        let by_cost = belief.deviation * (log_gain(u) - log_probability).exp();
        let mut worth = Worth {
            value: -(belief.mean + belief.deviation * u),
            means: conditions.means.iter().map(|slope| by_cost * slope).collect(),
            deviations: conditions.deviations.iter().map(|slope| by_cost * slope).collect(),
            shifts: vec![Vec::new(); conditions.means.len()],
        };
        worth.means[0] = -1.0;
        worth.deviations[0] = (log_density(u) - log_probability).exp();
        if let Some(cost) = &self.cost {
            worth.means[at_cost] -= by_cost * cost.spread;
        }
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::super::fit::Hyperparameters;
    use super::*;

    fn process(values: impl Fn(f64, f64) -> f64) -> Process {
        let rows: Vec<[f64; 2]> =
            (0..9).map(|i| [0.754_877, 0.569_840].map(|a: f64| (0.5 + a * f64::from(i)).fract())).collect();
        let mut process = Process::new(
            Hyperparameters {
                log_scales: vec![-0.7, -0.3],
                log_noise: -7.0,
                main_odds: 0.2,
                log_narrowing: 0.5,
            },
            &[0, 1],
        );
        let y: Vec<f64> = rows.iter().map(|x| values(x[0], x[1])).collect();
        process.see(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>(), &y);
        process
    }

    fn acquisition(aim: Aim) -> Acquisition {
        let cost = process(|x, y| x - y);
        Acquisition {
            objectives: vec![process(|x, y| (5.0 * x).sin() - y), process(|x, y| x * x + y)],
            conditions: vec![
                Condition { process: process(|x, y| x + y - 1.0), bound: 0.1 },
                Condition { process: process(|x, _| x - 0.5), bound: 0.3 },
            ],
            cost: Some(Cost { process: cost, spread: 0.7, centre: 2.0, power: 0.6 }),
            aim,
        }
    }

    #[test]
    fn slopes_are_derivatives() {
        let aims = [
            Aim::Improve { best: -0.8 },
            Aim::Index { log_worth: -4.0 },
            Aim::Front(vec![Boxes::new(&[vec![-0.5, 0.4], vec![0.2, 0.1]], &[1.0, 1.0])]),
            Aim::Admission,
        ];
        for acquisition in aims.map(acquisition) {
            for at in [[0.3, 0.6], [0.9, 0.1], [0.05, 0.95]] {
                let (value, slope) = acquisition.slope(&at);
                assert!((acquisition.values(&[at.to_vec()])[0] - value).abs() < 1e-9);
                for f in 0..2 {
                    let step = |by: f64| {
                        let mut x = at.to_vec();
                        x[f] += by;
                        acquisition.values(&[x])[0]
                    };
                    let difference = (step(1e-6) - step(-1e-6)) / 2e-6;
                    let close = (slope[f] - difference).abs() < 1e-4 * difference.abs().max(1.0);
                    assert!(close, "{:?} {at:?}: {slope:?} {difference}", acquisition.aim);
                }
            }
        }
    }

    /// The stopping rule: the index is worse than the best loss exactly where the improvement is not worth its cost.
    #[test]
    fn the_index_and_the_improvement_agree_about_stopping() {
        let log_worth = -5.0;
        for best in [-1.5, -1.0, -0.5, 0.0] {
            let [mut index, mut improvement] =
                [Aim::Index { log_worth }, Aim::Improve { best }].map(acquisition);
            index.conditions.clear();
            improvement.conditions.clear();
            let cost = index.cost.clone().unwrap();
            improvement.cost = None;
            for i in 0..50 {
                let x = vec![(0.31 * f64::from(i)).fract(), (0.77 * f64::from(i)).fract()];
                let log_cost = log_worth + 2.0 + 0.7 * cost.process.beliefs(std::slice::from_ref(&x))[0].mean;
                let pays = improvement.values(std::slice::from_ref(&x))[0] > log_cost;
                assert_eq!(pays, -index.values(&[x])[0] < best);
            }
        }
    }
}
