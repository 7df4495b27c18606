"""A session: meters this process and all that it starts, as in a notebook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from html import escape
from pathlib import Path
from typing import Any

from . import _span

# The command opens its counters in milliseconds; a machine that takes longer than this is in trouble.
_PATIENCE_S = 20.0


def command() -> str:
    """The path of the command ``joulewise`` that this package carries, or of the one in ``PATH``."""
    schemes = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user")]
    for folder in schemes:
        path = Path(folder) / "joulewise"
        if os.access(path, os.X_OK):
            return str(path)
    found = shutil.which("joulewise")
    if found is None:
        raise FileNotFoundError("the command `joulewise` is missing: install the package again")
    return found


class Report(dict[str, Any]):
    """What a session used, as a dict: ``energy_j``, ``power_w``, ``wall_s``, ``cpu_s``, ``spans``, ``caveats``, …"""

    def __repr__(self) -> str:
        energy = self["energy_j"]
        lines = [
            f"{_si(energy['value'], 'J')} ({_si(energy['low'], 'J')} to {_si(energy['high'], 'J')}, {energy['method']})"
            f" in {_si(self['wall_s'], 's')}, {_si(self['power_w'], 'W')} on average; {self['scope']}"
        ]
        lines += [
            f"  {'  ' * depth}{name}: {count} ×, {used} in {wall}" for depth, name, count, used, wall in self._rows()
        ]
        lines += [f"  {caveat}" for caveat in self._caveats()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head, *_ = repr(self).split("\n")
        rows = "".join(
            f"<tr><td style='text-align:left;padding-left:{depth + 0.5}em'>{escape(name)}</td>"
            f"<td>{count}</td><td>{wall}</td><td>{used}</td></tr>"
            for depth, name, count, used, wall in self._rows()
        )
        header = "<tr><th style='text-align:left'>span</th><th>count</th><th>time</th><th>energy</th></tr>"
        caveats = "".join(f"<li>{escape(caveat)}</li>" for caveat in self._caveats())
        return (
            f"<p>{escape(head)}</p>"
            + (f"<table>{header}{rows}</table>" if rows else "")
            + (f"<ul>{caveats}</ul>" if caveats else "")
        )

    def _caveats(self) -> list[str]:
        """What limits the figures, and what to do about it."""
        return [
            f"caveat: {caveat['text']}" + (f" (hint: {caveat['hint']})" if caveat["hint"] else "")
            for caveat in self["caveats"]
        ]

    def _rows(self) -> list[tuple[int, str, int, str, str]]:
        """The spans, each behind the one that it is nested in."""
        inside: dict[int | None, list[dict[str, Any]]] = {}
        for span in self["spans"]:
            inside.setdefault(span["parent"], []).append(span)
        rows: list[tuple[int, str, int, str, str]] = []

        def add(parent: int | None, depth: int) -> None:
            for span in inside.get(parent, []):
                used, wall = _si(span["energy_j"]["value"], "J"), _si(span["wall_s"], "s")
                rows.append((depth, span["name"], span["count"], used, wall))
                add(span["id"], depth + 1)

        add(None, 0)
        return rows


class Session:
    """Meters this process and all that it starts, from its making to its end.

    with joulewise.Session() as session:
        with joulewise.span("epoch"):
            ...
    session.report
    """

    def __init__(self) -> None:
        self._report: Report | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="joulewise-")
        # The path of a socket has at most 107 bytes.
        if len(self._folder.name) > 90:
            self._folder.cleanup()
            self._folder = tempfile.TemporaryDirectory(prefix="joulewise-", dir="/tmp")
        socket = os.path.join(self._folder.name, "spans")
        self._process = subprocess.Popen(
            [command(), "attach", str(os.getpid()), "--json", "--until-eof", "--span-socket", socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Whoever interrupts a cell of a notebook does not mean the meter.
            start_new_session=True,
        )
        self._wait_for(socket)
        self._before = _span.connect(socket)

    def _wait_for(self, socket: str) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not os.path.exists(socket):
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                _, said = self._process.communicate()
                self._folder.cleanup()
                raise RuntimeError(f"the meter did not start: {said.decode(errors='replace').strip()}")
            time.sleep(0.001)

    @property
    def report(self) -> Report:
        """What was used. The session must have ended."""
        if self._report is None:
            raise RuntimeError("the session has not ended: call finish(), or use it in `with`")
        return self._report

    def finish(self) -> Report:
        """Ends the session and says what was used. Ending it again gives the same report."""
        if self._report is None:
            _span.connect(self._before)
            result, said = self._process.communicate()
            self._folder.cleanup()
            if self._process.returncode != 0:
                raise RuntimeError(f"the meter failed: {said.decode(errors='replace').strip()}")
            self._report = Report(json.loads(result))
        return self._report

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.finish()
        except RuntimeError as error:
            if kind is None:
                raise
            # What went wrong in the block is worth more than what went wrong with measuring it.
            print(f"joulewise: {error}", file=sys.stderr)


def _si(value: float, unit: str) -> str:
    """Three significant figures and a prefix: ``1.24 kJ``."""
    for prefix, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0), ("m", 1e-3), ("µ", 1e-6)):
        if abs(value) >= factor * 0.9995 or factor == 1e-6:
            scaled = value / factor
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            return f"{scaled:.{digits}f} {prefix}{unit}" if value else f"0 {unit}"
    raise AssertionError("the last prefix fits everything")
