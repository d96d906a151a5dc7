"""What every handshake of one client tells of it, to which wrapping libraries may add."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from greenmongo._core.client_metadata import build_metadata
from greenmongo._hub.native import RLock
from greenmongo._net.environment import environment_facts

if TYPE_CHECKING:
    from greenmongo._core.client_metadata import DriverInfoLike
    from greenmongo._core.options import ClientOptions
    from greenmongo._core.types import Document

__all__ = ["ClientMetadata"]


class ClientMetadata:
    """The `client` document of handshakes. Any side.

    Args:
        options: for the names of the application and of the first wrapping library.
    """

    def __init__(self, options: ClientOptions) -> None:
        self._app_name = options.app_name
        self._libraries: tuple[DriverInfoLike, ...] = ()
        # Reentrant: a signal handler or a finaliser may come in between.
        self._lock = RLock()
        self.document: Document = build_metadata(self._app_name, (), environment_facts())
        """Never changed, only exchanged."""
        if options.driver_info is not None:
            self.append(options.driver_info)

    def copy(self) -> Document:
        """Return a document of the reader's own."""
        return deepcopy(self.document)

    def append(self, library: DriverInfoLike) -> None:
        """Add a library that wraps the driver; nothing new if it is there already.

        Raises:
            ValueError: its words contain the delimiter.
        """
        with self._lock:
            if _words(library) in map(_words, self._libraries):
                return
            libraries = (*self._libraries, library)
            document = build_metadata(self._app_name, libraries, environment_facts())
            if document != self.document:
                # Else there is no room for it, nor a need to remember it.
                self.document, self._libraries = document, libraries


def _words(library: DriverInfoLike) -> tuple[str, ...]:
    return library.name or "", library.version or "", library.platform or ""
