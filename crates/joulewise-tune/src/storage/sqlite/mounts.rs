//! File systems on which the locks of SQLite do not hold.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder;
use crate::storage::{StorageError, StorageErrorKind};

/// The kinds that several machines write at a time, as Linux calls them.
const SHARED: [&str; 20] = [
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "gpfs", "beegfs",
    "ocfs2", "gfs2", "panfs", "pvfs2", "orangefs", "davfs", "acfs", "wekafs",
];

/// The programs behind FUSE that do it.
const SHARED_FUSE: [&str; 11] = [
    "sshfs",
    "glusterfs",
    "ceph",
    "s3fs",
    "gcsfuse",
    "rclone",
    "juicefs",
    "goofys",
    "moosefs",
    "cvmfs2",
    "davfs",
];

/// Refuses a file that lies on a network file system. Where the mounts cannot be told, as on other systems than Linux,
/// nothing is refused.
pub(super) fn refuse_network(file: &Path) -> Result<(), StorageError> {
    let (Ok(folder), Ok(mounts)) =
        (fs::canonicalize(folder(file)), fs::read_to_string("/proc/self/mountinfo"))
    else {
        return Ok(());
    };
    match kind_of(&folder, &mounts) {
        Some(kind) if is_shared(kind) => {
            let message = format!(
                "{}: it lies on a network file system ({kind}), where locks do not hold and files get damaged",
                file.display()
            );
            Err(StorageError::new(StorageErrorKind::Network, message))
        }
        _ => Ok(()),
    }
}

fn is_shared(kind: &str) -> bool {
    SHARED.contains(&kind) || kind.strip_prefix("fuse.").is_some_and(|program| SHARED_FUSE.contains(&program))
}

/// The kind of the file system that `folder` is on, by a table as in `/proc/self/mountinfo`.
fn kind_of<'a>(folder: &Path, mounts: &'a str) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        Some((unescaped(place.split(' ').nth(4)?), kind.split(' ').next()?))
    });
    // Of two at the same place, the later one hides the other.
    let around = mounts.filter(|(place, _)| folder.starts_with(place));
    around.max_by_key(|(place, _)| place.components().count()).map(|(_, kind)| kind)
}

/// A path in which `\040` stands for a space.
fn unescaped(path: &str) -> PathBuf {
    let mut plain = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('\\') {
        let code = after.get(..3).and_then(|code| u8::from_str_radix(code, 8).ok());
        plain.push_str(before);
        plain.push(code.map_or('\\', char::from));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain.push_str(rest);
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /home rw,relatime shared:1 - autofs systemd-1 rw
31 22 0:27 / /home rw,relatime shared:2 - nfs4 server:/home rw
32 31 8:1 / /home/me/my\\040disk rw - ext4 /dev/sda1 rw
33 22 0:40 / /mnt/far rw - fuse.sshfs me@far:/ rw
34 22 0:41 / /mnt/near rw - fuse.gocryptfs secret rw
";

    #[test]
    fn the_innermost_and_latest_mount_counts() {
        let kind = |folder: &str| kind_of(Path::new(folder), MOUNTS).unwrap();
        assert_eq!(kind("/var/lib"), "ext4");
        assert_eq!(kind("/home/me"), "nfs4");
        assert_eq!(kind("/homes"), "ext4");
        assert_eq!(kind("/home/me/my disk/studies"), "ext4");
        assert_eq!(kind("/mnt/far/x"), "fuse.sshfs");
    }

    #[test]
    fn only_what_several_machines_write_is_refused() {
        for kind in ["nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "fuse.sshfs", "fuse.glusterfs"] {
            assert!(is_shared(kind), "{kind}");
        }
        for kind in ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "fuse.gocryptfs", "fuseblk"] {
            assert!(!is_shared(kind), "{kind}");
        }
    }

    #[test]
    fn a_table_that_makes_no_sense_refuses_nothing() {
        assert_eq!(kind_of(Path::new("/x"), "a b c\n - \n1 2 3 4 \\9x - ext4"), None);
        assert_eq!(unescaped("a\\"), Path::new("a\\"));
    }
}
