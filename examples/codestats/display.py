"""A progress bar and a table; plain lines where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence


class Progress:
    """A bar below all other lines; on anything but a terminal, a line at each tenth."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done = what, total, 0
        self.terminal = sys.stdout.isatty()

    def reached(self, done: int) -> None:
        """So many are done."""
        tenths_before, tenths = (10 * count // self.total for count in (self.done, done))
        self.done = done
        if self.terminal:
            self.draw()
        elif tenths > tenths_before:
            print(f"{self.what} {done}/{self.total}", flush=True)

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self.terminal:
            print(f"\r\x1b[K{text}")
            self.draw()
        else:
            print(text, flush=True)

    def draw(self) -> None:
        """The bar, over the last one."""
        bar = "#" * (30 * self.done // self.total)
        print(f"\r\x1b[K{self.what} [{bar:30}] {self.done}/{self.total}", end="", flush=True)

    def end(self) -> None:
        """Leaves the bar as it is."""
        if self.terminal:
            print()


def table(head: Sequence[str], rows: Sequence[Sequence[object]], right: Collection[int] = ()) -> str:
    """Aligned columns; those in `right` to the right."""
    cells = [list(head)] if any(head) else []
    cells += [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def line(row: list[str]) -> str:
        columns = enumerate(zip(row, widths, strict=True))
        return "  ".join(f"{cell:>{width}}" if at in right else f"{cell:{width}}" for at, (cell, width) in columns)

    return "\n".join(f"  {line(row)}".rstrip() for row in cells)
