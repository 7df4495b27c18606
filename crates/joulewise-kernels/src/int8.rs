//! Integer inference: unsigned activations, signed weights, 32-bit sums, all exact on every instruction set.
//!
//! An activation is `(q − zero) · scale`, a weight `q · scale[channel]`. The border of an input image holds
//! its zero point. Buffers of activations must be [`SLACK`] bytes longer than their values: products read
//! four bytes at a time, and the weights after the last are zero.
#![allow(unsafe_code)]

mod depthwise;
mod pointwise;
mod tile;

pub use pointwise::{Affine, add, average_pool, global_average, max_pool};

use crate::conv::Conv;
use crate::image::Image;
use crate::isa::Isa;
use crate::packed::panels;
use crate::product::{Grid, Tiles};
use crate::tile::{Axis, MAX_ROWS, Reduction, max_rows};
use tile::{GROUP, MAX_COLUMNS, Operands, Sums};

/// Bytes that a buffer of activations must have after its last value.
pub const SLACK: usize = GROUP - 1;

/// Weights packed for integer products, with everything that is added to the sums.
#[derive(Clone, Debug)]
pub struct Weights {
    isa: Isa,
    /// Panels of columns; of each, groups of four terms, columns and terms within a group fastest. For
    /// depthwise convolutions the weights as they came.
    panels: Vec<i8>,
    /// `bias − zero · Σ w` of every column: what takes the input's zero point out of the sums.
    offsets: Vec<i32>,
}

/// What becomes of the sums.
#[derive(Debug)]
pub enum Output<'a> {
    /// `q = clamp(round(sum · scale[channel]) + zero)`, at least `lowest`.
    U8 {
        /// The quantised output.
        q: &'a mut [u8],
        /// Scale of the input times that of the weight over that of the output, for every channel.
        scale: &'a [f32],
        /// The output's zero point.
        zero: u8,
        /// The zero point for a fused activation, otherwise 0.
        lowest: u8,
    },
    /// `y = sum · scale[channel]`, clamped at zero with `relu`.
    F32 {
        /// The output.
        y: &'a mut [f32],
        /// Scale of the input times that of the weight, for every channel.
        scale: &'a [f32],
        /// Clamp at zero.
        relu: bool,
    },
}

/// Packs the weights `[kh][kw][cin / groups][cout]` of a convolution of an input with the zero point `zero`;
/// `bias` is in units of the sums.
pub fn pack_conv(isa: Isa, conv: &Conv, w: &[i8], bias: Option<&[i32]>, zero: u8) -> Weights {
    assert_eq!(w.len(), conv.weights(), "the weights' number");
    let channels = conv.output.channels;
    if conv.is_depthwise() {
        return Weights { isa, panels: w.to_vec(), offsets: offsets(channels, w, bias, zero) };
    }
    let (run, outputs) = (run(conv), channels / conv.groups);
    let mut panels = Vec::new();
    for group in 0..conv.groups {
        pack(isa, w.len() / channels / run, run, outputs, &mut panels, |r, c| {
            w[r * channels + group * outputs + c]
        });
    }
    Weights { isa, panels, offsets: offsets(channels, w, bias, zero) }
}

/// Packs the weights `[inputs][outputs]` of a linear layer; otherwise as [`pack_conv`].
pub fn pack_linear(
    isa: Isa,
    inputs: usize,
    outputs: usize,
    w: &[i8],
    bias: Option<&[i32]>,
    zero: u8,
) -> Weights {
    assert_eq!(w.len(), inputs * outputs, "the weights' number");
    let mut panels = Vec::new();
    pack(isa, 1, inputs, outputs, &mut panels, |r, c| w[r * outputs + c]);
    Weights { isa, panels, offsets: offsets(outputs, w, bias, zero) }
}

/// `x ∗ w` of one image. `x` has the layout `conv.input` in bytes plus [`SLACK`], its border filled with the
/// zero point; the output has the layout `conv.output`, of which the interior is written.
pub fn conv_forward(isa: Isa, conv: &Conv, x: &[u8], w: &Weights, mut output: Output) {
    assert!(x.len() >= conv.input.len() + SLACK, "the input is shorter than its image and the slack");
    assert_eq!(output.len(), conv.output.len(), "the output's length");
    assert_eq!([conv.output.height, conv.output.width], conv.output_size(), "the output's extent");
    assert!(conv.input.halo >= conv.padding[0].max(conv.padding[1]), "the border covers the padding");
    assert_eq!(w.isa, isa, "weights were packed for another instruction set");
    if conv.is_depthwise() {
        assert_eq!(w.panels.len(), conv.weights(), "weights of another convolution");
        return depthwise::forward(isa, conv, x, &w.panels, &w.offsets, &mut output);
    }
    let (inputs, outputs) = (conv.input.channels / conv.groups, conv.output.channels / conv.groups);
    let run = run(conv);
    let runs = conv.kernel[0] * conv.kernel[1] * inputs / run;
    let groups_of_run = run.div_ceil(GROUP);
    let runs_of_row = runs / conv.kernel[0];
    let reduction = Reduction {
        outer: Axis { count: conv.kernel[0], a: conv.input.row(), b: runs_of_row * groups_of_run },
        inner: Axis { count: runs_of_row, a: conv.input.channels, b: groups_of_run },
        step: Axis { count: groups_of_run, a: GROUP, b: 1 },
    };
    let grid = Grid {
        height: conv.output.height,
        width: conv.output.width,
        a: [conv.stride[0] * conv.input.row(), conv.stride[1] * conv.input.channels],
        c: [conv.output.row(), conv.output.channels],
    };
    let panels_of_group = w.panels.len() / conv.groups;
    for group in 0..conv.groups {
        product(
            isa,
            grid,
            reduction,
            outputs,
            &x[conv.window_start() + group * inputs..],
            &w.panels[group * panels_of_group..][..panels_of_group],
            &w.offsets,
            group * outputs,
            conv.output.offset(0, 0) + group * outputs,
            &mut output,
        );
    }
}

