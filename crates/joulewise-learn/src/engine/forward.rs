//! One image through one operation.

use joulewise_kernels::pool::Pool;
use joulewise_kernels::{Aligned, Conv, Image, Isa, batch_norm, elementwise};

use super::lower::{ImageKind, ImageOp, Program};
use super::parameter::PanelShape;
use crate::graph::Window;

/// Per-channel factors and offsets: what a batch normalisation does once its statistics are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Affine {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// Dropout's place in a training: absent in inference, where it is the identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DropoutKey {
    pub(crate) seed: u64,
    pub(crate) step: u64,
}

impl DropoutKey {
    /// The factor of the number `index` of a row: 0, or 1 / (1 - p).
    pub(crate) fn factor(self, key: u64, row: u64, index: usize, p: f32) -> f32 {
        let mut z = self.seed ^ key ^ self.step.rotate_left(32) ^ row.rotate_left(16);
        z = z.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32;
        if unit < p { 0.0 } else { 1.0 / (1.0 - p) }
    }
}

/// Runs `op` on the image in slot `at` of every value; `row` is its place in the batch.
pub(crate) fn forward(
    isa: Isa,
    program: &Program,
    op: &ImageOp,
    affines: &[Affine],
    dropout: Option<DropoutKey>,
    values: &mut [Aligned],
    at: usize,
    row: usize,
) {
    let (from, to) = (program.images[op.input], program.images[op.output]);
    let mut out = std::mem::take(&mut values[op.output]);
    let y = &mut out[at * to.len()..][..to.len()];
    let x = &values[op.input][at * from.len()..][..from.len()];
    match op.kind {
        ImageKind::Conv { panels, bias, relu } => {
            let panels = &program.panels[panels];
            let bias = bias.map(|b| &program.parameters[b].data[..]);
            conv(&panels.shape).forward(isa, x, &panels.forward, bias, relu, y);
        }
        ImageKind::Norm { norm, relu } => {
            let Affine { scale, shift } = &affines[norm];
            batch_norm::scale_shift(isa, from, x, scale, shift, relu, to, y);
        }
        ImageKind::Relu => elementwise::relu_image(isa, from, x, to, y),
        ImageKind::MaxPool { window, .. } => pool_of(from, to, window).max_forward(isa, x, y),
        ImageKind::AvgPool(window) => pool_of(from, to, window).average_forward(isa, x, y),
        ImageKind::GlobalAvgPool => pool_of(from, to, whole(from)).average_forward(isa, x, y),
        ImageKind::Add { other, relu, .. } => {
            let layout = program.images[other];
            let z = &values[other][at * layout.len()..][..layout.len()];
            elementwise::add_image(isa, from, x, layout, z, relu, to, y);
        }
        ImageKind::Dropout { p, key } => {
            elementwise::copy_image(from, x, to, y);
            if let Some(dropout) = dropout {
                drop_out(dropout, key, row, p, to, y);
            }
        }
    }
    values[op.output] = out;
}

/// Zeroes a share `p` of the interior of `image` and rescales the rest.
pub(crate) fn drop_out(dropout: DropoutKey, key: u64, row: usize, p: f32, layout: Image, image: &mut [f32]) {
    let width = layout.width * layout.channels;
    for y in 0..layout.height {
        let line = &mut image[layout.line(y)];
        for (x, value) in line.iter_mut().enumerate() {
            *value *= dropout.factor(key, row as u64, y * width + x, p);
        }
    }
}

pub(crate) fn conv(shape: &PanelShape) -> &Conv {
    match shape {
        PanelShape::Conv(pair) => &pair.forward,
        PanelShape::Linear { .. } => unreachable!("the panels of a convolution are a convolution's"),
    }
}

pub(crate) fn pool_of(input: Image, output: Image, window: Window) -> Pool {
    let Window { kernel, stride, padding } = window;
    Pool { input, output, kernel, stride, padding }
}

/// The window of a global pool.
pub(crate) fn whole(image: Image) -> Window {
    let kernel = [image.height, image.width];
    Window { kernel, stride: kernel, padding: [0; 2] }
}
