"""Writing a message in place."""

from __future__ import annotations

import pytest

import swarmbus
from conftest import GUARD_S


def test_what_is_written_in_place_arrives(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        with me.loan(1 << 20) as c:
            assert len(c) == len(c.data) == 1 << 20
            assert not c.data.readonly
            c.data[:5] = b"hello"
            sent = c.publish("alice", length=5, lane="low", correlation=7, content="json")
        with me.recv(timeout=GUARD_S) as msg:
            assert bytes(msg) == b"hello"
            assert (msg.id, msg.lane, msg.correlation, msg.content) == (sent, "low", 7, "json")


def test_length_is_all_of_it_by_default(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        with me.loan(3) as c:
            c.data[:] = b"abc"
            c.publish("alice")
        with me.recv(timeout=GUARD_S) as msg:
            assert bytes(msg) == b"abc"


def test_lengths_that_make_no_sense_are_refused(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me, me.loan(3) as c:
        with pytest.raises(swarmbus.InvalidArgument, match="length=4"):
            c.publish("alice", length=4)
        with pytest.raises((OverflowError, ValueError)):
            c.publish("alice", length=-1)
        with pytest.raises((OverflowError, ValueError)):
            me.loan(-1)
        c.publish("alice", 0)
        with me.recv(timeout=GUARD_S) as msg:
            assert bytes(msg) == b""


def test_publishing_is_refused_while_a_view_is_held(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me, me.loan(5) as c:
        view = c.data
        with pytest.raises(BufferError, match="1 view"):
            c.publish("alice")
        view[:] = b"hello"
        view.release()
        c.publish("alice")
        with me.recv(timeout=GUARD_S) as msg:
            assert bytes(msg) == b"hello"


def test_leaving_unpublished_gives_the_chunk_back(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        before = held(bus)
        with me.loan(1 << 20) as c:
            assert held(bus) == before + 1
        assert held(bus) == before
        with pytest.raises(ZeroDivisionError), me.loan(1 << 20):
            raise ZeroDivisionError
        me.loan(1 << 20)
        me.loan(1 << 20).abort()
        assert held(bus) == before
        assert me.try_recv() is None
        with pytest.raises(swarmbus.Released):
            c.publish("alice")
        with pytest.raises(swarmbus.Released):
            _ = c.data


def test_a_view_keeps_the_chunk_beyond_the_with_block(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        before = held(bus)
        with me.loan(1 << 20) as c:
            view = c.data
        with pytest.raises(swarmbus.Released):
            _ = c.data
        view[:5] = b"still"
        assert held(bus) == before + 1
        with pytest.raises(BufferError):
            me.close()
        view.release()
        assert held(bus) == before


def test_a_published_loan_is_the_receivers(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        c = me.loan(5)
        sent = c.publish("alice")
        assert f"message {sent}" in repr(c)
        for use in (lambda: c.publish("alice"), lambda: c.data, lambda: c.__enter__()):
            with pytest.raises(swarmbus.Released, match=f"message {sent}"):
                use()
        c.abort()
        me.recv(timeout=GUARD_S).release()


def test_a_loan_survives_a_publication_that_failed(bus: swarmbus.Bus) -> None:
    bus.declare("bob", limit=1)
    with bus.attach("alice") as me, me.loan(5) as c:
        c.data[:] = b"hello"
        me.send("bob", b"in the way")
        with pytest.raises(swarmbus.UnknownAgent):
            c.publish("nobody")
        with pytest.raises(swarmbus.Full):
            c.publish("bob", timeout=0)
        with pytest.raises((swarmbus.Full, swarmbus.Timeout)):
            c.publish("bob", timeout=0.05)
        with bus.attach("bob") as bob:
            bob.recv(timeout=GUARD_S).release()
            c.publish("bob", timeout=0)
            with bob.recv(timeout=GUARD_S) as msg:
                assert bytes(msg) == b"hello"


def test_a_loan_ends_with_its_agent(bus: swarmbus.Bus) -> None:
    me = bus.attach("alice")
    c = me.loan(5)
    me.close()
    with pytest.raises(swarmbus.Closed):
        c.publish("alice")
    with pytest.raises(swarmbus.Released):
        _ = c.data
    del c
    assert bus.info().heap.chunks.held == 0


def held(bus: swarmbus.Bus) -> int:
    """Chunks of the size of a mebibyte that members hold; smaller ones may stay in a member's cache."""
    return sum(size.chunks.held for size in bus.info().heap.classes if size.payload_bytes >= 1 << 20)
