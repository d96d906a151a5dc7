"""What the API checks about its arguments, and how it normalises them."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Mapping, MutableMapping, Sequence, Set
from typing import Any, TypeAlias

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.collation import Collation
from pymongo.errors import ConfigurationError, InvalidName
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)
from pymongo.write_concern import WriteConcern

from greenmongo._core.constants import ASCENDING

__all__ = [
    "Bounds",
    "CollationIn",
    "IndexKeys",
    "Pipeline",
    "Projection",
    "check_collection_name",
    "check_database_name",
    "check_replacement",
    "check_update",
    "forbid_unacknowledged",
    "hint_value",
    "index_document",
    "index_name",
    "index_pairs",
    "new_collection_name",
    "projection_document",
    "require_bool",
    "require_codec_options",
    "require_document",
    "require_list",
    "require_mapping",
    "require_read_mode",
    "require_string",
]

IndexKey: TypeAlias = str | tuple[str, int | str | Mapping[str, Any]]
IndexKeys: TypeAlias = str | Sequence[IndexKey] | Mapping[str, Any]
"""A field, a list of fields with or without directions, or a document of them."""

Bounds: TypeAlias = Sequence[tuple[str, Any]] | Mapping[str, Any]
"""Values of an index's keys, by field."""

CollationIn: TypeAlias = Mapping[str, Any] | Collation
Pipeline: TypeAlias = Sequence[Mapping[str, Any]]
Projection: TypeAlias = Mapping[str, Any] | Iterable[str]

_READ_MODES = (Primary, PrimaryPreferred, Secondary, SecondaryPreferred, Nearest)


def require_mapping(option: str, value: object) -> None:
    """Refuse anything that cannot be read as a document."""
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{option} must be an instance of dict, bson.son.SON, or "
            "any other type that inherits from collections.Mapping"
        )


def require_document(option: str, value: object) -> None:
    """Refuse anything that cannot be stored as a document."""
    if not isinstance(value, (MutableMapping, RawBSONDocument)):
        raise TypeError(
            f"{option} must be an instance of dict, bson.son.SON, "
            "bson.raw_bson.RawBSONDocument, or a type that inherits from "
            "collections.MutableMapping"
        )


def require_list(option: str, value: object) -> None:
    """Refuse anything but a list."""
    if not isinstance(value, list):
        raise TypeError(f"{option} must be a list, not {type(value)}")


def require_string(option: str, value: object) -> None:
    """Refuse what is no text, with PyMongo's message."""
    if not isinstance(value, str):
        raise TypeError(
            f"Wrong type for {option}, value must be an instance of str, not {type(value)}"
        )


def require_codec_options(value: object) -> None:
    """Refuse what says nothing of encoding and decoding."""
    if not isinstance(value, CodecOptions):
        raise TypeError("codec_options must be an instance of bson.codec_options.CodecOptions")


def require_read_mode(value: object) -> None:
    """Refuse what is no read preference."""
    if not isinstance(value, _READ_MODES):
        raise TypeError(
            f"{value!r} is not valid for read_preference. "
            "See pymongo.read_preferences for valid options."
        )


def require_bool(option: str, value: object) -> None:
    """Refuse anything but True and False."""
    if not isinstance(value, bool):
        raise TypeError(f"{option} must be True or False, was: {option}={value}")


def check_replacement(replacement: object) -> None:
    """Refuse a replacement with update operators."""
    require_mapping("replacement", replacement)
    assert isinstance(replacement, Mapping)
    if not replacement or isinstance(replacement, RawBSONDocument):
        return
    if next(iter(replacement)).startswith("$"):
        raise ValueError("replacement can not include $ operators")


def check_update(update: object) -> None:
    """Refuse an update that is neither a pipeline nor a document of operators."""
    if not isinstance(update, (Mapping, list)):
        raise TypeError(
            "update must either be a list or an instance of dict, "
            "bson.son.SON, or any other type that inherits from "
            "collections.Mapping"
        )
    if not update:
        raise ValueError("update cannot be empty")
    if isinstance(update, Mapping) and not next(iter(update)).startswith("$"):
        raise ValueError("update only works with $ operators")


