"""What runs and measurements have left on the disk, as dicts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


class Run(dict[str, Any]):
    """The result of a run or of a measurement, and what else lies in its folder.

    As a dict it is the content of ``result.json``, or of the file that ``joulewise measure -o`` wrote.
    """

    def __init__(self, content: dict[str, Any], path: Path) -> None:
        super().__init__(content)
        self.path = path

    def events(self) -> Iterator[dict[str, Any]]:
        """What happened in the run, in order. A line that a killed run has torn is left out."""
        with open(self.path.parent / "events.jsonl", encoding="utf-8") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def rows(self) -> list[dict[str, Any]]:
        """A flat table: the baseline and the candidates of a run, or the spans of a measurement."""
        if "baseline" in self:
            return [_flat(candidate) for candidate in [self["baseline"], *self["candidates"]]]
        return [_flat(span) for span in self.get("spans", [])]

    def frame(self) -> pandas.DataFrame:
        """The table as a DataFrame, where pandas is installed."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("frame() needs pandas: install it, or use rows()") from error
        return pandas.DataFrame(self.rows())


def load(run: str | os.PathLike[str]) -> Run:
    """Reads a run by its folder or its id below ``runs``, or the JSON of a measurement by its file.

    ``@last`` is the run that was begun last.
    """
    path = _find(Path(run))
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected the JSON of a run or of a measurement")
    return Run(content, path)


def _find(run: Path) -> Path:
    if str(run) == "@last":
        # The ids of runs begin with their time.
        runs = sorted(path for path in Path("runs").glob("*/result.json"))
        if not runs:
            raise FileNotFoundError("there is no run with a result below `runs`")
        return runs[-1]
    for path in (run, run / "result.json", "runs" / run / "result.json"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{run}: no file, no folder of a run and no id below `runs`")


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """``{"energy_j": {"value": 1}}`` becomes ``{"energy_j": 1}``, other dicts ``{"metrics.accuracy": …}``."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict) and "value" in value and "method" in value:
            flat[key] = value["value"]
            flat |= {f"{key}.{end}": value[end] for end in ("low", "high", "method")}
        elif isinstance(value, dict):
            flat |= {f"{key}.{inner}": inside for inner, inside in _flat(value).items()}
        else:
            flat[key] = value
    return flat
