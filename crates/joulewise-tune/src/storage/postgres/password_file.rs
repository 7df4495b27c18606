//! The file of passwords that PostgreSQL's programs share.

use std::io;
use std::path::{Path, PathBuf};

/// The bits of a file's mode that let others than its owner do anything.
#[cfg(unix)]
const MODE_OF_OTHERS: u32 = 0o077;

/// Whom a line of the file has to be for.
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Where the file is: at `PGPASSFILE`, or in the home folder.
pub(super) fn place(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let home = || variable("HOME").map(|home| Path::new(&home).join(".pgpass"));
    variable("PGPASSFILE").map(PathBuf::from).or_else(home)
}

/// The password of the first line for `login`. A file that others may read is not used, as by PostgreSQL's programs.
pub(super) fn password(file: &Path, login: &Login<'_>) -> Option<String> {
    let text = is_private(file).ok().filter(|is| *is).and_then(|_| std::fs::read_to_string(file).ok())?;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| of_line(line, login))
}

#[cfg(unix)]
fn is_private(file: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;

    let metadata = file.metadata()?;
    Ok(metadata.is_file() && metadata.permissions().mode() & MODE_OF_OTHERS == 0)
}

#[cfg(not(unix))]
fn is_private(file: &Path) -> io::Result<bool> {
    Ok(file.metadata()?.is_file())
}

/// `host:port:database:user:password`, where `*` stands for anything and a backslash keeps the character behind it.
fn of_line(line: &str, login: &Login<'_>) -> Option<String> {
    let (mut fields, mut last) = (Vec::new(), String::new());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => last.extend(characters.next()),
            // The password is the rest.
            ':' if fields.len() < 4 => fields.push(std::mem::take(&mut last)),
            character => last.push(character),
        }
    }
    let port = login.port.to_string();
    let wanted = [login.host, &port, login.database, login.user];
    let is_for_it = fields.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
    (is_for_it && fields.len() == 4).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: Login<'_> = Login { host: "db", port: 5432, database: "tune", user: "ann" };

    #[test]
    fn the_first_line_that_is_for_the_login_counts() {
        let of = |line| of_line(line, &LOGIN);
        assert_eq!(of("db:5432:tune:ann:pa:s\\\\s").as_deref(), Some("pa:s\\s"));
        assert_eq!(of("*:*:*:ann:x").as_deref(), Some("x"));
        assert_eq!(of("db:5433:tune:ann:x"), None);
        assert_eq!(of("d\\:b:5432:tune:ann:x"), None);
        assert_eq!(of("db:5432:tune:ann"), None);
        assert_eq!(of(""), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        assert_eq!(password(&file, &LOGIN), None);
        std::fs::write(&file, "# ours\nother:*:*:*:no\n*:*:*:*:yes\n").unwrap();
        for (mode, expected) in [(0o600, Some("yes")), (0o640, None)] {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(password(&file, &LOGIN).as_deref(), expected, "{mode:o}");
        }
    }
}
