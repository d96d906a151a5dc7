"""Where a server is looked for, and in which order."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from greenmongo.embedded import EmbeddedServerError, MongoServer, find_server


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a path to write an executable `mongod` to."""
    path = tmp_path / "mongod"
    path.write_text("#!/bin/sh\necho 'db version v7.0.1'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREENMONGO_MONGOD", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("nothing_installed")
def test_the_variable_comes_first(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("GREENMONGO_MONGOD", str(program))
    assert find_server().found_in == "GREENMONGO_MONGOD"
    assert find_server().version() == (7, 0, 1)


@pytest.mark.usefixtures("nothing_installed")
def test_then_the_path(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_server().command == (str(program),)


def test_then_the_package(
    nothing_installed: None, monkeypatch: pytest.MonkeyPatch, program: Path
) -> None:
    inside = program.parent / "fiftyone" / "db" / "bin"
    inside.mkdir(parents=True)
    (program.parent / "fiftyone" / "__init__.py").touch()
    program.rename(inside / "mongod")
    monkeypatch.undo()
    monkeypatch.delenv("GREENMONGO_MONGOD", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.syspath_prepend(program.parent)
    monkeypatch.delitem(sys.modules, "fiftyone", raising=False)
    assert find_server().path == str(inside / "mongod")


@pytest.mark.usefixtures("nothing_installed")
def test_an_emulator_is_the_last_resort_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "nx_27017" or None)
    found = find_server()
    assert found.is_emulator
    assert found.command == (sys.executable, "-m", "nx_27017.nx_27017")
    with pytest.raises(EmbeddedServerError, match="neither replica sets"):
        MongoServer(members=3).start()


@pytest.mark.usefixtures("nothing_installed")
def test_nothing_found_tells_what_to_install() -> None:
    with pytest.raises(EmbeddedServerError, match=r"greenmongo\[embedded\]") as caught:
        find_server()
    assert caught.value.kind == "missing"


@pytest.mark.parametrize(
    ("content", "mode", "kind"),
    [
        (None, 0, "missing"),
        ("#!/bin/sh\n", 0o644, "missing"),
        ("\x7fELF, but not of this machine", 0o755, "platform"),
        ("#!/bin/sh\necho 'x: error while loading shared libraries: libcurl.so.4: no' >&2;exit 127",
         0o755, "library"),
        ("#!/bin/sh\necho 'a shell, not a server'\n", 0o755, "unknown"),
    ],
    ids=["absent", "not executable", "foreign", "library missing", "not a mongod"],
)  # fmt: skip
def test_a_bad_choice_is_an_error_that_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, mode: int, kind: str
) -> None:
    path = tmp_path / "mongod"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    monkeypatch.setenv("GREENMONGO_MONGOD", str(path))
    with pytest.raises(EmbeddedServerError) as caught:
        MongoServer(replica_set=None).start()
    assert caught.value.kind == kind


def test_another_system_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(EmbeddedServerError) as caught:
        find_server()
    monkeypatch.undo()
    assert caught.value.kind == "platform"
