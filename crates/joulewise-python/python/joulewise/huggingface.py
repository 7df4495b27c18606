"""Spans of a Hugging Face ``Trainer``: ``Trainer(..., callbacks=[joulewise.huggingface.Spans()])``."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ._callback import OpenSpans
from ._span import metric


class Spans(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Tells of ``train``, ``epoch``, ``load``, ``step`` and ``evaluate``, and of what an evaluation gives."""

    def __init__(self) -> None:
        self._spans = OpenSpans()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._spans.begin("train")

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._spans.end("train")

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._spans.begin("epoch")
        self._spans.begin("load")

    def on_epoch_end(self, arguments: Any, state: Any, control: Any, **_: Any) -> None:
        self._spans.end("load")
        self._spans.end("epoch")
        self._go_on(control)

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._spans.end("load")
        self._spans.begin("step")

    def on_step_end(self, arguments: Any, state: Any, control: Any, **_: Any) -> None:
        self._spans.end("step")
        self._go_on(control)

    def on_evaluate(
        self, arguments: Any, state: Any, control: Any, metrics: dict[str, Any] | None = None, **_: Any
    ) -> None:
        self._spans.end("evaluate")
        for name, value in (metrics or {}).items():
            if isinstance(value, (int, float)):
                metric(name, value)
        self._load(control)

    def on_save(self, *_: Any, **__: Any) -> None:
        self._load(None)

    def _go_on(self, control: Any) -> None:
        """What the trainer does next: it evaluates, it saves, or it waits for the next batch."""
        if getattr(control, "should_evaluate", False):
            self._spans.begin("evaluate")
        else:
            self._load(control)

    def _load(self, control: Any) -> None:
        if "epoch" in self._spans and "load" not in self._spans and not getattr(control, "should_save", False):
            self._spans.begin("load")
