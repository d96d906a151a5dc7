"""Tables, JSON and the picture; all can be made again from the JSON of an earlier run."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import CONTENDERS, DOORS
from benchmarks.measure import Job, Sample
from benchmarks.race import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "as_json", "environment", "from_json", "lay_out", "markdown", "plot", "ratios", "say", "table",
]  # fmt: skip

PACKAGES = ("greenmongo", "pymongo", "motor", "mongojet", "gevent", "greenlet", "uvloop")

Rows = list[Sequence[str]]


def environment() -> Mapping[str, str]:
    """Say on what the figures were taken."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def lay_out(rows: Sequence[Sequence[str]]) -> str:
    """Align the first column to the left and all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def say(text: str) -> None:
    """Write a line of progress where it does not mix with the table."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


# --- JSON -----------------------------------------------------------------------------------


def as_json(results: Iterable[Result], facts: Mapping[str, str]) -> str:
    """Return everything that was measured, every round of it, times in seconds."""
    return json.dumps(
        {"environment": facts, "results": [asdict(result) for result in results]}, indent=1
    )


def from_json(text: str) -> tuple[list[Result], Mapping[str, str]]:
    """Return what `as_json` wrote."""
    found = json.loads(text)
    results = [
        Result(
            **{
                **each,
                "job": Job(**each["job"]),
                "median": Sample(**each["median"]),
                "rounds": tuple(Sample(**sample) for sample in each["rounds"]),
            }
        )
        for each in found["results"]
    ]
    return results, found["environment"]


# --- tables ---------------------------------------------------------------------------------


def _place(result: Result) -> tuple[str, ...]:
    """Return what two results must have in common to be compared."""
    job = result.job
    return (result.target, result.variant, result.state, job.operation, str(job.concurrency))


def _by_place(results: Iterable[Result]) -> dict[tuple[str, ...], dict[str, Result]]:
    places: dict[tuple[str, ...], dict[str, Result]] = {}
    for result in results:
        places.setdefault(_place(result), {})[result.contender] = result
    return places


def _title(place: Sequence[str]) -> str:
    target, variant, state, operation, concurrency = place
    extra = "" if variant == "plain" or variant in target else f", {variant}"
    extra += ", awake" if state == "awake" else ""
    return f"{operation}, {target}{extra}, {int(concurrency):,}"


def ratios(ours: Result, peer: Result, value: Callable[[Sample], float]) -> Sequence[float]:
    """Return the peer's figure as a multiple of ours, the rounds one by one; least first."""
    pairs = zip(ours.rounds, peer.rounds, strict=False)
    return sorted(value(other) / value(own) for own, other in pairs if value(own))


