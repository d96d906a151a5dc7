"""Who leaves while the reply to his query is taken apart leaves no cursor behind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.decimal128 import Decimal128
from gevent import GreenletExit

from tests.support.fix_hub import Connect
from tests.support.fix_leaks import wait_until
from tests.support.fix_scripted import ScriptedServer


class Leaving(TypeDecoder):
    """The caller leaves in it."""

    def __init__(self, how: BaseException) -> None:
        self._how = how

    @property
    def bson_type(self) -> type[Decimal128]:
        return Decimal128

    def transform_bson(self, value: Any) -> Decimal:
        raise self._how


@pytest.mark.parametrize("how", [KeyboardInterrupt(), GreenletExit()], ids=repr)
def test_the_cursor_of_a_reply_that_was_not_decoded_to_its_end_is_closed(
    scripted_server: ScriptedServer, client_of: Connect, how: BaseException
) -> None:
    scripted_server.store.collections["test.c"] = [
        {"_id": n, "amount": Decimal128("1")} for n in range(3)
    ]
    client = client_of(scripted_server.uri)
    options: CodecOptions[Any] = CodecOptions(type_registry=TypeRegistry([Leaving(how)]))
    cursor = client.test.get_collection("c", options).find(batch_size=2)

    with pytest.raises(type(how)):
        next(cursor)

    wait_until(lambda: scripted_server.commands("killCursors"))
