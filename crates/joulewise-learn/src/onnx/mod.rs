//! Models as ONNX files: opset 17, IR version 8, which every runtime since 2022 opens.
//!
//! Reading covers what [`save`] writes and the usual exports of convolutional networks from other
//! tools. What cannot be represented is refused with one error that names the node: a model that
//! loads computes what its file says.

mod attributes;
mod decode;
mod encode;
mod error;
mod extents;
mod operators;
mod proto;
mod tensors;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::atomic;
use crate::graph::Model;

pub use error::{OnnxError, OnnxErrorKind};

/// A protobuf message cannot be larger, so a larger file is no single ONNX message.
const LARGEST_FILE: u64 = 1 << 31;

/// Writes `model` to `path`: whole or not at all.
pub fn save(model: &Model, path: &Path) -> Result<(), OnnxError> {
    let bytes = encode(model).map_err(|e| e.within(path))?;
    atomic::write(path, &bytes).map_err(|e| OnnxError::io(path, "write", &e))
}

/// The bytes of the ONNX file of `model`. Equal models give equal bytes.
pub fn encode(model: &Model) -> Result<Vec<u8>, OnnxError> {
    encode::encode(model)
}

/// Reads the model in the ONNX file `path`.
pub fn load(path: &Path) -> Result<Model, OnnxError> {
    let io = |e| OnnxError::io(path, "read", &e);
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(OnnxError::malformed("larger than 2 GiB, which no ONNX file can be").within(path));
    }
    decode(&bytes).map_err(|e| e.within(path))
}

/// Reads a model from the bytes of an ONNX file.
pub fn decode(bytes: &[u8]) -> Result<Model, OnnxError> {
    decode::decode(bytes)
}
