//! The arithmetic of the CPU engine: SIMD kernels with run-time dispatch, safe on the outside.
//!
//! Every kernel takes the instruction set ([`Isa`]) first, runs on the calling thread, allocates nothing
//! in its inner loops and reduces in a fixed order: results do not depend on how the caller spreads images
//! or rows over threads. Lengths are checked at the call; a mismatch is a bug of the caller and panics.
//!
//! Images are [`Image`]s: pixels with their channels adjacent and a border of zeros, so that convolutions
//! need no test for the edge. Convolutions, their gradients and matrix products share one register tile.

pub mod batch_norm;
pub mod conv;
mod depthwise;
pub mod elementwise;
pub mod gemm;
pub mod image;
pub mod int8;
pub mod isa;
pub mod optimiser;
pub mod packed;
pub mod pool;
mod product;
pub mod quant;
#[cfg(test)]
mod scalar;
mod simd;
mod tile;

pub use conv::Conv;
pub use image::Image;
pub use isa::{Isa, IsaError};
pub use packed::{Aligned, Packed};
