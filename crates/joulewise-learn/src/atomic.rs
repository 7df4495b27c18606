//! Files that are written whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Folders that list what processes have open already, under names as `/dev/stdout`.
const OPEN_FILES: [&str; 2] = ["/proc", "/dev/fd"];
/// As many links as the systems that we know follow.
const LINKS: usize = 40;

/// Writes `bytes` to `path`. A reader sees the old file or the new one, never a part; after a full
/// disk or a crash the old one is still there, and the new one may be read by whoever might read the old one.
///
/// What is written to instead is whatever cannot be replaced: a device, a pipe, a file that is open already as
/// `/dev/stdout` is. See [`replaced`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(target) = replaced(path)? else {
        return OpenOptions::new().append(true).open(path)?.write_all(bytes);
    };
    let old = fs::metadata(&target).ok().filter(Metadata::is_file).map(|old| old.permissions());
    let temporary = temporary_beside(&target)?;
    let written = write_through(&temporary, bytes, old).and_then(|()| fs::rename(&temporary, &target));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The file that a new one called `path` replaces, which is there or not: the target of a symbolic link instead of the
/// link. `None` where nothing can be replaced, but written to: a device, a pipe, a file that is open already.
///
/// Fails also where that file is write-protected, which no rename would ask.
pub fn replaced(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() && !there.is_dir() => return Ok(None),
        Ok(there) if there.is_file() && there.permissions().readonly() => {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is write-protected"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        let folder = target.parent().unwrap_or(Path::new("")).to_owned();
        if is_of_open_files(&folder) {
            return Ok(None);
        }
        match fs::read_link(&target) {
            Ok(next) => target = folder.join(next),
            // It is no link.
            Err(_) => return Ok(Some(target)),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn is_of_open_files(folder: &Path) -> bool {
    folder.canonicalize().is_ok_and(|folder| OPEN_FILES.iter().any(|open| folder.starts_with(open)))
}

/// A name in the same folder, because a rename is atomic only within one file system.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{}.part", process::id(), WRITES.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(hidden))
}

/// The data must be on the disk before the rename is, or a power cut could leave an empty file.
fn write_through(path: &Path, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(path)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_old_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("m.onnx");
        fs::create_dir(&occupied).unwrap();
        write(&occupied, b"model").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&folder.path().join("missing").join("m.onnx"), b"model").unwrap_err();
    }

    #[test]
    #[cfg(unix)]
    fn the_target_of_a_link_is_replaced_and_keeps_its_permissions() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [target, link, far] = ["a", "b", "c"].map(|name| folder.path().join(name));
        symlink("a", &link).unwrap();
        symlink(&link, &far).unwrap();
        write(&far, b"old").unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
        write(&far, b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(link.is_symlink() && far.is_symlink() && !target.is_symlink());

        fs::set_permissions(&target, Permissions::from_mode(0o444)).unwrap();
        assert_eq!(write(&far, b"newer").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        let circle = folder.path().join("d");
        symlink("d", &circle).unwrap();
        write(&circle, b"new").unwrap_err();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_no_file_or_open_already_is_written_to() {
        use std::os::fd::AsRawFd as _;
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("fifo"), folder.path().join("link"));
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        std::os::unix::fs::symlink(&path, &link).unwrap();
        // Open for both, so that nobody has to wait for the other end.
        let mut pipe = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        for name in [&path, &link] {
            write(name, b"data").unwrap();
            let mut read = [0; 4];
            io::Read::read_exact(&mut pipe, &mut read).unwrap();
            assert_eq!(&read, b"data");
        }
        assert!(link.is_symlink() && !fs::metadata(&path).unwrap().is_file());

        let mut open = File::create(folder.path().join("open")).unwrap();
        open.write_all(b"a").unwrap();
        write(Path::new(&format!("/proc/self/fd/{}", open.as_raw_fd())), b"b").unwrap();
        open.sync_all().unwrap();
        assert_eq!(fs::read(folder.path().join("open")).unwrap(), b"ab");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
