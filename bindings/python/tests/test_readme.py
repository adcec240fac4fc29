"""What README and book show works: each file's blocks run one after the other, in one program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import GUARD_S, StartChild

BINDINGS = Path(__file__).resolve().parent.parent
BOOK = BINDINGS.parent.parent / "docs" / "python.md"


def blocks_of(page: Path) -> list[str]:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    return blocks


def test_every_python_block_of_the_readme_runs(bus_name: str, child: StartChild) -> None:
    for block in blocks_of(BINDINGS / "README.md"):
        process = child(block.replace('"demo"', repr(bus_name)))
        said, complaint = process.communicate(timeout=GUARD_S)
        assert process.returncode == 0, complaint
        assert said == "alice b'hello'\n"


@pytest.mark.skipif(not BOOK.exists(), reason="the book is in the repository, not in the package")
def test_every_python_block_of_the_book_runs(
    bus_name: str, child: StartChild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "\n".join(blocks_of(BOOK)).replace('"demo"', repr(bus_name))
    script = tmp_path / "test_book.py"
    script.write_text(program)
    # As a test file, for the block about fixtures.
    runner = f"import pytest, sys; sys.exit(pytest.main(['-q', '-p', 'swarmbus.pytest_plugin', {str(script)!r}]))"
    # Whether the package was installed or only built: its plugin is loaded once.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    process = child(runner)
    said, complaint = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, said + complaint
    assert "1 passed" in said
