"""Writes importance.json: trials, and what Optuna's FanovaImportanceEvaluator says of them, over ten forests.

    python -m pip install numpy==2.4.* optuna==5.0.0 scikit-learn==1.9.1
    python importance.py > importance.json
"""

import json
import math
import warnings

import numpy as np
import optuna

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def study(trials, seed, value, choice):
    rng = np.random.default_rng(seed)
    distributions = {f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(4)}
    if choice:
        distributions["c"] = optuna.distributions.CategoricalDistribution(["a", "b", "c"])
    told = optuna.create_study()
    for _ in range(trials):
        params = {f"x{i}": round(rng.random(), 6) for i in range(4)}
        if choice:
            params["c"] = "abc"[rng.integers(3)]
        told.add_trial(optuna.create_trial(params=params, distributions=distributions, value=value(params)))
    forests = [optuna.importance.FanovaImportanceEvaluator(seed=seed).evaluate(told) for seed in range(10)]
    return {
        "trials": [{"params": trial.params, "value": trial.value} for trial in told.trials],
        "importances": {name: float(np.mean([forest[name] for forest in forests])) for name in distributions},
    }


def numbers(p):
    return round(math.sin(6 * p["x0"]) + 2 * (p["x1"] - 0.3) ** 2 + p["x0"] * p["x2"], 6)


def mixed(p):
    return round({"a": 0.0, "b": 1.5, "c": -0.5}[p["c"]] + numbers(p), 6)


print(json.dumps([study(150, 1, numbers, False), study(200, 2, mixed, True)]))
