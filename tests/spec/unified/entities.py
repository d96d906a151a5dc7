"""The things a test names: clients, databases, sessions, threads, and what it saves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

from pymongo.errors import PyMongoError
from pymongo.server_api import ServerApi

from tests.spec.unified.apis import Api
from tests.spec.unified.arguments import bucket_options, concerns, session_options
from tests.spec.unified.deployments import Deployment
from tests.spec.unified.observer import Observer
from tests.spec.unified.operation import check_keywords, method_of
from tests.spec.unified.outcomes import Mismatch, Unsupported
from tests.spec.unified.spans import SpanRecorder
from tests.support.loop_actor import bare

__all__ = ["Entities", "Entity", "Worker", "wait_until"]

PATIENCE = 15.0


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Wait for something that happens elsewhere; return whether it did in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@dataclass(frozen=True)
class Entity:
    """A thing and its kind."""

    kind: str
    it: Any
    is_face: bool = False
    """Whether its methods are blocking ones already, bound to the test's own thread."""


class Worker:
    """A thread of a test, that does one operation after another."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._jobs: SimpleQueue[Callable[[Api], None] | None] = SimpleQueue()
        self._error: Exception | None = None
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        for job in iter(self._jobs.get, None):
            if self._error is None:
                try:
                    job(self._api)
                except Exception as error:
                    self._error = error

    def submit(self, job: Callable[[Api], None]) -> None:
        """Do a job after those before it, unless one of them fails."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Do no more than what was submitted so far."""
        self._jobs.put(None)

    def join(self) -> None:
        """Wait until all is done; raise what went wrong."""
        self.stop()
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise Mismatch("a thread has not come to its end")
        if self._error is not None:
            raise self._error


def _end_quietly(end: Callable[[], object]) -> None:
    """Close a cursor or end a session, which may have been closed with its client."""
    with suppress(PyMongoError):
        end()


def _limited(it: Any, milliseconds: int | None) -> Any:
    """Give a database or collection a time limit of its own, if there is one."""
    if milliseconds is None:
        return it
    options = {"timeout_ms": milliseconds}
    check_keywords(method_of(it, "with_options"), options)
    return it.with_options(**options)


