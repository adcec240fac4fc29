"""What was found, and what it took."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

import swarmbus
from analysis import FileStats
from display import table


def totals(stats: Mapping[str, FileStats]) -> dict[str, int]:
    """The sums over all files."""
    files = stats.values()
    return {
        "files": len(files),
        "files that don't parse": sum(one.error is not None for one in files),
        "lines": sum(one.lines for one in files),
        "classes": sum(one.classes for one in files),
        "functions": sum(len(one.functions) for one in files),
        "complexity": sum(function.complexity for one in files for function in one.functions),
    }


def findings(stats: Mapping[str, FileStats]) -> str:
    """The most complex functions, the files that don't parse, and the totals."""
    files = [stats[file] for file in sorted(stats)]
    found = [(function, one.file) for one in files for function in one.functions]
    worst = sorted(found, key=lambda pair: -pair[0].complexity)[:20]
    rows = [(function.complexity, function.name, f"{file}:{function.line}") for function, file in worst]
    unparsed = [f"  {one.file}: {one.error}" for one in files if one.error is not None]
    sums = [(name, f"{number:,}") for name, number in totals(stats).items()]
    return "\n".join(
        [
            "\nThe 20 most complex functions",
            table(["complexity", "function", "where"], rows, right=[0]),
            "\nFiles that don't parse",
            *(unparsed or ["  none"]),
            "\nTotals",
            table(["", ""], sums, right=[1]),
        ]
    )


def memory(bus: swarmbus.Bus, agents: Iterable[str]) -> str:
    """What the bus takes, and what one agent takes: all it has mapped, and its share of that."""
    wanted = set(agents)
    sizes = [sizes_of(member.pid) for member in bus.members() if member.agent in wanted]
    rss, pss = (statistics.median(kind) for kind in zip(*filter(None, sizes), strict=True))
    committed = bus.info().committed_bytes / (1 << 20)
    return f"bus {committed:.1f} MiB committed; an agent {rss:.1f} MiB RSS, {pss:.1f} MiB PSS (medians)"


def sizes_of(pid: int) -> tuple[float, float] | None:
    """RSS and PSS of a process in MiB; None if it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return None
    sizes = dict(line.split(":") for line in lines)
    rss, pss = (int(sizes[kind].split()[0]) / 1024 for kind in ("Rss", "Pss"))
    return rss, pss