/// `x · w` of `rows` rows of `inputs` values plus [`SLACK`], into rows of `outputs` values.
pub fn linear_forward(
    isa: Isa,
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: &[u8],
    w: &Weights,
    mut output: Output,
) {
    assert!(x.len() >= rows * inputs + SLACK, "the input is shorter than its rows and the slack");
    assert_eq!(output.len(), rows * outputs, "the output's length");
    assert_eq!(w.isa, isa, "weights were packed for another instruction set");
    let step = Axis { count: inputs.div_ceil(GROUP), a: GROUP, b: 1 };
    let reduction = Reduction { outer: Axis::ONE, inner: Axis::ONE, step };
    let grid = Grid::line(rows, inputs, outputs);
    product(isa, grid, reduction, outputs, x, &w.panels, &w.offsets, 0, 0, &mut output);
}

/// The sums of one grid and group: columns from `first` on, stored from `start` on.
fn product(
    isa: Isa,
    grid: Grid,
    reduction: Reduction,
    columns: usize,
    x: &[u8],
    w: &[i8],
    offsets: &[i32],
    first: usize,
    start: usize,
    output: &mut Output,
) {
    isa.check();
    if grid.height * grid.width == 0 {
        return;
    }
    let depth = reduction.depth();
    let (a_last, b_last) = (grid.last().0 + reduction.last().0, reduction.last().1);
    assert!(a_last + GROUP <= x.len(), "the input is too short");
    assert!(b_last < depth, "the weights have too few rows");
    let mut sums: Sums = [[0; MAX_COLUMNS]; MAX_ROWS];
    for panel in panels(isa, columns) {
        let w = &w[panel.start * depth * GROUP..][..panel.width * depth * GROUP];
        let column = first + panel.start;
        let mut block = Tiles::new(grid, max_rows(isa, panel.vectors));
        while block.advance() {
            let mut operands = Operands {
                a: x.as_ptr(),
                a_rows: &block.a,
                b: w.as_ptr(),
                rows: block.len,
                width: panel.width,
                sums: &mut sums,
            };
            // SAFETY: the processor has the instruction set, and the last group of the last row lies within
            // the input and the weights, all just checked.
            unsafe { tile::tile(isa, block.len, panel.vectors)(&reduction, &mut operands) };
            let mut starts = block.c;
            for at in &mut starts[..block.len] {
                *at += start + panel.start;
            }
            let offsets = &offsets[column..column + panel.columns];
            finish(isa, &sums[..block.len], &starts, offsets, column, output);
        }
    }
}

/// Stores rows of sums of the channels from `first` on, as many as `offsets`, at `starts`.
fn finish(
    isa: Isa,
    sums: &[[i32; MAX_COLUMNS]],
    starts: &[usize],
    offsets: &[i32],
    first: usize,
    output: &mut Output,
) {
    match output {
        Output::U8 { q, scale, zero, lowest } => {
            tile::requantise(isa, sums, starts, offsets, &scale[first..], *zero, *lowest, q);
        }
        Output::F32 { y, scale, relu } => {
            tile::dequantise(isa, sums, starts, offsets, &scale[first..], *relu, y);
        }
    }
}

impl Output<'_> {
    fn len(&self) -> usize {
        match self {
            Self::U8 { q, .. } => q.len(),
            Self::F32 { y, .. } => y.len(),
        }
    }
}

/// Adjacent values of the input that a convolution sums over.
fn run(conv: &Conv) -> usize {
    let inputs = conv.input.channels / conv.groups;
    if conv.groups == 1 { conv.kernel[1] * inputs } else { inputs }
}

