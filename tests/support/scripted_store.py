"""What a fake server answers when a test has not said otherwise: a few documents in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from bson.int64 import Int64

__all__ = ["WRITES", "Store", "failure"]

Document = dict[str, Any]

WRITES = frozenset(("insert", "update", "delete", "findAndModify", "create", "drop"))


def failure(code: int, code_name: str, message: str, **more: Any) -> Document:
    """Return the reply of a command that failed."""
    return {"ok": 0.0, "errmsg": message, "code": code, "codeName": code_name, **more}


class Store:
    """Documents by namespace, and cursors over them.

    Filters compare fields for equality, updates know `$set`, aggregations know what
    `count_documents` sends. For more than that there are real servers.
    """

    def __init__(self) -> None:
        self.collections: dict[str, list[Document]] = {}
        self._cursors: dict[int, tuple[str, list[Document]]] = {}
        # mongod's cursor ids are 64 bit and never fit in 32.
        self._cursor_ids = itertools.count(6_892_242_347_964_523_894)

    @property
    def open_cursors(self) -> int:
        """Cursors neither exhausted nor killed."""
        return len(self._cursors)

    def answer(self, command: Document) -> Document | None:
        """Return the reply to a command, or None for one that is not known."""
        name = next(iter(command))
        answer: Callable[[Document], Document] | None = getattr(self, f"_answer_{name}", None)
        return None if answer is None else answer(command)

    def _documents(self, command: Document) -> list[Document]:
        name = next(iter(command))
        return self.collections.setdefault(f"{command['$db']}.{command[name]}", [])

    def _answer_ping(self, command: Document) -> Document:
        return {}

    _answer_endSessions = _answer_ping

    def _answer_buildInfo(self, command: Document) -> Document:
        return {"version": "6.0.5", "versionArray": [6, 0, 5, 0], "bits": 64}

    _answer_buildinfo = _answer_buildInfo

    def _answer_insert(self, command: Document) -> Document:
        documents = self._documents(command)
        errors: list[Document] = []
        for index, document in enumerate(command["documents"]):
            if any(_same(each["_id"], document["_id"]) for each in documents):
                message = f"E11000 duplicate key error dup key: {{ _id: {document['_id']!r} }}"
                errors.append({"index": index, "code": 11000, "errmsg": message})
                if command.get("ordered", True):
                    return {"n": index, "writeErrors": errors}
            else:
                documents.append(document)
        written = len(command["documents"]) - len(errors)
        return {"n": written, "writeErrors": errors} if errors else {"n": written}

    def _answer_update(self, command: Document) -> Document:
        matched = 0
        for update in command["updates"]:
            found = [each for each in self._documents(command) if _matches(each, update["q"])]
            for document in found if update.get("multi") else found[:1]:
                document.update(update["u"].get("$set", {}))
                matched += 1
        return {"n": matched, "nModified": matched}

    def _answer_delete(self, command: Document) -> Document:
        documents, deleted = self._documents(command), 0
        for delete in command["deletes"]:
            found = [each for each in documents if _matches(each, delete["q"])]
            for document in found[: delete["limit"] or None]:
                documents.remove(document)
                deleted += 1
        return {"n": deleted}

    def _answer_count(self, command: Document) -> Document:
        query = command.get("query", {})
        return {"n": sum(_matches(each, query) for each in self._documents(command))}

    def _answer_find(self, command: Document) -> Document:
        query = command.get("filter", {})
        found = [each for each in self._documents(command) if _matches(each, query)]
        skip, limit = command.get("skip", 0), command.get("limit", 0)
        found = found[skip : skip + limit if limit else None]
        namespace = f"{command['$db']}.{command['find']}"
        size = command.get("batchSize", 101)
        return self._batch("firstBatch", namespace, found, size, command.get("singleBatch", False))

    def _answer_aggregate(self, command: Document) -> Document:
        documents = self._documents(command)
        result: list[Document] = []
        for stage in command["pipeline"]:
            if "$match" in stage:
                documents = [each for each in documents if _matches(each, stage["$match"])]
            elif "$group" in stage and documents:
                result = [{"_id": stage["$group"]["_id"], "n": len(documents)}]
        if not any("$group" in stage for stage in command["pipeline"]):
            result = documents
        namespace = f"{command['$db']}.{command['aggregate']}"
        size = command["cursor"].get("batchSize", 101)
        return self._batch("firstBatch", namespace, result, size, False)

    def _answer_getMore(self, command: Document) -> Document:
        cursor_id = command["getMore"]
        if not isinstance(cursor_id, Int64):
            return failure(14, "TypeMismatch", "getMore is the wrong type 'int', expected 'long'")
        namespace, rest = self._cursors.pop(cursor_id, (None, []))
        if namespace is None:
            return failure(43, "CursorNotFound", f"cursor id {cursor_id} not found")
        size = command.get("batchSize") or len(rest)
        return self._batch("nextBatch", namespace, rest, size, False, cursor_id)

    def _answer_killCursors(self, command: Document) -> Document:
        killed = [each for each in command["cursors"] if self._cursors.pop(each, None)]
        missing = [each for each in command["cursors"] if each not in killed]
        return {
            "cursorsKilled": killed,
            "cursorsNotFound": missing,
            "cursorsAlive": [],
            "cursorsUnknown": [],
        }

    def _batch(
        self,
        name: str,
        namespace: str,
        documents: list[Document],
        size: int,
        single: bool,
        cursor_id: int = 0,
    ) -> Document:
        batch, rest = documents[:size], documents[size:]
        if rest and not single:
            cursor_id = cursor_id or next(self._cursor_ids)
            self._cursors[cursor_id] = (namespace, rest)
        else:
            cursor_id = 0
        return {"cursor": {name: batch, "id": Int64(cursor_id), "ns": namespace}}


def _matches(document: Document, query: Document) -> bool:
    return all(name in document and _same(document[name], query[name]) for name in query)


def _same(one: object, other: object) -> bool:
    # Python says True == 1, MongoDB does not.
    return one == other and isinstance(one, bool) == isinstance(other, bool)
