"""The swarm of bash scripts, with few agents; one of them is killed while it works."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SWARMBUS = REPOSITORY / "target/release/swarmbus"
GUARD_S = 120.0
"""Guards against hangs; nothing here depends on how long something takes."""


@pytest.fixture
def bus_name() -> Iterator[str]:
    """A bus that is gone afterwards, also when the test fails."""
    name = f"bash-bus-test-{os.getpid()}"
    yield name
    if Path(f"/dev/shm/swarmbus.{name}").exists():
        subprocess.run([SWARMBUS, "down", name], timeout=GUARD_S, check=False)


def owner_of(bus: str, agent: str) -> int | None:
    """The process that has the agent's mailbox."""
    shown = subprocess.run([SWARMBUS, "inspect", bus, agent], capture_output=True, text=True, check=False)
    owner = re.search(r"^owner +process (\d+)", shown.stdout, re.MULTILINE)
    return int(owner[1]) if owner else None


def test_all_is_answered_although_an_agent_is_killed(bus_name: str) -> None:
    process = subprocess.Popen(
        [SWARMBUS, "--bus", bus_name, "up", str(Path(__file__).with_name("swarm.toml")), "--size", "10"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + GUARD_S
        victim = None
        while victim is None and process.poll() is None and time.monotonic() < deadline:
            victim = owner_of(bus_name, "worker-3")
            time.sleep(0.01)
        assert victim is not None, process.communicate(timeout=GUARD_S)
        os.kill(victim, signal.SIGKILL)
        out, err = process.communicate(timeout=GUARD_S)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, out + err
    assert "10 agents are there" in out
    assert "100 numbers, 100 answers" in out
    assert out.splitlines()[-1].startswith("the sum of all steps is right: ")
    assert not Path(f"/dev/shm/swarmbus.{bus_name}").exists()
