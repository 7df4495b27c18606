//! Watts and joules on stderr while the command runs.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use joulewise_meter::division::Moment;
use joulewise_meter::{Joules, Seconds, Usage};

/// A line that is drawn again and again on a terminal, and now and then a line elsewhere.
pub(super) struct Live {
    is_terminal: bool,
    last: Option<Moment>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), last: None }
    }

    /// The time between two lines.
    pub(super) fn period(&self) -> Duration {
        if self.is_terminal { Duration::from_millis(500) } else { Duration::from_secs(10) }
    }

    pub(super) fn show(&mut self, start: &Moment, now: &Moment) {
        let last = self.last.as_ref().filter(|last| last.mark.at_s() >= start.mark.at_s()).unwrap_or(start);
        if now.mark.at_s() - last.mark.at_s() < self.period().as_secs_f64() * 0.9 {
            return;
        }
        let busy = now.load.zip(last.load).and_then(|(now, last)| now.busy_share_since(&last));
        let line = line(&now.mark.since(&last.mark), &now.mark.since(&start.mark), busy);
        let mut stderr = io::stderr().lock();
        // Nobody is left to tell when stderr is closed.
        let _ = if self.is_terminal {
            write!(stderr, "\r{}\x1b[K", cut(&line, width()))
        } else {
            writeln!(stderr, "joulewise: {line}")
        };
        self.last = Some(now.clone());
    }

    /// Makes room for what follows.
    pub(super) fn clear(&self) {
        if self.is_terminal && self.last.is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn width() -> usize {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(80, |(width, _)| usize::from(width.0))
}

/// At most that many letters: a longer line would wrap, and not be drawn over.
fn cut(line: &str, width: usize) -> String {
    line.chars().take(width.saturating_sub(1)).collect()
}

/// As in `12.0 s  150 W  1.80 kJ  CPU 83 %  package-0 140 W 1.68 kJ · dram-0 10.0 W 120 J`.
fn line(lately: &Usage, so_far: &Usage, busy: Option<f64>) -> String {
    let watts = |joules: f64| Joules(joules) / Seconds(lately.wall_s);
    let mut line = format!(
        "{}  {}  {}",
        Seconds(so_far.wall_s),
        watts(lately.energy.value),
        Joules(so_far.energy.value)
    );
    if let Some(busy) = busy {
        let _ = write!(line, "  CPU {:.0} %", busy * 100.0);
    }
    let lately_s = lately.wall_s.max(f64::MIN_POSITIVE);
    let domains = lately.domains.iter().zip(&so_far.domains).map(|(lately, so_far)| {
        let busy = lately.busy_s.map(|busy_s| format!(" {:.0} %", 100.0 * busy_s / lately_s));
        let busy = busy.unwrap_or_default();
        format!("{}{busy} {} {}", so_far.name, watts(lately.energy_j), Joules(so_far.energy_j))
    });
    let domains: Vec<String> = domains.collect();
    let _ = write!(line, "  {}", domains.join(" · "));
    line
}

#[cfg(test)]
mod tests {
    use joulewise_meter::{Covers, DomainUsage, Method, Session};

    use super::*;

    #[test]
    fn the_line_names_every_domain() {
        let session = Session::builder().sysfs_root("/nowhere").open().unwrap();
        let nothing = session.mark().since(&session.mark());
        let usage = |wall_s: f64, package_j: f64, dram_j: f64| {
            let domain = |name: &str, energy_j| DomainUsage {
                name: name.to_owned(),
                energy_j,
                is_counted: true,
                part: Covers::Processor,
                method: Method::Measured,
                busy_s: None,
            };
            let mut usage = Usage { wall_s, ..nothing.clone() };
            usage.energy.value = package_j + dram_j;
            usage.domains = vec![domain("package-0", package_j), domain("dram-0", dram_j)];
            usage
        };
        let line = line(&usage(0.5, 70.0, 5.0), &usage(12.0, 1680.0, 120.0), Some(0.83));
        assert_eq!(line, "12.0 s  150 W  1.80 kJ  CPU 83 %  package-0 140 W 1.68 kJ · dram-0 10.0 W 120 J");
        let mut lately = usage(2.0, 70.0, 5.0);
        lately.domains[0].busy_s = Some(1.5);
        let line = super::line(&lately, &usage(12.0, 1680.0, 120.0), None);
        assert!(line.contains("  package-0 75 % 35.0 W 1.68 kJ · dram-0 "), "{line}");
        assert_eq!(cut(&line, 7), "12.0 s");
    }
}
