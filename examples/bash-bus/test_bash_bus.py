"""The swarm of bash scripts, with few agents; one of them is killed with a number in its hands."""

from __future__ import annotations

import os
import subprocess
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


DIES_BEFORE_IT_ANSWERS = """
[[ $SWARMBUS_AGENT == worker-* ]] || return 0
die_once() {
    [[ $BASH_COMMAND == "swarmbus send coordinator "*steps* ]] && mkdir "$KILLED" 2>/dev/null && kill -KILL $$
    return 0
}
trap die_once DEBUG
"""
"""Each script reads it as it starts: the first worker that has a number and its steps is killed there."""


def test_all_is_answered_although_an_agent_is_killed(bus_name: str, tmp_path: Path) -> None:
    startup = tmp_path / "startup.sh"
    startup.write_text(DIES_BEFORE_IT_ANSWERS)
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [SWARMBUS, "--bus", bus_name, "up", str(Path(__file__).with_name("swarm.toml")), "--size", "10"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BASH_ENV": str(startup), "KILLED": str(killed)},
    )
    try:
        out, err = process.communicate(timeout=GUARD_S)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, out + err
    assert killed.exists(), "no worker has come to its first answer: " + out
    assert "was killed by SIGKILL" in err
    assert "10 agents are there" in out
    assert "100 numbers, 100 answers" in out
    assert out.splitlines()[-1].startswith("the sum of all steps is right: ")
    assert not Path(f"/dev/shm/swarmbus.{bus_name}").exists()
