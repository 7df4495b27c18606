//! Several sources read as one: what the machine has used since the session was opened.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::energy::{Estimate, Method};
use crate::event::Caveat;
use crate::history::{History, Point};
use crate::model::Model;
use crate::process::Tree;
use crate::source::{Place, ReadErrorKind, Reading, Source};
use crate::suspension::Suspension;
use crate::usage::{DomainUsage, Shares};

/// All sources of a session.
pub(crate) struct Meter {
    started: Instant,
    sources: Vec<Active>,
    /// Whether the model steps in when the processor's counters are lost.
    has_fallback: bool,
    /// Whose CPU time is counted.
    pub(crate) tree: Tree,
    cpu_start_s: f64,
    cpu_s: f64,
    suspension: Suspension,
    pub(crate) history: History,
    /// What came to light and was not yet told.
    pub(crate) caveats: Vec<Caveat>,
    /// The first source that was lost, and why.
    pub(crate) lost: Option<String>,
}

struct Active {
    source: Box<dyn Source>,
    /// The reading at the time when the source joined.
    start: Reading,
    reading: Reading,
    covers: Covers,
    /// The times of the first and of the last good reading, in seconds since the session was opened.
    read_at_s: (f64, f64),
    /// Since when readings have failed; the last good one stands.
    failing_since: Option<Instant>,
    is_lost: bool,
}

/// Which part of the machine a source knows about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Covers {
    /// Packages and memory.
    Processor,
    /// GPUs.
    Gpus,
}

/// Everything used since the session was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    pub(crate) at_s: f64,
    pub(crate) cpu_s: f64,
    value_j: f64,
    low_j: f64,
    high_j: f64,
    lag_j: f64,
    modelled_j: f64,
    assumed_j: f64,
    /// Seconds in which the sources of a part of the machine were read, if it has any.
    covered_s: [Option<f64>; 2],
    method: Method,
}

impl Totals {
    /// When the session was opened.
    pub(crate) const START: Self = Self {
        at_s: 0.0,
        cpu_s: 0.0,
        value_j: 0.0,
        low_j: 0.0,
        high_j: 0.0,
        lag_j: 0.0,
        modelled_j: 0.0,
        assumed_j: 0.0,
        covered_s: [None; 2],
        method: Method::Measured,
    };

    /// The totals on the line from these to later ones; `share` is 0 here and 1 there.
    pub(crate) fn towards(&self, later: &Self, share: f64) -> Self {
        let between = |from: f64, to: f64| from + share * (to - from);
        Self {
            at_s: between(self.at_s, later.at_s),
            cpu_s: between(self.cpu_s, later.cpu_s),
            value_j: between(self.value_j, later.value_j),
            low_j: between(self.low_j, later.low_j),
            high_j: between(self.high_j, later.high_j),
            lag_j: between(self.lag_j, later.lag_j),
            modelled_j: between(self.modelled_j, later.modelled_j),
            assumed_j: between(self.assumed_j, later.assumed_j),
            covered_s: later.covered_s,
            method: self.method.max(later.method),
        }
    }

    /// The totals with so many joules more in a domain of that scale.
    pub(crate) fn corrected(mut self, joules: f64, scale: (f64, f64)) -> Self {
        self.value_j += joules;
        self.low_j += joules * scale.0;
        self.high_j += joules * scale.1;
        self
    }

    /// The totals, wrong by up to so many joules.
    pub(crate) fn doubted(mut self, doubt_j: f64) -> Self {
        self.lag_j = self.lag_j.max(doubt_j);
        self
    }

    /// What was used from `earlier` to this moment.
    pub(crate) fn since(&self, earlier: &Self) -> Estimate {
        Estimate {
            value_j: self.value_j - earlier.value_j,
            scale_low_j: self.low_j - earlier.low_j,
            scale_high_j: self.high_j - earlier.high_j,
            sampling_j: self.lag_j.hypot(earlier.lag_j),
            method: self.method,
        }
    }

    /// How what was used from `earlier` to this moment is known.
    pub(crate) fn shares_since(&self, earlier: &Self) -> Shares {
        Shares::of(
            self.value_j - earlier.value_j,
            self.modelled_j - earlier.modelled_j,
            self.assumed_j - earlier.assumed_j,
        )
    }

    /// The part of the time from `earlier` to this moment in which all sources were read.
    pub(crate) fn coverage_since(&self, earlier: &Self) -> f64 {
        let wall_s = self.at_s - earlier.at_s;
        if wall_s <= 0.0 {
            return 1.0;
        }
        let parts = self.covered_s.iter().zip(earlier.covered_s);
        let covered = parts.filter_map(|(now, before)| Some((*now)? - before.unwrap_or(0.0)));
        covered.map(|covered_s| (covered_s / wall_s).clamp(0.0, 1.0)).reduce(f64::min).unwrap_or(0.0)
    }

    /// Joules since the session was opened.
    pub(crate) fn joules(&self) -> f64 {
        self.value_j
    }
}

