"""How a message ends, and what views of it keep alive."""

from __future__ import annotations

import ctypes
import gc

import pytest

import swarmbus
from conftest import GUARD_S


def address_of(view: memoryview) -> int:
    """Where the bytes of a view lie in this process."""
    get = ctypes.pythonapi.PyObject_GetBuffer
    get.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
    drop = ctypes.pythonapi.PyBuffer_Release
    drop.argtypes = [ctypes.c_void_p]
    space = (ctypes.c_void_p * 16)()
    assert get(view, space, 0) == 0
    try:
        assert space[0] is not None
        return space[0]
    finally:
        drop(space)


def test_with_releases_at_a_clean_exit(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        with me.recv(timeout=GUARD_S) as msg:
            pass
        assert msg.released
        assert me.try_recv() is None
        assert bus.info().heap.chunks.in_flight == 0


def test_with_nacks_at_an_exception(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        with pytest.raises(ZeroDivisionError), me.recv(timeout=GUARD_S) as msg:
            raise ZeroDivisionError
        assert msg.released
        with me.recv(timeout=GUARD_S) as again:
            assert (again.id, again.deliveries, bytes(again)) == (msg.id, 2, b"x")


def test_with_leaves_alone_what_was_ended_inside(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        with me.recv(timeout=GUARD_S) as msg:
            msg.nack()
        with pytest.raises(ZeroDivisionError), me.recv(timeout=GUARD_S) as msg:
            assert msg.deliveries == 2
            msg.release()
            raise ZeroDivisionError
        assert me.try_recv() is None


def test_nack_hands_the_message_back_before_the_others(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"first")
        me.send("alice", b"second")
        me.recv(timeout=GUARD_S).nack()
        order = []
        for _ in range(2):
            with me.recv(timeout=GUARD_S) as msg:
                order.append((bytes(msg), msg.deliveries))
        assert order == [(b"first", 2), (b"second", 1)]


def test_a_message_that_is_forgotten_goes_back(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        me.recv(timeout=GUARD_S)
        gc.collect()
        with me.recv(timeout=GUARD_S) as msg:
            assert msg.deliveries == 2


@pytest.mark.parametrize("end", ["release", "nack"])
def test_what_has_ended_can_not_be_used(bus: swarmbus.Bus, end: str) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        msg = me.recv(timeout=GUARD_S)
        getattr(msg, end)()
        for use in (
            msg.release,
            msg.nack,
            msg.__enter__,
            lambda: msg.data,
            lambda: bytes(msg),
            lambda: memoryview(msg),
        ):
            with pytest.raises(swarmbus.Released, match=f"message {msg.id} was {end}"):
                use()


@pytest.mark.parametrize("end", ["release", "nack"])
def test_an_explicit_end_is_refused_while_views_are_held(bus: swarmbus.Bus, end: str) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        msg = me.recv(timeout=GUARD_S)
        view, other = msg.data, memoryview(msg)
        with pytest.raises(BufferError, match="2 view"):
            getattr(msg, end)()
        view.release()
        with pytest.raises(BufferError, match="1 view"):
            getattr(msg, end)()
        assert bytes(other) == b"x"
        del other
        getattr(msg, end)()


def test_with_defers_the_release_to_the_last_view(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"payload")
        with me.recv(timeout=GUARD_S) as msg:
            view = msg.data
            part = view[2:]
        assert bus.info().heap.chunks.in_flight == 1
        assert msg.released
        with pytest.raises(swarmbus.Released):
            _ = msg.data
        del view
        assert bytes(part) == b"yload"
        assert bus.info().heap.chunks.in_flight == 1
        del part
        assert bus.info().heap.chunks.in_flight == 0
        assert me.try_recv() is None


def test_with_defers_the_nack_to_the_last_view(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"payload")
        with pytest.raises(ZeroDivisionError), me.recv(timeout=GUARD_S) as msg:
            view = msg.data
            raise ZeroDivisionError
        assert me.try_recv() is None
        view.release()
        with me.recv(timeout=GUARD_S) as again:
            assert again.deliveries == 2


def test_views_are_read_only(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"payload")
        with me.recv(timeout=GUARD_S) as msg:
            assert msg.data.readonly
            assert msg.data.format == "B"
            with pytest.raises(TypeError):
                msg.data[0] = 1
            with pytest.raises((BufferError, TypeError)):
                (ctypes.c_char * 7).from_buffer(msg)


def test_a_mebibyte_is_read_where_it_was_written(bus: swarmbus.Bus) -> None:
    size = 1 << 20
    with bus.attach("alice") as me:
        with me.loan(size) as loan:
            with loan.data as view:
                view[:4] = b"head"
                view[-4:] = b"tail"
                written = address_of(view)
            loan.publish("alice")
        with me.recv(timeout=GUARD_S) as msg:
            with msg.data as view:
                assert address_of(view) == written
                assert written % 64 == 0
                assert bytes(view[:4]) + bytes(view[-4:]) == b"headtail"
            with memoryview(msg) as view:
                assert address_of(view) == written


def test_close_is_refused_while_views_are_held(bus: swarmbus.Bus) -> None:
    me = bus.attach("alice")
    me.send("alice", b"payload")
    msg = me.recv(timeout=GUARD_S)
    view = msg.data
    with pytest.raises(BufferError, match="alice"):
        me.close()
    assert bytes(view) == b"payload"
    view.release()
    me.close()
    with pytest.raises(swarmbus.Released, match="closed"):
        msg.release()
    with pytest.raises(swarmbus.Released, match="closed"):
        _ = msg.data
    assert "agent closed" in repr(msg)
    with bus.attach("alice") as successor, successor.recv(timeout=GUARD_S) as again:
        assert again.deliveries == 2


def test_leaving_an_agent_waits_for_the_last_view(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"payload")
        msg = me.recv(timeout=GUARD_S)
        view = msg.data
    assert me.closed
    with pytest.raises(swarmbus.Closed):
        me.try_recv()
    with pytest.raises(swarmbus.AgentBusy):
        bus.attach("alice")
    assert bytes(view) == b"payload"
    del view
    with bus.attach("alice") as successor, successor.recv(timeout=GUARD_S) as again:
        assert again.deliveries == 2
    assert msg.released


def test_views_outlive_agent_bus_and_message_objects(bus_name: str) -> None:
    def view_of_a_message() -> memoryview:
        bus = swarmbus.Bus.create(bus_name, agents=16, heap="32MiB")
        me = bus.attach("alice")
        me.send("alice", b"payload" * 1000)
        return me.recv(timeout=GUARD_S).data

    view = view_of_a_message()
    gc.collect()
    assert bytes(view) == b"payload" * 1000
    swarmbus.open(bus_name).destroy()
    assert bytes(view) == b"payload" * 1000
    view.release()


def test_repr_says_what_it_is_and_how_it_ended(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"hello", lane="high")
        msg = me.recv(timeout=GUARD_S)
        assert repr(msg) == f"<swarmbus.Message {msg.id} from 'alice': 5 bytes, lane high, delivery 1>"
        msg.nack()
        assert repr(msg).endswith("delivery 1, nacked>")
        msg = me.recv(timeout=GUARD_S)
        with msg:
            view = msg.data
        assert repr(msg).endswith("delivery 2, released with its last view>")
        view.release()
        assert repr(msg).endswith("delivery 2, released>")
