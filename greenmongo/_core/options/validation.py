"""Check what URIs and keywords say, option by option, against the rows of `table`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from inspect import signature
from typing import Any

from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.uri_parser import split_options, validate_options

from greenmongo._core.options.checks import COMPRESSORS
from greenmongo._core.options.table import DOCUMENTED_NAMES, OPTIONS, SECRETS, Check, Option
from greenmongo._core.options.users_line import users_stacklevel

__all__ = ["names_in", "read_keywords", "read_uri_options"]

_BY_KEYWORD: Mapping[str, Option] = {
    **OPTIONS,
    **{option.alias: option for option in OPTIONS.values() if option.alias},
}
_BY_URI_NAME: Mapping[str, Option] = {
    name: option for name, option in OPTIONS.items() if option.is_for_uris
}
# An older PyMongo always shows what it finds wrong, here as in its own client.
_NOT_SHOWN: Mapping[str, bool] = (
    {"from_uri": True} if "from_uri" in signature(validate_options).parameters else {}
)


def read_keywords(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Check keyword arguments; the result has lower-case names.

    Raises:
        ConfigurationError: no option has that name.
        TypeError, ValueError: the value is no value of that option.
    """
    checked: dict[str, Any] = {}
    for given, value in keywords.items():
        option = _BY_KEYWORD.get(given.lower())
        if option is None:
            raise ConfigurationError(_unknown(given))
        if value is None and option.is_absent_if_none:
            continue
        check = option.check
        checked[option.key] = check(given, value) if check else _validated(option, value)
    return checked


def read_uri_options(query: str) -> dict[str, Any]:
    """Check the options of a URI; the result has lower-case names.

    Messages name what is wrong, unless it may be a piece of a password that nobody has escaped.

    What is unknown or invalid is left out with a warning (URI Options, "Client behavior"). Our own
    switches raise: taking `auto_start_request=yes` for "no" would change what a program reads back.

    Raises:
        InvalidURI: this is no list of options, or security options contradict each other.
        ConfigurationError: a switch of ours is neither true nor false.
    """
    checked: dict[str, Any] = {}
    _refuse_repetitions(query)
    is_shown = not _may_hold_secrets(query)
    # What splits the query makes all names lower-case.
    as_given = {name.lower(): name for name in _names_as_given(query)}
    for given, value in split_options(query, validate=False, warn=True, normalize=False).items():
        option = _BY_URI_NAME.get(given.lower())
        if option is None:
            shown = as_given.get(given.lower(), given)
            warnings.warn(_unknown(shown, is_shown=is_shown), stacklevel=users_stacklevel())
        elif option.check is not None:
            checked[option.key] = _checked_in_uri(option, option.check, value, is_shown=is_shown)
        else:
            checked |= _validated_or_warned(option, value, is_shown=is_shown)
    if checked.get("authsource") == "":
        raise InvalidURI("the authSource database cannot be an empty string")
    return checked


def _may_hold_secrets(query: str) -> bool:
    """Tell whether a piece of a password may have become a part of a URI's options.

    A `?` that nobody escaped begins the options within the credentials, so that their `@` is
    among the options; a `&` or `;` that nobody escaped ends an option that is a secret itself.
    """
    return "@" in query or not SECRETS.isdisjoint(names_in(query))


def names_in(query: str) -> list[str]:
    """Return the names of a URI's options in lower case, repeated ones as well."""
    return [name.lower() for name in _names_as_given(query)]


def _names_as_given(query: str) -> list[str]:
    return [part.partition("=")[0] for part in query.replace(";", "&").split("&")]


def _checked_in_uri(option: Option, check: Check, value: str, *, is_shown: bool) -> Any:
    if is_shown:
        return check(option.key, value)
    if option.key == "compressors":
        offered = value.split(",")
        value = ",".join(each if each in COMPRESSORS else "<redacted>" for each in offered)
    try:
        return check(option.key, value)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).removesuffix(f", not {value!r}")) from None


def _refuse_repetitions(query: str) -> None:
    """Refuse a proxy option that is there twice: which of the two would the traffic go through?"""
    names = names_in(query)
    for option in OPTIONS.values():
        if option.is_given_once and names.count(option.key) > 1:
            raise InvalidURI(f"{option.name} must not be given more than once")


def _validated(option: Option, value: Any) -> Any:
    try:
        (checked,) = validate_options({option.name: value}).values()
    except IsADirectoryError:
        # PyMongo opens the file to see whether it is there; ours may be a directory of CAs.
        if option.key != "tlscafile":
            raise
        return value
    except ValueError as error:
        if option.is_secret or str(value) in str(error):
            raise
        raise ValueError(f"{option.name}={value!r}: {error}") from error
    return checked


def _validated_or_warned(option: Option, value: Any, *, is_shown: bool) -> dict[str, Any]:
    hidden = {} if is_shown else _NOT_SHOWN
    try:
        found = validate_options({option.name: value}, warn=True, **hidden)
    except IsADirectoryError:
        if option.key != "tlscafile":
            raise
        return {option.key: value}
    return {name.lower(): value for name, value in found.items()}


def _unknown(name: str, *, is_shown: bool = True) -> str:
    message = f"Unknown option: {name}." if is_shown else "Unknown option."
    if option := _BY_KEYWORD.get(name.lower()):
        if option.is_for_uris:
            return f"{message} Did you mean {option.name}?"
        return f"{message} {option.name} can be given as a keyword only."
    close = get_close_matches(name.lower(), DOCUMENTED_NAMES, cutoff=0.2)
    if not close:
        return message
    # Word for word what PyMongo says, lower-case names included: programs' tests compare it.
    return (
        f"{message} Did you mean one of ({', '.join(close)}) or maybe a camelCase version of one? "
        "Refer to docstring."
    )
