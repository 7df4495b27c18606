//! Softmax and the cross-entropy loss.

/// Softmax of every row of `classes` values, in place.
pub fn softmax(classes: usize, rows: &mut [f32]) {
    for row in rows.chunks_exact_mut(classes) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for x in row.iter_mut() {
            *x = (*x - most).exp();
        }
        let share = 1.0 / row.iter().sum::<f32>();
        for x in row {
            *x *= share;
        }
    }
}

/// Cross-entropy of rows of `classes` logits with their labels, summed over the rows.
///
/// The target is `1 − smoothing` for the label plus `smoothing / classes` for every class. `gradient`
/// receives `weight · (softmax − target)`; for the mean over a batch the weight is one over its size.
/// Panics where a label is not below `classes`.
pub fn cross_entropy(
    classes: usize,
    logits: &[f32],
    labels: &[u32],
    smoothing: f32,
    weight: f32,
    gradient: &mut [f32],
) -> f64 {
    assert!(logits.len() == labels.len() * classes && gradient.len() == logits.len());
    let spread = smoothing / classes as f32;
    let rows = logits.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes));
    let mut loss = 0.0;
    for ((logits, gradient), &label) in rows.zip(labels) {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0_f64;
        for (g, x) in gradient.iter_mut().zip(logits) {
            *g = (x - most).exp();
            sum += f64::from(*g);
        }
        let log_sum = sum.ln() + f64::from(most);
        loss += f64::from(1.0 - smoothing) * (log_sum - f64::from(logits[label as usize]));
        if smoothing > 0.0 {
            loss += f64::from(spread) * logits.iter().map(|&x| log_sum - f64::from(x)).sum::<f64>();
        }
        let share = (1.0 / sum) as f32;
        for g in gradient.iter_mut() {
            *g = weight * (*g * share - spread);
        }
        gradient[label as usize] -= weight * (1.0 - smoothing);
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let logits = [0.3, -1.2, 2.0, 0.5, 0.1, -0.7];
        let labels = [2, 0];
        for smoothing in [0.0, 0.1] {
            let mut gradient = [0.0; 6];
            let loss = cross_entropy(3, &logits, &labels, smoothing, 1.0, &mut gradient);
            assert!(loss > 0.0);
            for i in 0..6 {
                let at = |step: f32| {
                    let mut moved = logits;
                    moved[i] += step;
                    cross_entropy(3, &moved, &labels, smoothing, 1.0, &mut [0.0; 6])
                };
                let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!((slope - f64::from(gradient[i])).abs() < 1e-4, "{slope} {}", gradient[i]);
            }
        }
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let mut gradient = [0.0; 2];
        let loss = cross_entropy(2, &[1000.0, -1000.0], &[1], 0.0, 1.0, &mut gradient);
        assert_eq!((loss, gradient), (2000.0, [1.0, -1.0]));
        let mut row = [1000.0, 1000.0];
        softmax(2, &mut row);
        assert_eq!(row, [0.5, 0.5]);
    }
}
