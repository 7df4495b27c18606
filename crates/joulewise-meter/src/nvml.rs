//! NVIDIA's GPUs, through the library that comes with their driver.

use std::env;
use std::ffi::OsStr;
use std::sync::OnceLock;

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::GpuVirtualizationMode;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_POWER_INSTANT;

use crate::event::Caveat;
use crate::gpu::{Device, Gpu, Identity, Power, Sharing};
use crate::source::{ReadError, ReadErrorKind};
use crate::visible;

/// Initialised once and for the whole process: it takes up to a second, and the driver counts on meanwhile.
static LIBRARY: OnceLock<Result<Nvml, Absence>> = OnceLock::new();

/// What [`open`] found.
#[derive(Default)]
pub struct Opened {
    /// The GPUs that this process may use and that can be metered, each a source.
    pub gpus: Vec<Gpu>,
    /// GPUs that cannot be metered, or whose numbers mean less than it seems.
    pub caveats: Vec<Caveat>,
    /// GPUs that `CUDA_VISIBLE_DEVICES` leaves out.
    pub hidden: Vec<Identity>,
    /// Why no GPU can be asked at all, if so.
    pub absence: Option<Absence>,
}

/// Why no GPU can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The library is not installed.
    NoLibrary,
    /// The library is there, and the driver is not loaded: as a rule there is no GPU.
    NoDriver,
    /// Both are there, and the driver refuses; why.
    Refused(String),
}

/// Loads the driver's library, so that a session that is opened later finds the GPUs at once instead of within a second.
pub fn load() {
    LIBRARY.get_or_init(initialise);
}

/// Opens the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` says. Where there is no driver this finds nothing.
pub fn open() -> Opened {
    let library = match LIBRARY.get_or_init(initialise) {
        Ok(library) => library,
        Err(absence) => return absent(absence.clone()),
    };
    let device = |index| Card::open(library, index).map(|card| Box::new(card) as Box<dyn Device>);
    let devices = (0..library.device_count().unwrap_or(0)).filter_map(device).collect();
    let variable = |name| env::var(name).ok();
    open_each(devices, variable("CUDA_VISIBLE_DEVICES").as_deref(), variable("CUDA_DEVICE_ORDER").as_deref())
}

fn absent(absence: Absence) -> Opened {
    let caveats = match &absence {
        Absence::NoLibrary | Absence::NoDriver => Vec::new(),
        Absence::Refused(why) => vec![Caveat::new(
            "gpu-not-metered",
            format!("NVIDIA's driver cannot be asked: {why}"),
            "the energy of its GPUs is not in the total; `joulewise doctor` says more",
        )],
    };
    Opened { caveats, absence: Some(absence), ..Opened::default() }
}

/// Opens those of the devices that the list names.
pub(crate) fn open_each(devices: Vec<Box<dyn Device>>, list: Option<&str>, order: Option<&str>) -> Opened {
    let cards: Vec<Identity> = devices.iter().map(|device| device.identity()).collect();
    let selected = visible::select(list, &cards);
    let mut opened = Opened::default();
    opened.caveats.extend(visible::doubtful_order(list, order, &cards));
    for ((device, card), is_selected) in devices.into_iter().zip(cards).zip(selected) {
        if !is_selected {
            opened.hidden.push(card);
            continue;
        }
        match Gpu::open(device) {
            Ok((gpu, caveats)) => {
                opened.gpus.push(gpu);
                opened.caveats.extend(caveats);
            }
            Err(caveat) => opened.caveats.push(caveat),
        }
    }
    opened
}

/// The name with the version is the one that the driver installs; the bare one comes with development packages.
fn initialise() -> Result<Nvml, Absence> {
    let versioned = Nvml::builder().lib_path(OsStr::new("libnvidia-ml.so.1")).init();
    let loaded = match versioned {
        Err(NvmlError::LibloadingError(_)) => Nvml::init(),
        other => other,
    };
    loaded.map_err(|error| match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => Absence::NoLibrary,
        NvmlError::DriverNotLoaded => Absence::NoDriver,
        other => Absence::Refused(other.to_string()),
    })
}

/// A card that the driver knows.
struct Card {
    device: nvml_wrapper::Device<'static>,
    index: u32,
    /// Whether the driver tells the power of this moment.
    is_instant: bool,
}

impl Card {
    fn open(library: &'static Nvml, index: u32) -> Option<Self> {
        let device = library.device_by_index(index).ok()?;
        let is_instant = instant_w(&device).is_some();
        Some(Self { device, index, is_instant })
    }

    fn sharing(&self) -> Option<Sharing> {
        if self.device.mig_mode().is_ok_and(|mode| mode.current != 0) {
            return Some(Sharing::Instances);
        }
        // A host of virtual GPUs meters the card as a whole: what is on it is one machine's.
        let is_virtual = matches!(self.device.virtualization_mode(), Ok(GpuVirtualizationMode::Vgpu));
        is_virtual.then_some(Sharing::Virtual)
    }

    fn instances(&self) -> Vec<String> {
        let instance = |i| self.device.mig_device_by_index(i).ok()?.uuid().ok();
        (0..self.device.mig_device_count().unwrap_or(0)).filter_map(instance).collect()
    }
}

