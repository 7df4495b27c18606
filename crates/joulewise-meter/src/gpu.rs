//! A GPU as a source: its counter of joules, or its power over time where it has none.

use std::fmt;
use std::time::{Duration, Instant};

use crate::crosscheck::CrossCheck;
use crate::energy::{Method, Watts};
use crate::event::Caveat;
use crate::source::{Domain, Gaps, Place, ReadError, ReadErrorKind, Reading, Source};

/// What a GPU's driver can be asked.
pub trait Device: Send {
    /// What the driver says that it is.
    fn identity(&self) -> Identity;

    /// Millijoules since the driver was loaded; `None` where the GPU does not count them.
    fn energy_mj(&self) -> Result<Option<u64>, ReadError>;

    /// What it draws now; `None` where the GPU does not tell.
    fn power(&self) -> Result<Option<Power>, ReadError>;

    /// The part of the time lately, at most a second, in which it worked, from 0 to 1; `None` where it does not tell.
    fn busy(&self) -> Option<f64> {
        None
    }
}

/// What a driver says that a GPU is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its number, in the order of the PCI bus.
    pub index: u32,
    /// As in `GPU-8f2a…`.
    pub uuid: String,
    /// As in `NVIDIA H100 80GB HBM3`.
    pub model: String,
    /// With whom the card is shared, if so.
    pub sharing: Option<Sharing>,
    /// The ids of the instances (MIG) that it is divided into, as in `MIG-3c5d…`.
    pub instances: Vec<String>,
}

/// How a card is shared, so that its joules are not those of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Divided into instances (MIG).
    Instances,
    /// This is a virtual GPU (vGPU) on a card that others use as well.
    Virtual,
}

impl fmt::Display for Identity {
    /// As in `gpu-0 NVIDIA H100 80GB HBM3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gpu-{} {}", self.index, self.model)
    }
}

/// What a GPU draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// In watts.
    pub watts: f64,
    /// Whether that is what it draws at this moment, and not a mean over a time that the driver chooses.
    pub is_instant: bool,
}

/// The energy of one GPU.
pub struct Gpu {
    device: Box<dyn Device>,
    identity: Identity,
    domain: [Domain; 1],
    energy: Energy,
    busy: Option<Busy>,
}

/// How long it was busy.
struct Busy {
    total_s: f64,
    /// When it was last asked.
    asked: Instant,
}

/// How the joules are obtained.
enum Energy {
    /// The counter, and a check of it against the power where that is told at once.
    Counted { last_mj: u64, total_mj: u64, moved: Instant, watts: f64, gaps: Gaps, check: Option<CrossCheck> },
    /// Power over time.
    Integrated { power: Integral, lag_j: f64 },
}

/// The counters move about ten times a second.
const UPDATE_S: f64 = 0.1;
/// What the driver tells covers no more than that, and asking more often only costs.
const BUSY_PERIOD_S: f64 = 1.0;
/// More than a card draws, also in bursts, in watts.
const LARGEST_W: f64 = 2000.0;
/// NVIDIA states 5 % for its power readings.
const COUNTED: (f64, f64) = (0.95, 1.05);
/// As much again for what the power does between two readings.
const INTEGRATED: (f64, f64) = (0.9, 1.1);

