"""How near searches come to the optimum, and how long they take to ask: the peers' side of `cargo xtask bench tune`.

    python quality.py

reads lines of JSON and answers each with one:

    {"search": "botorch", "problem": "branin", "evaluations": 100, "seed": 3}   {"regret": 1.2e-05}
    {"problem": "branin", "at": 0.3}                                            {"values": [17.5]}
    {"search": "optuna-tpe", "dimensions": 10, "trials": 1000}                  {"ms": 20.1}

Searches: optuna-tpe and optuna-gp (Optuna's default sampler and its GPSampler), rustuna-tpe, botorch (SingleTaskGP and
LogExpectedImprovement, fitted anew for each trial, after ten points of a Sobol sequence). The regret of the problems with
two objectives is the hypervolume that the front lacks.
"""

import json
import math
import statistics
import sys
import time
import warnings

warnings.simplefilter("ignore")


def branin(x):
    bend = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10 - 0.39788735772973816


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


def levy(x):
    w = [1 + (v - 1) / 4 for v in x]
    middle = sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])
    end = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return math.sin(math.pi * w[0]) ** 2 + middle + end


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def ackley(x):
    radius = math.sqrt(sum(v * v for v in x) / len(x))
    waves = sum(math.cos(2 * math.pi * v) for v in x) / len(x)
    return 20 + math.e - 20 * math.exp(-0.2 * radius) - math.exp(waves)


def griewank(x):
    waves = math.prod(math.cos(v / math.sqrt(i)) for i, v in enumerate(x, 1))
    return 1 + sum(v * v for v in x) / 4000 - waves


def styblinski(x):
    return sum(0.5 * (v**4 - 16 * v * v + 5 * v) + 39.16616570377141 for v in x)


def mixed(p):
    batch = math.log2(int(p["batch"])) - 6
    rate, offset = {"sgd": (-1, 0.1), "adam": (-3, 0), "rmsprop": (-3.5, 0.05)}[p["optimiser"]]
    return (
        (math.log10(p["lr"]) - rate - 0.25 * batch) ** 2 / 4
        + 0.3 * (p["layers"] - 5) ** 2 / 16
        + 2 * (p["dropout"] - 0.2) ** 2
        + 0.1 * abs(batch)
        + 0.2 * (math.log2(p["width"]) - 8) ** 2 / 16
        + offset
    )


def conditional(p):
    if p["model"] == "svm":
        loss = 0.15 + 0.02 * (math.log10(p["c"]) - 1) ** 2
        return loss + (0.03 * (math.log10(p["gamma"]) + 2) ** 2 if p["kernel"] == "rbf" else 0.1)
    if p["model"] == "forest":
        return 0.2 + 0.001 * (p["depth"] - 12) ** 2 + 0.05 * (math.log10(p["trees"]) - 2.5) ** 2
    return (
        0.1 * (math.log10(p["lr"]) + 2.5) ** 2
        + 0.05 * (p["layers"] - 3) ** 2
        + 0.5 * (p["momentum"] - 0.9) ** 2
    )


def suggest_mixed(trial):
    return {
        "lr": trial.suggest_float("lr", 1e-5, 1.0, log=True),
        "layers": trial.suggest_int("layers", 1, 8),
        "width": trial.suggest_int("width", 16, 1024, log=True),
        "batch": trial.suggest_categorical("batch", ["16", "32", "64", "128", "256"]),
        "optimiser": trial.suggest_categorical("optimiser", ["sgd", "adam", "rmsprop"]),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5, step=0.1),
    }


