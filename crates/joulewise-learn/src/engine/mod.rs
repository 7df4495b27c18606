//! The CPU engine: compiles a graph into a program over preallocated memory and runs it.
//!
//! Images are NHWC with a zero halo as wide as the widest padding that reads them, so that inner
//! loops have no bounds to test; parameters are kept in the kernels' order and converted back to
//! ONNX's on the way out. Work is cut into pieces that do not depend on the number of threads, and
//! partial results are summed in a fixed order: one thread and many give the same bits.

mod backward;
mod chunk;
mod forward;
mod inference;
mod int8;
mod lower;
mod parameter;
mod training;
mod vector;

pub use inference::{Inference, write_image};
pub use training::Training;

pub use joulewise_kernels::{Isa, IsaError};
use rayon::prelude::*;

use crate::graph::{Model, Op};
use crate::shape::GraphError;
use int8::Quantised;

/// Compiles models for batches of a size and runs them.
pub trait Engine {
    /// A plan that computes the outputs of up to `batch` examples at a time.
    fn compile<'e>(&'e self, model: &Model, batch: usize) -> Result<Box<dyn Plan + 'e>, GraphError>;
}

/// A compiled model with its memory laid out.
pub trait Plan: Send {
    /// Runs the examples of `input` (`rows · [c, h, w]`, at most the compiled batch) and writes one
    /// row of outputs for each.
    fn run(&mut self, input: &[f32], output: &mut [f32]);

    /// Numbers in one row of the output.
    fn outputs(&self) -> usize;
}

/// Our own kernels on a fixed number of threads.
#[derive(Debug)]
pub struct Cpu {
    pub(crate) isa: Isa,
    pool: Option<rayon::ThreadPool>,
    threads: usize,
}

impl Cpu {
    /// An engine with its own threads and the instruction set that `JOULEWISE_ISA` names, or else the best one.
    ///
    /// An unknown name there, or that of a set which this processor lacks, is an error.
    pub fn new(threads: usize) -> Result<Self, IsaError> {
        Ok(Self::with_isa(threads, Isa::from_env()?))
    }

    /// An engine on a chosen instruction set.
    pub fn with_isa(threads: usize, isa: Isa) -> Self {
        let threads = threads.max(1);
        let pool = (threads > 1).then(|| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|i| format!("kernel-{i}"))
                .build()
                .ok()
        });
        Self { isa, pool: pool.flatten(), threads }
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Threads that work in parallel.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` once for each item, on all threads.
    pub(crate) fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        match &self.pool {
            Some(pool) if items.len() > 1 => pool.install(|| {
                items.par_iter_mut().with_max_len(1).enumerate().for_each(|(i, item)| work(i, item));
            }),
            _ => items.iter_mut().enumerate().for_each(|(i, item)| work(i, item)),
        }
    }

    /// Runs `work` once for each piece of `size` numbers of `data`, on all threads.
    pub(crate) fn pieces(&self, data: &mut [f32], size: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
        match &self.pool {
            Some(pool) if data.len() > size => pool.install(|| {
                data.par_chunks_mut(size).with_max_len(1).enumerate().for_each(|(i, piece)| work(i, piece));
            }),
            _ => data.chunks_mut(size).enumerate().for_each(|(i, piece)| work(i, piece)),
        }
    }
}

impl Engine for Cpu {
    /// Quantised graphs run on bytes, others in float.
    fn compile<'e>(&'e self, model: &Model, batch: usize) -> Result<Box<dyn Plan + 'e>, GraphError> {
        let quantised = model.graph.nodes.iter().any(|node| node.op == Op::QuantizeLinear);
        if quantised {
            return Ok(Box::new(Quantised::new(self, model, batch)?));
        }
        Ok(Box::new(Inference::new(self, model, batch)?))
    }
}

/// The rows of a batch, cut into at most [`CHUNKS`] pieces of equal length but for the last.
pub(crate) fn rows_per_chunk(batch: usize) -> usize {
    batch.div_ceil(CHUNKS).max(1)
}

/// How many pieces a batch is cut into, whatever the number of threads.
const CHUNKS: usize = 8;
