//! The kernel's `power` events (perf): the same counters of the processor as [`powercap`](crate::powercap), by another door.
//!
//! Powercap is a matter of file permissions, these events of a capability (`CAP_PERFMON`) that can be given to one program
//! alone, so they are often open where powercap is closed. One of the two is read for the whole run, never both.
//!
//! The kernel unfolds the hardware's 32 bits into 64, but takes what was added between two of its own readings for a signed
//! number. It reads by itself only as often as 200 W ask for; above that, an unread counter runs backwards. Every reading of
//! ours is one of the kernel's too, so reading [often enough](Perf::safe_period) keeps it right.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::energy::{Method, Watts};
use crate::event::Caveat;
use crate::source::{Domain, Gaps, Place, ReadError, ReadErrorKind, Reading, Source};
use crate::stillness::Stillness;
use crate::sys;

/// The `power` events of every package.
pub struct Perf {
    domains: Vec<Domain>,
    counters: Vec<EventCounter>,
}

/// What [`Perf::open`] found.
pub struct Opened {
    /// The source, if the packages' events can be read.
    pub source: Option<Perf>,
    /// Events that are there and cannot be read, with what to do about it.
    pub caveats: Vec<Caveat>,
    /// Whether some could be read with more rights.
    pub is_denied: bool,
}

/// Where the events are described below a sysfs.
const PMU: &str = "bus/event_source/devices/power";
/// The hardware updates its counters about every millisecond.
const UPDATE_S: f64 = 1e-3;
/// More than a package draws, also in bursts, in watts.
const LARGEST_W: f64 = 2000.0;
/// Deviation of the counters from a power meter on the same rail.
const SCALE: (f64, f64) = (0.95, 1.05);
/// Where the hardware counts in 2⁻¹⁶ J, as AMD's does, 2³¹ of them are 546 W over this time: no package draws that.
const LONGEST_S: f64 = 60.0;

/// One event on one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The number that the kernel gave the `power` events.
    pub(crate) kind: u32,
    /// Which of them.
    pub(crate) config: u64,
    /// A CPU of the package.
    pub(crate) cpu: u32,
}

/// An open event.
pub(crate) trait Count: Send {
    /// Its value, which the kernel lets grow.
    fn count(&mut self) -> io::Result<u64>;
}

impl Count for File {
    fn count(&mut self) -> io::Result<u64> {
        let mut value = [0; 8];
        self.read_exact(&mut value)?;
        Ok(u64::from_ne_bytes(value))
    }
}

/// Opens an event; the kernel does, and tests do.
type Open<'a> = &'a dyn Fn(&Event) -> io::Result<Box<dyn Count>>;

impl Perf {
    /// Opens the events below `<sysfs>/bus/event_source/devices/power`.
    pub fn open(sysfs: &Path) -> Opened {
        Self::open_by(sysfs, &|event| Ok(Box::new(sys::perf_event(event.kind, event.config, event.cpu)?)))
    }

    pub(crate) fn open_by(sysfs: &Path, open: Open<'_>) -> Opened {
        let mut opened = Opened { source: None, caveats: Vec::new(), is_denied: false };
        let mut source = Self { domains: Vec::new(), counters: Vec::new() };
        for planned in plan(sysfs) {
            match EventCounter::open(&planned, open) {
                Ok(counter) => {
                    source.counters.push(counter);
                    source.domains.push(planned.domain);
                }
                Err(error) => {
                    let is_package = planned.name == PACKAGE;
                    opened.is_denied |= error.kind() == io::ErrorKind::PermissionDenied;
                    opened.caveats.push(refused(&planned, &error, is_package));
                    // Without its package a domain has no place in the forest.
                    if is_package {
                        return opened;
                    }
                }
            }
        }
        opened.source = (!source.counters.is_empty()).then_some(source);
        opened
    }

    /// How long the events may go unread without the kernel losing count.
    pub fn safe_period(&self) -> Duration {
        Duration::from_secs_f64(LONGEST_S / 2.0)
    }
}

fn refused(planned: &Planned, error: &io::Error, is_package: bool) -> Caveat {
    let loss = if is_package { "" } else { " and is missing in the total" };
    let (why, hint) = match error.kind() {
        denied @ io::ErrorKind::PermissionDenied => {
            (denied.to_string(), "let this program alone read it: `joulewise doctor` shows how")
        }
        _ => (error.to_string(), ""),
    };
    let text = format!("the kernel's event power/{}/ cannot be read{loss}: {why}", planned.name);
    Caveat::new("unreadable-counter", text, hint)
}

