"""Sends and receives on sockets that do not block.

Python gives its interpreter lock, the GIL, away for every system call. Beside a busy thread it
comes back after the switch interval, 5 ms: a hundred times what such a call takes. So once a send
was late, small ones keep the GIL, until one that gives it away finds out whether threads are
still busy.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from greenmongo._hub.watchdog import never_blocks

ctypes: Any
try:
    import ctypes
except ImportError:
    # Python was built without libffi.
    ctypes = None

__all__ = ["CONTENTION", "LATE", "Contention", "receive_some", "send_some"]

LATE = 0.002
"""Seconds after which a call that does not block was late: another thread had the GIL."""
_TRUSTED = 50
"""How many sends keep the GIL before one finds out whether that is still needed."""
_SMALL = 32 * 1024
"""Bytes that are copied within microseconds."""


def _library() -> Any:
    """Return the C library, None where it cannot be called or has no sockets."""
    if ctypes is None or sys.platform == "win32":
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

    def record_late_send(self) -> None:
        """Record a send that took longer than `LATE`."""
        if _LIBRARY is not None:
            self.is_on, self._left = True, _TRUSTED

    def record_kept_send(self) -> None:
        """Record a send that kept the GIL."""
        self._left -= 1
        self.is_on = self._left > 0


CONTENTION = Contention()
"""The process's: it has one GIL."""


@never_blocks
def send_some(sock: socket.socket, data: bytes | memoryview) -> int:
    """Return how much of `data` the socket took.

    Raises:
        OSError: as `socket.send` does; also InterruptedError, where that tries again.
    """
    if CONTENTION.is_on and len(data) <= _SMALL:
        CONTENTION.record_kept_send()
        return _checked(_LIBRARY.send(sock.fileno(), bytes(data), len(data), _NO_SIGNAL))
    return sock.send(data)


@never_blocks
def receive_some(sock: socket.socket, view: memoryview) -> int:
    """Return how much was written into `view`, 0 at the end of the stream.

    Raises:
        OSError: as `socket.recv_into` does; also InterruptedError, where that tries again.
    """
    if CONTENTION.is_on and len(view) <= _SMALL:
        begin = ctypes.byref(ctypes.c_char.from_buffer(view))
        return _checked(_LIBRARY.recv(sock.fileno(), begin, len(view), 0))
    return sock.recv_into(view)


def _checked(count: int) -> int:
    if count < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return count
