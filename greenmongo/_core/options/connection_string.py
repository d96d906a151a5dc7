"""Take `host` arguments and connection strings apart, without any look-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.uri_parser import parse_uri, split_hosts

from greenmongo._core.options.validation import names_in, read_uri_options

if TYPE_CHECKING:
    from greenmongo._core.types import Address

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "NOT_ESCAPED", "ParsedHosts", "read_hosts", "read_uri"]

DEFAULT_HOST = "localhost"
DEFAULT_PORT = 27017

_SCHEME = "mongodb://"
_SRV_SCHEME = "mongodb+srv://"

NOT_ESCAPED = (
    "Username and password must be escaped according to RFC 3986, use urllib.parse.quote_plus: "
    "an '@' after a '/' or '?' looks like the end of a password that has one of these in it. "
    "(An '@' elsewhere is written '%40'.)"
)


@dataclass(frozen=True, slots=True)
class ParsedHosts:
    """What the `host` argument says: where to connect, as whom, and how."""

    seeds: tuple[Address, ...]
    """Empty for a `mongodb+srv://` URI, whose hosts only DNS knows."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Validated options under their lower-case names."""
    fqdn: str | None = None
    """The name whose SRV records list the hosts, for a `mongodb+srv://` URI."""


def read_hosts(host: str | Sequence[str] | None, port: int | None) -> ParsedHosts:
    """Read the `host` and `port` arguments of a client.

    Raises:
        ConfigurationError: no host, or more than one URI; `InvalidURI` for a malformed URI.
        TypeError: `host` or `port` is of the wrong type.
        ValueError: a port is not a number between 1 and 65535.
    """
    if port is None:
        port = DEFAULT_PORT
    if not isinstance(port, int):
        raise TypeError(f"port must be an instance of int, not {type(port)}: {port!r}")
    entries = _as_list(host)
    # A host name holds no slash, so whatever does is a URI.
    if sum("/" in entry for entry in entries) > 1:
        raise ConfigurationError("host must not contain multiple MongoDB URIs")
    parsed = ParsedHosts(seeds=())
    seeds: list[Address] = []
    for entry in entries:
        if "/" in entry:
            parsed = read_uri(entry, port)
            seeds += parsed.seeds
        elif "@" in entry:
            # Not shown: it has a password in it.
            raise InvalidURI(f"a host with a user name must be a URI, which begins with {_SCHEME}")
        else:
            seeds += split_hosts(entry, port)
    if not seeds and parsed.fqdn is None:
        raise ConfigurationError("need to specify at least one host")
    if seeds and parsed.fqdn is not None:
        raise ConfigurationError(f"host must not contain more than a {_SRV_SCHEME} URI")
    return ParsedHosts(
        seeds=_unique(seeds),
        username=parsed.username,
        password=parsed.password,
        database=parsed.database,
        options=parsed.options,
        fqdn=parsed.fqdn,
    )


def read_uri(uri: str, default_port: int = DEFAULT_PORT) -> ParsedHosts:
    """Read one connection string; unknown and invalid options warn, as the specification wants.

    Raises:
        InvalidURI: the string is malformed, or a user name or password in it is not escaped.
        ConfigurationError: an option of ours has a wrong value.
        ValueError: a port is not a number between 1 and 65535.
    """
    base, _, query = uri.partition("?")
    is_srv = base.startswith(_SRV_SCHEME)
    if is_srv:
        # The parser would ask the DNS: it is given a plain URI of the same shape instead.
        base = _SCHEME + base[len(_SRV_SCHEME) :]
    if _has_cut_credentials(base, query):
        raise InvalidURI(NOT_ESCAPED)
    try:
        parsed = parse_uri(base, None if is_srv else default_port)
    except (ValueError, InvalidURI):
        if "@" in query:
            raise InvalidURI(NOT_ESCAPED) from None
        raise
    seeds: list[Address] = parsed["nodelist"]
    return ParsedHosts(
        seeds=() if is_srv else _unique(seeds),
        username=parsed["username"] or None,
        password=parsed["password"] or None,
        database=parsed["database"],
        options=read_uri_options(query) if query else {},
        fqdn=_srv_name(seeds) if is_srv else None,
    )


def _has_cut_credentials(base: str, query: str) -> bool:
    """Tell whether a `/` or `?` that nobody escaped has cut a password in two.

    Its rest, and the `@` after it, is then taken for a database or for an option's name, and its
    beginning for a host or a port, which may even make sense.
    """
    hosts, slash, database = base.removeprefix(_SCHEME).partition("/")
    if "@" in database or any("@" in name for name in names_in(query)):
        return True
    return "@" in query and not slash and "@" not in hosts and ":" in hosts


def _srv_name(seeds: Sequence[Address]) -> str:
    if len(seeds) != 1:
        raise InvalidURI(f"{_SRV_SCHEME} URIs must include one, and only one, hostname")
    name, port = seeds[0]
    if port is not None:
        raise InvalidURI(f"{_SRV_SCHEME} URIs must not include a port number")
    return name


def _as_list(host: str | Sequence[str] | None) -> list[str]:
    if host is None:
        return [DEFAULT_HOST]
    if isinstance(host, str):
        return [host]
    if isinstance(host, Sequence) and not isinstance(host, bytes):
        entries = list(host)
        if all(isinstance(entry, str) for entry in entries):
            return entries
    raise TypeError(f"host must be an instance of str or a list of str, not {host!r}")


def _unique(seeds: Iterable[Address]) -> tuple[Address, ...]:
    """Drop repeated seeds, keeping the order."""
    return tuple(dict.fromkeys(seeds))
