"""Batches, and the copying way of receiving."""

from __future__ import annotations

import array

import pytest

import swarmbus
from conftest import GUARD_S


def test_a_batch_is_sent_whole_and_in_order(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        ids = me.send_many("alice", [b"a", bytearray(b"b"), memoryview(b"c")], lane="high", correlation=7)
        assert len(ids) == len(set(ids)) == 3
        taken = me.recv_many(timeout=GUARD_S)
        assert [msg.id for msg in taken] == list(ids)
        assert [(bytes(msg), msg.lane, msg.correlation) for msg in taken] == [
            (b"a", "high", 7),
            (b"b", "high", 7),
            (b"c", "high", 7),
        ]
        for msg in taken:
            msg.release()
        assert me.try_recv() is None


def test_a_batch_may_be_any_iterable_of_one_content_type(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send_many("alice", (number.to_bytes(2) for number in range(3)))
        assert me.recv_bytes_many(timeout=GUARD_S) == [b"\0\0", b"\0\1", b"\0\2"]
        me.send_many("alice", [{"n": 1}, [2]])
        got = me.recv_many(timeout=GUARD_S)
        assert [(msg.content, msg.json()) for msg in got] == [("json", {"n": 1}), ("json", [2])]
        del got
        assert me.send_many("alice", []) == []
        with pytest.raises(swarmbus.InvalidArgument, match="one content type"):
            me.send_many("alice", [b"bytes", {"n": 1}])
        wrong: list[object] = [b"one message", "text", {"n": 1}, array.array("i", [1])]
        for one in wrong:
            with pytest.raises((swarmbus.InvalidArgument, TypeError)):
                me.send_many("alice", one)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="encode"):
            me.send_many("alice", ["text"])  # type: ignore[list-item]
        with pytest.raises(TypeError):
            me.send_many("alice", 5)  # type: ignore[arg-type]
        with pytest.raises(swarmbus.InvalidArgument, match="1024"):
            me.send_many("alice", [b"x"] * 1025)


def test_a_batch_that_is_refused_leaves_nothing_behind(bus: swarmbus.Bus) -> None:
    bus.declare("small", limit=1)
    with bus.attach("alice") as me:
        me.send_many("small", [b"1", b"2"])
        with pytest.raises(swarmbus.Full):
            me.send_many("small", [b"3", b"4"], timeout=0)
        with pytest.raises(swarmbus.Timeout):
            me.send_many("small", [b"3", b"4"], timeout=0.01)
        with pytest.raises(swarmbus.UnknownAgent):
            me.send_many("nobody", [b"x"])
        assert me.recv_bytes_many(timeout=0, queue="small") == [b"1", b"2"]
    chunks = bus.info().heap.chunks
    assert (chunks.held, chunks.queued, chunks.in_flight) == (0, 0, 0)


def test_the_most_of_a_batch_is_kept(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        for number in range(10):
            me.send("alice", str(number).encode())
        assert me.recv_bytes_many(4, timeout=0) == [b"0", b"1", b"2", b"3"]
        assert [bytes(msg) for msg in me.recv_many(2, timeout=0)] == [b"4", b"5"]
        assert me.recv_bytes_many(0, timeout=0) == []
        # Forgotten above, those two come again, and first.
        assert me.recv_bytes_many(timeout=0) == [b"4", b"5", b"6", b"7", b"8", b"9"]
        with pytest.raises(swarmbus.Timeout):
            me.recv_bytes_many(timeout=0.01)
        with pytest.raises(OverflowError):
            me.recv_many(-1)


@pytest.mark.parametrize("length", [0, 1, 64, 65_537, 3 << 20])
def test_recv_bytes_copies_and_releases(bus: swarmbus.Bus, length: int) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x" * length)
        assert me.recv_bytes(timeout=GUARD_S) == b"x" * length
        chunks = bus.info().heap.chunks
        assert (chunks.queued, chunks.in_flight) == (0, 0)
        me.send_many("alice", [b"y" * length, b""])
        assert me.recv_bytes_many(timeout=GUARD_S) == [b"y" * length, b""]
        with pytest.raises(swarmbus.Timeout):
            me.recv_bytes(timeout=0)


def test_recv_bytes_ends_with_its_queue(bus: swarmbus.Bus) -> None:
    bus.declare("files")
    with bus.attach("alice") as me:
        me.send("files", b"last")
        bus.close_queue("files")
        assert me.recv_bytes(queue="files") == b"last"
        with pytest.raises(swarmbus.Closed):
            me.recv_bytes(queue="files")
        with pytest.raises(swarmbus.Closed):
            me.recv_bytes_many(queue="files")


def test_a_key_is_accepted_once(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        assert me.send("alice", b"x", key="order 7") != 0
        assert me.send("alice", b"x", key=b"order 7") == 0
        assert me.send("alice", b"x", key=7) != 0
        assert me.send_many("alice", [b"y", b"z"], key=7) == []
        with me.loan(1) as loan:
            assert loan.publish("alice", key=7) == 0
        assert me.recv_bytes_many(timeout=0) == [b"x", b"x"]
        for key in (-1, 2**64):
            with pytest.raises(swarmbus.InvalidArgument, match="key"):
                me.send("alice", b"x", key=key)
        for wrong in (1.5, True):
            with pytest.raises(TypeError, match="key"):
                me.send("alice", b"x", key=wrong)  # type: ignore[arg-type]
