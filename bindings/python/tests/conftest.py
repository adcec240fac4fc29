"""Buses with names of their own, removed at the end, and child processes that never outlive their test."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import swarmbus

GUARD_S = 60.0
"""Time-out of waits that are expected to end at once; it only keeps a broken build from hanging."""

_numbers = itertools.count()

# Whoever runs the tests in the background of a shell ignores interrupts; our children are to notice them.
signal.signal(signal.SIGINT, signal.default_int_handler)

StartChild = Callable[..., "subprocess.Popen[str]"]


def remove(name: str) -> None:
    """Destroys the bus `name` whatever became of it."""
    with contextlib.suppress(swarmbus.Error):
        swarmbus.open(name).destroy()
    Path(f"/dev/shm/swarmbus.{name}").unlink(missing_ok=True)


@pytest.fixture
def bus_name() -> Iterator[str]:
    """A name that no other test uses; a bus of that name is removed at the end."""
    name = f"pytest-{os.getpid()}-{next(_numbers)}"
    yield name
    remove(name)


@pytest.fixture
def bus(bus_name: str) -> swarmbus.Bus:
    """A small bus."""
    return swarmbus.Bus.create(bus_name, agents=64, heap="64MiB", limit=100)


@pytest.fixture
def child() -> Iterator[StartChild]:
    """Starts `python -c CODE ARGS...` with its output in a pipe; kills at the end what still runs."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=GUARD_S)


def line_of(process: subprocess.Popen[str]) -> str:
    """The child's next line; a child that ended instead is shown."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        assert process.stderr is not None
        pytest.fail(f"the child said nothing and ended with {process.wait(GUARD_S)}:\n{process.stderr.read()}")
    return line.strip()
