"""MongoClient: the deployment, and the way to its databases."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, overload

from bson.codec_options import DEFAULT_CODEC_OPTIONS, TypeRegistry
from pymongo.driver_info import DriverInfo
from pymongo.errors import ConfigurationError
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from greenmongo._api.change_stream import ChangeStream, ClusterChangeStream
from greenmongo._api.checked import run_checked
from greenmongo._api.client_bulk import ClientBulkWrites
from greenmongo._api.command_cursor import CommandCursor
from greenmongo._api.configured import name_of
from greenmongo._api.database import Database
from greenmongo._api.request import Request
from greenmongo._api.start_session import SessionStarter
from greenmongo._api.watching import Watching
from greenmongo._core.commands.admin import drop_database, list_databases
from greenmongo._core.namespace import Namespace
from greenmongo._core.options import ClientOptions
from greenmongo._core.options.emulations import emulation_notice
from greenmongo._core.options.repr import arguments_of
from greenmongo._core.types import DocT, format_address
from greenmongo._hub.errors import HubStartError
from greenmongo._net.executor import Executor

if TYPE_CHECKING:
    from types import TracebackType

    from bson.codec_options import CodecOptions
    from pymongo.read_concern import ReadConcern
    from typing_extensions import Self

    from greenmongo._api.collection import Collection
    from greenmongo._core.sessions.client_session import SessionLike
    from greenmongo._core.types import Named, ReadMode

__all__ = ["MongoClient"]

_LOGGER = logging.getLogger("greenmongo.client")

OtherT = TypeVar("OtherT", bound=Mapping[str, Any])


class MongoClient(SessionStarter, ClientBulkWrites, Watching[DocT], Generic[DocT]):
    """A MongoDB deployment, for any thread, greenlet or event loop; `client.name` is a database."""

    HOST = "localhost"
    PORT = 27017

    _database_class: ClassVar[type[Database[Any]]] = Database
    """What `client[name]` makes; a family of subclasses names its own."""

    _executor_class: ClassVar[type[Executor]] = Executor

    _change_stream_class: ClassVar[type[ChangeStream[Any]]] = ClusterChangeStream

    def __init__(
        self,
        host: str | Sequence[str] | None = None,
        port: int | None = None,
        document_class: type[DocT] | None = None,
        tz_aware: bool | None = None,
        connect: bool | None = None,
        type_registry: TypeRegistry | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a deployment. Connections are made in the background, or on first use.

        Args:
            host: a URI, a host name, or a list of host names.
            port: the port of hosts that name none.
            document_class: the type of returned documents, `dict` by default.
            tz_aware: return datetimes with a time zone.
            connect: start to connect now rather than with the first operation.
            type_registry: codecs for types of your own.
            **kwargs: any option of the URI, by the same name.

        Raises:
            ConfigurationError: options contradict each other.
            InvalidURI: the URI cannot be read.
        """
        options = self._build_options(
            host,
            port,
            kwargs,
            document_class=document_class,
            tz_aware=tz_aware,
            connect=connect,
            type_registry=type_registry,
        )
        self._set_up(options)
        if options.connect is not False:
            # As with any other reason why it cannot connect: the first operation raises it, unless
            # it has passed by then.
            with suppress(HubStartError):
                self._executor.open()

    def _build_options(
        self,
        host: str | Sequence[str] | None,
        port: int | None,
        keywords: Mapping[str, Any],
        **named: Any,
    ) -> ClientOptions:
        return ClientOptions.build(
            self.HOST if host is None else host,
            self.PORT if port is None else port,
            # For these, unlike for options of the URI, None is nothing given.
            **{name: value for name, value in named.items() if value is not None},
            **keywords,
        )

    def _set_up(self, options: ClientOptions) -> None:
        """Take the options. Does no I/O."""
        super().__init__(
            Namespace(
                "",
                "",
                options.codec_options,
                options.read_preference,
                options.write_concern,
                options.read_concern,
            )
        )
        self._options = options
        _tell_of_emulation(options)
        self._executor = self._executor_class(options)

    def close(self) -> None:
        """Close all connections; operations after this raise InvalidOperation."""
        self._executor.close()

    def append_metadata(self, driver_info: DriverInfo) -> None:
        """Name a library that wraps this client, for the server's logs.

        Connections opened from now on tell of it; what is open stays open.

        Args:
            driver_info: the library's name, version and platform.

        Raises:
            TypeError: `driver_info` is something else.
        """
        if not isinstance(driver_info, DriverInfo):
            raise TypeError(
                f"driver_info must be an instance of DriverInfo, not {type(driver_info)}"
            )
        self._executor.metadata.append(driver_info)

    # Requests

    def start_request(self, strict: bool = False) -> Request:
        """Give the calling greenlet, thread or task a connection of its own.

        The first operation takes it, and keeps it for all that follow on the same server, until
        `end_request` was called as often as `start_request`. Neither connects nor waits.

        Args:
            strict: raise RequestBroken, once, when the connection had to be replaced between
                two operations, rather than go on with another one.
        """
        context = self._executor.identify()
        self._executor.start_request(context, strict=strict)
        return Request(self, self._executor, context)

    def in_request(self) -> bool:
        """Tell whether the calling greenlet, thread or task is in a request."""
        return self._executor.request_depth(self._executor.identify()) > 0

    def end_request(self) -> None:
        """End the caller's request, or come one level up; harmless without one."""
        self._executor.end_request(self._executor.identify())

    @property
    def auto_start_request(self) -> bool:
        """Whether a context's first operation starts a request."""
        return self._options.auto_start_request

    @property
    def use_greenlets(self) -> bool:
        """Whether requests always belong to the greenlet, never to the thread."""
        return self._options.use_greenlets

    # Databases

    @overload
    def get_database(
        self,
        name: str | None = ...,
        codec_options: None = None,
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
    ) -> Database[DocT]: ...

    @overload
    def get_database(
        self,
        name: str | None,
        codec_options: CodecOptions[OtherT],
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
    ) -> Database[OtherT]: ...

    @overload
    def get_database(
        self,
        name: str | None = ...,
        *,
        codec_options: CodecOptions[OtherT],
        read_preference: ReadMode | None = ...,
        write_concern: WriteConcern | None = ...,
        read_concern: ReadConcern | None = ...,
    ) -> Database[OtherT]: ...

    def get_database(
        self,
        name: str | None = None,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> Database[Any]:
        """Return a database, with options of its own where given.

        Args:
            name: the database; None for the one the URI names.
            codec_options: how documents are encoded and decoded.
            read_preference: which servers may answer reads.
            write_concern: when a write counts as done.
            read_concern: which data reads may see.

        Raises:
            ConfigurationError: no name is given, and the URI has none.
        """
        name = self._options.default_database if name is None else name
        if name is None:
            raise ConfigurationError("No default database defined")
        return self._database_class(
            self, name, codec_options, read_preference, write_concern, read_concern
        )

    def get_default_database(
        self,
        default: str | None = None,
        codec_options: CodecOptions[Any] | None = None,
        read_preference: ReadMode | None = None,
        write_concern: WriteConcern | None = None,
        read_concern: ReadConcern | None = None,
    ) -> Database[DocT]:
        """Return the database that the URI names, or `default` if it names none.

        Raises:
            ConfigurationError: there is neither.
        """
        name = self._options.default_database or default
        if name is None:
            raise ConfigurationError("No default database name defined or provided.")
        return self._database_class(
            self, name, codec_options, read_preference, write_concern, read_concern
        )

    def list_databases(
        self, /, session: SessionLike | None = None, comment: Any | None = None, **kwargs: Any
    ) -> CommandCursor[dict[str, Any]]:
        """Return a cursor over descriptions of the deployment's databases.

        Args:
            session: the session to run in.
            comment: shown in the server's logs and profiles.
            **kwargs: options of the listDatabases command: `filter`, `nameOnly`, ...
        """
        command = list_databases(kwargs, comment=comment)
        databases = self._executor.execute(command, session).document["databases"]
        admin = self.get_database(
            "admin", DEFAULT_CODEC_OPTIONS, ReadPreference.PRIMARY, WriteConcern()
        )
        cursor = {"id": 0, "firstBatch": databases, "ns": "admin.$cmd"}
        return CommandCursor(admin["$cmd"], cursor, None, comment=comment)

    def list_database_names(
        self, session: SessionLike | None = None, comment: Any | None = None
    ) -> list[str]:
        """Return the names of the deployment's databases."""
        return [d["name"] for d in self.list_databases(session, comment, nameOnly=True)]

    def _watched(self, codec_options: CodecOptions[Any]) -> tuple[Collection[Any], Namespace]:
        return Database(self, "admin", codec_options)._watched(codec_options)

    def drop_database(
        self,
        name_or_database: str | Named,
        session: SessionLike | None = None,
        comment: Any | None = None,
    ) -> None:
        """Drop a database; not an error if it does not exist.

        Raises:
            TypeError: `name_or_database` is neither.
        """
        name = name_of(name_or_database)
        if not isinstance(name, str):
            raise TypeError(
                f"name_or_database must be an instance of str or a Database, not {type(name)}"
            )
        database: Database[Any] = Database(self, name)
        command = drop_database(database._namespace, comment=comment)
        run_checked(self._executor, command, session)

    def server_info(self, session: SessionLike | None = None) -> dict[str, Any]:
        """Return the server's version and build."""
        return Database(self, "admin").command("buildinfo", session=session)

    def __getattr__(self, name: str) -> Database[DocT]:
        if name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}. To access the {name} "
                f"database, use client[{name!r}]."
            )
        return self[name]

    def __getitem__(self, name: str) -> Database[DocT]:
        return self._database_class(self, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _identity(self) -> tuple[object, ...]:
        options = self._options
        return tuple(sorted(options.seeds, key=repr)), options.replica_set, options.srv

    def __eq__(self, other: object) -> bool:
        if isinstance(other, MongoClient):
            return self._identity() == other._identity()
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def _arguments(self) -> str:
        options = self._executor.current_options
        kind = options.codec_options.document_class
        name = "dict" if kind is dict else f"{kind.__module__}.{kind.__name__}"
        hosts: object = [format_address(seed) for seed in options.seeds]
        if options.srv is not None and not options.seeds:
            hosts = f"mongodb+srv://{options.srv.fqdn}"
        parts = [
            f"host={hosts!r}",
            f"document_class={name}",
            f"tz_aware={options.codec_options.tz_aware!r}",
            f"connect={options.connect is not False!r}",
        ]
        return ", ".join(parts + arguments_of(options.given))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._arguments()})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} can be neither copied nor pickled: share it, "
            "or make another with the same arguments"
        )


def _tell_of_emulation(options: ClientOptions) -> None:
    """Log, or warn where nobody reads the log, that this is hardly a MongoDB."""
    hosts = [host for host, _ in options.seeds]
    notice = emulation_notice(hosts if options.srv is None else [options.srv.fqdn])
    if notice is None:
        return
    if _LOGGER.isEnabledFor(logging.INFO):
        _LOGGER.info(notice)
    else:
        warnings.warn(notice, UserWarning, stacklevel=4)
