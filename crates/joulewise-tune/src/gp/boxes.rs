//! The volume that a value of several coordinates is expected to add to a front.

use super::normal::{log_below, log_density, log_gain, log_one_minus_exp};
use super::process::Belief;

/// What a front, all coordinates of which are to be small, leaves to be won below a reference point, cut into boxes that
/// do not overlap.
#[derive(Clone, Debug)]
pub(crate) struct Boxes {
    /// Where boxes begin and end in each coordinate, from the least on, which is −∞.
    levels: Vec<Vec<f64>>,
    /// From which level to which a box reaches in each coordinate; in the first it always begins at −∞.
    boxes: Vec<Vec<(usize, usize)>>,
}

/// The logarithm of a volume, and its derivatives with respect to means and deviations.
#[derive(Clone, Debug)]
pub(crate) struct Gain {
    pub(crate) log: f64,
    pub(crate) means: Vec<f64>,
    pub(crate) deviations: Vec<f64>,
}

/// A corner of what is not dominated, and for each coordinate a point of the front by which it ends there.
#[derive(Clone)]
struct Corner {
    at: Vec<f64>,
    ends: Vec<Vec<f64>>,
}

impl Boxes {
    /// Below `reference`, of which `front` holds what is dominated already (Lacour et al. 2017).
    pub(crate) fn new(front: &[Vec<f64>], reference: &[f64]) -> Self {
        let dimensions = reference.len();
        let wall = |k: usize| {
            let mut wall = vec![f64::NEG_INFINITY; dimensions];
            wall[k] = reference[k];
            wall
        };
        let mut corners = vec![Corner { at: reference.to_vec(), ends: (0..dimensions).map(wall).collect() }];
        for point in front {
            let is_open = |corner: &Corner| point.iter().zip(&corner.at).all(|(x, end)| x < end);
            let (open, mut next): (Vec<Corner>, Vec<Corner>) = corners.into_iter().partition(is_open);
            for corner in open {
                for k in 0..dimensions {
                    let others = corner.ends.iter().enumerate().filter(|(j, _)| *j != k);
                    if others.map(|(_, end)| end[k]).fold(f64::NEG_INFINITY, f64::max) <= point[k] {
                        let mut corner = corner.clone();
                        corner.at[k] = point[k];
                        corner.ends[k].clone_from(point);
                        next.push(corner);
                    }
                }
            }
            corners = next;
        }
        Self::of(&corners, dimensions)
    }

    fn of(corners: &[Corner], dimensions: usize) -> Self {
        let begin = |corner: &Corner, k: usize| {
            corner.ends[..k].iter().map(|end| end[k]).fold(f64::NEG_INFINITY, f64::max)
        };
        let mut levels = vec![vec![f64::NEG_INFINITY]; dimensions];
        for (k, levels) in levels.iter_mut().enumerate() {
            levels.extend(corners.iter().flat_map(|corner| [begin(corner, k), corner.at[k]]));
            levels.sort_by(f64::total_cmp);
            levels.dedup();
        }
        let level = |k: usize, x: f64| levels[k].partition_point(|level| *level < x);
        let boxes = corners
            .iter()
            .map(|corner| {
                (0..dimensions).map(|k| (level(k, begin(corner, k)), level(k, corner.at[k]))).collect()
            })
            .filter(|sides: &Vec<(usize, usize)>| sides.iter().all(|(from, to)| from < to))
            .collect();
        Self { levels, boxes }
    }

    /// The logarithm of the expected volume, exactly: where the values are independent, that of a box is the product of
    /// an integral over each coordinate (Emmerich et al. 2011).
    pub(crate) fn log_gain(&self, beliefs: &[Belief]) -> Gain {
        let dimensions = beliefs.len();
        let below: Vec<Vec<Side>> = self
            .levels
            .iter()
            .zip(beliefs)
            .map(|(levels, belief)| levels.iter().map(|level| Side::up_to(*belief, *level)).collect())
            .collect();
        let mut sides = Vec::with_capacity(self.boxes.len() * dimensions);
        let mut logs = Vec::with_capacity(self.boxes.len());
        for of in &self.boxes {
            let start = sides.len();
            sides.extend(of.iter().zip(&below).map(|(&(from, to), below)| below[to].without(below[from])));
            logs.push(sides[start..].iter().map(|side| side.log).sum::<f64>());
        }
        let mut gain = Gain {
            log: logs.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            means: vec![0.0; dimensions],
            deviations: vec![0.0; dimensions],
        };
        if !gain.log.is_finite() {
            return gain;
        }
        let mut sum = 0.0;
        for (log, sides) in logs.iter().zip(sides.chunks_exact(dimensions)) {
            let share = (log - gain.log).exp();
            sum += share;
            for (k, side) in sides.iter().enumerate() {
                gain.means[k] += share * side.mean;
                gain.deviations[k] += share * side.deviation;
            }
        }
        gain.log += sum.ln();
        for slope in gain.means.iter_mut().chain(&mut gain.deviations) {
            *slope /= sum;
        }
        gain
    }
}

/// The logarithm of an integral over one coordinate, and its derivatives.
#[derive(Clone, Copy)]
struct Side {
    log: f64,
    mean: f64,
    deviation: f64,
}