/// How often the model looks at the process tree while nobody asks.
const MODEL_PERIOD: Duration = Duration::from_secs(1);
/// A source that cannot be read for so long is lost.
const PATIENCE: Duration = Duration::from_secs(5);

impl Meter {
    pub(crate) fn new(tree: Tree, has_fallback: bool) -> Self {
        Self {
            started: Instant::now(),
            sources: Vec::new(),
            has_fallback,
            tree,
            cpu_start_s: tree.cpu_s(),
            cpu_s: 0.0,
            suspension: Suspension::watch(),
            history: History::default(),
            caveats: Vec::new(),
            lost: None,
        }
    }

    /// Seconds since the session was opened.
    pub(crate) fn at_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Counts from now on what the source knows.
    pub(crate) fn join(&mut self, source: Box<dyn Source>, covers: Covers) {
        let reading = Reading::new(source.domains().len());
        let at_s = self.at_s();
        let mut active = Active {
            source,
            start: reading.clone(),
            reading,
            covers,
            read_at_s: (at_s, at_s),
            failing_since: None,
            is_lost: false,
        };
        if let Some(why) = active.read(at_s, &mut self.caveats) {
            self.lose(&active.source.name(), &why);
            return;
        }
        active.start.clone_from(&active.reading);
        self.sources.push(active);
    }

    /// Reads all sources, and the CPU time of the process tree. A source that is lost stops where it was last read.
    pub(crate) fn read(&mut self) -> Totals {
        self.look(|_| true);
        // The time of a child moves from one account of the kernel to another when it ends; the sum may dip.
        let looked_up = self.sources.iter().find_map(|active| active.reading.tree_cpu_s);
        self.cpu_s = self.cpu_s.max(looked_up.unwrap_or_else(|| self.tree.cpu_s()) - self.cpu_start_s);
        let totals = self.remember();
        self.history.push_cpu(totals.at_s, totals.cpu_s);
        totals
    }

    /// Reads the counters. The CPU time of the process tree stands where it was, and for a while what is modelled from it:
    /// looking it up costs more than all counters do, and nothing is lost when it is done later.
    pub(crate) fn sample(&mut self) -> Totals {
        // What is not looked at now stands still: the totals are then no point of the line between two readings.
        let is_whole = self.sources.iter().all(Active::is_due);
        self.look(Active::is_due);
        if is_whole { self.remember() } else { self.totals() }
    }

    fn look(&mut self, is_wanted: fn(&Active) -> bool) {
        self.caveats.extend(self.suspension.look());
        let at_s = self.at_s();
        let mut lost = Vec::new();
        for active in self.sources.iter_mut().filter(|active| !active.is_lost && is_wanted(active)) {
            if let Some(why) = active.read(at_s, &mut self.caveats) {
                active.is_lost = true;
                lost.push((active.source.name(), why));
            }
        }
        for (name, why) in lost {
            self.lose(&name, &why);
        }
    }

    fn remember(&mut self) -> Totals {
        let totals = self.totals();
        self.history.push(Point { totals, stepped_j: self.stepped_j() });
        totals
    }

    /// Reads again only the counters that move in short steps, and gives the joules of their domains, in the order of
    /// [`stepped_scales`](Self::stepped_scales).
    pub(crate) fn poll(&mut self) -> Vec<f64> {
        let at_s = self.at_s();
        for active in self.sources.iter_mut().filter(|active| active.is_stepped() && !active.is_lost) {
            // A source that is lost is told of by the next reading, which finds it lost as well.
            let _ = active.read(at_s, &mut self.caveats);
        }
        self.stepped_j()
    }

    /// The scales of the domains that [`poll`](Self::poll) reads.
    pub(crate) fn stepped_scales(&self) -> Vec<(f64, f64)> {
        self.stepped_domains().map(|(active, i)| active.source.domains()[i].scale).collect()
    }

    /// What was last read of the domains that [`poll`](Self::poll) reads, in joules since the session was opened.
    fn stepped_j(&self) -> Vec<f64> {
        self.stepped_domains().map(|(active, i)| active.reading.joules[i] - active.start.joules[i]).collect()
    }

    fn stepped_domains(&self) -> impl Iterator<Item = (&Active, usize)> {
        self.sources.iter().filter(|active| active.is_stepped()).flat_map(|active| {
            let domains = active.source.domains().iter().enumerate();
            domains.filter(|(_, domain)| domain.place == Place::Root).map(move |(i, _)| (active, i))
        })
    }

    fn lose(&mut self, name: &str, why: &str) {
        let uncovered = !self.covers(Covers::Processor);
        let replaced = if uncovered && self.has_fallback {
            self.join(Box::new(Model::of(self.tree)), Covers::Processor);
            "the model counts from here on"
        } else {
            "its energy is missing from here on"
        };
        self.caveats.push(Caveat::new(
            "source-lost",
            format!("lost {name}: {why}; {replaced}"),
            "measure again",
        ));
        self.lost.get_or_insert_with(|| format!("{name}: {why}"));
    }

