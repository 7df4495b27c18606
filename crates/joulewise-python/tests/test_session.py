"""Sessions of a process that meters itself, and reading results back."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import joulewise
from joulewise import _session


class Sessions(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        # No counters: the same joules on every machine that tests this.
        variables = {"JOULEWISE_SYSFS": self._folder.name, "CUDA_VISIBLE_DEVICES": ""}
        patch = mock.patch.dict(os.environ, variables)
        patch.start()
        self.addCleanup(patch.stop)

    def test_a_session_counts_its_own_process_and_its_children(self):
        with joulewise.Session() as session:
            self.assertTrue(joulewise.is_measured())
            with self.assertRaisesRegex(RuntimeError, "has not ended"):
                _ = session.report
            with joulewise.span("outer"):
                code = "import joulewise\nwith joulewise.span('child'): sum(range(1_000_000))"
                subprocess.run([sys.executable, "-c", code], check=True)
                with joulewise.span("inner"):
                    sum(range(2_000_000))
        self.assertFalse(joulewise.is_measured())
        report = session.report
        self.assertIs(session.finish(), report)
        counts = {span["name"]: span["count"] for span in report["spans"]}
        self.assertEqual(counts, {"outer": 1, "child": 1, "inner": 1})
        self.assertGreater(report["energy_j"]["value"], 0)
        self.assertGreater(report["cpu_s"], 0.02)
        self.assertEqual(report["process"], os.getpid())
        self.assertIn("modelled", repr(report))
        self.assertIn("    inner: 1 ×", repr(report))
        self.assertRegex(repr(report), r"  caveat: .* modelled .* \(hint: .*\)")
        self.assertRegex(report._repr_html_(), r"<p>.*</p><table>.*outer.*</table><ul><li>caveat: .*</li></ul>")

    def test_sessions_may_follow_and_hold_one_another(self):
        outer = joulewise.Session()
        inner = joulewise.Session()
        with joulewise.span("in the inner one"):
            pass
        self.assertEqual([span["name"] for span in inner.finish()["spans"]], ["in the inner one"])
        with joulewise.span("in the outer one"):
            pass
        self.assertEqual([span["name"] for span in outer.finish()["spans"]], ["in the outer one"])

    def test_an_error_in_the_block_is_the_one_that_is_raised(self):
        with self.assertRaises(ZeroDivisionError):
            with joulewise.Session() as session:
                _ = 1 / 0
        self.assertEqual(session.report["spans"], [])

    def test_a_meter_that_cannot_start_says_why(self):
        with mock.patch.object(_session, "command", lambda: "/bin/false"):
            with self.assertRaisesRegex(RuntimeError, "the meter did not start"):
                joulewise.Session()

    def test_quantities_are_shown_with_three_figures(self):
        shown = [_session._si(value, "J") for value in (0.0, 1.0, 999.9, 12345.0, 0.0425, 3e-7, 9.996)]
        self.assertEqual(shown, ["0 J", "1.00 J", "1.00 kJ", "12.3 kJ", "42.5 mJ", "0.30 µJ", "10.0 J"])


class Loading(unittest.TestCase):
    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)
        run = self.folder / "runs" / "20261121-0243-2z6h"
        run.mkdir(parents=True)
        energy = {"value": 2.0, "low": 1.0, "high": 3.0, "method": "modelled"}
        candidate = {"name": "baseline", "metrics": {"accuracy": {"judge": 0.97}}, "training_j": energy}
        result = {"schema": 1, "id": run.name, "baseline": candidate, "candidates": [candidate | {"name": "prune"}]}
        (run / "result.json").write_text(json.dumps(result))
        (run / "events.jsonl").write_text('{"at_s": 0.0}\n{"at_s": 1.0}\n{"at_')
        (self.folder / "m.json").write_text(json.dumps({"spans": [{"name": "epoch", "energy_j": energy}]}))
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)

    def test_runs_are_found_by_folder_by_id_and_as_the_last(self):
        for name in ("runs/20261121-0243-2z6h", "20261121-0243-2z6h", "@last", Path("runs/20261121-0243-2z6h")):
            run = joulewise.load(name)
            self.assertEqual(run["id"], "20261121-0243-2z6h")
        self.assertEqual([event["at_s"] for event in run.events()], [0.0, 1.0])
        with self.assertRaisesRegex(FileNotFoundError, "nowhere: no file"):
            joulewise.load("nowhere")

    def test_tables_are_flat(self):
        rows = joulewise.load("@last").rows()
        self.assertEqual([row["name"] for row in rows], ["baseline", "prune"])
        self.assertEqual(rows[1]["metrics.accuracy.judge"], 0.97)
        self.assertEqual((rows[1]["training_j"], rows[1]["training_j.high"]), (2.0, 3.0))
        self.assertEqual(joulewise.load("m.json").rows()[0]["energy_j"], 2.0)

    def test_a_frame_is_made_by_pandas_where_it_is_installed(self):
        stand_in = mock.Mock()
        run = joulewise.load("@last")
        with mock.patch.dict(sys.modules, {"pandas": stand_in}):
            self.assertIs(run.frame(), stand_in.DataFrame.return_value)
        stand_in.DataFrame.assert_called_once_with(run.rows())
        with mock.patch.dict(sys.modules, {"pandas": None}):
            with self.assertRaisesRegex(ImportError, "needs pandas"):
                run.frame()


if __name__ == "__main__":
    unittest.main()
