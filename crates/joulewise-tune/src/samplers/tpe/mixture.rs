//! A density with a kernel at each trial.

use crate::random::Stream;
use crate::samplers::tpe::axis::{Axis, Kind};
use crate::samplers::tpe::exponential::exp;
use crate::samplers::tpe::normal;

/// Kernels whose exponents are computed together: they stay in the nearest cache.
const BLOCK: usize = 256;
/// Sums that are kept apart, so that they can be added up at a time.
const LANES: usize = 8;

/// Deviations are multiples of ½ to the 1/8: a little more or less data leaves most kernels as they are.
const LEVELS: f64 = 8.0;
/// What makes whole numbers of coordinates, whose sums are exact in any order.
const FIXED: f64 = (1u64 << 24) as f64;

/// Share of Scott's rule: the good trials are not one bell but a few.
const NARROWER: f64 = 0.7;
/// As many trials, spread evenly, temper the variance of the few that are known.
const TEMPER: f64 = 1.5;
/// No deviation is less.
const LEAST_SIGMA: f64 = 0.01;
/// No deviation is less than this part of what a value has of the axis: its neighbours are tried too.
const LEAST_CELL: f64 = 0.5;
/// As many trials, one of each option together, make options likely that no trial had.
const SMOOTHING: f64 = 3.0;

/// A density on the unit cube: a product kernel at each trial that weighs something, and the uniform density with a
/// weight of 1. Of a coordinate that a trial does not have it knows nothing: its kernel is uniform there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mixture {
    weights: Vec<f32>,
    total: f64,
    bells: Vec<Bell>,
    /// Logarithms of what makes the kernels integrate to 1, all axes together; not used where there are gaps.
    base: Vec<f32>,
    has_gaps: bool,
}

/// What the kernels of an axis have in common.
#[derive(Clone, Debug, Default)]
struct Bell {
    /// Trials that weigh something and have the coordinate, the sum of these and of their squares.
    count: u128,
    sum: u128,
    squares: u128,
    /// The deviation on the scale of [`LEVELS`]; none where there are options.
    level: Option<i32>,
    sigma: f64,
    /// For each trial.
    log_norm: Vec<f32>,
    /// Logarithms of the density at the trial's option and at others.
    hit: f32,
    miss: f32,
}

impl Mixture {
    /// Takes `weights` for those of the trials, and follows what is new in `columns`, which only grow.
    pub(crate) fn fit(&mut self, axes: &[Axis], columns: &[Vec<f32>], weights: Vec<f32>, has_gaps: bool) {
        self.bells.resize_with(axes.len(), Bell::default);
        self.weights.resize(weights.len(), 0.0);
        let changed: Vec<(usize, bool)> = self
            .weights
            .iter()
            .zip(&weights)
            .enumerate()
            .filter(|(_, (old, new))| (**old > 0.0) != (**new > 0.0))
            .map(|(slot, (_, new))| (slot, *new > 0.0))
            .collect();
        self.total = 1.0 + weights.iter().map(|weight| f64::from(*weight)).sum::<f64>();
        self.weights = weights;
        let mut known = self.base.len();
        for ((bell, axis), column) in self.bells.iter_mut().zip(axes).zip(columns) {
            for &(slot, enters) in &changed {
                bell.count(column[slot], enters);
            }
            if bell.widen(axis) {
                known = 0;
            }
            bell.normalise(column, axis);
        }
        self.base.truncate(known);
        for slot in known..self.weights.len() {
            self.base.push(self.bells.iter().map(|bell| bell.log_norm[slot]).sum());
        }
        self.has_gaps = has_gaps;
    }

    /// A point: near a trial, which is chosen by weight, or anywhere.
    pub(crate) fn draw(&self, axes: &[Axis], columns: &[Vec<f32>], stream: &mut Stream) -> Vec<f64> {
        let mut place = stream.unit() * self.total;
        let trial = self.weights.iter().position(|weight| {
            place -= f64::from(*weight);
            place < 0.0
        });
        let coordinate = |((axis, column), bell): ((&Axis, &Vec<f32>), &Bell)| {
            let centre = trial.map_or(f64::NAN, |trial| f64::from(column[trial]));
            match axis.kind {
                Kind::Option { count } => {
                    let strays = f64::from(bell.miss).exp();
                    if centre.is_nan() || stream.unit() < strays {
                        stream.below(count) as f64
                    } else {
                        centre
                    }
                }
                Kind::Place { .. } if centre.is_nan() => axis.snap(stream.unit()),
                Kind::Place { .. } => axis.snap(normal::draw_on_unit(centre, bell.sigma, stream)),
            }
        };
        axes.iter().zip(columns).zip(&self.bells).map(coordinate).collect()
    }

