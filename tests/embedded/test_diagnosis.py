"""Last words of real servers (mongod 6.0), and what they are read as."""

from __future__ import annotations

import json
import signal

import pytest

from greenmongo.embedded._diagnosis import explain_exec_failure, explain_exit, last_messages


def entry(severity: str, msg: str, **attributes: object) -> str:
    return json.dumps({"s": severity, "c": "X", "id": 1, "msg": msg, "attr": attributes})


PORT = entry(
    "E",
    "Error setting up listener",
    error={"code": 9001, "codeName": "SocketException", "errmsg": "Address already in use"},
)
DISK = entry(
    "E",
    "WiredTiger error message",
    error=28,
    message={
        "msg": "__posix_file_write:621:/d/x.wt: handle-write: pwrite: failed to write 4096 bytes",
        "error_str": "No space left on device",
        "error_code": 28,
    },
)
PARAMETER = entry(
    "F",
    "Error during global initialization",
    error={"code": 2, "codeName": "BadValue", "errmsg": "Unknown --setParameter 'nope'"},
)
CERTIFICATE = entry(
    "E",
    "Cannot read certificate file",
    keyFile="/x.pem",
    error="error:FFFFFFFF80000002:system library::No such file or directory",
)
LOADER = (
    "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file:"
    " No such file or directory\n"
)
GLIBC = "mongod: /lib/libc.so.6: version `GLIBC_2.34' not found (required by mongod)\n"
OPTION = "Error parsing command line: unrecognised option '--bogus'\ntry 'mongod --help'\n"


@pytest.mark.parametrize(
    ("log", "output", "status", "kind", "cause", "fix"),
    [
        (PORT, "", 48, "port", "Address already in use", "another port"),
        (DISK, "", -6, "disk", "No space left on device", "TMPDIR"),
        (PARAMETER, "", 1, "option", "'nope'", "remove"),
        (CERTIFICATE, "", 1, "certificate", "Cannot read certificate file", "tls"),
        ("", LOADER, 127, "library", "libcurl.so.4", "apt-get install libcurl4"),
        ("", GLIBC, 1, "platform", "GLIBC_2.34", "newer system"),
        ("", OPTION, 2, "option", "--bogus", "remove"),
        ("", "", -signal.SIGILL, "platform", "AVX", "GREENMONGO_MONGOD"),
        ("", "", None, "unknown", "no message", "GREENMONGO_MONGOD"),
    ],
)
def test_the_cause_and_the_cure_are_named(
    log: str, output: str, status: int | None, kind: str, cause: str, fix: str
) -> None:
    error = explain_exit(log, output, status)
    assert error.kind == kind
    assert cause in error.cause
    assert fix in error.fix
    assert error.cause in str(error)
    assert error.fix in str(error)


def test_an_unknown_library_is_named_without_a_guess_at_its_package() -> None:
    error = explain_exit("", "x: error while loading shared libraries: libodd.so.9: no", 127)
    assert "libodd.so.9" in error.fix
    assert "apt-get" not in error.fix


def test_the_gravest_message_comes_first_and_once() -> None:
    log = "\n".join([PORT, PORT, "cut sho", entry("I", "hello"), PARAMETER])
    assert last_messages(log) == [
        "Error during global initialization: Unknown --setParameter 'nope'",
        "Error setting up listener: Address already in use",
    ]


def test_a_foreign_program_is_a_matter_of_the_platform() -> None:
    error = explain_exec_failure("/x/mongod", "Exec format error")
    assert error.kind == "platform"
    assert "/x/mongod" in error.cause
