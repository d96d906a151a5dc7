"""Find out why a server ended: from its JSON log, what it printed, and its exit status."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

from greenmongo.embedded._errors import EmbeddedServerError

__all__ = ["explain_exec_failure", "explain_exit", "last_messages"]

DEBIAN_PACKAGES = {
    "libcurl": "libcurl4",
    "liblzma": "liblzma5",
    "libssl": "libssl3",
    "libcrypto": "libssl3",
}
# A text in the log or on standard error, its kind, and the remedy; the first match counts.
SYMPTOMS = (
    (
        r"GLIBC_[\d.]+' not found",
        "platform",
        "use a newer system (the mongod was built for glibc 2.35), or point GREENMONGO_MONGOD at a"
        " mongod built for this one",
    ),
    (
        r"Address already in use",
        "port",
        "choose another port, or leave the port out to have a free one found",
    ),
    (
        r"No space left on device|Insufficient free space|Disk quota exceeded",
        "disk",
        "free some space, or set TMPDIR to a directory on a larger disk",
    ),
    (
        r"[Cc]ertificate|InvalidSSLConfiguration|PEM",
        "certificate",
        "check that the files given as `tls` exist, are PEM, and belong together",
    ),
    (
        r"Unknown --setParameter|[Uu]nrecognised option|Error parsing command line|BadValue",
        "option",
        "remove or correct the parameter; this mongod does not know it",
    ),
    (
        r"Too many open files",
        "permission",
        "raise the limit of open files (ulimit -n) and try again",
    ),
    (
        r"Permission denied|Operation not permitted",
        "permission",
        "use a port above 1023 and a temporary directory (TMPDIR) that this user may write to",
    ),
)
WORTH_TELLING = {"F": 0, "E": 1, "W": 2}


def explain_exit(log: str, output: str, status: int | None) -> EmbeddedServerError:
    """Return the error that says why the server ended.

    Args:
        log: the server's JSON log, whole or its end.
        output: what it printed to standard output and error.
        status: its exit code, negative for a signal, None if nobody knows.
    """
    if missing := re.search(r"error while loading shared libraries: (\S+?):", output):
        return missing_library(missing[1])
    if status == -signal.SIGILL:
        return EmbeddedServerError(
            "this processor lacks instructions that the mongod was built with (AVX)",
            "point GREENMONGO_MONGOD at a mongod 4.4, or at one built for this processor",
            "platform",
        )
    told = last_messages(log) or [line for line in output.splitlines() if line.strip()][-3:]
    text = "\n".join(told)
    for pattern, kind, fix in SYMPTOMS:
        if match := re.search(pattern, text):
            line = next((line for line in told if match[0] in line), text)
            return EmbeddedServerError(f"mongod ended ({ending(status)}): {line}", fix, kind)
    return EmbeddedServerError(
        f"mongod ended ({ending(status)}): {text or 'it left no message'}",
        "the messages above are mongod's own; GREENMONGO_MONGOD chooses another mongod",
    )


def explain_exec_failure(command: str, reason: str) -> EmbeddedServerError:
    """Return the error for a program that the system refused to run at all."""
    if "Exec format" in reason or "architecture" in reason:
        fix = "install a mongod for this machine's processor and name it in GREENMONGO_MONGOD"
        return EmbeddedServerError(f"{command} cannot run here: {reason}", fix, "platform")
    kind = "permission" if "ermission" in reason else "missing"
    fix = "check that the file exists and is executable, or name another in GREENMONGO_MONGOD"
    return EmbeddedServerError(f"{command} could not be run: {reason}", fix, kind)


def missing_library(name: str) -> EmbeddedServerError:
    package = DEBIAN_PACKAGES.get(name.split(".so")[0])
    fix = f"install the system package that holds {name}"
    if package is not None:
        fix += f" (Debian, Ubuntu: apt-get install {package})"
    return EmbeddedServerError(f"mongod needs the shared library {name}", fix, "library")


def ending(status: int | None) -> str:
    if status is None:
        return "exit status unknown"
    return f"signal {-status}" if status < 0 else f"exit code {status}"


def last_messages(log: str, limit: int = 4) -> list[str]:
    """Return the gravest messages of a JSON log, fatal ones first, as readable text."""
    found = sorted(graded(log), key=lambda item: item[0])
    return list(dict.fromkeys(text for _, text in found))[:limit]


def graded(log: str) -> Iterator[tuple[int, str]]:
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # a backtrace, or a line that the end of the server cut short
        if isinstance(entry, dict) and entry.get("s") in WORTH_TELLING:
            grade = WORTH_TELLING[entry["s"]]
            # Start-up warnings (no access control, file systems) do not explain why a server ended.
            if grade < WORTH_TELLING["W"]:
                yield grade, f"{entry.get('msg', '')}: {reason(entry.get('attr', {}))}".rstrip(": ")


def reason(attributes: Any) -> str:
    """Return the readable part of a log entry's attributes."""
    if not isinstance(attributes, dict):
        return str(attributes)
    for key in ("error_str", "errmsg", "msg"):
        if isinstance(attributes.get(key), str):
            detail = attributes.get("msg", "") if key == "error_str" else ""
            return f"{attributes[key]} {detail}".strip()
    for key in ("error", "message"):
        if isinstance(attributes.get(key), dict):
            return reason(attributes[key])
    for key in ("message", "error"):
        if isinstance(attributes.get(key), str):
            return str(attributes[key])
    return json.dumps(attributes) if attributes else ""
