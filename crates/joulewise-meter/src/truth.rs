//! Whether what a meter says holds: simulated counters whose true energy is known, read on a simulated clock.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::counter::{Counter, Step};
use crate::energy::Method;
use crate::event::Caveat;
use crate::meter::{Covers, Meter};
use crate::process::Tree;
use crate::source::{Domain, Place, ReadError, Reading, Source};

/// More than the simulated machine draws.
const PLAUSIBLE_W: f64 = 500.0;
/// The simulated counter moves so often.
const UPDATE_S: f64 = 1e-3;
const RUNS: usize = 1000;

/// What happens to a counter, and when it is read.
#[derive(Clone, Debug)]
struct Story {
    /// Watts and how long they last, in seconds; over and over.
    curve: Vec<(f64, f64)>,
    range_uj: u64,
    start_uj: u64,
    /// Times at which the counter is set to 0.
    resets_s: Vec<f64>,
    /// A time at which nobody reads for so long.
    pause: Option<(f64, f64)>,
    interval_s: f64,
    /// How late each reading is, as a share of the interval.
    lateness: Vec<f64>,
    wall_s: f64,
}

fn stories() -> impl Strategy<Value = Story> {
    let curve = prop::collection::vec((1.0..400.0f64, 0.005..1.0f64), 1..6);
    let range_uj = prop_oneof![Just(262_143_328_850u64), Just(65_532_610_987), 100_000_000..3_000_000_000u64];
    let resets_s = prop::collection::vec(0.5..8.0f64, 0..2);
    let pause = prop::option::weighted(0.2, (1.0..6.0f64, 0.5..3.0f64));
    let reading = (0.01..0.3f64, prop::collection::vec(0.0..0.3f64, 8));
    (curve, range_uj, 0.0..1.0f64, resets_s, pause, reading, 1.0..10.0f64).prop_map(
        |(curve, range_uj, start, resets_s, pause, (interval_s, lateness), wall_s)| Story {
            curve,
            range_uj,
            start_uj: (range_uj as f64 * start) as u64,
            resets_s: resets_s.into_iter().filter(|&reset_s| is_told(range_uj, pause, reset_s)).collect(),
            pause,
            interval_s,
            lateness,
            wall_s,
        },
    )
}

/// Whether a reset can be seen by the counter's values: in a range that takes seconds to go through it looks like a
/// wrap, and while nobody reads it hides. A machine that is suspended does both, and the clocks tell of that.
fn is_told(range_uj: u64, pause: Option<(f64, f64)>, reset_s: f64) -> bool {
    let is_read = pause.is_none_or(|(pause_s, length_s)| reset_s < pause_s || reset_s > pause_s + length_s);
    range_uj > 60_000_000_000 && is_read
}

impl Story {
    /// True joules from 0 to that time.
    fn joules(&self, at_s: f64) -> f64 {
        let period_s: f64 = self.curve.iter().map(|(_, time_s)| time_s).sum();
        let period_j: f64 = self.curve.iter().map(|(watts, time_s)| watts * time_s).sum();
        let (rounds, mut left_s) = ((at_s / period_s).floor(), at_s % period_s);
        let mut joules = rounds * period_j;
        for (watts, time_s) in &self.curve {
            joules += watts * left_s.min(*time_s);
            left_s = (left_s - time_s).max(0.0);
        }
        joules
    }

    /// What the counter shows.
    fn shown_uj(&self, at_s: f64) -> u64 {
        let at_s = (at_s / UPDATE_S).floor() * UPDATE_S;
        let reset_s = self.resets_s.iter().copied().filter(|&reset_s| reset_s <= at_s).reduce(f64::max);
        let since_uj =
            ((self.joules(at_s) - reset_s.map_or(0.0, |reset_s| self.joules(reset_s))) * 1e6) as u64;
        (since_uj + if reset_s.is_none() { self.start_uj } else { 0 }) % self.range_uj
    }

