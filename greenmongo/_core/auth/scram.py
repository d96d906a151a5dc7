"""SCRAM (RFC 5802, RFC 7677): both sides prove that they know the password, none sends it."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pymongo.errors import ConfigurationError, OperationFailure

from greenmongo._core.auth.saslprep import saslprep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from greenmongo._core.types import Conversation, Document

__all__ = ["SCRAM_SHA_1", "SCRAM_SHA_256", "KeyCache", "scram_conversation", "scram_start"]

SCRAM_SHA_1 = "SCRAM-SHA-1"
SCRAM_SHA_256 = "SCRAM-SHA-256"

_HASHES = {SCRAM_SHA_1: "sha1", SCRAM_SHA_256: "sha256"}
_MIN_ITERATIONS = 4096  # the authentication specification's floor
_MAX_ITERATIONS = 1_000_000  # a second of work: more would only make the client stand still
_GS2_HEADER = b"n,,"  # no channel binding, no other identity
_CHANNEL = b64encode(_GS2_HEADER)


class Keys(NamedTuple):
    """What remains of a password once it is salted."""

    client: bytes
    server: bytes


class KeyCache:
    """Remembers salted keys, whose making is meant to be slow.

    A password, its salt or the iterations may change any time, so all are part of the key. The
    password is kept as a digest only. Not safe between threads: it lives on the hub thread.
    """

    def __init__(self, capacity: int = 32) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[tuple[str, bytes, bytes, int], Keys] = OrderedDict()

    def __len__(self) -> int:
        return len(self._keys)

    def keys_for(self, mechanism: str, password: bytes, salt: bytes, iterations: int) -> Keys:
        """Return the keys of a prepared password, computing them the first time."""
        digest = hashlib.sha256(password).digest()
        entry = (mechanism, digest, salt, iterations)
        keys = self._keys.get(entry)
        if keys is None:
            keys = self._keys[entry] = _derive(_HASHES[mechanism], password, salt, iterations)
            if len(self._keys) > self._capacity:
                self._keys.popitem(last=False)
        self._keys.move_to_end(entry)
        return keys


def scram_start(mechanism: str, username: str, nonce: bytes) -> Document:
    """Return the first command, which a handshake may carry (add the `db` field there).

    Args:
        mechanism: `SCRAM_SHA_1` or `SCRAM_SHA_256`.
        username: as configured; the server compares it as it is.
        nonce: random bytes, never used before; sent as base64.
    """
    return {
        "saslStart": 1,
        "mechanism": mechanism,
        "payload": _GS2_HEADER + _client_first(username, nonce),
        "autoAuthorize": 1,
        "options": {"skipEmptyExchange": True},
    }


def scram_conversation(
    mechanism: str,
    username: str,
    password: str,
    *,
    nonce: bytes,
    cache: KeyCache,
    speculated: Document | None = None,
) -> Conversation[None]:
    """Log in with SCRAM and check that the server knows the password too.

    Args:
        mechanism: `SCRAM_SHA_1` or `SCRAM_SHA_256`.
        username: as configured.
        password: as configured.
        nonce: random bytes; those of `scram_start` if the handshake carried it.
        cache: where salted keys are remembered.
        speculated: the server's answer to a `scram_start` that the handshake carried.

    Raises:
        OperationFailure: the server's messages are malformed, weak or not its own.
        ConfigurationError: the password holds characters that SCRAM-SHA-256 forbids.
    """
    prepared = _prepared_password(mechanism, username, password)
    reply = speculated or (yield scram_start(mechanism, username, nonce))
    server_first = _payload(reply)
    challenge = _Challenge.read(server_first, nonce)
    keys = cache.keys_for(mechanism, prepared, challenge.salt, challenge.iterations)

    hash_name = _HASHES[mechanism]
    without_proof = b"c=" + _CHANNEL + b",r=" + challenge.nonce
    signed = b",".join((_client_first(username, nonce), server_first, without_proof))
    stored_key = hashlib.new(hash_name, keys.client).digest()
    proof = _xor(keys.client, hmac.digest(stored_key, signed, hash_name))
    reply = yield _continue(reply, without_proof + b",p=" + b64encode(proof))
    signature = b64encode(hmac.digest(keys.server, signed, hash_name))
    yield from _conclude(reply, signature)


def _conclude(reply: Document, signature: bytes) -> Conversation[None]:
    """Check the server's proof and end the conversation."""
    claimed = _attributes(_payload(reply)).get(b"v", b"")
    if not hmac.compare_digest(claimed, signature):
        raise OperationFailure("Server returned an invalid signature.")
    if not reply.get("done"):
        # Servers that do not know skipEmptyExchange want one more, empty, message.
        reply = yield _continue(reply, b"")
    if not reply.get("done"):
        raise OperationFailure("SASL conversation failed to complete.")


