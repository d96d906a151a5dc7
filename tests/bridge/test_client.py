from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from bridge import AsyncMongoClient


def test_an_async_client_shows_itself_as_an_async_client() -> None:
    class Mine(AsyncMongoClient[Any]):
        pass

    shown = "(host=['a:27017'], document_class=dict, tz_aware=False, connect=False, appname='x')"
    assert repr(AsyncMongoClient[Any]("mongodb://a/?appname=x")) == f"AsyncMongoClient{shown}"
    assert repr(Mine("mongodb://a/?appname=x")) == f"Mine{shown}"


def test_a_subclass_may_name_another_host_for_clients_that_are_given_none() -> None:
    class Ours(AsyncMongoClient[Any]):
        HOST = "db.example.com"
        PORT = 4000

    assert Ours().options.seeds == (("db.example.com", 4000),)
    assert Ours("a").options.seeds == (("a", 4000),)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_an_async_client_is_neither_copied_nor_pickled(duplicate: Callable[[Any], Any]) -> None:
    client = AsyncMongoClient[Any](connect=False)
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        duplicate(client)
