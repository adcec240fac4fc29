"""What the README shows works."""

from __future__ import annotations

import re
from pathlib import Path

from conftest import StartChild

README = Path(__file__).resolve().parent.parent / "README.md"


def test_every_python_block_of_the_readme_runs(bus_name: str, child: StartChild) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        process = child(block.replace('"demo"', repr(bus_name)))
        said, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        assert said == "alice b'hello'\n"
