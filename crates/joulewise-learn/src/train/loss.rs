//! Losses over a batch of logits, with their gradients.

/// What a batch is held against.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// The class of each row, smoothed: `1 - smoothing` on the class, the rest shared by all.
    Labels {
        /// One class per row.
        labels: &'a [u16],
        /// Label smoothing (Szegedy et al. 2016; PyTorch's definition).
        smoothing: f32,
    },
    /// Labels and a teacher (Hinton et al. 2015): `(1 - weight) · CE(labels) + weight · T² ·
    /// KL(teacher ‖ student)` at the temperature `T`.
    Teacher {
        /// One class per row.
        labels: &'a [u16],
        /// The teacher's logits, one row per row.
        logits: &'a [f32],
        /// Weight of the teacher's part.
        weight: f32,
        /// Temperature of both softmaxes in the teacher's part.
        temperature: f32,
    },
}

impl Target<'_> {
    /// Mean loss of the rows of `logits` and, in `gradient`, its derivative by each logit.
    pub fn loss(&self, classes: usize, logits: &[f32], gradient: &mut [f32]) -> f64 {
        let rows = logits.len() / classes;
        let scale = 1.0 / rows as f64;
        let mut total = 0.0;
        for row in 0..rows {
            let at = row * classes..(row + 1) * classes;
            let (z, g) = (&logits[at.clone()], &mut gradient[at.clone()]);
            match *self {
                Self::Labels { labels, smoothing } => {
                    total += cross_entropy(z, labels[row], f64::from(smoothing), scale, g);
                }
                Self::Teacher { labels, logits: teacher, weight, temperature } => {
                    let weight = f64::from(weight);
                    total += (1.0 - weight) * cross_entropy(z, labels[row], 0.0, scale * (1.0 - weight), g);
                    total += weight * imitation(z, &teacher[at], f64::from(temperature), scale * weight, g);
                }
            }
        }
        total * scale
    }
}

/// Cross entropy of one row; writes `scale` times its gradient.
fn cross_entropy(z: &[f32], label: u16, smoothing: f64, scale: f64, gradient: &mut [f32]) -> f64 {
    let log_sum = log_sum_exp(z, 1.0);
    let off = smoothing / z.len() as f64;
    let mut loss = 0.0;
    for (class, (&z, g)) in z.iter().zip(gradient).enumerate() {
        let log_p = f64::from(z) - log_sum;
        let target = off + if class == usize::from(label) { 1.0 - smoothing } else { 0.0 };
        loss -= target * log_p;
        *g = (scale * (log_p.exp() - target)) as f32;
    }
    loss
}

/// `T² · KL(teacher ‖ student)` of one row; adds `scale` times its gradient.
fn imitation(z: &[f32], teacher: &[f32], temperature: f64, scale: f64, gradient: &mut [f32]) -> f64 {
    let (student_sum, teacher_sum) = (log_sum_exp(z, temperature), log_sum_exp(teacher, temperature));
    let mut divergence = 0.0;
    for ((&z, &t), g) in z.iter().zip(teacher).zip(gradient) {
        let log_q = f64::from(z) / temperature - student_sum;
        let log_p = f64::from(t) / temperature - teacher_sum;
        let p = log_p.exp();
        divergence += p * (log_p - log_q);
        *g += (scale * temperature * (log_q.exp() - p)) as f32;
    }
    temperature * temperature * divergence
}

fn log_sum_exp(z: &[f32], temperature: f64) -> f64 {
    let top = z.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(f64::from(v) / temperature));
    top + z.iter().map(|&v| (f64::from(v) / temperature - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn gradients_are_those_of_the_loss() {
        let mut stream = Stream::new(3, "loss");
        let draw = |stream: &mut Stream| (0..15).map(|_| stream.uniform(-2.0, 2.0)).collect::<Vec<_>>();
        let (logits, teacher, labels) = (draw(&mut stream), draw(&mut stream), [4, 0, 2]);
        for target in [
            Target::Labels { labels: &labels, smoothing: 0.1 },
            Target::Teacher { labels: &labels, logits: &teacher, weight: 0.7, temperature: 3.0 },
        ] {
            let mut gradient = vec![0.0; 15];
            target.loss(5, &logits, &mut gradient);
            for i in 0..15 {
                let at = |delta: f32| {
                    let mut moved = logits.clone();
                    moved[i] += delta;
                    target.loss(5, &moved, &mut [0.0; 15])
                };
                let numeric = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!((numeric - f64::from(gradient[i])).abs() < 1e-4, "{numeric} {}", gradient[i]);
            }
        }
    }

    #[test]
    fn a_perfect_imitation_costs_nothing() {
        let logits = [1.0, -2.0, 0.5];
        let target = Target::Teacher { labels: &[0], logits: &logits, weight: 1.0, temperature: 4.0 };
        let mut gradient = [0.0; 3];
        assert!(target.loss(3, &logits, &mut gradient).abs() < 1e-12);
        assert!(gradient.iter().all(|g| g.abs() < 1e-7));
    }
}
