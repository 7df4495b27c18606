//! The zones of Linux's powercap tree: which there are, and which of them may be summed.
//!
//! Packages are summed. The memory zone of a server is a child of its package in the tree, but its joules are not in
//! the package's: it is summed too. On client processors (those with an `uncore` zone, the graphics) the memory zone
//! is partly a model of the memory controller's traffic: it is shown beside. Cores and graphics are inside their
//! package. `psys` is the board with everything on it: shown beside.
//!
//! The same counters may be offered by several providers (`intel-rapl` by registers of the processor,
//! `intel-rapl-mmio` and `intel-rapl-tpmi` by memory): one provider is used for all packages.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::Place;

/// One directory with a `name` and an `energy_uj` file.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) path: PathBuf,
    /// The control type that offers it: the directory's name up to the first colon.
    pub(crate) provider: String,
    /// The text of its `name` file, as in `package-0`.
    pub(crate) name: String,
    /// Its parent in the tree.
    pub(crate) parent: Option<usize>,
    /// Why its counter cannot be read, if so.
    pub(crate) unreadable: Option<io::ErrorKind>,
    pub(crate) range_uj: u64,
    /// The largest power that its limits speak of, in watts.
    pub(crate) limit_w: Option<f64>,
}

/// Finds every zone below `<sysfs>/class/powercap`, parents before children.
pub(crate) fn discover(sysfs: &Path) -> Vec<Zone> {
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(sysfs.join("class/powercap")).into_iter().flatten().flatten() {
        if let Ok(path) = entry.path().canonicalize() {
            collect(&path, &mut paths);
        }
    }
    let mut zones: Vec<Zone> = Vec::new();
    let mut index: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for path in paths {
        let parent = path.ancestors().skip(1).find_map(|above| index.get(above)).copied();
        if let Some(mut zone) = Zone::read(&path) {
            zone.parent = parent.or_else(|| flat_parent(&path).and_then(|above| index.get(&above).copied()));
            index.insert(path, zones.len());
            zones.push(zone);
        }
    }
    zones
}

/// The directory and those below it that have a `name`. Links are not followed: they lead back up.
fn collect(path: &Path, into: &mut BTreeSet<PathBuf>) {
    if path.join("name").is_file() {
        into.insert(path.to_owned());
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), into);
        }
    }
}

/// Where a tree lists zones side by side, `a:0:1` is a child of `a:0`.
fn flat_parent(path: &Path) -> Option<PathBuf> {
    let (above, _) = path.file_name()?.to_str()?.rsplit_once(':')?;
    Some(path.with_file_name(above))
}

impl Zone {
    fn read(path: &Path) -> Option<Self> {
        let counter = path.join("energy_uj");
        if !counter.exists() {
            return None;
        }
        let directory = path.file_name()?.to_string_lossy();
        Some(Self {
            provider: directory.split(':').next().unwrap_or_default().to_owned(),
            name: fs::read_to_string(path.join("name")).ok()?.trim().to_owned(),
            parent: None,
            unreadable: fs::read(counter).err().map(|error| error.kind()),
            range_uj: number(&path.join("max_energy_range_uj")).unwrap_or(0),
            limit_w: limit_w(path),
            path: path.to_owned(),
        })
    }

    fn is_package(&self) -> bool {
        self.parent.is_none() && self.name.starts_with("package")
    }

    /// Whether its counter can be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.unreadable.is_none()
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The largest of the zone's limits: short bursts may reach it, sustained load does not.
fn limit_w(path: &Path) -> Option<f64> {
    let entries = fs::read_dir(path).ok()?.flatten();
    let limit = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let is_limit = name.starts_with("constraint_")
            && (name.ends_with("_max_power_uw") || name.ends_with("_power_limit_uw"));
        is_limit.then(|| number(&entry.path()))?
    };
    let largest_uw = entries.filter_map(limit).max().filter(|&uw| uw > 0)?;
    Some(largest_uw as f64 * 1e-6)
}

/// A zone that is read, and whether it counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chosen {
    pub(crate) zone: usize,
    /// Unique, as in `dram-0`.
    pub(crate) name: String,
    /// An index of [`Place::Inside`] is one into the list of chosen zones.
    pub(crate) place: Place,
}

/// Chooses the zones to read. Empty when no package can be read.
pub(crate) fn choose(zones: &[Zone]) -> Vec<Chosen> {
    let mut chosen: Vec<Chosen> = Vec::new();
    let Some(provider) = best_provider(zones) else { return chosen };
    for (package_at, package) in zones.iter().enumerate() {
        let known = chosen.iter().any(|other| other.name == package.name);
        if package.provider != provider || !package.is_package() || !package.is_readable() || known {
            continue;
        }
        let root = chosen.len();
        chosen.push(Chosen { zone: package_at, name: package.name.clone(), place: Place::Root });
        let inside: Vec<(usize, &Zone)> =
            zones.iter().enumerate().filter(|(_, zone)| zone.parent == Some(package_at)).collect();
        let is_client = inside.iter().any(|(_, zone)| zone.name == "uncore");
        let mut seen = HashSet::new();
        for (zone_at, zone) in inside {
            if !zone.is_readable() || !seen.insert(&zone.name) {
                continue;
            }
            let place = match zone.name.as_str() {
                "dram" if is_client => Place::Beside,
                "dram" => Place::Root,
                _ => Place::Inside(root),
            };
            let number = package.name.trim_start_matches("package");
            chosen.push(Chosen { zone: zone_at, name: format!("{}{number}", zone.name), place });
        }
    }
    let board = zones.iter().position(|zone| zone.name.starts_with("psys") && zone.is_readable());
    chosen.extend(board.map(|zone| Chosen { zone, name: "psys".to_owned(), place: Place::Beside }));
    chosen
}

