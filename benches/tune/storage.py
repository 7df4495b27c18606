"""Trials a second, and grids under kills, through one SQLite file: the peers' side of `cargo xtask bench tune`.

python storage.py throughput optuna|rustuna WORKERS TRIALS_EACH
python storage.py kills CELLS WORKERS KILL_EVERY_S TRIAL_MS
"""

import json
import multiprocessing
import os
import sys
import tempfile
import time


def study(library, path):
    if library == "rustuna":
        import rustuna

        return rustuna.create_study(
            study_name="s",
            storage=rustuna.storages.SQLite3Storage(path),
            sampler=rustuna.samplers.RandomSampler(),
            load_if_exists=True,
        )
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    sampler = optuna.samplers.RandomSampler()
    return optuna.create_study(study_name="s", storage=storage, sampler=sampler, load_if_exists=True)


def objective(trial):
    return sum(trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(5))


def ask_and_tell(library, path, trials, told):
    done = failures = 0
    try:
        mine = study(library, path)
    except Exception:
        told.put((0, trials))
        return
    for _ in range(trials):
        try:
            mine.optimize(objective, n_trials=1)
            done += 1
        except Exception:
            failures += 1
    told.put((done, failures))


def throughput(library, workers, trials):
    path = os.path.join(tempfile.mkdtemp(), "study.db")
    study(library, path)
    told = multiprocessing.Queue()
    arguments = (library, path, trials, told)
    processes = [multiprocessing.Process(target=ask_and_tell, args=arguments) for _ in range(workers)]
    begin = time.perf_counter()
    for process in processes:
        process.start()
    counts = [told.get() for _ in processes]
    wall_s = time.perf_counter() - begin
    done = sum(count for count, _ in counts)
    failures = sum(count for _, count in counts)
    return {"trials": done, "failures": failures, "wall_s": wall_s, "trials_per_s": done / wall_s}


def fill_grid(path, cells, trial_s):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    # Optuna's own way to find the trials of workers that died.
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{path}",
        heartbeat_interval=1,
        grace_period=3,
        failed_trial_callback=optuna.storages.RetryFailedTrialCallback(),
    )
    sampler = optuna.samplers.GridSampler({"cell": list(range(cells))}, seed=os.getpid())
    mine = optuna.create_study(study_name="s", storage=storage, sampler=sampler, load_if_exists=True)

    def sleep(trial):
        trial.suggest_int("cell", 0, cells - 1)
        time.sleep(trial_s)
        return 0.5

    mine.optimize(sleep)


def kills(cells, workers, kill_every_s, trial_ms):
    import optuna

    path = os.path.join(tempfile.mkdtemp(), "study.db")
    study("optuna", path)

    def start():
        process = multiprocessing.Process(target=fill_grid, args=(path, cells, trial_ms / 1e3))
        process.start()
        return process

    begin = last_kill = time.perf_counter()
    processes = [start() for _ in range(workers)]
    killed = hurt = 0
    while processes:
        time.sleep(0.02)
        hurt += sum(process.exitcode not in (None, 0) for process in processes)
        processes = [process for process in processes if process.exitcode is None]
        if processes and time.perf_counter() - last_kill >= kill_every_s:
            victim = processes.pop(killed * 7 % len(processes))
            victim.kill()
            victim.join()
            processes.append(start())
            killed, last_kill = killed + 1, time.perf_counter()
    wall_s = time.perf_counter() - begin
    trials = study("optuna", path).trials
    done = [trial.params["cell"] for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    distinct = len(set(done))
    return {"cells": cells, "done": len(done), "distinct": distinct, "kills": killed, "workers_hurt": hurt, "wall_s": wall_s}


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"
    sys.stderr = open(os.devnull, "w")
    if sys.argv[1] == "throughput":
        result = throughput(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        result = kills(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
    print(json.dumps(result))
