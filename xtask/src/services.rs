//! Programs that tests start and that come as packages of the system.

use std::path::Path;

use anyhow::{Context, Result};

use crate::process::{command, output, say, show};

/// A package, a program of it, and the variable by which its tests fail where it is missing, instead of being skipped.
struct Service {
    package: &'static str,
    is_there: fn() -> bool,
    required: &'static str,
}

const SERVICES: [Service; 1] =
    [Service { package: "postgresql", is_there: has_postgres, required: "JOULEWISE_REQUIRE_POSTGRES" }];

/// Installs what is missing, where that can be done, and gives the variables that have the tests insist on it.
pub(crate) fn ready() -> Result<Vec<(&'static str, &'static str)>> {
    for service in SERVICES.iter().filter(|service| !(service.is_there)()) {
        say(&format!("{} is not installed", service.package));
        install(service.package)
            .with_context(|| format!("tests need {}: install it and run this again", service.package))?;
    }
    Ok(SERVICES.iter().map(|service| (service.required, "1")).collect())
}

fn install(package: &str) -> Result<()> {
    show(command("apt-get", ["update", "--quiet"]))?;
    let mut install = command("apt-get", ["install", "--quiet", "--yes", "--no-install-recommends", package]);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    show(install)
}

/// Debian keeps the programs of a server out of the path.
fn has_postgres() -> bool {
    let of_debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    of_debian.map(|version| version.path()).any(|version| version.join("bin/initdb").exists())
        || output(command(Path::new("initdb"), ["--version"])).is_ok_and(|told| told.status.success())
}
