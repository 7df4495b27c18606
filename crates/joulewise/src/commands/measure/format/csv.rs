//! One row per run, with the units in the names of the columns.

use std::borrow::Cow;

use joulewise_meter::carbon::Footprint;

use super::super::measurement::Measurement;
use super::{caveat_codes, row};

const COLUMNS: [&str; 15] = [
    "label",
    "run",
    "started",
    "exit_code",
    "wall_s",
    "cpu_s",
    "energy_j",
    "energy_low_j",
    "energy_high_j",
    "method",
    "measured",
    "modelled",
    "assumed",
    "coverage",
    "co2e_g",
];

pub(super) fn render(measurement: &Measurement) -> String {
    let domains = measurement.domains.iter().map(|domain| Cow::from(format!("{}_j", domain.name)));
    let mut header: Vec<Cow<'_, str>> = COLUMNS.into_iter().map(Cow::from).collect();
    header.extend(domains);
    header.push("caveats".into());
    let mut text = row(&header);
    let grams_per_j = measurement.carbon.as_ref().map(Footprint::grams_per_j);
    for (i, run) in measurement.runs.iter().enumerate() {
        let energy = run.energy_j;
        let mut fields: Vec<Cow<'_, str>> = vec![
            measurement.label.as_deref().unwrap_or_default().into(),
            (i + 1).to_string().into(),
            run.started.as_str().into(),
            run.exit_code.to_string().into(),
        ];
        fields.extend([run.wall_s, run.cpu_s, energy.value, energy.low, energy.high].map(number));
        fields.push(energy.method.to_string().into());
        fields
            .extend([run.shares.measured, run.shares.modelled, run.shares.assumed, run.coverage].map(number));
        fields.push(grams_per_j.map_or_else(|| "".into(), |grams| number(energy.value * grams)));
        let joules = |i: usize| run.domains.get(i).map_or(0.0, |domain| domain.energy_j);
        fields.extend((0..measurement.domains.len()).map(|i| number(joules(i))));
        fields.push(caveat_codes(measurement).into());
        text.push_str(&row(&fields));
    }
    text
}

fn number(value: f64) -> Cow<'static, str> {
    value.to_string().into()
}
