//! Inference on bytes: a QDQ graph fused into integer operations.
//!
//! Every operation between two pairs of QuantizeLinear and DequantizeLinear becomes one step on codes,
//! with the arithmetic of ONNX Runtime's fused operators: exact 32-bit sums, one float factor for each
//! channel, halves rounded to even. Images pass one by one through memory that fits the cache, then
//! rows of features in blocks; each worker has its own share of the examples, and since sums of
//! integers are exact the shares change no bit.

mod lower;
mod qdq;

use joulewise_kernels::int8::{self, Output, SLACK};
use joulewise_kernels::{Isa, quant};

use super::forward::pool_of;
use super::vector::softmax;
use super::{Cpu, Plan};
use crate::graph::Model;
use crate::shape::GraphError;
use lower::{Answer, Kind, Product, Program, Step, conv_of, lower};

/// Most rows that pass through the linear layers together: they stay in the cache beside the weights.
const ROWS: usize = 56;

/// A quantised model compiled for inference.
#[derive(Debug)]
pub(super) struct Quantised<'e> {
    cpu: &'e Cpu,
    program: Program,
    workers: Vec<Worker>,
    batch: usize,
}

/// The memory of one thread.
#[derive(Debug)]
struct Worker {
    /// One image, or a block of rows, of every value.
    values: Vec<Vec<u8>>,
    /// One example, quantised but not reordered.
    codes: Vec<u8>,
    /// The results of this worker's examples.
    results: Vec<f32>,
    /// One row of dequantised features in the engine's order.
    floats: Vec<f32>,
}

impl<'e> Quantised<'e> {
    /// Compiles the QDQ graph `model` for at most `batch` examples at a time.
    pub(super) fn new(cpu: &'e Cpu, model: &Model, batch: usize) -> Result<Self, GraphError> {
        let program = lower(cpu.isa, model)?;
        let count = cpu.threads().min(batch.max(1));
        let examples = batch.div_ceil(count);
        let workers = (0..count).map(|_| Worker::new(&program, examples)).collect();
        Ok(Self { cpu, program, workers, batch })
    }
}

impl Plan for Quantised<'_> {
    fn run(&mut self, input: &[f32], output: &mut [f32]) {
        let Self { cpu, program, workers, batch } = self;
        let rows = output.len() / program.answer.outputs;
        assert!(rows <= *batch, "{rows} rows in a plan for {batch}");
        let width = input.len() / rows.max(1);
        let per_worker = rows.div_ceil(workers.len()).max(1);
        let busy = &mut workers[..rows.div_ceil(per_worker)];
        cpu.each(busy, |index, worker| {
            let first = index * per_worker;
            let count = per_worker.min(rows - first);
            worker.run(cpu.isa, program, &input[first * width..][..count * width], count);
        });
        let shares = output.chunks_mut(per_worker * program.answer.outputs);
        for (worker, share) in workers.iter().zip(shares) {
            share.copy_from_slice(&worker.results[..share.len()]);
        }
    }

    fn outputs(&self) -> usize {
        self.program.answer.outputs
    }
}

impl Worker {
    fn new(program: &Program, examples: usize) -> Self {
        let block = examples.min(ROWS);
        let memory = |value: &lower::Value| {
            let slots = if value.row { block } else { 1 };
            let mut bytes = vec![value.affine.zero; slots * value.layout.len() + SLACK];
            int8::fill_halo(value.layout, value.affine.zero, &mut bytes);
            bytes
        };
        Self {
            values: program.values.iter().map(memory).collect(),
            codes: vec![0; program.values[0].layout.with_halo(0).len()],
            results: vec![0.0; examples * program.answer.outputs],
            floats: vec![0.0; program.answer.outputs],
        }
    }

    /// Computes the results of `count` examples.
    fn run(&mut self, isa: Isa, program: &Program, input: &[f32], count: usize) {
        let width = input.len() / count;
        for start in (0..count).step_by(ROWS) {
            let rows = ROWS.min(count - start);
            for row in 0..rows {
                self.read(isa, program, row, &input[(start + row) * width..][..width]);
                for step in &program.image_steps {
                    self.image_step(isa, program, step, row);
                }
            }
            for step in &program.row_steps {
                self.row_step(isa, program, step, rows);
            }
            self.answer(isa, program, start, rows);
        }
    }