def forbid_unacknowledged(what: str, write_concern: WriteConcern) -> None:
    """Refuse an option whose failure nobody would hear of."""
    if not write_concern.acknowledged:
        raise ConfigurationError(f"{what} is unsupported for unacknowledged writes.")


def check_database_name(name: object) -> None:
    """Refuse a name that no database can have."""
    if not isinstance(name, str):
        raise TypeError(f"name must be an instance of str, not {type(name)}")
    if name == "$external":
        return
    if not name:
        raise InvalidName("database name cannot be the empty string")
    for character in ' .$/\\\x00"':
        if character in name:
            raise InvalidName(f"database names cannot contain the character {character!r}")


def check_collection_name(name: object) -> None:
    """Refuse a name that no collection can have."""
    if not isinstance(name, str):
        raise TypeError(f"name must be an instance of str, not {type(name)}")
    if not name or ".." in name:
        raise InvalidName("collection names cannot be empty")
    if "$" in name and not name.startswith(("oplog.$main", "$cmd")):
        raise InvalidName(f"collection names must not contain '$': {name!r}")
    if name[0] == "." or name[-1] == ".":
        raise InvalidName(f"collection names must not start or end with '.': {name!r}")
    if "\x00" in name:
        raise InvalidName("collection names must not contain the null character")


def new_collection_name(name: object) -> str:
    """Return `name` if a collection may be renamed to it."""
    if not isinstance(name, str):
        raise TypeError(f"new_name must be an instance of str, not {type(name)}")
    if not name or ".." in name:
        raise InvalidName("collection names cannot be empty")
    if name[0] == "." or name[-1] == ".":
        raise InvalidName("collection names must not start or end with '.'")
    if "$" in name and not name.startswith("oplog.$main"):
        raise InvalidName("collection names must not contain '$'")
    return name


def index_pairs(keys: Any, direction: int | str | None = None) -> list[Any]:
    """Return `keys` as a list of (field, direction) pairs."""
    if direction is not None:
        if not isinstance(keys, str):
            raise TypeError(f"Expected a string and a direction, not {type(keys)}")
        return [(keys, direction)]
    if isinstance(keys, str):
        return [(keys, ASCENDING)]
    if isinstance(keys, ItemsView):
        return list(keys)
    if isinstance(keys, Mapping):
        return list(keys.items())
    if not isinstance(keys, (list, tuple)):
        raise TypeError(
            "if no direction is specified, key_or_list must be an instance of list, "
            f"not {type(keys)}"
        )
    return [(key, ASCENDING) if isinstance(key, str) else key for key in keys]


def index_document(keys: Any) -> dict[str, Any]:
    """Return `keys` as the document by which the server knows an index or a sort order."""
    if not isinstance(keys, (list, tuple, Mapping)):
        raise TypeError(f"must use a dictionary or a list of (key, direction) pairs, not: {keys!r}")
    if not keys:
        raise ValueError("key_or_list must not be empty")
    document: dict[str, Any] = {}
    for field, direction in index_pairs(keys):
        if not isinstance(field, str):
            raise TypeError(
                f"first item in each key pair must be an instance of str, not {type(field)}"
            )
        if not isinstance(direction, (str, int, Mapping)):
            raise TypeError(
                "second item in each key pair must be 1, -1, '2d', or another valid MongoDB "
                f"index specifier., not {type(direction)}"
            )
        document[field] = direction
    return document


def index_name(pairs: Iterable[tuple[str, Any]]) -> str:
    """Return the name that an index on `pairs` gets by default."""
    return "_".join(f"{field}_{direction}" for field, direction in pairs)


def hint_value(hint: Any) -> str | dict[str, Any]:
    """Return an index's name as it is, or its keys as a document."""
    return hint if isinstance(hint, str) else index_document(hint)


def projection_document(projection: Any) -> Mapping[str, Any]:
    """Return a projection as a document, whether given so or as field names."""
    if isinstance(projection, Mapping):
        return projection
    if not isinstance(projection, (Sequence, Set)):
        raise TypeError("projection must be a mapping or list of key names")
    if not all(isinstance(field, str) for field in projection):
        raise TypeError("projection must be a list of key names, each an instance of str")
    return dict.fromkeys(projection, 1)
