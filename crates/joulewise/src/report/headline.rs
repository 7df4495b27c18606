//! The first screen: the verdict, and the figures behind it.

use std::fmt::{self, Write as _};

use joulewise_meter::Energy;

use super::page::{Prose, energy_word};
use super::quantity;
use super::svg::Escaped;
use crate::ledger::{self, Outlay};
use crate::result::{BreakEven, Candidate, OTHER_SEEDS, RunResult};

/// Draws the section.
pub(super) fn draw(out: &mut String, result: &RunResult) -> fmt::Result {
    write!(
        out,
        "<section id=\"verdict\"><p class=\"verdict\">{}</p>\n<dl class=\"figures\">",
        Prose(&result.verdict)
    )?;
    let best = result.best();
    if !result.is_baseline(best) {
        figures_of(out, result, best)?;
    }
    let repaid = Outlay::of(&result.baseline, &result.life)
        .and_then(|baseline| ledger::repaid_after(result.choosing_j.value, best, &baseline))
        .map_or("losers included".to_owned(), |n| {
            format!("losers included; repaid after {} inferences", quantity::count(n))
        });
    figure(out, "The whole search", &quantity::energy(&result.choosing_j), &repaid)?;
    if let (Some(worth), Some(knee)) = (&result.worth, result.knee()) {
        let most = result.worth_of(knee).unwrap_or_default();
        let (value, detail) = if result.is_baseline(knee) {
            ("the baseline".to_owned(), "nothing that holds is worth more".to_owned())
        } else {
            (format!("+{}", quantity::joules(most)), format!("{}, against the baseline", knee.name))
        };
        figure(out, &format!("Worth most {}", quantity::at_worth(worth)), &value, &detail)?;
    }
    out.push_str("</dl>\n");
    if let Some(command) = result.recommended_command() {
        writeln!(
            out,
            "<p class=\"note\">Train it by hand in the folder of the commands: <code>{}</code></p>",
            Escaped(command)
        )?;
    }
    if let Some(spread) = result.spread() {
        writeln!(out, "<p class=\"note\">The baseline with {OTHER_SEEDS}: {}.</p>", Escaped(spread))?;
    }
    if quantity::is_modelled(result) {
        let but = if result.worth.is_some() { "; what is worth most does" } else { "" };
        writeln!(
            out,
            "<p class=\"note\">No counter of this machine could be read: joules are <b>modelled</b> from CPU time. Ratios and break-even points do not depend on the model’s scale{but}.</p>"
        )?;
    }
    out.push_str("</section>\n");
    Ok(())
}

fn figures_of(out: &mut String, result: &RunResult, best: &Candidate) -> fmt::Result {
    let baseline = &result.baseline;
    let instead = |after: Option<Energy>, before: Option<Energy>| {
        after.zip(before).map_or(String::new(), |(after, before)| {
            format!(
                "{} instead of {}, {}",
                quantity::energy(&after),
                quantity::energy(&before),
                energy_word(result)
            )
        })
    };
    if let Some(ratio) = best.inference_ratio() {
        let detail = instead(result.inference_j(best), result.inference_j(baseline));
        figure(
            out,
            &format!("{} per inference", quantity::ratio_word(best)),
            &quantity::factor(ratio.value),
            &detail,
        )?;
    }
    if let (Some(value), Some(gain)) = (result.metric_of(best), result.gain_of(best)) {
        let before =
            result.metric_of(baseline).map_or(String::new(), |value| quantity::metric(result, value));
        let detail = format!("{} instead of {before}", quantity::metric(result, value));
        figure(out, &capitalised(&result.metric), &quantity::gain(result, gain), &detail)?;
    }
    if let (Some(after), Some(before)) = (best.training_j, baseline.training_j)
        && before.value > 0.0
    {
        let ratio = quantity::factor(after.value / before.value);
        figure(out, "Training the recipe", &ratio, &instead(Some(after), Some(before)))?;
    }
    let interval = match best.break_even {
        BreakEven::At { low, high, .. } => format!(
            "inferences, 95 % interval {} to {}",
            quantity::count(low),
            high.map_or("∞".to_owned(), quantity::count)
        ),
        ref other => quantity::break_even_clause(other),
    };
    figure(out, "Paid for after", &quantity::break_even(&best.break_even), &interval)
}

fn figure(out: &mut String, name: &str, value: &str, detail: &str) -> fmt::Result {
    write!(
        out,
        "<div><dt>{}</dt><dd class=\"value\">{}</dd><dd>{}</dd></div>",
        Escaped(name),
        Escaped(value),
        Escaped(detail)
    )
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
