//! Bytes as a folder of two IDX files: a data set whose sizes agree, or an error.
#![no_main]

use std::fs;

use joulewise_learn::data::{self, LoadOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|files: (Vec<u8>, Vec<u8>, bool)| {
    let (images, labels, compressed) = files;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let suffix = if compressed { ".gz" } else { "" };
    for (name, bytes) in [("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)] {
        fs::write(folder.path().join(format!("train-{name}{suffix}")), bytes).expect("a file");
    }
    if let Ok(dataset) = data::load(folder.path(), &LoadOptions::default()) {
        assert_eq!(dataset.train.pixels.len(), dataset.train.len() * dataset.train.samples());
    }
});
