//! What tests of `joulewise` share: how it is started so that nothing of this machine shows, and a counter to read.
#![allow(dead_code, reason = "every test uses a part of it")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The program, which looks for counters in `folder` and runs there, and finds no GPU. A script that it runs finds it as
/// `$JOULEWISE`.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_joulewise");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("JOULEWISE", program).env("JOULEWISE_SYSFS", folder);
    command.env("CUDA_VISIBLE_DEVICES", "").env_remove("JOULEWISE_SPANS");
    command
}

/// What [`command`] printed and exited with.
pub(crate) fn joulewise(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// The folder of the counter of [`counter`].
pub(crate) const ZONE: &str = "class/powercap/intel-rapl:0";

/// A counter in `folder` that stands at 1 J.
pub(crate) fn counter(folder: &Path) {
    let zone = folder.join(ZONE);
    fs::create_dir_all(&zone).unwrap();
    fs::write(zone.join("name"), "package-0\n").unwrap();
    fs::write(zone.join("max_energy_range_uj"), "262143328850\n").unwrap();
    fs::write(zone.join("energy_uj"), "1000000\n").unwrap();
}
