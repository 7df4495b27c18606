//! A teacher's outputs, cached in a safetensors file: row `i` of the tensor `logits` is what the teacher says of
//! training example `i`.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::error::{TaskError, TaskErrorKind};

/// The tensor's name.
const TENSOR: &str = "logits";

/// A header cannot be longer: it names a few tensors.
const LONGEST_HEADER: u64 = 1 << 20;

/// Cached logits of a teacher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logits {
    /// The file.
    pub file: PathBuf,
    /// How many examples it has logits of.
    pub examples: usize,
    /// How many logits each example has.
    pub classes: usize,
}

impl Logits {
    /// Looks at the header of `file`, which may be gigabytes: whether it holds what a training expects.
    pub(super) fn open(file: &Path) -> Result<Self, TaskError> {
        let wrong = |what: String| {
            let text = format!("{} does not hold a teacher's logits: {what}", file.display());
            TaskError::new(TaskErrorKind::NoLogits, text)
        };
        let (header, data) = match header(file) {
            Ok(Some(parts)) => parts,
            Ok(None) => return Err(wrong("it is no safetensors file, or cut off".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("no logits were written to {{teacher}}, which was {}", file.display());
                return Err(TaskError::new(TaskErrorKind::NoLogits, text));
            }
            Err(error) => return Err(TaskError::file(file, &error)),
        };
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| wrong(format!("its header is damaged: {error}")))?;
        let Some(tensor) = metadata.info(TENSOR) else {
            let names: Vec<String> = metadata.tensors().into_keys().collect();
            return Err(wrong(format!("it has no tensor `{TENSOR}`, only {names:?}")));
        };
        let is_float = matches!(tensor.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64);
        let &[examples, classes] = &tensor.shape[..] else {
            return Err(wrong(format!("`{TENSOR}` is {:?}, not [examples, classes]", tensor.shape)));
        };
        if !is_float || examples == 0 || classes == 0 {
            return Err(wrong(format!("`{TENSOR}` is {:?} of {:?}", tensor.shape, tensor.dtype)));
        }
        if tensor.data_offsets.1 as u64 > data {
            return Err(wrong("it is cut off".into()));
        }
        Ok(Self { file: file.to_owned(), examples, classes })
    }
}

/// The header's JSON, and how many bytes of data follow it; none if the file is no safetensors file.
fn header(path: &Path) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut file = File::open(path)?;
    let all = file.metadata()?.len();
    let mut len = [0; 8];
    if all < len.len() as u64 {
        return Ok(None);
    }
    file.read_exact(&mut len)?;
    let after = all - len.len() as u64;
    let len = u64::from_le_bytes(len);
    if len > after.min(LONGEST_HEADER) {
        return Ok(None);
    }
    let mut header = vec![0; len as usize];
    file.read_exact(&mut header)?;
    Ok(Some((header, after - len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let len = (header.len() as u64).to_le_bytes();
        std::fs::write(file.path(), [&len, header.as_bytes(), &vec![0; data]].concat()).unwrap();
        file
    }

    const GOOD: &str = r#"{"logits": {"dtype": "F32", "shape": [6, 3], "data_offsets": [0, 72]}}"#;

    #[test]
    fn what_pytorch_saves_is_logits() {
        let file = file(GOOD, 72);
        let logits = Logits::open(file.path()).unwrap();
        assert_eq!((logits.examples, logits.classes), (6, 3));
    }

    #[test]
    fn what_is_no_logits_is_told() {
        let message = |header: &str, data| Logits::open(file(header, data).path()).unwrap_err().to_string();
        assert!(message(GOOD, 71).contains("cut off"));
        assert!(message("{}", 0).contains("no tensor `logits`"));
        assert!(message("{", 0).contains("damaged"));
        let flat = r#"{"logits": {"dtype": "F32", "shape": [18], "data_offsets": [0, 72]}}"#;
        assert!(message(flat, 72).contains("not [examples, classes]"));
        let whole = r#"{"logits": {"dtype": "I64", "shape": [3, 3], "data_offsets": [0, 72]}}"#;
        assert!(message(whole, 72).contains("I64"));
        let short = tempfile::NamedTempFile::new().unwrap();
        assert!(Logits::open(short.path()).unwrap_err().to_string().contains("no safetensors file"));
        let missing = Logits::open(Path::new("/nonexistent/logits")).unwrap_err();
        assert_eq!(missing.kind(), TaskErrorKind::NoLogits);
    }
}
