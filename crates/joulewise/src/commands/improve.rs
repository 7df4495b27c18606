//! `joulewise improve`: from a training task to cheaper models at the same quality, and one ledger.

use std::path::PathBuf;
use std::process::ExitCode;

/// Find cheaper models at the same quality, and account for every joule of finding them.
#[derive(Debug, Default, clap::Args)]
pub struct Improve {
    /// The recipe; without one, a LeNet learns the built-in glyphs.
    pub recipe: Option<PathBuf>,
    /// Folder or file of the data.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
}

impl Improve {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        anyhow::bail!("no practice is installed in this build")
    }
}
