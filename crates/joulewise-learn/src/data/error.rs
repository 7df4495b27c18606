//! What can be wrong with data, told once and clearly.

use std::fmt::Display;
use std::path::Path;

/// Why data could not be loaded or divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataErrorKind {
    /// Nothing is at the path.
    Missing,
    /// The operating system refused to read it.
    Unreadable,
    /// No known format of data is at the path.
    UnknownFormat,
    /// There are no images in it.
    Empty,
    /// The file ends before its content does.
    Truncated,
    /// The file contradicts itself or its format.
    Malformed,
    /// A Parquet file has other columns than an image and a label.
    Columns,
    /// One image cannot be decoded.
    BadImage,
    /// Images of one data set differ in size.
    UnequalSizes,
    /// The labels do not fit the images or the classes.
    Labels,
    /// More images are asked for than there are.
    TooFew,
}

/// Data that cannot be used. The message names the file and what is wrong; [`cure`](Self::cure) says what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DataError {
    kind: DataErrorKind,
    message: String,
    cure: String,
}

impl DataError {
    /// What kind of fault it is.
    pub fn kind(&self) -> DataErrorKind {
        self.kind
    }

    /// What to do about it: a sentence without a full stop.
    pub fn cure(&self) -> &str {
        &self.cure
    }

    /// A fault without a file of its own: `wrong` says what it is, `cure` what to do.
    pub(crate) fn new(kind: DataErrorKind, wrong: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { kind, message: wrong.into(), cure: cure.into() }
    }

    /// A fault of the file at `path`: `wrong` says what it is, `cure` what to do.
    pub(crate) fn of(kind: DataErrorKind, path: &Path, wrong: impl Display, cure: impl Display) -> Self {
        Self::new(kind, format!("{}: {wrong}", path.display()), cure.to_string())
    }

    /// An error of the operating system on `path`.
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        let (kind, wrong, cure) = match error.kind() {
            std::io::ErrorKind::NotFound => {
                (DataErrorKind::Missing, "no such file or folder".to_owned(), "check the path")
            }
            std::io::ErrorKind::UnexpectedEof => (
                DataErrorKind::Truncated,
                "the file ends before its content does".to_owned(),
                "download or copy it again",
            ),
            _ => (
                DataErrorKind::Unreadable,
                format!("cannot be read: {error}"),
                "check the file and its permissions",
            ),
        };
        Self::of(kind, path, wrong, cure)
    }
}
