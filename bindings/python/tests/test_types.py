"""The stubs say what the module has. That mypy accepts them and the tests is checked by `make lint`."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

from swarmbus import _swarmbus

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(_swarmbus.__file__).parent


def test_the_stub_and_the_module_have_the_same_names() -> None:
    stub = ast.parse((PACKAGE / "_swarmbus.pyi").read_text())
    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"}
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    public = {name for name in vars(_swarmbus) if not name.startswith("_")}
    assert public == set(classes) | functions
    for name, node in classes.items():
        described = {item.name for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))}
        real = {method for method in vars(getattr(_swarmbus, name)) if not method.startswith("_")}
        assert real == {method for method in described if not method.startswith("_")}, name
        for method in described:
            # Before 3.12 Python code does not see the buffer protocol as a method.
            assert method == "__buffer__" or hasattr(getattr(_swarmbus, name), method), f"{name}.{method}"


@pytest.mark.skipif(shutil.which("pyright") is None, reason="pyright is not on the path")
def test_pyright_accepts_the_package() -> None:
    run = subprocess.run(["pyright", "python"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
