//! The sentence that a run ends with.

use super::{Outlay, repaid_after};
use crate::report::quantity;
use crate::result::{Candidate, RunResult, RunState, Status};

/// The conclusion of a run in one sentence: the best candidate at this life, the knee of the front, and what
/// finding them cost.
pub fn verdict(result: &RunResult) -> String {
    let search = format!("finding that out cost {}", quantity::energy(&result.choosing_j));
    let modelled = if quantity::is_modelled(result) { " (modelled)" } else { "" };
    let so_far = if result.state == RunState::Partial { "So far, " } else { "" };
    let life = match result.life.inferences {
        0.0 => "its trainings".to_owned(),
        n => format!("{} inferences", quantity::count(n)),
    };
    let best = result.best();
    let baseline = Outlay::of(&result.baseline, &result.life);
    let (Some(cost), Some(baseline_cost), Some(baseline)) =
        (best.life_cost_j, result.baseline.life_cost_j, baseline)
    else {
        return sentence(&format!("{so_far}no life cost is known, so nothing can be recommended; {search}"));
    };
    if result.is_baseline(best) {
        let tried = result.candidates.iter().filter(|candidate| candidate.status != Status::Skipped).count();
        return sentence(&format!(
            "{so_far}nothing pays over {life}: of {} none that holds is cheaper than the baseline's {}{modelled}{}; {search}",
            quantity::plural(tried, "candidate"),
            quantity::energy(&baseline_cost),
            knee_clause(result, best),
        ));
    }
    let quality = match (result.metric_of(best), result.gain_of(best)) {
        (Some(value), Some(gain)) => {
            format!(
                " at {} {} ({})",
                quantity::metric(result, value),
                result.metric,
                quantity::gain(result, gain)
            )
        }
        _ => String::new(),
    };
    let repaid = repaid_after(result.choosing_j.value, best, &baseline)
        .map_or(String::new(), |n| format!(", repaid after {} inferences", quantity::count(n)));
    sentence(&format!(
        "{so_far}over {life} `{}` is cheapest: {}{modelled} instead of the baseline's {} ({}){quality}, {}{}; {search}{repaid}",
        best.name,
        quantity::energy(&cost),
        quantity::energy(&baseline_cost),
        quantity::factor(cost.value / baseline_cost.value),
        quantity::break_even_clause(&best.break_even),
        knee_clause(result, best),
    ))
}

fn knee_clause(result: &RunResult, best: &Candidate) -> String {
    match result.knee() {
        None => String::new(),
        Some(knee) if knee.name == best.name => ", and is the knee of the front as well".to_owned(),
        Some(knee) => {
            let loss = match knee.status {
                Status::Drops => ", which is not shown to hold",
                _ => "",
            };
            let gain = result.gain_of(knee).map_or(String::new(), |gain| {
                if result.is_baseline(knee) {
                    String::new()
                } else {
                    format!(" ({})", quantity::gain(result, gain))
                }
            });
            format!("; the knee of the front is `{}`{gain}{loss}", knee.name)
        }
    }
}

/// Upper-case first letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_verdict_names_the_best_the_knee_and_the_cost_of_the_search() {
        let mut result = fixture::result();
        insta::assert_snapshot!(result.verdict);
        result.life.inferences = 0.0;
        for model in std::iter::once(&mut result.baseline).chain(&mut result.candidates) {
            model.life_cost_j = model.cost_to_make_j.map(|cost| cost.scaled(2.0));
        }
        result
            .candidates
            .retain(|candidate| candidate.name.starts_with("prune") || candidate.status != Status::Holds);
        result.state = RunState::Partial;
        insta::assert_snapshot!(verdict(&result));
        result.baseline.life_cost_j = None;
        result.candidates.clear();
        insta::assert_snapshot!(verdict(&result));
    }
}
