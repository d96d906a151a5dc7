"""The server's error codes by the server's own names, and its wire versions by release.

The names are those of `src/mongo/base/error_codes.yml` in the server's source, in capitals. A code
that has no name there has the one under which the specifications speak of it.
"""

from __future__ import annotations

from typing import Final

# ---- error codes, in the order of their numbers -----------------------------------------------

HOST_UNREACHABLE: Final = 6
HOST_NOT_FOUND: Final = 7
AUTHENTICATION_FAILED: Final = 18
ILLEGAL_OPERATION: Final = 20
NAMESPACE_NOT_FOUND: Final = 26
CURSOR_NOT_FOUND: Final = 43
MAX_TIME_MS_EXPIRED: Final = 50
COMMAND_NOT_FOUND: Final = 59
STALE_SHARD_VERSION: Final = 63
CANNOT_CREATE_INDEX: Final = 67
UNKNOWN_REPL_WRITE_CONCERN: Final = 79
NETWORK_TIMEOUT: Final = 89
SHUTDOWN_IN_PROGRESS: Final = 91
OPERATION_FAILED: Final = 96
UNSATISFIABLE_WRITE_CONCERN: Final = 100
FAILED_TO_SATISFY_READ_PREFERENCE: Final = 133
READ_CONCERN_MAJORITY_NOT_AVAILABLE_YET: Final = 134
CAPPED_POSITION_LOST: Final = 136
STALE_EPOCH: Final = 150
QUERY_PLAN_KILLED: Final = 175
PRIMARY_STEPPED_DOWN: Final = 189
INVALID_INDEX_SPECIFICATION_OPTION: Final = 197
RETRY_CHANGE_STREAM: Final = 234
CURSOR_KILLED: Final = 237
NO_SUCH_TRANSACTION: Final = 251
EXCEEDED_TIME_LIMIT: Final = 262
REAUTHENTICATION_REQUIRED: Final = 391
"""What the connection was logged in with has expired."""
ATLAS_ERROR: Final = 8000
"""From the proxies before the servers of Atlas; among others for credentials that are wrong."""
SOCKET_EXCEPTION: Final = 9001
LEGACY_NOT_PRIMARY: Final = 10058
NOT_WRITABLE_PRIMARY: Final = 10107
DUPLICATE_KEY: Final = 11000
DUPLICATE_KEY_ON_UPDATE: Final = 11001
"""Of servers before MongoDB 2.6, which told updates from inserts."""
INTERRUPTED_AT_SHUTDOWN: Final = 11600
INTERRUPTED_DUE_TO_REPL_STATE_CHANGE: Final = 11602
DUPLICATE_KEY_IN_CAPPED: Final = 12582
"""From mongos, and for capped collections, before MongoDB 2.6."""
STALE_CONFIG: Final = 13388
NOT_PRIMARY_NO_SECONDARY_OK: Final = 13435
NOT_PRIMARY_OR_SECONDARY: Final = 13436
GET_MORE_EXECUTOR_ERROR: Final = 17406
"""MongoDB 3.0: a capped collection has overtaken its reader."""
RUNNER_KILLED_DURING_GET_MORE: Final = 28617
"""MongoDB 2.6: the same."""
IDL_UNKNOWN_FIELD: Final = 40415
GET_LAST_ERROR_REMOVED: Final = 5739000

# ---- sets of them, as the specifications define them ------------------------------------------

# SDAM, "Determining if an error is 'node is shutting down'"
NODE_IS_SHUTTING_DOWN: Final = frozenset({INTERRUPTED_AT_SHUTDOWN, SHUTDOWN_IN_PROGRESS})

# SDAM, "'not writable primary' and 'node is recovering'"
NODE_IS_RECOVERING: Final = NODE_IS_SHUTTING_DOWN | {
    INTERRUPTED_DUE_TO_REPL_STATE_CHANGE,
    NOT_PRIMARY_OR_SECONDARY,
    PRIMARY_STEPPED_DOWN,
}
NOT_WRITABLE_PRIMARY_CODES: Final = frozenset(
    {NOT_WRITABLE_PRIMARY, NOT_PRIMARY_NO_SECONDARY_OK, LEGACY_NOT_PRIMARY}
)
STATE_CHANGE_CODES: Final = NODE_IS_RECOVERING | NOT_WRITABLE_PRIMARY_CODES
"""What the specification calls state change errors: "not writable primary" or "recovering"."""

# Retryable Reads, "Retryable Error"; Retryable Writes has the same without
# READ_CONCERN_MAJORITY_NOT_AVAILABLE_YET, but since MongoDB 4.4 servers label what they allow.
RETRYABLE_CODES: Final = STATE_CHANGE_CODES | {
    EXCEEDED_TIME_LIMIT,
    HOST_NOT_FOUND,
    HOST_UNREACHABLE,
    NETWORK_TIMEOUT,
    READ_CONCERN_MAJORITY_NOT_AVAILABLE_YET,
    SOCKET_EXCEPTION,
}

# Change Streams, "Resumable Error": since MongoDB 4.4 servers label those of theirs.
RESUMABLE_CODES: Final = NODE_IS_RECOVERING | {
    CURSOR_NOT_FOUND,
    EXCEEDED_TIME_LIMIT,
    FAILED_TO_SATISFY_READ_PREFERENCE,
    HOST_NOT_FOUND,
    HOST_UNREACHABLE,
    NETWORK_TIMEOUT,
    NOT_PRIMARY_NO_SECONDARY_OK,
    NOT_WRITABLE_PRIMARY,
    RETRY_CHANGE_STREAM,
    SOCKET_EXCEPTION,
    STALE_CONFIG,
    STALE_EPOCH,
    STALE_SHARD_VERSION,
}

AUTHENTICATION_CODES: Final = frozenset({AUTHENTICATION_FAILED, ATLAS_ERROR})

DUPLICATE_KEY_CODES: Final = frozenset(
    {DUPLICATE_KEY, DUPLICATE_KEY_ON_UPDATE, DUPLICATE_KEY_IN_CAPPED}
)

CURSOR_GONE_CODES: Final = frozenset(
    {
        CAPPED_POSITION_LOST,
        CURSOR_KILLED,
        CURSOR_NOT_FOUND,
        GET_MORE_EXECUTOR_ERROR,
        # MongoDB 3.2 and 3.4: a capped collection has overtaken its reader.
        OPERATION_FAILED,
        QUERY_PLAN_KILLED,
        RUNNER_KILLED_DURING_GET_MORE,
    }
)
"""Errors after which the server holds no cursor."""

# ---- wire versions by the release that first spoke them ---------------------------------------

SERVER_4_2_WIRE_VERSION: Final = 8
SERVER_4_4_WIRE_VERSION: Final = 9
SERVER_5_0_WIRE_VERSION: Final = 13
SERVER_6_0_WIRE_VERSION: Final = 17
SERVER_8_0_WIRE_VERSION: Final = 25
SERVER_9_0_WIRE_VERSION: Final = 29
