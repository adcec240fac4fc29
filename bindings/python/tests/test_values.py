"""What messages hold, as Python and NumPy have it: arrays without a copy, dataclasses as JSON, pickles that are off."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swarmbus
from conftest import GUARD_S
from swarmbus import unsafe_pickle

MIB = 1 << 20


def address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def test_an_array_is_handed_over_without_a_copy(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        with me.loan(MIB) as loan:
            array = loan.array(np.float64, (256, 512))
            array[:] = np.arange(256 * 512, dtype=np.float64).reshape(256, 512)
            written_at = address(array)
            with pytest.raises(BufferError):
                loan.publish("alice")
            del array
            loan.publish("alice")
        with me.recv(timeout=GUARD_S) as msg:
            got = msg.array("float64", (256, 512))
            # One process, one mapping: the receiver's array lies where the sender's did.
            assert address(got) == written_at
            assert not got.flags.writeable
            assert got[255, 511] == 256 * 512 - 1
            with pytest.raises(ValueError, match="read-only"):
                got[0, 0] = 1
            with pytest.raises(BufferError):
                msg.release()
            with pytest.raises(ValueError, match="shape"):
                msg.array("float64", (3, 3))
            del got


def test_arrays_are_sent_as_they_lie(bus: swarmbus.Bus) -> None:
    bus.declare_topic("frames")
    with bus.attach("alice") as me, me.subscribe("frames") as frames:
        image = np.arange(12, dtype=np.int32).reshape(3, 4)
        me.send("alice", image)
        with me.recv(timeout=0) as msg:
            assert (msg.array(np.int32, (3, 4)) == image).all()
        with pytest.raises(BufferError, match="C-contiguous"):
            me.send("alice", image.T)
        me.publish("frames", image)
        with frames.recv(timeout=0) as sample:
            assert (sample.array(np.int32, (3, 4)) == image).all()


@dataclass
class Task:
    path: str
    lines: list[int]


def test_dataclasses_go_as_json(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", Task("größe.py", [1, 2]))
        me.send("alice", [Task("a", [])])
        with me.recv(timeout=0) as msg:
            assert msg.content == "json"
            assert msg.json(Task) == Task("größe.py", [1, 2])
            with pytest.raises(swarmbus.WrongType, match="range"):
                msg.json(range)
        with me.recv(timeout=0) as msg:
            assert msg.json() == [{"path": "a", "lines": []}]
            with pytest.raises(swarmbus.WrongType, match="Task"):
                msg.json(Task)
        for value in ({"x": object()}, {"x": float("nan")}, {"x": Task}):
            with pytest.raises((TypeError, ValueError)):
                me.send("alice", value)


def test_pickles_are_off_until_they_are_allowed(bus: swarmbus.Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsafe_pickle, "_allowed", False)
    with bus.attach("alice") as me:
        me.send("alice", pickle.dumps({1, 2}))
        with me.recv(timeout=0) as msg:
            with pytest.raises(swarmbus.InvalidArgument, match="allow"):
                unsafe_pickle.load(msg)
            with pytest.raises(swarmbus.InvalidArgument, match="allow"):
                unsafe_pickle.send(me, "alice", {1, 2})
            unsafe_pickle.allow()
            assert unsafe_pickle.load(msg) == {1, 2}
        unsafe_pickle.send(me, "alice", range(3), lane="high")
        with me.recv(timeout=0) as msg:
            assert unsafe_pickle.load(msg) == range(3)


def work(bus: swarmbus.Bus, name: str) -> None:
    """What a process of `multiprocessing` does with a bus that it was given."""
    with bus.attach(name) as me, me.call("parent", name.encode(), timeout=GUARD_S) as answer:
        me.send("parent", bytes(answer))


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_processes_are_given_a_bus(bus: swarmbus.Bus, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with bus.attach("parent") as me:
        processes = [context.Process(target=work, args=(bus, f"{method}-{number}")) for number in range(2)]
        for process in processes:
            process.start()
        got = set()
        for _ in range(4):
            with me.recv(timeout=GUARD_S) as msg:
                if bytes(msg).startswith(b"for "):
                    got.add(bytes(msg))
                else:
                    msg.reply(b"for " + bytes(msg))
        for process in processes:
            process.join(GUARD_S)
            assert process.exitcode == 0
    assert got == {f"for {method}-{number}".encode() for number in range(2)}


def test_only_a_bus_is_pickled(bus: swarmbus.Bus) -> None:
    assert pickle.loads(pickle.dumps(bus)).name == bus.name
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        with me.recv(timeout=0) as msg, me.loan(1) as loan:
            for thing in (me, msg, loan):
                with pytest.raises(TypeError, match="pickle"):
                    pickle.dumps(thing)


def test_the_fixture_makes_a_bus_that_goes(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_it(swarmbus_bus, swarmbus_factory):\n"
        "    with swarmbus_bus.attach('alice') as me:\n"
        "        me.send('alice', b'x')\n"
        "        assert me.recv_bytes(timeout=0) == b'x'\n"
        "    print('BUS', swarmbus_factory(limit=7).info().limit, swarmbus_bus.name)\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "swarmbus.pytest_plugin", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        # Whether the package was installed or only built: its plugin is loaded once.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    [said] = [line for line in run.stdout.splitlines() if "BUS" in line]
    _, limit, name = said[said.index("BUS") :].split()
    assert limit == "7"
    assert name not in swarmbus.buses()
