//! The evolution strategy: what a generation teaches about the next one (Hansen 2016).

use super::eigen::{self, Matrix};

/// A normal distribution that follows what was good. Steps are in its own unit: a point is `mean + sigma · step`.
#[derive(Clone, Debug)]
pub(crate) struct Strategy {
    settings: Settings,
    pub(crate) mean: Vec<f64>,
    pub(crate) sigma: f64,
    pub(crate) covariance: Matrix,
    /// Where the mean has been going: of equally long steps, and of steps as they were.
    pub(crate) conjugate_path: Vec<f64>,
    pub(crate) path: Vec<f64>,
    /// The main axes of the covariance, as columns, and the deviation along each of them.
    axes: Matrix,
    pub(crate) deviations: Vec<f64>,
    /// How many generations it has learnt from.
    pub(crate) generation: u32,
}

/// What follows from the dimension and the population (Hansen 2016, table 1).
#[derive(Clone, Debug)]
struct Settings {
    /// Of each place, from the best to the worst: the better half sums to 1, the rest is negative.
    weights: Vec<f64>,
    /// How many count as good.
    parents: usize,
    /// As how many equal ones the good ones count.
    effective: f64,
    path_rate: f64,
    rank_one_rate: f64,
    rank_mu_rate: f64,
    sigma_rate: f64,
    sigma_damping: f64,
    /// The length of a step that is drawn from the standard normal distribution, on average.
    expected_length: f64,
}

