"""Sending and receiving within one process."""

from __future__ import annotations

import array
import math
import os

import pytest

import swarmbus
from conftest import GUARD_S


def test_a_message_arrives_with_all_that_was_said_about_it(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as alice, bus.attach("bob") as bob:
        sent = alice.send("bob", b'{"x": 1}', lane="high", correlation=2**64 - 1, content="json")
        msg = bob.recv(timeout=GUARD_S)
        assert msg.id == sent
        assert bytes(msg) == bytes(msg.data) == b'{"x": 1}'
        assert len(msg) == 8
        assert (msg.sender, msg.lane, msg.deliveries) == ("alice", "high", 1)
        assert (msg.correlation, msg.content) == (2**64 - 1, "json")
        assert not msg.released
        msg.release()
        assert msg.released
        # What was said about it can still be read, for a log line; its bytes can't.
        assert (msg.id, msg.sender, len(msg)) == (sent, "alice", 8)


def test_defaults_are_normal_bytes_without_correlation(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        with me.recv() as msg:
            assert (msg.lane, msg.content, msg.correlation) == ("normal", "bytes", 0)


def test_lanes_come_in_order_of_priority(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        lanes: tuple[swarmbus.Lane, ...] = ("low", "normal", "high", "urgent")
        for lane in lanes:
            me.send("alice", lane.encode(), lane=lane)
        order = []
        for _ in range(4):
            with me.recv(timeout=GUARD_S) as msg:
                order.append(bytes(msg).decode())
        assert order == ["urgent", "high", "normal", "low"]


def test_within_a_lane_messages_come_in_the_order_sent(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        for number in range(100):
            me.send("alice", str(number).encode())
        got = []
        while (msg := me.try_recv()) is not None:
            got.append(int(bytes(msg)))
            msg.release()
        assert got == list(range(100))


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 4096, 65536, 65537, 1 << 20])
def test_every_size_arrives_whole(bus: swarmbus.Bus, size: int) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    with bus.attach("alice") as me:
        me.send("alice", data)
        with me.recv(timeout=GUARD_S) as msg:
            assert len(msg) == size
            assert bytes(msg) == data
            assert msg.data == data


@pytest.mark.parametrize(
    "data",
    [
        b"abcd",
        bytearray(b"abcd"),
        memoryview(b"xabcdx")[1:5],
        memoryview(bytearray(b"abcd")).cast("B", (2, 2)),
        array.array("B", b"abcd"),
        array.array("H", b"abcd"),
    ],
    ids=["bytes", "bytearray", "slice", "2d", "array-B", "array-H"],
)
def test_any_contiguous_buffer_can_be_sent(bus: swarmbus.Bus, data: bytes) -> None:
    with bus.attach("alice") as me:
        me.send("alice", data)
        with me.recv(timeout=GUARD_S) as msg:
            assert bytes(msg) == b"abcd"


def test_a_message_can_be_sent_on_from_its_view(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"payload")
        with me.recv(timeout=GUARD_S) as first:
            me.send("alice", first.data[:3])
            me.send("alice", first)
        for expected in (b"pay", b"payload"):
            with me.recv(timeout=GUARD_S) as msg:
                assert bytes(msg) == expected


def test_numpy_arrays_go_both_ways(bus: swarmbus.Bus) -> None:
    numpy = pytest.importorskip("numpy")
    numbers = numpy.arange(1000, dtype=numpy.float64)
    with bus.attach("alice") as me:
        me.send("alice", numbers)
        with me.recv(timeout=GUARD_S) as msg:
            seen = numpy.frombuffer(msg, dtype=numpy.float64)
            assert (seen == numbers).all()
            assert not seen.flags.writeable
            assert seen.ctypes.data % 64 == 0
            del seen
        with pytest.raises(BufferError, match="contiguous"):
            me.send("alice", numbers[::2])


def test_what_is_no_buffer_is_refused_with_a_hint(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        with pytest.raises(TypeError, match=r"\.encode\(\)"):
            me.send("alice", "text")  # type: ignore[arg-type]
        for wrong in (None, 5, {"x"}, (1, 2)):
            with pytest.raises(TypeError, match=type(wrong).__name__):
                me.send("alice", wrong)  # type: ignore[arg-type]
        with pytest.raises(BufferError, match="contiguous"):
            me.send("alice", memoryview(b"abcd")[::2])
        assert me.try_recv() is None


def test_unknown_receivers_are_named(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        with pytest.raises(swarmbus.UnknownAgent) as caught:
            me.send("nobody", b"x")
        assert (caught.value.name, caught.value.bus) == ("nobody", bus.name)
        with pytest.raises(swarmbus.UnknownAgent):
            me.recv(timeout=0, queue="nobody")


def test_a_full_mailbox_refuses_at_once_and_loses_nothing(bus: swarmbus.Bus) -> None:
    bus.declare("bob", limit=4)
    with bus.attach("alice") as me:
        sent = 0
        with pytest.raises(swarmbus.Full) as caught:
            while True:
                me.send("bob", str(sent).encode(), timeout=0)
                sent += 1
        assert sent == caught.value.limit == 4
        assert caught.value.queue == "bob"
        with pytest.raises((swarmbus.Full, swarmbus.Timeout)):
            me.send("bob", b"late", timeout=0.05)
        with bus.attach("bob") as bob:
            got = []
            while (msg := bob.try_recv()) is not None:
                got.append(bytes(msg))
                msg.release()
            assert got == [b"0", b"1", b"2", b"3"]


def test_timeouts_are_timeout_errors(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        assert me.try_recv() is None
        for timeout in (0, 0.0, 0.05):
            with pytest.raises(swarmbus.Timeout) as caught:
                me.recv(timeout=timeout)
            assert isinstance(caught.value, TimeoutError)
        with pytest.raises(swarmbus.Timeout):
            me.recv(0.01)


@pytest.mark.parametrize("timeout", [-1, -0.001, math.nan, -math.inf])
def test_timeouts_that_make_no_sense_are_refused(bus: swarmbus.Bus, timeout: float) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        with pytest.raises(swarmbus.InvalidArgument, match="timeout"):
            me.recv(timeout=timeout)
        with pytest.raises(swarmbus.InvalidArgument, match="timeout"):
            me.send("alice", b"x", timeout=timeout)
        with me.recv(timeout=math.inf) as msg:
            assert bytes(msg) == b"x"


def test_unknown_lanes_and_contents_are_refused_with_the_known_ones(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        with pytest.raises(swarmbus.InvalidArgument, match="urgent, high, normal, low"):
            me.send("alice", b"x", lane="hihg")  # type: ignore[arg-type]
        with pytest.raises(swarmbus.InvalidArgument, match="bytes, json, rkyv"):
            me.send("alice", b"x", content="xml")  # type: ignore[arg-type]


def test_too_large_says_the_limit_and_too_much_is_out_of_memory(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        with pytest.raises(swarmbus.TooLarge) as caught:
            me.loan(1 << 40)
        assert caught.value.length == 1 << 40
        assert 1 << 20 <= caught.value.limit < 1 << 40
        held = []
        with pytest.raises(swarmbus.OutOfMemory) as full:
            for _ in range(1000):
                held.append(me.loan(1 << 20))
        assert isinstance(full.value, MemoryError)
        assert held
        held.clear()
        me.send("alice", bytes(1 << 20))
        with me.recv(timeout=GUARD_S) as msg:
            assert len(msg) == 1 << 20


def test_a_second_owner_is_refused(bus: swarmbus.Bus) -> None:
    with bus.attach("alice"):
        with pytest.raises(swarmbus.AgentBusy) as caught:
            bus.attach("alice")
        assert (caught.value.name, caught.value.pid) == ("alice", os.getpid())
        with bus.attach("bob") as bob, pytest.raises(swarmbus.AgentBusy):
            bob.recv(timeout=0, queue="alice")
    with bus.attach("alice"):
        pass


def test_mailboxes_outlive_their_owner(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as alice:
        alice.send("alice", b"for the next one")
    with bus.attach("alice") as successor, successor.recv(timeout=GUARD_S) as msg:
        assert bytes(msg) == b"for the next one"


def test_a_work_queue_is_shared_by_its_consumers(bus: swarmbus.Bus) -> None:
    bus.declare("files")
    with bus.attach("alice") as alice, bus.attach("bob") as bob:
        for number in range(10):
            alice.send("files", str(number).encode())
        held = [agent.recv(timeout=GUARD_S, queue="files") for agent in (alice, bob) * 5]
        assert sorted(int(bytes(msg)) for msg in held) == list(range(10))
        assert alice.try_recv(queue="files") is None
        for msg in held:
            msg.release()
        # A mailbox of one's own and a work queue are different sources.
        alice.send("alice", b"mine")
        assert alice.try_recv(queue="files") is None
        with alice.recv(timeout=GUARD_S) as msg:
            assert bytes(msg) == b"mine"


def test_agents_say_who_they_are_and_stop_when_closed(bus: swarmbus.Bus) -> None:
    me = bus.attach("alice")
    assert repr(me) == f"<swarmbus.Agent 'alice' on bus '{bus.name}'>"
    assert not me.closed
    me.close()
    me.close()
    assert me.closed
    assert repr(me).endswith("closed>")
    for call in (
        lambda: me.send("alice", b"x"),
        lambda: me.loan(8),
        lambda: me.recv(timeout=0),
        lambda: me.try_recv(),
        lambda: iter(me),
        lambda: me.__enter__(),
    ):
        with pytest.raises(swarmbus.Closed, match="alice"):
            call()
