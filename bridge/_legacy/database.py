"""AsyncLegacyDatabase: the async face of a database of PyMongo 2.x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from bridge._collection import AsyncCollection
from bridge._database import AsyncDatabase
from bridge._delegate import awaits, mirrors_property, of_subclass, wraps_awaited, wraps_result
from bridge._legacy.collection import AsyncLegacyCollection
from bridge._legacy.settings import LegacySettings, itself
from greenmongo.legacy import LegacyDatabase

if TYPE_CHECKING:
    from bridge._delegate import Facade
    from bridge._legacy.client import AsyncLegacyClient
    from greenmongo import Database

__all__ = ["AsyncLegacyDatabase"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


def sibling(
    face: AsyncLegacyDatabase[Any], sync: LegacyDatabase[OtherT]
) -> AsyncLegacyDatabase[OtherT]:
    """Give a blocking database of the same client its async face."""
    return face._wrap(face, sync)


class AsyncLegacyDatabase(LegacySettings, AsyncDatabase[DocT], Generic[DocT]):
    """An `AsyncDatabase` that also has what databases of PyMongo 2.x had, awaitable.

    Manipulators run on the hub thread: they may use the blocking client, and must not block.
    """

    _family: ClassVar[Mapping[type, type]] = {AsyncCollection: AsyncLegacyCollection}

    if TYPE_CHECKING:

        @classmethod
        def _wrap(
            cls, parent: Facade[Any], sync: Database[OtherT]
        ) -> AsyncLegacyDatabase[OtherT]: ...

    @property
    def client(self) -> AsyncLegacyClient[DocT]:
        """The client this database was reached through."""
        return cast("AsyncLegacyClient[DocT]", self._parent)

    connection = client

    with_options = wraps_result(sibling)(  # type: ignore[assignment] # one for two overloads
        of_subclass(LegacyDatabase[DocT].with_options)
    )
    get_collection = wraps_result(AsyncLegacyCollection._wrap)(  # type: ignore[assignment] # one for two overloads
        of_subclass(LegacyDatabase[DocT].get_collection)
    )

    collection_names = awaits(of_subclass(LegacyDatabase[DocT].collection_names))
    create_collection = wraps_awaited(AsyncLegacyCollection._wrap)(
        of_subclass(LegacyDatabase[DocT].create_collection)
    )
    drop_collection = awaits(of_subclass(LegacyDatabase[DocT].drop_collection))

    # Commands

    command = awaits(  # type: ignore[assignment] # one for two overloads
        of_subclass(LegacyDatabase[DocT].command)
    )
    current_op = awaits(of_subclass(LegacyDatabase[DocT].current_op))
    error = awaits(of_subclass(LegacyDatabase[DocT].error))
    eval = awaits(of_subclass(LegacyDatabase[DocT].eval))
    last_status = awaits(of_subclass(LegacyDatabase[DocT].last_status))
    previous_error = awaits(of_subclass(LegacyDatabase[DocT].previous_error))
    profiling_info = awaits(of_subclass(LegacyDatabase[DocT].profiling_info))
    profiling_level = awaits(of_subclass(LegacyDatabase[DocT].profiling_level))
    reset_error_history = awaits(of_subclass(LegacyDatabase[DocT].reset_error_history))
    set_profiling_level = awaits(of_subclass(LegacyDatabase[DocT].set_profiling_level))

    # Users

    add_user = awaits(of_subclass(LegacyDatabase[DocT].add_user))
    authenticate = awaits(of_subclass(LegacyDatabase[DocT].authenticate))
    logout = awaits(of_subclass(LegacyDatabase[DocT].logout))
    remove_user = awaits(of_subclass(LegacyDatabase[DocT].remove_user))

    # Manipulators

    add_son_manipulator = wraps_result(itself)(
        of_subclass(LegacyDatabase[DocT].add_son_manipulator)
    )
    incoming_copying_manipulators = mirrors_property(
        LegacyDatabase, "incoming_copying_manipulators"
    )
    incoming_manipulators = mirrors_property(LegacyDatabase, "incoming_manipulators")
    outgoing_copying_manipulators = mirrors_property(
        LegacyDatabase, "outgoing_copying_manipulators"
    )
    outgoing_manipulators = mirrors_property(LegacyDatabase, "outgoing_manipulators")

    def __getattr__(self, name: str) -> AsyncLegacyCollection[DocT]:
        return cast("AsyncLegacyCollection[DocT]", super().__getattr__(name))

    def __getitem__(self, name: str) -> AsyncLegacyCollection[DocT]:
        return AsyncLegacyCollection._wrap(self, self._sync[name])

    def __bool__(self) -> bool:  # type: ignore[override] # true, as in PyMongo 2.x
        return True
