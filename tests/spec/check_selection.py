"""Checks which servers suit a read preference, and which of them is chosen."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import ConfigurationError

from tests.spec.hooks_sdam import SdamHooks

__all__ = ["check_in_window", "check_round_trip_time", "check_selection"]

_HEARTBEAT_MS = 10_000
_THRESHOLD_MS = 15


def check_selection(test: dict[str, Any]) -> None:
    """Check the suitable servers, and those of them that are near."""
    arguments = (
        test["topology_description"],
        test.get("operation", "read"),
        test.get("read_preference", {}),
        test.get("heartbeatFrequencyMS", _HEARTBEAT_MS),
        _THRESHOLD_MS,
        [server["address"] for server in test.get("deprioritized_servers", ())],
    )
    if test.get("error"):
        with pytest.raises((ConfigurationError, TypeError, ValueError)):
            SdamHooks().select(*arguments)
        return
    suitable, near = SdamHooks().select(*arguments)
    assert set(suitable) == _addresses(test["suitable_servers"]), "suitable servers"
    assert set(near) == _addresses(test["in_latency_window"]), "servers in the latency window"


def check_in_window(test: dict[str, Any]) -> None:
    """Check how often each of the near servers is chosen, given how busy they are."""
    counts = {it["address"]: it["operation_count"] for it in test["mocked_topology_state"]}
    iterations = test["iterations"]
    chosen = SdamHooks().pick(test["topology_description"], counts, iterations)
    outcome = test["outcome"]
    for address, frequency in outcome["expected_frequencies"].items():
        # Never and always are meant exactly.
        tolerance = 0 if frequency in (0, 1) else outcome["tolerance"]
        ours = chosen.get(address, 0) / iterations
        assert ours == pytest.approx(frequency, abs=tolerance, rel=0), address


def check_round_trip_time(test: dict[str, Any]) -> None:
    """Check the moving average of round trip times."""
    before = None if test["avg_rtt_ms"] == "NULL" else test["avg_rtt_ms"]
    ours = SdamHooks().update_rtt(before, test["new_rtt_ms"])
    assert ours == pytest.approx(test["new_avg_rtt"], abs=1e-9)


def _addresses(servers: list[dict[str, Any]]) -> set[str]:
    return {server["address"] for server in servers}
