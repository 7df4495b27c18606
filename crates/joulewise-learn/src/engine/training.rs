//! Forward, backward and update over one batch.

use joulewise_kernels::{Image, batch_norm, elementwise};

use super::backward::{NormBackward, Scope, backward};
use super::chunk::Chunk;
use super::forward::{Affine, DropoutKey, forward};
use super::lower::{ImageKind, ImageOp, Norm, Program, lower};
use super::{Cpu, rows_per_chunk, vector};
use crate::graph::Model;
use crate::shape::GraphError;
use crate::train::loss::Target;
use crate::train::optimiser::{Memory, Settings};

/// Numbers of a parameter that are one piece of summation and update.
const NUMBERS_PER_PIECE: usize = 8192;

/// A model compiled for training with batches of one size.
#[derive(Debug)]
pub struct Training<'e> {
    cpu: &'e Cpu,
    model: Model,
    program: Program,
    batch: usize,
    seed: u64,
    steps: u64,
    chunks: Vec<Chunk>,
    vectors: Vec<Vec<f32>>,
    vector_gradients: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    first: Vec<Vec<f32>>,
    second: Vec<Vec<f32>>,
    affines: Vec<Affine>,
    norms: Vec<NormBackward>,
}

impl<'e> Training<'e> {
    /// Compiles `model` for batches of exactly `batch` examples; `seed` keys its dropout.
    pub fn new(cpu: &'e Cpu, model: &Model, batch: usize, seed: u64) -> Result<Self, GraphError> {
        if batch == 0 {
            return Err(GraphError::new("a batch of no examples cannot be trained on"));
        }
        let program = lower(model, true)?;
        let per_chunk = rows_per_chunk(batch);
        let chunks = (0..batch)
            .step_by(per_chunk)
            .map(|start| Chunk::new(&program, start..(start + per_chunk).min(batch)))
            .collect();
        let rows = || program.vectors.iter().map(|features| vec![0.0; batch * features]).collect();
        let per_parameter = || program.parameters.iter().map(|p| vec![0.0; p.data.len()]).collect();
        Ok(Self {
            cpu,
            model: model.clone(),
            batch,
            seed,
            steps: 0,
            chunks,
            vectors: rows(),
            vector_gradients: rows(),
            gradients: per_parameter(),
            first: per_parameter(),
            second: per_parameter(),
            affines: vec![Affine::default(); program.norms.len()],
            norms: vec![NormBackward::default(); program.norms.len()],
            program,
        })
    }

    /// Examples of one step.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// One step: `feed` writes the examples (each as `[h, w, c]` into an image with a zero halo),
    /// `target` judges the outputs, `settings` at the learning rate `rate` move the parameters.
    /// Returns the mean loss before the update.
    pub fn step(
        &mut self,
        feed: impl Fn(usize, Image, &mut [f32]) + Sync,
        target: Target<'_>,
        settings: &Settings,
        rate: f32,
    ) -> f64 {
        let loss = self.gradients(feed, target);
        self.update(settings, rate);
        loss
    }

    /// The model with the newest parameters.
    pub fn model(&self) -> Model {
        let mut model = self.model.clone();
        for parameter in &self.program.parameters {
            model.weights.set(&parameter.name, parameter.tensor());
        }
        model
    }

    /// The gradient of the parameter called `name` after [`Training::gradients`], in ONNX's order.
    pub fn gradient(&self, name: &str) -> Option<crate::Tensor> {
        let index = self.program.parameters.iter().position(|p| p.name == name)?;
        let mut parameter = self.program.parameters[index].clone();
        parameter.data.clone_from(&self.gradients[index]);
        Some(parameter.tensor())
    }

    /// Forward and backward without an update; returns the mean loss.
    pub fn gradients(&mut self, feed: impl Fn(usize, Image, &mut [f32]) + Sync, target: Target<'_>) -> f64 {
        self.steps += 1;
        let mut panels = std::mem::take(&mut self.program.panels);
        let (isa, parameters) = (self.cpu.isa, &self.program.parameters);
        self.cpu.each(&mut panels, |_, p| p.pack(isa, &parameters[p.parameter].data));
        self.program.panels = panels;

        self.forward(&feed);
        let output = self.program.output;
        let classes = self.program.vectors[output];
        let loss = target.loss(classes, &self.vectors[output], &mut self.vector_gradients[output]);
        self.backward();
        loss
    }

    fn dropout(&self) -> DropoutKey {
        DropoutKey { seed: self.seed, step: self.steps }
    }