    /// The times of the readings: as often as asked for and as the counter needs.
    fn readings(&self) -> Vec<f64> {
        let guard_s = self.range_uj as f64 * 1e-6 / PLAUSIBLE_W / 2.0;
        let (mut times, mut at_s) = (Vec::new(), 0.0);
        for lateness in self.lateness.iter().cycle() {
            at_s += self.interval_s.min(guard_s) * (1.0 + lateness);
            if let Some((pause_s, length_s)) = self.pause.filter(|(pause_s, _)| *pause_s < at_s) {
                at_s = at_s.max(pause_s + length_s);
            }
            if at_s >= self.wall_s {
                times.push(self.wall_s);
                return times;
            }
            times.push(at_s);
        }
        times
    }
}

/// A source that reads the story's counter at the time that the clock shows.
struct Simulated {
    story: Story,
    clock_s: Arc<Mutex<f64>>,
    counter: Counter,
    last_s: f64,
    domains: [Domain; 1],
}

impl Simulated {
    fn new(story: &Story, clock_s: Arc<Mutex<f64>>) -> Self {
        let domain = Domain {
            name: "package-0".to_owned(),
            place: Place::Root,
            method: Method::Measured,
            // The interval has to hold without what a real counter may be off by.
            scale: (1.0, 1.0),
        };
        let counter = Counter::new(story.range_uj, PLAUSIBLE_W, story.shown_uj(0.0));
        Self { story: story.clone(), clock_s, counter, last_s: 0.0, domains: [domain] }
    }
}

impl Source for Simulated {
    fn name(&self) -> String {
        "simulated".to_owned()
    }

    fn domains(&self) -> &[Domain] {
        &self.domains
    }

    fn read(&mut self, into: &mut Reading) -> Result<(), ReadError> {
        let at_s = *self.clock_s.lock().unwrap();
        let step = self.counter.advance(self.story.shown_uj(at_s), at_s - self.last_s);
        self.last_s = at_s;
        if step != Step::Counted {
            into.caveats.push(Caveat::new("gap", format!("{step:?}"), ""));
        }
        into.joules[0] = self.counter.joules();
        into.lag_j[0] = self.counter.watts() * UPDATE_S;
        into.gaps[0] = self.counter.gaps();
        Ok(())
    }
}

/// How a story came out.
struct Told {
    is_inside: bool,
    is_within_a_percent: bool,
    has_caveat: bool,
}

fn tell(story: &Story) -> Told {
    let clock_s = Arc::new(Mutex::new(0.0));
    let mut meter = Meter::new(Tree::OWN, false);
    meter.join(Box::new(Simulated::new(story, Arc::clone(&clock_s))), Covers::Processor);
    let start = meter.sample();
    let mut end = start;
    for at_s in story.readings() {
        *clock_s.lock().unwrap() = at_s;
        end = meter.sample();
    }
    let energy = end.since(&start).energy();
    let truth_j = story.joules(story.wall_s);
    assert!(
        energy.low >= 0.0 && energy.low <= energy.value && energy.value <= energy.high,
        "{energy:?}: {story:?}"
    );
    Told {
        is_inside: energy.low <= truth_j && truth_j <= energy.high,
        is_within_a_percent: (energy.value - truth_j).abs() <= 0.01 * truth_j,
        has_caveat: !meter.caveats.is_empty(),
    }
}

#[test]
fn the_truth_lies_inside_the_interval_or_nearly_always() {
    let mut runner = TestRunner::deterministic();
    let (mut inside, mut clean) = (0, 0);
    for _ in 0..RUNS {
        let story = stories().new_tree(&mut runner).unwrap().current();
        let told = tell(&story);
        inside += usize::from(told.is_inside);
        clean += usize::from(!told.has_caveat);
        assert!(told.is_within_a_percent || told.has_caveat, "wrong, and nothing said: {story:?}");
        let is_undisturbed =
            story.resets_s.iter().all(|&reset_s| reset_s > story.wall_s) && story.pause.is_none();
        assert!(!told.has_caveat || !is_undisturbed, "a caveat on a clean run: {story:?}");
    }
    assert!(inside * 100 >= RUNS * 95, "{inside} of {RUNS} inside");
    assert!(clean > RUNS / 10 && clean < RUNS * 9 / 10, "{clean} of {RUNS} clean: the stories are one-sided");
}
