"""Looping over messages."""

from __future__ import annotations

import pytest

import swarmbus
from conftest import GUARD_S


def in_flight(bus: swarmbus.Bus) -> int:
    return bus.info().heap.chunks.in_flight


def test_a_turns_message_is_released_when_the_next_is_asked_for(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        for number in range(3):
            me.send("alice", str(number).encode())
        bus.close_queue("alice")
        got, earlier = [], None
        for msg in me:
            assert in_flight(bus) == 1
            assert earlier is None or earlier.released
            assert not msg.released
            got.append(int(bytes(msg)))
            earlier = msg
        assert got == [0, 1, 2]
        assert in_flight(bus) == 0
        bus.reopen_queue("alice")
        assert me.try_recv() is None


def test_break_leaves_the_message_unreleased(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        for msg in me:
            assert bytes(msg) == b"x"
            break
        assert not msg.released
        assert in_flight(bus) == 1
        assert bytes(msg) == b"x"
        msg.release()
        assert me.try_recv() is None


def test_an_exception_leaves_the_message_unreleased(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        with pytest.raises(ZeroDivisionError):
            for msg in me:
                raise ZeroDivisionError(msg.id)
        assert not msg.released
        del msg
        with me.recv(timeout=GUARD_S) as again:
            assert again.deliveries == 2


def test_a_turn_may_end_its_message_itself(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        me.send("alice", b"y")
        seen = []
        for msg in me:
            seen.append((bytes(msg), msg.deliveries))
            if msg.deliveries == 1 and bytes(msg) == b"x":
                msg.nack()
            elif bytes(msg) == b"y":
                bus.close_queue("alice")
                msg.release()
            else:
                with msg:
                    pass
        assert seen == [(b"x", 1), (b"x", 2), (b"y", 1)]


def test_a_turns_release_waits_for_the_last_view(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        for data in (b"x", b"y"):
            me.send("alice", data)
        bus.close_queue("alice")
        views = [msg.data for msg in me]
        assert [bytes(view) for view in views] == [b"x", b"y"]
        assert in_flight(bus) == 2
        views.clear()
        assert in_flight(bus) == 0


def test_a_work_queue_is_looped_over_until_closed_and_empty(bus: swarmbus.Bus) -> None:
    bus.declare("files")
    with bus.attach("alice") as me:
        for number in range(5):
            me.send("files", str(number).encode())
        bus.close_queue("files")
        messages = me.messages(queue="files")
        assert "files" in repr(messages)
        assert [int(bytes(msg)) for msg in messages] == [0, 1, 2, 3, 4]
        assert in_flight(bus) == 0


def test_the_loop_of_a_closed_agent_ends_with_an_error(bus: swarmbus.Bus) -> None:
    me = bus.attach("alice")
    me.send("alice", b"x")
    loop = iter(me)
    msg = next(loop)
    me.close()
    with pytest.raises(swarmbus.Closed):
        next(loop)
    assert msg.released