/// An event that is to be opened, and the domain that it counts.
struct Planned {
    name: &'static str,
    event: Event,
    joules_per_count: f64,
    domain: Domain,
}

const PACKAGE: &str = "energy-pkg";
const MEMORY: &str = "energy-ram";
const BOARD: &str = "energy-psys";
const GRAPHICS: &str = "energy-gpu";

/// The events of every package, packages before what belongs to them; none where the kernel has no `power` events.
fn plan(sysfs: &Path) -> Vec<Planned> {
    let pmu = sysfs.join(PMU);
    let read = |path: &Path| fs::read_to_string(path).ok();
    let Some(kind) = read(&pmu.join("type")).and_then(|text| text.trim().parse().ok()) else {
        return Vec::new();
    };
    let cpus = read(&pmu.join("cpumask")).map(|list| cpu_list(&list)).unwrap_or_default();
    let event = |name: &str| {
        let path = pmu.join("events").join(name);
        let config = config_of(&read(&path)?)?;
        let scale: f64 = read(&path.with_added_extension("scale"))?.trim().parse().ok()?;
        (scale.is_finite() && scale > 0.0).then_some((config, scale))
    };
    if event(PACKAGE).is_none() {
        return Vec::new();
    }
    // As in powercap's zones: the memory of processors with graphics is partly a model of its traffic.
    let is_client = pmu.join("events").join(GRAPHICS).exists();
    let memory = if is_client { Place::Beside } else { Place::Root };
    let mut planned = Vec::new();
    let mut add = |name: &'static str, cpu: u32, domain: String, place: Place| {
        let Some((config, joules_per_count)) = event(name) else { return };
        let domain = Domain { name: domain, place, method: Method::Measured, scale: SCALE };
        planned.push(Planned { name, event: Event { kind, config, cpu }, joules_per_count, domain });
    };
    for (cpu, package) in packages(sysfs, &cpus) {
        add(PACKAGE, cpu, format!("package-{package}"), Place::Root);
        add(MEMORY, cpu, format!("dram-{package}"), memory);
    }
    // The board is one, whichever CPU is asked.
    if let Some(&cpu) = cpus.first() {
        add(BOARD, cpu, "psys".to_owned(), Place::Beside);
    }
    planned
}

/// The number in `event=0x02`.
fn config_of(text: &str) -> Option<u64> {
    let number = text.trim().strip_prefix("event=")?;
    match number.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    }
}

/// More packages than a machine has: a file that names more is nonsense.
const MOST_CPUS: usize = 4096;

/// The CPUs in a list like `0,18-19`.
fn cpu_list(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().take(MOST_CPUS).collect()
}

/// What to call the package of each CPU: its number, or `0-die-1` where the kernel counts the dies of a package apart.
fn packages(sysfs: &Path, cpus: &[u32]) -> Vec<(u32, String)> {
    let number = |cpu: u32, file: &str| {
        let path = sysfs.join(format!("devices/system/cpu/cpu{cpu}/topology/{file}"));
        fs::read_to_string(path).ok()?.trim().parse::<u32>().ok()
    };
    let ids: Vec<u32> =
        (0..).zip(cpus).map(|(i, &cpu)| number(cpu, "physical_package_id").unwrap_or(i)).collect();
    let mut dies: HashMap<u32, u32> = HashMap::new();
    ids.iter().for_each(|id| *dies.entry(*id).or_default() += 1);
    let mut seen: HashMap<u32, u32> = HashMap::new();
    let name = |(&cpu, id): (&u32, &u32)| {
        let nth = seen.entry(*id).or_default();
        let die = number(cpu, "die_id").unwrap_or(*nth);
        *nth += 1;
        (cpu, if dies[id] > 1 { format!("{id}-die-{die}") } else { id.to_string() })
    };
    cpus.iter().zip(&ids).map(name).collect()
}

