"""SON manipulators: code that changes documents on their way in and out.

PyMongo dropped them with version 4. Give the ones of a database to `add_son_manipulator`.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from bson.dbref import DBRef
from bson.objectid import ObjectId
from bson.son import SON

if TYPE_CHECKING:
    from greenmongo._api.collection import Collection
    from greenmongo._api.database import Database

__all__ = [
    "AutoReference",
    "Manipulators",
    "NamespaceInjector",
    "ObjectIdInjector",
    "ObjectIdShuffler",
    "SONManipulator",
]

Doc = MutableMapping[str, Any]


class SONManipulator:
    """Base class: override what you need, and `will_copy` if you return another document.

    It is used only in the directions whose method is overridden.
    """

    def will_copy(self) -> bool:
        """Tell whether the document that was passed stays as it is."""
        return False

    def transform_incoming(self, son: Any, collection: Collection[Any]) -> Any:
        """Return a document as it is to be stored."""
        return son

    def transform_outgoing(self, son: Any, collection: Collection[Any]) -> Any:
        """Return a document as it is to be given to the caller."""
        return son


class ObjectIdInjector(SONManipulator):
    """Gives documents an `_id`. Every database does so by itself."""

    def transform_incoming(self, son: Doc, collection: Collection[Any]) -> Doc:
        """Add an `_id` unless there is one."""
        if "_id" not in son:
            son["_id"] = ObjectId()
        return son


class ObjectIdShuffler(SONManipulator):
    """Puts the `_id` first."""

    def will_copy(self) -> bool:
        """It copies."""
        return True

    def transform_incoming(self, son: Doc, collection: Collection[Any]) -> Doc:
        """Return the document with the `_id`, if there is one, in front."""
        if "_id" not in son:
            return son
        return SON([("_id", son["_id"]), *((k, v) for k, v in son.items() if k != "_id")])


class NamespaceInjector(SONManipulator):
    """Stores the collection's name in each document, as `_ns`."""

    def transform_incoming(self, son: Doc, collection: Collection[Any]) -> Doc:
        """Add `_ns`."""
        son["_ns"] = collection.name
        return son


class AutoReference(SONManipulator):
    """Stores embedded documents that have `_ns` and `_id` as references, and follows those.

    Use it with `NamespaceInjector`. Each reference costs a query when it is read.
    """

    def __init__(self, db: Database[Any]) -> None:
        self.database = db

    def will_copy(self) -> bool:
        """It copies."""
        return True

    def transform_incoming(self, son: Doc, collection: Collection[Any]) -> Doc:
        """Return the document with references in it."""
        return SON((key, self._reference(value)) for key, value in son.items())

    def transform_outgoing(self, son: Doc, collection: Collection[Any]) -> Doc:
        """Return the document with what its references point to."""
        return SON((key, self._follow(value)) for key, value in son.items())

    def _reference(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._reference(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        inner = SON((key, self._reference(item)) for key, item in value.items())
        if "_id" in value and "_ns" in value:
            return DBRef(inner["_ns"], inner["_id"])
        return inner

    def _follow(self, value: Any) -> Any:
        if isinstance(value, DBRef):
            return self.database.dereference(value)
        if isinstance(value, list):
            return [self._follow(item) for item in value]
        if isinstance(value, Mapping):
            return SON((key, self._follow(item)) for key, item in value.items())
        return value


class Manipulators:
    """Those of one database, in the order in which they were added.

    In: the newest first; those that do not copy, then the `_id`, then those that copy. Out: the
    oldest first; those that do not copy, then those that copy.
    """

    def __init__(self) -> None:
        self.incoming: list[SONManipulator] = [ObjectIdInjector()]
        self.incoming_copying: list[SONManipulator] = []
        self.outgoing: list[SONManipulator] = []
        self.outgoing_copying: list[SONManipulator] = []

    def add(self, manipulator: SONManipulator) -> None:
        """Use another manipulator, in the directions it has methods for.

        Raises:
            TypeError: it is no SONManipulator.
        """
        if not isinstance(manipulator, SONManipulator):
            raise TypeError(f"manipulator must be an instance of SONManipulator: {manipulator!r}")
        copies, kind = manipulator.will_copy(), type(manipulator)
        if kind.transform_incoming is not SONManipulator.transform_incoming:
            (self.incoming_copying if copies else self.incoming).append(manipulator)
        if kind.transform_outgoing is not SONManipulator.transform_outgoing:
            (self.outgoing_copying if copies else self.outgoing).append(manipulator)

    @property
    def changes_outgoing(self) -> bool:
        """Whether documents that come from the server are changed at all."""
        return bool(self.outgoing or self.outgoing_copying)

    def transform_incoming(self, document: Any, collection: Collection[Any]) -> Any:
        """Return a document of the caller's as it is to be stored; it has an `_id`."""
        # The oldest of those that do not copy gives the `_id`, and so is the last of them.
        for group in (self.incoming, self.incoming_copying):
            for manipulator in reversed(group):
                document = manipulator.transform_incoming(document, collection)
        return document

    def transform_outgoing(self, document: Any, collection: Collection[Any]) -> Any:
        """Return a document from the server as the caller is to see it."""
        for group in (self.outgoing, self.outgoing_copying):
            for manipulator in group:
                document = manipulator.transform_outgoing(document, collection)
        return document
