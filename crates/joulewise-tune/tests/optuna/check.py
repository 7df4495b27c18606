"""Checks that Optuna loads, analyses and continues the study that the test writes: python check.py FILE"""

import sys

import optuna
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = f"sqlite:///{sys.argv[1]}"
study = optuna.load_study(study_name="ours", storage=storage, sampler=optuna.samplers.RandomSampler(seed=1))
assert study.directions == [optuna.study.StudyDirection.MAXIMIZE]
assert study.metric_names == ["accuracy"]
assert study.user_attrs == {"command": "python train.py", "sampler": "random", "seed": 3}

names = [trial.state.name for trial in study.trials]
done = "COMPLETE"
assert names == [done] * 3 + ["FAIL", done, "PRUNED", done, "FAIL", "RUNNING", done, "WAITING"], names
assert [trial.number for trial in study.trials] == list(range(11))
first = study.trials[0]
assert first.values == [0.0] and list(first.intermediate_values) == [0, 1, 2]
assert first.intermediate_values[1] != first.intermediate_values[1]
assert first.user_attrs["energy_j"] == 12.5 and first.user_attrs["exit"] == "code 0"
assert first.user_attrs["cost"] == 12.5 and first.user_attrs["bytes"] == 0.0
assert first.datetime_complete >= first.datetime_start
assert study.trials[7].user_attrs["state"] == "lost"
assert first.distributions["lr"] == optuna.distributions.FloatDistribution(1e-5, 0.1, log=True)
assert first.distributions["drop"] == optuna.distributions.FloatDistribution(0.0, 0.3, step=0.1)
assert first.distributions["optimiser"] == optuna.distributions.CategoricalDistribution(["adam", "sgd"]) or (
    first.distributions["optimiser"] == optuna.distributions.CategoricalDistribution(["sgd", "adam"])
)
assert all((t.params.get("optimiser") == "sgd") == ("momentum" in t.params) for t in study.trials[:10])
assert first.params["epochs"] == 3 and first.constraints == {"bytes": -10.0}
assert study.best_trial.number == 9 and study.best_value == 9 / 8

optuna.importance.get_param_importances(study, params=["lr", "layers"])


def objective(trial):
    trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    return 0.5


study.optimize(objective, n_trials=2)
assert [trial.state for trial in study.trials[10:]] == [TrialState.COMPLETE] * 2
assert study.trials[10].params == {"lr": first.params["lr"]}, "the queue comes first"
