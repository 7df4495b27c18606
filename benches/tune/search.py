"""Searches a table of learning curves with Optuna; the other side is `crates/joulewise-tune/examples/replay.rs`, which
says what a trial is and what is printed.

    python search.py TABLE SEEDS TRIALS [ARM …]
"""

import json
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def coordinates(lr, beta1, beta2):
    return np.array([(np.log10(lr) + 5) / 4, (beta1 - 0.1) / 0.899, (beta2 - 0.8) / 0.1999])


def read(path):
    rows = {}
    for line in [line for line in open(path) if not line.startswith("#")][1:]:
        setting, lr, beta1, beta2, _, accuracy, cpu_s = map(float, line.split(","))
        at, curve = rows.setdefault(setting, (coordinates(lr, beta1, beta2), []))
        curve.append((accuracy, cpu_s))
    return list(rows.values())


class Table:
    """Answers with the nearest setting that was not evaluated yet and has about the same learning rate, if there is one."""

    def __init__(self, table):
        self.table, self.at = table, np.array([at for at, _ in table])
        self.free = np.ones(len(table), bool)

    def take(self, at):
        distance = ((self.at - at) ** 2).sum(1)
        new = self.free & (np.abs(self.at[:, 0] - at[0]) <= np.log10(2) / 4)
        index = int((np.where(new, distance, np.inf) if new.any() else distance).argmin())
        self.free[index] = False
        return self.table[index][1]


def with_optuna(sampler, pruner):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def search(table, seed, trials):
        epochs = len(table[0][1])
        prune = {
            "none": lambda: optuna.pruners.NopPruner(),
            "hyperband": lambda: optuna.pruners.HyperbandPruner(1, epochs, 3),
            "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(1, 3),
            "median": lambda: optuna.pruners.MedianPruner(),
        }[pruner]()
        sample = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
            "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        }[sampler]()
        answers, trained, trace, begin = Table(table), 0.0, [], time.process_time()
        study = optuna.create_study(study_name=str(seed), direction="maximize", sampler=sample, pruner=prune)
        for _ in range(trials):
            trial = study.ask()
            curve = answers.take(coordinates(
                trial.suggest_float("lr", 1e-5, 1e-1, log=True),
                trial.suggest_float("beta1", 0.1, 0.999),
                trial.suggest_float("beta2", 0.8, 0.9999),
            ))
            stopped = False
            for step, (accuracy, cpu_s) in enumerate(curve, 1):
                trial.report(accuracy, step)
                if step < len(curve) and trial.should_prune():
                    stopped = True
                    break
            trained += cpu_s
            if stopped:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                study.tell(trial, accuracy)
            trace.append((trained + time.process_time() - begin, accuracy, not stopped))
        return trace

    return search


ARMS = {
    "Optuna TPE": lambda: with_optuna("tpe", "none"),
    "Optuna TPE + median": lambda: with_optuna("tpe", "median"),
    "Optuna TPE + ASHA": lambda: with_optuna("tpe", "asha"),
    "Optuna TPE + Hyperband": lambda: with_optuna("tpe", "hyperband"),
    "Optuna random + Hyperband": lambda: with_optuna("random", "hyperband"),
}


def main():
    table, seeds, trials, names = read(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] or list(ARMS)
    searches = {name: ARMS[name]() for name in names}
    traces = {name: [] for name in names}
    for seed in range(seeds):
        for name, search in searches.items():
            traces[name].append(search(table, seed, trials))
    json.dump(traces, sys.stdout)


if __name__ == "__main__":
    main()
