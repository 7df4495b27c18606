"""Workers of one study as Ray tasks.

    export JOULEWISE_DB=postgresql://ann@db.example/studies    # the password: PGPASSWORD, or ~/.pgpass on every node
    python workers.py study.toml --workers 16 --cpus 1 --gpus 1

Ray says where they run, and the study, on a PostgreSQL server, what they try next. A worker whose node is gone is
started again elsewhere; what its trial had cost is kept, and the trial is run again.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import ray

INTERRUPTED = 130


# A task that Ray cancels is interrupted, and has its worker give the trial back.
@ray.remote(max_retries=-1)
def work(study: str, name: str, database: str, out: str) -> int:
    # Nodes need not share a file system: the file of the study travels with the task, to the same place on each.
    file = pathlib.Path(out) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as written:
        written.write(study)
    os.replace(written.name, file)
    worker = subprocess.Popen(["joulewise", "tune", "worker", "--file", str(file), "--db", database, "--out", out])
    try:
        # Ray interrupts Python code, and not a call that waits for ever.
        while worker.poll() is None:
            time.sleep(0.2)
        return worker.returncode
    except BaseException:
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        raise


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the workers of a study as Ray tasks.")
    parser.add_argument("study", type=pathlib.Path)
    parser.add_argument("--db", default=os.environ.get("JOULEWISE_DB"), help="postgresql://user@host/database")
    parser.add_argument("--out", default=os.path.abspath("runs"), help="where each node keeps the output of its trials")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--cpus", type=float, default=1, help="of each worker")
    parser.add_argument("--gpus", type=float, default=0, help="of each worker, which sees no others")
    arguments = parser.parse_args()
    if not arguments.db:
        parser.error("name the database with --db, or in JOULEWISE_DB")

    # The password is for the workers' environment, not for their command lines.
    variables = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    ray.init(runtime_env={"env_vars": variables})
    resources = {"num_cpus": arguments.cpus, "num_gpus": arguments.gpus}
    text = arguments.study.read_text()
    tasks = [
        work.options(**resources).remote(text, arguments.study.name, arguments.db, arguments.out)
        for _ in range(arguments.workers)
    ]
    try:
        codes = ray.get(tasks)
    except KeyboardInterrupt:
        for task in tasks:
            ray.cancel(task)
        ray.wait(tasks, num_returns=len(tasks), timeout=60)
        return INTERRUPTED
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
