"""What is counted in one Python file, and which files there are. Knows nothing of the bus."""

from __future__ import annotations

import ast
import json
import os
import sysconfig
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(os.environ.get("CODESTATS_ROOT") or sysconfig.get_path("stdlib"))
"""The corpus: by default the standard library of this interpreter."""

INSTALLED = {"site-packages", "dist-packages"}
"""Folders below the standard library that are no part of it."""


class Function(NamedTuple):
    """A function or method; `complexity` is one more than its branches."""

    name: str
    line: int
    complexity: int


@dataclass
class FileStats:
    """One file; `error` says why it could not be parsed."""

    file: str
    lines: int = 0
    classes: int = 0
    functions: list[Function] = field(default_factory=list)
    error: str | None = None

    def to_json(self, **more: Any) -> bytes:
        """The statistics as a message, with `more` beside them."""
        return json.dumps(vars(self) | more).encode()

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> FileStats:
        """The statistics from the fields of a message."""
        fields["functions"] = [Function(*function) for function in fields["functions"]]
        return cls(**fields)


def corpus(root: Path = ROOT) -> list[str]:
    """The Python files below `root`, as paths relative to it."""
    files = (path.relative_to(root) for path in root.rglob("*.py") if path.is_file())
    return sorted(str(file) for file in files if not INSTALLED.intersection(file.parts))


def analyse(file: str, root: Path = ROOT) -> FileStats:
    """Parses one file and counts."""
    source = (root / file).read_bytes()
    stats = FileStats(file, lines=len(source.splitlines()))
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source, filename=file)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        stats.error = f"{type(error).__name__}: {error}"
        return stats
    count(tree, stats)
    return stats


def count(tree: ast.Module, stats: FileStats) -> None:
    """Counts what is in a tree. A stack instead of recursion: how deep a file nests must not matter."""
    functions: list[tuple[str, int, Counter[str]]] = []
    todo: list[tuple[ast.AST, str, Counter[str]]] = [(tree, "", Counter())]
    while todo:
        node, scope, around = todo.pop()
        if isinstance(node, ast.ClassDef):
            stats.classes += 1
            scope += f"{node.name}."
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            around = Counter()
            functions.append((scope + node.name, node.lineno, around))
            scope += f"{node.name}."
        around["branches"] += branches(node)
        todo.extend((child, scope, around) for child in ast.iter_child_nodes(node))
    stats.functions = sorted(Function(name, line, 1 + inside["branches"]) for name, line, inside in functions)


def branches(node: ast.AST) -> int:
    """How many ways this node alone adds through its function."""
    match node:
        case ast.If() | ast.IfExp() | ast.For() | ast.AsyncFor() | ast.While() | ast.ExceptHandler() | ast.match_case():
            return 1
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.comprehension():
            return 1 + len(node.ifs)
        case _:
            return 0
