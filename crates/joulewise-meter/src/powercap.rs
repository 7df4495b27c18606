//! Linux's powercap counters: packages and memory of Intel and AMD processors (RAPL).

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::counter::{Counter, Step};
use crate::energy::{Method, Watts};
use crate::event::Caveat;
use crate::source::{Domain, Place, ReadError, ReadErrorKind, Reading, Source};
use crate::stillness::Stillness;
use crate::zone::{self, Zone};

/// The counters of the packages and of the memory below a sysfs.
pub struct Powercap {
    domains: Vec<Domain>,
    counters: Vec<ZoneCounter>,
}

/// More than any domain draws whose limits are not known, in watts.
const LARGEST_W: f64 = 1000.0;
/// The hardware updates its counters about every millisecond.
const UPDATE_S: f64 = 1e-3;
/// Deviation of the counters from a power meter on the same rail.
const SCALE: (f64, f64) = (0.95, 1.05);

/// What [`Powercap::open`] found.
pub struct Opened {
    /// The source, if at least one package can be read.
    pub source: Option<Powercap>,
    /// Counters that are there and cannot be read, with what to do about it.
    pub caveats: Vec<Caveat>,
}

impl Powercap {
    /// Opens the counters below `<sysfs>/class/powercap`.
    pub fn open(sysfs: &Path) -> Opened {
        let zones = zone::discover(sysfs);
        let chosen = zone::choose(&zones);
        let mut caveats: Vec<Caveat> = unreadable(&zones, chosen.is_empty()).into_iter().collect();
        let mut domains = Vec::new();
        let mut counters = Vec::new();
        for chosen in chosen {
            match ZoneCounter::open(&zones[chosen.zone]) {
                Ok(counter) => counters.push(counter),
                // Indices of parents stay right only if every chosen zone is kept.
                Err(error) => {
                    let path = zones[chosen.zone].path.display();
                    let text = format!("the energy counter of {path} cannot be used: {error}");
                    caveats.push(Caveat::new("unreadable-counter", text, ""));
                    return Opened { source: None, caveats };
                }
            }
            let (name, place) = (chosen.name, chosen.place);
            domains.push(Domain { name, place, method: Method::Measured, scale: SCALE });
        }
        let source = (!counters.is_empty()).then_some(Self { domains, counters });
        Opened { source, caveats }
    }

    /// How long the counters may go unread without a wrap being missed.
    pub fn safe_period(&self) -> Duration {
        let shortest_s = self.counters.iter().map(|zone| zone.counter.safe_period_s()).fold(60.0, f64::min);
        Duration::from_secs_f64(shortest_s / 2.0)
    }
}

/// What to say about zones that are there and cannot be read.
fn unreadable(zones: &[Zone], nothing_left: bool) -> Option<Caveat> {
    let refused: Vec<&Zone> = zones.iter().filter(|zone| !zone.is_readable()).collect();
    let first = refused.first()?;
    let why = first.unreadable.map_or_else(String::new, |kind| kind.to_string());
    let (count, path) = (refused.len(), first.path.join("energy_uj"));
    let text = format!(
        "{count} energy counter{} cannot be read{}: {}: {why}",
        if count == 1 { "" } else { "s" },
        if nothing_left { "" } else { " and may be missing in the total" },
        path.display(),
    );
    let hint = "`joulewise doctor` shows the least that has to be allowed";
    Some(Caveat::new(
        "unreadable-counter",
        text,
        if first.unreadable == Some(io::ErrorKind::PermissionDenied) { hint } else { "" },
    ))
}

impl Source for Powercap {
    fn name(&self) -> String {
        let summed = self.domains.iter().filter(|domain| domain.place == Place::Root);
        let names: Vec<&str> = summed.map(|domain| domain.name.as_str()).collect();
        format!("powercap: {}", names.join(", "))
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, into: &mut Reading) -> Result<(), ReadError> {
        for (i, zone) in self.counters.iter_mut().enumerate() {
            if let Some(caveat) = zone.read(&self.domains[i].name)? {
                into.caveats.push(caveat);
            }
            let joules = zone.counter.joules();
            into.caveats.extend(zone.stillness.judge(&self.domains[i], joules, zone.at));
            into.joules[i] = joules;
            into.lag_j[i] = zone.counter.watts() * UPDATE_S;
            into.gaps[i] = zone.counter.gaps();
        }
        into.at = Instant::now();
        Ok(())
    }
}

