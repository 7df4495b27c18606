//! Power curves with a known integral, and the counters that show it.

/// A machine's power over time, and what its counters do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// As in `C3`.
    pub(crate) name: String,
    /// What it tries.
    pub(crate) what: String,
    /// Watts in the first part of each period, and in the rest.
    pub(crate) high_w: f64,
    pub(crate) low_w: f64,
    /// How long a period and its first part last.
    pub(crate) period_s: f64,
    pub(crate) high_s: f64,
    pub(crate) zones: Vec<ZoneCurve>,
    pub(crate) range_uj: u64,
    pub(crate) start_uj: u64,
    pub(crate) event: Option<Event>,
    /// When the counters are set to 0, in seconds after the start.
    pub(crate) reset_s: Option<f64>,
    pub(crate) is_denied: bool,
    /// How long the measured command takes, in seconds.
    pub(crate) length_s: f64,
}

/// What happens to the counters while the command runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// They start over.
    Wrap,
    /// They are set to 0.
    Reset,
}

/// A counter that shows a multiple of the curve.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ZoneCurve {
    /// The folder below `intel-rapl`.
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) factor: f64,
    /// Whether it belongs to the machine's total.
    pub(crate) is_counted: bool,
}

/// What Intel's counters go up to.
const INTEL_UJ: u64 = 262_143_328_850;
/// No multiple of a second: a meter that reads once a second would read as the command ends.
const LENGTH_S: f64 = 2.5;

const PACKAGE: ZoneCurve =
    ZoneCurve { path: "intel-rapl:0", name: "package-0", factor: 1.0, is_counted: true };

impl Curve {
    fn new(name: &str, what: &str, high_w: f64, low_w: f64, period_s: f64, high_s: f64) -> Self {
        Self {
            name: name.to_owned(),
            what: what.to_owned(),
            high_w,
            low_w,
            period_s,
            high_s,
            zones: vec![PACKAGE],
            range_uj: INTEL_UJ,
            start_uj: 1_000_000,
            event: None,
            reset_s: None,
            is_denied: false,
            length_s: LENGTH_S,
        }
    }

    /// The nine curves.
    pub(crate) fn all() -> Vec<Self> {
        let constant = |name: &str, what: &str| Self::new(name, what, 100.0, 100.0, 1.0, 0.5);
        let zone = |path, name, factor, is_counted| ZoneCurve { path, name, factor, is_counted };
        vec![
            constant("C1", "constant 100 W"),
            Self::new("C2", "40 and 160 W in turns of 1 s", 160.0, 40.0, 2.0, 1.0),
            Self::new("C3", "20 and 220 W in turns of 25 ms", 220.0, 20.0, 0.05, 0.025),
            Self::new("C4", "bursts of 300 W for 5 ms in 100 ms", 300.0, 0.0, 0.1, 0.005),
            Self { event: Some(Event::Wrap), ..constant("C5", "the counter wraps") },
            Self { event: Some(Event::Reset), ..constant("C6", "the counter is set back to 0") },
            Self {
                zones: vec![
                    PACKAGE,
                    zone("intel-rapl:0/intel-rapl:0:0", "core", 0.6, false),
                    zone("intel-rapl:0/intel-rapl:0:1", "dram", 0.1, true),
                    zone("intel-rapl:1", "package-1", 0.5, true),
                    zone("intel-rapl:1/intel-rapl:1:0", "core", 0.3, false),
                    zone("intel-rapl:1/intel-rapl:1:1", "dram", 0.05, true),
                    zone("intel-rapl:2", "psys", 2.0, false),
                ],
                ..constant("C7", "two packages with memory, and the board")
            },
            Self { is_denied: true, ..constant("C8", "counters that must not be read") },
            Self {
                range_uj: 2_000_000_000,
                length_s: 60.0,
                ..constant("C9", "a minute with a wrap every 20 s")
            },
        ]
    }

