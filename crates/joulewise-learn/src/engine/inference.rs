//! Forward only: images one by one through memory that fits the cache, then rows of features.

use joulewise_kernels::{Aligned, Image, elementwise};

use super::forward::{Affine, forward};
use super::lower::{Program, lower};
use super::{Cpu, Plan, vector};
use crate::graph::Model;
use crate::shape::GraphError;

/// A float model compiled for inference.
#[derive(Debug)]
pub struct Inference<'e> {
    cpu: &'e Cpu,
    program: Program,
    affines: Vec<Affine>,
    workers: Vec<Worker>,
    vectors: Vec<Vec<f32>>,
    batch: usize,
}

/// One image's worth of every value.
#[derive(Debug)]
struct Worker {
    values: Vec<Aligned>,
    /// The flattened images that this worker has finished, by vector value.
    rows: Vec<Vec<f32>>,
}

impl<'e> Inference<'e> {
    /// Compiles `model` for at most `batch` examples at a time.
    pub fn new(cpu: &'e Cpu, model: &Model, batch: usize) -> Result<Self, GraphError> {
        let mut program = lower(model, false)?;
        let mut panels = std::mem::take(&mut program.panels);
        cpu.each(&mut panels, |_, p| p.pack(cpu.isa, &program.parameters[p.parameter].data));
        program.panels = panels;
        let affines = program.norms.iter().map(|norm| running_affine(&program, norm)).collect();
        let workers = (0..cpu.threads().min(batch.max(1)))
            .map(|_| Worker {
                values: program.images.iter().map(|image| Aligned::zeros(image.len())).collect(),
                rows: vec![Vec::new(); program.vectors.len()],
            })
            .collect();
        let vectors = program.vectors.iter().map(|features| vec![0.0; batch * features]).collect();
        Ok(Self { cpu, program, affines, workers, vectors, batch })
    }

    /// Most examples that one run takes.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Runs `rows` examples that `feed` writes, each as `[h, w, c]` into an image with a halo (a
    /// vector into one row of one pixel), and returns one row of outputs for each: a flattened image, which is
    /// an output without a Linear layer, in the order `[h, w, c]`.
    pub fn run_fed(&mut self, rows: usize, feed: impl Fn(usize, Image, &mut [f32]) + Sync) -> &[f32] {
        assert!(rows <= self.batch, "{rows} rows in a plan for {}", self.batch);
        self.images(rows, &feed);
        for op in &self.program.vector_ops {
            let (workers, per_worker) = (&self.workers, rows.div_ceil(self.workers.len()).max(1));
            vector::forward(self.cpu, &self.program, op, None, &mut self.vectors, rows, |_, row, into| {
                let width = into.len();
                let from = &workers[row / per_worker].rows[op.output];
                into.copy_from_slice(&from[row % per_worker * width..][..width]);
            });
        }
        &self.vectors[self.program.output][..rows * self.program.vectors[self.program.output]]
    }

    fn images(&mut self, rows: usize, feed: &(impl Fn(usize, Image, &mut [f32]) + Sync)) {
        let Self { cpu, program, affines, workers, vectors, .. } = self;
        if program.vector_input {
            let features = program.vectors[0];
            let layout = Image { height: 1, width: 1, channels: features, halo: 0 };
            for (row, into) in vectors[0][..rows * features].chunks_mut(features).enumerate() {
                feed(row, layout, into);
            }
            return;
        }
        let per_worker = rows.div_ceil(workers.len()).max(1);
        let busy = rows.div_ceil(per_worker);
        cpu.each(&mut workers[..busy], |index, worker| {
            for op in &program.vector_ops {
                if let super::lower::VectorKind::Flatten = op.kind {
                    worker.rows[op.output].clear();
                }
            }
            for row in index * per_worker..((index + 1) * per_worker).min(rows) {
                feed(row, program.images[0], &mut worker.values[0]);
                for op in &program.image_ops {
                    forward(cpu.isa, program, op, affines, None, &mut worker.values, 0, row);
                }
                for op in &program.vector_ops {
                    if let super::lower::VectorKind::Flatten = op.kind {
                        let layout = program.images[op.input];
                        let into = &mut worker.rows[op.output];
                        let start = into.len();
                        into.resize(start + program.vectors[op.output], 0.0);
                        let flat = layout.with_halo(0);
                        elementwise::copy_image(layout, &worker.values[op.input], flat, &mut into[start..]);
                    }
                }
            }
        });
    }

    /// Shows `see` the numbers of every value of the first example of the last run, line by line, under the
    /// value's name in the graph: what a quantiser calibrates with. Values inside fused operations have none.
    pub fn visit(&self, see: &mut dyn FnMut(&str, &[f32])) {
        let program = &self.program;
        let images = program.image_names.iter().zip(&program.images).zip(&self.workers[0].values);
        for ((name, layout), value) in images {
            (0..layout.height).for_each(|y| see(name, &value[layout.line(y)]));
        }
        for ((name, &width), value) in program.vector_names.iter().zip(&program.vectors).zip(&self.vectors) {
            see(name, &value[..width]);
        }
    }
}

impl Plan for Inference<'_> {
    fn run(&mut self, input: &[f32], output: &mut [f32]) {
        let rows = output.len() / self.outputs();
        let width = input.len() / rows.max(1);
        let [channels, image_height, image_width] = self.program.output_image;
        let result = self.run_fed(rows, |row, layout, image| {
            write_image(&input[row * width..][..width], layout, image);
        });
        let pixels = image_height * image_width;
        if pixels == 1 {
            output.copy_from_slice(result);
            return;
        }
        let features = channels * pixels;
        for (from, into) in result.chunks(features).zip(output.chunks_mut(features)) {
            for (c, plane) in into.chunks_mut(pixels).enumerate() {
                plane.iter_mut().zip(from[c..].iter().step_by(channels)).for_each(|(to, &value)| *to = value);
            }
        }
    }

    fn outputs(&self) -> usize {
        self.program.vectors[self.program.output]
    }
}

/// Writes `[c, h, w]` into the interior of an NHWC image.
pub fn write_image(planes: &[f32], layout: Image, image: &mut [f32]) {
    let Image { height, width, channels, .. } = layout;
    for y in 0..height {
        let line = &mut image[layout.line(y)];
        for (c, plane) in planes.chunks(height * width).enumerate() {
            let from = &plane[y * width..][..width];
            for (pixel, &value) in line.chunks_mut(channels).zip(from) {
                pixel[c] = value;
            }
        }
    }
}

fn running_affine(program: &Program, norm: &super::lower::Norm) -> Affine {
    let of = |parameter: usize| &program.parameters[parameter].data;
    let mut affine = Affine::default();
    for c in 0..norm.channels {
        let scale = of(norm.weight)[c] / (of(norm.variance)[c] + norm.epsilon).sqrt();
        affine.scale.push(scale);
        affine.shift.push(of(norm.bias)[c] - of(norm.mean)[c] * scale);
    }
    affine
}