impl Source for Perf {
    fn name(&self) -> String {
        let summed = self.domains.iter().filter(|domain| domain.place == Place::Root);
        let names: Vec<&str> = summed.map(|domain| domain.name.as_str()).collect();
        format!("perf: {}", names.join(", "))
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, into: &mut Reading) -> Result<(), ReadError> {
        for (i, counter) in self.counters.iter_mut().enumerate() {
            let domain = &self.domains[i];
            let now = counter.event.count().map_err(|error| read_error(&domain.name, &error))?;
            into.caveats.extend(counter.advance(now, Instant::now(), &domain.name));
            let joules = counter.joules();
            into.caveats.extend(counter.stillness.judge(domain, joules, counter.at));
            into.joules[i] = joules;
            into.lag_j[i] = counter.watts * UPDATE_S;
            into.gaps[i] = counter.gaps;
        }
        into.at = Instant::now();
        Ok(())
    }
}

struct EventCounter {
    event: Box<dyn Count>,
    joules_per_count: f64,
    last: u64,
    /// Joules that were counted.
    counted_j: f64,
    gaps: Gaps,
    at: Instant,
    /// Mean power between the last two readings that were far enough apart to tell.
    watts: f64,
    stillness: Stillness,
}

impl EventCounter {
    fn open(planned: &Planned, open: Open<'_>) -> io::Result<Self> {
        let mut event = open(&planned.event)?;
        let last = event.count()?;
        let joules_per_count = planned.joules_per_count;
        Ok(Self::new(event, joules_per_count, last))
    }

    fn new(event: Box<dyn Count>, joules_per_count: f64, last: u64) -> Self {
        let at = Instant::now();
        Self {
            event,
            joules_per_count,
            last,
            counted_j: 0.0,
            gaps: Gaps::default(),
            at,
            watts: 0.0,
            stillness: Stillness::new(),
        }
    }

    /// Joules since the event was opened, those included that are assumed for gaps.
    fn joules(&self) -> f64 {
        self.counted_j + self.gaps.assumed_j
    }

    fn advance(&mut self, now: u64, at: Instant, domain: &str) -> Option<Caveat> {
        let elapsed_s = at.duration_since(self.at).as_secs_f64();
        let counted_j = now.checked_sub(self.last).map(|counts| counts as f64 * self.joules_per_count);
        let most_j = LARGEST_W * elapsed_s;
        (self.at, self.last) = (at, now);
        let Some(used_j) = counted_j else {
            let assumed_j = self.watts * elapsed_s;
            self.gaps.time_s += elapsed_s;
            self.gaps.assumed_j += assumed_j;
            self.gaps.doubt_j += most_j - assumed_j;
            let text = format!(
                "the kernel's count of {domain} went backwards: {elapsed_s:.2} s are assumed to be as before, {}",
                Watts(self.watts)
            );
            return Some(Caveat::new("counter-reset", text, "measure again"));
        };
        self.counted_j += used_j;
        if elapsed_s > 5.0 * UPDATE_S {
            self.watts = used_j / elapsed_s;
        }
        (elapsed_s > LONGEST_S).then(|| {
            self.gaps.time_s += elapsed_s;
            self.gaps.doubt_j += (most_j - used_j).max(0.0);
            let text = format!(
                "the kernel's count of {domain} went unread for {elapsed_s:.0} s: above 200 W it may have lost some"
            );
            let hint = "happens when the machine was suspended or overloaded; measure again";
            Caveat::new("counter-gap", text, hint)
        })
    }
}

