"""What `bridge` stands on, and whoever else brings callers of a new kind to the hub thread.

It is public for integrators, not for applications: nothing here is needed to use a client. A caller
of a new kind is a subclass of `Call` (how it gets its outcome) and one of `Port` (how a batch of
outcomes wakes its side). `Context` is the identity that a request belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenmongo._api.bulk.load import BulkLoad
from greenmongo._api.change_stream import (
    abandon_changes,
    look_for_change,
    take_change,
    wait_for_change,
)
from greenmongo._api.configured import WithoutTruth, not_callable
from greenmongo._api.cursor_internals import CursorInternals, internals_of
from greenmongo._api.in_place import begin_of
from greenmongo._api.request import Request
from greenmongo._api.session_blocks import BoundSession, TransactionBlock, is_leaving
from greenmongo._api.session_internals import (
    ends_at_once,
    leave_session,
    leave_transaction,
    limit_of_transaction,
    transaction_steps,
)
from greenmongo._core.options import ClientOptions
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.sessions.client_session import SessionLike
from greenmongo._core.sessions.options import SessionOptions
from greenmongo._core.types import Address, ReadMode
from greenmongo._hub.call import NOTICE, Call, CallState, DetachedCall
from greenmongo._hub.context import Context
from greenmongo._hub.errors import CallAbandoned, HubClosed, MisuseError
from greenmongo._hub.native import ThreadLocal
from greenmongo._hub.native import allocate_lock as allocate_native_lock
from greenmongo._hub.native import sleep as native_sleep
from greenmongo._hub.native import start_new_thread as start_native_thread
from greenmongo._hub.one_shot import OneShot, new_one_shot
from greenmongo._hub.outbox import Port
from greenmongo._hub.process import acquire
from greenmongo._hub.run_once import RunOnce
from greenmongo._hub.thread import HubThread
from greenmongo._hub.upcall import in_own_place
from greenmongo._lazy_names import lazy_names
from greenmongo._net.caller_context import carries_context

if TYPE_CHECKING:
    from greenmongo._api.client import MongoClient
    from greenmongo._api.gridfs.download import Download
    from greenmongo._api.gridfs.fields import grid_in_field, grid_out_field
    from greenmongo._api.gridfs.internals import (
        download_of,
        file_of,
        one_operation_of,
        steps_of,
        upload_of,
    )
    from greenmongo._api.gridfs.sources import as_bytes
    from greenmongo._api.gridfs.upload import Upload, add_context
    from greenmongo._core.gridfs.reader import ReadSteps
    from greenmongo._net.executor import Executor
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "Download": "greenmongo._api.gridfs.download",
            "ReadSteps": "greenmongo._core.gridfs.reader",
            "Upload": "greenmongo._api.gridfs.upload",
            "add_context": "greenmongo._api.gridfs.upload",
            "as_bytes": "greenmongo._api.gridfs.sources",
            "download_of": "greenmongo._api.gridfs.internals",
            "file_of": "greenmongo._api.gridfs.internals",
            "grid_in_field": "greenmongo._api.gridfs.fields",
            "grid_out_field": "greenmongo._api.gridfs.fields",
            "one_operation_of": "greenmongo._api.gridfs.internals",
            "steps_of": "greenmongo._api.gridfs.internals",
            "upload_of": "greenmongo._api.gridfs.internals",
        },
    )

__all__ = [
    "Address",
    "BoundSession",
    "BulkLoad",
    "Call",
    "CallAbandoned",
    "CallState",
    "ClientOptions",
    "Context",
    "CursorInternals",
    "DetachedCall",
    "HubClosed",
    "HubThread",
    "MisuseError",
    "NOTICE",
    "OneShot",
    "Port",
    "ReadMode",
    "Request",
    "RunOnce",
    "SessionLike",
    "SessionOptions",
    "ThreadLocal",
    "TopologyDescription",
    "TransactionBlock",
    "WithoutTruth",
    "abandon_changes",
    "acquire",
    "allocate_native_lock",
    "begin_of",
    "carries_context",
    "ends_at_once",
    "executor_of",
    "in_own_place",
    "internals_of",
    "is_leaving",
    "lazy_names",
    "is_open",
    "leave_session",
    "leave_transaction",
    "look_for_change",
    "limit_of_transaction",
    "native_sleep",
    "new_one_shot",
    "not_callable",
    "request_depth",
    "start_native_thread",
    "take_change",
    "thread_of",
    "transaction_steps",
    "wait_for_change",
    "wants_context",
    "Download",
    "ReadSteps",
    "Upload",
    "add_context",
    "as_bytes",
    "download_of",
    "file_of",
    "grid_in_field",
    "grid_out_field",
    "one_operation_of",
    "steps_of",
    "upload_of",
]


def thread_of(client: MongoClient[Any]) -> HubThread:
    """Return the hub thread a client lives on, opening the client if need be."""
    return client._executor.thread


def executor_of(client: MongoClient[Any]) -> Executor:
    """Return what hands a client's commands over; its `thread` is what `thread_of` returns."""
    return client._executor


def is_open(client: MongoClient[Any]) -> bool:
    """Tell whether a client has been used and not been closed. Any side."""
    return client._executor.is_open


def request_depth(client: MongoClient[Any], context: Context) -> int:
    """Return how deep in a request a context is. Neither crosses nor waits. Any side."""
    return client._executor.request_depth(context)


def wants_context(client: MongoClient[Any]) -> bool:
    """Return whether who observes a client's commands wants the callers' context variables."""
    return client._executor.wants_context
