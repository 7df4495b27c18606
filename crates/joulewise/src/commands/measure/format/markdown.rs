//! A table for people, as for an issue or a README.

use std::fmt::Write as _;

use joulewise_meter::{Grams, Joules, Seconds, Watts};

use super::super::measurement::Measurement;

pub(super) fn render(measurement: &Measurement) -> String {
    let mut text = String::new();
    for (name, value) in rows(measurement) {
        // A bar in a label or a command would end the cell.
        let value = value.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(text, "| {name} | {value} |");
        if text.lines().count() == 1 {
            text.push_str("|---|---|\n");
        }
    }
    for caveat in &measurement.caveats {
        let _ = write!(text, "\n**{}**: {}", caveat.code, caveat.text);
        let _ = if caveat.hint.is_empty() { writeln!(text) } else { writeln!(text, " ({})", caveat.hint) };
    }
    text
}

fn rows(all: &Measurement) -> Vec<(String, String)> {
    let mut rows = vec![
        ("command".to_owned(), format!("`{}`", all.command.join(" "))),
        ("energy".to_owned(), all.energy_j.to_string()),
        ("mean power".to_owned(), Watts(all.power_w).to_string()),
        ("wall time".to_owned(), Seconds(all.wall_s).to_string()),
        ("CPU time".to_owned(), Seconds(all.cpu_s).to_string()),
    ];
    if let Some(label) = &all.label {
        rows.insert(0, ("label".to_owned(), label.clone()));
    }
    for domain in &all.domains {
        let beside = if domain.is_counted { "" } else { " (not added)" };
        rows.push((domain.name.clone(), format!("{}{beside}", Joules(domain.energy_j))));
    }
    let parts =
        [("beyond idling", all.attribution.marginal_j), ("process tree", all.attribution.process_tree_j)];
    for (name, energy) in parts {
        rows.extend(energy.map(|energy| (name.to_owned(), energy.to_string())));
    }
    if let Some(carbon) = &all.carbon {
        let grams = carbon.co2e_g;
        let interval = format!("{} CO₂e ({} – {})", Grams(grams.value), Grams(grams.low), Grams(grams.high));
        rows.push(("carbon".to_owned(), format!("{interval}, {}", carbon.intensity.source)));
    }
    if let Some(repeat) = &all.repeat {
        let (low, high) = (Joules(repeat.energy_j.low), Joules(repeat.energy_j.high));
        rows.push((format!("mean of {} runs, 95 % interval", repeat.runs), format!("{low} – {high}")));
    }
    rows.push((
        "known".to_owned(),
        format!(
            "{:.0} % measured, {:.0} % modelled, {:.0} % assumed; readings cover {:.0} % of the time",
            100.0 * all.shares.measured,
            100.0 * all.shares.modelled,
            100.0 * all.shares.assumed,
            100.0 * all.coverage,
        ),
    ));
    rows.push(("scope".to_owned(), format!("{} ({})", all.scope, all.sources.join("; "))));
    rows
}
