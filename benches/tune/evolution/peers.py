"""How near evolution comes to optima and fronts: the peers' side of `cargo xtask bench tune --parts evolution`.

    python peers.py

reads lines of JSON and answers each with one:

    {"search": "pycma", "problem": "sphere10", "evaluations": 200, "seed": 3}   {"regret": 2.1}
    {"problem": "sphere10", "at": 0.3}                                          {"values": [2.5]}

Searches: optuna-cma-es (CmaEsSampler) and optuna-nsga-ii (NSGAIISampler) with their defaults; pycma (`cma.fmin2` with nine
restarts) from the middle of the space with a sixth of it as its deviation, as Optuna begins. The regret of the problems
with two objectives is the hypervolume that the front lacks.
"""

import json
import math
import sys
import warnings

import cma
import optuna

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.CRITICAL)

A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
P = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def hartmann(x):
    peaks = [math.exp(-sum(a * (v - p) ** 2 for a, p, v in zip(a, p, x))) for a, p in zip(A, P)]
    return 3.322368011391339 - sum(height * peak for height, peak in zip([1.0, 1.2, 3.0, 3.2], peaks))


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def rastrigin(x):
    return sum(v * v - 10 * math.cos(2 * math.pi * v) + 10 for v in x)


def zdt(front):
    def values(x):
        g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
        return [x[0], g * front(x[0] / g, x[0])]

    return values


LOSSES = {
    "rosenbrock5": (rosenbrock, -5, 10, 5),
    "sphere10": (lambda x: sum(v * v for v in x), -5, 10, 10),
    "rastrigin5": (rastrigin, -3, 7, 5),
    "hartmann6": (hartmann, 0, 1, 6),
}
# The hypervolume of the whole front before the point (11, 11).
FRONTS = {
    "zdt1": (zdt(lambda ratio, x: 1 - math.sqrt(ratio)), 120 + 2 / 3),
    "zdt2": (zdt(lambda ratio, x: 1 - ratio**2), 120 + 1 / 3),
    "zdt3": (zdt(lambda ratio, x: 1 - math.sqrt(ratio) - ratio * math.sin(10 * math.pi * x)), 128.77811613069076),
}
DIMENSIONS = 5


def lacking(points, most):
    volume, ceiling = 0.0, 11.0
    for x, y in sorted(points):
        if x < 11 and y < ceiling:
            volume += (11 - x) * (ceiling - y)
            ceiling = y
    return most - volume


def of_a_front(problem, evaluations, seed):
    values, most = FRONTS[problem]
    study = optuna.create_study(directions=["minimize"] * 2, sampler=optuna.samplers.NSGAIISampler(seed=seed))
    told = []

    def objective(trial):
        told.append(values([trial.suggest_float(f"x{i}", 0, 1) for i in range(DIMENSIONS)]))
        return told[-1]

    study.optimize(objective, n_trials=evaluations)
    return lacking(told, most)


def of_a_loss(search, problem, evaluations, seed):
    loss, low, high, dimensions = LOSSES[problem]
    told = []
    if search == "pycma":

        def objective(unit):
            if len(told) < evaluations:
                told.append(loss([low + (high - low) * u for u in unit]))
                return told[-1]
            return math.inf

        options = {"bounds": [0, 1], "seed": seed + 1, "maxfevals": evaluations, "verbose": -9}
        cma.fmin2(objective, [0.5] * dimensions, 1 / 6, options, restarts=9)
    else:

        def objective(trial):
            told.append(loss([trial.suggest_float(f"x{i}", low, high) for i in range(dimensions)]))
            return told[-1]

        study = optuna.create_study(sampler=optuna.samplers.CmaEsSampler(seed=seed))
        study.optimize(objective, n_trials=evaluations)
    return min(told)


def answer(asked):
    problem = asked["problem"]
    if "at" in asked:
        # The values where every number is at this part of its range.
        if problem in FRONTS:
            return {"values": FRONTS[problem][0]([asked["at"]] * DIMENSIONS)}
        loss, low, high, dimensions = LOSSES[problem]
        return {"values": [loss([low + (high - low) * asked["at"]] * dimensions)]}
    run = (problem, asked["evaluations"], asked["seed"])
    return {"regret": of_a_front(*run) if problem in FRONTS else of_a_loss(asked["search"], *run)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
