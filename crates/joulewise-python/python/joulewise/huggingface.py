"""Spans of a Hugging Face ``Trainer``: ``Trainer(..., callbacks=[joulewise.huggingface.Spans()])``."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ._span import span


class Spans(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Tells of ``train``, ``epoch`` and ``step``."""

    def __init__(self) -> None:
        self._open: dict[str, span] = {}

    def _begin(self, name: str) -> None:
        self._open[name] = span(name).__enter__()

    def _end(self, name: str) -> None:
        if name in self._open:
            self._open.pop(name).__exit__(None, None, None)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._begin("train")

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._end("train")

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._begin("epoch")

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self._end("epoch")

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._begin("step")

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._end("step")