/// The provider with the most packages, then the most zones; the first by path among equals.
fn best_provider(zones: &[Zone]) -> Option<&str> {
    let mut providers: BTreeMap<&str, (HashSet<&str>, usize)> = BTreeMap::new();
    for zone in zones.iter().filter(|zone| zone.is_readable()) {
        let (packages, all) = providers.entry(&zone.provider).or_default();
        *all += 1;
        if zone.is_package() {
            packages.insert(&zone.name);
        }
    }
    let best = providers.iter().rev().max_by_key(|(_, (packages, all))| (packages.len(), *all))?;
    (!best.1.0.is_empty()).then_some(best.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(provider: &str, name: &str, parent: Option<usize>) -> Zone {
        Zone {
            path: PathBuf::new(),
            provider: provider.to_owned(),
            name: name.to_owned(),
            parent,
            unreadable: None,
            range_uj: 1,
            limit_w: None,
        }
    }

    fn places(zones: &[Zone]) -> Vec<(String, Place)> {
        choose(zones).into_iter().map(|chosen| (chosen.name, chosen.place)).collect()
    }

    #[test]
    fn a_server_sums_packages_and_memory() {
        let zones = [
            zone("intel-rapl", "package-0", None),
            zone("intel-rapl", "core", Some(0)),
            zone("intel-rapl", "dram", Some(0)),
            zone("intel-rapl", "package-1", None),
            zone("intel-rapl", "dram", Some(3)),
            zone("intel-rapl", "psys", None),
        ];
        let expected = [
            ("package-0", Place::Root),
            ("core-0", Place::Inside(0)),
            ("dram-0", Place::Root),
            ("package-1", Place::Root),
            ("dram-1", Place::Root),
            ("psys", Place::Beside),
        ];
        assert_eq!(places(&zones), expected.map(|(name, place)| (name.to_owned(), place)));
    }

    #[test]
    fn memory_of_a_client_is_beside() {
        let zones = [
            zone("intel-rapl", "package-0", None),
            zone("intel-rapl", "uncore", Some(0)),
            zone("intel-rapl", "dram", Some(0)),
        ];
        assert_eq!(places(&zones)[2], ("dram-0".to_owned(), Place::Beside));
    }

    #[test]
    fn dies_keep_their_names() {
        let zones = [
            zone("intel-rapl-tpmi", "package-0-die-0", None),
            zone("intel-rapl-tpmi", "dram", Some(0)),
            zone("intel-rapl-tpmi", "package-0-die-1", None),
        ];
        let names: Vec<_> = places(&zones).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["package-0-die-0", "dram-0-die-0", "package-0-die-1"]);
    }

    #[test]
    fn the_board_alone_is_not_a_total() {
        assert!(choose(&[zone("intel-rapl", "psys", None)]).is_empty());
    }

    /// What one provider offers of a machine: per package whether it has a zone, and which of its parts have one.
    type Offer = Vec<(bool, [bool; 3])>;

    const PROVIDERS: [&str; 3] = ["intel-rapl", "intel-rapl-mmio", "intel-rapl-tpmi"];
    const PARTS: [&str; 3] = ["core", "dram", "uncore"];

    fn machines() -> impl Strategy<Value = (usize, bool, Vec<(Offer, bool)>)> {
        (1..5usize, any::<bool>()).prop_flat_map(|(packages, client)| {
            let offer = prop::collection::vec((prop::bool::weighted(0.8), any::<[bool; 3]>()), packages);
            (Just(packages), Just(client), prop::collection::vec((offer, any::<bool>()), 1..4))
        })
    }

    proptest! {
        /// Whatever the providers offer, no joule is counted twice, and as many packages are counted as any one
        /// provider has.
        #[test]
        fn nothing_is_counted_twice((packages, client, offers) in machines()) {
            let mut zones = Vec::new();
            for ((offer, psys), provider) in offers.iter().zip(PROVIDERS) {
                for (package, (there, parts)) in offer.iter().enumerate() {
                    if !there {
                        continue;
                    }
                    let parent = zones.len();
                    zones.push(zone(provider, &format!("package-{package}"), None));
                    for (part, _) in PARTS.iter().zip(parts).filter(|(part, has)| **has || client && **part == "uncore") {
                        if client || *part != "uncore" {
                            zones.push(zone(provider, part, Some(parent)));
                        }
                    }
                }
                if *psys {
                    zones.push(zone(provider, "psys", None));
                }
            }
            let chosen = choose(&zones);
            let names: HashSet<_> = chosen.iter().map(|chosen| &chosen.name).collect();
            prop_assert_eq!(names.len(), chosen.len(), "a name twice");
            for one in &chosen {
                let zone = &zones[one.zone];
                match one.place {
                    Place::Root => prop_assert!(zone.is_package() || zone.name == "dram" && !client),
                    Place::Inside(root) => {
                        prop_assert_eq!(zone.parent, Some(chosen[root].zone));
                        prop_assert_eq!(chosen[root].place, Place::Root);
                    }
                    Place::Beside => prop_assert!(zone.name == "psys" || zone.name == "dram" && client),
                }
            }
            let most = offers.iter().map(|(offer, _)| offer.iter().filter(|(there, _)| *there).count()).max();
            let counted = chosen.iter().filter(|one| zones[one.zone].is_package()).count();
            prop_assert_eq!(Some(counted), most);
            prop_assert!(counted <= packages);
        }
    }
}
