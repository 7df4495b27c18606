//! NumPy's `.npy` files: one dense array of floats, bytes or integers.

use std::fs;
use std::io;
use std::path::Path;

use crate::atomic;

/// The numbers of an [`Array`], row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// `float32`.
    F32(Vec<f32>),
    /// `uint8`.
    U8(Vec<u8>),
    /// `int64`.
    I64(Vec<i64>),
}

impl Numbers {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::I64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a `.npy` file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extent of each dimension; empty for a single number.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` numbers.
    pub numbers: Numbers,
}

/// Why a `.npy` file could not be read or written; the message names the file and the cure.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct NpyError {
    path: String,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Content(String),
}

/// Reads the array in the file `path`.
pub fn read(path: &Path) -> Result<Array, NpyError> {
    let array =
        fs::read(path).map_err(Problem::Io).and_then(|bytes| decode(&bytes).map_err(Problem::Content));
    array.map_err(|problem| NpyError { path: path.display().to_string(), problem })
}

/// Writes `array` to `path`: whole or not at all.
pub fn write(path: &Path, array: &Array) -> Result<(), NpyError> {
    atomic::write(path, &encode(array))
        .map_err(|e| NpyError { path: path.display().to_string(), problem: Problem::Io(e) })
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// The numbers start at a multiple of this, so that they can be mapped into memory.
const ALIGNMENT: usize = 64;

fn encode(array: &Array) -> Vec<u8> {
    let descr = match array.numbers {
        Numbers::F32(_) => "<f4",
        Numbers::U8(_) => "|u1",
        Numbers::I64(_) => "<i8",
    };
    // The comma after the last extent makes a tuple of one of `(3,)`.
    let mut extents = String::new();
    for extent in &array.shape {
        extents.push_str(&extent.to_string());
        extents.push(',');
    }
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    let version_1 = [1, 0];
    let before = MAGIC.len() + version_1.len() + size_of::<u16>();
    let padded = (before + header.len() + 1).next_multiple_of(ALIGNMENT);
    header.extend(std::iter::repeat_n(' ', padded - before - header.len() - 1));
    header.push('\n');

    let mut bytes = [MAGIC, &version_1, &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    match &array.numbers {
        Numbers::F32(v) => bytes.extend(v.iter().flat_map(|v| v.to_le_bytes())),
        Numbers::U8(v) => bytes.extend(v),
        Numbers::I64(v) => bytes.extend(v.iter().flat_map(|v| v.to_le_bytes())),
    }
    bytes
}

fn decode(bytes: &[u8]) -> Result<Array, String> {
    let (header, data) = split(bytes).ok_or("not a .npy file, or its header is cut off")?;
    let damaged = || format!("the header {header:?} is damaged");
    if field(header, "fortran_order").ok_or_else(damaged)?.starts_with("True") {
        return Err("the array is in Fortran order; save np.ascontiguousarray(x)".to_owned());
    }
    let shape = shape_of(field(header, "shape").ok_or_else(damaged)?).ok_or_else(damaged)?;
    let descr = field(header, "descr").and_then(quoted).ok_or_else(damaged)?;
    let numbers = match descr {
        "<f4" => numbers(data, f32::from_le_bytes).map(Numbers::F32),
        "<i8" => numbers(data, i64::from_le_bytes).map(Numbers::I64),
        "|u1" => Some(Numbers::U8(data.to_vec())),
        other => {
            return Err(format!(
                "numbers of type {other:?} are not supported; save x.astype(\"float32\"), \"uint8\" or \"int64\""
            ));
        }
    };
    let len = shape.iter().try_fold(1usize, |len, &d| len.checked_mul(d)).ok_or_else(damaged)?;
    match numbers {
        Some(numbers) if numbers.len() == len => Ok(Array { shape, numbers }),
        _ => Err(format!(
            "shape {shape:?} does not match {} bytes of numbers; the file is cut off",
            data.len()
        )),
    }
}

/// The header's text and what follows it.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (&[major, _minor], rest) = rest.split_first_chunk()?;
    let (len, rest) = if major == 1 {
        let (len, rest) = rest.split_first_chunk()?;
        (u16::from_le_bytes(*len) as usize, rest)
    } else {
        let (len, rest) = rest.split_first_chunk()?;
        (u32::from_le_bytes(*len) as usize, rest)
    };
    let (header, data) = rest.split_at_checked(len)?;
    Some((str::from_utf8(header).ok()?, data))
}

/// What follows the key in the header, which is a Python dictionary.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let after = header.split_once(&format!("'{key}'"))?.1;
    Some(after.trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    Some(text.strip_prefix('\'')?.split_once('\'')?.0)
}

fn shape_of(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0;
    inside.split(',').map(str::trim).filter(|d| !d.is_empty()).map(|d| d.parse().ok()).collect()
}

/// `None` when the bytes end within a number.
fn numbers<T, const BYTES: usize>(data: &[u8], from_bytes: fn([u8; BYTES]) -> T) -> Option<Vec<T>> {
    let (whole, rest) = data.as_chunks::<BYTES>();
    rest.is_empty().then(|| whole.iter().map(|&b| from_bytes(b)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As `numpy.save` wrote `np.array([[1, -2, 3]], dtype)` in version 2.5.
    fn numpys(descr: &str, data: &[u8]) -> Vec<u8> {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1, 3), }}");
        header.push_str(&" ".repeat(117 - header.len()));
        header.push('\n');
        [MAGIC, &[1, 0, 118, 0], header.as_bytes(), data].concat()
    }

    #[test]
    fn numpys_files_are_read_and_written_alike() {
        let data: Vec<u8> = [1f32, -2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let array = decode(&numpys("<f4", &data)).unwrap();
        assert_eq!(array, Array { shape: vec![1, 3], numbers: Numbers::F32(vec![1.0, -2.0, 3.0]) });
        let written = encode(&array);
        assert_eq!(written.len() - data.len(), 128);
        assert_eq!(decode(&written).unwrap(), array);
    }

    #[test]
    fn a_file_on_disk_makes_the_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("y.npy");
        let array = Array { shape: vec![], numbers: Numbers::I64(vec![i64::MIN]) };
        write(&path, &array).unwrap();
        assert_eq!(read(&path).unwrap(), array);
        let missing = read(&folder.path().join("x.npy")).unwrap_err().to_string();
        assert!(missing.contains("x.npy: "), "{missing}");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let message = |bytes: &[u8]| decode(bytes).unwrap_err();
        assert!(message(b"PK\x03\x04").contains("not a .npy file"));
        assert!(message(&numpys("<f8", &[0; 24])).contains("x.astype(\"float32\")"));
        assert!(message(&numpys("<f4", &[0; 11])).contains("cut off"));
        assert!(message(&numpys("|u1", &[0; 4])).contains("cut off"));
        let fortran = numpys("|u1", &[0; 3]);
        let fortran = String::from_utf8_lossy(&fortran[10..]).replace("False", "True ");
        assert!(message(&[MAGIC, &[1, 0, 118, 0], fortran.as_bytes()].concat()).contains("Fortran order"));
    }

    proptest! {
        #[test]
        fn every_array_makes_the_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..40), rows in 0usize..5) {
            let array = Array { shape: vec![rows, bytes.len()], numbers: Numbers::U8(bytes.repeat(rows)) };
            prop_assert_eq!(decode(&encode(&array)).unwrap(), array);
        }

        #[test]
        fn damaged_files_never_panic(
            hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = numpys("<i8", &[7; 24]);
            for (place, value) in hits {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            if let Ok(array) = decode(&bytes) {
                prop_assert_eq!(array.shape.iter().product::<usize>(), array.numbers.len());
            }
        }
    }
}