impl Gpu {
    /// Meters a GPU from now on, and tells what limits its numbers; a caveat where it cannot be metered.
    pub fn open(device: Box<dyn Device>) -> Result<(Self, Vec<Caveat>), Caveat> {
        let identity = device.identity();
        let now = Instant::now();
        let power = device.power();
        let mut caveats: Vec<Caveat> = shared(&identity).into_iter().collect();
        let energy = match (device.energy_mj(), power) {
            (Ok(Some(now_mj)), power) => {
                let instant = power.ok().flatten().filter(|power| power.is_instant);
                let check = instant.map(|power| CrossCheck::new(now, power.watts, now_mj));
                Energy::Counted {
                    last_mj: now_mj,
                    total_mj: 0,
                    moved: now,
                    watts: 0.0,
                    gaps: Gaps::default(),
                    check,
                }
            }
            (_, Ok(Some(power))) => {
                caveats.push(Caveat::new(
                    "integrated-power",
                    format!("{identity} has no counter of joules: its power is added up over time"),
                    "what it draws between two readings is not seen; measure for 5 s or longer",
                ));
                Energy::Integrated { power: Integral::new(now, power.watts), lag_j: 0.0 }
            }
            (Err(error), _) | (Ok(None), Err(error)) => {
                return Err(not_metered(&identity, &error.to_string()));
            }
            (Ok(None), Ok(None)) => {
                return Err(not_metered(&identity, "it tells neither its joules nor its power"));
            }
        };
        let scale = if matches!(energy, Energy::Counted { .. }) { COUNTED } else { INTEGRATED };
        let name = format!("gpu-{}", identity.index);
        let domain = [Domain { name, place: Place::Root, method: Method::Measured, scale }];
        let busy = device.busy().map(|_| Busy { total_s: 0.0, asked: now });
        Ok((Self { device, identity, domain, energy, busy }, caveats))
    }

    /// What the driver says that it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it counts its joules, instead of only telling its power.
    pub fn is_counting(&self) -> bool {
        matches!(self.energy, Energy::Counted { .. })
    }

    /// How long it may go unread.
    pub fn safe_period(&self) -> Duration {
        if self.is_counting() { Duration::MAX } else { Duration::from_secs_f64(UPDATE_S) }
    }

    fn read_at(&mut self, now: Instant, into: &mut Reading) -> Result<(), ReadError> {
        match &mut self.energy {
            Energy::Counted { last_mj, total_mj, moved, watts, gaps, check } => {
                // One that stops counting in mid-run is an error like any other.
                let now_mj = self.device.energy_mj()?.ok_or_else(|| silent(&self.identity, "joules"))?;
                let elapsed_s = now.duration_since(*moved).as_secs_f64();
                match now_mj.checked_sub(*last_mj) {
                    // The counter has 64 bits: it never wraps, and a decrease is a driver that was loaded anew.
                    None => {
                        let assumed_j = *watts * elapsed_s;
                        gaps.time_s += elapsed_s;
                        gaps.assumed_j += assumed_j;
                        gaps.doubt_j += (LARGEST_W * elapsed_s - assumed_j).max(0.0);
                        into.caveats.push(reset(&self.identity, elapsed_s, Watts(*watts)));
                        *moved = now;
                        *check = None;
                    }
                    Some(0) => {}
                    Some(used_mj) => {
                        *total_mj += used_mj;
                        *watts = used_mj as f64 * 1e-3 / elapsed_s.max(UPDATE_S);
                        *moved = now;
                    }
                }
                *last_mj = now_mj;
                if let Some(crosscheck) = check {
                    match self.device.power() {
                        Ok(Some(power)) => {
                            if let Some(caveat) = crosscheck.add(now, power.watts, now_mj, &self.identity) {
                                into.caveats.push(caveat);
                                *check = None;
                            }
                        }
                        // The counter goes on without being checked.
                        _ => *check = None,
                    }
                }
                into.joules[0] = *total_mj as f64 * 1e-3 + gaps.assumed_j;
                into.lag_j[0] = *watts * UPDATE_S;
                into.gaps[0] = *gaps;
            }
            Energy::Integrated { power, lag_j } => {
                let watts = self.device.power()?.ok_or_else(|| silent(&self.identity, "power"))?.watts;
                let step_s = power.add(now, watts);
                *lag_j = watts * step_s.max(UPDATE_S);
                into.joules[0] = power.joules;
                into.lag_j[0] = *lag_j;
            }
        }
        if let Some(busy) = &mut self.busy {
            let elapsed_s = now.duration_since(busy.asked).as_secs_f64();
            if elapsed_s >= BUSY_PERIOD_S {
                // One that no longer tells is not taken for idle.
                busy.total_s += self.device.busy().unwrap_or(1.0).clamp(0.0, 1.0) * elapsed_s;
                busy.asked = now;
            }
            into.busy_s = Some(busy.total_s);
        }
        into.at = now;
        Ok(())
    }
}

