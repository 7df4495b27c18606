//! Convolution of one image, and its gradients.

use crate::depthwise;
use crate::elementwise;
use crate::image::Image;
use crate::isa::Isa;
use crate::packed::{Packed, packed_len};
use crate::product::{Columns, Grid, Product};
use crate::tile::{Axis, Finish, Reduction};

/// The geometry of a convolution. Weights are `[kh][kw][cin / groups][cout]`, `cout` fastest.
///
/// The input needs a zero border of at least the padding. Kernels write the interior of the output only;
/// its border is for the next layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Layout of the input; its border is at least the padding.
    pub input: Image,
    /// Layout of the output, of any border.
    pub output: Image,
    /// Extent of the window, (vertical, horizontal).
    pub kernel: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub padding: [usize; 2],
    /// Channel groups; both numbers of channels are divisible by it.
    pub groups: usize,
}

/// Input positions of one dimension that meet the same taps of the window: those whose position, with the
/// padding, has the same remainder by the stride.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    /// The first input position, the others follow at the distance of the stride.
    pub(crate) first: usize,
    /// Number of input positions.
    pub(crate) count: usize,
    /// The first tap of the window, the others follow at the distance of the stride.
    pub(crate) tap: usize,
    /// Number of taps.
    pub(crate) taps: usize,
    /// Output position that meets the first input position by the last tap; may lie in the border.
    origin: isize,
}

impl Conv {
    /// The output's extent for the input's, (height, width).
    pub fn output_size(&self) -> [usize; 2] {
        let size = [self.input.height, self.input.width];
        std::array::from_fn(|d| (size[d] + 2 * self.padding[d] - self.kernel[d]) / self.stride[d] + 1)
    }

    /// Number of weights.
    pub fn weights(&self) -> usize {
        self.taps() * self.group_in() * self.output.channels
    }

    /// Multiplications with an addition for one image.
    pub fn macs(&self) -> usize {
        self.output.pixels() * self.weights()
    }

    /// The zero border that [`Conv::backward_data`] needs around the output's gradient.
    pub fn backward_halo(&self) -> usize {
        let reach = |d| {
            self.phases(d).filter(|phase| phase.taps > 0 && phase.count > 0).map(move |phase| {
                let last = phase.origin + (phase.taps + phase.count) as isize - 2;
                (-phase.origin).max(last + 1 - self.output_size()[d] as isize).max(0) as usize
            })
        };
        reach(0).chain(reach(1)).max().unwrap_or(0)
    }

    /// Packs the weights for [`Conv::forward`].
    pub fn pack_forward(&self, isa: Isa, w: &[f32], into: &mut Packed) {
        self.check_weights(w);
        if self.is_depthwise() {
            return into.copy(isa, w);
        }
        let (depth, columns) = (self.taps() * self.group_in(), self.group_out());
        into.reset(isa, self.groups * packed_len(isa, depth, columns));
        for group in 0..self.groups {
            let at = group * packed_len(isa, depth, columns);
            let w = &w[group * columns..];
            into.fill(at, depth, columns, 0..depth, w, [self.output.channels, 1]);
        }
    }

    /// Packs the weights for [`Conv::backward_data`].
    pub fn pack_backward(&self, isa: Isa, w: &[f32], into: &mut Packed) {
        self.check_weights(w);
        if self.is_depthwise() {
            return depthwise::pack_backward(isa, self, w, into);
        }
        let (inputs, outputs) = (self.group_in(), self.group_out());
        let blocks = self.phase_pairs().map(|(y, x)| packed_len(isa, y.taps * x.taps * outputs, inputs));
        into.reset(isa, self.groups * blocks.sum::<usize>());
        let mut at = 0;
        for (y, x) in self.phase_pairs() {
            let depth = y.taps * x.taps * outputs;
            for group in 0..self.groups {
                for tap in 0..y.taps * x.taps {
                    // Ascending output positions meet an input by descending taps.
                    let kh = y.tap + (y.taps - 1 - tap / x.taps) * self.stride[0];
                    let kw = x.tap + (x.taps - 1 - tap % x.taps) * self.stride[1];
                    let first = (kh * self.kernel[1] + kw) * inputs * self.output.channels + group * outputs;
                    let rows = tap * outputs..(tap + 1) * outputs;
                    into.fill(at, depth, inputs, rows, &w[first..], [1, self.output.channels]);
                }
                at += packed_len(isa, depth, inputs);
            }
        }
    }