def _range(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{values[0]:.2f}/{statistics.median(values):.2f}/{values[-1]:.2f}"


def _cost(sample: Sample) -> float:
    return sample.cost


def _latency(sample: Sample) -> float:
    return sample.p50


def _summary(results: Sequence[Result]) -> Rows:
    """Compare each door with callers of the same kind: times the processor time, and latency."""
    rows: Rows = []
    for place, members in _by_place(results).items():
        if "waiting" in place:
            continue
        for door, peers in DOORS.items():
            for peer in peers:
                if door in members and peer in members:
                    rows.append((_title(place), *_comparison(members[door], members[peer])))
    return rows


def _comparison(ours: Result, peer: Result) -> Sequence[str]:
    is_alone = ours.job.concurrency == 1
    latency = sorted(1 / ratio for ratio in ratios(ours, peer, _latency)) if is_alone else []
    stall = f"{1e3 * ours.median.late_max:.1f} / {1e3 * peer.median.late_max:.1f}"
    return (
        CONTENDERS[ours.contender].label,
        CONTENDERS[peer.contender].label,
        _range(ratios(ours, peer, _cost)),
        f"{1e6 * ours.median.cost:,.0f} / {1e6 * peer.median.cost:,.0f}",
        _range(latency),
        f"{1e6 * ours.median.p50:,.0f} / {1e6 * peer.median.p50:,.0f}",
        stall if peer.median.late_max else "",
    )


SUMMARY = (
    "operation, server, callers",
    "ours",
    "peer",
    "times less CPU",
    "CPU µs",
    "latency, share of peer's",
    "p50 µs",
    "worst stall ms",
)


def _waiting(results: Iterable[Result]) -> Rows:
    return [
        (CONTENDERS[result.contender].label, f"{result.median.kilobytes:.1f}")
        for result in results
        if result.job.operation == "waiting"
    ]


def _tables(results: Sequence[Result]) -> Iterator[tuple[str, Rows]]:
    yield "", [SUMMARY, *_summary(results)]
    waiting = _waiting(results)
    if waiting:
        yield "Memory for each waiting task", [("driver", "KB"), *waiting]


def table(results: Sequence[Result], form: str = "simple") -> str:
    """Return the tables for people: each pair in a line, least/median/most of the rounds."""
    tabulate: Any = import_module("tabulate")
    parts = []
    for title, rows in _tables(results):
        text = tabulate.tabulate(rows[1:], headers=rows[0], tablefmt=form, disable_numparse=True)
        parts.append(f"{title}\n\n{text}".strip())
    return "\n\n".join(parts)


def markdown(results: Sequence[Result], facts: Mapping[str, str]) -> str:
    """Return the same for the documentation."""
    said = ", ".join(f"{name} {value}" for name, value in facts.items())
    return f"{table(results, 'github')}\n\nMeasured on: {said}.\n"


# --- the picture ----------------------------------------------------------------------------

_OURS = ("#0b5d3b", "#1b8a5a", "#3bb37b", "#72cf9f", "#a4e2c0")
_PEERS = (
    "#b3261e", "#e07a5f", "#3d5a80", "#8d6a9f", "#c9a227", "#7f7f7f", "#5b8e7d", "#bc4b51",
    "#9a8c98",
)  # fmt: skip


def _colours(names: Iterable[str]) -> Mapping[str, str]:
    ours, peers = iter(_OURS), iter(_PEERS)
    return {
        name: "black" if name == "raw" else next(ours if CONTENDERS[name].ours else peers)
        for name in names
    }


def plot(results: Sequence[Result], path: Path) -> None:
    """Draw find_one over the number of callers: calls per second and CPU, for each server."""
    import matplotlib

    # No display is needed to write a file.
    matplotlib.use("Agg")
    from matplotlib import pyplot

    plain = [
        each
        for each in results
        if (each.variant, each.state, each.job.operation) == ("plain", "idle", "find_one")
    ]
    targets = list(dict.fromkeys(result.target for result in plain))
    if not targets:
        return
    colours = _colours(CONTENDERS)
    figure, axes = pyplot.subplots(
        2, len(targets), figsize=(6.5 * len(targets), 9), squeeze=False, sharex="col"
    )
    for column, target in enumerate(targets):
        shown = [result for result in plain if result.target == target]
        rate, cpu = axes[0][column], axes[1][column]
        rate.set_title(f"find_one by _id, {target}")
        _lines(rate, shown, colours, lambda sample: sample.rate)
        _lines(cpu, shown, colours, lambda sample: 1e6 * sample.cost)
    axes[0][0].set_ylabel("calls per second")
    axes[1][0].set_ylabel("µs of process CPU per call")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=2 * len(targets), frameon=False)
    figure.tight_layout(rect=(0, 0.1 if len(targets) > 1 else 0.16, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _lines(
    axes: Axes,
    results: Sequence[Result],
    colours: Mapping[str, str],
    value: Callable[[Sample], float],
) -> None:
    for name, contender in CONTENDERS.items():
        own = [result for result in results if result.contender == name]
        if not own:
            continue
        axes.plot(
            [result.job.concurrency for result in own],
            [value(result.median) for result in own],
            label=contender.label,
            color=colours[name],
            linestyle="-" if contender.ours else ":" if name == "raw" else "--",
            marker="o",
            markersize=3.5,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("concurrent callers")
    axes.grid(visible=True, which="both", alpha=0.25)