def suggest_conditional(trial):
    p = {"model": trial.suggest_categorical("model", ["svm", "forest", "net"])}
    if p["model"] == "svm":
        p["c"] = trial.suggest_float("c", 1e-3, 1e3, log=True)
        p["kernel"] = trial.suggest_categorical("kernel", ["linear", "rbf"])
        if p["kernel"] == "rbf":
            p["gamma"] = trial.suggest_float("gamma", 1e-4, 10.0, log=True)
    elif p["model"] == "forest":
        p["depth"] = trial.suggest_int("depth", 1, 30)
        p["trees"] = trial.suggest_int("trees", 10, 1000, log=True)
    else:
        p["lr"] = trial.suggest_float("lr", 1e-5, 1.0, log=True)
        p["layers"] = trial.suggest_int("layers", 1, 5)
        p["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    return p


def zdt(front):
    def values(x):
        g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
        return [x[0], g * front(x[0] / g, x[0])]

    return values


CUBES = {
    "branin": (branin, [(-5, 10), (0, 15)]),
    "hartmann6": (hartmann, [(0, 1)] * 6),
    "levy8": (levy, [(-10, 10)] * 8),
    "rosenbrock5": (rosenbrock, [(-5, 10)] * 5),
    "ackley5": (ackley, [(-32.768, 32.768)] * 5),
    "ackley10": (ackley, [(-32.768, 32.768)] * 10),
    "griewank6": (griewank, [(-60, 60)] * 6),
    "styblinski5": (styblinski, [(-5, 5)] * 5),
}
SPACES = {"mixed": (mixed, suggest_mixed), "conditional": (conditional, suggest_conditional)}
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


def sampler(search, seed):
    if search == "rustuna-tpe":
        import rustuna

        return rustuna, rustuna.samplers.TPESampler(seed=seed)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    if search == "optuna-gp":
        import torch

        torch.set_num_threads(1)
        return optuna, optuna.samplers.GPSampler(seed=seed)
    return optuna, optuna.samplers.TPESampler(seed=seed)


def search_by_trials(search, problem, evaluations, seed):
    library, chosen = sampler(search, seed)
    if problem in FRONTS:
        study = library.create_study(directions=["minimize"] * 2, sampler=chosen)
    else:
        study = library.create_study(direction="minimize", sampler=chosen)
    told = []

    def objective(trial):
        if problem in SPACES:
            loss, suggest = SPACES[problem]
            told.append(loss(suggest(trial)))
        else:
            bounds = CUBES[problem][1] if problem in CUBES else [(0, 1)] * DIMENSIONS
            x = [trial.suggest_float(f"x{i:02}", low, high) for i, (low, high) in enumerate(bounds)]
            told.append(CUBES[problem][0](x) if problem in CUBES else FRONTS[problem][0](x))
        return told[-1]

    study.optimize(objective, n_trials=evaluations)
    return lacking(told, FRONTS[problem][1]) if problem in FRONTS else min(told)


def search_by_botorch(problem, evaluations, seed):
    import torch
    from botorch.acquisition import LogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    loss, bounds = CUBES[problem]
    low, high = (torch.tensor(ends, dtype=torch.double) for ends in zip(*bounds))
    value = lambda unit: -loss((low + (high - low) * unit).tolist())
    points = torch.quasirandom.SobolEngine(len(bounds), scramble=True, seed=seed).draw(10, dtype=torch.double)
    values = torch.tensor([[value(point)] for point in points], dtype=torch.double)
    cube = torch.stack([torch.zeros(len(bounds)), torch.ones(len(bounds))]).double()
    while len(values) < evaluations:
        model = SingleTaskGP(points, values)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = LogExpectedImprovement(model, best_f=values.max())
        point, _ = optimize_acqf(acquisition, cube, q=1, num_restarts=10, raw_samples=512)
        points = torch.cat([points, point])
        values = torch.cat([values, torch.tensor([[value(point[0])]], dtype=torch.double)])
    return -values.max().item()


def latency(search, dimensions, trials):
    import random

    library, chosen = sampler(search, 1)
    study = library.create_study(sampler=chosen)
    numbers = random.Random(2)
    names = [f"x{i:03}" for i in range(dimensions)]
    distribution = library.distributions.FloatDistribution(-5.0, 10.0)
    bowl = lambda x: sum((v - 1) ** 2 for v in x)
    for _ in range(trials):
        x = [numbers.uniform(-5, 10) for _ in names]
        study.add_trial(
            library.trial.create_trial(
                params=dict(zip(names, x)), distributions=dict.fromkeys(names, distribution), value=bowl(x)
            )
        )
    # Suggestions of a second are not worth 24 of them.
    warming, timed = (3, 21) if search != "optuna-gp" else (1, 3)
    times = []
    for _ in range(warming + timed):
        begin = time.perf_counter()
        trial = study.ask()
        x = [trial.suggest_float(name, -5.0, 10.0) for name in names]
        times.append(time.perf_counter() - begin)
        study.tell(trial.number, bowl(x))
    return 1e3 * statistics.median(times[warming:])


def answer(asked):
    if "at" in asked:
        # The values where every number is at this part of its range.
        if asked["problem"] in FRONTS:
            return {"values": FRONTS[asked["problem"]][0]([asked["at"]] * DIMENSIONS)}
        loss, bounds = CUBES[asked["problem"]]
        return {"values": [loss([low + (high - low) * asked["at"] for low, high in bounds])]}
    if "trials" in asked:
        return {"ms": latency(asked["search"], asked["dimensions"], asked["trials"])}
    run = (asked["problem"], asked["evaluations"], asked["seed"])
    botorch = asked["search"] == "botorch"
    return {"regret": search_by_botorch(*run) if botorch else search_by_trials(asked["search"], *run)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
