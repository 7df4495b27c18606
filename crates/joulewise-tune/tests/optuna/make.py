"""Writes three studies with Optuna and prints their file as SQL: python make.py > optuna-5.0.0.sql"""

import os
import sqlite3
import sys
import tempfile

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
path = os.path.join(tempfile.mkdtemp(), "optuna.db")
storage = f"sqlite:///{path}"

one = optuna.create_study(
    study_name="one", storage=storage, direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1)
)


def train(trial):
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    trial.suggest_float("drop", 0.0, 0.5, step=0.1)
    layers = trial.suggest_int("layers", 1, 4)
    trial.suggest_int("batch", 16, 256, log=True)
    trial.suggest_int("width", 32, 128 + 32 * (trial.number % 2), step=32)
    trial.suggest_categorical("mixed", [1, 2.5, None, True, "x"])
    if trial.suggest_categorical("optimiser", ["sgd", "adam"]) == "sgd":
        trial.suggest_float("momentum", 0.0, 0.99)
    for epoch in range(3):
        trial.report(float("nan") if epoch == 1 else lr * epoch, epoch)
    if trial.number == 2:
        raise optuna.TrialPruned()
    if trial.number == 3:
        raise ValueError("out of memory")
    trial.set_user_attr("cost", 12.5)
    trial.set_user_attr("host", "a")
    trial.set_constraint("bytes", layers - 3.0)
    return lr * layers


one.optimize(train, n_trials=6, catch=(ValueError,))
one.set_user_attr("who", "me")
one.set_metric_names(["accuracy"])
one.ask()
one.enqueue_trial(
    {"lr": 0.01, "drop": 0.1, "layers": 2, "batch": 32, "width": 64, "optimiser": "adam", "mixed": None}
)
one.enqueue_trial({"lr": 0.02})

two = optuna.create_study(study_name="two", storage=storage, directions=["minimize", "maximize"])
for values in [(0.25, 3), (1.0, float("inf")), (0.5, 1)]:
    trial = two.ask()
    trial.suggest_float("x", -1, 1)
    two.tell(trial, values)



def burn(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    trial.suggest_categorical("batch", [32, 64, 128])
    trial.suggest_categorical("mixed", ["sgd", None, True, 3, "3", 0.5])
    trial.set_user_attr("tags", ["a", 1])
    trial.set_user_attr("fast", True)
    trial.set_user_attr("gpu", "0")
    if trial.number == 1:
        trial.report(x, 0)
        raise optuna.TrialPruned()
    if trial.number != 2:
        trial.set_user_attr("joules", 10.0 * (trial.number + 1))
    return x


# The lowest values miss the first of the constraints.
sampler = optuna.samplers.TPESampler(seed=1, constraints_func=lambda trial: (0.4 - trial.params["x"], -1.0))
three = optuna.create_study(study_name="energy/3", storage=storage, sampler=sampler)
three.optimize(burn, n_trials=6)

connection = sqlite3.connect(path)
sys.stdout.writelines(line + "\n" for line in connection.iterdump())
