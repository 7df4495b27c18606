//! `joulewise doctor`, seen from outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn doctor(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_joulewise"));
    command.args(["doctor", "--root", root.to_str().unwrap()]).args(arguments);
    for variable in
        ["SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST", "APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"]
    {
        command.env_remove(variable);
    }
    command.env("CUDA_VISIBLE_DEVICES", "").output().unwrap()
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_root_folder_is_looked_at_instead_of_the_machine() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        "proc/cpuinfo",
        "vendor_id : GenuineIntel\nmodel name : Test CPU\nflags : fpu hypervisor\n",
    );
    write(root.path(), "sys/class/dmi/id/sys_vendor", "QEMU\n");
    write(root.path(), ".dockerenv", "");
    let output = doctor(root.path(), &[]);
    let text = str::from_utf8(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text.starts_with("Test CPU, ")
            && text.contains("in a container (Docker) in a virtual machine (QEMU)")
    );
    assert!(text.contains("–  powercap") || text.contains("– powercap"), "{text}");
    assert!(text.contains("modelled"), "{text}");

    let json: Value = serde_json::from_slice(&doctor(root.path(), &["--json"]).stdout).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["environment"]["container"], "Docker");
    assert_eq!(json["findings"][0]["state"], "absent");
    assert_eq!(json["attainable"].as_array().unwrap().len(), 0);
}

#[test]
fn counters_are_found_by_measure_and_doctor_alike() {
    let root = tempfile::tempdir().unwrap();
    let zone = "sys/class/powercap/intel-rapl:0";
    write(root.path(), &format!("{zone}/name"), "package-0\n");
    write(root.path(), &format!("{zone}/energy_uj"), "1\n");
    write(root.path(), &format!("{zone}/max_energy_range_uj"), "262143328850\n");
    let json: Value = serde_json::from_slice(&doctor(root.path(), &["--json"]).stdout).unwrap();
    assert_eq!(json["findings"][0]["source"], "powercap");
    assert_eq!(json["findings"][0]["state"], "used");
    assert_eq!(json["findings"][0]["text"], "package-0");
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let output = doctor(Path::new("/no/such/root"), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(str::from_utf8(&output.stderr).unwrap().starts_with("error: cannot look at /no/such/root: "));
    assert!(output.stdout.is_empty());
}
