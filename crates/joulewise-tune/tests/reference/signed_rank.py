"""Writes signed_rank.json: probabilities of SciPy's signed-rank test, and when Optuna's WilcoxonPruner stops trials.

    python -m pip install numpy==2.4.* scipy==1.17.1 optuna==5.0.0
    python signed_rank.py > signed_rank.json
"""

import json
import warnings

import numpy as np
import optuna
from scipy import stats

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.CRITICAL)
rng = np.random.default_rng(1)


def test(losses):
    p = stats.wilcoxon(losses, alternative="greater", zero_method="zsplit").pvalue
    return {"losses": losses.tolist(), "p": float(p)}


def verdict(case):
    maximise, ties, n = case % 2 == 0, case % 3 == 0, int(rng.integers(4, 24))
    p, least = [0.05, 0.1, 0.3][case % 3], [2, 5][case % 2]
    best = rng.normal(0.8, 0.05, n)
    trial = best + rng.normal([-0.05, 0.0, 0.05, 0.02][case % 4], 0.03, n)
    best, trial = [values.round(2 if ties else 6).tolist() for values in (best, trial)]
    pruner = optuna.pruners.WilcoxonPruner(p_threshold=p, n_startup_steps=least)
    study = optuna.create_study(direction="maximize" if maximise else "minimize", pruner=pruner)
    told = dict(enumerate(best, 1))
    study.add_trial(optuna.trial.create_trial(value=sum(best) / n, intermediate_values=told))
    asked, stops = study.ask(), []
    for step, value in enumerate(trial, 1):
        asked.report(value, step)
        stops.append(asked.should_prune())
    return {
        "maximise": maximise, "p": p, "min_instances": least, "best": best, "trial": trial, "stops": stops,
    }


plain = [test(rng.normal(0.3, 1, n).round(6)) for n in (2, 3, 7, 13, 14, 30, 50, 51, 80)]
tied = [test(rng.normal(0.3, 1, n).round(1)) for n in (3, 7, 13, 14, 30, 60)]
print(json.dumps({
    "tests": plain + tied + [test(np.zeros(4)), test(np.zeros(20)), test(np.full(6, 2.0))],
    "verdicts": [verdict(case) for case in range(60)],
}))
