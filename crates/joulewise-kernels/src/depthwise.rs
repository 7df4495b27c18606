//! Convolution with one input and one output channel in every group; vectors run over the channels.
//!
//! Weights are `[kh][kw][channels]`. Lengths are checked by [`Conv`].
#![allow(unsafe_code)]

use crate::conv::Conv;
use crate::simd::for_each_isa;

for_each_isa! {
    /// `y = x ∗ w (+ bias)`, clamped at zero with `relu`.
    pub(crate) fn forward<S>(
        conv: &Conv, x: &[f32], w: &[f32], bias: Option<&[f32]>, relu: bool, y: &mut [f32],
    ) {
        let (channels, output) = (conv.output.channels, conv.output);
        assert!(bias.is_none_or(|bias| bias.len() >= channels), "the bias is too short");
        for row in 0..output.height {
            for column in 0..output.width {
                let window = conv.window_start()
                    + row * conv.stride[0] * conv.input.row() + column * conv.stride[1] * channels;
                let to = output.offset(row, column);
                for c in (0..channels).step_by(S::LANES) {
                    let mask = S::first(channels - c);
                    let mut sum = match bias {
                        Some(bias) => S::load_masked(bias.as_ptr().add(c), mask),
                        None => S::splat(0.0),
                    };
                    for kh in 0..conv.kernel[0] {
                        let x = x.as_ptr().add(window + kh * conv.input.row() + c);
                        let w = w.as_ptr().add(kh * conv.kernel[1] * channels + c);
                        for kw in 0..conv.kernel[1] {
                            let value = S::load_masked(x.add(kw * channels), mask);
                            sum = S::fma(value, S::load_masked(w.add(kw * channels), mask), sum);
                        }
                    }
                    if relu {
                        sum = S::max(S::splat(0.0), sum);
                    }
                    S::store_masked(y.as_mut_ptr().add(to + c), mask, sum);
                }
            }
        }
    }
}

for_each_isa! {
    /// `dx (+)= dy ∗ wᵀ`, into the interior of `dx`.
    pub(crate) fn backward_data<S>(conv: &Conv, dy: &[f32], w: &[f32], accumulate: bool, dx: &mut [f32]) {
        let (channels, input) = (conv.input.channels, conv.input);
        for row in 0..input.height {
            if !accumulate {
                dx[input.line(row)].fill(0.0);
            }
        }
        for (row, column) in (0..conv.output.height).flat_map(|y| (0..conv.output.width).map(move |x| (y, x))) {
            let from = dy.as_ptr().add(conv.output.offset(row, column));
            for (kh, kw) in (0..conv.kernel[0]).flat_map(|y| (0..conv.kernel[1]).map(move |x| (y, x))) {
                let y = (row * conv.stride[0] + kh).wrapping_sub(conv.padding[0]);
                let x = (column * conv.stride[1] + kw).wrapping_sub(conv.padding[1]);
                if y >= input.height || x >= input.width {
                    continue;
                }
                let to = dx.as_mut_ptr().add(input.offset(y, x));
                let w = w.as_ptr().add((kh * conv.kernel[1] + kw) * channels);
                for c in (0..channels).step_by(S::LANES) {
                    let mask = S::first(channels - c);
                    let (value, weight) = (S::load_masked(from.add(c), mask), S::load_masked(w.add(c), mask));
                    let sum = S::fma(value, weight, S::load_masked(to.add(c), mask));
                    S::store_masked(to.add(c), mask, sum);
                }
            }
        }
    }
}

for_each_isa! {
    /// `dw += Σ x · dy` over the pixels.
    pub(crate) fn backward_weights<S>(conv: &Conv, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let (channels, output) = (conv.output.channels, conv.output);
        for (kh, kw) in (0..conv.kernel[0]).flat_map(|y| (0..conv.kernel[1]).map(move |x| (y, x))) {
            let tap = conv.window_start() + kh * conv.input.row() + kw * channels;
            let to = dw.as_mut_ptr().add((kh * conv.kernel[1] + kw) * channels);
            for c in (0..channels).step_by(S::LANES) {
                let mask = S::first(channels - c);
                let mut sum = S::load_masked(to.add(c), mask);
                for row in 0..output.height {
                    let x = x.as_ptr().add(tap + row * conv.stride[0] * conv.input.row() + c);
                    let dy = dy.as_ptr().add(output.offset(row, 0) + c);
                    for column in 0..output.width {
                        let value = S::load_masked(x.add(column * conv.stride[1] * channels), mask);
                        sum = S::fma(value, S::load_masked(dy.add(column * channels), mask), sum);
                    }
                }
                S::store_masked(to.add(c), mask, sum);
            }
        }
    }
}
