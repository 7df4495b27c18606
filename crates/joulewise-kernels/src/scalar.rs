//! Plain twins of the kernels: the definition, term by term, in `f64`. Tests compare every kernel with them.

use crate::batch_norm::Backward;
use crate::conv::Conv;
use crate::image::Image;
use crate::pool::Pool;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `len` values between −1 and 1.
pub(crate) fn random(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// An image of random values with a border of zeros.
pub(crate) fn random_image(seed: u64, image: Image) -> Vec<f32> {
    let mut x = random(seed, image.len());
    zero_halo(image, &mut x);
    x
}

/// Sets the border of an image to zero.
pub(crate) fn zero_halo(image: Image, x: &mut [f32]) {
    assert_eq!(x.len(), image.len());
    let mut start = 0;
    for row in 0..image.height {
        let line = image.line(row);
        x[start..line.start].fill(0.0);
        start = line.end;
    }
    x[start..].fill(0.0);
}

/// Panics unless every pair differs by at most `tolerance` times the larger of 1 and its size.
pub(crate) fn assert_close(what: &str, actual: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(a) - e).abs();
        assert!(error <= tolerance * e.abs().max(1.0), "{what}: [{i}] is {a}, should be {e}");
    }
}

/// Every multiplication of a convolution as positions in (input, weights, output).
pub(crate) fn conv_terms(conv: &Conv) -> Vec<(usize, usize, usize)> {
    let (inputs, outputs) = (conv.input.channels / conv.groups, conv.output.channels / conv.groups);
    let mut terms = Vec::new();
    for (y, x) in places(conv.output.height, conv.output.width) {
        for (kh, kw) in places(conv.kernel[0], conv.kernel[1]) {
            let row = (y * conv.stride[0] + kh).wrapping_sub(conv.padding[0]);
            let column = (x * conv.stride[1] + kw).wrapping_sub(conv.padding[1]);
            if row >= conv.input.height || column >= conv.input.width {
                continue;
            }
            for (c, k) in places(inputs, conv.output.channels) {
                let group = k / outputs;
                terms.push((
                    conv.input.offset(row, column) + group * inputs + c,
                    ((kh * conv.kernel[1] + kw) * inputs + c) * conv.output.channels + k,
                    conv.output.offset(y, x) + k,
                ));
            }
        }
    }
    terms
}

/// `c = a · b` for `a` of `m` × `k` and `b` of `k` × `n`.
pub(crate) fn matmul(m: usize, n: usize, k: usize, a: &[f32], b: &[f32]) -> Vec<f64> {
    places(m, n)
        .map(|(r, c)| (0..k).map(|i| f64::from(a[r * k + i]) * f64::from(b[i * n + c])).sum())
        .collect()
}

/// Calls `f` with every output pixel's channel: its position, and those of its window in the input.
pub(crate) fn for_each_window(pool: &Pool, mut f: impl FnMut(usize, &[usize])) {
    for (y, x) in places(pool.output.height, pool.output.width) {
        for c in 0..pool.input.channels {
            let window: Vec<_> = places(pool.kernel[0], pool.kernel[1])
                .filter_map(|(kh, kw)| {
                    let row = (y * pool.stride[0] + kh).wrapping_sub(pool.padding[0]);
                    let column = (x * pool.stride[1] + kw).wrapping_sub(pool.padding[1]);
                    let inside = row < pool.input.height && column < pool.input.width;
                    inside.then(|| pool.input.offset(row, column) + c)
                })
                .collect();
            f(pool.output.offset(y, x) + c, &window);
        }
    }
}

/// The gradients of a normalised channel from the definition, with the gradient through mean and variance:
/// those of the weight, the bias and every input.
pub(crate) fn batch_norm_backward(x: &[f64], dy: &[f64], weight: f64, epsilon: f64) -> (Backward, Vec<f64>) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let deviation = 1.0 / (variance + epsilon).sqrt();
    let normalised: Vec<_> = x.iter().map(|x| (x - mean) * deviation).collect();
    let bias = dy.iter().sum::<f64>();
    let scale = dy.iter().zip(&normalised).map(|(dy, x)| dy * x).sum::<f64>();
    let dx = dy.iter().zip(&normalised).map(|(dy, x)| weight * deviation * (dy - bias / n - x * scale / n));
    let gradients = Backward { weight: scale as f32, bias: bias as f32, coefficients: [0.0; 4] };
    (gradients, dx.collect())
}

/// All pairs below the bounds, the second fastest.
pub(crate) fn places(height: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)))
}
