"""What callbacks of trainers share: spans that are begun in one call and ended in another."""

from __future__ import annotations

from ._span import span


class OpenSpans:
    """The spans that a trainer is in, by name. An end without a begin does nothing."""

    def __init__(self) -> None:
        self._open: dict[str, span] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._open

    def begin(self, name: str) -> None:
        self._open[name] = span(name).__enter__()

    def end(self, name: str) -> None:
        if name in self._open:
            self._open.pop(name).__exit__(None, None, None)
