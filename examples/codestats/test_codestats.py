"""The whole job, on a small corpus and with few agents."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SWARMBUS = REPOSITORY / "target/release/swarmbus"
GUARD_S = 120.0
"""Guards against hangs; nothing here depends on how long something takes."""

Start = Callable[[int], "subprocess.Popen[str]"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """300 files that take some milliseconds each, and two that don't parse."""
    source = (Path(__file__).parent / "analysis.py").read_text()
    body = source.replace("from __future__ import annotations\n", "")
    for number in range(300):
        (tmp_path / f"module{number}.py").write_text(body * 4)
    for name in ("old.py", "older.py"):
        (tmp_path / name).write_text("print 'no'\n")
    return tmp_path


@pytest.fixture
def bus_name() -> Iterator[str]:
    """A bus that is gone afterwards, also when the test fails."""
    name = f"codestats-test-{os.getpid()}"
    yield name
    if Path(f"/dev/shm/swarmbus.{name}").exists():
        subprocess.run([SWARMBUS, "down", name], timeout=GUARD_S, check=False)


@pytest.fixture
def start(bus_name: str, corpus: Path) -> Iterator[Start]:
    """Starts the example with so many agents."""
    started: list[subprocess.Popen[str]] = []

    def start(agents: int) -> subprocess.Popen[str]:
        topology = Path(__file__).with_name("swarm.toml")
        path = f"{REPOSITORY / '.venv/bin'}:{os.environ['PATH']}"
        process = subprocess.Popen(
            [SWARMBUS, "--bus", bus_name, "up", str(topology), "--size", str(agents)],
            env=os.environ | {"PATH": path, "CODESTATS_ROOT": str(corpus)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # As in a terminal: an interrupt reaches the supervisor's group, and agents are not in it.
            process_group=0,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=GUARD_S)


def test_kills_cost_nothing_and_the_totals_are_equal(start: Start, bus_name: str) -> None:
    process = start(8)
    out, err = process.communicate(timeout=GUARD_S)
    assert process.returncode == 0, out + err
    lines = out.splitlines()
    killed = [line.split()[1] for line in lines if line.startswith("killed worker-")]
    assert len(killed) == len(set(killed)) == 5
    assert sum(line.startswith("redelivered module") for line in lines) >= 1
    assert "killed 5 agents, redelivered 5 files" in out
    assert "  old.py: SyntaxError" in out
    assert any(line.split() == ["files", "302"] for line in lines)
    assert lines[-1] == "totals equal"
    assert err.count("starting again") == 5
    assert not Path(f"/dev/shm/swarmbus.{bus_name}").exists()


HOLDS_THE_LAST_FILE = """
import os, pathlib, time

read = pathlib.Path.read_bytes

def read_when_let(path):
    while path.name == "zz.py" and os.path.exists(os.environ["HOLD"]):
        time.sleep(0.01)
    return read(path)

pathlib.Path.read_bytes = read_when_let
"""
"""Each interpreter of the run imports it as it starts: the job is not over before the file that HOLD names is gone."""


def test_an_interrupt_drains(
    start: Start, bus_name: str, corpus: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (corpus / "zz.py").write_text("pass\n")
    folder = tmp_path_factory.mktemp("hold")
    (folder / "sitecustomize.py").write_text(HOLDS_THE_LAST_FILE)
    hold = folder / "hold"
    hold.touch()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("HOLD", str(hold))
    process = start(4)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("analysing"):
            break
    os.killpg(process.pid, signal.SIGINT)
    hold.unlink()
    out, err = process.communicate(timeout=GUARD_S)
    assert process.returncode == 128 + signal.SIGINT, out + err
    assert "Traceback" not in out + err
    assert "SIGKILL" not in err.replace("was killed by SIGKILL; ", "")
    assert not Path(f"/dev/shm/swarmbus.{bus_name}").exists()
