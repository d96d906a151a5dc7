"""Everything that one client under test tells: its events and its log messages."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson import json_util
from pymongo import monitoring

from greenmongo._core.types import format_address
from greenmongo._hub.background import wait_for_background
from tests.spec.unified.matching import as_stored
from tests.support.listeners import Recorder

__all__ = ["Observer", "category_of", "describe", "recorded_logs"]

PATIENCE = 15.0

COMPONENTS = ("command", "connection", "serverSelection", "topology")
# In the order of the specification; Python has fewer of them.
LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug", "trace")
_SENSITIVE = frozenset(
    {"authenticate", "saslStart", "saslContinue", "getnonce", "createUser", "updateUser"}
    | {"copydbgetnonce", "copydbsaslstart", "copydb"}
)
_COMMAND_EVENTS = ("commandStartedEvent", "commandSucceededEvent", "commandFailedEvent")
_FACTS = {
    "address": "address",
    "awaited": "awaited",
    "command_name": "commandName",
    "database_name": "databaseName",
    "interrupt_connections": "interruptInUseConnections",
    "reason": "reason",
    "server_connection_id": "serverConnectionId",
    "service_id": "serviceId",
}

Event = dict[str, Any]
"""Its name under "event", and its facts by the specification's names."""


def category_of(name: str) -> str:
    """Return to which kind of events, "command", "sdam" or "cmap", one belongs."""
    if name in _COMMAND_EVENTS:
        return "command"
    return "sdam" if name.startswith(("server", "topology")) else "cmap"


def describe(event: Event) -> str:
    """Return an event's name, as short as messages need it."""
    return str(event.get("commandName") or event["event"])


def _translate(told: Any) -> Event:
    """Return one of PyMongo's events in the words of the specification."""
    name = type(told).__name__
    name = name[0].lower() + name[1:]
    facts = {
        ours: getattr(told, theirs) for theirs, ours in _FACTS.items() if hasattr(told, theirs)
    }
    if isinstance(facts.get("address"), tuple):
        facts["address"] = format_address(facts["address"])
    for part in ("command", "reply"):
        if hasattr(told, part) and name in _COMMAND_EVENTS:
            facts[part] = as_stored(getattr(told, part))
    if isinstance(told, monitoring.ServerDescriptionChangedEvent):
        facts["previousDescription"] = {"type": told.previous_description.server_type_name}
        facts["newDescription"] = {"type": told.new_description.server_type_name}
    elif isinstance(told, monitoring.TopologyDescriptionChangedEvent):
        facts["previousDescription"] = {"type": told.previous_description.topology_type_name}
        facts["newDescription"] = {"type": told.new_description.topology_type_name}
    elif isinstance(told, monitoring.TopologyOpenedEvent):
        name = "topologyOpeningEvent"
    return {"event": name, **facts}


class Observer:
    """What a client tells, from the moment it is made.

    Args:
        entity: the client as the test's file describes it.
    """

    def __init__(self, entity: Mapping[str, Any]) -> None:
        self.id: str | None = None
        """By which the client's log messages are told from others."""
        self._events: list[Event] = []
        self._counts: Counter[str] = Counter()
        self.observes = frozenset(entity.get("observeEvents", ()))
        self.log_levels: Mapping[str, str] = entity.get("observeLogMessages", {})
        self.ignored = {*entity.get("ignoreCommandMonitoringEvents", ()), "configureFailPoint"}
        self._shows_secrets = entity.get("observeSensitiveCommands", False)
        self._since = 0.0
        self.stored: dict[str, list[Event]] = {
            each["id"]: [] for each in entity.get("storeEventsAsEntities", ())
        }
        """What is to be kept for the entities of these names."""
        self._stores = [
            (set(each["events"]), self.stored[each["id"]])
            for each in entity.get("storeEventsAsEntities", ())
        ]
        self.listeners = Recorder(also=self._take).listeners

    @property
    def events(self) -> list[Event]:
        """What was told so far and is not to be ignored."""
        wait_for_background(PATIENCE)
        return self._events

    @property
    def counts(self) -> Counter[str]:
        """How many events there were of each kind, observed or not."""
        wait_for_background(PATIENCE)
        return self._counts

    def forget(self) -> None:
        """Leave out of account what was told so far."""
        self.events.clear()
        self._since = time.time()

    def _take(self, told: Any) -> None:
        if isinstance(told, monitoring.TopologyOpenedEvent):
            self.id = str(told.topology_id)
        event = _translate(told)
        name = type(told).__name__
        for names, events in self._stores:
            if name in names:
                events.append({**event, "name": name, "observedAt": time.time()})
        self._counts[event["event"]] += 1
        is_command = event["event"] in _COMMAND_EVENTS
        if not (is_command and self._is_hidden(event)):
            self._events.append(event)

    def _is_hidden(self, event: Event) -> bool:
        name = event["commandName"]
        if name in self.ignored:
            return True
        is_redacted_hello = name in ("hello", "isMaster", "ismaster") and not event.get(
            "command", event.get("reply", True)
        )
        return not self._shows_secrets and (name in _SENSITIVE or is_redacted_hello)

    @property
    def connections_in_use(self) -> int:
        """How many connections are checked out."""
        counts = self.counts
        return counts["connectionCheckedOutEvent"] - counts["connectionCheckedInEvent"]

    def of_category(self, category: str) -> list[Event]:
        """Return the observed events of one kind."""
        return [
            event
            for event in list(self.events)
            if event["event"] in self.observes and category_of(event["event"]) == category
        ]

    def messages(self, records: list[logging.LogRecord]) -> Iterator[dict[str, Any]]:
        """Choose this client's log messages, as far as it observes them."""
        wait_for_background(PATIENCE)
        for record in records:
            component, level = record.name.rpartition(".")[2], record.levelname.lower()
            data = json_util.loads(record.getMessage())
            wanted = self.log_levels.get(component)
            if wanted is None or str(data.get("clientId", data.get("topologyId"))) != self.id:
                continue
            is_new = record.created >= self._since
            is_loud = LEVELS.index(level) <= LEVELS.index(wanted)
            is_ignored = component == "command" and data.get("commandName") in self.ignored
            if is_new and is_loud and not is_ignored:
                yield {"level": level, "component": component, "data": data}


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def recorded_logs(driver: str) -> Iterator[list[logging.LogRecord]]:
    """Keep all that a driver logs during the block."""
    keeper = _Keeper()
    loggers = [logging.getLogger(f"{driver}.{component}") for component in COMPONENTS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(keeper)
    try:
        yield keeper.records
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(keeper)
            logger.setLevel(level)
            logger.propagate = propagate
