"""Spans of a Lightning ``Trainer``: ``Trainer(callbacks=[joulewise.lightning.Spans()])``."""

from __future__ import annotations

from typing import Any

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback

from ._span import span


class Spans(Callback):  # type: ignore[misc, unused-ignore]
    """Tells of ``fit``, ``epoch``, ``step``, ``validate`` and ``test``."""

    def __init__(self) -> None:
        self._open: dict[str, span] = {}

    def _begin(self, name: str) -> None:
        self._open[name] = span(name).__enter__()

    def _end(self, name: str) -> None:
        if name in self._open:
            self._open.pop(name).__exit__(None, None, None)

    def on_fit_start(self, *_: Any) -> None:
        self._begin("fit")

    def on_fit_end(self, *_: Any) -> None:
        self._end("fit")

    def on_train_epoch_start(self, *_: Any) -> None:
        self._begin("epoch")

    def on_train_epoch_end(self, *_: Any) -> None:
        self._end("epoch")

    def on_train_batch_start(self, *_: Any) -> None:
        self._begin("step")

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self._end("step")

    def on_validation_start(self, *_: Any) -> None:
        self._begin("validate")

    def on_validation_end(self, *_: Any) -> None:
        self._end("validate")

    def on_test_start(self, *_: Any) -> None:
        self._begin("test")

    def on_test_end(self, *_: Any) -> None:
        self._end("test")
