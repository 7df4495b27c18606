//! Counters that follow a curve: a powercap tree, and the registers of the first package behind it.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::curve::{Curve, ZoneCurve};
use crate::sys;

/// Real counters move about that often.
const UPDATE: Duration = Duration::from_millis(1);

/// Keeps the counters of a tree moving while it lives.
pub(crate) struct Feeder {
    root: tempfile::TempDir,
    start_s: f64,
    stop: Arc<AtomicBool>,
    feeding: Option<JoinHandle<()>>,
}

impl Feeder {
    /// Makes the tree and starts the curve.
    pub(crate) fn start(curve: &Curve) -> Result<Self> {
        let root = tempfile::tempdir().context("cannot make a folder for the counters")?;
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755))?;
        let start_s = sys::monotonic_s();
        let counters = make(root.path(), curve).context("cannot make the counters")?;
        let registers = Registers::make(root.path(), curve).context("cannot make the registers")?;
        let stop = Arc::new(AtomicBool::new(false));
        let (curve, stopping) = (curve.clone(), Arc::clone(&stop));
        let feeding = thread::spawn(move || {
            // Where that is not allowed, a busy machine shows as errors of all meters.
            sys::be_punctual();
            let mut next = Instant::now();
            while !stopping.load(Ordering::Relaxed) {
                let at_s = sys::monotonic_s() - start_s;
                for (zone, file) in &counters {
                    // A folder that is taken away ends the feeding soon.
                    let _ = file.write_all_at(&text(curve.shown_uj(zone, at_s)), 0);
                }
                let _ = registers.show(&curve, at_s);
                next += UPDATE;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        Ok(Self { root, start_s, stop, feeding: Some(feeding) })
    }

    /// What stands for `/sys`.
    pub(crate) fn sysfs(&self) -> PathBuf {
        self.root.path().join("sys")
    }

    /// What stands for `/dev/cpu`.
    pub(crate) fn registers(&self) -> PathBuf {
        self.root.path().join("cpu")
    }

    /// When the curve started, on the clock that all processes share.
    pub(crate) fn start_s(&self) -> f64 {
        self.start_s
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(feeding) = self.feeding.take() {
            // A panic of that thread has been reported there.
            let _ = feeding.join();
        }
    }
}

/// The layout of a real tree, with links that hold wherever it is mounted.
fn make(root: &Path, curve: &Curve) -> Result<Vec<(ZoneCurve, File)>> {
    let class = root.join("sys/class/powercap");
    let tree = root.join("sys/devices/virtual/powercap/intel-rapl");
    fs::create_dir_all(&class)?;
    fs::create_dir_all(&tree)?;
    symlink("../../../../class/powercap", tree.join("subsystem"))?;
    symlink("../../devices/virtual/powercap/intel-rapl", class.join("intel-rapl"))?;
    fs::write(tree.join("enabled"), "1\n")?;
    let mut counters = Vec::new();
    for zone in &curve.zones {
        let folder = tree.join(zone.path);
        fs::create_dir_all(&folder)?;
        let name = Path::new(zone.path).file_name().context("a zone has a name")?;
        symlink(Path::new("../../devices/virtual/powercap/intel-rapl").join(zone.path), class.join(name))?;
        fs::write(folder.join("name"), format!("{}\n", zone.name))?;
        fs::write(folder.join("max_energy_range_uj"), format!("{}\n", curve.range_uj))?;
        let file = File::create(folder.join("energy_uj"))?;
        file.write_all_at(&text(curve.shown_uj(zone, 0.0)), 0)?;
        if curve.is_denied {
            file.set_permissions(fs::Permissions::from_mode(0o000))?;
        }
        counters.push((zone.clone(), file));
    }
    Ok(counters)
}

/// The model-specific registers in which a processor of Intel counts, as a file in which each has its place.
struct Registers(File);

impl Registers {
    const UNITS: u64 = 0x606;
    const PACKAGE: u64 = 0x611;
    /// Memory, cores and graphics. Registers lie one byte apart and take eight: in a file only those that are eight apart
    /// can be shown together.
    const OTHERS: [u64; 3] = [0x619, 0x639, 0x641];
    /// Counters of 2⁻¹⁴ J.
    const UNIT: u64 = 14 << 8;

    fn make(root: &Path, curve: &Curve) -> Result<Self> {
        let folder = root.join("cpu/0");
        fs::create_dir_all(&folder)?;
        let registers = Self(File::create(folder.join("msr"))?);
        for at in Self::OTHERS {
            registers.0.write_all_at(&0_u64.to_le_bytes(), at)?;
        }
        registers.0.write_all_at(&Self::UNIT.to_le_bytes(), Self::UNITS)?;
        registers.show(curve, 0.0)?;
        Ok(registers)
    }

    fn show(&self, curve: &Curve, at_s: f64) -> std::io::Result<()> {
        let joules = curve.shown_uj(&curve.zones[0], at_s) as f64 * 1e-6;
        let units = (joules * f64::from(1 << 14)) as u64 & u64::from(u32::MAX);
        self.0.write_all_at(&units.to_le_bytes(), Self::PACKAGE)
    }
}

/// Always as long, so that a shorter number never leaves digits of a longer one behind.
fn text(value_uj: u64) -> Vec<u8> {
    format!("{value_uj:<20}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_move() {
        let curve = &Curve::all()[6];
        let feeder = Feeder::start(curve).unwrap();
        let shown_uj = |zone: &str| -> u64 {
            let path = feeder.sysfs().join("class/powercap").join(zone).join("energy_uj");
            fs::read_to_string(path).unwrap().trim().parse().unwrap()
        };
        let before = shown_uj("intel-rapl:0:1");
        while shown_uj("intel-rapl:0:1") == before {
            thread::sleep(UPDATE);
        }
        let registers = fs::read(feeder.registers().join("0/msr")).unwrap();
        let units = u64::from_le_bytes(registers[0x611..0x619].try_into().unwrap());
        assert!(units as f64 / f64::from(1 << 14) <= shown_uj("intel-rapl:0") as f64 * 1e-6);
        assert!(units > 0);
    }
}
