//! Several sources read as one: what the machine has used since the session was opened.

use std::time::{Duration, Instant};

use crate::energy::{Estimate, Method};
use crate::event::Caveat;
use crate::model::Model;
use crate::process::tree_cpu_time_s;
use crate::source::{Place, ReadErrorKind, Reading, Source};

/// All sources of a session.
pub(crate) struct Meter {
    started: Instant,
    sources: Vec<Active>,
    /// Whether the model steps in when the processor's counters are lost.
    has_fallback: bool,
    cpu_start_s: f64,
    cpu_s: f64,
    /// What came to light and was not yet told.
    pub(crate) caveats: Vec<Caveat>,
    /// The first source that was lost, and why.
    pub(crate) lost: Option<String>,
}

struct Active {
    source: Box<dyn Source>,
    /// The joules at the time when the source joined.
    start: Vec<f64>,
    reading: Reading,
    covers: Covers,
    /// Since when readings have failed; the last good one stands.
    failing_since: Option<Instant>,
    is_lost: bool,
}

/// Which part of the machine a source knows about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covers {
    Processor,
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
        method: Method::Measured,
    };

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

    /// Joules since the session was opened.
    pub(crate) fn joules(&self) -> f64 {
        self.value_j
    }
}

/// A source that cannot be read for so long is lost.
const PATIENCE: Duration = Duration::from_secs(5);

impl Meter {
    pub(crate) fn new(has_fallback: bool) -> Self {
        Self {
            started: Instant::now(),
            sources: Vec::new(),
            has_fallback,
            cpu_start_s: tree_cpu_time_s(),
            cpu_s: 0.0,
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
        let start = reading.joules.clone();
        let mut active = Active { source, start, reading, covers, failing_since: None, is_lost: false };
        if let Some(why) = active.read(&mut self.caveats) {
            self.lose(&active.source.name(), &why);
            return;
        }
        active.start.clone_from(&active.reading.joules);
        self.sources.push(active);
    }

    /// Reads all sources. One that is lost stops where it was last read.
    pub(crate) fn read(&mut self) -> Totals {
        let mut lost = Vec::new();
        for active in self.sources.iter_mut().filter(|active| !active.is_lost) {
            if let Some(why) = active.read(&mut self.caveats) {
                active.is_lost = true;
                lost.push((active.source.name(), why));
            }
        }
        for (name, why) in lost {
            self.lose(&name, &why);
        }
        // The time of a child moves from one account of the kernel to another when it ends; the sum may dip.
        let looked_up = self.sources.iter().find_map(|active| active.reading.tree_cpu_s);
        self.cpu_s = self.cpu_s.max(looked_up.unwrap_or_else(tree_cpu_time_s) - self.cpu_start_s);
        self.totals()
    }

    fn lose(&mut self, name: &str, why: &str) {
        let uncovered = !self.covers(Covers::Processor);
        let replaced = if uncovered && self.has_fallback {
            self.join(Box::new(Model::of_this_machine()), Covers::Processor);
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
            for (i, domain) in active.source.domains().iter().enumerate() {
                if domain.place != Place::Root {
                    continue;
                }
                let joules = active.reading.joules[i] - active.start[i];
                totals.value_j += joules;
                totals.low_j += joules * domain.scale.0;
                totals.high_j += joules * domain.scale.1;
                totals.lag_j += active.reading.lag_j[i];
                totals.method = totals.method.max(domain.method);
            }
        }
        totals
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
        self.sources.iter().map(part).collect::<Vec<_>>().join("; ")
    }
}

impl Active {
    /// Takes a reading, or says why there will be none any more.
    fn read(&mut self, caveats: &mut Vec<Caveat>) -> Option<String> {
        self.reading.tree_cpu_s = None;
        let failed = self.source.read(&mut self.reading).err();
        caveats.append(&mut self.reading.caveats);
        let Some(error) = failed else {
            self.failing_since = None;
            return None;
        };
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let is_lost = error.kind() != ReadErrorKind::Retry || since.elapsed() > PATIENCE;
        is_lost.then(|| error.to_string())
    }
}