    /// `y = x ∗ w (+ bias)`, clamped at zero with `relu`, for one image.
    ///
    /// `x` and `y` have the layouts `input` and `output`; `bias` has one value for each output channel.
    pub fn forward(&self, isa: Isa, x: &[f32], w: &Packed, bias: Option<&[f32]>, relu: bool, y: &mut [f32]) {
        self.check(x, y);
        if self.is_depthwise() {
            return depthwise::forward(isa, self, x, w, bias, relu, y);
        }
        let (inputs, outputs) = (self.group_in(), self.group_out());
        let depth = self.taps() * inputs;
        for group in 0..self.groups {
            let panels = w.panels_at(isa, group * packed_len(isa, depth, outputs), depth, outputs);
            Product {
                isa,
                grid: self.output_grid(),
                reduction: self.window(self.input, self.kernel, inputs),
                columns: outputs,
                a: &x[self.window_start() + group * inputs..],
                b: Columns::Packed { panels, depth, first: 0 },
                bias: bias.map(|bias| &bias[group * outputs..]),
                finish: Finish { accumulate: false, relu },
            }
            .run(&mut y[self.output.offset(0, 0) + group * outputs..]);
        }
    }

    /// The input's gradient of one image: `dx (+)= dy ∗ wᵀ`, into the interior of `dx`.
    ///
    /// `dy` has the layout `output`, whose border must be zero and at least [`Conv::backward_halo`].
    pub fn backward_data(&self, isa: Isa, dy: &[f32], w: &Packed, accumulate: bool, dx: &mut [f32]) {
        self.check(dx, dy);
        let halo = self.output.halo;
        assert!(halo >= self.backward_halo(), "the gradient's border is narrower than the window's reach");
        if self.is_depthwise() {
            return depthwise::backward_data(isa, self, dy, w, accumulate, dx);
        }
        let (inputs, outputs) = (self.group_in(), self.group_out());
        let mut at = 0;
        for (y, x) in self.phase_pairs() {
            let depth = y.taps * x.taps * outputs;
            for group in 0..self.groups {
                let panels = w.panels_at(isa, at, depth, inputs);
                at += packed_len(isa, depth, inputs);
                if y.count == 0 || x.count == 0 {
                    continue;
                }
                Product {
                    isa,
                    grid: self.phase_grid(y, x),
                    reduction: self.window(self.output, [y.taps, x.taps], outputs),
                    columns: inputs,
                    a: &dy[self.phase_start(y, x) + group * outputs..],
                    b: Columns::Packed { panels, depth, first: 0 },
                    bias: None,
                    finish: Finish { accumulate, relu: false },
                }
                .run(&mut dx[self.input.offset(y.first, x.first) + group * inputs..]);
            }
        }
    }

    /// The weights' gradient: `dw += Σ xᵀ · dy` over the images in `x` and `dy`, one or several of them
    /// one after the other, in the layouts `input` and `output`.
    pub fn backward_weights(&self, isa: Isa, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        self.check_weights(dw);
        let images = x.len() / self.input.len();
        assert_eq!(x.len(), images * self.input.len(), "the input is no whole number of images");
        assert_eq!(dy.len(), images * self.output.len(), "as many gradients as inputs");
        if images == 0 {
            return;
        }
        self.check(&x[..self.input.len()], &dy[..self.output.len()]);
        if self.is_depthwise() {
            for (x, dy) in x.chunks_exact(self.input.len()).zip(dy.chunks_exact(self.output.len())) {
                depthwise::backward_weights(isa, self, x, dy, dw);
            }
            return;
        }
        // The gradients of a strip must stay in the cache while every row of weights passes by.
        let rows = (STRIP_PIXELS / self.output.width).clamp(1, self.output.height);
        let strips = self.output.height.div_ceil(rows);
        let at_once = if strips == 1 { (STRIP_PIXELS / self.output.pixels()).clamp(1, images) } else { 1 };
        for first in (0..images).step_by(at_once) {
            let count = at_once.min(images - first);
            for y in (0..self.output.height).step_by(rows) {
                let height = rows.min(self.output.height - y);
                self.backward_weights_strip(isa, first, count, y, height, x, dy, dw);
            }
        }
    }

