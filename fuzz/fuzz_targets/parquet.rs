//! Bytes as a Parquet file of pictures: a data set whose sizes agree, or an error.
#![no_main]

use std::fs;

use joulewise_learn::data::{self, LoadOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("train-0.parquet"), bytes).expect("a file");
    if let Ok(dataset) = data::load(folder.path(), &LoadOptions::default()) {
        assert_eq!(dataset.train.pixels.len(), dataset.train.len() * dataset.train.samples());
    }
});
