//! A Gaussian process that has seen data.

use super::cholesky::{Factor, dot};
use super::fit::Hyperparameters;
use super::kernel::Kernel;
use super::matern::Columns;

/// Variances are at least this: rounding leaves no less of what is known exactly.
const LEAST_VARIANCE: f64 = 1e-12;
/// The noise of what is imagined to be known.
const EXACT: f64 = 1e-9;

/// A process of which some values are known.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    hyperparameters: Hyperparameters,
    kernel: Kernel,
    points: Columns,
    factor: Factor,
    mean: f64,
    alpha: Vec<f64>,
    /// What each world adds to `alpha`.
    worlds: Vec<Vec<f64>>,
}

/// What is known of a value: it is about normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Belief {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
}

/// A belief and its derivatives with respect to the features.
#[derive(Clone, Debug)]
pub(crate) struct Slopes {
    pub(crate) belief: Belief,
    pub(crate) mean: Vec<f64>,
    pub(crate) deviation: Vec<f64>,
    /// In each world, how much more the mean is, and the derivatives of that.
    pub(crate) shifts: Vec<(f64, Vec<f64>)>,
}

impl Process {
    /// One that has seen nothing yet.
    pub(crate) fn new(hyperparameters: Hyperparameters, groups: &[usize]) -> Self {
        Self {
            kernel: hyperparameters.kernel(groups),
            points: Columns::new(groups.len(), []),
            factor: Factor::default(),
            mean: 0.0,
            alpha: Vec::new(),
            worlds: Vec::new(),
            hyperparameters,
        }
    }

    /// Sees the values `y` at `points` and forgets all others. What it knows of points that it has seen before in
    /// the same order is used again.
    pub(crate) fn see(&mut self, points: &[&[f64]], y: &[f64]) {
        let is_same =
            |i: usize, point: &[f64]| point.iter().enumerate().all(|(f, x)| self.points.column(f)[i] == *x);
        let same = (0..points.len().min(self.points.len())).take_while(|&i| is_same(i, points[i])).count();
        self.worlds.clear();
        self.points.truncate(same);
        self.factor.truncate(same);
        for point in &points[same..] {
            self.add(point, self.hyperparameters.noise());
        }
        let ones = self.factor.solve(&vec![1.0; y.len()]);
        self.mean = if y.is_empty() { 0.0 } else { dot(&ones, y) / ones.iter().sum::<f64>() };
        self.alpha = self.factor.solve(&y.iter().map(|y| y - self.mean).collect::<Vec<_>>());
    }

    /// Takes for granted that the values at `points` will be what is expected: it expects the same everywhere, and
    /// is surer near them.
    pub(crate) fn expect(&mut self, points: &[&[f64]]) {
        for point in points {
            self.add(point, self.hyperparameters.noise());
            self.alpha.push(0.0);
        }
    }

    /// Imagines worlds in each of which the values at `points` are known without their noise: what is believed of them,
    /// with `draws` of as many standard normal numbers for a world. Gives these values, world by world.
    ///
    /// On average over the worlds it expects the same everywhere; it is surer near the points.
    pub(crate) fn imagine(&mut self, points: &[&[f64]], draws: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let rows: Vec<Vec<f64>> = points.iter().map(|point| point.to_vec()).collect();
        let means: Vec<f64> = self.beliefs(&rows).iter().map(|belief| belief.mean).collect();
        let known = self.points.len();
        for point in points {
            self.add(point, EXACT);
            self.alpha.push(0.0);
        }
        // The last rows of the factor are that of the covariance of these values.
        let value =
            |draws: &[f64], i: usize| means[i] + dot(&self.factor.row(known + i)[known..], &draws[..=i]);
        let values = draws.iter().map(|draws| (0..points.len()).map(|i| value(draws, i)).collect()).collect();
        let whole = |draws: &Vec<f64>| [vec![0.0; known], draws.clone()].concat();
        self.worlds = draws.iter().map(|draws| self.factor.half_solve_transposed(&whole(draws))).collect();
        values
    }

    fn add(&mut self, point: &[f64], mut noise: f64) {
        let n = self.points.len();
        self.points.push(point);
        let row = self.kernel.row(&self.points, point, n + 1);
        // The noise is well above what rounding does to the kernel; should it ever not be, more of it is.
        loop {
            let mut noisy = row.clone();
            noisy[n] += noise;
            if self.factor.push(&noisy) {
                return;
            }
            noise *= 10.0;
        }
    }

