//! The file that the result is written to.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use joulewise_learn::atomic;
use tempfile::NamedTempFile;

use crate::hint::Hint as _;
use crate::output::STDOUT;

/// What is left to do when the run is over.
const NOT_LOST: &str = "the figures are above; name a file where there is space for another run";

/// Where the result is written.
pub(super) enum Destination<'a> {
    /// A file that appears under its name once it is whole.
    File { temporary: NamedTempFile, path: PathBuf },
    /// A pipe or a device, which cannot be replaced.
    Stream { stream: Box<dyn Write>, path: &'a Path },
}

impl<'a> Destination<'a> {
    pub(super) fn open(path: &'a Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        if path.is_dir() {
            return Err(anyhow::anyhow!("is a folder")).hint("name a file").with_context(cannot);
        }
        if path == Path::new(STDOUT) {
            return Ok(Self::Stream { stream: Box::new(io::stdout()), path });
        }
        let replaced = atomic::replaced(path).hint("name another file").with_context(cannot)?;
        let Some(path) = replaced else {
            let stream = OpenOptions::new().append(true).open(path).with_context(cannot)?;
            return Ok(Self::Stream { stream: Box::new(stream), path });
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let permissions =
            fs::metadata(&path).map_or_else(|_| Permissions::from_mode(0o666), |old| old.permissions());
        let temporary = tempfile::Builder::new()
            .prefix(".joulewise-")
            .permissions(permissions)
            .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
            .hint("name a file in a folder that exists and may be written to")
            .with_context(cannot)?;
        Ok(Self::File { temporary, path })
    }

    pub(super) fn write(self, text: &str) -> anyhow::Result<()> {
        let cannot = |path: &Path| format!("cannot write {}", path.display());
        match self {
            Self::File { mut temporary, path } => {
                temporary.write_all(text.as_bytes()).hint(NOT_LOST).with_context(|| cannot(&path))?;
                let kept = temporary.persist(&path).map_err(|error| error.error);
                kept.map(drop).hint(NOT_LOST).with_context(|| cannot(&path))
            }
            Self::Stream { mut stream, path } => {
                stream.write_all(text.as_bytes()).hint(NOT_LOST).with_context(|| cannot(path))
            }
        }
    }
}
