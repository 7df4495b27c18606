"""Say where the joules of a Python program go.

Run the program with ``joulewise measure -- python train.py``, and name stretches of it:

    with joulewise.span("epoch"):
        ...

Tell of a metric, and what is burnt without use shows beside the joules:

    joulewise.metric("val_accuracy", 0.91)

In a notebook, meter the process itself:

    with joulewise.Session() as session:
        ...
    session.report

``joulewise.load`` reads what runs and measurements have left. The callbacks for training loops are in
``joulewise.pytorch``, ``joulewise.lightning`` and ``joulewise.huggingface``, to be imported by name.
"""

from ._load import Run, load
from ._session import Report, Session
from ._span import is_measured, measured, metric, span

__all__ = ["Report", "Run", "Session", "is_measured", "load", "measured", "metric", "span"]