impl Device for Card {
    fn identity(&self) -> Identity {
        let sharing = self.sharing();
        Identity {
            index: self.index,
            uuid: self.device.uuid().unwrap_or_default(),
            model: self.device.name().unwrap_or_else(|_| "NVIDIA GPU".to_owned()),
            sharing,
            instances: if sharing == Some(Sharing::Instances) { self.instances() } else { Vec::new() },
        }
    }

    fn energy_mj(&self) -> Result<Option<u64>, ReadError> {
        supported(self.device.total_energy_consumption(), || format!("energy counter of gpu-{}", self.index))
    }

    fn power(&self) -> Result<Option<Power>, ReadError> {
        if self.is_instant {
            return Ok(instant_w(&self.device).map(|watts| Power { watts, is_instant: true }));
        }
        let power_mw = supported(self.device.power_usage(), || format!("power of gpu-{}", self.index))?;
        Ok(power_mw.map(|mw| Power { watts: f64::from(mw) * 1e-3, is_instant: false }))
    }

    fn busy(&self) -> Option<f64> {
        // A card that is divided into instances does not tell it.
        self.device.utilization_rates().ok().map(|rates| f64::from(rates.gpu) * 1e-2)
    }
}

/// What the whole card draws at this moment, in watts. Drivers before 530 and older cards do not tell.
fn instant_w(device: &nvml_wrapper::Device<'_>) -> Option<f64> {
    let sample = device.field_values_for(&[FieldId(NVML_FI_DEV_POWER_INSTANT)]).ok()?.pop()?.ok()?;
    let mw = match sample.value.ok()? {
        SampleValue::F64(mw) => mw,
        SampleValue::U32(mw) => f64::from(mw),
        SampleValue::U64(mw) => mw as f64,
        SampleValue::I64(mw) => mw as f64,
    };
    mw.is_finite().then_some(mw * 1e-3)
}

/// `None` for what the card or its driver does not have.
fn supported<T>(answer: Result<T, NvmlError>, what: impl FnOnce() -> String) -> Result<Option<T>, ReadError> {
    let kind = match answer {
        Ok(value) => return Ok(Some(value)),
        Err(NvmlError::NotSupported | NvmlError::FunctionNotFound | NvmlError::FailedToLoadSymbol(_)) => {
            return Ok(None);
        }
        Err(NvmlError::GpuLost | NvmlError::Uninitialized | NvmlError::InvalidArg) => ReadErrorKind::Gone,
        Err(NvmlError::Unknown) => ReadErrorKind::Retry,
        Err(_) => ReadErrorKind::Fatal,
    };
    let why = answer.err().map_or_else(String::new, |error| error.to_string());
    Err(ReadError::new(kind, format!("{}: {why}", what())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::{Scripted, draws};

    fn devices(count: u32) -> Vec<Box<dyn Device>> {
        let device = |index| {
            let device = Scripted::new(Some(0), Some(draws(50.0, true)));
            device.0.lock().unwrap().identity.index = index;
            Box::new(device) as Box<dyn Device>
        };
        (0..count).map(device).collect()
    }

    #[test]
    fn every_visible_gpu_is_a_source_of_its_own() {
        let opened = open_each(devices(3), Some("0,2"), None);
        let metered: Vec<u32> = opened.gpus.iter().map(|gpu| gpu.identity().index).collect();
        assert_eq!(metered, [0, 2]);
        assert_eq!(opened.hidden.iter().map(|card| card.index).collect::<Vec<_>>(), [1]);
        assert_eq!(opened.caveats, []);
        assert_eq!(open_each(devices(3), Some(""), None).gpus.len(), 0);
        assert_eq!(open_each(devices(2), None, None).gpus.len(), 2);
    }

    #[test]
    fn one_silent_gpu_does_not_keep_the_others_from_being_metered() {
        let mut devices = devices(2);
        devices.insert(1, Box::new(Scripted::new(None, None)));
        let opened = open_each(devices, None, None);
        assert_eq!(opened.gpus.len(), 2);
        assert_eq!(opened.caveats[0].code, "gpu-not-metered");
    }

    #[test]
    fn only_a_refusing_driver_is_worth_a_caveat() {
        assert!(absent(Absence::NoLibrary).caveats.is_empty());
        assert!(absent(Absence::NoDriver).caveats.is_empty());
        let refused = absent(Absence::Refused("version mismatch".to_owned()));
        assert_eq!(refused.caveats[0].code, "gpu-not-metered");
    }

    #[test]
    fn what_a_card_lacks_is_no_error() {
        let answer = |error| supported::<u64>(Err(error), || "power of gpu-0".to_owned());
        assert_eq!(answer(NvmlError::NotSupported).unwrap(), None);
        assert_eq!(answer(NvmlError::GpuLost).unwrap_err().kind(), ReadErrorKind::Gone);
        assert!(answer(NvmlError::NoPermission).unwrap_err().to_string().starts_with("power of gpu-0: "));
    }

    #[test]
    fn a_machine_with_gpus_or_without_can_be_asked() {
        for mut gpu in open().gpus {
            crate::testing::check_source(&mut gpu);
        }
    }
}
