"""Spans of a plain PyTorch loop.

    for epoch in joulewise.pytorch.epochs(10):
        for pictures, labels in joulewise.pytorch.batches(loader):
            ...

The wait for a batch is a span ``load``, the work on it a span ``step``, both inside ``epoch``. Work on a GPU goes on
after the call that asked for it has returned: with ``synchronise=True`` the loop waits for it before each edge, which
makes the spans right and the training a little slower.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ._span import is_measured, span

_T = TypeVar("_T")


def epochs(number: int | Iterable[_T], *, synchronise: bool = False) -> Iterator[_T | int]:
    """Counts through epochs, or goes through an iterable of them, each a span ``epoch``."""
    each = range(number) if isinstance(number, int) else number
    wait = _waiter(synchronise)
    for epoch in each:
        with span("epoch"):
            yield epoch
            wait()


def batches(loader: Iterable[_T], *, synchronise: bool = False) -> Iterator[_T]:
    """Goes through the batches of a loader: each wait is a span ``load``, the work on each batch a span ``step``."""
    wait = _waiter(synchronise)
    iterator = iter(loader)
    while True:
        with span("load"):
            try:
                batch = next(iterator)
            except StopIteration:
                return
        with span("step"):
            yield batch
            wait()


def _waiter(synchronise: bool) -> Callable[[], None]:
    """What waits for the GPU's work, if there is any and somebody measures."""
    if synchronise and is_measured():
        import torch

        if torch.cuda.is_available():
            return torch.cuda.synchronize
    return lambda: None
