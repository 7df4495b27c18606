"""Spans of a Lightning ``Trainer``: ``Trainer(callbacks=[joulewise.lightning.Spans()])``."""

from __future__ import annotations

from typing import Any

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback

from ._callback import OpenSpans
from ._span import metric


class Spans(Callback):  # type: ignore[misc, unused-ignore]
    """Tells of ``fit``, ``epoch``, ``load``, ``step``, ``validate`` and ``test``, and of what the validation logs."""

    def __init__(self) -> None:
        self._spans = OpenSpans()

    def on_fit_start(self, *_: Any) -> None:
        self._spans.begin("fit")

    def on_fit_end(self, *_: Any) -> None:
        self._spans.end("fit")

    def on_train_epoch_start(self, *_: Any) -> None:
        self._spans.begin("epoch")
        self._spans.begin("load")

    def on_train_epoch_end(self, *_: Any) -> None:
        self._spans.end("load")
        self._spans.end("epoch")

    def on_train_batch_start(self, *_: Any) -> None:
        self._spans.end("load")
        self._spans.begin("step")

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self._spans.end("step")
        self._spans.begin("load")

    def on_validation_start(self, *_: Any) -> None:
        self._spans.end("load")
        self._spans.begin("validate")

    def on_validation_end(self, trainer: Any, *_: Any) -> None:
        self._spans.end("validate")
        # The first validation of a training only tries whether it works.
        if getattr(trainer, "sanity_checking", False):
            return
        for name, value in getattr(trainer, "callback_metrics", {}).items():
            metric(name, value)
        if "epoch" in self._spans:
            self._spans.begin("load")

    def on_test_start(self, *_: Any) -> None:
        self._spans.begin("test")

    def on_test_end(self, *_: Any) -> None:
        self._spans.end("test")
