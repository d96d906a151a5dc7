"""Checks what connection strings mean: hosts, options, credentials, read and write concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.spec import hooks_options

__all__ = [
    "check_concern",
    "check_concerns_of_uri",
    "check_connection_string",
    "check_credential",
]

# Tests may use either spelling, whichever the URI has.
_ALIASES = {"ssl": "tls", "j": "journal"}


def check_connection_string(test: dict[str, Any]) -> None:
    """Check hosts, user, database, options and warning of one connection string."""
    found = _parsed(hooks_options.parse_uri, test["uri"], is_valid=test["valid"])
    if found is None:
        return
    if test.get("warning") is not None:
        assert found["warning"] == test["warning"], "warning"
    if test.get("hosts"):
        _check_hosts(test["hosts"], found["hosts"])
    for name, value in (test.get("auth") or {}).items():
        if value is not None:
            assert found[name] == value, name
    options = _by_name(found["options"])
    for name, value in _by_name(test.get("options") or {}).items():
        assert name in options, f"{name} is missing among {sorted(options)}"
        assert _plain(options[name]) == value, name


def check_credential(test: dict[str, Any]) -> None:
    """Check who would log in, and how."""
    found = _parsed(hooks_options.credential, test["uri"], is_valid=test["valid"], is_lenient=True)
    if found is None:
        assert not test["valid"] or test.get("credential") is None, "nobody would log in"
        return
    expected = test.get("credential")
    assert expected is not None, f"expected no credential, not {found}"
    for name in ("username", "password", "source", "mechanism"):
        if name in expected:
            assert found[name] == expected[name], name
    properties = found["mechanism_properties"] or {}
    if expected.get("mechanism_properties"):
        for name, value in expected["mechanism_properties"].items():
            assert properties.get(name) == value, name
    elif "mechanism_properties" in expected:
        # The file leaves out the one property that has a default.
        assert properties in ({}, {"SERVICE_NAME": "mongodb"})


def check_concerns_of_uri(test: dict[str, Any]) -> None:
    """Check the read and write concern that a connection string sets."""
    found = _parsed(hooks_options.concerns_from_uri, test["uri"], is_valid=test["valid"])
    if found is None:
        return
    for name in ("readConcern", "writeConcern"):
        if test.get(name) is not None:
            assert found[name] == test[name], name


def check_concern(test: dict[str, Any]) -> None:
    """Check what is sent for a read or write concern."""
    name, hook = (
        ("readConcern", hooks_options.read_concern)
        if "readConcern" in test
        else ("writeConcern", hooks_options.write_concern)
    )
    found = _parsed(hook, test[name], is_valid=test["valid"])
    if found is None:
        return
    for expected, ours in (
        (f"{name}Document", "document"),
        ("isServerDefault", "is_server_default"),
        ("isAcknowledged", "is_acknowledged"),
    ):
        if test.get(expected) is not None:
            assert found[ours] == test[expected], expected


def _parsed(
    parse: Callable[[Any], dict[str, Any] | None],
    given: Any,
    *,
    is_valid: bool,
    is_lenient: bool = False,
) -> dict[str, Any] | None:
    """Return what was made of valid input; None for invalid input that was refused as it should."""
    try:
        found = parse(given)
    except Exception as error:
        if is_valid:
            raise AssertionError(f"valid input was refused: {error!r}") from error
        return None
    assert is_valid, "invalid input was accepted"
    assert found is not None or is_lenient
    return found


def _check_hosts(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    assert [it["host"] for it in found] == [it["host"] for it in expected], "hosts"
    for want, have in zip(expected, found, strict=True):
        # No port means the default one, or none for a Unix domain socket.
        if want["port"] is not None:
            assert have["port"] == want["port"], f"port of {want['host']}"


def _by_name(options: dict[str, Any]) -> dict[str, Any]:
    return {_ALIASES.get(name.lower(), name.lower()): value for name, value in options.items()}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (set, frozenset, tuple)) else value