    /// How many values it has seen or expects.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    /// The variance of the noise.
    pub(crate) fn noise(&self) -> f64 {
        self.hyperparameters.noise()
    }

    /// The values without the noise at the points that it has seen.
    pub(crate) fn smoothed(&self, y: &[f64]) -> Vec<f64> {
        let noise = self.hyperparameters.noise();
        y.iter().zip(&self.alpha).map(|(y, alpha)| y - noise * alpha).collect()
    }

    /// What is believed of the values at `points`.
    pub(crate) fn beliefs(&self, points: &[Vec<f64>]) -> Vec<Belief> {
        self.prospects(points).into_iter().map(|(belief, _)| belief).collect()
    }

    /// The same, and how much more the mean is in each world.
    pub(crate) fn prospects(&self, points: &[Vec<f64>]) -> Vec<(Belief, Vec<f64>)> {
        let mut prospects = Vec::with_capacity(points.len());
        for four in points.chunks(4) {
            let rows: [Vec<f64>; 4] = std::array::from_fn(|i| {
                let point = &four[i.min(four.len() - 1)];
                self.kernel.row(&self.points, point, self.points.len())
            });
            let explained = self.factor.half_solve_four([&rows[0], &rows[1], &rows[2], &rows[3]]);
            for (row, explained) in rows.iter().zip(explained).take(four.len()) {
                let shifts = self.worlds.iter().map(|world| dot(row, world)).collect();
                prospects.push((self.belief(row, explained), shifts));
            }
        }
        prospects
    }

    /// The belief at `point` and how it changes around.
    pub(crate) fn slopes(&self, point: &[f64]) -> Slopes {
        let row = self.kernel.row_with_slopes(&self.points, point, self.points.len());
        let half = self.factor.half_solve(&row.values);
        let beta = self.factor.half_solve_transposed(&half);
        let belief = self.belief(&row.values, dot(&half, &half));
        let by_square = |f: usize| &row.by_square[self.kernel.groups[f].min(row.by_square.len() - 1)];
        // What of a sum of correlations of such strengths changes by a feature: d r² / d x = 2 w (x − column).
        let change = |strength: &[f64], f: usize| {
            let pulls: Vec<f64> = strength.iter().zip(by_square(f)).map(|(a, b)| a * b).collect();
            let pull = pulls.iter().sum::<f64>();
            2.0 * self.kernel.weights[f] * (point[f] * pull - dot(&pulls, self.points.column(f)))
        };
        let changes =
            |strength: &[f64]| -> Vec<f64> { (0..point.len()).map(|f| change(strength, f)).collect() };
        let shift = |world: &Vec<f64>| (dot(&row.values, world), changes(world));
        Slopes {
            belief,
            mean: changes(&self.alpha),
            deviation: changes(&beta).iter().map(|change| -change / belief.deviation).collect(),
            shifts: self.worlds.iter().map(shift).collect(),
        }
    }

