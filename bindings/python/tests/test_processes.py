"""Real processes: work shared, receivers killed, waits interrupted."""

from __future__ import annotations

import os
import signal
import time

import pytest

import swarmbus
from conftest import GUARD_S, StartChild, line_of

ECHO = """
import sys, swarmbus
me = swarmbus.open(sys.argv[1]).attach("echo")
print("ready", flush=True)
for msg in me:
    me.send(msg.sender, bytes(msg).upper(), correlation=msg.correlation)
"""

HOLD_MAILBOX = """
import sys, time, swarmbus
me = swarmbus.open(sys.argv[1]).attach("worker")
msg = me.recv()
print(msg.deliveries, bytes(msg).decode(), flush=True)
time.sleep(600)
"""

HOLD_QUEUE = """
import sys, time, swarmbus
me = swarmbus.open(sys.argv[1]).attach(sys.argv[2])
msg = me.recv(queue="files")
print(msg.deliveries, bytes(msg).decode(), flush=True)
time.sleep(600)
"""

WAIT = """
import sys, time, swarmbus
me = swarmbus.open(sys.argv[1]).attach("waiter")
how = sys.argv[2]
print("ready", flush=True)
try:
    if how == "recv":
        me.recv()
    elif how == "queue":
        me.recv(queue="files")
    elif how == "loop":
        for msg in me:
            pass
    elif how == "send":
        me.send("full", b"no room")
    elif how == "publish":
        with me.loan(8) as loan:
            loan.publish("full")
except KeyboardInterrupt:
    print("interrupted", flush=True)
me.send("test", b"still works")
me.close()
"""

CLOSE_IN_HANDLER = """
import signal, sys, swarmbus
me = swarmbus.open(sys.argv[1]).attach("waiter")
signal.signal(signal.SIGTERM, lambda *_: me.close())
print("ready", flush=True)
try:
    me.recv()
except swarmbus.Closed as error:
    print("closed:", error, flush=True)
"""

WORKER = """
import sys, swarmbus
with swarmbus.open(sys.argv[1]).attach(sys.argv[2]) as me:
    print("ready", flush=True)
    for msg in me.messages(queue="files"):
        me.send("results", bytes(msg))
"""


def test_two_processes_talk(bus: swarmbus.Bus, child: StartChild) -> None:
    with bus.attach("test") as me:
        echo = child(ECHO, bus.name)
        assert line_of(echo) == "ready"
        for number in range(200):
            me.send("echo", f"message {number}".encode(), correlation=number)
            with me.recv(timeout=GUARD_S) as reply:
                assert bytes(reply) == f"MESSAGE {number}".encode()
                assert (reply.sender, reply.correlation) == ("echo", number)
        bus.close_queue("echo")
        assert echo.wait(GUARD_S) == 0


def test_a_mailboxs_message_survives_its_killed_owner(bus: swarmbus.Bus, child: StartChild) -> None:
    bus.declare("worker")
    with bus.attach("test") as me:
        sent = me.send("worker", b"precious")
    worker = child(HOLD_MAILBOX, bus.name)
    assert line_of(worker) == "1 precious"
    with pytest.raises(swarmbus.AgentBusy) as caught:
        bus.attach("worker")
    assert caught.value.pid == worker.pid
    worker.kill()
    worker.wait(GUARD_S)
    with bus.attach("worker") as successor, successor.recv(timeout=GUARD_S) as msg:
        assert (msg.id, bytes(msg), msg.deliveries) == (sent, b"precious", 2)
    assert bus.info().heap.chunks.in_flight == 0


def test_a_work_queues_message_survives_its_killed_consumers(bus: swarmbus.Bus, child: StartChild) -> None:
    bus.declare("files")
    with bus.attach("test") as me:
        me.send("files", b"precious")
        for deliveries in (1, 2):
            worker = child(HOLD_QUEUE, bus.name, f"worker-{deliveries}")
            assert line_of(worker) == f"{deliveries} precious"
            assert me.try_recv(queue="files") is None
            worker.kill()
            worker.wait(GUARD_S)
        with me.recv(timeout=GUARD_S, queue="files") as msg:
            assert (bytes(msg), msg.deliveries) == (b"precious", 3)
        assert me.try_recv(queue="files") is None


def test_work_is_shared_and_ends_when_the_queue_is_closed(bus: swarmbus.Bus, child: StartChild) -> None:
    bus.declare("files")
    with bus.attach("results") as me:
        workers = [child(WORKER, bus.name, f"worker-{number}") for number in range(3)]
        for worker in workers:
            assert line_of(worker) == "ready"
        for number in range(90):
            me.send("files", str(number).encode())
        got, senders = [], set()
        for _ in range(90):
            with me.recv(timeout=GUARD_S) as msg:
                got.append(int(bytes(msg)))
                senders.add(msg.sender)
        assert sorted(got) == list(range(90))
        assert senders <= {f"worker-{number}" for number in range(3)}
        bus.close_queue("files")
        assert [worker.wait(GUARD_S) for worker in workers] == [0, 0, 0]


def wait_until_asleep(pid: int) -> None:
    """Returns once the process's main thread waits on a futex."""
    for _ in range(int(GUARD_S * 100)):
        with open(f"/proc/{pid}/wchan") as wchan, open(f"/proc/{pid}/stat") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] == "S" and "pipe" not in wchan.read():
                return
        time.sleep(0.01)
    pytest.fail(f"process {pid} does not wait")


@pytest.mark.parametrize("how", ["recv", "queue", "loop", "send", "publish"])
def test_ctrl_c_ends_a_wait(bus: swarmbus.Bus, child: StartChild, how: str) -> None:
    bus.declare("files")
    bus.declare("full", limit=1)
    with bus.attach("test") as me:
        me.send("full", b"in the way")
        waiter = child(WAIT, bus.name, how)
        assert line_of(waiter) == "ready"
        wait_until_asleep(waiter.pid)
        os.kill(waiter.pid, signal.SIGINT)
        assert line_of(waiter) == "interrupted"
        with me.recv(timeout=GUARD_S) as msg:
            assert bytes(msg) == b"still works"
        assert waiter.wait(GUARD_S) == 0


def test_a_signal_handler_may_close_the_agent_that_waits(bus: swarmbus.Bus, child: StartChild) -> None:
    waiter = child(CLOSE_IN_HANDLER, bus.name)
    assert line_of(waiter) == "ready"
    wait_until_asleep(waiter.pid)
    os.kill(waiter.pid, signal.SIGTERM)
    assert line_of(waiter).startswith("closed: agent")
    assert waiter.wait(GUARD_S) == 0
    with bus.attach("waiter"):
        pass


def test_an_exiting_interpreter_gives_everything_back(bus: swarmbus.Bus, child: StartChild) -> None:
    code = """
import sys, swarmbus
me = swarmbus.open(sys.argv[1]).attach("short")
me.send("short", b"x")
msg = me.recv()
view = msg.data
print("done", flush=True)
"""
    process = child(code, bus.name)
    assert line_of(process) == "done"
    assert process.wait(GUARD_S) == 0
    with bus.attach("short") as successor, successor.recv(timeout=GUARD_S) as msg:
        assert msg.deliveries == 2
