//! Bytes as an ONNX file: a model or an error, and a model that is accepted survives being written and read again.
#![no_main]

use joulewise_learn::{onnx, shape};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = onnx::decode(bytes) else { return };
    let _ = shape::infer(&model.graph, &model.weights);
    if let Ok(written) = onnx::encode(&model) {
        onnx::decode(&written).expect("what was written can be read");
    }
});
