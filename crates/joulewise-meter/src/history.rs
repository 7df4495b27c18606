//! The recent readings, and what the totals were between two of them.

use std::collections::VecDeque;

use crate::meter::Totals;

/// What one reading gave.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) totals: Totals,
    /// Joules of each domain whose counter moves in short steps.
    pub(crate) stepped_j: Vec<f64>,
}

/// What stood at a moment between two readings.
pub(crate) struct Between {
    pub(crate) totals: Totals,
    /// Joules of each domain whose counter moves in short steps.
    pub(crate) stepped_j: Vec<Joules>,
}

/// Joules at the reading before a moment, and on the line to the one after it.
pub(crate) struct Joules {
    pub(crate) from_j: f64,
    pub(crate) at_j: f64,
}

/// The recent readings, oldest first.
#[derive(Default)]
pub(crate) struct History {
    points: VecDeque<Point>,
    /// When the CPU time of the process tree was looked up, which is not at every reading, and what it was.
    cpu: VecDeque<(f64, f64)>,
}

impl History {
    /// Enough for all readings of the time that a message about a span may be late.
    const LENGTH: usize = 512;

    pub(crate) fn push(&mut self, point: Point) {
        if self.points.len() == Self::LENGTH {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    pub(crate) fn push_cpu(&mut self, at_s: f64, cpu_s: f64) {
        if self.cpu.len() == Self::LENGTH {
            self.cpu.pop_front();
        }
        self.cpu.push_back((at_s, cpu_s));
    }

    /// When everything was last read, in seconds since the session was opened.
    pub(crate) fn known_s(&self) -> f64 {
        self.cpu.back().map_or(0.0, |(at_s, _)| *at_s)
    }

    /// What stood at that moment, on the line between the readings before and after it. A moment outside of the history
    /// has the joules of its nearest end.
    pub(crate) fn at(&self, at_s: f64) -> Between {
        let start = Point { totals: Totals::START, stepped_j: Vec::new() };
        let (earlier, later) =
            around(&self.points, at_s, |point| point.totals.at_s).unwrap_or((&start, &start));
        let share = share(earlier.totals.at_s, later.totals.at_s, at_s);
        let stepped_j = later.stepped_j.iter().enumerate().map(|(i, &to)| {
            // A source that joined in between had no joules before.
            let from_j = earlier.stepped_j.get(i).copied().unwrap_or(0.0);
            Joules { from_j, at_j: from_j + share * (to - from_j) }
        });
        let mut totals = earlier.totals.towards(&later.totals, share);
        totals.at_s = at_s;
        if let Some((from, to)) = around(&self.cpu, at_s, |(at_s, _)| *at_s) {
            totals.cpu_s = from.1 + self::share(from.0, to.0, at_s) * (to.1 - from.1);
        }
        Between { totals, stepped_j: stepped_j.collect() }
    }
}

/// The entries before and after a moment, or the same one twice where there are none on one side.
fn around<T>(entries: &VecDeque<T>, at_s: f64, when_s: impl Fn(&T) -> f64) -> Option<(&T, &T)> {
    let after = entries.partition_point(|entry| when_s(entry) < at_s);
    let later = entries.get(after).or(entries.back())?;
    let earlier = after.checked_sub(1).and_then(|before| entries.get(before)).unwrap_or(later);
    Some((earlier, later))
}

/// How far a moment is on the way between two others, from 0 to 1.
fn share(from_s: f64, to_s: f64, at_s: f64) -> f64 {
    if from_s < to_s { ((at_s - from_s) / (to_s - from_s)).clamp(0.0, 1.0) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at_s: f64, joules: f64) -> Point {
        let mut totals = Totals::START.corrected(joules, (1.0, 1.0));
        totals.at_s = at_s;
        Point { totals, stepped_j: vec![joules] }
    }

    #[test]
    fn between_two_readings_lies_a_line() {
        let mut history = History::default();
        assert_eq!(history.at(1.0).totals.joules(), 0.0);
        history.push(point(1.0, 10.0));
        history.push(point(2.0, 30.0));
        history.push(point(2.0, 30.0));
        for (at_s, joules) in [(0.5, 10.0), (1.0, 10.0), (1.25, 15.0), (2.0, 30.0), (9.0, 30.0)] {
            let found = history.at(at_s);
            assert_eq!((found.totals.at_s, found.totals.joules()), (at_s, joules));
            assert_eq!(found.stepped_j[0].at_j, joules);
            assert!(found.stepped_j[0].from_j <= joules);
        }
        history.push_cpu(0.5, 0.0);
        history.push_cpu(2.5, 4.0);
        assert_eq!((history.at(1.5).totals.cpu_s, history.known_s()), (2.0, 2.5));
    }

    #[test]
    fn only_recent_readings_are_kept() {
        let mut history = History::default();
        for i in (0..2000).map(f64::from) {
            history.push(point(i, i));
            history.push_cpu(i, i);
        }
        assert_eq!((history.points.len(), history.cpu.len()), (History::LENGTH, History::LENGTH));
        assert_eq!(history.at(1800.5).totals.joules(), 1800.5);
    }
}
