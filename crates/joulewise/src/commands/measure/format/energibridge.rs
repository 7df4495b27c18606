//! The columns of EnergiBridge, one row per reading, for scripts that read its files: cumulative joules, the power of
//! GPUs, how busy and how fast the hardware threads are, and memory. A last column holds the codes of the caveats.

use std::borrow::Cow;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use joulewise_meter::division::Moment;
use joulewise_meter::{Covers, DomainUsage, Mark};

use super::gauges::Gauges;
use super::row;

/// The readings of all runs, in order.
pub(in super::super) struct Series {
    period: Duration,
    first: Option<Mark>,
    domains: Vec<DomainUsage>,
    readings: Vec<Reading>,
}

struct Reading {
    /// Milliseconds since 1970.
    at_ms: u128,
    /// Since the first reading, in the order of the domains; those that join later are missing at the end.
    joules: Vec<f64>,
    gauges: Gauges,
}

impl Series {
    pub(in super::super) fn new(period: Duration) -> Self {
        Self { period, first: None, domains: Vec::new(), readings: Vec::new() }
    }

    /// The time between two readings.
    pub(in super::super) fn period(&self) -> Duration {
        self.period
    }

    pub(in super::super) fn add(&mut self, now: &Moment) {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let first = self.first.get_or_insert_with(|| now.mark.clone());
        self.domains = now.mark.since(first).domains;
        let joules = self.domains.iter().map(|domain| domain.energy_j).collect();
        self.readings.push(Reading { at_ms, joules, gauges: Gauges::now() });
    }

    pub(super) fn render(&self, is_amd: bool, caveats: &str) -> String {
        let columns = self.columns(is_amd);
        let mut header: Vec<Cow<'_, str>> = vec!["Delta".into(), "Time".into()];
        header.extend(columns.iter().map(|column| Cow::from(column.name.as_str())));
        let gauges = self.readings.first().map(|reading| &reading.gauges);
        header.extend(gauges.into_iter().flat_map(Gauges::columns).map(Cow::from));
        header.push("CAVEATS".into());
        let mut text = row(&header);
        let mut before: Option<&Reading> = None;
        for reading in &self.readings {
            let delta_ms = before.map_or(0, |before| reading.at_ms.saturating_sub(before.at_ms));
            let mut fields = vec![Cow::from(delta_ms.to_string()), reading.at_ms.to_string().into()];
            for column in &columns {
                let now_j = column.sum(reading);
                let value = if column.is_power {
                    let used_j = now_j - before.map_or(now_j, |before| column.sum(before));
                    if delta_ms > 0 { used_j / delta_ms as f64 * 1e6 } else { 0.0 }
                } else {
                    now_j
                };
                fields.push(value.to_string().into());
            }
            let gauges = reading.gauges.values(before.map(|before| &before.gauges));
            fields.extend(gauges.map(|value| Cow::from(value.to_string())));
            fields.push(caveats.into());
            text.push_str(&row(&fields));
            before = Some(reading);
        }
        text
    }

    /// As there: one sum over all packages, by another name on AMD's, and a column for each GPU.
    fn columns(&self, is_amd: bool) -> Vec<Column> {
        let package = if is_amd { "CPU_ENERGY (J)" } else { "PACKAGE_ENERGY (J)" };
        let is_memory = |domain: &DomainUsage| domain.name.starts_with("dram");
        let processor = |domain: &DomainUsage| domain.part == Covers::Processor;
        let sums = [
            (package, self.places(|domain| processor(domain) && domain.is_counted && !is_memory(domain))),
            ("DRAM_ENERGY (J)", self.places(is_memory)),
            ("PP0_ENERGY (J)", self.places(|domain| domain.name.starts_with("core"))),
        ];
        let sums = sums.into_iter().filter(|(_, places)| !places.is_empty());
        let sums = sums.map(|(name, places)| Column { name: name.to_owned(), places, is_power: false });
        let gpus = self.places(|domain| domain.part == Covers::Gpus).into_iter().enumerate();
        let gpus = gpus.map(|(number, place)| Column {
            name: format!("GPU{number}_POWER (mWatts)"),
            places: vec![place],
            is_power: true,
        });
        sums.chain(gpus).collect()
    }

    fn places(&self, is_wanted: impl Fn(&DomainUsage) -> bool) -> Vec<usize> {
        (0..self.domains.len()).filter(|&place| is_wanted(&self.domains[place])).collect()
    }
}

/// A column that sums domains.
struct Column {
    name: String,
    places: Vec<usize>,
    is_power: bool,
}

impl Column {
    fn sum(&self, reading: &Reading) -> f64 {
        self.places.iter().filter_map(|&place| reading.joules.get(place)).sum()
    }
}

/// Whether this machine's processor is one of AMD's.
pub(super) fn is_amd() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains("AuthenticAMD"))
}

#[cfg(test)]
mod tests {
    use joulewise_meter::Method;

    use super::*;

    #[test]
    fn packages_are_summed_and_gpus_stand_alone() {
        let domain = |name: &str, part, is_counted| DomainUsage {
            name: name.to_owned(),
            energy_j: 0.0,
            is_counted,
            part,
            method: Method::Measured,
            busy_s: None,
        };
        let series = Series {
            period: Duration::from_millis(100),
            first: None,
            domains: vec![
                domain("package-0", Covers::Processor, true),
                domain("core-0", Covers::Processor, false),
                domain("package-1", Covers::Processor, true),
                domain("psys", Covers::Processor, false),
                domain("gpu-3", Covers::Gpus, true),
            ],
            // The GPU joins after the first reading.
            readings: vec![
                Reading { at_ms: 1000, joules: vec![0.0; 4], gauges: Gauges::default() },
                Reading { at_ms: 1100, joules: vec![5.0, 2.0, 7.5, 30.0, 20.0], gauges: Gauges::default() },
            ],
        };
        assert_eq!(
            series.render(false, ""),
            "Delta,Time,PACKAGE_ENERGY (J),PP0_ENERGY (J),GPU0_POWER (mWatts),TOTAL_MEMORY,TOTAL_SWAP,USED_MEMORY,\
             USED_SWAP,CAVEATS\n\
             0,1000,0,0,0,0,0,0,0,\n\
             100,1100,12.5,2,200000,0,0,0,0,\n"
        );
        assert!(series.render(true, "").starts_with("Delta,Time,CPU_ENERGY (J),"));
    }
}