impl Side {
    fn up_to(belief: Belief, end: f64) -> Self {
        if end == f64::NEG_INFINITY {
            return Self { log: end, mean: 0.0, deviation: 0.0 };
        }
        let (log, mean, deviation) = log_up_to(belief, end);
        Self { log, mean, deviation }
    }

    /// From where `before` ends.
    fn without(self, before: Self) -> Self {
        if before.log == f64::NEG_INFINITY {
            return self;
        }
        let log = self.log + log_one_minus_exp((before.log - self.log).min(-f64::MIN_POSITIVE));
        // Shares of the two ends in their difference.
        let (to_share, from_share) = ((self.log - log).exp(), (before.log - log).exp());
        if !(log.is_finite() && to_share.is_finite()) {
            return Self { log: f64::NEG_INFINITY, mean: 0.0, deviation: 0.0 };
        }
        let difference = |to: f64, from: f64| to_share * to - from_share * from;
        Self {
            log,
            mean: difference(self.mean, before.mean),
            deviation: difference(self.deviation, before.deviation),
        }
    }
}

/// The logarithm of ∫ P(value ≤ z) dz up to `end`: by how much the value is expected to lie below it. Then its
/// derivatives with respect to the mean and the deviation.
pub(crate) fn log_up_to(belief: Belief, end: f64) -> (f64, f64, f64) {
    let u = (end - belief.mean) / belief.deviation;
    let log = log_gain(u);
    let mean = -(log_below(u) - log).exp() / belief.deviation;
    let deviation = (log_density(u) - log).exp() / belief.deviation;
    (log + belief.deviation.ln(), mean, deviation)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::front::tests::clouds;
    use crate::hypervolume::hypervolume;

    fn sure(values: &[f64]) -> Vec<Belief> {
        values.iter().map(|&mean| Belief { mean, deviation: 1e-9 }).collect()
    }

    #[test]
    fn a_sure_value_adds_its_box() {
        let front = [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.6, 0.7], [3.0, -1.0]].map(|p| p.to_vec());
        let boxes = Boxes::new(&front, &[2.0, 2.0]);
        let volume = |x: f64, y: f64| boxes.log_gain(&sure(&[x, y])).log.exp();
        // Only what no point dominates counts: 0.25 to 0.5 by 0.25 to 1 and 0.5 to 1 by 0.25 to 0.5.
        assert!((volume(0.25, 0.25) - 0.25 * 0.75 - 0.5 * 0.25).abs() < 1e-6);
        assert!(volume(0.7, 0.7) < 1e-6);
        assert!((Boxes::new(&[], &[1.0, 2.0]).log_gain(&sure(&[0.0, 0.0])).log.exp() - 2.0).abs() < 1e-6);
    }

    proptest! {
        /// Whole coordinates have many ties.
        #[test]
        fn boxes_fill_what_the_front_leaves(points in clouds()) {
            let d = points[0].len();
            let reference = vec![8.0; d];
            let boxes = Boxes::new(&points, &reference);
            let volume: f64 = boxes.boxes.iter().map(|sides| {
                let side = |(k, &(from, to)): (usize, &(usize, usize))| {
                    boxes.levels[k][to] - boxes.levels[k][from].max(0.0)
                };
                sides.iter().enumerate().map(side).product::<f64>()
            }).sum();
            prop_assert_eq!(volume, 8f64.powi(d as i32) - hypervolume(&points, &reference));
        }

        #[test]
        fn a_sure_value_adds_what_the_volume_grows_by(points in clouds(), at in prop::collection::vec(0.0..8.0f64, 3)) {
            let d = points[0].len();
            let (reference, at) = (vec![8.0; d], at[..d].to_vec());
            let grown = hypervolume(&[&points[..], std::slice::from_ref(&at)].concat(), &reference)
                - hypervolume(&points, &reference);
            let gain = Boxes::new(&points, &reference).log_gain(&sure(&at)).log.exp();
            prop_assert!((gain - grown).abs() < 1e-5, "{gain} {grown}");
        }

        #[test]
        fn derivatives_are_those_of_the_value(
            front in prop::collection::vec(prop::collection::vec(-1.0..1.0f64, 3), 0..6),
            means in prop::collection::vec(-1.5..1.5f64, 3), deviations in prop::collection::vec(0.05..1.0f64, 3),
        ) {
            for d in 2..=3 {
                let front: Vec<Vec<f64>> = front.iter().map(|point| point[..d].to_vec()).collect();
                let boxes = Boxes::new(&front, &vec![1.0; d]);
                let at = |of_mean: f64, of_deviation: f64, k: usize| {
                    let mut beliefs: Vec<Belief> = (0..d).map(|k| Belief { mean: means[k], deviation: deviations[k] }).collect();
                    beliefs[k].mean += of_mean;
                    beliefs[k].deviation += of_deviation;
                    boxes.log_gain(&beliefs)
                };
                for k in 0..d {
                    let gain = at(0.0, 0.0, k);
                    for (slope, less, more) in [
                        (gain.means[k], at(-1e-6, 0.0, k).log, at(1e-6, 0.0, k).log),
                        (gain.deviations[k], at(0.0, -1e-6, k).log, at(0.0, 1e-6, k).log),
                    ] {
                        let difference = (more - less) / 2e-6;
                        prop_assert!((slope - difference).abs() < 1e-4 * slope.abs().max(1.0), "{slope} {difference}");
                    }
                }
            }
        }
    }
}
