"""An agent belongs to one thread of one process."""

from __future__ import annotations

import gc
import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import swarmbus
from conftest import GUARD_S


def in_thread(call: Callable[[], Any]) -> Any:
    """The outcome of `call` in another thread: its value, or the exception raised here."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(GUARD_S)
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def in_fork(call: Callable[[], None]) -> None:
    """Runs `call` in a forked child and fails if it fails there."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            call()
            status = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[:60000])
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        said = stream.read().decode()
    _, status = os.waitpid(pid, 0)
    assert status == 0, said or f"the child ended with status {status:#x}"


def test_every_call_from_another_thread_is_refused(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        msg = me.recv(timeout=GUARD_S)
        loan = me.loan(8)
        loop = me.messages()
        calls: list[Callable[[], Any]] = [
            lambda: me.send("alice", b"x"),
            lambda: me.loan(8),
            lambda: me.recv(timeout=0),
            lambda: me.try_recv(),
            lambda: iter(me),
            lambda: next(loop),
            lambda: me.close(),
            lambda: me.__enter__(),
            lambda: me.__exit__(None, None, None),
            lambda: msg.release(),
            lambda: msg.nack(),
            lambda: msg.data,
            lambda: bytes(msg),
            lambda: memoryview(msg),
            lambda: msg.__enter__(),
            lambda: msg.__exit__(None, None, None),
            lambda: loan.data,
            lambda: loan.publish("alice"),
            lambda: loan.abort(),
            lambda: loan.__enter__(),
            lambda: loan.__exit__(None, None, None),
        ]
        for call in calls:
            with pytest.raises(swarmbus.WrongThread, match="alice"):
                in_thread(call)
        # Nothing happened to it meanwhile; and what only looks is allowed.
        assert in_thread(lambda: (repr(me), repr(msg), repr(loan), msg.id, len(msg), me.name, me.closed))
        assert bytes(msg) == b"x"
        msg.release()
        loan.abort()


def test_other_threads_attach_names_of_their_own(bus: swarmbus.Bus) -> None:
    def other() -> bytes:
        with bus.attach("bob") as bob:
            bob.send("alice", b"from bob")
            with bob.recv(timeout=GUARD_S) as msg:
                return bytes(msg)

    with bus.attach("alice") as me:
        bus.declare("bob")
        me.send("bob", b"from alice")
        assert in_thread(other) == b"from alice"
        with me.recv(timeout=GUARD_S) as msg:
            assert bytes(msg) == b"from bob"


def test_views_may_be_used_and_end_in_another_thread(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"payload")
        with me.recv(timeout=GUARD_S) as msg:
            views = [msg.data]

        def use() -> bytes:
            view = views.pop()
            data = bytes(view)
            view.release()
            return data

        assert in_thread(use) == b"payload"
        # The agent's own thread ends the message, at its next call.
        assert me.try_recv() is None
        assert bus.info().heap.chunks.in_flight == 0


def test_messages_and_loans_dropped_elsewhere_are_given_back(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        things: list[Any] = [me.recv(timeout=GUARD_S), me.loan(1 << 20)]

        def drop() -> None:
            things.clear()
            gc.collect()

        in_thread(drop)
        with me.recv(timeout=GUARD_S) as again:
            assert again.deliveries == 2


def test_an_agent_dropped_elsewhere_is_closed(bus: swarmbus.Bus) -> None:
    agents = [bus.attach("alice")]
    agents[0].send("alice", b"x")
    kept = agents[0].recv(timeout=GUARD_S)

    def drop() -> None:
        agents.clear()
        gc.collect()

    in_thread(drop)
    del kept
    with bus.attach("alice") as successor, successor.recv(timeout=GUARD_S) as msg:
        assert msg.deliveries == 2


def test_other_threads_run_while_one_waits(bus: swarmbus.Bus) -> None:
    ready = threading.Event()

    def receiver() -> bytes:
        with bus.attach("bob") as bob:
            ready.set()
            with bob.recv(timeout=GUARD_S) as msg:
                return bytes(msg)

    outcome: list[bytes] = []
    thread = threading.Thread(target=lambda: outcome.append(receiver()))
    thread.start()
    assert ready.wait(GUARD_S)
    with bus.attach("alice") as me:
        me.send("bob", b"wake up")
    thread.join(GUARD_S)
    assert outcome == [b"wake up"]


def test_a_sender_waits_for_room_without_the_interpreters_lock(bus: swarmbus.Bus) -> None:
    bus.declare("bob", limit=1)
    started = threading.Event()

    def sender() -> None:
        with bus.attach("alice") as me:
            me.send("bob", b"0")
            started.set()
            me.send("bob", b"1", timeout=GUARD_S)
            with me.loan(1) as c:
                c.data[:] = b"2"
                c.publish("bob", timeout=GUARD_S)

    thread = threading.Thread(target=sender)
    thread.start()
    assert started.wait(GUARD_S)
    with bus.attach("bob") as bob:
        got = []
        for _ in range(3):
            with bob.recv(timeout=GUARD_S) as msg:
                got.append(bytes(msg))
    thread.join(GUARD_S)
    assert got == [b"0", b"1", b"2"]


def test_a_forked_child_is_refused_and_harms_nobody(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        msg = me.recv(timeout=GUARD_S)
        loan = me.loan(8)
        loop = me.messages()

        def in_child() -> None:
            calls: list[Callable[[], Any]] = [
                lambda: me.send("alice", b"y"),
                lambda: me.loan(8),
                lambda: me.recv(timeout=0),
                lambda: me.try_recv(),
                lambda: next(loop),
                lambda: me.close(),
                lambda: msg.release(),
                lambda: msg.nack(),
                lambda: msg.data,
                lambda: bytes(msg),
                lambda: loan.data,
                lambda: loan.publish("alice"),
            ]
            for call in calls:
                with pytest.raises(swarmbus.Forked, match="alice"):
                    call()
            # Leaving the parent's with block in the child, and dropping its objects there, does nothing.
            me.__exit__(None, None, None)

        in_fork(in_child)

        def drop_in_child() -> None:
            nonlocal me, msg, loan, loop
            del me, msg, loan, loop
            gc.collect()

        in_fork(drop_in_child)
        assert bytes(msg) == b"x"
        msg.release()
        loan.data[:] = b"12345678"
        loan.publish("alice")
        with me.recv(timeout=GUARD_S) as again:
            assert (bytes(again), again.deliveries) == (b"12345678", 1)


def test_a_forked_child_attaches_a_name_of_its_own(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:

        def in_child() -> None:
            with bus.attach("child") as child:
                child.send("alice", b"inherited bus")
            with swarmbus.open(bus.name).attach("child") as child:
                child.send("alice", b"opened bus")

        in_fork(in_child)
        got = []
        for _ in range(2):
            with me.recv(timeout=GUARD_S) as msg:
                got.append((msg.sender, bytes(msg)))
        assert got == [("child", b"inherited bus"), ("child", b"opened bus")]


def test_what_an_agent_of_an_ended_thread_held_comes_back(bus: swarmbus.Bus) -> None:
    bus.declare("worker")
    kept: list[Any] = []
    tids: list[int] = []

    def leak() -> None:
        worker = bus.attach("worker")
        kept.extend([worker, worker.recv(timeout=GUARD_S)])
        tids.append(threading.get_native_id())

    with bus.attach("alice") as me:
        me.send("worker", b"task")
        thread = threading.Thread(target=leak)
        thread.start()
        thread.join(GUARD_S)
        while os.path.exists(f"/proc/self/task/{tids[0]}"):
            pass  # it is joined a moment before it is gone

        # Another process gets it while this one lives, and so does the name.
        def in_child() -> None:
            with bus.attach("worker") as heir, heir.recv(timeout=GUARD_S) as msg:
                assert (bytes(msg), msg.deliveries) == (b"task", 2)
                heir.send("alice", b"done")

        in_fork(in_child)
        with me.recv(timeout=GUARD_S) as msg:
            assert bytes(msg) == b"done"

        # What was left of it in this process harms nobody, whoever has its place now.
        with bus.attach("worker") as successor:
            kept.clear()
            gc.collect()
            me.send("worker", b"more")
            with successor.recv(timeout=GUARD_S) as msg:
                assert (bytes(msg), msg.deliveries) == (b"more", 1)


def test_views_outlive_the_thread_that_attached(bus: swarmbus.Bus) -> None:
    bus.declare("worker")
    views: list[memoryview] = []
    kept: list[Any] = []
    tids: list[int] = []

    def hand_out() -> None:
        worker = bus.attach("worker")
        with worker.recv(timeout=GUARD_S) as msg:
            views.append(msg.data)
        # It is released with its last view.
        kept.append(worker)
        tids.append(threading.get_native_id())

    with bus.attach("alice") as me:
        me.send("worker", b"payload")
        thread = threading.Thread(target=hand_out)
        thread.start()
        thread.join(GUARD_S)
        while os.path.exists(f"/proc/self/task/{tids[0]}"):
            pass
        # As long as somebody may be reading, the agent counts as alive.
        with pytest.raises(swarmbus.AgentBusy):
            bus.attach("worker")
        assert bytes(views[0]) == b"payload"
        views.clear()
        kept.clear()
        gc.collect()
        with bus.attach("worker") as successor:
            assert successor.try_recv() is None
        assert bus.info().heap.chunks.in_flight == 0
