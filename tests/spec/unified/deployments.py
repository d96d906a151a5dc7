"""The servers under test, prepared and inspected through PyMongo, never through our own driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pymongo
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from greenmongo._core.server_codes import NAMESPACE_NOT_FOUND
from tests.spec.unified.matching import is_same
from tests.spec.unified.outcomes import Mismatch, NotApplicable
from tests.spec.unified.requirements import Facts, unmet

__all__ = ["Candidate", "Deployment", "choose"]

Document = dict[str, Any]
Requirements = Sequence[Mapping[str, Any]] | None

_UNAUTHORIZED = (13, 11601)


class Deployment:
    """One deployment. `close` it at the end.

    Args:
        uri: how clients connect to it.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._client: pymongo.MongoClient[Document] = pymongo.MongoClient(uri)
        admin = self._client.admin
        hello = admin.command("hello")
        self.seeds = [f"{host}:{port}" for host, port in parse_uri(uri)["nodelist"]]
        self.size = len(hello.get("hosts", [uri]))
        self._members = [self._connect_to(member) for member in hello.get("hosts", [])]
        security = admin.command("getCmdLineOpts")["parsed"].get("security", {})
        topology = "replicaset" if "setName" in hello else "single"
        self.facts = Facts(
            version=tuple(admin.command("buildInfo")["versionArray"][:3]),
            topology="sharded" if hello.get("msg") == "isdbgrid" else topology,
            has_auth=security.get("authorization") == "enabled" or "keyFile" in security,
            parameters=admin.command("getParameter", "*"),
        )

    def _connect_to(self, member: str) -> pymongo.MongoClient[Document]:
        host, _, port = member.rpartition(":")
        options = parse_uri(self.uri)
        return pymongo.MongoClient(
            host,
            int(port),
            directConnection=True,
            username=options["username"],
            password=options["password"],
        )

    def uri_of_one(self) -> str:
        """Return a URI that names a single server and no replica set."""
        options = parse_uri(self.uri)
        user = options["username"]
        credentials = f"{user}:{options['password']}@" if user else ""
        return f"mongodb://{credentials}{self.seeds[0]}/"

    # ---- data -------------------------------------------------------------------------------

    def prepare(self, collections: Sequence[Document]) -> None:
        """Make the collections anew, with the documents that a test starts from."""
        for facts in collections:
            database = self._client.get_database(
                facts["databaseName"], write_concern=WriteConcern("majority")
            )
            name, documents = facts["collectionName"], facts["documents"]
            options = facts.get("createOptions", {})
            database.drop_collection(name)
            if options or not documents:
                database.create_collection(name, check_exists=False, **options)
            if documents:
                database[name].insert_many(deepcopy(documents))

    def check_outcome(self, collections: Sequence[Document]) -> None:
        """Raise Mismatch if a collection does not hold exactly the documents it should."""
        for facts in collections:
            database, name = facts["databaseName"], facts["collectionName"]
            collection = self._client[database].get_collection(
                name,
                read_preference=pymongo.ReadPreference.PRIMARY,
                read_concern=ReadConcern("local"),
            )
            found = list(collection.find(sort=[("_id", 1)]))
            if not is_same(facts["documents"], found):
                raise Mismatch(f"{database}.{name}: expected {facts['documents']}, found {found}")

    def has_collection(self, database: str, name: str) -> bool:
        """Tell whether there is a collection of that name."""
        return name in self._client[database].list_collection_names()

    def has_index(self, database: str, collection: str, name: str) -> bool:
        """Tell whether a collection has an index of that name."""
        try:
            indexes = list(self._client[database][collection].list_indexes())
        except OperationFailure as error:
            if error.code == NAMESPACE_NOT_FOUND:
                return False
            raise
        return any(index["name"] == name for index in indexes)

    # ---- the end of a test ------------------------------------------------------------------

    def turn_off(self, fail_point: str) -> None:
        """Disable a fail point on every member: the primary may be another one by now."""
        for client in self._members or [self._client]:
            client.admin.command({"configureFailPoint": fail_point, "mode": "off"})

    def tell(self, member: str, command: Document) -> None:
        """Have one server perform a command."""
        with self._connect_to(member) as client:
            client.admin.command(command)

    def end_sessions(self) -> None:
        """End what a test that failed has left running."""
        try:
            self._client.admin.command("killAllSessions", [])
        except OperationFailure as error:
            if error.code not in _UNAUTHORIZED:
                raise

    def close(self) -> None:
        """Close our connections; the servers stay."""
        with ExitStack() as stack:
            for client in (self._client, *self._members):
                stack.callback(client.close)


@dataclass(frozen=True)
class Candidate:
    """A deployment that there could be, and how it differs from the first one."""

    open: Callable[[], Deployment]
    topology: str
    has_auth: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)


def choose(candidates: Sequence[Candidate], *requirements: Requirements) -> Deployment:
    """Return the first deployment that meets all requirements; start it only if it does.

    Raises:
        NotApplicable: there is none.
    """
    first = candidates[0].open()
    reasons: list[str] = []
    for candidate in candidates:
        facts = first.facts
        if candidate is not candidates[0]:
            facts = replace(
                facts,
                topology=candidate.topology,
                has_auth=candidate.has_auth,
                parameters={**facts.parameters, **candidate.parameters},
            )
        unmet_here = [reason for each in requirements if (reason := unmet(each, facts))]
        if not unmet_here:
            return candidate.open()
        reasons += unmet_here
    raise NotApplicable("no server here: " + reasons[0])
