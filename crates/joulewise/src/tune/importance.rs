//! Which parameters the first objective hangs on.

use joulewise_tune::{Importance, State, importances};

use super::worker::Study;

/// The importances for the first objective that is maximised or minimised, going by the trials that came to their end;
/// see [`importances`].
pub fn of(study: &Study) -> Vec<Importance> {
    let optimised = study.objectives().iter().position(|objective| objective.goal.direction().is_some());
    let value = |state: &State| match state {
        State::Done(outcome) => outcome.values.get(optimised?).copied(),
        _ => None,
    };
    let trials = study.trials().iter().filter_map(|trial| Some((&trial.point, value(&trial.state)?)));
    importances(study.space(), &trials.collect::<Vec<_>>())
}

/// What they are of, as in `lr` or `lr × momentum`.
pub fn label(importance: &Importance) -> String {
    importance.parameters.join(" × ")
}
