//! The report of a search: what it found, and what each trial cost, as one HTML file that needs no network.

mod history;
mod importance;
mod parallel;
mod slices;
mod timeline;
mod trade;

use std::fmt::{self, Write as _};

use joulewise_tune::{Domain, State, Trial, export};

use super::machine;
use super::page::{close, open};
use super::quantity;
use super::svg::Escaped;
use crate::tune::caveats;
use crate::tune::cost::{Cost, Origin};
use crate::tune::live::{overhead, saved_j, short, values};
use crate::tune::objective;
use crate::tune::plan::Plan;
use crate::tune::worker::Study;

/// The page of a study.
pub fn html(plan: &Plan, study: &Study) -> String {
    let mut out = String::with_capacity(64 * 1024);
    document(&mut out, plan, study).expect("a string takes whatever is written to it");
    out
}

fn document(out: &mut String, plan: &Plan, study: &Study) -> fmt::Result {
    open(out, &plan.name, "")?;
    headline(out, plan, study)?;
    if has_values(study) {
        history::draw(out, study)?;
        trade::draw(out, study)?;
        parallel::draw(out, study)?;
        slices::draw(out, study)?;
        importance::draw(out, study)?;
    }
    timeline::draw(out, study)?;
    close(out, env!("CARGO_PKG_VERSION"))?;
    embed(out, plan, study)?;
    write!(out, "<script>\n{}</script>\n</body>\n</html>\n", include_str!("../page.js"))
}

/// The study as JSON in which no text can close the script element.
fn embed(out: &mut String, plan: &Plan, study: &Study) -> fmt::Result {
    let json = export::json(study, &plan.name).map_err(|_| fmt::Error)?.to_string();
    writeln!(out, "<script type=\"application/json\" id=\"study\">{}</script>", json.replace('<', "\\u003c"))
}

fn headline(out: &mut String, plan: &Plan, study: &Study) -> fmt::Result {
    out.push_str("<section id=\"verdict\">\n");
    match study.best() {
        Some(best) => {
            writeln!(
                out,
                "<p class=\"verdict\">The best of {} is trial <code>{}</code>: {}.</p>",
                quantity::plural(study.trials().len(), "trial"),
                best.id.0,
                Escaped(&values(study.objectives(), best)),
            )?;
            let setting: Vec<String> =
                best.point.values().map(|(name, value)| format!("{name} = {value}")).collect();
            writeln!(out, "<pre>{}</pre>", Escaped(&setting.join("\n")))?;
        }
        None if has_values(study) => writeln!(out, "<p class=\"verdict\">No trial keeps the bounds.</p>")?,
        None => writeln!(out, "<p class=\"verdict\">No trial has a value yet.</p>")?,
    }
    let goals: Vec<String> = plan.objectives.iter().map(objective::text).collect();
    let (overhead_j, overhead_cpu_s) = overhead(study);
    let trials = study.trials().len().to_string();
    let cost = Cost::of(study);
    let spent = cost.text(study.cost());
    let how = match cost {
        Cost::Seconds => "as another tool told",
        Cost::Joules => Origin::of(study).text(),
    };
    let mut figures = vec![("trials", trials, goals.join(", ")), ("spent on trials", spent, how.to_owned())];
    let saved = saved_j(study.trials());
    if saved > 0.0 {
        figures.push(("saved by stopping", cost.text(saved), "going by the trials that ended".to_owned()));
    }
    if overhead_cpu_s > 0.0 {
        let cpu = format!("{} of CPU time", quantity::seconds(overhead_cpu_s));
        figures.push(("used by the search itself", quantity::joules(overhead_j), cpu));
    }
    out.push_str("<dl class=\"figures\">");
    for (name, value, note) in figures {
        write!(
            out,
            "<div><dt>{name}</dt><dd class=\"value\">{}</dd><dd>{}</dd></div>",
            Escaped(&value),
            Escaped(&note)
        )?;
    }
    out.push_str("</dl>\n");
    if let Some(reason) = plan.reason(study) {
        writeln!(out, "<p class=\"note\">Sampler: {}.</p>", Escaped(&reason))?;
    }
    machine::caveats(out, &caveats::of(study))?;
    out.push_str("</section>\n");
    Ok(())
}

/// Whether a trial came to its end, within the bounds or not.
fn has_values(study: &Study) -> bool {
    study.trials().iter().any(|trial| matches!(trial.state, State::Done(_)))
}

/// Trials that came to their end, with the value of objective number `of`.
fn done(study: &Study, of: usize) -> impl Iterator<Item = (&Trial, f64)> {
    study.trials().iter().filter_map(move |trial| match &trial.state {
        State::Done(outcome) => Some((trial, *outcome.values.get(of)?)),
        _ => None,
    })
}

/// The parameters that can be more than one thing.
fn searched(study: &Study) -> Vec<(&str, &Domain)> {
    study.space().parameters().filter(|(_, domain)| !matches!(domain, Domain::Fixed(_))).collect()
}

/// The number and the name of the first objective.
fn first(study: &Study) -> (usize, &str) {
    let optimised = study.objectives().iter().position(|objective| objective.goal.direction().is_some());
    let index = optimised.unwrap_or(0);
    (index, study.objectives().iter().nth(index).map_or("", |objective| objective.metric.as_str()))
}

/// What a chart says of a trial.
fn note(study: &Study, trial: &Trial) -> String {
    let point: Vec<String> = trial.point.values().map(|(name, value)| format!("{name}={value}")).collect();
    format!("trial {}: {}; {}", trial.id.0, values(study.objectives(), trial), point.join(", "))
}

/// A number on an axis.
fn tick(value: f64) -> String {
    let text = short(value);
    let (mantissa, exponent) = text.split_at(text.find('e').unwrap_or(text.len()));
    if mantissa.contains('.') {
        format!("{}{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::tick;

    #[test]
    fn ticks_have_no_digits_that_say_nothing() {
        assert_eq!(
            [1e-5, 2.5e-4, 0.5, 1.0, 300.0, 0.0].map(tick),
            ["1e-5", "2.5e-4", "0.5", "1", "300", "0"]
        );
    }
}