    fn belief(&self, row: &[f64], explained: f64) -> Belief {
        Belief {
            mean: self.mean + dot(row, &self.alpha),
            deviation: (1.0 - explained).max(LEAST_VARIANCE).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(n: usize) -> (Process, Vec<[f64; 2]>, Vec<f64>) {
        let rows: Vec<[f64; 2]> =
            (0..n).map(|i| [0.754_877, 0.569_840].map(|a: f64| (0.5 + a * i as f64).fract())).collect();
        let y: Vec<f64> = rows.iter().map(|x| (5.0 * x[0]).sin() - x[1]).collect();
        let at = Hyperparameters {
            log_scales: vec![-0.7, 0.2],
            log_noise: (1e-5f64).ln(),
            main_odds: -0.5,
            log_narrowing: 0.4,
        };
        let mut process = Process::new(at, &[0, 1]);
        process.see(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>(), &y);
        (process, rows, y)
    }

    #[test]
    fn what_was_seen_is_believed() {
        let (process, rows, y) = process(20);
        let points: Vec<Vec<f64>> = rows.iter().map(|row| row.to_vec()).collect();
        for ((belief, y), smooth) in process.beliefs(&points).iter().zip(&y).zip(process.smoothed(&y)) {
            assert!((belief.mean - y).abs() < 1e-2 && belief.deviation < 1e-2);
            assert!((belief.mean - smooth).abs() < 1e-9);
        }
        let far = process.beliefs(&[vec![50.0, 50.0]])[0];
        assert!((far.deviation - 1.0).abs() < 1e-9 && (far.mean - process.mean).abs() < 1e-9);
    }

    #[test]
    fn slopes_are_derivatives() {
        let (process, ..) = process(20);
        let at = [0.31, 0.62];
        let slopes = process.slopes(&at);
        let belief = |x: &[f64]| process.beliefs(&[x.to_vec()])[0];
        assert!((slopes.belief.mean - belief(&at).mean).abs() < 1e-12);
        for f in 0..2 {
            let step = |by: f64| {
                let mut x = at;
                x[f] += by;
                belief(&x)
            };
            let (more, less) = (step(1e-6), step(-1e-6));
            assert!((slopes.mean[f] - (more.mean - less.mean) / 2e-6).abs() < 1e-5);
            assert!((slopes.deviation[f] - (more.deviation - less.deviation) / 2e-6).abs() < 1e-5);
        }
    }

    #[test]
    fn order_and_memory_do_not_show() {
        let (mut process, rows, y) = process(12);
        let rows: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
        let (fresh, before) = (process.clone(), process.beliefs(&[vec![0.4, 0.4]]));
        process.expect(&[&[0.4, 0.4]]);
        assert_eq!(process.len(), 13);
        let expecting = process.beliefs(&[vec![0.4, 0.4]])[0];
        assert!((expecting.mean - before[0].mean).abs() < 1e-12);
        assert!(expecting.deviation < 0.5 * before[0].deviation);
        process.see(&rows[..7], &y[..7]);
        process.see(&rows, &y);
        assert_eq!(process.beliefs(&[vec![0.4, 0.4]]), fresh.beliefs(&[vec![0.4, 0.4]]));
    }

    /// Worlds that are symmetric about what is believed: on average nothing changes, and each fits what it imagines.
    #[test]
    fn worlds_agree_with_what_they_imagine() {
        let (mut process, ..) = process(12);
        let points: [&[f64]; 2] = [&[0.9, 0.1], &[0.95, 0.2]];
        let at: Vec<Vec<f64>> = points.iter().map(|point| point.to_vec()).chain([vec![0.8, 0.3]]).collect();
        let before = process.beliefs(&at);
        let draws = [vec![1.0, -0.5], vec![-1.0, 0.5]];
        let values = process.imagine(&points, &draws);
        let prospects = process.prospects(&at);
        for (w, values) in values.iter().enumerate() {
            for (value, (belief, shifts)) in values.iter().zip(&prospects) {
                assert!((belief.mean + shifts[w] - value).abs() < 1e-3 && belief.deviation < 1e-3);
            }
        }
        assert!((values[0][0] - before[0].mean - before[0].deviation).abs() < 1e-6);
        let (belief, shifts) = &prospects[2];
        assert!((belief.mean - before[2].mean).abs() < 1e-9 && belief.deviation < before[2].deviation);
        assert!((shifts[0] + shifts[1]).abs() < 1e-9 && shifts[0].abs() > 1e-3);
        let slopes = process.slopes(&at[2]);
        for f in 0..2 {
            let step = |by: f64| {
                let mut x = at[2].clone();
                x[f] += by;
                process.prospects(&[x])[0].1[0]
            };
            assert!((slopes.shifts[0].1[f] - (step(1e-6) - step(-1e-6)) / 2e-6).abs() < 1e-4);
        }
    }

    #[test]
    fn equal_points_without_noise_are_no_end() {
        let at = Hyperparameters {
            log_scales: vec![0.0],
            log_noise: (1e-18f64).ln(),
            main_odds: f64::NEG_INFINITY,
            log_narrowing: 0.0,
        };
        let mut process = Process::new(at, &[0]);
        process.see(&[&[0.5], &[0.5], &[0.5]], &[1.0, 1.0, 1.0]);
        assert!(process.beliefs(&[vec![0.5]])[0].mean.is_finite());
    }
}
