"""The way to the meter: a datagram socket that never makes the program wait for long."""

from __future__ import annotations

import atexit
import socket
import struct
import threading
import weakref

# How long a full queue may hold the program up, in microseconds. Once that has happened, messages are kept without
# waiting, until there is room again.
_PATIENCE_US = 20_000
# How often the end of a program asks for room, each time for so long.
_TRIES = 100
# How much of what the queue had no room for goes into one datagram, in bytes.
_LARGEST = 32_768
# So many messages are kept for a meter that does not read; what comes then is lost.
_MOST_KEPT = 50_000


class Meter:
    """A connected socket, and the messages that its queue had no room for.

    These may wait: each says when it was meant for.
    """

    __slots__ = ("_kept", "_lock", "_send", "_socket", "__weakref__")

    def __init__(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, _PATIENCE_US))
        self._socket = connected
        self._send = connected.send
        self._kept: list[bytes] = []
        self._lock = threading.Lock()
        _all.add(self)

    @classmethod
    def connect(cls, path: str) -> Meter | None:
        """The way to the meter that listens there; None if nobody does."""
        unbound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            unbound.connect(path)
        except (OSError, ValueError):
            unbound.close()
            return None
        return cls(unbound)

    @property
    def is_open(self) -> bool:
        """Whether the meter was there when something was last told."""
        return self._socket.fileno() >= 0

    def tell(self, message: bytes) -> None:
        """Sends a message, or keeps it for later."""
        if self._kept:
            self._tell_after_kept(message)
            return
        try:
            self._send(message)
        except BlockingIOError:
            with self._lock:
                self._kept.append(message)
        except OSError:
            self._socket.close()

    def _tell_after_kept(self, message: bytes) -> None:
        with self._lock:
            if len(self._kept) < _MOST_KEPT:
                self._kept.append(message)
            self._send_kept(socket.MSG_DONTWAIT)

    def _send_kept(self, flags: int) -> None:
        kept = self._kept
        while kept:
            size = count = 0
            for message in kept:
                size += len(message) + 1
                if size > _LARGEST and count:
                    break
                count += 1
            try:
                self._send(b"\n".join(kept[:count]), flags)
            except BlockingIOError:
                return
            except OSError:
                self._socket.close()
                kept.clear()
                return
            del kept[:count]

    def forget(self) -> None:
        """Drops what is kept: after a fork it is the parent's to send."""
        self._lock = threading.Lock()
        self._kept.clear()

    def close(self) -> None:
        """Sends what is kept, waiting a little for room, and says nothing more."""
        with self._lock:
            for _ in range(_TRIES):
                self._send_kept(0)
                if not self._kept:
                    break
            self._kept.clear()
            self._socket.close()


_all: weakref.WeakSet[Meter] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for meter in list(_all):
        meter.close()
