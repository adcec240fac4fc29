"""Runs every block of code in the book, in order, so that no page can go out of date.

What a block is, its language says:

- ``bash``, ``sh``: a script; variables that it exports are there in the page's next one. ``console``: lines after ``$``
  are commands, the others what they print, where a line of ``…`` stands for any lines. ``python``: a program.
- ``toml``: the file of a swarm, or a part of one, for ``swarmbus config check``. ``c``, ``cpp``: compiled, and run if
  there is a ``main``. ``rust``: compiled; without a ``main`` as the body of a function with a ``bus`` and an ``agent``.
- ``text``: after a block that was run, the end of what it printed. ``json``, ``ini``: can be read. ``yaml``: anything.

Before a block may stand ``<!-- file: NAME -->``: it is written to that file, for the blocks below, instead of being
run; or ``<!-- not run: REASON -->``. A page has a folder and a bus of its own: `demo` gets another name.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
BUILT = REPOSITORY / "target/release"
GUARD_S = 120.0
"""Guards against hangs; nothing here depends on how long something takes."""

RUN_ELSEWHERE = {
    ("docs/python.md", "python"): "bindings/python/tests/test_readme.py",
    ("README.md", "console"): "examples/codestats/test_codestats.py",
} | dict.fromkeys((("README.md", kind) for kind in ("python", "bash", "c", "toml")), "examples/test_readme.py")
"""Blocks that another test runs."""

FOR_PEOPLE = re.compile(r"^\s*(sudo|apt|apt-get|make|cargo|git|pip)\s", re.MULTILINE)
"""Commands that build the project or change the machine: a test runs none of them, so their blocks say so."""

FRAGMENT = """#![allow(unused)]
use swarmbus_core::*;
fn block(bus: &Bus, agent: &Agent) -> Result<()> {{
{source}
Ok(())
}}
fn main() {{}}
"""


@dataclass
class Block:
    """A block of a page, and what is said of it in a comment."""

    line: int
    kind: str
    source: str
    file: str | None
    not_run: str | None


def pages() -> list[Path]:
    # Decisions are history: what they show need not be so today.
    docs = [page for page in sorted((REPOSITORY / "docs").rglob("*.md")) if "adr" not in page.parts]
    return [REPOSITORY / "README.md", *docs, REPOSITORY / "bindings/bash/README.md"]


def pages_with_code() -> list[Path]:
    return [page for page in pages() if "```" in page.read_text()]


def name_of(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page; a fence that is not closed or says no language is a mistake."""
    blocks: list[Block] = []
    lines = page.read_text().splitlines()
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        fence = re.fullmatch(r"\s*```(\w*)\s*", line)
        if fence is None:
            continue
        if opened is None:
            opened = (number, fence[1])
            continue
        begun, kind = opened
        opened = None
        said = lines[begun - 2] if begun > 1 else ""
        comment = re.fullmatch(r"\s*<!-- (file|not run): (.+) -->", said)
        file, not_run = (
            (comment[2] if comment[1] == "file" else None, comment[2] if comment[1] == "not run" else None)
            if comment
            else (None, None)
        )
        blocks.append(Block(begun, kind, "\n".join(lines[begun : number - 1]) + "\n", file, not_run))
    assert opened is None, f"{page.name}:{opened}: the fence is not closed"
    return blocks


