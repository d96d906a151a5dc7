"""The deployment as this client sees it: holds the description, performs what follows from it.

`_core.sdam` decides; here nothing decides. Between computing a change and storing its topology
there is no greenlet switch, and the effects are performed after it is stored.
"""

from __future__ import annotations

import random
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from gevent.event import Event
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from greenmongo._core.options.srv import apply_hosts, is_polled
from greenmongo._core.pool_rules import PendingConnection
from greenmongo._core.read_modes import PRIMARY
from greenmongo._core.retryable_errors import is_overload
from greenmongo._core.sdam.heartbeat import ErrorFact, ErrorKind, judge_check_failure, judge_error
from greenmongo._core.sdam.kinds import TopologyKind
from greenmongo._core.sdam.selection import choose, suitable_servers
from greenmongo._core.sdam.selection_failure import describe_failure
from greenmongo._core.sdam.server_description import ServerDescription
from greenmongo._core.sdam.topology_description import TopologyDescription
from greenmongo._core.sdam.transitions import (
    Change,
    CloseServer,
    Effect,
    MarkReady,
    OpenServer,
    RequestCheck,
    ServerChanged,
    TopologyChanged,
    apply_description,
    initial_topology,
)
from greenmongo._core.server_codes import AUTHENTICATION_CODES
from greenmongo._hub.upcall import upcall
from greenmongo._net.closed_client import used_after_close
from greenmongo._net.monitor import Monitor
from greenmongo._net.observers.server_selection import log_selection
from greenmongo._net.observers.topology import TopologyObserver
from greenmongo._net.seed_list import SeedList
from greenmongo._net.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from greenmongo._core.options import ClientOptions
    from greenmongo._core.types import Address, ReadMode
    from greenmongo._net.connection import Connection
    from greenmongo._net.connector import Connector
    from greenmongo._net.observers.publisher import Publisher
    from greenmongo._net.observers.server_selection import SelectionLog
    from greenmongo._net.pool import Pool

__all__ = ["Topology", "initial_description"]


