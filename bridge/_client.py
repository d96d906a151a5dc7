"""AsyncMongoClient: the deployment, for the tasks of any asyncio or trio loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, ParamSpec, TypeVar, cast

from bridge._change_stream import AsyncClusterChangeStream
from bridge._configured import ConfiguredFacade
from bridge._crossing.block_on import callers_variables
from bridge._crossing.dispatcher import HubDispatcher
from bridge._cursor import AsyncCommandCursor
from bridge._database import AsyncDatabase
from bridge._delegate import Pending, awaits, optionally_awaited, wraps_call, wraps_result
from bridge._feeding import feeds
from bridge._request import AsyncRequest
from bridge._session import AsyncClientSession
from greenmongo import MongoClient
from greenmongo.lowlevel import in_own_place, is_open, request_depth, thread_of

if TYPE_CHECKING:
    from types import TracebackType

    from bson.codec_options import TypeRegistry
    from typing_extensions import Self

    from greenmongo.lowlevel import Address, ClientOptions, TopologyDescription

__all__ = ["AsyncMongoClient"]

DocT = TypeVar("DocT", bound=Mapping[str, Any])
OtherT = TypeVar("OtherT", bound=Mapping[str, Any])
P = ParamSpec("P")
R = TypeVar("R")


class Closing(Pending[None], Coroutine[Any, Any, None]):
    """A client on its way to be closed: when this is awaited, or else thrown away."""

    def __init__(self, dispatcher: HubDispatcher) -> None:
        self._dispatcher = dispatcher
        self._is_awaited = False

    async def _when_awaited(self) -> None:
        self._is_awaited = True
        if is_open(self._dispatcher.client):
            await self._dispatcher.call_exactly_once(self._dispatcher.client.close)
        else:
            self._dispatcher.client.close()
        self._dispatcher.retire_lanes()

    def close(self) -> None:
        """End the coroutine that this passes for; the client is closed nevertheless."""

    def __del__(self) -> None:
        if self._is_awaited:
            return
        if is_open(self._dispatcher.client):
            self._dispatcher.post(self._dispatcher.client.close)
        else:
            self._dispatcher.client.close()
        self._dispatcher.retire_lanes()


def _itself(face: object, result: R) -> R:
    return result


class AsyncMongoClient(ConfiguredFacade[MongoClient[DocT]], Generic[DocT]):
    """A MongoDB deployment, for any number of event loops; `client.name` is a database.

    What properties tell without an `await` is known already: they neither cross nor wait.
    """

    HOST = MongoClient.HOST
    PORT = MongoClient.PORT

    def __init__(
        self,
        host: str | Sequence[str] | MongoClient[DocT] | None = None,
        port: int | None = None,
        document_class: type[DocT] | None = None,
        tz_aware: bool | None = None,
        connect: bool | None = None,
        type_registry: TypeRegistry | None = None,
        **kwargs: Any,
    ) -> None:
        """Name a deployment. Connections are made on first use.

        Args:
            host: a URI, a host name, or a list of host names; or a blocking client, whose
                async face this is to be: one pool, and `close` closes both.
            port: the port of hosts that name none.
            document_class: the type of returned documents, `dict` by default.
            tz_aware: return datetimes with a time zone.
            connect: start to connect now rather than with the first operation.
            type_registry: codecs for types of your own.
            **kwargs: any option of the URI, by the same name.

        Raises:
            ConfigurationError: options contradict each other.
            InvalidURI: the URI cannot be read.
            TypeError: a client was given options; it has its own.
        """
        if isinstance(host, MongoClient):
            given = (port, document_class, tz_aware, connect, type_registry)
            if kwargs or given != (None,) * len(given):
                raise TypeError(f"{host!r} has options of its own; it takes no others")
            self._sync = host
        else:
            self._sync = MongoClient(
                self.HOST if host is None else host,
                self.PORT if port is None else port,
                document_class,
                tz_aware,
                bool(connect),
                type_registry,
                **kwargs,
            )
        self._dispatcher = HubDispatcher(self._sync)

    @classmethod
    def from_client(cls, client: MongoClient[OtherT]) -> AsyncMongoClient[OtherT]:
        """Return an async face of a blocking client: one pool, and `close` closes both."""
        face = cast("AsyncMongoClient[OtherT]", cls.__new__(cls))
        face._sync, face._dispatcher = client, HubDispatcher(client)
        return face

    @property
    def sync(self) -> MongoClient[DocT]:
        """The same client for blocking code: for threads, greenlets, and what `run` runs."""
        return self._sync

    async def run(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an ordinary blocking function on a greenlet of the hub thread.

        It may use `client.sync` as it likes, and is in this task's request if there is one. It
        sees a copy of the task's context variables. Cancelled, it gets a GreenletExit where it
        waits. It must not block the whole thread: no `time.sleep`, no sockets but gevent's; it
        awaits with `bridge.block_on`.
        """
        bound = partial(in_own_place, partial(fn, *args, **kwargs))
        return await self._dispatcher.call(callers_variables().run, bound)

    async def aconnect(self) -> None:
        """Start to connect now rather than with the first operation."""
        await self._dispatcher.call(thread_of, self._sync)

    @optionally_awaited
    def close(self) -> Closing:
        """Close all connections; operations after this raise MisuseError.

        `await` the result to know that it is done. Without, it is done in the background.
        """
        return Closing(self._dispatcher)

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(exc, GeneratorExit):
            # The coroutine is being thrown away and may wait for nothing.
            self._dispatcher.post(self._sync.close)
        else:
            await self.close()

    # Requests

    def start_request(self, strict: bool = False) -> AsyncRequest:
        """Give the current task a connection of its own: `async with` the result, or `await` it.

        The first operation takes it, and keeps it for all that follow on the same server, until
        `end_request` was called as often as `start_request`, or the task ends. Tasks that it
        starts have no part in it.

        Args:
            strict: raise RequestBroken, once, when the connection had to be replaced between
                two operations, rather than go on with another one.
        """
        return AsyncRequest(self, strict=strict)

    def in_request(self) -> bool:
        """Tell whether the current task is in a request."""
        context = self._dispatcher.context()
        return context is not None and request_depth(self._sync, context) > 0

    async def end_request(self) -> None:
        """End the task's request, or come one level up; harmless without one."""
        if self.in_request():
            await self._dispatcher.call_exactly_once(self._sync.end_request)

    @property
    def auto_start_request(self) -> bool:
        """Whether a task's first operation starts a request."""
        return self._sync.auto_start_request

    @property
    def use_greenlets(self) -> bool:
        """Whether requests of blocking code always belong to the greenlet, never to the thread."""
        return self._sync.use_greenlets

    # The deployment

    @property
    def options(self) -> ClientOptions:
        """The options of this client."""
        return self._sync.options

    @property
    def topology_description(self) -> TopologyDescription:
        """What is known of the deployment."""
        return self._sync.topology_description

    @property
    def nodes(self) -> frozenset[Address]:
        """The addresses of all servers that answer."""
        return self._sync.nodes

    @property
    async def address(self) -> Address | None:
        """The address of the standalone, primary or mongos, or None while there is none."""
        return await self._dispatcher.call(lambda: self._sync.address)

    @property
    async def primary(self) -> Address | None:
        """The address of the replica set's primary, or None."""
        return await self._dispatcher.call(lambda: self._sync.primary)

    @property
    async def secondaries(self) -> set[Address]:
        """The addresses of the replica set's secondaries."""
        return await self._dispatcher.call(lambda: self._sync.secondaries)

    @property
    async def arbiters(self) -> set[Address]:
        """The addresses of the replica set's arbiters."""
        return await self._dispatcher.call(lambda: self._sync.arbiters)

    @property
    async def is_primary(self) -> bool:
        """Whether there is a server that takes writes."""
        return await self._dispatcher.call(lambda: self._sync.is_primary)

    @property
    async def is_mongos(self) -> bool:
        """Whether the deployment is reached through a mongos."""
        return await self._dispatcher.call(lambda: self._sync.is_mongos)

    start_session = wraps_result(AsyncClientSession._wrap)(MongoClient[DocT].start_session)
    server_info = awaits(MongoClient[DocT].server_info)
    bulk_write = feeds(MongoClient[DocT].bulk_write)
    append_metadata = wraps_result(_itself)(MongoClient[DocT].append_metadata)

    # Databases

    get_database = wraps_result(AsyncDatabase._wrap)(MongoClient[DocT].get_database)
    get_default_database = wraps_result(AsyncDatabase._wrap)(MongoClient[DocT].get_default_database)
    watch = wraps_call(AsyncClusterChangeStream._wrap_later)(MongoClient[DocT].watch)
    list_databases = wraps_call(AsyncCommandCursor._wrap_later)(MongoClient[DocT].list_databases)
    list_database_names = awaits(MongoClient[DocT].list_database_names)
    drop_database = awaits(MongoClient[DocT].drop_database)

    def __getattr__(self, name: str) -> AsyncDatabase[DocT]:
        if name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access the {name} "
                f"database, use client[{name!r}]."
            )
        return self[name]

    def __getitem__(self, name: str) -> AsyncDatabase[DocT]:
        return AsyncDatabase._wrap(self, self._sync[name])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({repr(self._sync).partition('(')[2]}"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self._sync.__reduce_ex__(protocol)