    fn backward_weights_strip(
        &self,
        isa: Isa,
        image: usize,
        images: usize,
        y: usize,
        height: usize,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
    ) {
        let (inputs, outputs) = (self.group_in(), self.group_out());
        let (in_row, channels) = (self.input.row(), self.output.channels);
        let out_pixels_of_row = self.output.row() / channels;
        let out_pixels_of_image = self.output.len() / channels;
        let reduction = Reduction {
            outer: Axis { count: images, a: self.input.len(), b: out_pixels_of_image },
            inner: Axis { count: height, a: self.stride[0] * in_row, b: out_pixels_of_row },
            step: Axis { count: self.output.width, a: self.stride[1] * self.input.channels, b: 1 },
        };
        let a_start = image * self.input.len() + self.window_start() + y * self.stride[0] * in_row;
        let b_start = image * self.output.len() + self.output.offset(y, 0);
        let taps_of_row = self.kernel[1] * inputs;
        for group in 0..self.groups {
            let product = |grid, a_offset: usize| Product {
                isa,
                grid,
                reduction,
                columns: outputs,
                a: &x[a_start + group * inputs + a_offset..],
                b: Columns::Rows(&dy[b_start + group * outputs..], channels),
                bias: None,
                finish: Finish { accumulate: true, relu: false },
            };
            if self.groups == 1 {
                // A row of the window is one run of values.
                let grid = Grid {
                    height: self.kernel[0],
                    width: taps_of_row,
                    a: [in_row, 1],
                    c: [taps_of_row * channels, channels],
                };
                product(grid, 0).run(dw);
                continue;
            }
            for kh in 0..self.kernel[0] {
                let grid = Grid {
                    height: self.kernel[1],
                    width: inputs,
                    a: [self.input.channels, 1],
                    c: [inputs * channels, channels],
                };
                let start = kh * taps_of_row * channels + group * outputs;
                product(grid, kh * in_row).run(&mut dw[start..]);
            }
        }
    }

    /// The bias's gradient of one image: `db += Σ dy` over the interior, for each channel.
    pub fn backward_bias(&self, isa: Isa, dy: &[f32], db: &mut [f32]) {
        elementwise::add_channel_sums(isa, self.output, dy, db);
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    fn group_in(&self) -> usize {
        self.input.channels / self.groups
    }

    fn group_out(&self) -> usize {
        self.output.channels / self.groups
    }

    pub(crate) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.group_in() == 1 && self.group_out() == 1
    }

    /// Position of the first window in the input.
    pub(crate) fn window_start(&self) -> usize {
        let halo = self.input.halo;
        (halo - self.padding[0]) * self.input.row() + (halo - self.padding[1]) * self.input.channels
    }

    /// The sum over a window of `taps` in `image`, with `depth` channels of each pixel.
    fn window(&self, image: Image, taps: [usize; 2], depth: usize) -> Reduction {
        let outer = Axis { count: taps[0], a: image.row(), b: taps[1] * depth };
        if self.groups == 1 {
            return Reduction { outer, inner: Axis::ONE, step: Axis { count: taps[1] * depth, a: 1, b: 1 } };
        }
        Reduction {
            outer,
            inner: Axis { count: taps[1], a: image.channels, b: depth },
            step: Axis { count: depth, a: 1, b: 1 },
        }
    }

    /// The windows of the input and where their sums go.
    pub(crate) fn output_grid(&self) -> Grid {
        Grid {
            height: self.output.height,
            width: self.output.width,
            a: [self.stride[0] * self.input.row(), self.stride[1] * self.input.channels],
            c: [self.output.row(), self.output.channels],
        }
    }

    /// The windows of the output's gradient that a pair of phases sums over, and where their sums go.
    pub(crate) fn phase_grid(&self, y: Phase, x: Phase) -> Grid {
        Grid {
            height: y.count,
            width: x.count,
            a: [self.output.row(), self.output.channels],
            c: [self.stride[0] * self.input.row(), self.stride[1] * self.input.channels],
        }
    }

