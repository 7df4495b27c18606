"""Spans of a Hugging Face ``Trainer``: ``Trainer(..., callbacks=[joulewise.huggingface.Spans()])``."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ._callback import OpenSpans


class Spans(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Tells of ``train``, ``epoch`` and ``step``."""

    def __init__(self) -> None:
        self._spans = OpenSpans()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._spans.begin("train")

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._spans.end("train")

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._spans.begin("epoch")

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self._spans.end("epoch")

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._spans.begin("step")

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._spans.end("step")