    fn forward(&mut self, feed: &(impl Fn(usize, Image, &mut [f32]) + Sync)) {
        let dropout = Some(self.dropout());
        let Self { cpu, program, chunks, affines, .. } = self;
        let isa = cpu.isa;
        if program.vector_input {
            let features = program.vectors[0];
            let layout = Image { height: 1, width: 1, channels: features, halo: 0 };
            cpu.pieces(&mut self.vectors[0], features, |row, into| feed(row, layout, into));
        } else {
            for index in 0..program.segments.len() {
                let segment = &program.segments[index];
                let next = program.segments.get(index + 1).map(|s| &program.image_ops[s.start]);
                cpu.each(chunks, |_, chunk| {
                    let mut sums = next.map(|op| (op.input, norm_of(&op.kind)));
                    if let Some((_, norm)) = sums {
                        chunk.sums[norm].fill(0.0);
                    }
                    for (at, row) in chunk.rows.clone().enumerate() {
                        if index == 0 {
                            let layout = program.images[0];
                            feed(row, layout, &mut chunk.values[0][at * layout.len()..][..layout.len()]);
                        }
                        for op in &program.image_ops[segment.clone()] {
                            forward(isa, program, op, affines, dropout, &mut chunk.values, at, row);
                        }
                        if let Some((value, norm)) = &mut sums {
                            let layout = program.images[*value];
                            let x = &chunk.values[*value][at * layout.len()..][..layout.len()];
                            let (sum, squares) = halves(&mut chunk.sums[*norm]);
                            batch_norm::moments(isa, layout, x, sum, squares);
                        }
                    }
                });
                if let Some(op) = next {
                    let pixels = program.images[op.input].pixels() * self.batch;
                    let norm = norm_of(&op.kind);
                    finish_moments(program, norm, pixels, chunks, affines, &mut self.norms);
                }
            }
        }
        let per_chunk = rows_per_chunk(self.batch);
        for op in &program.vector_ops {
            let chunks = &*chunks;
            vector::forward(cpu, program, op, dropout, &mut self.vectors, self.batch, |value, row, into| {
                let layout = program.images[value];
                let image = &chunks[row / per_chunk].values[value][row % per_chunk * layout.len()..];
                elementwise::copy_image(layout, &image[..layout.len()], layout.with_halo(0), into);
            });
        }
    }

    fn backward(&mut self) {
        let dropout = Some(self.dropout());
        let Self { cpu, program, chunks, vectors, vector_gradients, gradients, affines, norms, .. } = self;
        for op in program.vector_ops.iter().rev() {
            vector::backward(
                cpu,
                program,
                op,
                dropout,
                vectors,
                vector_gradients,
                gradients,
                chunks,
                self.batch,
            );
        }
        if program.vector_input {
            return;
        }
        let isa = cpu.isa;
        for (index, segment) in program.segments.iter().enumerate().rev() {
            let after = program.segments.get(index + 1).map(|s| s.start);
            let ops = &program.image_ops[segment.clone()];
            let norm = ops.first().filter(|op| matches!(op.kind, ImageKind::Norm { .. }));
            let last = index + 1 == program.segments.len();
            let (affines, norms_now) = (&*affines, &*norms);
            cpu.each(chunks, |_, chunk| {
                if last {
                    chunk.parameters.iter_mut().for_each(|p| p.fill(0.0));
                }
                if let Some(op) = norm {
                    chunk.sums[norm_of(&op.kind)].fill(0.0);
                }
                for (at, row) in chunk.rows.clone().enumerate() {
                    let rest = ops.iter().skip(usize::from(norm.is_some())).rev();
                    for op in after.map(|i| &program.image_ops[i]).into_iter().chain(rest) {
                        let Chunk { values, gradients, parameters, scratch, .. } = &mut *chunk;
                        let mut memory = Scope { values, gradients, parameters, scratch };
                        let needs_input = op.input != 0;
                        backward(
                            isa,
                            program,
                            op,
                            affines,
                            norms_now,
                            dropout,
                            &mut memory,
                            at,
                            row,
                            needs_input,
                        );
                    }
                    if let Some(op) = norm {
                        norm_sums(isa, program, op, affines, chunk, at);
                    }
                }
            });
            if let Some(op) = norm {
                let pixels = program.images[op.input].pixels() * self.batch;
                finish_sums(program, norm_of(&op.kind), pixels, chunks, norms, gradients);
            }
        }
        for (index, gradient) in gradients.iter_mut().enumerate() {
            if chunks[0].parameters[index].is_empty() {
                continue;
            }
            let chunks = &*chunks;
            cpu.pieces(gradient, NUMBERS_PER_PIECE, |piece, sum| {
                let range = piece * NUMBERS_PER_PIECE..piece * NUMBERS_PER_PIECE + sum.len();
                sum.copy_from_slice(&chunks[0].parameters[index][range.clone()]);
                for chunk in &chunks[1..] {
                    elementwise::add_assign(isa, &chunk.parameters[index][range.clone()], sum);
                }
            });
        }
    }

    /// Moves the parameters by the gradients of the last batch.
    fn update(&mut self, settings: &Settings, rate: f32) {
        let Self { cpu, program, gradients, first, second, steps, .. } = self;
        let statistics: Vec<usize> = program.norms.iter().flat_map(|n| [n.mean, n.variance]).collect();
        let mut pieces = Vec::new();
        let memories = first.iter_mut().zip(second);
        let parameters = program.parameters.iter_mut().zip(gradients.iter()).zip(memories).enumerate();
        for (index, ((parameter, gradient), (first, second))) in parameters {
            if statistics.contains(&index) {
                continue;
            }
            let memory = first.chunks_mut(NUMBERS_PER_PIECE).zip(second.chunks_mut(NUMBERS_PER_PIECE));
            let numbers =
                parameter.data.chunks_mut(NUMBERS_PER_PIECE).zip(gradient.chunks(NUMBERS_PER_PIECE));
            pieces.extend(memory.zip(numbers));
        }
        let (isa, step) = (cpu.isa, *steps);
        cpu.each(&mut pieces, |_, ((first, second), (parameter, gradient))| {
            settings.update(isa, step, rate, &mut Memory { first, second }, gradient, parameter);
        });
    }
}

