"""Users of a database, and who this client is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from pymongo.errors import ConfigurationError

from greenmongo._core.options.credentials import build_credentials
from greenmongo._core.types import DocT
from greenmongo._legacy.database.base import LegacyDatabaseBase

if TYPE_CHECKING:
    from greenmongo._core.types import Document

__all__ = ["Users"]


class Users(LegacyDatabaseBase[DocT], Generic[DocT]):
    """add_user, remove_user, authenticate and logout."""

    def add_user(
        self,
        /,
        name: str,
        password: str | None = None,
        read_only: bool | None = None,
        **options: Any,
    ) -> None:
        """Create a user, or change the password and the roles of one.

        Args:
            name: the user's name.
            password: the password; not for users of `$external`.
            read_only: the user may only read; otherwise everything is allowed.
            **options: further fields of createUser or updateUser: `roles`, `customData`, ...

        Raises:
            ConfigurationError: both `read_only` and `roles` are given.
        """
        if not isinstance(name, str):
            raise TypeError(f"name must be an instance of str, not {name!r}")
        if password is not None and not isinstance(password, str):
            raise TypeError(f"password must be an instance of str, not {type(password)}")
        if read_only is not None and "roles" in options:
            raise ConfigurationError("read_only contradicts roles")
        fields = dict(options)
        if password is not None:
            fields["pwd"] = password
        known = bool(self.command("usersInfo", name)["users"])
        if not known or read_only is not None:
            fields.setdefault("roles", [default_role(self._name, bool(read_only))])
        self.command("updateUser" if known else "createUser", name, **fields)

    def remove_user(self, name: str) -> None:
        """Remove a user.

        Raises:
            OperationFailure: there is none of that name.
        """
        self.command("dropUser", name)

    def authenticate(
        self,
        /,
        name: str,
        password: str | None = None,
        source: str | None = None,
        mechanism: str = "DEFAULT",
        **properties: Any,
    ) -> bool:
        """Log the whole client in, from now on, and return True.

        A client has one identity. Its connections are closed and opened anew; requests go on.

        Args:
            name: the user's name.
            password: the password.
            source: the database that knows the user; this one by default.
            mechanism: how to log in; by default the best that both sides know.
            **properties: further properties of the mechanism.

        Raises:
            InvalidOperation: the client is logged in as somebody else.
            OperationFailure: the server refuses; nothing changes.
        """
        if not isinstance(name, str):
            raise TypeError(f"name must be an instance of str, not {name!r}")
        options: Document = {"authmechanism": mechanism, "authmechanismproperties": properties}
        if source is not None:
            options["authsource"] = source
        credentials = build_credentials(
            options, username=name, password=password, database=self._name
        )
        assert credentials is not None  # there is a name
        self.client._reopening.log_in(credentials)
        return True

    def logout(self) -> None:
        """Log the client out if it is logged in as a user of this database.

        Its connections are closed and opened anew; requests go on.
        """
        self.client._reopening.log_out(self._name)


def default_role(database: str, read_only: bool) -> str:
    """Return the role that users had who were created without one."""
    if database == "admin":
        return "readAnyDatabase" if read_only else "root"
    return "read" if read_only else "dbOwner"
