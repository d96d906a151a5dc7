"""Makes PyMongo 2's `MongoClient` what it was: it began no request by itself."""

from __future__ import annotations

import libcst as cst

from greenmongo.cli.migrate.paths import path_of

__all__ = ["OldClients"]

_OPTION = "auto_start_request"


class OldClients(cst.CSTTransformer):
    """Adds `auto_start_request=False` to each `MongoClient(...)`, which is a `Connection` here."""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        """Add the option, unless it is there."""
        given = {each.keyword.value for each in updated_node.args if each.keyword is not None}
        if path_of(original_node.func) != "MongoClient" or _OPTION in given:
            return updated_node
        option = cst.Arg(
            cst.Name("False"),
            keyword=cst.Name(_OPTION),
            equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
        )
        return updated_node.with_changes(args=[*updated_node.args, option])
