//! The binary version of CIFAR-10.

use std::fs;
use std::path::Path;

use super::{DataError, DataErrorKind, Dataset, Files, Images};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
/// A label, then the red, green and blue planes.
const RECORD: usize = 1 + 3 * PLANE;
const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Whether a file of this name should hold training images.
pub(super) fn is_batch(name: &str) -> bool {
    name.starts_with("data_batch") && has_extension(name)
}

fn has_extension(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "bin")
}

/// Loads `data_batch_*.bin` and, where it lies beside them, `test_batch.bin`.
pub(super) fn load(files: &Files) -> Result<Dataset, DataError> {
    let train = read(&files.named(is_batch))?;
    let test = files.named(|name| name.starts_with("test_batch") && has_extension(name));
    Ok(Dataset {
        name: files.name(),
        classes: CLASSES.map(str::to_owned).to_vec(),
        train,
        test: if test.is_empty() { None } else { Some(read(&test)?) },
        skipped: Vec::new(),
    })
}

fn read(paths: &[&Path]) -> Result<Images, DataError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for path in paths {
        let bytes = fs::read(path).map_err(|error| DataError::io(path, &error))?;
        let (records, rest) = bytes.as_chunks::<RECORD>();
        if records.is_empty() || !rest.is_empty() {
            let kind = if bytes.is_empty() { DataErrorKind::Empty } else { DataErrorKind::Truncated };
            return Err(DataError::of(
                kind,
                path,
                format!("{} bytes are not a whole number of records of {RECORD} bytes", bytes.len()),
                "download or copy it again",
            ));
        }
        for (number, [label, planes @ ..]) in records.iter().enumerate() {
            if usize::from(*label) >= CLASSES.len() {
                return Err(DataError::of(
                    DataErrorKind::Labels,
                    path,
                    format!("record {number} has label {label}, but CIFAR-10 has classes 0 to 9"),
                    "give CIFAR-10's binary version",
                ));
            }
            labels.push(u16::from(*label));
            pixels.extend((0..PLANE).flat_map(|i| [planes[i], planes[PLANE + i], planes[2 * PLANE + i]]));
        }
    }
    Ok(Images::new([3, SIDE, SIDE], pixels, labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{LoadOptions, load};

    fn record(label: u8) -> Vec<u8> {
        [vec![label], vec![1; PLANE], vec![2; PLANE], vec![3; PLANE]].concat()
    }

    fn loaded(batches: &[(&str, Vec<u8>)]) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("cifar-10-batches-bin");
        fs::create_dir(&inner).unwrap();
        for (name, bytes) in batches {
            fs::write(inner.join(name), bytes).unwrap();
        }
        load(folder.path(), &LoadOptions::default())
    }

    #[test]
    fn batches_are_joined_and_channels_interleaved() {
        let dataset = loaded(&[
            ("data_batch_1.bin", [record(3), record(9)].concat()),
            ("data_batch_2.bin", record(0)),
            ("test_batch.bin", record(7)),
        ])
        .unwrap();
        assert_eq!(*dataset.train.labels, [3, 9, 0]);
        assert_eq!(dataset.train.pixels_of(2)[..6], [1, 2, 3, 1, 2, 3]);
        assert_eq!(*dataset.test.unwrap().labels, [7]);
    }

    #[test]
    fn broken_batches_are_errors() {
        let cases = [
            (record(1)[..3000].to_vec(), DataErrorKind::Truncated),
            (Vec::new(), DataErrorKind::Empty),
            (record(10), DataErrorKind::Labels),
        ];
        for (bytes, kind) in cases {
            assert_eq!(loaded(&[("data_batch_1.bin", bytes)]).unwrap_err().kind(), kind);
        }
    }
}
