//! Operations on rows of features, forward and backward, for a whole batch.

use joulewise_kernels::{elementwise, gemm};

use super::Cpu;
use super::chunk::Chunk;
use super::forward::DropoutKey;
use super::lower::{Program, VectorKind, VectorOp};

/// Features whose weight gradients are one piece of work: a multiple of the kernels' tiles.
const FEATURES_PER_PIECE: usize = 224;

/// Runs `op` on `rows` rows; images are read from `flattened`, which writes one row of an image value.
pub(crate) fn forward(
    cpu: &Cpu,
    program: &Program,
    op: &VectorOp,
    dropout: Option<DropoutKey>,
    vectors: &mut [Vec<f32>],
    rows: usize,
    flattened: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    let isa = cpu.isa;
    let width = program.vectors[op.output];
    let mut out = std::mem::take(&mut vectors[op.output]);
    let y = &mut out[..rows * width];
    let per_piece = rows.div_ceil(cpu.threads()).max(1);
    let x = |piece: usize, count: usize| {
        let width = program.vectors[op.input];
        &vectors[op.input][piece * per_piece * width..][..count * width]
    };
    match op.kind {
        VectorKind::Flatten => cpu.pieces(y, per_piece * width, |piece, y| {
            for (i, row) in y.chunks_mut(width).enumerate() {
                flattened(op.input, piece * per_piece + i, row);
            }
        }),
        VectorKind::Linear { panels, bias, relu } => {
            let features = program.vectors[op.input];
            let packed = &program.panels[panels].forward;
            let bias = bias.map(|b| &program.parameters[b].data[..]);
            cpu.pieces(y, per_piece * width, |piece, y| {
                let count = y.len() / width;
                gemm::linear_forward(isa, count, features, width, x(piece, count), packed, bias, relu, y);
            });
        }
        VectorKind::Relu => {
            y.copy_from_slice(&vectors[op.input][..rows * width]);
            elementwise::relu_in_place(isa, y);
        }
        VectorKind::Add { other, .. } => {
            y.copy_from_slice(&vectors[op.input][..rows * width]);
            elementwise::add_assign(isa, &vectors[other][..rows * width], y);
        }
        VectorKind::Dropout { p, key } => {
            y.copy_from_slice(&vectors[op.input][..rows * width]);
            if let Some(dropout) = dropout {
                drop_out(dropout, key, p, width, y);
            }
        }
        VectorKind::Softmax => {
            y.copy_from_slice(&vectors[op.input][..rows * width]);
            y.chunks_mut(width).for_each(softmax);
        }
    }
    vectors[op.output] = out;
}

/// Takes the gradient of the output of `op` back to its input(s) and parameters.
pub(crate) fn backward(
    cpu: &Cpu,
    program: &Program,
    op: &VectorOp,
    dropout: Option<DropoutKey>,
    vectors: &[Vec<f32>],
    gradients: &mut [Vec<f32>],
    parameters: &mut [Vec<f32>],
    chunks: &mut [Chunk],
    rows: usize,
) {
    let isa = cpu.isa;
    let width = program.vectors[op.output];
    let y = &vectors[op.output];
    let mut dy = std::mem::take(&mut gradients[op.output]);
    if let VectorKind::Flatten = op.kind {
        if op.input == 0 {
            // The network's input: nobody asks for its gradient.
            gradients[op.output] = dy;
            return;
        }
        let layout = program.gradients[op.input];
        cpu.each(chunks, |_, chunk| {
            for (i, row) in chunk.rows.clone().enumerate() {
                let image = &mut chunk.gradients[op.input][i * layout.len()..][..layout.len()];
                let flat = layout.with_halo(0);
                let dy = &dy[row * width..][..width];
                if op.accumulate {
                    elementwise::add_assign_image(isa, flat, dy, layout, image);
                } else {
                    elementwise::copy_image(flat, dy, layout, image);
                }
            }
        });
        gradients[op.output] = dy;
        return;
    }
    if let VectorKind::Linear { panels, bias, relu } = op.kind {
        let features = program.vectors[op.input];
        let x = &vectors[op.input];
        if relu {
            elementwise::relu_backward_in_place(isa, y, &mut dy);
        }
        if let Some(bias) = bias {
            parameters[bias].fill(0.0);
            gemm::linear_backward_bias(width, &dy, &mut parameters[bias]);
        }
        let weight = program.panels[panels].parameter;
        cpu.pieces(&mut parameters[weight], FEATURES_PER_PIECE * width, |piece, dw| {
            let start = piece * FEATURES_PER_PIECE;
            let range = start..start + dw.len() / width;
            gemm::linear_backward_weights(isa, rows, features, width, x, &dy, range, dw);
        });
        if let Some(packed) = &program.panels[panels].backward {
            let per_piece = rows.div_ceil(cpu.threads()).max(1);
            cpu.pieces(&mut gradients[op.input], per_piece * features, |piece, dx| {
                let count = dx.len() / features;
                let dy = &dy[piece * per_piece * width..][..count * width];
                if op.accumulate {
                    let mut more = vec![0.0; dx.len()];
                    gemm::linear_backward_data(isa, count, features, width, dy, packed, &mut more);
                    elementwise::add_assign(isa, &more, dx);
                } else {
                    gemm::linear_backward_data(isa, count, features, width, dy, packed, dx);
                }
            });
        }
        gradients[op.output] = dy;
        return;
    }
    let mut dx = dy.clone();
    match op.kind {
        VectorKind::Relu => elementwise::relu_backward_in_place(isa, y, &mut dx),
        VectorKind::Dropout { p, key } => {
            if let Some(dropout) = dropout {
                drop_out(dropout, key, p, width, &mut dx);
            }
        }
        VectorKind::Softmax => {
            for (dx, y) in dx.chunks_mut(width).zip(y.chunks(width)) {
                let inner: f32 = dx.iter().zip(y).map(|(d, y)| d * y).sum();
                dx.iter_mut().zip(y).for_each(|(d, y)| *d = y * (*d - inner));
            }
        }
        VectorKind::Add { other, accumulate_other } => {
            give(isa, &dx, accumulate_other, &mut gradients[other]);
        }
        VectorKind::Flatten | VectorKind::Linear { .. } => unreachable!("handled above"),
    }
    give(isa, &dx, op.accumulate, &mut gradients[op.input]);
    gradients[op.output] = dy;
}

fn give(isa: joulewise_kernels::Isa, from: &[f32], accumulate: bool, to: &mut [f32]) {
    if accumulate {
        elementwise::add_assign(isa, from, to);
    } else {
        to.copy_from_slice(from);
    }
}

fn drop_out(dropout: DropoutKey, key: u64, p: f32, width: usize, rows: &mut [f32]) {
    for (row, values) in rows.chunks_mut(width).enumerate() {
        for (i, value) in values.iter_mut().enumerate() {
            *value *= dropout.factor(key, row as u64, i, p);
        }
    }
}

pub(super) fn softmax(row: &mut [f32]) {
    let top = row.iter().fold(f32::NEG_INFINITY, |m, &v| m.max(v));
    for v in row.iter_mut() {
        *v = (*v - top).exp();
    }
    let sum: f32 = row.iter().sum();
    for v in row.iter_mut() {
        *v /= sum;
    }
}
