//! What the machine draws when the command does not run.

use std::thread;
use std::time::{Duration, Instant};

use joulewise_meter::Session;
use joulewise_meter::command::Signals;
use joulewise_meter::division::{Idle, Moment, Window};

/// How soon a request to end is noticed.
const PATIENCE: Duration = Duration::from_millis(20);

/// Waits for that time, or until somebody asks to end, and says what was drawn meanwhile.
pub(super) fn measure(session: &Session, signals: &Signals, time: Duration) -> Idle {
    let start = Moment::now(session);
    let end = Instant::now() + time;
    while signals.asked_to_end().is_none() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        thread::sleep(left.min(PATIENCE));
    }
    Idle::of(&Window::between(&start, &Moment::now(session)).unwrap_or_default())
}