impl Source for Gpu {
    fn name(&self) -> String {
        let how = if self.is_counting() { "" } else { ", power over time" };
        format!("NVML: {}{how}", self.identity)
    }

    fn domains(&self) -> &[Domain] {
        &self.domain
    }

    fn read(&mut self, into: &mut Reading) -> Result<(), ReadError> {
        self.read_at(Instant::now(), into)
    }
}

fn shared(identity: &Identity) -> Option<Caveat> {
    let (text, hint) = match identity.sharing? {
        Sharing::Instances => (
            format!("{identity} is divided into instances (MIG): its joules are those of the whole card"),
            "what one instance uses cannot be told; measure while the others are idle",
        ),
        Sharing::Virtual => (
            format!(
                "{identity} is a virtual GPU: its joules may be those of the card, which others use as well"
            ),
            "what one virtual GPU uses cannot be told; measure where the card is passed through as a whole",
        ),
    };
    Some(Caveat::new("shared-gpu", text, hint))
}

fn not_metered(identity: &Identity, why: &str) -> Caveat {
    let text = format!("{identity} cannot be metered: {why}");
    Caveat::new("gpu-not-metered", text, "its energy is not in the total")
}

fn reset(identity: &Identity, gap_s: f64, assumed: Watts) -> Caveat {
    let text = format!(
        "the counter of {identity} was set back: {gap_s:.2} s are assumed to be as before, {assumed}"
    );
    Caveat::new("counter-reset", text, "keep the driver loaded with `nvidia-smi -pm 1`; measure again")
}

fn silent(identity: &Identity, what: &str) -> ReadError {
    ReadError::new(ReadErrorKind::Fatal, format!("{identity} no longer tells its {what}"))
}

/// Watts over time, straight lines between the readings.
#[derive(Debug)]
pub(crate) struct Integral {
    pub(crate) joules: f64,
    at: Instant,
    watts: f64,
}

impl Integral {
    pub(crate) fn new(at: Instant, watts: f64) -> Self {
        Self { joules: 0.0, at, watts: watts.max(0.0) }
    }

