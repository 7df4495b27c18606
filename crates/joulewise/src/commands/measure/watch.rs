//! Watches the machine while a command runs.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use joulewise_meter::division::{Division, Moment, Window};
use joulewise_meter::{Mark, Session, Usage};

use super::format::energibridge::Series;
use super::live::Live;

/// Takes moments while a command runs, and hands them to whoever wants them.
pub(super) struct Watch<'a> {
    session: &'a Session,
    /// Who used what, over all that was watched.
    pub(super) division: Division,
    pub(super) live: Option<Live>,
    pub(super) series: Option<Series>,
}

/// The length of a window of the division, in seconds: the kernel counts busy time in ticks of 10 ms.
const WINDOW_S: f64 = 1.0;

impl<'a> Watch<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        Self { session, division: Division::default(), live: None, series: None }
    }

    /// Does the work, and says when it began and what was used meanwhile.
    pub(super) fn during<T>(&mut self, work: impl FnOnce() -> T) -> (T, Mark, Usage) {
        let tick = self.tick();
        let Self { session, division, live, series } = self;
        let (stopping, stop) = (Mutex::new(false), Condvar::new());
        let start = Moment::now(session);
        let mut last = start.clone();
        if let Some(series) = series.as_mut() {
            series.add(&start);
        }
        let (result, end) = thread::scope(|scope| {
            scope.spawn(|| {
                while !is_stopped_within(tick, &stopping, &stop) {
                    let now = Moment::now(session);
                    if let Some(live) = live.as_mut() {
                        live.show(&start, &now);
                    }
                    if let Some(series) = series.as_mut() {
                        series.add(&now);
                    }
                    if now.mark.at_s() - last.mark.at_s() >= WINDOW_S {
                        division.extend(Window::between(&last, &now));
                        last = now;
                    }
                }
            });
            let result = work();
            let end = Moment::now(session);
            *stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
            stop.notify_all();
            (result, end)
        });
        if end.mark.at_s() > last.mark.at_s() {
            division.extend(Window::between(&last, &end));
        }
        if let Some(series) = series {
            series.add(&end);
        }
        if let Some(live) = live {
            live.clear();
        }
        let usage = end.mark.since(&start.mark);
        (result, start.mark, usage)
    }

    /// The time between two moments.
    fn tick(&self) -> Duration {
        let live = self.live.as_ref().map(Live::period);
        let series = self.series.as_ref().map(Series::period);
        let window = Duration::from_secs_f64(WINDOW_S);
        [live, series].into_iter().flatten().fold(window, Duration::min)
    }
}

fn is_stopped_within(time: Duration, stopping: &Mutex<bool>, stop: &Condvar) -> bool {
    let guard = stopping.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = stop.wait_timeout_while(guard, time, |stopping| !*stopping);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}
