"""The plugins that make up the test bench; each family of fixtures has its own module."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

# A machine that is shared may be slow at any moment.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("everyday", patient)
# For `--hypothesis-profile thorough --timeout 0 -o faulthandler_timeout=0`: every property many
# more times than in everyday use.
settings.register_profile("thorough", patient, max_examples=100_000)
settings.load_profile("everyday")

pytest_plugins = [
    "tests.support.fix_comparison",
    "tests.support.fix_contention",
    "tests.support.fix_dns",
    "tests.support.fix_doors",
    "tests.support.fix_faces",
    "tests.support.fix_faults",
    "tests.support.fix_hub",
    "tests.support.fix_leaks",
    "tests.support.fix_members",
    "tests.support.fix_memory",
    "tests.support.fix_scripted",
    "tests.support.fix_server",
    "tests.support.fix_socks",
    "tests.support.fix_task_doors",
    "tests.support.fix_ways",
]


@pytest.fixture(scope="session")
def greenmongo_uri(mongo_uri: str) -> str:
    """The fixtures we offer use the server of our own tests here."""
    return mongo_uri


def pytest_configure() -> None:
    """Let Ctrl-C be heard, by the programs that tests start as well.

    A shell has what it starts in the background ignore it, and so do the children of that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
