//! Bytes as a NumPy array: an array whose shape holds its values, or an error.
#![no_main]

use std::fs;

use joulewise_learn::npy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), bytes).expect("a file");
    if let Ok(array) = npy::read(file.path()) {
        assert_eq!(array.shape.iter().product::<usize>(), array.numbers.len());
    }
});
