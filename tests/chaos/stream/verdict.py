"""What must be true of what watchers saw. Pure."""

from __future__ import annotations

from collections import Counter

from tests.chaos.stream.record import Record, Version
from tests.chaos.verdict import Finding, absent

__all__ = ["disordered", "judge_streams"]


def judge_streams(record: Record, watchers: list[str]) -> list[Finding]:
    """Compare what each watcher saw with what was written."""
    return [
        Finding("acknowledged versions", bool(record.acknowledged), f"{len(record.acknowledged)}"),
        *(finding for name in watchers for finding in judge_watcher(record, name)),
    ]


def judge_watcher(record: Record, name: str) -> list[Finding]:
    """Compare what one watcher saw with what was written."""
    seen = Counter(record.seen[name])
    doubled = {version for version, count in seen.items() if count > 1}
    return [
        Finding(f"{name}: versions seen", bool(seen), f"{len(record.seen[name])}"),
        absent(f"{name}: acknowledged, not seen", shown(record.acknowledged - seen.keys())),
        absent(f"{name}: seen twice", shown(doubled)),
        absent(f"{name}: nobody wrote", shown(seen.keys() - record.attempted)),
        absent(f"{name}: out of order", disordered(record.seen[name])),
    ]


def disordered(seen: list[Version]) -> list[str]:
    """Return where a document's versions do not follow one another.

    A writer goes on with a document only when its last version was acknowledged, so none of them
    may be left out.
    """
    last: dict[str, int] = {}
    found = []
    for name, number in seen:
        before = last.get(name, -1)
        if number != before + 1:
            found.append(f"{name}: {number} after {before}")
        last[name] = number
    return found


def shown(versions: set[Version]) -> list[str]:
    """Return versions as lines."""
    return [f"{name}, {number}" for name, number in sorted(versions)]