impl Settings {
    fn new(dimensions: usize, population: usize) -> Self {
        let (n, parents) = (dimensions as f64, population / 2);
        let preferences: Vec<f64> =
            (1..=population).map(|place| ((population + 1) as f64 / 2.0 / place as f64).ln()).collect();
        let effective = |part: &[f64]| {
            part.iter().sum::<f64>().powi(2) / part.iter().map(|w| w * w).sum::<f64>().max(f64::MIN_POSITIVE)
        };
        let (good, bad) = preferences.split_at(parents);
        let mu = effective(good);
        let rank_one_rate = 2.0 / ((n + 1.3).powi(2) + mu);
        let rank_mu_rate = (2.0 * (mu - 2.0 + 1.0 / mu) / ((n + 2.0).powi(2) + mu))
            // Something is left of the old covariance, however large the population is.
            .min(1.0 - rank_one_rate - 1e-8);
        // What is bad makes no covariance negative: equations 50 to 52.
        let negative = (1.0 + rank_one_rate / rank_mu_rate)
            .min(1.0 + 2.0 * effective(bad) / (mu + 2.0))
            .min((1.0 - rank_one_rate - rank_mu_rate) / (n * rank_mu_rate));
        let of_sign = |sign: f64| preferences.iter().map(|w| (sign * w).max(0.0)).sum::<f64>();
        let (positive_sum, negative_sum) = (of_sign(1.0), of_sign(-1.0));
        let weight = |w: &f64| if *w >= 0.0 { w / positive_sum } else { negative * w / negative_sum };
        let sigma_rate = (mu + 2.0) / (n + mu + 5.0);
        Self {
            weights: preferences.iter().map(weight).collect(),
            parents,
            effective: mu,
            path_rate: (4.0 + mu / n) / (n + 4.0 + 2.0 * mu / n),
            rank_one_rate,
            rank_mu_rate,
            sigma_rate,
            sigma_damping: 1.0 + 2.0 * (((mu - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + sigma_rate,
            expected_length: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        }
    }
}

impl Strategy {
    /// A round distribution, of which `population` points are seen at a time: at least 2.
    pub(crate) fn new(mean: Vec<f64>, sigma: f64, population: usize) -> Self {
        let n = mean.len();
        Self {
            settings: Settings::new(n, population),
            mean,
            sigma,
            covariance: eigen::identity(n),
            conjugate_path: vec![0.0; n],
            path: vec![0.0; n],
            axes: eigen::identity(n),
            deviations: vec![1.0; n],
            generation: 0,
        }
    }

    /// How many points it wants to see at a time.
    pub(crate) fn population(&self) -> usize {
        self.settings.weights.len()
    }

    /// How many of them count as good.
    pub(crate) fn parents(&self) -> usize {
        self.settings.parents
    }

    /// The step that a draw from the standard normal distribution stands for.
    pub(crate) fn step(&self, draw: &[f64]) -> Vec<f64> {
        let along: Vec<f64> = self.deviations.iter().zip(draw).map(|(deviation, z)| deviation * z).collect();
        self.axes.iter().map(|row| dot(row, &along)).collect()
    }

    /// How long a step is in deviations, whichever way it goes.
    pub(crate) fn length(&self, step: &[f64]) -> f64 {
        norm(&self.whitened(step))
    }

    /// Learns from a population of steps, the best one first.
    pub(crate) fn update(&mut self, steps: &[Vec<f64>]) {
        let Settings { effective, path_rate, rank_one_rate, rank_mu_rate, sigma_rate, .. } = self.settings;
        let n = self.mean.len() as f64;
        let weights = &self.settings.weights;
        let mut drift = vec![0.0; self.mean.len()];
        for (weight, step) in weights.iter().zip(steps).take(self.settings.parents) {
            add(&mut drift, *weight, step);
        }
        let whitened = self.whitened(&drift);
        let lengths: Vec<f64> = steps.iter().map(|step| self.length(step)).collect();
        add(&mut self.mean, self.sigma, &drift);

        fade(&mut self.conjugate_path, 1.0 - sigma_rate);
        add(&mut self.conjugate_path, (sigma_rate * (2.0 - sigma_rate) * effective).sqrt(), &whitened);
        self.generation += 1;
        let length = norm(&self.conjugate_path);
        let excess = length / self.settings.expected_length - 1.0;
        // Points of others may be far out; more than a factor of e is never meant.
        self.sigma *= (sigma_rate / self.settings.sigma_damping * excess).min(1.0).exp();

        // While sigma is about to grow fast, the path does not: it would be too long afterwards.
        let begun = 1.0 - (1.0 - sigma_rate).powi(2 * self.generation as i32);
        let is_steady = length / begun.sqrt() < (1.4 + 2.0 / (n + 1.0)) * self.settings.expected_length;
        fade(&mut self.path, 1.0 - path_rate);
        if is_steady {
            add(&mut self.path, (path_rate * (2.0 - path_rate) * effective).sqrt(), &drift);
        }
        let missing = if is_steady { 0.0 } else { path_rate * (2.0 - path_rate) };
        let total: f64 = weights.iter().sum();
        let kept = 1.0 + rank_one_rate * missing - rank_one_rate - rank_mu_rate * total;
        self.covariance.iter_mut().for_each(|row| fade(row, kept));
        add_square(&mut self.covariance, rank_one_rate, &self.path);
        for ((weight, step), length) in weights.iter().zip(steps).zip(lengths) {
            let scale = if *weight < 0.0 { n / (length * length + 1e-8) } else { 1.0 };
            add_square(&mut self.covariance, rank_mu_rate * weight * scale, step);
        }
        self.decompose();
    }

    fn decompose(&mut self) {
        let (values, axes) = eigen::symmetric(self.covariance.clone());
        self.axes = axes;
        self.deviations = values.iter().map(|value| value.max(1e-16).sqrt()).collect();
    }

    /// C^(−1/2) · step.
    fn whitened(&self, step: &[f64]) -> Vec<f64> {
        let mut whitened = vec![0.0; step.len()];
        for (axis, deviation) in self.deviations.iter().enumerate() {
            let along: f64 = self.axes.iter().zip(step).map(|(row, x)| row[axis] * x).sum();
            for (whitened, row) in whitened.iter_mut().zip(&self.axes) {
                *whitened += row[axis] * along / deviation;
            }
        }
        whitened
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += times * what);
}

fn fade(what: &mut [f64], to: f64) {
    what.iter_mut().for_each(|x| *x *= to);
}

/// Adds `times` · `what` · `what`ᵀ.
fn add_square(to: &mut Matrix, times: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(row, x)| add(row, times * x, what));
}
