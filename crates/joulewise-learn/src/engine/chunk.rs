//! A fixed share of a training batch, with all the memory that its images need.

use std::ops::Range;

use joulewise_kernels::Aligned;

use super::lower::{ImageKind, Program};

/// Rows `rows` of the batch. Chunks are the unit of parallel work and of summation: there are as
/// many whatever the number of threads.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) rows: Range<usize>,
    pub(crate) values: Vec<Aligned>,
    pub(crate) gradients: Vec<Aligned>,
    /// Gradients of the parameters of image operations, summed over the chunk; empty for others.
    pub(crate) parameters: Vec<Aligned>,
    /// Two sums per channel for each normalisation.
    pub(crate) sums: Vec<Vec<f64>>,
    pub(crate) scratch: Aligned,
}

impl Chunk {
    pub(crate) fn new(program: &Program, rows: Range<usize>) -> Self {
        let count = rows.len();
        let values = program.images.iter().map(|image| Aligned::zeros(count * image.len())).collect();
        let gradients = program
            .gradients
            .iter()
            .zip(&program.shared_gradient)
            .enumerate()
            .map(|(value, (image, &shared))| match (value, shared) {
                // Nobody asks for the gradient of the input.
                (0, _) if !program.vector_input => Aligned::default(),
                (_, true) => Aligned::zeros(image.len()),
                (_, false) => Aligned::zeros(count * image.len()),
            })
            .collect();
        let mut parameters = vec![Aligned::default(); program.parameters.len()];
        for op in &program.image_ops {
            if let ImageKind::Conv { panels, bias, .. } = op.kind {
                for parameter in std::iter::once(program.panels[panels].parameter).chain(bias) {
                    parameters[parameter] = Aligned::zeros(program.parameters[parameter].data.len());
                }
            }
        }
        let sums = program.norms.iter().map(|norm| vec![0.0; 2 * norm.channels]).collect();
        Self { rows, values, gradients, parameters, sums, scratch: Aligned::default() }
    }
}
