"""The libraries whose own tests are run, and how."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LIBRARIES", "Library"]


@dataclass(frozen=True)
class Library:
    """One library.

    Attributes:
        name: of its distribution on PyPI, and of its folder below the sources.
        title: what the table calls it.
        tests: what pytest is given, below that folder.
        needs: what pip must install for the tests, besides the library and what it needs.
        source: where its package is, below that folder.
        left_out: parts of names of tests that say nothing about a driver.
    """

    name: str
    title: str
    tests: tuple[str, ...]
    needs: tuple[str, ...] = ()
    source: str = "."
    left_out: tuple[str, ...] = ()

    @property
    def all_needs(self) -> tuple[str, ...]:
        """What pip must install; the library for its metadata and for what it needs itself."""
        return (self.name, *self.needs)


LIBRARIES = (
    Library("mongoengine", "MongoEngine", ("tests",), ("pillow", "blinker", "mongomock")),
    Library(
        "beanie",
        "Beanie",
        ("tests",),
        (
            "lazy-model",
            "click",
            "pydantic[email]",
            "pydantic-settings",
            "pydantic-extra-types",
            "asgi-lifespan",
            "httpx",
            "fastapi",
            "time-machine",
        ),
    ),
    Library(
        "odmantic",
        "ODMantic",
        ("tests",),
        (
            "motor",
            "pydantic",
            "inline-snapshot",
            "async-asgi-testclient",
            "darglint",
            "pytz",
            "fastapi",
            "httpx",
            "requests",
        ),
        left_out=("benchmarks",),
    ),
    Library("umongo", "umongo", ("tests",), ("motor", "marshmallow>=4", "mongomock"), source="src"),
    Library(
        "eve",
        "Eve",
        ("tests",),
        ("testfixtures",),
    ),
    Library("flask-pymongo", "Flask-PyMongo", ("tests",), ("flask", "flask-wtf")),
    Library(
        "mongomock",
        "mongomock, its comparisons",
        ("tests/test__mongomock.py", "tests/test__bulk_operations.py"),
        ("sentinels", "packaging", "pytz"),
    ),
    Library(
        "celery",
        "Celery, its MongoDB backend",
        ("t/unit/backends/test_mongodb.py",),
        (
            "kombu",
            "billiard",
            "vine",
            "click-didyoumean",
            "click-plugins",
            "click-repl",
            "python-dateutil",
            "tzlocal",
            "pytest-celery",
            "pytest-subtests",
            "pytest-click",
        ),
    ),
    Library(
        "apscheduler",
        "APScheduler, its job store",
        ("tests/test_jobstores.py",),
        ("tzlocal", "pytz", "sqlalchemy"),
        left_out=("redis", "zookeeper", "rethinkdb", "etcd"),
    ),
)