fn norm_of(kind: &ImageKind) -> usize {
    match *kind {
        ImageKind::Norm { norm, .. } => norm,
        _ => unreachable!("a segment after the first begins with a normalisation"),
    }
}

/// Sums over the chunks, in order: `channels` numbers and then `channels` more.
fn total(chunks: &[Chunk], norm: usize) -> Vec<f64> {
    let mut total = chunks[0].sums[norm].clone();
    for chunk in &chunks[1..] {
        total.iter_mut().zip(&chunk.sums[norm]).for_each(|(t, s)| *t += s);
    }
    total
}

/// Statistics of the batch, what they make of the data, and the running statistics.
fn finish_moments(
    program: &mut Program,
    norm: usize,
    pixels: usize,
    chunks: &[Chunk],
    affines: &mut [Affine],
    backwards: &mut [NormBackward],
) {
    let Norm { weight, bias, mean, variance, epsilon, momentum, channels } = program.norms[norm].clone();
    let sums = total(chunks, norm);
    let n = pixels as f64;
    let (affine, back) = (&mut affines[norm], &mut backwards[norm]);
    affine.scale.resize(channels, 0.0);
    affine.shift.resize(channels, 0.0);
    back.mean.resize(channels, 0.0);
    back.deviation.resize(channels, 0.0);
    let m = f64::from(momentum);
    for c in 0..channels {
        let mu = sums[c] / n;
        let var = (sums[channels + c] / n - mu * mu).max(0.0);
        let inverse = 1.0 / (var + f64::from(epsilon)).sqrt();
        let scale = f64::from(program.parameters[weight].data[c]) * inverse;
        affine.scale[c] = scale as f32;
        affine.shift[c] = (f64::from(program.parameters[bias].data[c]) - mu * scale) as f32;
        back.mean[c] = mu;
        back.deviation[c] = inverse;
        let unbiased = var * n / (n - 1.0).max(1.0);
        let running = &mut program.parameters[mean].data[c];
        *running = ((1.0 - m) * f64::from(*running) + m * mu) as f32;
        let running = &mut program.parameters[variance].data[c];
        *running = ((1.0 - m) * f64::from(*running) + m * unbiased) as f32;
    }
}

/// Adds one image's Σdy and Σdy·x of the normalisation `op` to its chunk.
fn norm_sums(
    isa: joulewise_kernels::Isa,
    program: &Program,
    op: &ImageOp,
    affines: &[Affine],
    chunk: &mut Chunk,
    at: usize,
) {
    let ImageKind::Norm { norm, relu } = op.kind else { unreachable!("the operation is a normalisation") };
    let of_x = program.images[op.input];
    let of_dy = program.gradients[op.output];
    let x = &chunk.values[op.input][at * of_x.len()..][..of_x.len()];
    let dy = &chunk.gradients[op.output][at * of_dy.len()..][..of_dy.len()];
    let (sum_dy, sum_dy_x) = halves(&mut chunk.sums[norm]);
    let Affine { scale, shift } = &affines[norm];
    let active = relu.then_some([&scale[..], &shift[..]]);
    batch_norm::gradient_moments(isa, of_x, x, of_dy, dy, active, sum_dy, sum_dy_x);
}

/// The gradients of a normalisation's own parameters, and the coefficients of its input's gradient.
fn finish_sums(
    program: &Program,
    norm: usize,
    pixels: usize,
    chunks: &[Chunk],
    backwards: &mut [NormBackward],
    gradients: &mut [Vec<f32>],
) {
    let mut sums = total(chunks, norm);
    let Norm { weight, bias, channels, .. } = program.norms[norm];
    let (sum_dy, sum_dy_x) = halves(&mut sums);
    let back = &mut backwards[norm];
    back.coefficients.iter_mut().for_each(|of| of.resize(channels, 0.0));
    for c in 0..channels {
        let gamma = f64::from(program.parameters[weight].data[c]);
        let channel = batch_norm::Backward::new(
            sum_dy[c],
            sum_dy_x[c],
            back.mean[c],
            back.deviation[c],
            gamma,
            pixels as f64,
        );
        gradients[weight][c] = channel.weight;
        gradients[bias][c] = channel.bias;
        back.coefficients.iter_mut().zip(channel.coefficients).for_each(|(of, value)| of[c] = value);
    }
}

/// The two sums per channel of a normalisation.
fn halves(sums: &mut [f64]) -> (&mut [f64], &mut [f64]) {
    sums.split_at_mut(sums.len() / 2)
}