class Topology:
    """The servers of one client, monitored. Hub side only.

    Args:
        new_pool: makes the (paused) pool of a server that was discovered.
        on_options: given the options once the hosts of a `mongodb+srv://` URI are known, before
            anything connects to one of them.
        publisher: whom to tell of all this.
    """

    def __init__(
        self,
        connector: Connector,
        options: ClientOptions,
        *,
        new_pool: Callable[[Address], Pool],
        on_options: Callable[[ClientOptions], object],
        publisher: Publisher,
    ) -> None:
        self.description = initial_description(options)
        self.servers: dict[Address, Server] = {}
        self._connector = connector
        self._options = options
        self._new_pool = new_pool
        self._on_options = on_options
        self._changed = Event()
        self._is_closed = False
        self._sole: Server | None = None
        self._sole_of: TopologyDescription | None = None
        """What `_sole` was worked out from."""
        self._events = TopologyObserver(publisher)
        self._events.opened()
        self._seed_list: SeedList | None = None
        if options.srv is None or options.seeds:
            self._open_seeds()
        else:
            self._seed_list = SeedList(
                options,
                options.srv,
                begin=self._begin,
                is_watched=lambda: is_polled(self.description),
                update=self._update_hosts,
            )

    @property
    def primary(self) -> Address | None:
        """The only writable server, None if there is none or any of several would do."""
        writable = self.description.writable
        return writable[0].address if len(writable) == 1 else None

    @property
    def is_empty(self) -> bool:
        """Whether no server is left, and none can be learnt of."""
        return not self.description.servers and self._seed_list is None

    def sole_writable(self) -> Server | None:
        """Return the only writable server, None if it takes more to say where operations go.

        Worked out once for each description, as nearly every operation asks.
        """
        description = self.description
        if self._sole_of is not description:
            self._sole, self._sole_of = self._find_sole(description), description
        return self._sole

    def _find_sole(self, description: TopologyDescription) -> Server | None:
        options, writable = self._options, description.writable
        if (
            len(writable) != 1
            or self._is_closed
            or description.compatibility_error is not None
            or options.load_balanced
            or options.server_selector is not None
        ):
            return None
        return self.servers.get(writable[0].address)

    def select(
        self,
        preference: ReadMode | None,
        timeout: float,
        *,
        only: Address | None = None,
        avoid: frozenset[Address] = frozenset(),
        operation: str = "",
        operation_id: int | None = None,
    ) -> Server:
        """Return a server for an operation, waiting for one to appear if need be.

        Args:
            preference: None for an operation that needs a writable server.
            timeout: seconds to wait.
            only: the one server that will do, as for a cursor's next batch.
            avoid: servers to take only if nothing else suits.
            operation: its name, for the logs, as is its id.

        Raises:
            ServerSelectionTimeoutError: none appeared in time.
            ConfigurationError: the servers are too old or too new, or the options cannot be met,
                or the DNS does not tell the hosts of a `mongodb+srv://` URI.
        """
        log = log_selection(
            self._events.publisher, self.description, preference, operation, operation_id
        )
        changed = self._changed
        try:
            server = self._find(preference, only, avoid)
            if server is None:
                server = self._wait_for_server(changed, preference, timeout, only, avoid, log)
        except Exception as error:
            if log is not None:
                log.failed(self.description, error)
            raise
        if log is not None:
            log.succeeded(self.description, server.address)
        return server

    def _wait_for_server(
        self,
        changed: Event,
        preference: ReadMode | None,
        timeout: float,
        only: Address | None,
        avoid: frozenset[Address],
        log: SelectionLog | None,
    ) -> Server:
        deadline = monotonic() + timeout
        if self._seed_list is not None:
            self._seed_list.wait(timeout)
            server = self._find(preference, only, avoid)
            if server is not None:
                return server
        while True:
            left = deadline - monotonic()
            # A set none of whose seeds is a member has nobody left who could tell of others.
            if left <= 0 or self.is_empty:
                raise ServerSelectionTimeoutError(
                    describe_failure(self.description, preference, timeout, self._options.seeds)
                )
            if log is not None:
                log.waiting(self.description, left)
            for known in self.servers.values():
                known.request_check()
            changed.wait(left)
            # Before the look: a selector of the user's may take its time, and more changes.
            changed = self._changed
            server = self._find(preference, only, avoid)
            if server is not None:
                return server

    def suits(self, server: ServerDescription, preference: ReadMode) -> bool:
        """Tell whether a request's reads can stay on this member."""
        if preference.mode == PRIMARY:
            return server.is_writable
        suitable = suitable_servers(
            self.description,
            preference,
            local_threshold=float("inf"),
            heartbeat_interval=self._options.heartbeat_interval,
        )
        return any(candidate.address == server.address for candidate in suitable)

    def report(self, description: ServerDescription) -> None:
        """Record what a check found."""
        self._apply(description)

    def report_check_failure(self, address: Address, error: Exception) -> bool:
        """Record that a check failed; return whether to check again at once."""
        server = self.servers.get(address)
        if server is None:
            return False
        verdict = judge_check_failure(self.description.servers[address], _kind_of(error))
        # SDAM, "Why synchronize clearing a server's pool with updating the topology?": no greenlet
        # switch between the two.
        self._apply(ServerDescription.unknown(address, error))
        if verdict.clear_pool:
            server.pool.clear(error, interrupt=verdict.interrupt_in_use)
        return verdict.request_check

    def report_error(
        self, address: Address, error: Exception, connection: Connection | PendingConnection
    ) -> None:
        """Record that an operation, or the opening of a connection for one, failed."""
        server = self.servers.get(address)
        known = self.description.servers.get(address)
        if server is None or known is None:
            return
        details = _details_of(error)
        # SDAM, "Warning about the maxWireVersion from a monitor's hello or legacy hello response":
        # what counts is the handshake of the connection that failed.
        handshake = None if isinstance(connection, PendingConnection) else connection.description
        verdict = judge_error(
            known,
            ErrorFact(
                _kind_of(error),
                before_handshake=isinstance(connection, PendingConnection),
                code=details.get("code"),
                topology_version=details.get("topologyVersion"),
                pool_generation=connection.generation,
                current_generation=server.pool.generation,
                max_wire_version=known.max_wire_version
                if handshake is None
                else handshake.max_wire_version,
                load_balanced=self._options.load_balanced,
                has_service_id=connection.service_id is not None,
                is_overload=isinstance(error, PyMongoError) and is_overload(error),
            ),
        )
        if verdict.mark_unknown:
            self._apply(ServerDescription.unknown(address, error, verdict.topology_version))
        if verdict.clear_pool and connection.service_id is not None:
            server.pool.clear_service(connection.service_id)
        elif verdict.clear_pool:
            server.pool.clear(error)
        if verdict.cancel_check:
            server.cancel_check()
        if verdict.request_check:
            server.request_check()

    def close(self) -> None:
        """Stop the monitors and close the pools."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._seed_list is not None:
            self._seed_list.close()
        for address in list(self.servers):
            self._perform_effect(CloseServer(address))
        previous, self.description = self.description, TopologyDescription.empty()
        self._events.changed(previous, self.description)
        self._events.closed()
        self._changed.set()

    def _find(
        self, preference: ReadMode | None, only: Address | None, avoid: frozenset[Address]
    ) -> Server | None:
        if self._is_closed:
            raise used_after_close()
        description = self.description
        if description.compatibility_error is not None:
            raise ConfigurationError(description.compatibility_error)
        if only is not None:
            known = description.servers.get(only)
            return self.servers[only] if known is not None and known.is_readable else None
        suitable = suitable_servers(
            description,
            preference,
            local_threshold=self._options.local_threshold,
            heartbeat_interval=self._options.heartbeat_interval,
            deprioritized=avoid,
        )
        selector = self._options.server_selector
        if selector is not None and suitable:
            # It is the user's, and others may run meanwhile: servers may have left.
            chosen = upcall(partial(selector, suitable))
            suitable = [server for server in chosen if server.address in self.servers]
        if not suitable:
            return None
        if len(suitable) == 1:
            return self.servers[suitable[0].address]
        counts = {address: server.operation_count for address, server in self.servers.items()}
        return self.servers[choose(suitable, counts, random.sample).address]

    def _begin(self, options: ClientOptions) -> None:
        """Begin with the hosts that the DNS has told."""
        self._options = options
        self._on_options(options)
        self.description = initial_description(options)
        self._open_seeds()

    def _open_seeds(self) -> None:
        self._events.changed(TopologyDescription.empty(), self.description)
        for address in self.description.servers:
            self._perform_effect(OpenServer(address))
        if self._options.load_balanced:
            self._apply(ServerDescription.load_balancer(self._options.seeds[0]))

    def _update_hosts(self, hosts: Sequence[Address]) -> None:
        """Record that the DNS lists other hosts now."""
        srv = self._options.srv
        limit = 0 if srv is None else srv.max_hosts
        self._apply_change(apply_hosts(self.description, hosts, limit, random.sample))

    def _apply(self, server: ServerDescription) -> None:
        self._apply_change(apply_description(self.description, server))

    def _apply_change(self, change: Change) -> None:
        # No greenlet switch since `self.description` was read.
        self.description = change.topology
        for effect in change.effects:
            self._perform_effect(effect)
        changed, self._changed = self._changed, Event()
        changed.set()

    def _perform_effect(self, effect: Effect) -> None:
        match effect:
            case OpenServer(address):
                if not self._is_closed:
                    self._events.server_opened(address)
                    self.servers[address] = self._open(address)
            case CloseServer(address):
                server = self.servers.pop(address, None)
                if server is not None:
                    server.close()
                    self._events.server_closed(address)
            case MarkReady(address):
                if address in self.servers:
                    self.servers[address].pool.ready()
            case RequestCheck(address):
                if address in self.servers:
                    self.servers[address].request_check()
            case ServerChanged(before, now):
                self._events.server_changed(before, now)
            case TopologyChanged(earlier, later):
                self._events.changed(earlier, later)

    def _open(self, address: Address) -> Server:
        monitor = None
        if self.description.kind is not TopologyKind.LOAD_BALANCED:
            monitor = Monitor(
                address,
                self._connector,
                self._options,
                report=self.report,
                report_failure=self.report_check_failure,
                events=self._events,
            )
        return Server(address, self._new_pool(address), monitor)


def initial_description(options: ClientOptions) -> TopologyDescription:
    """Return what is known of a deployment before anything connects to it."""
    if options.srv is not None and not options.seeds:
        return TopologyDescription.empty()
    return initial_topology(
        options.seeds,
        replica_set=options.replica_set,
        direct_connection=options.direct_connection,
        load_balanced=options.load_balanced,
        heartbeat_interval=options.heartbeat_interval,
        local_threshold=options.local_threshold,
        srv_max_hosts=0 if options.srv is None else options.srv.max_hosts,
    )


def _kind_of(error: Exception) -> ErrorKind:
    if isinstance(error, NotPrimaryError):
        return ErrorKind.COMMAND
    if isinstance(error, NetworkTimeout):
        return ErrorKind.TIMEOUT
    if isinstance(error, AutoReconnect):
        return ErrorKind.NETWORK
    if isinstance(error, OperationFailure) and error.code in AUTHENTICATION_CODES:
        return ErrorKind.AUTHENTICATION
    return ErrorKind.COMMAND


def _details_of(error: Exception) -> Mapping[str, Any]:
    details = getattr(error, "details", None)
    return details if isinstance(details, dict) else {}
