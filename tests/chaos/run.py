"""One storm, from its beginning to its verdict."""

from __future__ import annotations

import faulthandler
import time
from threading import Thread
from time import monotonic

from greenmongo.embedded import MongoServer
from greenmongo.hub import statistics_of
from tests.chaos.drivers import Greenmongo
from tests.chaos.faults import Faults, Plan
from tests.chaos.storm import Storm
from tests.chaos.verdict import Finding, absent, judge_client, judge_ledger

__all__ = ["run"]

ENDS_WITHIN = 60.0
LOOK_EVERY = 0.5


def run(storm: Storm, server: MongoServer, seconds: float, plan: Plan) -> list[Finding]:
    """Let everybody loose, wait until all have come to an end, and judge."""
    storm.prepare()
    began = monotonic()
    faults = Faults(server, storm.ledger, began, plan)
    threads = storm.start_callers(began + seconds)
    breaking = Thread(target=faults.run, name="faults", daemon=True)
    breaking.start()
    findings = watch(storm, began, began + seconds)
    faults.stop()
    deadline = monotonic() + ENDS_WITHIN
    breaking.join(ENDS_WITHIN)
    storm.finish()
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    stuck = [thread.name for thread in (*threads, breaking) if thread.is_alive()]
    findings.append(absent("callers that never came back", stuck))
    if stuck:
        faulthandler.dump_traceback(file=2)
        return findings + judge_ledger(storm.ledger)
    findings += storm.judge(server) + judge_ledger(storm.ledger)
    if isinstance(storm.driver, Greenmongo):
        findings += judge_client(storm.driver.client, server, storm.options["maxPoolSize"])
    return findings


def watch(storm: Storm, began: float, until: float) -> list[Finding]:
    """Look at the client while it is used, and say now and then how it goes."""
    most, cap = 0, storm.options["maxPoolSize"]
    next_report = began
    while (now := monotonic()) < until:
        told = ""
        if isinstance(storm.driver, Greenmongo):
            statistics = statistics_of(storm.driver.client)
            most = max(most, *(pool.open for pool in statistics.pools))
            pools = " ".join(f"{p.open}/{p.waiting}" for p in statistics.pools)
            told = (
                f", {statistics.requests} requests, {statistics.abandoned} late replies,"
                f" open/waiting {pools}"
            )
        if now >= next_report:
            print(f"{now - began:5.0f} s: {storm.progress()}{told}", flush=True)
            next_report += 10
        time.sleep(LOOK_EVERY)
    if not isinstance(storm.driver, Greenmongo):
        return []
    return [Finding("connections of one pool at once", 0 < most <= cap, str(most))]
