"""Tables, JSON and the plot."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contenders import BASELINE, CONTENDERS
from benchmarks.measure import Sample
from benchmarks.race import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["as_json", "environment", "lay_out", "plot", "say", "table"]

PACKAGES = ("greenmongo", "pymongo", "motor", "gevent", "greenlet", "uvloop")

_HEADINGS = ("", "ops/s", "µs/op", "µs CPU/op", "p50 ms", "p99 ms", f"x {BASELINE}")


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


def table(results: Iterable[Result]) -> str:
    """Return one table, in blocks of one target and one level of concurrency."""
    blocks: dict[tuple[str, int], list[Result]] = {}
    for result in results:
        blocks.setdefault((result.target, result.job.concurrency), []).append(result)
    rows: list[Sequence[str]] = [_HEADINGS]
    for (target, concurrency), members in blocks.items():
        base = next((r.median.rate for r in members if r.contender == BASELINE), None)
        rows.append((f"-- {target}, {concurrency} concurrent", *[""] * (len(_HEADINGS) - 1)))
        rows.extend(_row(result, base) for result in members)
    return lay_out(rows)


def _row(result: Result, base: float | None) -> Sequence[str]:
    median = result.median
    return (
        f"   {CONTENDERS[result.contender].label}",
        f"{median.rate:,.0f}",
        f"{1e6 / median.rate:.1f}",
        f"{1e6 * median.cpu / median.calls:.1f}",
        f"{1e3 * median.p50:.2f}",
        f"{1e3 * median.p99:.2f}",
        f"{median.rate / base:.2f}" if base else "-",
    )


def as_json(results: Iterable[Result]) -> str:
    """Return everything that was measured, every round of it, times in seconds."""
    return json.dumps(
        {"environment": environment(), "results": [asdict(result) for result in results]},
        indent=1,
    )


# --- the plot -------------------------------------------------------------------------------

_OURS = ("#0b5d3b", "#1b8a5a", "#3bb37b", "#72cf9f", "#a4e2c0")
_PEERS = ("#b3261e", "#e07a5f", "#3d5a80", "#8d6a9f", "#c9a227", "#7f7f7f")


def _colours(names: Iterable[str]) -> Mapping[str, str]:
    ours, peers = iter(_OURS), iter(_PEERS)
    return {
        name: "black" if name == "raw" else next(ours if CONTENDERS[name].ours else peers)
        for name in names
    }


def plot(results: Sequence[Result], path: Path) -> None:
    """Draw throughput and CPU per call over concurrency, one column per server."""
    import matplotlib

    # No display is needed to write a file.
    matplotlib.use("Agg")
    from matplotlib import pyplot

    targets = list(dict.fromkeys(result.target for result in results))
    colours = _colours(CONTENDERS)
    figure, axes = pyplot.subplots(
        2, len(targets), figsize=(6.5 * len(targets), 9), squeeze=False, sharex=True
    )
    for column, target in enumerate(targets):
        shown = [result for result in results if result.target == target]
        rate, cpu = axes[0][column], axes[1][column]
        rate.set_title(f"find_one by _id, {target}")
        _lines(rate, shown, colours, lambda sample: sample.rate)
        _lines(cpu, shown, colours, lambda sample: 1e6 * sample.cpu / sample.calls)
    axes[0][0].set_ylabel("calls per second")
    axes[1][0].set_ylabel("µs of process CPU per call")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
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


def say(text: str) -> None:
    """Write a line of progress where it does not mix with the table."""
    sys.stderr.write(f"{text}\n")