    /// One of the nine.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|curve| curve.name == name)
    }

    /// The curve with its event, if it has one, at that time after the start: meters take longer and less long to start the
    /// command in which it is to happen.
    pub(crate) fn with_event_at(mut self, event_s: f64) -> Self {
        match self.event {
            Some(Event::Wrap) => self.start_uj = self.range_uj - (self.joules(event_s) * 1e6) as u64,
            Some(Event::Reset) => self.reset_s = Some(event_s),
            None => {}
        }
        self
    }

    /// A curve drawn from a number.
    pub(crate) fn random(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |low: f64, high: f64| {
            // xorshift64*
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let unit = (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64;
            low + unit * (high - low)
        };
        let period_s = next(0.02, 1.0);
        let mut curve = Self::new(
            &format!("R{seed}"),
            "random",
            next(50.0, 400.0),
            next(1.0, 50.0),
            period_s,
            period_s * next(0.1, 0.9),
        );
        curve.length_s = next(0.3, 1.5);
        curve.range_uj = if next(0.0, 1.0) < 0.5 { INTEL_UJ } else { 200_000_000 };
        curve.start_uj = (curve.range_uj as f64 * next(0.0, 1.0)) as u64;
        if curve.range_uj == INTEL_UJ && next(0.0, 1.0) < 0.3 {
            curve.reset_s = Some(next(0.2, 1.2));
        }
        curve
    }

    /// True joules of the machine's total between two times, in seconds after the start.
    pub(crate) fn total_j(&self, from_s: f64, to_s: f64) -> f64 {
        self.sum_j(|zone| zone.is_counted, from_s, to_s)
    }

    /// True joules of the packages alone.
    pub(crate) fn packages_j(&self, from_s: f64, to_s: f64) -> f64 {
        self.sum_j(|zone| zone.name.starts_with("package"), from_s, to_s)
    }

    fn sum_j(&self, is_wanted: fn(&ZoneCurve) -> bool, from_s: f64, to_s: f64) -> f64 {
        let factors = self.zones.iter().filter(|zone| is_wanted(zone)).map(|zone| zone.factor);
        factors.sum::<f64>() * (self.joules(to_s) - self.joules(from_s))
    }

    /// The integral of the curve.
    fn joules(&self, at_s: f64) -> f64 {
        let (whole, part_s) = ((at_s / self.period_s).floor(), at_s.rem_euclid(self.period_s));
        let high_s = self.high_s.min(self.period_s);
        let of_period =
            |time_s: f64| self.high_w * time_s.min(high_s) + self.low_w * (time_s - high_s).max(0.0);
        whole * of_period(self.period_s) + of_period(part_s)
    }

    /// What the counter of a zone shows.
    pub(crate) fn shown_uj(&self, zone: &ZoneCurve, at_s: f64) -> u64 {
        let (since_s, start_uj) = match self.reset_s {
            Some(reset_s) if at_s >= reset_s => (reset_s, 0),
            _ => (0.0, self.start_uj),
        };
        let used_uj = (self.joules(at_s) - self.joules(since_s)) * zone.factor * 1e6;
        (start_uj + used_uj as u64) % self.range_uj
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integral_is_that_of_the_curve() {
        for curve in Curve::all() {
            // A midpoint sum over whole periods of the finest curve.
            let (from_s, to_s, step_s) = (0.2, 2.2, 1e-5);
            let power = |at_s: f64| {
                if at_s.rem_euclid(curve.period_s) < curve.high_s { curve.high_w } else { curve.low_w }
            };
            let steps = ((to_s - from_s) / step_s) as u32;
            let sum: f64 = (0..steps).map(|i| power(from_s + (f64::from(i) + 0.5) * step_s) * step_s).sum();
            let integral = curve.joules(to_s) - curve.joules(from_s);
            assert!((sum - integral).abs() < 0.01 * integral, "{}: {sum} {integral}", curve.name);
        }
    }

    #[test]
    fn counters_wrap_and_are_set_back() {
        let curves: Vec<Curve> = Curve::all().into_iter().map(|curve| curve.with_event_at(0.5)).collect();
        let shown = |name: &str, at_s: f64| {
            let curve = curves.iter().find(|curve| curve.name == name).unwrap();
            curve.shown_uj(&curve.zones[0], at_s)
        };
        assert_eq!(shown("C1", 1.0), 101_000_000);
        assert_eq!(shown("C5", 1.0), 50_000_000);
        assert_eq!((shown("C6", 1.0), shown("C6", 2.0)), (50_000_000, 150_000_000));
        assert_eq!(shown("C9", 21.0), 101_000_000);
        assert!((curves[6].total_j(1.0, 2.0) - 165.0).abs() < 1e-9);
        assert!((curves[6].packages_j(1.0, 2.0) - 150.0).abs() < 1e-9);
    }
}
