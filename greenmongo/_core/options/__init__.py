"""The options of a client: their names, what counts as a value, and what they mean together.

A new option is a row of `table`, and a field of `ClientOptions` where its value is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenmongo._core.options.client_options import ClientOptions

if TYPE_CHECKING:
    from greenmongo._core.options.client_options import Listener

__all__ = ["ClientOptions", "Listener"]