    fn covers(&self, part: Covers) -> bool {
        self.sources.iter().any(|active| active.covers == part && !active.is_lost)
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals { at_s: self.at_s(), cpu_s: self.cpu_s, ..Totals::START };
        for active in &self.sources {
            let mut gap_s = 0.0_f64;
            for (i, domain) in active.source.domains().iter().enumerate() {
                if domain.place != Place::Root {
                    continue;
                }
                let (now, start) = (&active.reading, &active.start);
                let joules = now.joules[i] - start.joules[i];
                let assumed_j = now.gaps[i].assumed_j - start.gaps[i].assumed_j;
                let doubt_j = now.gaps[i].doubt_j - start.gaps[i].doubt_j;
                gap_s = gap_s.max(now.gaps[i].time_s - start.gaps[i].time_s);
                totals.value_j += joules;
                totals.low_j += (joules - assumed_j) * domain.scale.0;
                totals.high_j += (joules + doubt_j) * domain.scale.1;
                totals.lag_j += now.lag_j[i];
                totals.assumed_j += assumed_j;
                if domain.method == Method::Modelled {
                    totals.modelled_j += joules - assumed_j;
                }
                totals.method = totals.method.max(domain.method);
            }
            let (first_s, last_s) = active.read_at_s;
            // As far as the last look at the sources goes, a source that is read covers the time until now.
            let until_s = if active.is_failing() { last_s } else { totals.at_s };
            *totals.covered_s[active.covers as usize].get_or_insert(0.0) +=
                (until_s - first_s - gap_s).max(0.0);
        }
        totals
    }

    /// The domains of all sources with their joules since the session was opened, in the order of their joining.
    pub(crate) fn domains(&self) -> Vec<DomainUsage> {
        let mut found = Vec::new();
        for active in &self.sources {
            for (i, domain) in active.source.domains().iter().enumerate() {
                found.push(DomainUsage {
                    name: domain.name.clone(),
                    energy_j: active.reading.joules[i] - active.start.joules[i],
                    is_counted: domain.place == Place::Root,
                    part: active.covers,
                    method: domain.method,
                    busy_s: active.reading.busy_s.map(|now| now - active.start.busy_s.unwrap_or(0.0)),
                });
            }
        }
        found
    }

    /// The sources by name, lost ones marked.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |active: &Active| match active.source.name() {
            name if active.is_lost => format!("{name} (lost)"),
            name => name,
        };
        self.sources.iter().map(name).collect()
    }

    /// Whether any source counts, rather than models.
    pub(crate) fn has_counter(&self) -> bool {
        let counted = |active: &Active| active.source.domains().iter().any(|d| d.method == Method::Measured);
        self.sources.iter().any(counted)
    }

    /// What the joules cover, as in `process tree, CPU, modelled`.
    pub(crate) fn scope(&self) -> String {
        let part = |active: &Active| {
            let domains = active.source.domains();
            let method = domains.iter().map(|domain| domain.method).max().unwrap_or(Method::Measured);
            match (active.covers, method) {
                (Covers::Gpus, _) => format!("whole GPUs, {method}"),
                (Covers::Processor, Method::Modelled) => format!("process tree, CPU, {method}"),
                (Covers::Processor, Method::Measured) => {
                    let has_memory =
                        domains.iter().any(|d| d.place == Place::Root && d.name.starts_with("dram"));
                    format!("whole machine, CPU{}, {method}", if has_memory { " and memory" } else { "" })
                }
            }
        };
        let mut parts: Vec<String> = self.sources.iter().map(part).collect();
        // Every GPU is a source of its own.
        parts.dedup();
        parts.join("; ")
    }
}

impl Active {
    /// Whether it is time for a reading that nobody waits for.
    fn is_due(&self) -> bool {
        let is_modelled = self.source.domains().iter().all(|domain| domain.method == Method::Modelled);
        !is_modelled || self.reading.at.elapsed() >= MODEL_PERIOD
    }

    fn is_failing(&self) -> bool {
        self.is_lost || self.failing_since.is_some()
    }

    /// Whether its counters move in steps of about a millisecond, short enough to be waited for: those of processors
    /// do. GPUs take longer, and the model knows every moment.
    fn is_stepped(&self) -> bool {
        let is_measured = self.source.domains().iter().all(|domain| domain.method == Method::Measured);
        self.covers == Covers::Processor && is_measured
    }

    /// Takes a reading, or says why there will be none any more.
    fn read(&mut self, at_s: f64, caveats: &mut Vec<Caveat>) -> Option<String> {
        self.reading.tree_cpu_s = None;
        let failed = self.source.read(&mut self.reading).err();
        caveats.append(&mut self.reading.caveats);
        let Some(error) = failed else {
            self.failing_since = None;
            self.read_at_s.1 = at_s;
            return None;
        };
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let is_lost = error.kind() != ReadErrorKind::Retry || since.elapsed() > PATIENCE;
        is_lost.then(|| error.to_string())
    }
}
