//! A PostgreSQL server of a test's own, in a folder that is gone afterwards.

// Each test uses what it needs of it.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// Set where a server has to be there, as in continuous integration: without one, tests fail instead of being skipped.
const REQUIRED: &str = "JOULEWISE_REQUIRE_POSTGRES";

pub(crate) struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    /// The user and the group that the server runs as: it refuses to run as root.
    owner: Option<(u32, u32)>,
}

impl Server {
    /// A server that is up; `None`, having said so, where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        // What an event costs is measured elsewhere: a test need not wait for disks.
        Self::start_with("fsync = off\n")
    }

    /// The same with settings of its own.
    pub(crate) fn start_with(settings: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(env::var_os(REQUIRED).is_none(), "PostgreSQL is not installed, and {REQUIRED} is set");
            let _ = writeln!(std::io::stderr(), "skipped: PostgreSQL is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let owner = is_root(folder.path()).then(server_user);
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        // Free now, and nobody is given it at once again.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { programs, folder, port, owner };
        server.run(
            "initdb",
            ["--auth=trust", "--username=test", "--encoding=UTF8", "--no-sync", "--pgdata", "data"],
        );
        let settings = format!(
            "port = {port}\nunix_socket_directories = '{}'\nlisten_addresses = '127.0.0.1'\nmax_connections = 60\n{settings}",
            server.folder().display()
        );
        fs::OpenOptions::new()
            .append(true)
            .open(server.data("postgresql.conf"))
            .and_then(|mut file| file.write_all(settings.as_bytes()))
            .unwrap();
        server.control(&["start"]);
        Some(server)
    }

    /// Its address over a socket, for the user who may do everything.
    pub(crate) fn address(&self) -> String {
        format!("postgresql://test@/postgres?host={}&port={}", self.folder().display(), self.port)
    }

    /// Its address over the network, for another user and with other parameters.
    pub(crate) fn address_of(&self, user: &str, parameters: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/postgres{parameters}", self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the server's.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder().join("data").join(name)
    }

    /// Gives a file to the user that the server runs as, for whom alone it is.
    pub(crate) fn own(&self, file: &Path) {
        use std::os::unix::fs::PermissionsExt as _;

        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.owner {
            chown(file, Some(user), Some(group)).unwrap();
        }
    }

    /// Ends the server as a crash does, without a word to anybody, and starts it again.
    pub(crate) fn crash_and_start(&self) {
        self.stop();
        self.control(&["start"]);
    }

    pub(crate) fn stop(&self) {
        self.control(&["stop", "--mode=immediate"]);
    }

    pub(crate) fn restart(&self) {
        self.control(&["restart", "--mode=fast"]);
    }

    /// Runs SQL as the user who may do everything, and gives what it says.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let folder = self.folder().to_str().unwrap();
        let port = self.port.to_string();
        let printed =
            self.output("psql", ["-h", folder, "-p", &port, "-U", "test", "-qAtX", "-c", sql, "postgres"]);
        printed.trim().to_owned()
    }

    fn control(&self, what: &[&str]) {
        let log = self.folder().join("log");
        let log = log.to_str().unwrap();
        self.run("pg_ctl", [&["--pgdata", "data", "--wait", "--silent", "--log", log], what].concat());
    }

    fn run(&self, program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) {
        self.output(program, arguments);
    }

    fn output(&self, program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).current_dir(self.folder()).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.gid(group).uid(user);
        }
        // To files: the server inherits them, and who read pipes would wait for its end.
        let (out, err) = (self.folder().join("out"), self.folder().join("err"));
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        let status = command.status().unwrap();
        let said = || fs::read_to_string(&err).unwrap_or_default();
        assert!(status.success(), "{program} ended with {status}: {}", said());
        fs::read_to_string(&out).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.data("postmaster.pid").exists() {
            self.stop();
        }
    }
}

/// Where the programs of a server are: in the path, or where Debian keeps them, the newest version first.
fn programs() -> Option<PathBuf> {
    let has_all =
        |folder: &PathBuf| ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|p| folder.join(p).exists());
    let path = env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    versions.into_iter().rev().chain(env::split_paths(&path)).find(has_all)
}

fn is_root(own_file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    fs::metadata(own_file).unwrap().uid() == 0
}

/// The user and group of somebody who is not root.
fn server_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(|number| number.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    };
    of("postgres").or_else(|| of("nobody")).expect("there is a user who is not root")
}
