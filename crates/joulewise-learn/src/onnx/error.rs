//! What can go wrong with an ONNX file.

use std::io;
use std::path::Path;

/// Why an ONNX file could not be read or written; the message names the node and the cure.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct OnnxError {
    kind: OnnxErrorKind,
    message: String,
}

/// The kinds of [`OnnxError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnnxErrorKind {
    /// The file could not be read or written.
    Io,
    /// The bytes are not a valid ONNX model.
    Malformed,
    /// The model is valid, but uses something that this version does not run.
    Unsupported,
}

impl OnnxError {
    /// Tells the causes apart.
    pub fn kind(&self) -> OnnxErrorKind {
        self.kind
    }

    pub(super) fn io(path: &Path, doing: &str, error: &io::Error) -> Self {
        let message = format!("cannot {doing} {}: {error}", path.display());
        Self { kind: OnnxErrorKind::Io, message }
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self { kind: OnnxErrorKind::Malformed, message: message.into() }
    }

    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self { kind: OnnxErrorKind::Unsupported, message: message.into() }
    }

    /// The same error, with the file in front.
    pub(super) fn within(mut self, path: &Path) -> Self {
        self.message = format!("{}: {}", path.display(), self.message);
        self
    }
}
