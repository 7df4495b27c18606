"""Writes evolution.json: generations of CMA-ES and of CMA-ES with Margin, as `cmaes` learns from them, and fronts and
crowding distances as Optuna has them.

    python -m pip install numpy==2.4.* cmaes==0.13.1 optuna==5.0.0
    python evolution.py > evolution.json
"""

import json

import cmaes
import numpy as np
from optuna.samplers.nsgaii._elite_population_selection_strategy import _calc_crowding_distance
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import create_trial


def state(cma):
    return {
        "mean": cma._mean.tolist(),
        "sigma": float(cma._sigma),
        "covariance": cma._C.tolist(),
        "conjugate_path": cma._p_sigma.tolist(),
        "path": cma._pc.tolist(),
    }


def plain(dimensions, population, generations, loss, seed):
    mean = np.linspace(0.3, 0.7, dimensions)
    cma = cmaes.CMA(mean, 1 / 6, seed=seed, population_size=population)
    # `cmaes` takes the first generation for the second where it asks whether the path is too long yet: Hansen does not.
    cma._g = -1
    told = []
    for _ in range(generations):
        points = [cma.ask() for _ in range(population)]
        # Learning sorts them.
        points.sort(key=loss)
        cma.tell([(point, loss(point)) for point in points])
        told.append({"points": [point.tolist() for point in points], "then": state(cma)})
    return {"mean": mean.tolist(), "population": population, "generations": told}


def whole(population, generations, seed):
    """Two numbers between 0 and 1 and whole numbers from 0 to 3, 0 to 10 and 0 to 1, all on the unit interval of their
    cells."""
    levels = [4, 11, 2]
    bounds = np.array([[0, 1]] * 2 + [[0.5 / n, (n - 0.5) / n] for n in levels])
    widths = np.array([0, 0] + [1 / n for n in levels])
    cma = cmaes.CMAwM(np.full(5, 0.45), 1 / 6, bounds, widths, seed=seed, population_size=population)
    best = np.array([0.2, 0.7, 0.375, 4.5 / 11, 0.75])
    told = []
    for _ in range(generations):
        points = [cma.ask() for _ in range(population)]
        points.sort(key=lambda pair: ((pair[0] - best) ** 2).sum())
        # What was drawn before it was made a whole number is what is learnt from.
        steps = [((raw - cma._cma._mean) / cma._cma._sigma).round(12).tolist() for _, raw in points]
        cma.tell([(raw, float(rank)) for rank, (_, raw) in enumerate(points)])
        told.append({"steps": steps, "mean": cma.mean.tolist(), "stretch": cma._A.tolist()})
    return {"levels": levels, "population": population, "generations": told}


def fronts(points):
    ranks = _fast_non_domination_rank(points)
    room = {}
    for rank in range(ranks.max() + 1):
        front = [create_trial(values=points[i].tolist()) for i in np.flatnonzero(ranks == rank)]
        for i, trial in zip(np.flatnonzero(ranks == rank), front):
            trial.number = int(i)
        room.update(_calc_crowding_distance(front))
    finite = [x if np.isfinite(x) else None for x in (room.get(i, 0.0) for i in range(len(points)))]
    return {"points": points.tolist(), "fronts": ranks.tolist(), "room": finite}


rng = np.random.default_rng(1)
bent = lambda x: sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))
reference = {
    "plain": [plain(4, 8, 6, bent, 1), plain(3, 15, 4, bent, 2), plain(2, 6, 12, lambda x: x[0] + 3 * x[1], 3)],
    "whole": whole(10, 24, 4),
    "fronts": [fronts(rng.random((30, d)).round(6)) for d in (1, 2, 3)],
}
print(json.dumps(reference))
