//! The energy counters of NVIDIA GPUs (Volta and later), through the driver's own library.

use std::env;
use std::ffi::OsStr;
use std::sync::OnceLock;
use std::time::Instant;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use crate::energy::Method;
use crate::event::Caveat;
use crate::source::{Domain, Place, ReadError, ReadErrorKind, Reading, Source};

/// Initialised once and for the whole process: it takes up to a second, and the driver counts on meanwhile.
static LIBRARY: OnceLock<Option<Nvml>> = OnceLock::new();

/// The counters move about ten times a second.
const UPDATE_S: f64 = 0.1;
/// NVIDIA states 5 % for its power readings.
const SCALE: (f64, f64) = (0.95, 1.05);

/// The energy counters of the GPUs that this process may use.
pub struct Gpus {
    library: &'static Nvml,
    domains: Vec<Domain>,
    devices: Vec<Gpu>,
}

struct Gpu {
    index: u32,
    model: String,
    last_mj: u64,
    total_mj: u64,
    at: Instant,
    watts: f64,
}

/// What [`Gpus::open`] found.
pub struct Opened {
    /// The source, if at least one GPU has an energy counter.
    pub source: Option<Gpus>,
    /// GPUs that cannot be metered.
    pub caveats: Vec<Caveat>,
}

impl Gpus {
    /// Opens the counters. Where the driver is not installed this finds nothing, silently.
    ///
    /// `CUDA_VISIBLE_DEVICES` is honoured; its numbers are taken in the order of the PCI bus.
    pub fn open() -> Opened {
        let nothing = Opened { source: None, caveats: Vec::new() };
        let Some(library) = LIBRARY.get_or_init(load) else { return nothing };
        let visible = env::var("CUDA_VISIBLE_DEVICES").ok();
        let mut found = nothing;
        let (mut domains, mut devices) = (Vec::new(), Vec::new());
        for index in 0..library.device_count().unwrap_or(0) {
            let Ok(device) = library.device_by_index(index) else { continue };
            let uuid = device.uuid().unwrap_or_default();
            if visible.as_deref().is_some_and(|list| !lists(list, index, &uuid)) {
                continue;
            }
            let model = device.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned());
            match device.total_energy_consumption() {
                Ok(now_mj) => {
                    let name = format!("gpu-{index}");
                    domains.push(Domain { name, place: Place::Root, method: Method::Measured, scale: SCALE });
                    devices.push(Gpu {
                        index,
                        model,
                        last_mj: now_mj,
                        total_mj: 0,
                        at: Instant::now(),
                        watts: 0.0,
                    });
                }
                Err(error) => {
                    let text = format!("gpu-{index} ({model}) has no readable energy counter: {error}");
                    found.caveats.push(Caveat::new(
                        "gpu-not-metered",
                        text,
                        "its energy is not in the total",
                    ));
                }
            }
        }
        found.source = (!devices.is_empty()).then_some(Self { library, domains, devices });
        found
    }
}

/// The name with the version is the one that the driver installs; the bare one comes with development packages.
fn load() -> Option<Nvml> {
    Nvml::builder().lib_path(OsStr::new("libnvidia-ml.so.1")).init().or_else(|_| Nvml::init()).ok()
}

/// Whether a list in the form of `CUDA_VISIBLE_DEVICES` names a GPU.
fn lists(list: &str, index: u32, uuid: &str) -> bool {
    // As CUDA does: everything after the first entry that is no device is ignored.
    list.split(',')
        .map(str::trim)
        .take_while(|entry| entry.parse::<u32>().is_ok() || entry.starts_with("GPU-"))
        .any(|entry| entry.parse() == Ok(index) || (entry.starts_with("GPU-") && uuid.starts_with(entry)))
}

impl Source for Gpus {
    fn name(&self) -> String {
        let names: Vec<_> =
            self.devices.iter().map(|gpu| format!("gpu-{} {}", gpu.index, gpu.model)).collect();
        format!("NVML: {}", names.join(", "))
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, into: &mut Reading) -> Result<(), ReadError> {
        for (i, gpu) in self.devices.iter_mut().enumerate() {
            let device = self.library.device_by_index(gpu.index);
            let now_mj = device.and_then(|device| device.total_energy_consumption());
            let now_mj = now_mj.map_err(|error| read_error(gpu.index, &error))?;
            into.caveats.extend(gpu.advance(now_mj, Instant::now()));
            into.joules[i] = gpu.total_mj as f64 * 1e-3;
            into.lag_j[i] = gpu.watts * UPDATE_S;
        }
        into.at = Instant::now();
        Ok(())
    }
}

impl Gpu {
    /// The counter has 64 bits: it never wraps, and a decrease is a driver that was loaded anew.
    fn advance(&mut self, now_mj: u64, now: Instant) -> Option<Caveat> {
        let elapsed_s = now.duration_since(self.at).as_secs_f64();
        let used_mj = now_mj.checked_sub(self.last_mj);
        self.last_mj = now_mj;
        self.total_mj += used_mj.unwrap_or(0);
        if used_mj.is_some_and(|used| used > 0) && elapsed_s > 0.0 {
            self.watts = used_mj.unwrap_or(0) as f64 * 1e-3 / elapsed_s.max(UPDATE_S);
            self.at = now;
        }
        used_mj.is_none().then(|| {
            Caveat::new(
                "counter-reset",
                format!("the counter of gpu-{} was set back: some of its energy is missing", self.index),
                "keep the driver loaded with `nvidia-smi -pm 1`; measure again",
            )
        })
    }
}

fn read_error(index: u32, error: &NvmlError) -> ReadError {
    let kind = match error {
        NvmlError::GpuLost | NvmlError::Uninitialized | NvmlError::InvalidArg => ReadErrorKind::Gone,
        NvmlError::Unknown => ReadErrorKind::Retry,
        _ => ReadErrorKind::Fatal,
    };
    ReadError::new(kind, format!("energy counter of gpu-{index}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_devices_are_numbers_or_the_beginning_of_a_uuid() {
        let uuid = "GPU-1234-abcd";
        assert!(lists("0,1", 1, uuid));
        assert!(!lists("0,1", 2, uuid));
        assert!(lists("3, GPU-1234", 0, uuid));
        assert!(!lists("", 0, uuid));
        assert!(!lists("-1,0", 0, uuid));
    }

    #[test]
    fn a_decrease_is_a_reset() {
        let now = Instant::now();
        let mut gpu = Gpu { index: 0, model: String::new(), last_mj: 5000, total_mj: 0, at: now, watts: 0.0 };
        assert_eq!(gpu.advance(7500, now), None);
        assert_eq!(gpu.advance(100, now).unwrap().code, "counter-reset");
        assert_eq!(gpu.advance(600, now), None);
        assert_eq!(gpu.total_mj, 3000);
    }

    #[test]
    fn a_machine_with_gpus_or_without_can_be_asked() {
        if let Some(mut source) = Gpus::open().source {
            crate::testing::check_source(&mut source);
        }
    }
}
