//! Convolution with one input and one output channel in every group; vectors run over the channels.
//!
//! Weights are `[kh][kw][channels]`. Lengths are checked by [`Conv`].
#![allow(unsafe_code)]

use crate::conv::Conv;
use crate::isa::Isa;
use crate::packed::Packed;
use crate::product::Grid;
use crate::simd::{Simd, for_each_isa};
use crate::tile::Finish;

/// Packs the weights for [`backward_data`]: the taps of every pair of phases, the last first.
pub(crate) fn pack_backward(isa: Isa, conv: &Conv, w: &[f32], into: &mut Packed) {
    let channels = conv.output.channels;
    into.reset(isa, w.len());
    let mut at = 0;
    for (y, x) in conv.phase_pairs() {
        for tap in (0..y.taps * x.taps).rev() {
            let kh = y.tap + tap / x.taps * conv.stride[0];
            let kw = x.tap + tap % x.taps * conv.stride[1];
            into.put(at, &w[(kh * conv.kernel[1] + kw) * channels..][..channels]);
            at += channels;
        }
    }
}

/// `y = x ∗ w (+ bias)`, clamped at zero with `relu`.
pub(crate) fn forward(
    isa: Isa,
    conv: &Conv,
    x: &[f32],
    w: &Packed,
    bias: Option<&[f32]>,
    relu: bool,
    y: &mut [f32],
) {
    let windows = Windows {
        grid: conv.output_grid(),
        taps: conv.kernel,
        row: conv.input.row(),
        channels: conv.input.channels,
        finish: Finish { accumulate: false, relu },
    };
    let (x, w) = (&x[conv.window_start()..], w.copied(isa, conv.weights()));
    windows.check(x, w, bias, y.len() - conv.output.offset(0, 0));
    sum_windows(isa, &windows, x, w, bias, &mut y[conv.output.offset(0, 0)..]);
}

/// `dx (+)= dy ∗ wᵀ`, into the interior of `dx`.
pub(crate) fn backward_data(isa: Isa, conv: &Conv, dy: &[f32], w: &Packed, accumulate: bool, dx: &mut [f32]) {
    let mut w = w.copied(isa, conv.weights());
    for (y, x) in conv.phase_pairs() {
        let channels = conv.input.channels;
        let (weights, rest) = w.split_at(y.taps * x.taps * channels);
        w = rest;
        if y.count == 0 || x.count == 0 {
            continue;
        }
        let windows = Windows {
            grid: conv.phase_grid(y, x),
            taps: [y.taps, x.taps],
            row: conv.output.row(),
            channels,
            finish: Finish { accumulate, relu: false },
        };
        let (dy, to) = (&dy[conv.phase_start(y, x)..], conv.input.offset(y.first, x.first));
        windows.check(dy, weights, None, dx.len() - to);
        sum_windows(isa, &windows, dy, weights, None, &mut dx[to..]);
    }
}

/// Sums over windows of an image, channel by channel.
struct Windows {
    /// Where the windows start and where their sums go.
    grid: Grid,
    taps: [usize; 2],
    /// Distance between rows of taps.
    row: usize,
    channels: usize,
    finish: Finish,
}

impl Windows {
    /// Panics unless every access lies within its slice.
    fn check(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>, y_len: usize) {
        let (first, last) = self.grid.last();
        assert!(last + self.channels <= y_len, "the result is too short");
        assert!(bias.is_none_or(|bias| bias.len() >= self.channels), "the bias is too short");
        if self.taps[0] * self.taps[1] > 0 {
            let window = (self.taps[0] - 1) * self.row + self.taps[1] * self.channels;
            assert!(first + window <= x.len(), "the image is too short");
            assert!(self.taps[0] * self.taps[1] * self.channels <= w.len(), "the weights are too short");
        }
    }
}

/// Windows that share every load of a weight.
const AT_ONCE: usize = 4;

for_each_isa! {
    fn sum_windows<S>(windows: &Windows, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let Grid { height, width, a, c } = windows.grid;
        for row in 0..height {
            for channel in (0..windows.channels).step_by(S::LANES) {
                let mask = S::first(windows.channels - channel);
                let start = match bias {
                    Some(bias) => S::load_masked(bias.as_ptr().add(channel), mask),
                    None => S::splat(0.0),
                };
                // SAFETY: the caller has checked the last window and its sum; lanes after the last channel
                // are masked.
                let x = x.as_ptr().add(row * a[0] + channel);
                let w = w.as_ptr().add(channel);
                let y = y.as_mut_ptr().add(row * c[0] + channel);
                let mut column = 0;
                while column + AT_ONCE <= width {
                    let (x, y) = (x.add(column * a[1]), y.add(column * c[1]));
                    sum_block::<S, AT_ONCE>(windows, x, w, start, mask, y);
                    column += AT_ONCE;
                }
                while column < width {
                    sum_block::<S, 1>(windows, x.add(column * a[1]), w, start, mask, y.add(column * c[1]));
                    column += 1;
                }
            }
        }
    }
}

/// The sums of `N` adjacent windows for one vector of channels.
#[expect(clippy::needless_range_loop, reason = "unrolled, for the sums to stay in registers")]
#[inline(always)]
unsafe fn sum_block<S: Simd, const N: usize>(
    windows: &Windows,
    x: *const f32,
    w: *const f32,
    start: S::V,
    mask: S::Mask,
    y: *mut f32,
) {
    unsafe {
        let (between, to) = (windows.grid.a[1], windows.grid.c[1]);
        let mut sums = [start; N];
        for kh in 0..windows.taps[0] {
            for kw in 0..windows.taps[1] {
                let tap = kh * windows.taps[1] + kw;
                let weight = S::load_masked(w.add(tap * windows.channels), mask);
                let x = x.add(kh * windows.row + kw * windows.channels);
                for i in 0..N {
                    sums[i] = S::fma(S::load_masked(x.add(i * between), mask), weight, sums[i]);
                }
            }
        }
        for i in 0..N {
            let y = y.add(i * to);
            let mut sum = sums[i];
            if windows.finish.accumulate {
                sum = S::add(sum, S::load_masked(y, mask));
            }
            if windows.finish.relu {
                sum = S::max(S::splat(0.0), sum);
            }
            S::store_masked(y, mask, sum);
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