    /// Position of the first window of a pair of phases in the output's gradient; any where there are no
    /// taps.
    pub(crate) fn phase_start(&self, y: Phase, x: Phase) -> usize {
        if y.taps * x.taps == 0 {
            return 0;
        }
        let [row, column] = [y, x].map(|phase| (self.output.halo as isize + phase.origin) as usize);
        row * self.output.row() + column * self.output.channels
    }

    fn phases(&self, dimension: usize) -> impl Iterator<Item = Phase> + Clone + use<> {
        let size = [self.input.height, self.input.width][dimension];
        let (kernel, stride) = (self.kernel[dimension], self.stride[dimension]);
        let padding = self.padding[dimension];
        (0..stride).map(move |tap| {
            let taps = kernel.saturating_sub(tap).div_ceil(stride);
            let first = (tap + stride - padding % stride) % stride;
            let count = size.saturating_sub(first).div_ceil(stride);
            let met_by_first_tap = (first + padding) as isize - tap as isize;
            let origin = met_by_first_tap / stride as isize - (taps as isize - 1);
            Phase { first, count, tap, taps, origin }
        })
    }

    /// All pairs of a vertical and a horizontal phase.
    pub(crate) fn phase_pairs(&self) -> impl Iterator<Item = (Phase, Phase)> + use<> {
        let columns = self.phases(1);
        self.phases(0).flat_map(move |y| columns.clone().map(move |x| (y, x)))
    }

    fn check(&self, input: &[f32], output: &[f32]) {
        assert!(self.input.channels.is_multiple_of(self.groups), "input channels are divisible by groups");
        assert!(self.output.channels.is_multiple_of(self.groups), "output channels are divisible by groups");
        assert_eq!([self.output.height, self.output.width], self.output_size(), "the output's extent");
        assert!(self.input.halo >= self.padding[0].max(self.padding[1]), "the border covers the padding");
        assert_eq!(input.len(), self.input.len(), "the input's length");
        assert_eq!(output.len(), self.output.len(), "the output's length");
    }

    fn check_weights(&self, w: &[f32]) {
        assert_eq!(w.len(), self.weights(), "the weights' number");
    }
}

