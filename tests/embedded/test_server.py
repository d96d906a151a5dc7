"""Real servers: they start, obey, and leave nothing behind."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest

from greenmongo.embedded import EmbeddedServerError, MongoServer, TLSFiles
from greenmongo.embedded._admin import Admin, converse

pytestmark = pytest.mark.live
CERTIFICATES = Path(__file__).parents[1] / "support" / "certs"
QUICK = {"start_timeout": 15.0}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_set_of_one_has_a_primary_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with MongoServer(parameters={"enableTestCommands": True}) as server:
        (member,) = server.members
        pid = member.pid
        assert pid is not None
        assert server.uri == f"mongodb://127.0.0.1:{server.ports[0]}/?replicaSet=rs0"
        assert server.primary is member
        assert (member.hello() or {})["setName"] == "rs0"
        asked = member.run({"getParameter": 1, "enableTestCommands": 1})
        assert asked["enableTestCommands"] is True
    assert not is_alive(pid)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EmbeddedServerError, match="not running"):
        _ = server.uri


def test_a_standalone_survives_every_fault_a_test_can_ask_for(
    start_server: Callable[..., MongoServer],
) -> None:
    server = start_server(replica_set=None, **QUICK)
    (member,) = server.members
    assert server.uri == f"mongodb://127.0.0.1:{member.port}/"

    member.freeze()
    with pytest.raises(TimeoutError):
        Admin(member.port).run({"hello": 1}, timeout=0.2)
    member.thaw()
    assert member.hello() is not None

    member.kill()
    assert not member.is_running
    assert member.hello() is None
    with pytest.raises(EmbeddedServerError, match="restart"):
        member.freeze()

    port = member.port
    member.restart()
    assert (member.hello() or {})["isWritablePrimary"] is True
    member.stop()
    assert member.pid is None
    member.restart()
    assert member.port == port


def test_it_listens_on_the_loopback_interface_only(
    start_server: Callable[..., MongoServer],
) -> None:
    (port,) = start_server(replica_set=None, **QUICK).ports
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if os.path.exists(table)
        for line in Path(table).read_text().splitlines()[1:]
    ]
    listening = {row[1] for row in rows if row[3] == "0A"}
    assert {a for a in listening if a.endswith(f":{port:04X}")} == {f"0100007F:{port:04X}"}


def test_access_control_creates_the_user_and_shuts_everyone_else_out(
    start_server: Callable[..., MongoServer],
) -> None:
    server = start_server(auth=("ada", "p@ss:word"), **QUICK)
    (member,) = server.members
    assert server.uri.startswith("mongodb://ada:p%40ss%3Aword@127.0.0.1:")
    key_file = member.directory.parent / "keyfile"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    with pytest.raises(EmbeddedServerError, match="requires authentication"):
        member.run({"listDatabases": 1})


def test_tls_is_the_only_way_in(start_server: Callable[..., MongoServer]) -> None:
    files = TLSFiles(CERTIFICATES / "server.pem", CERTIFICATES / "ca.pem")
    server = start_server(replica_set=None, tls=files, **QUICK)
    (member,) = server.members
    assert "tls=true" in server.uri
    context = ssl.create_default_context(cafile=str(files.ca_file))
    assert Admin(member.port, context).run({"hello": 1})["ok"] == 1
    assert Admin(member.port).hello() is None


def test_clients_without_a_certificate_are_refused_where_one_is_wanted(
    start_server: Callable[..., MongoServer],
) -> None:
    client = CERTIFICATES / "client.pem"
    files = TLSFiles(CERTIFICATES / "server.pem", CERTIFICATES / "ca.pem", client)
    server = start_server(replica_set=None, tls=files, **QUICK)
    (member,) = server.members
    assert "client.pem" in server.uri
    context = ssl.create_default_context(cafile=str(files.ca_file))
    assert Admin(member.port, context).hello() is None
    context.load_cert_chain(client)
    assert Admin(member.port, context).hello() is not None


def test_a_set_of_three_elects_another_primary_when_one_is_killed(
    start_server: Callable[..., MongoServer],
) -> None:
    server = start_server(members=3)
    assert server.uri.count("127.0.0.1:") == 3
    old = server.wait_for_primary()
    old.kill()
    new = server.wait_for_primary(15)
    assert new is not old


def test_a_set_can_have_an_arbiter_and_a_primary_hands_over_before_it_stops(
    start_server: Callable[..., MongoServer],
) -> None:
    server = start_server(members=[{}, {}, {"arbiterOnly": True}])
    first, second, arbiter = server.members
    assert (arbiter.hello() or {})["arbiterOnly"] is True
    old = server.wait_for_primary()
    old.stop()
    new = server.wait_for_primary()
    assert new is (second if old is first else first)
    election = new.run({"replSetGetStatus": 1})["electionCandidateMetrics"]
    assert election["lastElectionReason"] == "stepUpRequestSkipDryRun"


def test_a_port_in_use_is_named(start_server: Callable[..., MongoServer]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(EmbeddedServerError, match="Address already in use") as caught:
            start_server(replica_set=None, port=other.getsockname()[1])
    assert caught.value.kind == "port"


def test_a_port_lost_to_a_race_is_replaced_by_another(
    monkeypatch: pytest.MonkeyPatch, start_server: Callable[..., MongoServer]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        monkeypatch.setattr("greenmongo.embedded._server.free_port", iter_ports(taken))
        server = start_server(replica_set=None, **QUICK)
        assert server.ports != [taken]


def iter_ports(first: int) -> Callable[[], int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        ports = iter([first, probe.getsockname()[1]])
    return lambda: next(ports)


def test_an_unknown_parameter_is_named_and_nothing_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server = MongoServer(replica_set=None, parameters={"noSuchThing": 1})
    with pytest.raises(EmbeddedServerError, match="noSuchThing") as caught:
        server.start()
    assert caught.value.kind == "option"
    assert list(tmp_path.iterdir()) == []
    server.stop()


def test_a_server_that_is_not_ready_in_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    silent = tmp_path / "mongod"
    silent.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "db version v6.0.0"; exit; }\nexec sleep 60\n'
    )
    silent.chmod(0o755)
    monkeypatch.setenv("GREENMONGO_MONGOD", str(silent))
    with pytest.raises(EmbeddedServerError) as caught:
        MongoServer(replica_set=None, start_timeout=0.3).start()
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize(
    ("members", "replica_set"), [(0, "rs0"), ([], "rs0"), (2, None), ([{"priority": 0}], None)]
)
def test_a_deployment_that_cannot_be_is_refused(
    members: int | list[dict[str, Any]], replica_set: str | None
) -> None:
    with pytest.raises(ValueError, match="members"):
        MongoServer(members, replica_set)


def test_a_reply_may_come_in_pieces() -> None:
    ours, theirs = socket.socketpair()
    reply = bson.encode({"ok": 1})
    message = (21 + len(reply)).to_bytes(4, "little") + bytes(12) + bytes(5) + reply
    with ours, theirs:
        for byte in message:
            theirs.sendall(bytes([byte]))
        assert converse(ours, {"ping": 1}) == {"ok": 1}
