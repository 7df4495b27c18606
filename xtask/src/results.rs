//! Dated pages under `benches/results/`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::{command, output, root, say};

/// Writes `page` to standard output and to `benches/results/<date>-<name>.md`, under a heading that says where and when
/// it was made.
pub(crate) fn keep(name: &str, title: &str, page: &str) -> Result<PathBuf> {
    let date = date()?;
    let page = format!("# {title}\n\n{date}, commit {}, {}\n\n{page}", commit()?, machine());
    let path = folder()?.join(format!("{date}-{name}.md"));
    std::fs::write(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    std::io::stdout().lock().write_all(page.as_bytes())?;
    say(&format!("kept as {}", path.display()));
    Ok(path)
}

/// The day, as results are named.
pub(crate) fn date() -> Result<String> {
    text("date", &["--utc", "+%Y-%m-%d"])
}

/// What the working tree is at.
pub(crate) fn commit() -> Result<String> {
    text("git", &["describe", "--always", "--dirty", "--exclude=*"])
}

/// Where results are kept.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = root().join("benches/results");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// The processor's name and the number of threads at hand.
fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {threads} threads", model.map_or("unknown processor", |(_, name)| name))
}

fn text(program: &str, args: &[&str]) -> Result<String> {
    let printed = output(command(program, args))?.stdout;
    Ok(String::from_utf8_lossy(&printed).trim().to_owned())
}