/// Appends panels of `runs` runs of `run` rows each, every run padded to whole groups.
fn pack(
    isa: Isa,
    runs: usize,
    run: usize,
    columns: usize,
    into: &mut Vec<i8>,
    value: impl Fn(usize, usize) -> i8,
) {
    for panel in panels(isa, columns) {
        for at in 0..runs {
            for group in (0..run).step_by(GROUP) {
                for column in 0..panel.width {
                    into.extend((group..group + GROUP).map(|r| {
                        if r < run && column < panel.columns {
                            value(at * run + r, panel.start + column)
                        } else {
                            0
                        }
                    }));
                }
            }
        }
    }
}

fn offsets(columns: usize, w: &[i8], bias: Option<&[i32]>, zero: u8) -> Vec<i32> {
    let mut offsets = bias.map_or_else(|| vec![0; columns], <[i32]>::to_vec);
    assert_eq!(offsets.len(), columns, "the bias's length");
    for row in w.chunks_exact(columns) {
        for (offset, w) in offsets.iter_mut().zip(row) {
            *offset -= i32::from(zero) * i32::from(*w);
        }
    }
    offsets
}

/// Fills the border of an image with its zero point.
pub fn fill_halo(image: Image, zero: u8, x: &mut [u8]) {
    let mut start = 0;
    for row in 0..image.height {
        let line = image.line(row);
        x[start..line.start].fill(zero);
        start = line.end;
    }
    x[start..image.len()].fill(zero);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::tests::conv;
    use crate::scalar::{conv_terms, random};
    use proptest::prelude::*;

    const X_ZERO: u8 = 7;
    const Y_ZERO: u8 = 120;

    fn signed(seed: u64, len: usize) -> Vec<i8> {
        random(seed, len).into_iter().map(|x| (x * 128.0) as i8).collect()
    }

    fn bytes(seed: u64, len: usize) -> Vec<u8> {
        random(seed, len + SLACK).into_iter().map(|x| (x * 127.0 + 128.0) as u8).collect()
    }

    /// The quantised value of a sum, by the definition.
    fn requantised(sum: i32, scale: f32, lowest: u8) -> u8 {
        let x = (sum as f32 * scale).round_ties_even() + f32::from(Y_ZERO);
        x.clamp(f32::from(lowest), 255.0) as u8
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn convolution_is_the_definition(conv in conv(), relu: bool) {
            let channels = conv.output.channels;
            let mut x = bytes(1, conv.input.len());
            fill_halo(conv.input, X_ZERO, &mut x);
            let (w, bias) = (signed(2, conv.weights()), signed(3, channels));
            let bias: Vec<_> = bias.into_iter().map(|b| i32::from(b) * 50).collect();
            let scale: Vec<_> = random(4, channels).iter().map(|x| 0.01 * x.abs() + 1e-4).collect();
            let mut sums = vec![0; conv.output.len()];
            for row in 0..conv.output.height {
                for (i, at) in conv.output.line(row).enumerate() {
                    sums[at] = bias[i % channels];
                }
            }
            for (x_at, w_at, y_at) in conv_terms(&conv) {
                sums[y_at] += (i32::from(x[x_at]) - i32::from(X_ZERO)) * i32::from(w[w_at]);
            }
            let lowest = if relu { Y_ZERO } else { 0 };
            for isa in Isa::available() {
                let packed = pack_conv(isa, &conv, &w, Some(&bias), X_ZERO);
                let mut q = vec![0; conv.output.len()];
                let output = Output::U8 { q: &mut q, scale: &scale, zero: Y_ZERO, lowest };
                conv_forward(isa, &conv, &x, &packed, output);
                let mut y = vec![0.0; conv.output.len()];
                conv_forward(isa, &conv, &x, &packed, Output::F32 { y: &mut y, scale: &scale, relu });
                for row in 0..conv.output.height {
                    for (i, at) in conv.output.line(row).enumerate() {
                        let scale = scale[i % channels];
                        prop_assert_eq!(q[at], requantised(sums[at], scale, lowest), "{} {:?}", isa, conv);
                        let expected = sums[at] as f32 * scale;
                        prop_assert_eq!(y[at], if relu { expected.max(0.0) } else { expected });
                    }
                }
            }
        }

        #[test]
        fn linear_is_the_definition(rows in 1..33usize, inputs in 1..200usize, outputs in 1..70usize) {
            let (x, w) = (bytes(1, rows * inputs), signed(2, inputs * outputs));
            let scale = vec![1.0; outputs];
            for isa in Isa::available() {
                let packed = pack_linear(isa, inputs, outputs, &w, None, X_ZERO);
                let mut y = vec![0.0; rows * outputs];
                let output = Output::F32 { y: &mut y, scale: &scale, relu: false };
                linear_forward(isa, rows, inputs, outputs, &x, &packed, output);
                for (i, y) in y.into_iter().enumerate() {
                    let (row, column) = (i / outputs, i % outputs);
                    let sum: i32 = (0..inputs)
                        .map(|k| {
                            let x = i32::from(x[row * inputs + k]) - i32::from(X_ZERO);
                            x * i32::from(w[k * outputs + column])
                        })
                        .sum();
                    prop_assert_eq!(y, sum as f32);
                }
            }
        }
    }
}
