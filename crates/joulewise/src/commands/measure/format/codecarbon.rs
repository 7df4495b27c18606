//! The columns of CodeCarbon's `emissions.csv`, for scripts that read it. Energies are in kWh and contain the PUE, as
//! there. What Joulewise does not know is left empty; a last column holds the codes of the caveats.

use std::borrow::Cow;
use std::fs;

use joulewise_meter::carbon::{KWH_J, Zone};
use joulewise_meter::{DomainUsage, Method};

use super::super::measurement::{Measurement, RunRecord};
use super::{caveat_codes, row};

type Column = (&'static str, fn(&Measurement, &RunRecord) -> String);

const COLUMNS: [Column; 39] = [
    ("timestamp", |_, run| {
        run.started.trim_end_matches('Z').split('.').next().unwrap_or_default().to_owned()
    }),
    ("project_name", |all, _| all.label.clone().unwrap_or_else(|| "joulewise".to_owned())),
    ("run_id", |_, run| run.started.clone()),
    ("experiment_id", |_, _| String::new()),
    ("duration", |_, run| run.wall_s.to_string()),
    ("emissions", |all, run| emissions_kg(all, run).to_string()),
    ("emissions_rate", |all, run| (emissions_kg(all, run) / run.wall_s).to_string()),
    ("cpu_power", |_, run| (joules(run, is_cpu) / run.wall_s).to_string()),
    ("gpu_power", |_, run| (joules(run, is_gpu) / run.wall_s).to_string()),
    ("ram_power", |_, run| (joules(run, is_ram) / run.wall_s).to_string()),
    ("cpu_energy", |all, run| kwh(all, joules(run, is_cpu))),
    ("gpu_energy", |all, run| kwh(all, joules(run, is_gpu))),
    ("ram_energy", |all, run| kwh(all, joules(run, is_ram))),
    ("energy_consumed", |all, run| kwh(all, run.energy_j.value)),
    ("water_consumed", |_, _| String::new()),
    ("country_name", |all, _| zone(all).map_or_else(String::new, |zone| zone.name.to_owned())),
    ("country_iso_code", |all, _| zone(all).map_or_else(String::new, |zone| zone.code.to_owned())),
    ("region", |_, _| String::new()),
    ("cloud_provider", |_, _| String::new()),
    ("cloud_region", |_, _| String::new()),
    ("os", |_, _| format!("Linux-{}-{}", line("/proc/sys/kernel/osrelease", ""), std::env::consts::ARCH)),
    ("python_version", |_, _| String::new()),
    ("codecarbon_version", |_, _| concat!("joulewise ", env!("CARGO_PKG_VERSION")).to_owned()),
    ("cpu_count", |_, _| {
        std::thread::available_parallelism().map_or_else(|_| String::new(), |n| n.to_string())
    }),
    ("cpu_model", |_, _| line("/proc/cpuinfo", "model name")),
    ("gpu_count", |_, run| run.domains.iter().filter(|domain| is_gpu(domain)).count().to_string()),
    ("gpu_model", |_, _| String::new()),
    ("longitude", |_, _| String::new()),
    ("latitude", |_, _| String::new()),
    ("ram_total_size", |_, _| {
        let kib = line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<f64>();
        kib.map_or_else(|_| String::new(), |kib| (kib / f64::from(1 << 20)).to_string())
    }),
    ("tracking_mode", |_, run| {
        if run.energy_j.method == Method::Modelled { "process" } else { "machine" }.to_owned()
    }),
    ("cpu_utilization_percent", |_, _| String::new()),
    ("gpu_utilization_percent", |_, run| {
        let busy: Vec<f64> = run.domains.iter().filter_map(|domain| domain.busy_s).collect();
        let mean = |busy: &[f64]| 100.0 * busy.iter().sum::<f64>() / busy.len() as f64 / run.wall_s;
        if busy.is_empty() { String::new() } else { mean(&busy).to_string() }
    }),
    ("ram_utilization_percent", |_, _| String::new()),
    ("ram_used_gb", |_, _| String::new()),
    ("on_cloud", |_, _| "N".to_owned()),
    ("pue", |all, _| pue(all).to_string()),
    ("wue", |_, _| "0".to_owned()),
    ("caveats", |all, _| caveat_codes(all)),
];

pub(super) fn render(measurement: &Measurement) -> String {
    let mut text = row(&COLUMNS.map(|(name, _)| Cow::from(name)));
    for run in &measurement.runs {
        text.push_str(&row(&COLUMNS.map(|(_, value)| Cow::from(value(measurement, run)))));
    }
    text
}

fn pue(all: &Measurement) -> f64 {
    all.carbon.as_ref().map_or(1.0, |carbon| carbon.pue)
}

fn kwh(all: &Measurement, joules: f64) -> String {
    (joules / KWH_J * pue(all)).to_string()
}

fn emissions_kg(all: &Measurement, run: &RunRecord) -> f64 {
    all.carbon.as_ref().map_or(0.0, |carbon| run.energy_j.value * carbon.grams_per_j() / 1000.0)
}

fn zone(all: &Measurement) -> Option<Zone> {
    Zone::named(all.carbon.as_ref()?.intensity.zone.as_ref()?)
}

fn joules(run: &RunRecord, is_wanted: fn(&DomainUsage) -> bool) -> f64 {
    let wanted = run.domains.iter().filter(|domain| domain.is_counted && is_wanted(domain));
    // The sum of nothing would be −0.
    wanted.fold(0.0, |sum, domain| sum + domain.energy_j)
}

/// What stands behind the name in the first line that begins with it.
fn line(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.map_or_else(String::new, |value| value.trim_start_matches([' ', '\t', ':']).trim_end().to_owned())
}

fn is_gpu(domain: &DomainUsage) -> bool {
    domain.part == joulewise_meter::Covers::Gpus
}

fn is_ram(domain: &DomainUsage) -> bool {
    domain.name.starts_with("dram")
}

fn is_cpu(domain: &DomainUsage) -> bool {
    !is_gpu(domain) && !is_ram(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energies_are_kilowatt_hours_with_the_building() {
        let text = render(&super::super::tests::measurement());
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 3);
        // The label holds a comma: count from the end.
        let of = |name: &str| {
            let from_end = COLUMNS.len() - COLUMNS.iter().position(|(column, _)| *column == name).unwrap();
            rows[1][rows[1].len() - from_end]
        };
        let number = |name: &str| of(name).parse::<f64>().unwrap();
        assert!((number("cpu_energy") - 100.0 * 1.2 / KWH_J).abs() < 1e-12);
        assert!((number("ram_energy") - 10.0 * 1.2 / KWH_J).abs() < 1e-12);
        assert!((number("energy_consumed") - 110.0 * 1.2 / KWH_J).abs() < 1e-12);
        assert!((number("emissions") - 110.0 * 1.2 / KWH_J * 0.044).abs() < 1e-12);
        assert_eq!((of("country_iso_code"), of("cpu_power"), of("caveats")), ("FRA", "50", "counter-reset"));
        assert_eq!((of("gpu_energy"), of("gpu_power"), of("gpu_utilization_percent")), ("0", "0", ""));
        assert!(number("ram_total_size") > 0.0 && of("os").starts_with("Linux-"));
    }
}