fn read_error(domain: &str, error: &io::Error) -> ReadError {
    let kind = match (error.kind(), error.raw_os_error()) {
        // The kernel gives nothing more once the CPU that the event is on went offline.
        (io::ErrorKind::UnexpectedEof, _) | (_, Some(libc::ENODEV)) => ReadErrorKind::Gone,
        (io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock, _) => ReadErrorKind::Retry,
        _ => ReadErrorKind::Fatal,
    };
    ReadError::new(kind, format!("the kernel's power event of {domain}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::testing::check_source;

    /// A machine's `power` events, all of which count the same.
    struct Machine {
        sysfs: tempfile::TempDir,
        count: Arc<AtomicU64>,
    }

    struct Scripted(Arc<AtomicU64>);

    impl Count for Scripted {
        fn count(&mut self) -> io::Result<u64> {
            Ok(self.0.load(Ordering::Relaxed))
        }
    }

    /// 2⁻³² J, as the kernel writes it.
    const SCALE_TEXT: &str = "2.3283064365386962890625e-10\n";
    const JOULE: u64 = 1 << 32;

    impl Machine {
        fn new(cpumask: &str, events: &[(&str, &str)]) -> Self {
            let machine = Self { sysfs: tempfile::tempdir().unwrap(), count: Arc::default() };
            machine.write(&format!("{PMU}/type"), "12\n");
            machine.write(&format!("{PMU}/cpumask"), cpumask);
            for (name, event) in events {
                machine.write(&format!("{PMU}/events/{name}"), event);
                machine.write(&format!("{PMU}/events/{name}.scale"), SCALE_TEXT);
            }
            machine
        }

        fn write(&self, path: &str, text: &str) -> &Self {
            let path = self.sysfs.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        fn open(&self) -> Opened {
            Perf::open_by(self.sysfs.path(), &|_| Ok(Box::new(Scripted(Arc::clone(&self.count)))))
        }
    }

    fn places(source: &Perf) -> Vec<(&str, Place)> {
        source.domains.iter().map(|domain| (domain.name.as_str(), domain.place)).collect()
    }

    const SERVER: [(&str, &str); 3] =
        [(PACKAGE, "event=0x02\n"), (MEMORY, "event=0x03\n"), (BOARD, "event=0x05\n")];

    #[test]
    fn a_server_sums_packages_and_memory() {
        let machine = Machine::new("0,18\n", &SERVER);
        machine.write("devices/system/cpu/cpu0/topology/physical_package_id", "0\n");
        machine.write("devices/system/cpu/cpu18/topology/physical_package_id", "1\n");
        let mut source = machine.open().source.unwrap();
        let expected = [
            ("package-0", Place::Root),
            ("dram-0", Place::Root),
            ("package-1", Place::Root),
            ("dram-1", Place::Root),
            ("psys", Place::Beside),
        ];
        assert_eq!(places(&source), expected);
        assert_eq!(source.name(), "perf: package-0, dram-0, package-1, dram-1");
        machine.count.store(3 * JOULE, Ordering::Relaxed);
        let mut reading = Reading::new(5);
        source.read(&mut reading).unwrap();
        assert_eq!((reading.joules, reading.caveats), (vec![3.0; 5], vec![]));
        check_source(&mut source);
    }

    #[test]
    fn memory_of_a_client_is_beside_and_dies_keep_their_names() {
        let client = Machine::new("0\n", &[SERVER[0], SERVER[1], (GRAPHICS, "event=0x04\n")]);
        let source = client.open().source.unwrap();
        assert_eq!(places(&source), [("package-0", Place::Root), ("dram-0", Place::Beside)]);

        let dies = Machine::new("0-1\n", &SERVER[..1]);
        for (cpu, die) in [(0, "0"), (1, "1")] {
            dies.write(&format!("devices/system/cpu/cpu{cpu}/topology/physical_package_id"), "0\n");
            dies.write(&format!("devices/system/cpu/cpu{cpu}/topology/die_id"), die);
        }
        let source = dies.open().source.unwrap();
        assert_eq!(places(&source), [("package-0-die-0", Place::Root), ("package-0-die-1", Place::Root)]);
    }

    #[test]
    fn each_event_is_opened_on_the_cpus_that_the_kernel_names() {
        let machine = Machine::new("0,18\n", &SERVER[..2]);
        let opened = std::cell::RefCell::new(Vec::new());
        Perf::open_by(machine.sysfs.path(), &|event| {
            opened.borrow_mut().push(event.clone());
            Ok(Box::new(Scripted(Arc::default())))
        });
        let event = |config, cpu| Event { kind: 12, config, cpu };
        assert_eq!(opened.into_inner(), [event(2, 0), event(3, 0), event(2, 18), event(3, 18)]);
    }

    #[test]
    fn a_refusal_is_a_caveat_with_a_hint() {
        let machine = Machine::new("0\n", &SERVER);
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let opened = Perf::open_by(machine.sysfs.path(), &|_| Err(denied()));
        assert!(opened.source.is_none() && opened.is_denied);
        assert_eq!(opened.caveats.len(), 1);
        assert!(opened.caveats[0].text.contains("power/energy-pkg/"), "{:?}", opened.caveats);
        assert!(opened.caveats[0].hint.contains("joulewise doctor"), "{:?}", opened.caveats);

        let opened = Perf::open_by(machine.sysfs.path(), &|event| match event.config {
            2 => Ok(Box::new(Scripted(Arc::default()))),
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        });
        assert_eq!(places(&opened.source.unwrap()), [("package-0", Place::Root)]);
        assert!(!opened.is_denied);
        assert!(opened.caveats[0].text.contains("energy-ram/ cannot be read and is missing"));
    }

    #[test]
    fn what_the_kernel_loses_is_told_and_never_negative() {
        let machine = Machine::new("0\n", &SERVER[..1]);
        let mut source = machine.open().source.unwrap();
        let start = source.counters[0].at;
        let mut advance = |joules: u64, after_s: u64| {
            let at = start + Duration::from_secs(after_s);
            let caveat = source.counters[0].advance(joules * JOULE, at, "package-0");
            (source.counters[0].joules(), caveat.map(|caveat| caveat.code))
        };
        assert_eq!(advance(5_000, 50), (5_000.0, None));
        assert_eq!(advance(9_000, 120), (9_000.0, Some("counter-gap".to_owned())));
        // 4000 J in 70 s, so 57 W are assumed for the 14 s that are lost.
        assert_eq!(advance(2_000, 134), (9_800.0, Some("counter-reset".to_owned())));
        assert_eq!(advance(2_500, 144), (10_300.0, None));
        let gaps = source.counters[0].gaps;
        assert_eq!((gaps.time_s, gaps.assumed_j), (70.0 + 14.0, 800.0));
        assert!(gaps.doubt_j > 0.0);
        assert!(source.safe_period() <= Duration::from_mins(1));
    }

    #[test]
    fn no_events_are_no_source_and_no_caveat() {
        let empty = tempfile::tempdir().unwrap();
        let opened = Perf::open(empty.path());
        assert!(opened.source.is_none() && opened.caveats.is_empty());
        let without_packages = Machine::new("0\n", &SERVER[1..]).open();
        assert!(without_packages.source.is_none() && without_packages.caveats.is_empty());
    }

    /// The kernel's CPU clock stands in for the hardware: 10⁹ counts a second. Sandboxes may refuse it.
    #[test]
    fn events_are_opened_and_read_by_the_kernel() {
        let machine = Machine::new("0\n", &[(PACKAGE, "event=0x00\n")]);
        machine.write(&format!("{PMU}/type"), "1\n");
        machine.write(&format!("{PMU}/events/{PACKAGE}.scale"), "1e-9\n");
        let opened = Perf::open(machine.sysfs.path());
        let Some(mut source) = opened.source else {
            assert_eq!(opened.caveats.len(), 1);
            return;
        };
        std::thread::sleep(Duration::from_millis(2));
        let mut reading = Reading::new(1);
        source.read(&mut reading).unwrap();
        assert!(reading.joules[0] > 1e-3, "{} s", reading.joules[0]);
        check_source(&mut source);
    }

    proptest! {
        /// However the energy is cut into readings, the sum comes out.
        #[test]
        fn readings_add_up(steps in prop::collection::vec((0..2_000u64, 1..60u64), 1..100)) {
            let event = Box::new(Scripted(Arc::default()));
            let mut counter = EventCounter::new(event, 1.0 / JOULE as f64, 0);
            let (mut at, mut now, mut used_j) = (counter.at, 0, 0);
            for (joules, seconds) in steps {
                now += joules * JOULE;
                used_j += joules;
                at += Duration::from_secs(seconds);
                prop_assert_eq!(counter.advance(now, at, "package-0"), None);
            }
            prop_assert_eq!(counter.joules(), used_j as f64);
        }

        #[test]
        fn any_list_of_cpus_can_be_read(list in "[0-9,\\- x]{0,24}") {
            prop_assert!(cpu_list(&list).len() <= MOST_CPUS);
        }
    }

    #[test]
    fn lists_and_numbers_of_the_kernel_are_understood() {
        assert_eq!(cpu_list("0,18-19\n"), [0, 18, 19]);
        assert!(cpu_list("\n").is_empty() && cpu_list("3-1").is_empty());
        assert_eq!(config_of("event=0x02\n"), Some(2));
        assert_eq!(config_of("event=7"), Some(7));
        assert_eq!(config_of("umask=1"), None);
    }
}
