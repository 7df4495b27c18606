//! What was measured, as a person reads it on stderr.

use std::io::{self, Write};

use joulewise_meter::{Grams, Joules, Seconds, Watts};

use super::measurement::Measurement;
use super::{caveats, spans};

/// Below this share of the energy, what is assumed is not worth a line.
const NOTHING: f64 = 1e-6;

impl Measurement {
    /// The energy; the time; what was counted; then what was asked for, and what limits it all.
    pub(super) fn summarise(&self, out: &mut impl Write) -> io::Result<()> {
        let label = self.label.as_ref().map_or_else(String::new, |label| format!("{label}: "));
        writeln!(out, "joulewise: {label}{}, {} on average", self.energy_j, Watts(self.power_w))?;
        let mut lines =
            vec![format!("{} of wall time, {} of CPU time", Seconds(self.wall_s), Seconds(self.cpu_s))];
        lines.push(format!("{} ({})", self.scope, self.sources.join("; ")));
        lines.extend(self.repetition());
        lines.extend(self.by_domain());
        lines.extend(self.whose());
        lines.extend(self.emitted());
        lines.extend(self.ended());
        lines.extend(caveats::lines(&self.caveats));
        for line in lines {
            writeln!(out, "           {line}")?;
        }
        spans::write(&self.spans, self.runs.len(), out)?;
        self.waste.lines().try_for_each(|line| writeln!(out, "           {line}"))
    }

    fn repetition(&self) -> Option<String> {
        let repeat = self.repeat.as_ref()?;
        let (energy, wall) = (repeat.energy_j, repeat.wall_s);
        let percent = |half: f64, mean: f64| if mean > 0.0 { 100.0 * half / mean } else { 0.0 };
        Some(format!(
            "mean of {} runs: ±{:.1} % of energy, ±{:.1} % of time (95 % interval)",
            repeat.runs,
            percent(energy.high - energy.mean, energy.mean),
            percent(wall.high - wall.mean, wall.mean),
        ))
    }

    fn by_domain(&self) -> Option<String> {
        let domains = self.domains.iter().map(|domain| {
            let beside = if domain.is_counted { "" } else { " (not added)" };
            format!("{} {}{beside}", domain.name, Joules(domain.energy_j))
        });
        (self.domains.len() > 1).then(|| domains.collect::<Vec<_>>().join(", "))
    }

    fn whose(&self) -> Option<String> {
        self.attribution.machine_j?;
        let marginal = self.attribution.marginal_j.map(|energy| format!("beyond idling {energy}"));
        let tree = self.attribution.process_tree_j.map(|energy| format!("process tree {energy}"));
        let parts: Vec<String> = marginal.into_iter().chain(tree).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn emitted(&self) -> Option<String> {
        let carbon = self.carbon.as_ref()?;
        let intensity = &carbon.intensity;
        let zone = intensity.zone.as_ref().zip(intensity.year);
        let zone = zone.map_or_else(String::new, |(zone, year)| format!("{zone} {year}, "));
        let pue = if carbon.pue > 1.0 { format!(", PUE {}", carbon.pue) } else { String::new() };
        Some(format!(
            "{} CO₂e ({zone}{} g/kWh{pue}; {})",
            Grams(carbon.co2e_g.value),
            intensity.g_per_kwh,
            intensity.source
        ))
    }

    fn ended(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.shares.assumed > NOTHING {
            said.push(format!(
                "{:.1} % of the energy are assumed, for times without readings",
                100.0 * self.shares.assumed
            ));
        }
        if self.timed_out {
            said.push("the command was ended because its time was over".to_owned());
        } else if let Some(signal) = self.signal {
            said.push(format!("the command was ended by signal {signal}"));
        }
        said
    }
}