    /// The logarithms of the density at `points`, whose coordinates are NaN where they are not active.
    pub(crate) fn log_densities(&self, axes: &[Axis], columns: &[Vec<f32>], points: &[Vec<f32>]) -> Vec<f64> {
        // Of each point, the greatest exponent so far, and the sum of the kernels in units of it. The uniform density
        // has exponent 0.
        let mut sums = vec![(0.0f32, 1.0f64); points.len()];
        let mut exponents = [0.0f32; BLOCK];
        for start in (0..self.weights.len()).step_by(BLOCK) {
            let end = (start + BLOCK).min(self.weights.len());
            let exponents = &mut exponents[..end - start];
            for (point, (most, sum)) in points.iter().zip(&mut sums) {
                self.exponents(axes, columns, point, start, exponents);
                let greatest = greatest(exponents).max(*most);
                *sum = *sum * f64::from(*most - greatest).exp()
                    + kernels(exponents, &self.weights[start..end], greatest);
                *most = greatest;
            }
        }
        sums.iter().map(|(most, sum)| sum.ln() + f64::from(*most) - self.total.ln()).collect()
    }

    /// The sum of the kernels at `point`, each times what `of` says of its trial, and of those kernels; trials of
    /// which it says nothing are left out.
    pub(crate) fn weighted(
        &self,
        axes: &[Axis],
        columns: &[Vec<f32>],
        point: &[f32],
        of: impl Fn(usize) -> Option<f64>,
    ) -> (f64, f64) {
        let mut exponents = [0.0f32; BLOCK];
        let (mut sum, mut kernels) = (0.0, 0.0);
        for start in (0..self.weights.len()).step_by(BLOCK) {
            let end = (start + BLOCK).min(self.weights.len());
            self.exponents(axes, columns, point, start, &mut exponents[..end - start]);
            for slot in start..end {
                if let (Some(value), true) = (of(slot), self.weights[slot] > 0.0) {
                    let kernel =
                        f64::from(self.weights[slot]) * f64::from(exponents[slot - start]).min(300.0).exp();
                    sum += kernel * value;
                    kernels += kernel;
                }
            }
        }
        (sum, kernels)
    }

    /// The logarithms of the kernels of the trials from `start` on.
    #[inline]
    fn exponents(
        &self,
        axes: &[Axis],
        columns: &[Vec<f32>],
        point: &[f32],
        start: usize,
        exponents: &mut [f32],
    ) {
        let range = start..start + exponents.len();
        if self.has_gaps {
            exponents.fill(0.0);
        } else {
            exponents.copy_from_slice(&self.base[range.clone()]);
        }
        for (((axis, column), bell), &x) in axes.iter().zip(columns).zip(&self.bells).zip(point) {
            if x.is_nan() {
                continue;
            }
            let centres = &column[range.clone()];
            match axis.kind {
                Kind::Option { .. } => {
                    for (exponent, &centre) in exponents.iter_mut().zip(centres) {
                        let known = if centre == x { bell.hit } else { bell.miss };
                        *exponent += if centre.is_nan() { 0.0 } else { known };
                    }
                }
                Kind::Place { .. } => {
                    let scale = (std::f64::consts::FRAC_1_SQRT_2 / bell.sigma) as f32;
                    if self.has_gaps {
                        let norms = &bell.log_norm[range.clone()];
                        for ((exponent, &centre), norm) in exponents.iter_mut().zip(centres).zip(norms) {
                            let z = (x - centre) * scale;
                            *exponent += if centre.is_nan() { 0.0 } else { norm - z * z };
                        }
                    } else {
                        for (exponent, &centre) in exponents.iter_mut().zip(centres) {
                            let z = (x - centre) * scale;
                            *exponent -= z * z;
                        }
                    }
                }
            }
        }
    }
}

