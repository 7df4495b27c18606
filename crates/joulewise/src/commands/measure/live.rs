//! Watts and joules on stderr while the command runs.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::iter;
use std::time::Duration;

use joulewise_meter::division::Moment;
use joulewise_meter::{Joules, Seconds, Usage};

/// A few lines that are drawn again and again on a terminal, and now and then a line elsewhere.
pub(super) struct Live {
    is_terminal: bool,
    last: Option<Moment>,
    /// How many lines stand on the terminal.
    drawn: usize,
}

impl Live {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), last: None, drawn: 0 }
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
        let parts = parts(&now.mark.since(&last.mark), &now.mark.since(&start.mark), busy);
        let mut stderr = io::stderr().lock();
        // Nobody is left to tell when stderr is closed.
        let _ = if self.is_terminal {
            let lines = wrapped(&parts, width());
            let text = lines.join("\x1b[K\r\n");
            let above = self.above();
            self.drawn = lines.len();
            write!(stderr, "{above}{text}\x1b[J")
        } else {
            writeln!(stderr, "joulewise: {}", parts.join("  "))
        };
        self.last = Some(now.clone());
    }

    /// Makes room for what follows.
    pub(super) fn clear(&self) {
        if self.is_terminal && self.last.is_some() {
            let _ = write!(io::stderr().lock(), "{}\x1b[J", self.above());
        }
    }

    /// Goes to the beginning of what stands there.
    fn above(&self) -> String {
        match self.drawn {
            0 | 1 => "\r".to_owned(),
            lines => format!("\r\x1b[{}A", lines - 1),
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

/// As many parts on each line as it holds.
fn wrapped(parts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + part.chars().count() + 3 <= width => {
                line.push_str("  ");
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

/// The whole, and each domain: as in `12.0 s  150 W  1.80 kJ  CPU 83 %` and `dram-0 10.0 W 120 J`.
fn parts(lately: &Usage, so_far: &Usage, busy: Option<f64>) -> Vec<String> {
    let watts = |joules: f64| Joules(joules) / Seconds(lately.wall_s);
    let mut whole = format!(
        "{}  {}  {}",
        Seconds(so_far.wall_s),
        watts(lately.energy.value),
        Joules(so_far.energy.value)
    );
    if let Some(busy) = busy {
        let _ = write!(whole, "  CPU {:.0} %", busy * 100.0);
    }
    let lately_s = lately.wall_s.max(f64::MIN_POSITIVE);
    let domains = lately.domains.iter().zip(&so_far.domains).map(|(lately, so_far)| {
        let busy = lately.busy_s.map(|busy_s| format!(" {:.0} %", 100.0 * busy_s / lately_s));
        let busy = busy.unwrap_or_default();
        format!("{}{busy} {} {}", so_far.name, watts(lately.energy_j), Joules(so_far.energy_j))
    });
    iter::once(whole).chain(domains).collect()
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
        let so_far = usage(12.0, 1680.0, 120.0);
        let told = parts(&usage(0.5, 70.0, 5.0), &so_far, Some(0.83));
        let whole = "12.0 s  150 W  1.80 kJ  CPU 83 %";
        assert_eq!(told, [whole, "package-0 140 W 1.68 kJ", "dram-0 10.0 W 120 J"]);
        assert_eq!(wrapped(&told, 60), [format!("{whole}  package-0 140 W 1.68 kJ"), told[2].clone()]);
        assert_eq!(wrapped(&told, 200).len(), 1);
        assert_eq!(wrapped(&told, 7), ["12.0 s", "packag", "dram-0"]);
        let mut lately = usage(2.0, 70.0, 5.0);
        lately.domains[0].busy_s = Some(1.5);
        assert_eq!(parts(&lately, &so_far, None)[1], "package-0 75 % 35.0 W 1.68 kJ");
    }
}