class Entities:
    """The entities of one test, by their names. `close` them at the end.

    Args:
        deployment: what clients connect to.
        api: the kind of clients.
        client_options: for those that do not say otherwise.
    """

    def __init__(self, deployment: Deployment, api: Api, client_options: Mapping[str, Any]) -> None:
        self._deployment = deployment
        self._api = api
        self._client_options = client_options
        self._entities: dict[str, Entity] = {}
        self._at_end = ExitStack()
        self.observers: dict[str, Observer] = {}
        """What the clients tell, by the clients' names."""
        self._recorders: dict[str, SpanRecorder] = {}
        self._session_ids: dict[str, Mapping[str, Any]] = {}

    def __getitem__(self, name: str) -> Entity:
        if name not in self._entities:
            raise Mismatch(f"there is no entity {name}")
        return self._entities[name]

    def value(self, name: str) -> Any:
        """Return the thing of a name."""
        return self[name].it

    def observer(self, client: str) -> Observer:
        """Return what listens to a client."""
        if client not in self.observers:
            raise Mismatch(f"there is no client {client}")
        return self.observers[client]

    def recorder(self, client: str) -> SpanRecorder:
        """Return what keeps a client's spans."""
        if client not in self._recorders:
            raise Mismatch(f"there is no client {client} that traces")
        return self._recorders[client]

    def session(self, name: str) -> Any:
        """Return a session, for an operation to take."""
        if self[name].kind != "session":
            raise Mismatch(f"{name} is not a session")
        return self[name].it

    def session_id(self, name: str) -> Mapping[str, Any]:
        """Return the id of a session, which may have ended."""
        if name not in self._session_ids:
            raise Mismatch(f"there is no session {name}")
        return self._session_ids[name]

    def add(self, name: str, entity: Entity) -> None:
        """Give a thing a name, which must be new. A cursor is closed in the end."""
        if name in self._entities:
            raise Mismatch(f"there is an entity {name} already")
        self._entities[name] = entity
        if entity.kind == "cursor":
            self._at_end.callback(_end_quietly, entity.it.close)

    def create(self, descriptions: Sequence[Mapping[str, Any]]) -> None:
        """Make the entities that a test describes."""
        makers = {
            "bucket": self._make_bucket,
            "client": self._make_client,
            "collection": self._make_collection,
            "database": self._make_database,
            "session": self._make_session,
            "thread": self._make_thread,
        }
        for description in descriptions:
            ((kind, facts),) = description.items()
            for other in ("client", "database"):
                if other in facts:
                    self[facts[other]]  # there has to be one
            # What the driver cannot make may stand there unused.
            it = makers[kind](facts) if kind in makers else None
            self.add(facts["id"], Entity(kind, it))
            if kind == "client":
                self._await_pool(facts)

    def _make_client(self, facts: Mapping[str, Any]) -> Any:
        if "autoEncryptOpts" in facts:
            raise Unsupported("autoEncryptOpts of a client")
        options = {**self._client_options, **facts.get("uriOptions", {})}
        if "observeTracingMessages" in facts:
            if not self._api.is_ours:
                raise Unsupported("tracing")
            recorder = SpanRecorder(facts["observeTracingMessages"])
            self._recorders[facts["id"]] = recorder
            options["tracing"] = recorder.option
        api = facts.get("serverApi")
        if api is not None:
            options["server_api"] = ServerApi(
                api["version"], api.get("strict"), api.get("deprecationErrors")
            )
        observer = self.observers[facts["id"]] = Observer(facts)
        for name, events in observer.stored.items():
            self.add(name, Entity("events", events))
        direct = options.get("directConnection") is True
        uri = self._deployment.uri_of_one() if direct else self._deployment.uri
        client = self._api.connect(uri, event_listeners=observer.listeners, **options)
        self._at_end.callback(lambda: self._api.face(client).close())
        return client

    def _await_pool(self, facts: Mapping[str, Any]) -> None:
        if "awaitMinPoolSizeMS" not in facts:
            return
        options, observer = facts["uriOptions"], self.observers[facts["id"]]
        servers = 1 if options.get("directConnection") else self._deployment.size
        count = options["minPoolSize"] * servers
        if not wait_until(
            lambda: observer.counts["connectionReadyEvent"] >= count,
            facts["awaitMinPoolSizeMS"] / 1000,
        ):
            raise Mismatch("the pools have not been filled in time")
        observer.forget()

    def _make_database(self, facts: Mapping[str, Any]) -> Any:
        client = self[facts["client"]].it
        options = dict(facts.get("databaseOptions", {}))
        limit = options.pop("timeoutMS", None)
        return _limited(client.get_database(facts["databaseName"], **concerns(options)), limit)

    def _make_collection(self, facts: Mapping[str, Any]) -> Any:
        database = self[facts["database"]].it
        options = dict(facts.get("collectionOptions", {}))
        limit = options.pop("timeoutMS", None)
        return _limited(
            database.get_collection(facts["collectionName"], **concerns(options)), limit
        )

    def _make_bucket(self, facts: Mapping[str, Any]) -> Any:
        database = self[facts["database"]].it
        return self._api.bucket(database, **bucket_options(facts.get("bucketOptions", {})))

    def _make_session(self, facts: Mapping[str, Any]) -> Any:
        client = self._api.face(self[facts["client"]].it)
        if not hasattr(type(bare(client)), "start_session"):
            raise Unsupported("sessions")
        options = session_options(facts.get("sessionOptions", {}), self.value)
        check_keywords(method_of(client, "start_session"), options)
        session = client.start_session(**options)
        self._at_end.callback(_end_quietly, session.end_session)
        self._session_ids[facts["id"]] = dict(session.session_id)
        return bare(session)

    def _make_thread(self, facts: Mapping[str, Any]) -> Worker:
        api = self._api.another()
        worker = Worker(api)
        self._at_end.callback(api.close)
        self._at_end.callback(worker.stop)
        return worker

    def close(self) -> None:
        """Close the clients."""
        self._at_end.close()
