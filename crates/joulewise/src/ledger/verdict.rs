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
        let cost = format!("the baseline's {}{modelled}", quantity::energy(&baseline_cost));
        return sentence(&format!(
            "{so_far}{}{}; {search}",
            nothing_pays(result, &life, &cost),
            knee_clause(result, best)
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

/// Why the baseline stays, as a clause that ends with its `cost`.
fn nothing_pays(result: &RunResult, life: &str, cost: &str) -> String {
    let count = |counts: fn(Status) -> bool| result.candidates.iter().filter(|c| counts(c.status)).count();
    let (tried, held) = (count(|status| status != Status::Skipped), count(|status| status == Status::Holds));
    match (tried, held) {
        (0, _) => format!("no practice could be tried, so over {life} it stays at {cost}"),
        (1, 0) => {
            format!("nothing pays over {life}: the only candidate does not hold, so it stays at {cost}")
        }
        (_, 0) => {
            format!("nothing pays over {life}: none of {tried} candidates holds, so it stays at {cost}")
        }
        (1, _) => {
            format!("nothing pays over {life}: the only candidate holds and is not cheaper than {cost}")
        }
        _ => {
            format!("nothing pays over {life}: of {tried} candidates none that holds is cheaper than {cost}")
        }
    }
}

/// The knee of the front, or the model that is worth most at the user's exchange rate, beside the `best` that the
/// sentence has named.
fn knee_clause(result: &RunResult, best: &Candidate) -> String {
    let Some(knee) = result.knee() else { return straight_front(result) };
    let same = knee.name == best.name;
    let name = match result.gain_of(knee) {
        _ if result.is_baseline(knee) => "the baseline".to_owned(),
        _ if same => "it".to_owned(),
        Some(gain) => format!("`{}` ({})", knee.name, quantity::gain(result, gain)),
        None => format!("`{}`", knee.name),
    };
    let as_well = if same { " as well" } else { "" };
    match &result.worth {
        Some(worth) => format!("; {} {name} is worth most{as_well}", quantity::at_worth(worth)),
        None => format!("; {name} is the knee of the front{as_well}"),
    }
}

/// What is on a front that has too few points to bend.
fn straight_front(result: &RunResult) -> String {
    match &result.front()[..] {
        [cheap, .., dear] => {
            format!(
                "; only `{}` and `{}` are on the judged front of what holds, which has no knee",
                cheap.name, dear.name
            )
        }
        [only] => {
            format!("; the front has no knee: nothing holds beside `{}` that it does not beat", only.name)
        }
        [] => String::new(),
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
    use crate::result::Worth;

    #[test]
    fn a_front_of_few_points_has_no_knee() {
        let mut result = fixture::result();
        result.candidates.retain(|candidate| candidate.name == "quantise");
        assert!(
            verdict(&result).contains(
                "only `quantise` and `baseline` are on the judged front of what holds, which has no knee"
            ),
            "{}",
            verdict(&result)
        );
        result.candidates.clear();
        assert!(verdict(&result).contains("nothing holds beside `baseline`"), "{}", verdict(&result));
    }

    #[test]
    fn the_verdict_names_the_best_the_knee_and_the_cost_of_the_search() {
        let mut result = fixture::result();
        insta::assert_snapshot!(result.verdict);
        train_only(&mut result);
        result
            .candidates
            .retain(|candidate| candidate.name.starts_with("prune") || candidate.status != Status::Holds);
        result.state = RunState::Partial;
        insta::assert_snapshot!(verdict(&result));
        result.baseline.life_cost_j = None;
        result.candidates.clear();
        insta::assert_snapshot!(verdict(&result));
    }

    #[test]
    fn the_verdict_names_what_is_worth_most_at_the_users_exchange_rate() {
        let clause = |result: &RunResult| verdict(result).split("; ").nth(1).unwrap_or_default().to_owned();
        let mut result = fixture::result();
        result.worth = Some(Worth { gain: 0.001, energy_j: 1e4 });
        assert_eq!(clause(&result), "at 0.1\u{a0}% per 10\u{a0}kJ `tune` (+0.43\u{a0}pp) is worth most");
        result.worth = Some(Worth { gain: 0.001, energy_j: 1.0 });
        assert_eq!(clause(&result), "at 0.1\u{a0}% per 1\u{a0}J it is worth most as well");
        train_only(&mut result);
        result.candidates.retain(|candidate| candidate.name.starts_with("prune"));
        assert_eq!(clause(&result), "at 0.1\u{a0}% per 1\u{a0}J the baseline is worth most as well");
    }

    #[test]
    fn a_baseline_that_stays_is_told_by_what_was_tried() {
        let said =
            |result: &RunResult| verdict(result).split([':', ';']).nth(1).unwrap_or_default().to_owned();
        let mut result = fixture::result();
        train_only(&mut result);
        let (holds, others): (Vec<_>, Vec<_>) =
            result.candidates.drain(..).partition(|candidate| candidate.name == "prune");
        assert!(
            verdict(&result).starts_with("No practice could be tried, so over its trainings it stays at")
        );
        result.candidates = holds;
        assert!(
            said(&result).starts_with(" the only candidate holds and is not cheaper than the baseline's")
        );
        result.candidates = others.iter().filter(|c| c.status == Status::Drops).take(1).cloned().collect();
        assert!(
            said(&result).starts_with(" the only candidate does not hold, so it stays at the baseline's")
        );
        result.candidates = others.into_iter().filter(|c| c.status == Status::Drops).collect();
        assert!(said(&result).starts_with(" none of 2 candidates holds, so it stays at the baseline's"));
    }

    /// A life without inferences, which no pruned network shortens.
    fn train_only(result: &mut RunResult) {
        result.life.inferences = 0.0;
        for model in std::iter::once(&mut result.baseline).chain(&mut result.candidates) {
            model.life_cost_j = model.cost_to_make_j.map(|cost| cost.scaled(2.0));
        }
    }
}