/// Pixels that a weight gradient sums before it adds them to memory.
const STRIP_PIXELS: usize = 256;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::scalar::{assert_close, conv_terms, random, random_image};
    use proptest::prelude::*;

    /// Geometries with all kinds of leftovers: odd channels, strides that miss the end, wide borders.
    pub(crate) fn conv() -> impl Strategy<Value = Conv> {
        let channels = prop::sample::select(vec![1, 2, 3, 5, 16, 17, 24, 33, 40, 56]);
        let groups = prop::sample::select(vec![1, 1, 1, 2, 3]);
        let sizes = ((1..=3usize, 1..=5usize), (1..=3usize, 1..=3usize), (0..=2usize, 0..=2usize));
        let extent = (1..=9usize, 1..=33usize, 0..=2usize, 0..=1usize);
        (channels.clone(), channels, groups, sizes, extent, any::<bool>()).prop_filter_map(
            "the window fits",
            |(inputs, outputs, groups, (kernel, stride, padding), extent, depthwise)| {
                let (height, width, halo_in, halo_out) = extent;
                let (inputs, outputs, groups) = match (groups, depthwise) {
                    (1, _) => (inputs, outputs, 1),
                    (_, true) => (inputs, inputs, inputs),
                    _ => (inputs.min(17) * groups, outputs.min(17) * groups, groups),
                };
                let [kernel, stride, padding] = [kernel, stride, padding].map(|(y, x)| [y, x]);
                let fits = (height + 2 * padding[0] >= kernel[0]) && (width + 2 * padding[1] >= kernel[1]);
                let halo = halo_in.max(padding[0]).max(padding[1]);
                let input = Image { height, width, channels: inputs, halo };
                fits.then(|| {
                    let mut conv = Conv { input, output: input, kernel, stride, padding, groups };
                    let [height, width] = conv.output_size();
                    conv.output = Image { height, width, channels: outputs, halo: 0 };
                    conv.output.halo = conv.backward_halo() + halo_out;
                    conv
                })
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn forward_is_the_definition(conv in conv(), relu: bool, with_bias: bool) {
            let x = random_image(1, conv.input);
            let w = random(2, conv.weights());
            let bias = with_bias.then(|| random(3, conv.output.channels));
            let mut expected = vec![0.0; conv.output.len()];
            for (x_at, w_at, y_at) in conv_terms(&conv) {
                expected[y_at] += f64::from(x[x_at]) * f64::from(w[w_at]);
            }
            for row in 0..conv.output.height {
                for at in conv.output.line(row) {
                    let channel = (at - conv.output.line(row).start) % conv.output.channels;
                    expected[at] += bias.as_ref().map_or(0.0, |bias| f64::from(bias[channel]));
                    expected[at] = if relu { expected[at].max(0.0) } else { expected[at] };
                }
            }
            for isa in Isa::available() {
                let mut packed = Packed::new();
                conv.pack_forward(isa, &w, &mut packed);
                let mut y = vec![0.0; conv.output.len()];
                conv.forward(isa, &x, &packed, bias.as_deref(), relu, &mut y);
                assert_close(&format!("{isa} {conv:?}"), &y, &expected, 1e-4);
            }
        }

        #[test]
        fn gradients_are_the_definition(conv in conv(), accumulate: bool, images in 1..=3usize) {
            let w = random(2, conv.weights());
            let x: Vec<_> = (0..images).flat_map(|i| random_image(10 + i as u64, conv.input)).collect();
            let dy: Vec<_> = (0..images).flat_map(|i| random_image(20 + i as u64, conv.output)).collect();
            let before = random_image(4, conv.input);
            let mut dx = vec![0.0; conv.input.len()];
            let mut dw: Vec<_> = random(5, conv.weights()).iter().map(|&x| f64::from(x)).collect();
            if accumulate {
                dx = before.iter().map(|&x| f64::from(x)).collect();
            }
            for (x_at, w_at, y_at) in conv_terms(&conv) {
                dx[x_at] += f64::from(dy[y_at]) * f64::from(w[w_at]);
                for i in 0..images {
                    let (x, dy) = (x[i * conv.input.len() + x_at], dy[i * conv.output.len() + y_at]);
                    dw[w_at] += f64::from(x) * f64::from(dy);
                }
            }
            for isa in Isa::available() {
                let what = format!("{isa} {conv:?}");
                let mut packed = Packed::new();
                conv.pack_backward(isa, &w, &mut packed);
                let mut actual = before.clone();
                conv.backward_data(isa, &dy[..conv.output.len()], &packed, accumulate, &mut actual);
                assert_close(&what, &actual, &dx, 1e-4);
                let mut actual = random(5, conv.weights());
                conv.backward_weights(isa, &x, &dy, &mut actual);
                assert_close(&what, &actual, &dw, 1e-4);
            }
        }
    }

    #[test]
    fn a_border_of_the_window_less_the_padding_serves_the_gradient() {
        let input = Image { height: 12, width: 12, channels: 2, halo: 2 };
        let conv = Conv {
            input,
            output: Image { halo: 0, ..input },
            kernel: [5, 5],
            stride: [1, 1],
            padding: [2, 2],
            groups: 1,
        };
        assert_eq!(conv.backward_halo(), 2);
        assert_eq!(Conv { kernel: [3, 3], padding: [1, 1], ..conv }.backward_halo(), 1);
        assert_eq!(Conv { kernel: [1, 1], padding: [0, 0], ..conv }.backward_halo(), 0);
    }

    #[test]
    #[should_panic(expected = "another instruction set")]
    fn weights_of_another_instruction_set_are_refused() {
        let image = Image { height: 4, width: 4, channels: 1, halo: 0 };
        let conv =
            Conv { input: image, output: image, kernel: [1, 1], stride: [1, 1], padding: [0, 0], groups: 1 };
        let mut packed = Packed::new();
        conv.pack_forward(Isa::detect(), &[1.0], &mut packed);
        let other = if Isa::detect() == Isa::Portable { Isa::Avx2 } else { Isa::Portable };
        conv.forward(other, &[0.0; 16], &packed, None, false, &mut [0.0; 16]);
    }
}
