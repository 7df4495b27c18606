"""The module as programs use it, under the command that the same wheel carries.

Run with an interpreter in whose environment the wheel is installed: ``python -m unittest discover -s tests``.
"""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from joulewise import _session


class Measured(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.addCleanup(self._folder.cleanup)

    def run_python(self, script, *arguments, measured=True):
        """Runs a script, under the meter unless told otherwise; gives what it printed, and the result of the meter."""
        (self.folder / "script.py").write_text(textwrap.dedent(script))
        command = [sys.executable, "-W", "error", "script.py"]
        if measured:
            command = [_session.command(), "measure", "-o", "result.json", *arguments, "--", *command]
        environment = {key: value for key, value in os.environ.items() if key != "JOULEWISE_SPANS"}
        # No counters: the same joules on every machine that tests this.
        environment |= {"JOULEWISE_SYSFS": str(self.folder), "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads((self.folder / "result.json").read_text()) if measured else None
        return done.stdout, result

    def spans(self, script, *arguments):
        """The spans of a script by their path: how many there were, and how many had not ended."""
        _, result = self.run_python(script, *arguments)
        names = {span["id"]: span for span in result["spans"]}

        def path(span):
            outer = names.get(span["parent"])
            return f"{path(outer)}/{span['name']}" if outer else span["name"]

        return {path(span): (span["count"], span["unclosed"]) for span in result["spans"]}

    def metrics(self, script, *arguments):
        """The values of a script's metrics by their names."""
        _, result = self.run_python(script, *arguments)
        metrics = result["trace"]["metrics"]
        return {metric["name"]: [point["value"] for point in metric["points"]] for metric in metrics}

    def test_spans_nest_and_add_up(self):
        script = """
            import joulewise
            assert joulewise.is_measured()
            for _ in range(3):
                with joulewise.span("epoch"):
                    for _ in range(5):
                        with joulewise.span("train\\n step"):
                            sum(range(10_000))
            joulewise.span("left open").__enter__()
        """
        _, result = self.run_python(script)
        epoch, step, left = result["spans"]
        self.assertEqual((epoch["name"], epoch["count"], epoch["parent"]), ("epoch", 3, None))
        self.assertEqual((step["name"], step["count"], step["parent"]), ("train step", 15, epoch["id"]))
        self.assertEqual((left["count"], left["unclosed"]), (1, 1))
        self.assertLessEqual(step["wall_s"], epoch["wall_s"])
        self.assertLessEqual(step["energy_j"]["value"], epoch["energy_j"]["value"] * (1 + 1e-9))
        self.assertLessEqual(epoch["energy_j"]["value"], result["energy_j"]["value"])

    def test_functions_are_spans_of_their_names(self):
        script = """
            import asyncio, joulewise

            @joulewise.measured
            def work(x, *, y):
                "doc"
                return x + y

            class Model:
                @joulewise.measured("fit")
                def fit(self):
                    return work(1, y=2)

            @joulewise.measured
            async def wait():
                await asyncio.sleep(0.001)
                return 7

            @joulewise.measured
            def count():
                yield from range(3)

            async def both():
                return await asyncio.gather(wait(), wait())

            assert Model().fit() == 3 and work.__doc__ == "doc"
            assert asyncio.run(both()) == [7, 7]
            assert list(count()) == [0, 1, 2]
            try:
                joulewise.measured(lambda: 1 / 0)()
            except ZeroDivisionError:
                pass
            else:
                raise AssertionError
        """
        expected = {"fit": (1, 0), "fit/work": (1, 0), "wait": (2, 0), "count": (1, 0), "<lambda>": (1, 0)}
        self.assertEqual(self.spans(script), expected)

    def test_threads_and_processes_have_spans_of_their_own(self):
        script = """
            import atexit, os, subprocess, sys, threading, joulewise

            def work(name):
                for _ in range(200):
                    with joulewise.span(name):
                        pass

            with joulewise.span("outer"):
                threads = [threading.Thread(target=work, args=(f"thread {i}",)) for i in range(4)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
                child = os.fork()
                if child == 0:
                    work("fork")
                    # What a full queue had no room for is sent at the end, which `_exit` alone leaves out.
                    atexit._run_exitfuncs()
                    os._exit(0)
                os.waitpid(child, 0)
                code = "import joulewise\\nwith joulewise.span('program'): pass"
                subprocess.run([sys.executable, "-c", code], check=True)
        """
        expected = {f"thread {i}": (200, 0) for i in range(4)}
        expected |= {"outer": (1, 0), "outer/fork": (200, 0), "program": (1, 0)}
        self.assertEqual(self.spans(script), expected)

    def test_a_meter_that_does_not_read_holds_nobody_up(self):
        script = """
            import os, signal, joulewise
            meter = os.getppid()
            os.kill(meter, signal.SIGSTOP)
            try:
                for _ in range(500):
                    with joulewise.span("while it slept"):
                        pass
            finally:
                os.kill(meter, signal.SIGCONT)
        """
        self.assertEqual(self.spans(script), {"while it slept": (500, 0)})

    def test_without_a_meter_nothing_happens(self):
        script = """
            import os, sys, joulewise
            assert not joulewise.is_measured()
            with joulewise.span("nothing") as span:
                assert span.name == "nothing"
            joulewise.metric("nothing", 1)
            assert joulewise.measured(lambda x: x)(3) == 3
            heavy = {"torch", "numpy", "pandas", "lightning", "transformers"}
            assert not heavy & set(sys.modules), heavy & set(sys.modules)
            print("done")
        """
        self.assertEqual(self.run_python(script, measured=False)[0], "done\n")

    def test_a_meter_that_is_gone_is_no_error(self):
        script = """
            import os
            socket = os.environ["JOULEWISE_SPANS"]
            os.unlink(socket)
            import joulewise
            with joulewise.span("nobody listens"):
                pass
            assert not joulewise.is_measured()
        """
        self.assertEqual(self.spans(script), {})

    def test_lines_on_stdout_are_spans_too(self):
        script = """
            print("epoch 1 of 2", flush=True)
            print("epoch 2 of 2", flush=True)
        """
        self.assertEqual(self.spans(script, "--span-pattern", "^(?<end>epoch)"), {"epoch": (2, 0)})

    def test_loops_of_pytorch_are_spans(self):
        script = """
            import joulewise.pytorch
            for epoch in joulewise.pytorch.epochs(2):
                for batch in joulewise.pytorch.batches([1, 2, 3], synchronise=False):
                    if epoch == 1:
                        break
        """
        expected = {"epoch": (2, 0), "epoch/load": (5, 0), "epoch/step": (4, 0)}
        self.assertEqual(self.spans(script), expected)

    def test_callbacks_tell_of_what_their_trainers_do(self):
        # The trainers call what their base classes name; these stand in for them.
        script = """
            import sys, types

            def stand_in(name, **content):
                module = sys.modules[name] = types.ModuleType(name)
                vars(module).update(content)

            stand_in("lightning")
            stand_in("lightning.pytorch", Callback=type("Callback", (), {}))
            stand_in("transformers", TrainerCallback=type("TrainerCallback", (), {}))
            from joulewise import huggingface, lightning

            spans = lightning.Spans()
            spans.on_fit_start("trainer", "module")
            for _ in range(2):
                spans.on_train_epoch_start("trainer", "module")
                for batch in range(3):
                    spans.on_train_batch_start("trainer", "module", "batch", batch)
                    spans.on_train_batch_end("trainer", "module", "outputs", "batch", batch)
                spans.on_validation_start("trainer", "module")
                spans.on_validation_end(types.SimpleNamespace(callback_metrics={"val_loss": 0.5}), "module")
                spans.on_train_epoch_end("trainer", "module")
            spans.on_fit_end("trainer", "module")

            spans = huggingface.Spans()
            evaluates = types.SimpleNamespace(should_evaluate=True, should_save=True)
            spans.on_train_begin("arguments", "state", "control", model=None)
            spans.on_epoch_begin("arguments", "state", "control")
            for control in ["control", evaluates, "control"]:
                spans.on_step_begin("arguments", "state", control)
                spans.on_step_end("arguments", "state", control)
                if control is evaluates:
                    spans.on_evaluate("arguments", "state", control, metrics={"eval_accuracy": 0.9, "note": "text"})
                    spans.on_save("arguments", "state", control)
            spans.on_epoch_end("arguments", "state", evaluates)
            spans.on_evaluate("arguments", "state", evaluates, metrics={"eval_accuracy": 0.95})
            spans.on_train_end("arguments", "state", "control")
        """
        expected = {
            "fit": (1, 0),
            "fit/epoch": (2, 0),
            "fit/epoch/load": (10, 0),
            "fit/epoch/step": (6, 0),
            "fit/epoch/validate": (2, 0),
            "train": (1, 0),
            "train/epoch": (1, 0),
            "train/epoch/load": (4, 0),
            "train/epoch/step": (3, 0),
            "train/epoch/evaluate": (1, 0),
            "train/evaluate": (1, 0),
        }
        self.assertEqual(self.spans(script), expected)
        self.assertEqual(self.metrics(script), {"val_loss": [0.5, 0.5], "eval_accuracy": [0.9, 0.95]})

    def test_metrics_are_told_of(self):
        script = """
            import math, joulewise
            for epoch in range(3):
                joulewise.metric("val\\n accuracy", epoch / 2)
            joulewise.metric("loss", math.nan)
        """
        self.assertEqual(self.metrics(script), {"val accuracy": [0.0, 0.5, 1.0], "loss": [None]})
        joules = self.run_python(script)[1]
        points = [point for metric in joules["trace"]["metrics"] for point in metric["points"]]
        self.assertTrue(all(0 <= point["energy_j"] <= joules["energy_j"]["value"] for point in points))

    def test_waste_is_found_in_what_a_training_tells(self):
        script = """
            import joulewise
            for accuracy in [0.5, 0.9, 0.9, 0.9, 0.9, 0.9]:
                with joulewise.span("train"):
                    sum(range(500_000))
                with joulewise.span("evaluate"):
                    sum(range(500_000))
                joulewise.metric("val_accuracy", accuracy)
        """
        _, result = self.run_python(script)
        kinds = {finding["kind"] for finding in result["waste"]["findings"]}
        self.assertEqual(kinds, {"after-plateau", "frequent-evaluation"})
        self.assertLessEqual(
            max(finding["share"] for finding in result["waste"]["findings"]), 1.0, result["waste"]
        )


if __name__ == "__main__":
    unittest.main()
