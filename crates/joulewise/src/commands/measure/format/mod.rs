//! The formats that the result can be written in.

mod codecarbon;
mod csv;
pub(super) mod energibridge;
mod gauges;
mod markdown;

use std::borrow::Cow;

use super::measurement::Measurement;
use energibridge::Series;

/// A format of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// One document with everything
    Json,
    /// One row per run
    Csv,
    /// The columns of CodeCarbon's emissions.csv, one row per run
    CodecarbonCsv,
    /// The columns of EnergiBridge, one row per reading
    EnergibridgeCsv,
    /// A table for people
    Markdown,
}

impl Format {
    /// The text, which ends with a line end.
    pub(super) fn render(self, measurement: &Measurement, series: Option<&Series>) -> anyhow::Result<String> {
        Ok(match self {
            Self::Json => format!("{}\n", serde_json::to_string(measurement)?),
            Self::Csv => csv::render(measurement),
            Self::CodecarbonCsv => codecarbon::render(measurement),
            Self::EnergibridgeCsv => series.map_or_else(String::new, |series| {
                series.render(energibridge::is_amd(), &caveat_codes(measurement))
            }),
            Self::Markdown => markdown::render(measurement),
        })
    }
}

/// A row of comma-separated values.
fn row(fields: &[Cow<'_, str>]) -> String {
    let quoted = fields.iter().map(|field| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_string()
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

/// The codes of all caveats in one field.
fn caveat_codes(measurement: &Measurement) -> String {
    let mut codes: Vec<&str> = measurement.caveats.iter().map(|caveat| caveat.code.as_str()).collect();
    codes.dedup();
    codes.join(" ")
}

#[cfg(test)]
mod tests {
    use joulewise_meter::carbon::{Footprint, Intensity, Zone};
    use joulewise_meter::{Caveat, Covers, DomainUsage, Energy, Method, Shares};

    use super::super::measurement::{Repeat, RunRecord};
    use super::super::statistics::Scatter;
    use super::*;
    use crate::attribution::{Attribution, IdlePower};
    use crate::waste::{Recording, Waste};

    fn energy(value: f64) -> Energy {
        Energy { value, low: value * 0.95, high: value * 1.05, method: Method::Measured }
    }

    fn domains(package_j: f64) -> Vec<DomainUsage> {
        let domain = |name: &str, energy_j, is_counted| DomainUsage {
            name: name.to_owned(),
            energy_j,
            is_counted,
            part: Covers::Processor,
            method: Method::Measured,
            busy_s: None,
        };
        vec![domain("package-0", package_j, true), domain("dram-0", 10.0, true), domain("psys", 200.0, false)]
    }

    /// Two runs of 110 J and 130 J.
    pub(super) fn measurement() -> Measurement {
        let run = |package_j: f64| RunRecord {
            started: "2026-11-21T03:00:00Z".to_owned(),
            exit_code: 0,
            energy_j: energy(package_j + 10.0),
            wall_s: 2.0,
            cpu_s: 1.5,
            coverage: 1.0,
            shares: Shares { measured: 1.0, modelled: 0.0, assumed: 0.0 },
            domains: domains(package_j),
        };
        let mean = |value: f64| Scatter::of([value - 10.0, value + 10.0].into_iter()).unwrap();
        Measurement {
            schema: 1,
            label: Some("two, runs".to_owned()),
            command: vec!["python".to_owned(), "train.py".to_owned()],
            started: "2026-11-21T03:00:00Z".to_owned(),
            exit_code: 0,
            signal: None,
            timed_out: false,
            energy_j: energy(120.0),
            power_w: 60.0,
            wall_s: 2.0,
            cpu_s: 1.5,
            own_cpu_s: 0.001,
            domains: domains(110.0),
            shares: Shares { measured: 0.98, modelled: 0.0, assumed: 0.02 },
            coverage: 0.98,
            attribution: Attribution {
                machine_j: Some(energy(120.0)),
                marginal_j: Some(energy(60.0)),
                process_tree_j: Some(energy(50.0)),
                other_processes_j: Some(20.0),
                unused_j: Some(50.0),
                idle_w: Some(IdlePower { before: 30.0, after: 30.5 }),
                unknown: std::collections::BTreeMap::new(),
            },
            carbon: Some(Footprint::of(energy(120.0), Intensity::of_zone(Zone::named("FRA").unwrap()), 1.2)),
            repeat: Some(Repeat {
                runs: 2,
                warmup: 1,
                energy_j: mean(120.0),
                wall_s: mean(20.0),
                cpu_s: mean(20.0),
            }),
            runs: vec![run(100.0), run(120.0)],
            interval_s: 0.1,
            scope: "whole machine, CPU and memory, measured".to_owned(),
            sources: vec!["powercap: package-0, dram-0".to_owned()],
            caveats: vec![Caveat::new("counter-reset", "the counter was set back", "measure again")],
            spans: Vec::new(),
            waste: Waste::default(),
            trace: Recording::default(),
        }
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(row(&["a".into(), "b,c".into(), "say \"x\"".into()]), "a,\"b,c\",\"say \"\"x\"\"\"\n");
    }

    #[test]
    fn every_format_has_its_columns() {
        let measurement = measurement();
        insta::assert_snapshot!("csv", Format::Csv.render(&measurement, None).unwrap());
        insta::assert_snapshot!("markdown", Format::Markdown.render(&measurement, None).unwrap());
        let json = serde_json::to_string_pretty(&measurement).unwrap();
        insta::assert_snapshot!("json", json);
        let mut summary = Vec::new();
        measurement.summarise(&mut summary).unwrap();
        insta::assert_snapshot!("summary", String::from_utf8(summary).unwrap());
    }
}