class Runner:
    """Runs the blocks of one page."""

    def __init__(self, page: Path, folder: Path, bus: str) -> None:
        self.name = name_of(page)
        self.folder = folder
        self.bus = bus
        self.printed: str | None = None
        self.children: list[subprocess.Popen[bytes]] = []
        # Where bash looks for builtins, by the name that an installed one has.
        (folder / "swarmbus_bash.so").symlink_to(BUILT / "libswarmbus_bash.so")
        path = f"{folder}:{Path(sys.executable).parent}:{BUILT}:{os.environ['PATH']}"
        self.env = os.environ | {"PATH": path, "BASH_LOADABLES_PATH": str(folder)}

    def run(self, block: Block) -> None:
        place = f"{self.name}:{block.line}"
        source = re.sub(r"\bdemo\b", self.bus, block.source)
        if block.kind == "text":
            expected = re.sub(r"\bdemo\b", self.bus, block.source)
            if self.printed is not None:
                assert self.printed.endswith(expected), f"{place}: printed was\n{self.printed}"
            return
        self.printed = None
        if block.file is not None:
            (self.folder / block.file).write_text(source)
            if block.file.endswith((".sh", ".py")):
                (self.folder / block.file).chmod(0o755)
        if block.not_run is not None or (self.name, block.kind) in RUN_ELSEWHERE:
            return
        kind = getattr(self, f"run_{block.kind}", None)
        assert kind is not None, f"{place}: `{block.kind}` is no language that is run here; say which it is"
        if block.file is None or block.kind == "toml":
            kind(source, place)

    def call(self, place: str, *words: str | Path) -> str:
        """Runs a program to its end; what it leaves in the background ends with the page."""
        # Files of its own: what an earlier block left in the background may still write.
        out, complaints = (self.folder / f".{kind}-{len(self.children)}" for kind in ("printed", "complaints"))
        with out.open("w") as printed, complaints.open("w") as complained:
            child = subprocess.Popen(
                words,
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=complained,
                start_new_session=True,
            )
            self.children.append(child)
            # Not collected before the page ends: until then its number is the group's and nobody else's.
            ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        said = out.read_text()
        code = ended.si_status if ended is not None else None
        assert code == 0, f"{place}: exit code {code}\n{said}{complaints.read_text()}"
        return said

    def shell(self, source: str, place: str) -> str:
        assert not FOR_PEOPLE.search(source), f"{place}: write above it <!-- not run: REASON -->"
        kept = self.folder / ".exported"
        script = self.folder / ".script"
        before = f". {kept}\n" if kept.exists() else ""
        script.write_text(f"{before}set -euo pipefail\n{source}\nset +eu\nexport -p >{kept}\n")
        return self.call(place, "bash", script)

    def run_bash(self, source: str, place: str) -> None:
        self.printed = self.shell(source, place)

    def run_sh(self, source: str, place: str) -> None:
        self.run_bash(source, place)

    def run_console(self, source: str, place: str) -> None:
        commands = "\n".join(line[2:] for line in source.splitlines() if line.startswith(("$ ", "> ")))
        expected = [line for line in source.splitlines() if not line.startswith(("$ ", "> "))]
        line_of = {line: re.escape(line).replace("…", ".*") + "\n" for line in expected} | {"…": r"(.*\n)*?"}
        pattern = "".join(line_of[line] for line in expected)
        said = self.shell(commands, place)
        assert re.fullmatch(pattern, said), f"{place}: printed was\n{said}"

    def run_python(self, source: str, place: str) -> None:
        program = self.folder / ".program.py"
        program.write_text(source)
        self.printed = self.call(place, sys.executable, program)

    def run_toml(self, source: str, place: str) -> None:
        file = self.folder / ".swarm.toml"
        if "[bus]" not in source:
            # A part of a file: what belongs to every file is not repeated on a page.
            has_pool = re.search(r"^\[pool\.", source, re.MULTILINE)
            pool = "" if has_pool else '[pool.worker]\ncommand = ["true"]\nsize = 1\n'
            source = f'[bus]\nname = "{self.bus}"\n{pool}{source}'
        file.write_text(source)
        self.call(place, "swarmbus", "config", "check", file)

    def run_json(self, source: str, place: str) -> None:
        try:
            json.loads(source)
        except ValueError:
            # Or a document in each line.
            for line in source.splitlines():
                json.loads(line)

    def run_ini(self, source: str, place: str) -> None:
        configparser.ConfigParser(strict=False, allow_no_value=False).read_string(source, place)

    def run_yaml(self, source: str, place: str) -> None:
        """For other programs, which the tests of such files run: here is nobody who reads it."""

    def compiled(self, source: str, place: str, compiler: str, standard: str, file: str) -> None:
        # A function without its program is shown without its includes.
        usual = "".join(f"#include <{name}.h>\n" for name in ("stdio", "stdlib", "string", "swarmbus"))
        header = "" if "#include <" in source else usual
        program = self.folder / file
        program.write_text(header + source)
        words = [compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", f"-I{REPOSITORY / 'include'}"]
        if "int main(" not in source:
            self.call(place, *words, "-Wno-unused", "-fsyntax-only", program)
            return
        built = self.folder / "program"
        self.call(place, *words, "-o", built, program, f"-L{BUILT}", f"-Wl,-rpath,{BUILT}", "-lswarmbus")
        takes_bus = ["argv"] if "argv" in source else []
        self.printed = self.call(place, built, *(self.bus for _ in takes_bus))

    def run_c(self, source: str, place: str) -> None:
        self.compiled(source, place, "cc", "c11", "program.c")

    def run_cpp(self, source: str, place: str) -> None:
        self.compiled(source, place, "c++", "c++17", "program.cpp")

    def run_rust(self, source: str, place: str) -> None:
        program = self.folder / "program.rs"
        program.write_text(source if "fn main(" in source else FRAGMENT.format(source=source))
        # The library as the command's build left it; of several, the last one.
        libraries = sorted((BUILT / "deps").glob("libswarmbus_core-*.rlib"), key=lambda one: one.stat().st_mtime)
        assert libraries, "build first: cargo build --release -p swarmbus-cli"
        paths = ["-L", f"dependency={BUILT / 'deps'}", "--extern", f"swarmbus_core={libraries[-1]}"]
        out: list[str | Path] = ["--emit=metadata", "-o", self.folder / "program.rmeta"]
        self.call(place, "rustc", "--edition=2024", *out, *paths, program)

    def end(self) -> None:
        # First those who could still make a bus.
        for child in self.children:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait()
        for bus in Path("/dev/shm").glob(f"swarmbus.{self.bus}*"):
            name = bus.name.removeprefix("swarmbus.")
            for verb in (["down", name], ["destroy", name, "--if-exists"]):
                subprocess.run([BUILT / "swarmbus", *verb], timeout=GUARD_S, check=False, capture_output=True)


@pytest.fixture
def bus_name() -> str:
    return f"book-{os.getpid()}"


@pytest.fixture
def runner(page: Path, tmp_path: Path, bus_name: str) -> Iterator[Runner]:
    one = Runner(page, tmp_path, bus_name)
    yield one
    one.end()


@pytest.mark.parametrize("page", pages_with_code(), ids=name_of)
def test_every_block_of_a_page_does_what_it_says(page: Path, runner: Runner) -> None:
    for block in blocks_of(page):
        runner.run(block)
    assert not list(Path("/dev/shm").glob(f"swarmbus.{runner.bus}*")), "the page leaves a bus behind"


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```bash\nfalse\n```\n\n<!-- not run: it fails -->\n```sh\nfalse\n```\n```cobol\nSTOP.\n```\n\n```\nx\n```\n"
    )
    failing, marked, unknown, unlabelled = blocks_of(page)
    run = Runner(REPOSITORY / "docs/page.md", tmp_path, "book-none").run
    run(marked)
    for block in (failing, unknown, unlabelled):
        with pytest.raises(AssertionError):
            run(block)
    wrong = ["text", "toml", "c", "rust", "python", "json", "console"]
    run(Block(1, "bash", "echo printed\n", None, None))
    for kind in wrong:
        with pytest.raises((AssertionError, ValueError)):
            run(Block(1, kind, "$ echo this is\nwrong\n", None, None))


def test_the_book_has_every_page_once() -> None:
    summary = (REPOSITORY / "docs/SUMMARY.md").read_text()
    links = re.findall(r"\]\(([^)#]+\.md)", summary)
    assert len(links) == len(set(links))


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^\s*```.*?^\s*```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing
