"""Spans and metrics: what a program tells the meter of itself."""

from __future__ import annotations

import functools
import inspect
import itertools
import json
import os
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from time import monotonic_ns
from typing import Any, ParamSpec, SupportsFloat, TypeVar, overload

from ._meter import Meter

_P = ParamSpec("_P")
_R = TypeVar("_R")

# What names the socket in the environment of a program that is measured.
VARIABLE = "JOULEWISE_SPANS"
# The folder of the trial that this program is, if it is one.
TRIAL_FOLDER = "JOULEWISE_OUT"

_meter: Meter | None = None
_innermost: ContextVar[bytes] = ContextVar("joulewise_innermost", default=b"-")
_numbers = itertools.count(1)
_process = b""


class span:
    """A stretch of the program: ``with joulewise.span("epoch"): ...``.

    It counts whatever the machine uses in that time. Spans nest, also across ``await``, and may overlap. Those of the
    same name inside the same span are added up. Where nothing is measured it does nothing.
    """

    __slots__ = ("name", "_key", "_outer")

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = b""
        self._outer: bytes | None = None

    def __enter__(self) -> span:
        meter = _meter
        if meter is not None:
            self._key = b"%b.%d" % (_process, next(_numbers))
            name = " ".join(self.name.split()).encode(errors="replace")
            self._outer = parent = _innermost.get()
            _innermost.set(self._key)
            meter.tell(b"begin %d %b %b %b" % (monotonic_ns(), self._key, parent, name))
        return self

    def __exit__(self, *_: object) -> None:
        now = monotonic_ns()
        meter, outer = _meter, self._outer
        if outer is None:
            return
        self._outer = None
        # Spans that overlap, or that end in another task than they began in, leave others their place.
        if _innermost.get() == self._key:
            _innermost.set(outer)
        if meter is not None:
            meter.tell(b"end %d %b" % (now, self._key))


@overload
def measured(function: Callable[_P, _R], /) -> Callable[_P, _R]: ...
@overload
def measured(name: str, /) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
def measured(function_or_name: Any, /) -> Any:
    """Makes each call of a function a span of its name: ``@joulewise.measured`` or ``@joulewise.measured("load")``."""
    if isinstance(function_or_name, str):
        return functools.partial(_measured, name=function_or_name)
    return _measured(function_or_name, name=function_or_name.__qualname__)


def _measured(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def in_span(*args: Any, **kwargs: Any) -> Any:
            with span(name):
                return await function(*args, **kwargs)

    elif inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def in_span(*args: Any, **kwargs: Any) -> Any:
            with span(name):
                return (yield from function(*args, **kwargs))

    else:

        @functools.wraps(function)
        def in_span(*args: Any, **kwargs: Any) -> Any:
            with span(name):
                return function(*args, **kwargs)

    return in_span


def metric(name: str, value: SupportsFloat) -> None:
    """Tells of a value of a metric, as ``joulewise.metric("val_accuracy", 0.91)`` after each epoch.

    It shows whether a training still gets anywhere for its joules, and tells ``joulewise tune`` how a trial does. Where
    nobody listens it does nothing.
    """
    number, name = float(value), " ".join(name.split())
    folder = os.environ.get(TRIAL_FOLDER)
    if folder:
        _report(folder, name, number)
    meter = _meter
    if meter is not None:
        meter.tell(b"metric %d %b %b" % (monotonic_ns(), repr(number).encode(), name.encode(errors="replace")))


def _report(folder: str, name: str, value: float) -> None:
    # One write per line: processes that append at a time do not mix theirs.
    line = json.dumps({name: value}) + "\n"
    try:
        with open(os.path.join(folder, "metrics.jsonl"), "a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        # A training is worth more than what is told of it.
        warnings.warn(f"the metric {name!r} is not told of: {error}", RuntimeWarning, stacklevel=3)


def is_measured() -> bool:
    """Whether somebody listens to the spans and the metrics of this program."""
    return _meter is not None and _meter.is_open


def connect(socket: str | None) -> str | None:
    """Tells of spans at that socket from now on, in this process and in those that it starts; gives the one before."""
    global _meter
    before = os.environ.pop(VARIABLE, None)
    if socket is not None:
        os.environ[VARIABLE] = socket
    if _meter is not None:
        _meter.close()
    _meter = Meter.connect(socket) if socket else None
    return before


def _name_process() -> None:
    # The time keeps apart processes that share a number, as in two containers.
    global _process
    _process = b"%d-%x" % (os.getpid(), monotonic_ns())
    if _meter is not None:
        _meter.forget()


_name_process()
os.register_at_fork(after_in_child=_name_process)
connect(os.environ.get(VARIABLE))
