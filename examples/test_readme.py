"""Runs the examples of README.md, so that none of them can go out of date.

A block of ``python``, ``bash``, ``c`` or ``toml`` (a swarm) is run as it stands, on a bus of its own instead of `demo`;
a ``text`` block after it is what it prints, or the end of that. Blocks of other kinds are not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
BUILT = REPOSITORY / "target/release"
GUARD_S = 120.0
"""Guards against hangs; nothing here depends on how long something takes."""


def examples() -> list[tuple[str, str, str | None]]:
    """Kind, source and expected output of each example."""
    text = (REPOSITORY / "README.md").read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    following = [*blocks[1:], ("", "")]
    return [
        (kind, source, output if after == "text" else None)
        for (kind, source), (after, output) in zip(blocks, following, strict=True)
        if kind in ("python", "bash", "c", "toml")
    ]


@pytest.fixture
def bus_name() -> Iterator[str]:
    """A name that nobody else uses; the bus is gone afterwards, also when the test fails."""
    name = f"readme-{os.getpid()}"
    yield name
    if Path(f"/dev/shm/swarmbus.{name}").exists():
        subprocess.run([BUILT / "swarmbus", "down", name], timeout=GUARD_S, check=False)
        subprocess.run([BUILT / "swarmbus", "destroy", name, "--if-exists"], timeout=GUARD_S, check=False)


def commands(kind: str, source: str, folder: Path) -> list[list[str | Path]]:
    """What runs an example in `folder`."""
    file = folder / f"example.{kind}"
    file.write_text(source)
    match kind:
        case "python":
            return [[sys.executable, file]]
        case "bash":
            return [["bash", "-euo", "pipefail", file]]
        case "toml":
            return [[BUILT / "swarmbus", "up", file]]
        case _:
            warnings = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
            library = [f"-L{BUILT}", f"-Wl,-rpath,{BUILT}", "-lswarmbus"]
            program = folder / "example"
            return [["cc", *warnings, f"-I{REPOSITORY / 'include'}", "-o", program, file, *library], [program]]


@pytest.mark.parametrize(("kind", "source", "expected"), examples())
def test_an_example_does_what_it_says(
    kind: str, source: str, expected: str | None, bus_name: str, tmp_path: Path
) -> None:
    printed = ""
    for command in commands(kind, re.sub(r"\bdemo\b", bus_name, source), tmp_path):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PATH": f"{BUILT}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=GUARD_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed += done.stdout
    assert expected is not None
    assert printed.endswith(expected), printed
    assert not Path(f"/dev/shm/swarmbus.{bus_name}").exists()


def test_every_kind_of_example_is_there() -> None:
    assert {kind for kind, _, _ in examples()} == {"python", "bash", "c", "toml"}


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "docs/SUMMARY.md"])
def test_links_lead_somewhere(page: str) -> None:
    file = REPOSITORY / page
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text())
    missing = [link for link in links if "://" not in link and not (file.parent / link).exists()]
    assert not missing


def test_the_book_has_every_page() -> None:
    docs = REPOSITORY / "docs"
    summary = (docs / "SUMMARY.md").read_text()
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")} - {"SUMMARY.md"}
    assert not [page for page in sorted(pages) if f"]({page})" not in summary], "add them to docs/SUMMARY.md"
