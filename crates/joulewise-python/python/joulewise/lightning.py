"""Spans of a Lightning ``Trainer``: ``Trainer(callbacks=[joulewise.lightning.Spans()])``."""

from __future__ import annotations

from typing import Any

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback

from ._callback import OpenSpans


class Spans(Callback):  # type: ignore[misc, unused-ignore]
    """Tells of ``fit``, ``epoch``, ``step``, ``validate`` and ``test``."""

    def __init__(self) -> None:
        self._spans = OpenSpans()

    def on_fit_start(self, *_: Any) -> None:
        self._spans.begin("fit")

    def on_fit_end(self, *_: Any) -> None:
        self._spans.end("fit")

    def on_train_epoch_start(self, *_: Any) -> None:
        self._spans.begin("epoch")

    def on_train_epoch_end(self, *_: Any) -> None:
        self._spans.end("epoch")

    def on_train_batch_start(self, *_: Any) -> None:
        self._spans.begin("step")

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self._spans.end("step")

    def on_validation_start(self, *_: Any) -> None:
        self._spans.begin("validate")

    def on_validation_end(self, *_: Any) -> None:
        self._spans.end("validate")

    def on_test_start(self, *_: Any) -> None:
        self._spans.begin("test")

    def on_test_end(self, *_: Any) -> None:
        self._spans.end("test")
