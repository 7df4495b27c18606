//! The one thread of a session: it reads the sources before their counters wrap, and tells the power.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::event::{Caveat, EventKind};
use crate::meter::Covers;
use crate::nvml;
use crate::shared::{Shared, lock};

pub(crate) struct Sampler {
    pub(crate) shared: Arc<Shared>,
    /// Time between two readings.
    pub(crate) tick: Duration,
    /// Time between two [`EventKind::Sample`]s.
    pub(crate) interval: Duration,
    pub(crate) finds_gpus: bool,
}

/// A GPU that joins later than this leaves a gap worth telling.
const LATE_S: f64 = 1.0;

impl Sampler {
    /// Reads until the session stops.
    pub(crate) fn run(mut self) {
        if self.finds_gpus {
            self.find_gpus();
        }
        let mut told = self.shared.read();
        let mut next_sample = Instant::now() + self.interval;
        while !self.is_stopped_within_tick() {
            let now = self.shared.sample();
            self.shared.tell_caveats();
            if Instant::now() < next_sample {
                continue;
            }
            let used_j = now.joules() - told.joules();
            let watts = used_j / (now.at_s - told.at_s).max(f64::MIN_POSITIVE);
            self.shared.emit(EventKind::Sample { watts, energy_j: now.joules() });
            told = now;
            next_sample = Instant::now() + self.interval;
        }
    }

    fn is_stopped_within_tick(&self) -> bool {
        let stopping = lock(&self.shared.stopping);
        let waited = self.shared.stop.wait_timeout_while(stopping, self.tick, |stopping| !*stopping);
        waited.map_or(true, |(stopping, _)| *stopping)
    }

    /// The driver's library takes long to load, so this is done here and not before the start.
    fn find_gpus(&mut self) {
        self.shared.is_loading.store(true, Ordering::Release);
        let found = nvml::open();
        {
            let meter = &mut self.shared.books().meter;
            meter.caveats.extend(found.caveats);
            let at_s = meter.at_s();
            if at_s > LATE_S && !found.gpus.is_empty() {
                let text = format!("the GPUs are counted from second {at_s:.1}");
                meter.caveats.push(Caveat::new("gpu-joined-late", text, ""));
            }
            for gpu in found.gpus {
                self.tick = self.tick.min(gpu.safe_period());
                meter.join(Box::new(gpu), Covers::Gpus);
            }
        }
        self.shared.is_loading.store(false, Ordering::Release);
    }
}