/// The counter of one zone, with its file kept open: reading it anew each time costs five times as much.
struct ZoneCounter {
    path: PathBuf,
    file: File,
    counter: Counter,
    at: Instant,
    stillness: Stillness,
}

impl ZoneCounter {
    fn open(zone: &Zone) -> io::Result<Self> {
        let path = zone.path.join("energy_uj");
        let file = File::open(&path)?;
        // Bursts exceed the limits, which hold for a mean over time: twice the limit is still plausible.
        let plausible_w = 2.0 * zone.limit_w.unwrap_or(LARGEST_W);
        let counter = Counter::new(zone.range_uj, plausible_w, value_of(&file)?);
        Ok(Self { path, file, counter, at: Instant::now(), stillness: Stillness::new() })
    }

    fn read(&mut self, domain: &str) -> Result<Option<Caveat>, ReadError> {
        let now_uj = self.value().map_err(|error| read_error(&self.path, &error))?;
        let now = Instant::now();
        let elapsed_s = now.duration_since(self.at).as_secs_f64();
        let step = self.counter.advance(now_uj, elapsed_s);
        self.at = now;
        Ok(self.caveat(step, domain, elapsed_s))
    }

    fn caveat(&self, step: Step, domain: &str, elapsed_s: f64) -> Option<Caveat> {
        let assumed_w = Watts(self.counter.watts());
        let (code, text, hint) = match step {
            Step::Counted => return None,
            Step::Reset => (
                "counter-reset",
                format!(
                    "the counter of {domain} was set back: {elapsed_s:.2} s are assumed to be as before, {assumed_w}"
                ),
                "happens when the machine was suspended or a driver was loaded anew; measure again",
            ),
            Step::Jump => (
                "counter-jump",
                format!(
                    "the counter of {domain} jumped by more than it can use: {elapsed_s:.2} s are assumed to be as \
                     before, {assumed_w}"
                ),
                "happens with faulty firmware and in virtual machines that were moved; measure again",
            ),
            Step::Blind => (
                "counter-gap",
                format!(
                    "the counter of {domain} went unread for {elapsed_s:.1} s, in which it may have started over \
                     unseen: how often is assumed from {assumed_w} before"
                ),
                "happens when the machine was suspended or overloaded; measure again",
            ),
        };
        Some(Caveat::new(code, text, hint))
    }

    fn value(&mut self) -> io::Result<u64> {
        // An open file outlives its name; a counter that was taken away must not pass for one that stands still.
        if self.file.metadata()?.nlink() == 0 {
            self.file = File::open(&self.path)?;
        }
        value_of(&self.file)
    }
}

fn value_of(file: &File) -> io::Result<u64> {
    let mut text = [0; 24];
    let length = file.read_at(&mut text, 0)?;
    let number = str::from_utf8(&text[..length]).ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a number of microjoules"))
}