    /// Quantises one example: `[c, h, w]` into an image, features into their row.
    fn read(&mut self, isa: Isa, program: &Program, row: usize, example: &[f32]) {
        let (value, to) = (&program.values[0], &mut self.values[0]);
        let (layout, affine) = (value.layout, value.affine);
        if value.row {
            let to = &mut to[row * example.len()..][..example.len()];
            return quant::quantise(isa, example, affine.scale, affine.zero, to);
        }
        quant::quantise(isa, example, affine.scale, affine.zero, &mut self.codes);
        for y in 0..layout.height {
            let line = &mut to[layout.line(y)];
            for (c, plane) in self.codes.chunks(layout.pixels()).enumerate() {
                let from = &plane[y * layout.width..][..layout.width];
                line.iter_mut().skip(c).step_by(layout.channels).zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }

    fn image_step(&mut self, isa: Isa, program: &Program, step: &Step, row: usize) {
        let (of_x, of_y) = (&program.values[step.input], &program.values[step.output]);
        let (from, to) = (of_x.layout, of_y.layout);
        let mut out = std::mem::take(&mut self.values[step.output]);
        let (x, y) = (&self.values[step.input][..], &mut out[..]);
        match &step.kind {
            Kind::Conv { window, groups, product } => {
                let conv = conv_of(from, to, *window, *groups);
                let (q, scale) = (&mut y[..to.len()], &product.scale[..]);
                let output = Output::U8 { q, scale, zero: of_y.affine.zero, lowest: step.lowest };
                int8::conv_forward(isa, &conv, x, &product.weights, output);
            }
            Kind::Add { other } => {
                let (of_z, z) = (&program.values[*other], &self.values[*other]);
                for line in 0..to.height {
                    let (x, z) = (&x[from.line(line)], &z[of_z.layout.line(line)]);
                    let y = &mut y[to.line(line)];
                    int8::add(isa, of_x.affine, x, of_z.affine, z, of_y.affine, step.lowest, y);
                }
            }
            Kind::MaxPool(window) => int8::max_pool(isa, &pool_of(from, to, *window), x, y),
            Kind::AveragePool(window) => {
                int8::average_pool(isa, &pool_of(from, to, *window), of_x.affine, x, of_y.affine, y);
            }
            Kind::GlobalAverage => {
                int8::global_average(isa, from, of_x.affine, x, of_y.affine, &mut y[to.offset(0, 0)..]);
            }
            Kind::Flatten => {
                let rows = y[row * to.channels..].chunks_mut(from.width * from.channels);
                (0..from.height).zip(rows).for_each(|(line, to)| to.copy_from_slice(&x[from.line(line)]));
            }
            Kind::Recode(table) => {
                for line in 0..to.height {
                    recode(table, &x[from.line(line)], &mut y[to.line(line)]);
                }
            }
            Kind::Linear(_) => unreachable!("a linear layer reads rows"),
        }
        self.values[step.output] = out;
    }

    fn row_step(&mut self, isa: Isa, program: &Program, step: &Step, rows: usize) {
        let (of_x, of_y) = (&program.values[step.input], &program.values[step.output]);
        let (features, width) = (of_x.layout.channels, of_y.layout.channels);
        let mut out = std::mem::take(&mut self.values[step.output]);
        let (x, y) = (&self.values[step.input][..], &mut out[..rows * width]);
        match &step.kind {
            Kind::Linear(product) => {
                let (zero, lowest) = (of_y.affine.zero, step.lowest);
                let output = Output::U8 { q: y, scale: &product.scale, zero, lowest };
                int8::linear_forward(isa, rows, features, width, x, &product.weights, output);
            }
            Kind::Add { other } => {
                let (of_z, z) = (program.values[*other].affine, &self.values[*other][..y.len()]);
                int8::add(isa, of_x.affine, &x[..y.len()], of_z, z, of_y.affine, step.lowest, y);
            }
            Kind::Recode(table) => recode(table, &x[..y.len()], y),
            Kind::Conv { .. }
            | Kind::MaxPool(_)
            | Kind::AveragePool(_)
            | Kind::GlobalAverage
            | Kind::Flatten => unreachable!("an operation on images reads images"),
        }
        self.values[step.output] = out;
    }

    /// Writes the results of `rows` examples from the example `start` on.
    fn answer(&mut self, isa: Isa, program: &Program, start: usize, rows: usize) {
        let Answer { input, product, relu, softmax: normalise, outputs } = &program.answer;
        let (of_x, x) = (&program.values[*input], &self.values[*input]);
        let y = &mut self.results[start * outputs..][..rows * outputs];
        if let Some(Product { weights, scale }) = product {
            let features = of_x.layout.channels;
            int8::linear_forward(
                isa,
                rows,
                features,
                *outputs,
                x,
                weights,
                Output::F32 { y, scale, relu: *relu },
            );
        } else {
            let [channels, height, width] = of_x.image;
            for (x, y) in x.chunks(*outputs).zip(y.chunks_mut(*outputs)) {
                quant::dequantise(isa, x, of_x.affine.scale, of_x.affine.zero, &mut self.floats);
                for c in 0..channels {
                    for pixel in 0..height * width {
                        let value = self.floats[pixel * channels + c];
                        y[c * height * width + pixel] = if *relu { value.max(0.0) } else { value };
                    }
                }
            }
        }
        if *normalise {
            y.chunks_mut(*outputs).for_each(softmax);
        }
    }
}

fn recode(table: &[u8; 256], x: &[u8], y: &mut [u8]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = table[usize::from(*x)]);
}