impl Bell {
    fn count(&mut self, coordinate: f32, enters: bool) {
        if coordinate.is_nan() {
            return;
        }
        let fixed = (f64::from(coordinate) * FIXED) as u128;
        if enters {
            self.count += 1;
            self.sum += fixed;
            self.squares += fixed * fixed;
        } else {
            self.count -= 1;
            self.sum -= fixed;
            self.squares -= fixed * fixed;
        }
    }

    /// Follows the spread of the trials; whether the kernels of an axis of places have changed.
    fn widen(&mut self, axis: &Axis) -> bool {
        let count = self.count as f64;
        match axis.kind {
            Kind::Option { count: options } => {
                let (options, spare) = (options as f64, SMOOTHING / (count + 1.0));
                let density = |share: f64| (share * options / (1.0 + options * spare)).ln() as f32;
                (self.hit, self.miss) = (density(1.0 + spare), density(spare));
                false
            }
            Kind::Place { cell } => {
                let scatter = (self.count * self.squares - self.sum * self.sum) as f64;
                let sum_of_squares = if self.count > 0 { scatter / count / (FIXED * FIXED) } else { 0.0 };
                // 1/12 is the variance of the uniform density.
                let variance = (sum_of_squares + TEMPER / 12.0) / (count + TEMPER);
                let rule = NARROWER * variance.sqrt() * count.max(1.0).powf(-0.2);
                let sigma = rule.max(LEAST_SIGMA).max(LEAST_CELL * cell).min(1.0);
                let level = Some((sigma.log2() * LEVELS).round() as i32);
                let is_new = self.level != level;
                if let Some(level) = level.filter(|_| is_new) {
                    self.sigma = (f64::from(level) / LEVELS).exp2();
                    self.log_norm.clear();
                }
                self.level = level;
                is_new
            }
        }
    }

    /// Computes what makes the kernels integrate to 1, where that is not known yet.
    fn normalise(&mut self, column: &[f32], axis: &Axis) {
        let known = self.log_norm.len();
        let whole = self.sigma * std::f64::consts::TAU.sqrt();
        let norm = |&centre: &f32| {
            if centre.is_nan() || matches!(axis.kind, Kind::Option { .. }) {
                return 0.0;
            }
            let centre = f64::from(centre);
            let inside = normal::below((1.0 - centre) / self.sigma) - normal::below(-centre / self.sigma);
            -(whole * inside).ln() as f32
        };
        let new: Vec<f32> = column[known..].iter().map(norm).collect();
        self.log_norm.extend(new);
    }
}

