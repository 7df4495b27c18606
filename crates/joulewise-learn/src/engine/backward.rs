//! The gradient of one image through one operation.

use joulewise_kernels::{Aligned, Conv, Isa, batch_norm, elementwise};

use super::forward::{Affine, DropoutKey, conv, drop_out, pool_of, whole};
use super::lower::{ImageKind, ImageOp, Program};
use super::parameter::PanelShape;

/// What a batch normalisation keeps of the forward pass, and its input's gradient
/// `dx = a · dy + b · x + c` once the sums over the batch are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct NormBackward {
    pub(crate) mean: Vec<f64>,
    /// `1 / √(variance + ε)`.
    pub(crate) deviation: Vec<f64>,
    pub(crate) coefficients: [Vec<f32>; 4],
}

/// The memory that a backward pass over one chunk works on.
pub(crate) struct Scope<'a> {
    pub(crate) values: &'a [Aligned],
    pub(crate) gradients: &'a mut [Aligned],
    /// Sums over the chunk, by parameter.
    pub(crate) parameters: &'a mut [Aligned],
    /// One image, for gradients that must be added to others.
    pub(crate) scratch: &'a mut Aligned,
}

/// Takes the gradient of the output of `op`, for the image in slot `at`, back to its input(s) and
/// adds to the gradients of its parameters. `needs_input` is false where nobody reads the result.
pub(crate) fn backward(
    isa: Isa,
    program: &Program,
    op: &ImageOp,
    affines: &[Affine],
    norms: &[NormBackward],
    dropout: Option<DropoutKey>,
    memory: &mut Scope<'_>,
    at: usize,
    row: usize,
    needs_input: bool,
) {
    let (from, to) = (program.images[op.input], program.images[op.output]);
    let (from_gradient, to_gradient) = (program.gradients[op.input], program.gradients[op.output]);
    let slot = |value: usize| if program.shared_gradient[value] { 0 } else { at };
    let mut out = std::mem::take(&mut memory.gradients[op.output]);
    let dy = &mut out[slot(op.output) * to_gradient.len()..][..to_gradient.len()];
    let y = &memory.values[op.output][at * to.len()..][..to.len()];
    let x = &memory.values[op.input][at * from.len()..][..from.len()];

    if let (false, ImageKind::Conv { relu: true, .. } | ImageKind::Add { relu: true, .. }) =
        (op.masked, &op.kind)
    {
        for line in 0..to.height {
            let (y, dy) = (&y[to.line(line)], &mut dy[to_gradient.line(line)]);
            elementwise::relu_backward_in_place(isa, y, dy);
        }
    }
    if let ImageKind::Conv { panels, bias, .. } = op.kind {
        let panels = &program.panels[panels];
        let both = Conv { output: to_gradient, ..*conv(&panels.shape) };
        if let Some(bias) = bias {
            both.backward_bias(isa, dy, &mut memory.parameters[bias]);
        }
        both.backward_weights(isa, x, dy, &mut memory.parameters[panels.parameter]);
    }
    if let ImageKind::Add { other, accumulate_other, .. } = op.kind {
        let layout = program.gradients[other];
        let dz = &mut memory.gradients[other][slot(other) * layout.len()..][..layout.len()];
        if accumulate_other {
            elementwise::add_assign_image(isa, to_gradient, dy, layout, dz);
        } else {
            elementwise::copy_image(to_gradient, dy, layout, dz);
        }
    }
    if needs_input {
        let mut input = std::mem::take(&mut memory.gradients[op.input]);
        let dx = &mut input[slot(op.input) * from_gradient.len()..][..from_gradient.len()];
        let accumulate = op.accumulate;
        match op.kind {
            ImageKind::Conv { panels, .. } => {
                let panels = &program.panels[panels];
                let (PanelShape::Conv(pair), Some(packed)) = (&panels.shape, &panels.backward) else {
                    unreachable!("a convolution whose input has a gradient is packed for it")
                };
                pair.backward.backward_data(isa, dy, packed, accumulate, dx);
            }
            ImageKind::Norm { norm, relu } => {
                let coefficients = norms[norm].coefficients.each_ref().map(Vec::as_slice);
                let Affine { scale, shift } = &affines[norm];
                let active = relu.then_some([&scale[..], &shift[..]]);
                let input_gradient = |into: &mut [f32]| {
                    batch_norm::input_gradient(
                        isa,
                        from,
                        x,
                        to_gradient,
                        dy,
                        active,
                        coefficients,
                        from_gradient,
                        into,
                    );
                };
                if accumulate {
                    memory.scratch.resize(from_gradient.len());
                    let more = &mut memory.scratch[..from_gradient.len()];
                    input_gradient(more);
                    elementwise::add_assign_image(isa, from_gradient, more, from_gradient, dx);
                } else {
                    input_gradient(dx);
                }
            }
            ImageKind::Relu => {
                elementwise::relu_backward_image(isa, to, y, to_gradient, dy, accumulate, from_gradient, dx);
            }
            ImageKind::MaxPool { window, mask } => {
                let (dy_halo, dx_halo) = (to_gradient.halo, from_gradient.halo);
                let pool = pool_of(from, to, window);
                pool.max_backward(isa, x, y, dy_halo, dy, mask, accumulate, dx_halo, dx);
            }
            ImageKind::AvgPool(window) => {
                let (dy_halo, dx_halo) = (to_gradient.halo, from_gradient.halo);
                pool_of(from, to, window).average_backward(isa, dy_halo, dy, accumulate, dx_halo, dx);
            }
            ImageKind::GlobalAvgPool => {
                let (dy_halo, dx_halo) = (to_gradient.halo, from_gradient.halo);
                pool_of(from, to, whole(from)).average_backward(isa, dy_halo, dy, accumulate, dx_halo, dx);
            }
            ImageKind::Add { .. } if accumulate => {
                elementwise::add_assign_image(isa, to_gradient, dy, from_gradient, dx);
            }
            ImageKind::Add { .. } => elementwise::copy_image(to_gradient, dy, from_gradient, dx),
            ImageKind::Dropout { p, key } => {
                if let Some(dropout) = dropout {
                    drop_out(dropout, key, row, p, to_gradient, dy);
                }
                if accumulate {
                    elementwise::add_assign_image(isa, to_gradient, dy, from_gradient, dx);
                } else {
                    elementwise::copy_image(to_gradient, dy, from_gradient, dx);
                }
            }
        }
        memory.gradients[op.input] = input;
    }
    memory.gradients[op.output] = out;
}
