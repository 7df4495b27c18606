"""The module in trials of ``joulewise tune``."""

import json
import math
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

import joulewise
from joulewise import _session

STUDY = """
objectives = ["max accuracy"]
sampler = "random"
trials = 2
{more}

[parameters]
x = {{ low = 0.1, high = 0.9 }}
"""


class Trial(unittest.TestCase):
    def search(self, script, more=""):
        """Searches with a script as the trial; gives the trials."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "train.py").write_text(textwrap.dedent(script))
            (Path(folder) / "s.toml").write_text(STUDY.format(more=more))
            command = [_session.command(), "tune", "run", "s.toml", "--json", "--", sys.executable, "train.py", "{x}"]
            environment = os.environ | {"JOULEWISE_SYSFS": folder, "CUDA_VISIBLE_DEVICES": ""}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)["trials"]

    def test_metrics_are_what_the_trial_reports(self):
        script = """
            import sys, joulewise
            for epoch in range(3):
                joulewise.metric("loss", 3 - epoch)
                joulewise.metric("accuracy", float(sys.argv[1]) * epoch)
            print("done")
        """
        for trial in self.search(script):
            self.assertEqual(trial["state"], "done")
            self.assertAlmostEqual(trial["metrics"]["accuracy"], 2 * trial["parameters"]["x"])
            self.assertEqual(len(trial["curve"]), 3)

    def test_what_is_printed_counts_beside_them(self):
        script = """
            import joulewise
            joulewise.metric("loss", 0.5)
            print('{"accuracy": 0.75}')
        """
        self.assertEqual([trial["metrics"]["accuracy"] for trial in self.search(script)], [0.75, 0.75])

    def test_a_trial_is_stopped_by_them(self):
        script = """
            import sys, time, joulewise
            joulewise.metric("accuracy", float("nan"))
            time.sleep(60)
        """
        with self.assertRaisesRegex(AssertionError, "not a number"):
            self.search(script)

    def test_a_folder_that_cannot_be_written_to_is_warned_of(self):
        before = os.environ.get("JOULEWISE_OUT")
        os.environ["JOULEWISE_OUT"] = "/nowhere/at/all"
        try:
            with self.assertWarnsRegex(RuntimeWarning, "'accuracy' is not told of"):
                joulewise.metric("accuracy", math.pi)
        finally:
            del os.environ["JOULEWISE_OUT"]
            if before is not None:
                os.environ["JOULEWISE_OUT"] = before


if __name__ == "__main__":
    unittest.main()
