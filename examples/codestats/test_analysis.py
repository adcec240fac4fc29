"""What one file counts for."""

import json
from pathlib import Path

import pytest
from analysis import FileStats, Function, analyse, corpus

SOURCE = """
class Shop:
    def price(self, item, count):
        if item and count or self.free:
            return [p for p in item.prices if p > 0 if p < 9]
        def discount(n):
            while n:
                n -= 1
        return 1 if count else 2

    class Till: ...

async def serve(request):
    try:
        async for part in request:
            match part:
                case 1: pass
                case _: pass
    except ValueError: pass
    except OSError: pass
"""


def written(folder: Path, name: str, source: str | bytes) -> str:
    """A file below `folder`."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source.encode() if isinstance(source, str) else source)
    return name


def test_functions_classes_and_branches_are_counted(tmp_path: Path) -> None:
    stats = analyse(written(tmp_path, "shop.py", SOURCE), tmp_path)
    assert (stats.lines, stats.classes, stats.error) == (20, 2, None)
    assert stats.functions == [
        Function("Shop.price", 3, 1 + 1 + 2 + 3 + 1),  # if, two operators, a loop with two conditions, if-else
        Function("Shop.price.discount", 6, 1 + 1),
        Function("serve", 13, 1 + 1 + 2 + 2),
    ]


@pytest.mark.parametrize("source", [b"print 'old'", b"x = 1\0", b"# coding: no-such\n", b"\xff", b"(" * 5000])
def test_what_does_not_parse_is_said(tmp_path: Path, source: bytes) -> None:
    stats = analyse(written(tmp_path, "broken.py", source), tmp_path)
    assert stats.error is not None
    assert stats.lines == 1
    assert stats.functions == []


def test_deep_nesting_needs_no_stack(tmp_path: Path) -> None:
    stats = analyse(written(tmp_path, "deep.py", "def f():\n return " + "+".join(["1"] * 900)), tmp_path)
    assert stats.functions == [Function("f", 1, 1)]


def test_statistics_survive_the_journey(tmp_path: Path) -> None:
    stats = analyse(written(tmp_path, "shop.py", SOURCE), tmp_path)
    fields = json.loads(stats.to_json(delivery=2))
    assert fields.pop("delivery") == 2
    assert FileStats.from_json(fields) == stats


def test_the_corpus_leaves_out_what_was_installed(tmp_path: Path) -> None:
    for name in ("b.py", "a/c.py", "a/site-packages/d.py", "dist-packages/e.py", "notes.txt"):
        written(tmp_path, name, "")
    assert corpus(tmp_path) == ["a/c.py", "b.py"]
