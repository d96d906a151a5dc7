"""What the handshake says of the client: the `client` document (MongoDB Handshake).

Facts of the process (environment variables, operating system) are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import bson

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["DriverInfoLike", "EnvironmentFacts", "build_metadata", "detect_faas"]

DRIVER_NAME = "greenmongo"
MAX_METADATA_SIZE = 512
"""The server refuses a handshake with a larger `client` document (Handshake, "Limitations")."""

_DELIMITER = "|"


class DriverInfoLike(Protocol):
    """What a library that wraps the driver says of itself, as `pymongo.driver_info.DriverInfo`."""

    @property
    def name(self) -> str:
        """The library's name."""
        ...

    @property
    def version(self) -> str | None:
        """Its version."""
        ...

    @property
    def platform(self) -> str | None:
        """What it runs on."""
        ...


@dataclass(frozen=True, slots=True)
class EnvironmentFacts:
    """What the handshake tells of the process; `_net.environment` gathers it."""

    driver_version: str
    platform: str = ""
    """The interpreter, e.g. "CPython 3.12.1.final.0"."""
    os_type: str = ""
    os_name: str = ""
    os_architecture: str = ""
    os_version: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    in_docker: bool = False
    """The file `/.dockerenv` exists."""


def build_metadata(
    app_name: str | None, driver_info: Iterable[DriverInfoLike], facts: EnvironmentFacts
) -> Document:
    """Return the handshake's `client` document, cut to what the server accepts.

    Args:
        app_name: what the application calls itself.
        driver_info: libraries that wrap the driver, the innermost first.
        facts: what is known of the process.

    Raises:
        ValueError: a wrapping library's words contain the delimiter.
    """
    os_document = {
        "type": facts.os_type or "unknown",
        "name": facts.os_name,
        "architecture": facts.os_architecture,
        "version": facts.os_version,
    }
    metadata: Document = {} if not app_name else {"application": {"name": app_name}}
    metadata["driver"] = {"name": DRIVER_NAME, "version": facts.driver_version}
    metadata["os"] = {key: value for key, value in os_document.items() if value}
    metadata["platform"] = facts.platform
    for info in driver_info:
        _append_driver_info(metadata, info)
    env = _environment(facts)
    if env:
        metadata["env"] = env
    _shrink(metadata)
    if metadata.get("platform") == "":
        del metadata["platform"]
    return metadata


def _append_driver_info(metadata: Document, info: DriverInfoLike) -> None:
    """Append a wrapping library's words to the driver's own.

    One without a version leaves its place empty: the second version is the second name's.
    """
    for key in ("name", "version", "platform"):
        value = getattr(info, key) or ""
        if _DELIMITER in value:
            raise ValueError(f"driver info {key} must not contain {_DELIMITER!r}: {value!r}")
        if key != "platform":
            metadata["driver"][key] += _DELIMITER + value
        elif value:
            known = metadata["platform"]
            metadata["platform"] = f"{known}{_DELIMITER}{value}" if known else value


def _shrink(metadata: Document) -> None:
    """Leave out fields in the order of the handshake specification until the document fits."""
    if not _excess(metadata):
        return
    env = metadata.pop("env", {})
    if "name" in env:
        metadata["env"] = {"name": env["name"]}
    if _excess(metadata):
        metadata["os"] = {"type": metadata["os"]["type"]}
    if _excess(metadata):
        metadata.pop("env", None)
    excess = _excess(metadata)
    if excess:
        metadata["platform"] = _cut(metadata["platform"], excess)
    _shrink_driver(metadata)


def _shrink_driver(metadata: Document) -> None:
    """Cut the wrapping libraries' words, the outermost first; the driver's own always fit."""
    if not metadata["platform"]:
        del metadata["platform"]
    driver = metadata["driver"]
    pairs = list(zip(*(driver[key].split(_DELIMITER) for key in ("name", "version")), strict=True))
    while len(pairs) > 1 and (excess := _excess(metadata)):
        name, version = pairs.pop()
        if version:
            pairs.append((name, _cut(version, excess)))
        elif name:
            pairs.append((_cut(name, excess), ""))
        names, versions = zip(*pairs, strict=True)
        metadata["driver"] = {
            "name": _DELIMITER.join(names),
            "version": _DELIMITER.join(versions),
        }


def _cut(text: str, excess: int) -> str:
    """Return a text without its last bytes; a character cut in two is left out."""
    encoded = text.encode()
    return encoded[: max(0, len(encoded) - excess)].decode(errors="ignore")


def _excess(metadata: Document) -> int:
    """Return by how many bytes the metadata is too large."""
    return max(0, len(bson.encode(metadata)) - MAX_METADATA_SIZE)


def detect_faas(environ: Mapping[str, str]) -> str | None:
    """Return the name of the function service the process runs on, None if none or unclear.

    Handshake, "client.env". Streaming monitoring is off where this returns a name.
    """
    names = set()
    if environ.get("AWS_EXECUTION_ENV", "").startswith("AWS_Lambda_") or environ.get(
        "AWS_LAMBDA_RUNTIME_API"
    ):
        names.add("aws.lambda")
    if environ.get("FUNCTIONS_WORKER_RUNTIME"):
        names.add("azure.func")
    if environ.get("K_SERVICE") or environ.get("FUNCTION_NAME"):
        names.add("gcp.func")
    if environ.get("VERCEL"):
        names.add("vercel")
    if names == {"vercel", "aws.lambda"}:
        return "vercel"
    return names.pop() if len(names) == 1 else None


_FAAS_FIELDS: Mapping[str, Sequence[tuple[str, str, type[int | str]]]] = {
    "aws.lambda": (
        ("region", "AWS_REGION", str),
        ("memory_mb", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", int),
    ),
    "azure.func": (),
    "gcp.func": (
        ("memory_mb", "FUNCTION_MEMORY_MB", int),
        ("timeout_sec", "FUNCTION_TIMEOUT_SEC", int),
        ("region", "FUNCTION_REGION", str),
    ),
    "vercel": (("region", "VERCEL_REGION", str),),
}

_INT32 = range(-(2**31), 2**31)


def _environment(facts: EnvironmentFacts) -> Document:
    """Return the `client.env` document: function service and container."""
    env: Document = {}
    name = detect_faas(facts.environ)
    if name is not None:
        env["name"] = name
        for key, variable, kind in _FAAS_FIELDS[name]:
            text = facts.environ.get(variable, "")
            value = _int32(text) if kind is int else text or None
            if value is not None:
                env[key] = value
    container = {}
    if facts.in_docker:
        container["runtime"] = "docker"
    if facts.environ.get("KUBERNETES_SERVICE_HOST"):
        container["orchestrator"] = "kubernetes"
    if container:
        env["container"] = container
    return env


def _int32(text: str) -> int | None:
    """Return the number a variable holds, None if it holds something else."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if number in _INT32 else None
