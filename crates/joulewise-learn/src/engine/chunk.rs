//! A fixed share of a training batch, with all the memory that its images need.

use std::ops::Range;

use super::lower::{ImageKind, Program};

/// Rows `rows` of the batch. Chunks are the unit of parallel work and of summation: there are as
/// many whatever the number of threads.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) rows: Range<usize>,
    pub(crate) values: Vec<Vec<f32>>,
    pub(crate) gradients: Vec<Vec<f32>>,
    /// Gradients of the parameters of image operations, summed over the chunk; empty for others.
    pub(crate) parameters: Vec<Vec<f32>>,
    /// Two sums per channel for each normalisation.
    pub(crate) sums: Vec<Vec<f64>>,
    pub(crate) scratch: Vec<f32>,
}

impl Chunk {
    pub(crate) fn new(program: &Program, rows: Range<usize>) -> Self {
        let count = rows.len();
        let values = program.images.iter().map(|image| vec![0.0; count * image.len()]).collect();
        let gradients = program
            .gradients
            .iter()
            .zip(&program.shared_gradient)
            .enumerate()
            .map(|(value, (image, &shared))| match (value, shared) {
                // Nobody asks for the gradient of the input.
                (0, _) if !program.vector_input => Vec::new(),
                (_, true) => vec![0.0; image.len()],
                (_, false) => vec![0.0; count * image.len()],
            })
            .collect();
        let mut parameters = vec![Vec::new(); program.parameters.len()];
        for op in &program.image_ops {
            if let ImageKind::Conv { panels, bias, .. } = op.kind {
                for parameter in std::iter::once(program.panels[panels].parameter).chain(bias) {
                    parameters[parameter] = vec![0.0; program.parameters[parameter].data.len()];
                }
            }
        }
        let sums = program.norms.iter().map(|norm| vec![0.0; 2 * norm.channels]).collect();
        Self { rows, values, gradients, parameters, sums, scratch: Vec::new() }
    }
}
