"""Sends and receives during which Python keeps its interpreter lock, the GIL.

Python gives the GIL away for every system call. Beside a busy thread it comes back after the
switch interval, 5 ms: a hundred times what a call takes on a socket that never blocks. So once a
send was late, the next calls are made here, until a send in the ordinary way finds out whether
threads are still busy.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from typing import Any

__all__ = ["CONTENTION", "Contention", "receive_kept", "send_kept"]

_LATE = 0.002
"""Seconds after which a call that does not block was late: another thread had the GIL."""
_TRUSTED = 50
"""How many sends keep the GIL before one finds out whether that is still needed."""


def _library() -> Any:
    """Return the C library, None where it has no sockets."""
    if sys.platform == "win32":
        return None
    library = ctypes.PyDLL(None, use_errno=True)
    library.send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
    library.recv.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    library.send.restype = library.recv.restype = ctypes.c_ssize_t
    return library


_LIBRARY = _library()
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)


class Contention:
    """Whether other threads keep the GIL for long, as far as sends have found out.

    Not locked: where hub threads count at the same moment, a send more or less keeps the GIL.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._left = 0

    def has_taken(self, seconds: float) -> bool:
        """Note how long a send took that gave the GIL away; tell whether it was late."""
        is_late = seconds > _LATE
        if is_late and _LIBRARY is not None:
            self.is_on, self._left = True, _TRUSTED
        return is_late

    def has_kept(self) -> None:
        """Note a send that kept the GIL."""
        self._left -= 1
        self.is_on = self._left > 0


CONTENTION = Contention()
"""The process's: it has one GIL."""


def send_kept(fileno: int, data: bytes) -> int:
    """Return how much of `data` a non-blocking socket took.

    Raises:
        OSError: as `socket.send` does; also InterruptedError, where that tries again.
    """
    return _checked(_LIBRARY.send(fileno, data, len(data), _NO_SIGNAL))


def receive_kept(fileno: int, view: memoryview) -> int:
    """Return how much a non-blocking socket has written into `view`, 0 at the end of the stream.

    Raises:
        OSError: as `socket.recv_into` does; also InterruptedError, where that tries again.
    """
    begin = ctypes.byref(ctypes.c_char.from_buffer(view))
    return _checked(_LIBRARY.recv(fileno, begin, len(view), 0))


def _checked(count: int) -> int:
    if count < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return count