fn read_error(path: &Path, error: &io::Error) -> ReadError {
    let kind = match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound, _) | (_, Some(libc::ENODEV | libc::ENXIO)) => ReadErrorKind::Gone,
        (io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::InvalidData, _)
        | (_, Some(libc::ENODATA | libc::EIO)) => ReadErrorKind::Retry,
        _ => ReadErrorKind::Fatal,
    };
    ReadError::new(kind, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::testing::check_source;

    /// A tree with the layout of a real one: zones below `devices/virtual`, links to all of them in one folder.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(tree.0.path().join("class/powercap")).unwrap();
            tree
        }

        fn zone(&self, at: &str, name: &str, energy_uj: u64) -> &Self {
            let path = self.path(at);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("name"), format!("{name}\n")).unwrap();
            fs::write(path.join("energy_uj"), format!("{energy_uj}\n")).unwrap();
            fs::write(path.join("max_energy_range_uj"), "262143328850\n").unwrap();
            let class = self.0.path().join("class/powercap");
            symlink(&class, path.join("subsystem")).unwrap();
            symlink(&path, class.join(path.file_name().unwrap())).unwrap();
            self
        }

        fn path(&self, at: &str) -> PathBuf {
            self.0.path().join("devices/virtual/powercap").join(at)
        }

        fn set(&self, at: &str, energy_uj: u64) {
            fs::write(self.path(at).join("energy_uj"), energy_uj.to_string()).unwrap();
        }

        fn open(&self) -> Powercap {
            Powercap::open(self.0.path()).source.unwrap()
        }
    }

    fn joules(source: &mut Powercap) -> (Vec<f64>, Vec<String>) {
        let mut reading = Reading::new(source.domains().len());
        source.read(&mut reading).unwrap();
        (reading.joules, reading.caveats.into_iter().map(|caveat| caveat.code).collect())
    }

    #[test]
    fn zones_are_found_by_their_names_whatever_the_provider() {
        let tree = Tree::new();
        tree.zone("some-rapl/some-rapl:0", "package-0", 5_000_000)
            .zone("some-rapl/some-rapl:0/some-rapl:0:0", "dram", 1_000_000)
            .zone("some-rapl/some-rapl:1", "psys", 0);
        let mut source = tree.open();
        assert_eq!(source.name(), "powercap: package-0, dram-0");
        tree.set("some-rapl/some-rapl:0", 7_500_000);
        tree.set("some-rapl/some-rapl:0/some-rapl:0:0", 1_250_000);
        tree.set("some-rapl/some-rapl:1", 9_000_000);
        assert_eq!(joules(&mut source), (vec![2.5, 0.25, 9.0], vec![]));
        check_source(&mut source);
    }

    #[test]
    fn wraps_count_and_resets_are_told() {
        let tree = Tree::new();
        tree.zone("intel-rapl/intel-rapl:0", "package-0", 262_143_328_850 - 1_000_000);
        let mut source = tree.open();
        tree.set("intel-rapl/intel-rapl:0", 999_939);
        assert_eq!(joules(&mut source), (vec![2.0], vec![]));
        tree.set("intel-rapl/intel-rapl:0", 10);
        let mut reading = Reading::new(1);
        source.read(&mut reading).unwrap();
        assert!((reading.joules[0] - reading.gaps[0].assumed_j - 2.0).abs() < 1e-9, "{reading:?}");
        assert!(reading.gaps[0].doubt_j > 0.0, "{reading:?}");
        assert_eq!(reading.caveats[0].code, "counter-reset");
    }

    #[test]
    fn a_counter_that_is_taken_away_is_gone() {
        let tree = Tree::new();
        tree.zone("intel-rapl/intel-rapl:0", "package-0", 0);
        let mut source = tree.open();
        fs::remove_dir_all(tree.path("intel-rapl/intel-rapl:0")).unwrap();
        let error = source.read(&mut Reading::new(1)).unwrap_err();
        assert_eq!(error.kind(), ReadErrorKind::Gone);
        assert!(error.to_string().contains("intel-rapl:0/energy_uj"), "{error}");
    }

    #[test]
    fn nonsense_is_read_again_later() {
        let tree = Tree::new();
        tree.zone("intel-rapl/intel-rapl:0", "package-0", 0);
        let mut source = tree.open();
        fs::write(tree.path("intel-rapl/intel-rapl:0/energy_uj"), "").unwrap();
        assert_eq!(source.read(&mut Reading::new(1)).unwrap_err().kind(), ReadErrorKind::Retry);
    }

    #[test]
    fn an_unreadable_counter_is_a_caveat_with_a_hint() {
        // Root may read any file, so the refusal is that of a directory in the file's place.
        let tree = Tree::new();
        tree.zone("intel-rapl/intel-rapl:0", "package-0", 0);
        let counter = tree.path("intel-rapl/intel-rapl:0/energy_uj");
        fs::remove_file(&counter).unwrap();
        fs::create_dir(&counter).unwrap();
        let opened = Powercap::open(tree.0.path());
        assert!(opened.source.is_none());
        assert_eq!(opened.caveats[0].code, "unreadable-counter");
        assert!(
            opened.caveats[0].text.starts_with("1 energy counter cannot be read: "),
            "{:?}",
            opened.caveats
        );

        let refused = Zone {
            unreadable: Some(io::ErrorKind::PermissionDenied),
            ..zone::discover(tree.0.path()).remove(0)
        };
        assert!(unreadable(&[refused], true).unwrap().hint.contains("doctor"));
    }

    #[test]
    fn no_tree_is_no_source_and_no_caveat() {
        let empty = tempfile::tempdir().unwrap();
        let opened = Powercap::open(empty.path());
        assert!(opened.source.is_none() && opened.caveats.is_empty());
    }
}
