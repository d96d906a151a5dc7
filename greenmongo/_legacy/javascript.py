"""SystemJS: functions stored on the server. No driver can call them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from bson.code import Code

from greenmongo._legacy.removed import refuse

if TYPE_CHECKING:
    from greenmongo._api.database import Database

__all__ = ["SystemJS"]


class SystemJS:
    """`db.system_js`: assign to an attribute to store a function, `del` it to remove it.

    Stored functions can still be used in `$where` and `$function`, and by mapReduce.
    """

    def __init__(self, database: Database[Any]) -> None:
        object.__setattr__(self, "_database", database)

    def __setattr__(self, name: str, code: Any) -> None:
        self._stored().replace_one({"_id": name}, {"value": Code(code)}, upsert=True)

    def __setitem__(self, name: str, code: Any) -> None:
        self.__setattr__(name, code)

    def __delattr__(self, name: str) -> None:
        self._stored().delete_one({"_id": name})

    def __delitem__(self, name: str) -> None:
        self.__delattr__(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return refuse_call

    def __getitem__(self, name: str) -> Any:
        return refuse_call

    # Python would iterate by __getitem__, for ever.
    __iter__ = None

    def list(self) -> list[str]:
        """Return the names of the stored functions."""
        return [document["_id"] for document in self._stored().find({}, ["_id"])]

    def _stored(self) -> Any:
        database: Database[Any] = object.__getattribute__(self, "_database")
        return database["system.js"]


def refuse_call(*args: Any) -> NoReturn:
    """Stand in for a stored function."""
    refuse("eval")