    /// Adds a reading; gives the seconds since the one before.
    pub(crate) fn add(&mut self, at: Instant, watts: f64) -> f64 {
        let watts = watts.max(0.0);
        let step_s = at.duration_since(self.at).as_secs_f64();
        self.joules += f64::midpoint(self.watts, watts) * step_s;
        (self.at, self.watts) = (at, watts);
        step_s
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::testing::check_source;

    /// A GPU that says what it is told to.
    #[derive(Clone, Default)]
    pub(crate) struct Scripted(pub(crate) Arc<Mutex<Script>>);

    #[derive(Clone, Default)]
    pub(crate) struct Script {
        pub(crate) identity: Identity,
        pub(crate) energy_mj: Option<u64>,
        pub(crate) power: Option<Power>,
        pub(crate) busy: Option<f64>,
        pub(crate) broken: Option<&'static str>,
    }

    impl Scripted {
        pub(crate) fn new(energy_mj: Option<u64>, power: Option<Power>) -> Self {
            let identity = Identity { model: "Test GPU".to_owned(), ..Identity::default() };
            Self(Arc::new(Mutex::new(Script { identity, energy_mj, power, busy: None, broken: None })))
        }

        fn set(&self, change: impl FnOnce(&mut Script)) {
            change(&mut self.0.lock().unwrap());
        }

        fn open(&self) -> (Gpu, Vec<Caveat>) {
            Gpu::open(Box::new(self.clone())).unwrap()
        }
    }

    impl Device for Scripted {
        fn identity(&self) -> Identity {
            self.0.lock().unwrap().identity.clone()
        }

        fn energy_mj(&self) -> Result<Option<u64>, ReadError> {
            let script = self.0.lock().unwrap();
            script.broken.map_or(Ok(script.energy_mj), |why| Err(ReadError::new(ReadErrorKind::Gone, why)))
        }

        fn power(&self) -> Result<Option<Power>, ReadError> {
            Ok(self.0.lock().unwrap().power)
        }

        fn busy(&self) -> Option<f64> {
            self.0.lock().unwrap().busy
        }
    }

    pub(crate) fn draws(watts: f64, is_instant: bool) -> Power {
        Power { watts, is_instant }
    }

    /// Reads it every 100 ms for so long while it draws `watts` and its counter counts `counted_w`.
    fn run(
        device: &Scripted,
        gpu: &mut Gpu,
        from: Instant,
        seconds: u64,
        watts: f64,
        counted_w: f64,
    ) -> Reading {
        let mut reading = Reading::new(1);
        let start_mj = device.0.lock().unwrap().energy_mj;
        for i in 1..=seconds * 10 {
            device.set(|script| {
                script.energy_mj = start_mj.map(|start| start + (counted_w * 100.0 * i as f64) as u64);
                script.power = script.power.map(|power| Power { watts, ..power });
            });
            gpu.read_at(from + Duration::from_millis(100 * i), &mut reading).unwrap();
        }
        reading
    }

    #[test]
    fn a_counter_is_preferred_to_power() {
        let device = Scripted::new(Some(5_000), Some(draws(70.0, true)));
        let (mut gpu, caveats) = device.open();
        assert!(gpu.is_counting() && caveats.is_empty());
        let start = Instant::now();
        let reading = run(&device, &mut gpu, start, 20, 300.0, 300.0);
        assert_eq!(reading.joules, [6_000.0]);
        assert_eq!(reading.caveats, []);
        assert_eq!(gpu.name(), "NVML: gpu-0 Test GPU");
        check_source(&mut gpu);
    }

    #[test]
    fn a_counter_that_is_set_back_is_told_and_goes_on() {
        let device = Scripted::new(Some(5_000), None);
        let (mut gpu, _) = device.open();
        let start = Instant::now();
        let mut read = |energy_mj, after_s| {
            device.set(|script| script.energy_mj = Some(energy_mj));
            let mut reading = Reading::new(1);
            gpu.read_at(start + Duration::from_secs(after_s), &mut reading).unwrap();
            let code = reading.caveats.first().map(|caveat| caveat.code.clone());
            (reading.joules[0].round(), code, reading.gaps[0])
        };
        assert_eq!(read(1_005_000, 10), (1_000.0, None, Gaps::default()));
        // It drew 100 W before: that is assumed for the 2 s that are lost, and anything that a card draws is possible.
        let (joules, code, gaps) = read(100, 12);
        assert_eq!((joules, code), (1_200.0, Some("counter-reset".to_owned())));
        assert!((gaps.time_s - 2.0).abs() < 1e-6 && (gaps.assumed_j - 200.0).abs() < 1.0, "{gaps:?}");
        assert!(gaps.doubt_j > 3_000.0, "{gaps:?}");
        assert_eq!(read(50_100, 13).0, 1_250.0);
    }

    #[test]
    fn how_long_it_was_busy_adds_up() {
        let device = Scripted::new(Some(0), None);
        device.set(|script| script.busy = Some(0.0));
        let (mut gpu, _) = device.open();
        let start = Instant::now();
        let mut read = |busy, after_s: f64| {
            device.set(|script| script.busy = busy);
            let mut reading = Reading::new(1);
            gpu.read_at(start + Duration::from_secs_f64(after_s), &mut reading).unwrap();
            reading.busy_s.unwrap()
        };
        assert_eq!(read(Some(1.0), 0.5), 0.0, "not asked so soon");
        assert!((read(Some(0.5), 2.0) - 1.0).abs() < 1e-3);
        assert!((read(Some(1.0), 4.0) - 3.0).abs() < 1e-3);
        let (mut silent, _) = Scripted::new(Some(0), None).open();
        let mut reading = Reading::new(1);
        silent.read_at(start + Duration::from_secs(9), &mut reading).unwrap();
        assert_eq!(reading.busy_s, None);
    }

    #[test]
    fn power_is_added_up_where_nothing_is_counted() {
        let device = Scripted::new(None, Some(draws(100.0, false)));
        let (mut gpu, caveats) = device.open();
        assert_eq!(caveats[0].code, "integrated-power");
        assert_eq!(gpu.domains()[0].scale, INTEGRATED);
        assert!(gpu.safe_period() <= Duration::from_millis(100));
        let start = Instant::now();
        let reading = run(&device, &mut gpu, start, 10, 100.0, 0.0);
        assert!((reading.joules[0] - 1_000.0).abs() < 1.0, "{}", reading.joules[0]);
        assert!((reading.lag_j[0] - 10.0).abs() < 1e-6);
        let reading = run(&device, &mut gpu, start + Duration::from_secs(10), 1, 300.0, 0.0);
        assert!((reading.joules[0] - 1_290.0).abs() < 1.0, "a ramp, then 300 W: {}", reading.joules[0]);
        assert!(gpu.name().ends_with("power over time"));
        check_source(&mut gpu);
    }

    #[test]
    fn counter_and_power_are_compared_where_power_is_told_at_once() {
        let start = Instant::now();
        let disagreeing = Scripted::new(Some(0), Some(draws(65.0, true)));
        let (mut gpu, _) = disagreeing.open();
        let reading = run(&disagreeing, &mut gpu, start, 30, 65.0, 37.0);
        assert_eq!(reading.caveats.len(), 1, "told once: {:?}", reading.caveats);
        assert_eq!(reading.caveats[0].code, "counter-disagrees");
        assert_eq!(reading.joules, [1_110.0], "the counter stands");

        let averaged = Scripted::new(Some(0), Some(draws(65.0, false)));
        let (mut gpu, _) = averaged.open();
        assert_eq!(run(&averaged, &mut gpu, start, 30, 65.0, 37.0).caveats, []);
    }

    #[test]
    fn a_shared_card_is_marked() {
        for (sharing, word) in [(Sharing::Instances, "whole card"), (Sharing::Virtual, "virtual GPU")] {
            let device = Scripted::new(Some(0), None);
            device.set(|script| script.identity.sharing = Some(sharing));
            let (_, caveats) = device.open();
            assert_eq!(caveats[0].code, "shared-gpu");
            assert!(caveats[0].text.contains(word), "{:?}", caveats[0]);
        }
    }

    #[test]
    fn a_gpu_that_tells_nothing_is_told() {
        let why = |device: Scripted| Gpu::open(Box::new(device)).err().unwrap();
        let silent = why(Scripted::new(None, None));
        assert_eq!(silent.code, "gpu-not-metered");
        assert!(silent.text.contains("neither its joules nor its power"), "{silent:?}");
        let broken = Scripted::new(Some(0), None);
        broken.set(|script| script.broken = Some("no permission"));
        assert!(why(broken).text.ends_with("cannot be metered: no permission"));
    }

    #[test]
    fn one_that_is_lost_in_mid_run_is_gone() {
        let device = Scripted::new(Some(0), None);
        let (mut gpu, _) = device.open();
        device.set(|script| script.broken = Some("fell off the bus"));
        assert_eq!(gpu.read(&mut Reading::new(1)).unwrap_err().kind(), ReadErrorKind::Gone);
        device.set(|script| (script.broken, script.energy_mj) = (None, None));
        assert_eq!(gpu.read(&mut Reading::new(1)).unwrap_err().kind(), ReadErrorKind::Fatal);
    }
}