/// The greatest of `exponents`.
fn greatest(exponents: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = exponents.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    chunks.remainder().iter().chain(&lanes).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The sum of the weighted kernels in units of e to the `greatest`.
fn kernels(exponents: &[f32], weights: &[f32], greatest: f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let (mut chunks, mut weight_chunks) = (exponents.chunks_exact(LANES), weights.chunks_exact(LANES));
    for (chunk, weights) in (&mut chunks).zip(&mut weight_chunks) {
        for ((lane, &x), weight) in lanes.iter_mut().zip(chunk).zip(weights) {
            *lane += weight * exp(x - greatest);
        }
    }
    let rest = chunks.remainder().iter().zip(weight_chunks.remainder());
    let rest: f32 = rest.map(|(x, weight)| weight * exp(x - greatest)).sum();
    f64::from(lanes.iter().sum::<f32>() + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Space;

    fn space() -> Space {
        Space::new().float("x", 0.0, 1.0).unwrap().choice("c", &["a", "b", "c"]).unwrap()
    }

    /// The kernels one by one, in double precision.
    fn plainly(mixture: &Mixture, columns: &[Vec<f32>], point: &[f32]) -> f64 {
        let kernel = |slot: usize| {
            let bell = &mixture.bells[1];
            let (centre, x) = (f64::from(columns[1][slot]), f64::from(point[1]));
            let place = if columns[1][slot].is_nan() || point[1].is_nan() {
                1.0
            } else {
                let inside = normal::below((1.0 - centre) / bell.sigma) - normal::below(-centre / bell.sigma);
                let z = (x - centre) / bell.sigma;
                (-0.5 * z * z).exp() / (bell.sigma * std::f64::consts::TAU.sqrt() * inside)
            };
            let spare = SMOOTHING / (mixture.bells[0].count as f64 + 1.0);
            let likely = if columns[0][slot] == point[0] { 1.0 + spare } else { spare };
            place * likely * 3.0 / (1.0 + 3.0 * spare)
        };
        let sum: f64 =
            (0..columns[0].len()).map(|slot| f64::from(mixture.weights[slot]) * kernel(slot)).sum();
        ((sum + 1.0) / mixture.total).ln()
    }

    fn sample(count: usize, gaps: bool) -> Vec<Vec<f32>> {
        let mut stream = Stream::new(4, 0);
        let options = (0..count).map(|_| stream.below(3) as f32).collect();
        let place = |slot: usize| if gaps && slot % 5 == 1 { f32::NAN } else { stream.unit() as f32 };
        vec![options, (0..count).map(place).collect()]
    }

    #[test]
    fn the_fast_density_is_the_plain_one() {
        for (count, gaps) in [(1, false), (7, true), (300, false), (1000, true)] {
            let (axes, columns) = (Axis::all(&space()), sample(count, gaps));
            let mut mixture = Mixture::default();
            let weights = (0..count).map(|slot| (slot % 4) as f32).collect();
            mixture.fit(&axes, &columns, weights, gaps);
            for x in [0.0, 0.1, 0.5, 0.93, 1.0, f32::NAN] {
                if x.is_nan() && !gaps {
                    continue;
                }
                let point = vec![1.0, x];
                let fast = mixture.log_densities(&axes, &columns, std::slice::from_ref(&point))[0];
                let plain = plainly(&mixture, &columns, &point);
                assert!((fast - plain).abs() < 1e-4, "{count} {x}: {fast} {plain}");
            }
        }
    }

    #[test]
    fn it_integrates_to_one_and_is_what_is_drawn() {
        let (axes, columns) = (Axis::all(&space()), sample(12, false));
        let mut mixture = Mixture::default();
        mixture.fit(&axes, &columns, vec![1.0; 12], false);
        let points: Vec<Vec<f32>> =
            (0..3).flat_map(|c| (0..500).map(move |i| vec![c as f32, (i as f32 + 0.5) / 500.0])).collect();
        let densities = mixture.log_densities(&axes, &columns, &points);
        let mean = densities.iter().map(|log| log.exp()).sum::<f64>() / 1500.0;
        assert!((mean - 1.0).abs() < 1e-3, "{mean}");
        let below = points.iter().zip(&densities).filter(|(p, _)| p[0] == 1.0 && p[1] < 0.3);
        let share = below.map(|(_, log)| log.exp()).sum::<f64>() / 1500.0;
        let mut stream = Stream::new(8, 0);
        let draws = (0..20_000).map(|_| mixture.draw(&axes, &columns, &mut stream));
        let drawn = draws.filter(|p| p[0] == 1.0 && p[1] < 0.3).count() as f64 / 20_000.0;
        assert!((drawn - share).abs() < 0.01, "{drawn} {share}");
    }

    #[test]
    fn growing_is_the_same_as_starting_over() {
        let (axes, columns) = (Axis::all(&space()), sample(200, true));
        let until =
            |n: usize| -> Vec<Vec<f32>> { columns.iter().map(|column| column[..n].to_vec()).collect() };
        let weights = |n: usize| {
            (0..n).map(|slot| if (slot * n).is_multiple_of(3) { 1.0 } else { 0.0 }).collect::<Vec<f32>>()
        };
        let mut grown = Mixture::default();
        for n in [1, 2, 50, 51, 120, 200] {
            grown.fit(&axes, &until(n), weights(n), true);
            let mut fresh = Mixture::default();
            fresh.fit(&axes, &until(n), weights(n), true);
            let points = [vec![0.0, 0.3], vec![2.0, f32::NAN]];
            assert_eq!(
                grown.log_densities(&axes, &until(n), &points),
                fresh.log_densities(&axes, &until(n), &points)
            );
        }
    }

    #[test]
    fn many_axes_do_not_overflow() {
        let space = (0..300).try_fold(Space::new(), |s, d| s.float(&format!("x{d}"), 0.0, 1.0)).unwrap();
        let (axes, columns) = (Axis::all(&space), vec![vec![0.5, 0.5001]; 300]);
        let mut mixture = Mixture::default();
        mixture.fit(&axes, &columns, vec![1.0; 2], false);
        let densities = mixture.log_densities(&axes, &columns, &[vec![0.5; 300], vec![0.0; 300]]);
        assert!(densities.iter().all(|log| log.is_finite()) && densities[0] > densities[1], "{densities:?}");
    }
}
