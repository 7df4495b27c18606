//! The job array of `examples/slurm` under a real Slurm of one node.
//!
//! Slurm's daemons run as root; where they are not installed, or the test is not root, it says that it was skipped.
#![cfg(feature = "postgres")]

#[path = "../../joulewise-tune/tests/server/mod.rs"]
mod server;
mod support;

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::Value;
use server::Server;
use support::text;

const STUDY: &str = r#"
command = "sh train.sh {digit}"
objectives = ["max accuracy"]
trials = 6

[parameters]
digit = { low = 0, high = 99 }
"#;

/// Takes longer than anybody waits where `$HANG` is a file.
const TRAIN: &str =
    "echo '{\"epoch\": 1, \"accuracy\": 0.1}'; [ -e \"$HANG\" ] && sleep 600; echo '{\"accuracy\": 0.'$1'}'";

/// A cluster of this machine alone, with an authentication of its own.
struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Option<Self> {
        let programs = ["munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol"];
        let folder = tempfile::tempdir().unwrap();
        let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
        if !is_root || programs.iter().any(|program| find(program).is_none()) {
            let _ = writeln!(std::io::stderr(), "skipped: Slurm is not installed, or this is not root");
            return None;
        }
        let cluster = Self { folder };
        let path = |name: &str| cluster.path(name).display().to_string();
        for name in ["munge", "state", "spool"] {
            fs::create_dir(cluster.path(name)).unwrap();
        }
        fs::write(cluster.path("munge/key"), [7; 128]).unwrap();
        cluster.run("chmod", &["600", &path("munge/key")]);
        let places = [
            "key-file=munge/key",
            "socket=munge/socket",
            "pid-file=munge/pid",
            "log-file=munge/log",
            "seed-file=munge/seed",
        ];
        let places = places.map(|place| {
            let (option, file) = place.split_once('=').unwrap();
            format!("--{option}={}", path(file))
        });
        cluster.run("munged", &[&["--force"], &places.each_ref().map(String::as_str)[..]].concat());
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let host = host.trim();
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own = path("");
        let own = own.trim_end_matches('/');
        let config = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmctldPort={}\nSlurmdPort={}\n\
             AuthType=auth/munge\nAuthInfo=socket={own}/munge/socket\nStateSaveLocation={own}/state\n\
             SlurmdSpoolDir={own}/spool\nSlurmctldPidFile={own}/slurmctld.pid\nSlurmdPidFile={own}/slurmd.pid\n\
             SlurmctldLogFile={own}/slurmctld.log\nSlurmdLogFile={own}/slurmd.log\nProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nMailProg=/bin/true\n\
             ReturnToService=2\nNodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
             PartitionName=all Nodes={host} Default=YES State=UP\n",
            port(),
            port()
        );
        fs::write(cluster.path("slurm.conf"), config).unwrap();
        cluster.run("slurmctld", &["-c"]);
        cluster.run("slurmd", &["-N", host]);
        Some(cluster)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(find(program).unwrap());
        command.env("SLURM_CONF", self.path("slurm.conf")).stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.command(program);
        // Daemons inherit what is open: a pipe would be waited for.
        let said = self.path("said");
        let file = fs::File::create(&said).unwrap();
        let status = command.args(arguments).stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        let said = fs::read_to_string(&said).unwrap();
        assert!(status.success(), "{program} {arguments:?} ended with {status}: {said}");
        said
    }

    /// Submits the example's script, in `folder`, and gives the job's number.
    fn submit(&self, folder: &Path, address: &str, hang: &Path) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/slurm/workers.sbatch");
        let program = Path::new(env!("CARGO_BIN_EXE_joulewise"));
        let path = env::var("PATH").unwrap();
        let submitted = self
            .command("sbatch")
            .args(["--parsable", "--array=0-1", "--time=00:10:00"])
            .arg(script)
            .arg("s.toml")
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
            .env("JOULEWISE_DB", address)
            .env("HANG", hang)
            .env("JOULEWISE_SYSFS", folder)
            .env("CUDA_VISIBLE_DEVICES", "")
            .output()
            .unwrap();
        assert!(submitted.status.success(), "{}", text(&submitted.stderr));
        text(&submitted.stdout).trim().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (program, arguments) in [
            ("scancel", vec!["--user=root".to_owned()]),
            ("scontrol", vec!["shutdown".to_owned()]),
            (
                "munged",
                vec!["--stop".to_owned(), format!("--socket={}", self.path("munge/socket").display())],
            ),
        ] {
            let _ = self.command(program).args(arguments).output();
        }
        // The daemons write their state as they end.
        thread::sleep(Duration::from_secs(1));
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.exists())
}

/// Waits until `sql` says what is expected, and fails when that takes minutes.
fn until(server: &Server, sql: &str, expected: &str, folder: &Path) {
    let begin = Instant::now();
    while server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'joulewise'") == "0"
        || server.sql(sql) != expected
    {
        let log = || {
            let logs = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
            let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
            logs.map(|log| fs::read_to_string(log).unwrap()).collect::<Vec<_>>().join("\n")
        };
        assert!(begin.elapsed() < Duration::from_mins(3), "{sql} is not {expected}: {}", log());
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_a_job_that_is_ended_did_not_finish_is_done_by_the_next() {
    let Some(server) = Server::start() else { return };
    let Some(cluster) = Cluster::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, hang) = (folder.path(), folder.path().join("hang"));
    fs::write(path.join("train.sh"), TRAIN).unwrap();
    fs::write(path.join("s.toml"), STUDY).unwrap();
    fs::write(&hang, "").unwrap();
    let address = server.address();
    let count = |kind: &str| {
        format!("SELECT count(*) FROM joulewise.events WHERE entry LIKE '{{\"kind\":\"{kind}\"%'")
    };

    let job = cluster.submit(path, &address, &hang);
    until(&server, &count("reported"), "2", path);
    // All processes of the job are signalled, the trial's as well: so do preemption and the end of its time.
    cluster.run("scancel", &["--signal=TERM", "--full", &job]);
    until(&server, &count("returned"), "2", path);
    fs::remove_file(&hang).unwrap();
    cluster.submit(path, &address, &hang);
    until(&server, &count("ended"), "6", path);

    let told = support::joulewise(path, &["tune", "trials", "--json", "--db", &address]);
    let trials: Value = serde_json::from_slice(&told.stdout).unwrap();
    let of = |state: &str| -> Vec<&Value> {
        trials.as_array().unwrap().iter().filter(|trial| trial["state"] == state).collect()
    };
    assert_eq!((of("lost").len(), of("done").len(), trials.as_array().unwrap().len()), (2, 6, 8));
    assert!(
        of("lost").iter().all(|trial| trial["energy_j"].as_f64().unwrap() > 0.0),
        "joules were forgotten"
    );
}
