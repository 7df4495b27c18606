//! Integer convolution with one input and one output channel in every group.

use super::Output;
use super::tile::MAX_COLUMNS;
use crate::conv::Conv;
use crate::int8::finish;
use crate::isa::Isa;
use crate::simd::for_each_isa;

/// Channels that are summed at once.
const BLOCK: usize = MAX_COLUMNS;

/// Weights are `[kh][kw][channels]`; lengths are checked by the caller.
pub(super) fn forward(isa: Isa, conv: &Conv, x: &[u8], w: &[i8], offsets: &[i32], output: &mut Output) {
    let channels = conv.output.channels;
    for row in 0..conv.output.height {
        for column in 0..conv.output.width {
            let window = conv.window_start()
                + row * conv.stride[0] * conv.input.row()
                + column * conv.stride[1] * channels;
            let to = conv.output.offset(row, column);
            for c in (0..channels).step_by(BLOCK) {
                let block = BLOCK.min(channels - c);
                let mut sums = [[0; BLOCK]];
                window_sums(isa, conv, &x[window + c..], &w[c..], &mut sums[0][..block]);
                finish(isa, &sums, &[to + c], &offsets[c..c + block], c, output);
            }
        }
    }
}

for_each_isa! {
    fn window_sums<S>(conv: &Conv, x: &[u8], w: &[i8], sums: &mut [i32]) {
        let channels = conv.output.channels;
        for kh in 0..conv.kernel[0] {
            for kw in 0..conv.kernel[1] {
                let x = &x[kh * conv.input.row() + kw * channels..][..sums.len()];
                let w = &w[(kh * conv.kernel[1] + kw) * channels..][..sums.len()];
                for ((sum, x), w) in sums.iter_mut().zip(x).zip(w) {
                    *sum += i32::from(*x) * i32::from(*w);
                }
            }
        }
    }
}