@dataclass(frozen=True, slots=True)
class _Challenge:
    """The server's first message."""

    nonce: bytes
    salt: bytes
    iterations: int

    @classmethod
    def read(cls, payload: bytes, client_nonce: bytes) -> _Challenge:
        found = _attributes(payload)
        if b"m" in found:
            # RFC 5802 section 5.1: an extension we do not know is one we must not skip.
            raise OperationFailure("Server requires an unknown SCRAM extension.")
        nonce = found.get(b"r", b"")
        sent = b64encode(client_nonce)
        if not nonce.startswith(sent) or len(nonce) == len(sent):
            raise OperationFailure("Server returned an invalid nonce.")
        try:
            iterations = int(found.get(b"i", b""))
        except ValueError:
            raise OperationFailure("Server returned an invalid iteration count.") from None
        if not _MIN_ITERATIONS <= iterations <= _MAX_ITERATIONS:
            raise OperationFailure("Server returned an invalid iteration count.")
        try:
            salt = b64decode(found.get(b"s", b""), validate=True)
        except Base64Error:
            salt = b""
        if not salt:
            raise OperationFailure("Server returned an invalid salt.")
        return cls(nonce, salt, iterations)


def _prepared_password(mechanism: str, username: str, password: str) -> bytes:
    if mechanism == SCRAM_SHA_256:
        try:
            return saslprep(password).encode()
        except ValueError as error:
            raise ConfigurationError(
                f"The password of {username!r} cannot be used: {error}"
            ) from error
    # Users of SCRAM-SHA-1 were stored with the digest of the mechanism before it, MONGODB-CR.
    return hashlib.md5(f"{username}:mongo:{password}".encode()).hexdigest().encode()


def _client_first(username: str, nonce: bytes) -> bytes:
    name = username.replace("=", "=3D").replace(",", "=2C")
    return b"n=" + name.encode() + b",r=" + b64encode(nonce)


def _continue(reply: Document, payload: bytes) -> Document:
    return {
        "saslContinue": 1,
        "conversationId": reply.get("conversationId"),
        "payload": payload,
    }


def _payload(reply: Document) -> bytes:
    payload = reply.get("payload")
    if not isinstance(payload, bytes):
        raise OperationFailure(f"Server returned no SASL payload but {payload!r}.")
    return payload


def _attributes(payload: bytes) -> Mapping[bytes, bytes]:
    """Take a message apart; the server's own error becomes ours."""
    found: dict[bytes, bytes] = {}
    for attribute in payload.split(b","):
        name, _, value = attribute.partition(b"=")
        found[name] = value
    if b"e" in found:
        reason = found[b"e"].decode("utf-8", "replace")
        raise OperationFailure(f"Server refused the SCRAM conversation: {reason}")
    return found


def _derive(hash_name: str, password: bytes, salt: bytes, iterations: int) -> Keys:
    salted = hashlib.pbkdf2_hmac(hash_name, password, salt, iterations)
    return Keys(
        client=hmac.digest(salted, b"Client Key", hash_name),
        server=hmac.digest(salted, b"Server Key", hash_name),
    )


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
