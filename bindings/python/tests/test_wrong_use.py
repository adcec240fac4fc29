"""Whatever is used wrongly says so, and says what to do: in another thread, after a fork, after the end."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import swarmbus
from test_threads_forks import in_fork, in_thread

Call = Callable[[], Any]


@contextlib.contextmanager
def everything(bus: swarmbus.Bus) -> Iterator[tuple[swarmbus.Agent, list[Call]]]:
    """An agent that has one of everything, and every call that it and they offer."""
    bus.declare("work")
    bus.declare_topic("news")
    with bus.attach("alice") as me:
        for _ in range(3):
            me.send("alice", b"x")
        me.publish("news", b"before")
        msg, loan, lock = me.recv(), me.loan(8), me.lock("x")
        answers, loop, descriptor = me.call_stream("work", b"?"), me.messages(), me.descriptor("work")
        news = me.subscribe("news")
        me.publish("news", b"x")
        sample = news.recv()
        yield (
            me,
            [
                lambda: me.send_many("alice", [b"x"]),
                lambda: me.recv_bytes(timeout=0),
                lambda: me.recv_many(timeout=0),
                lambda: me.recv_bytes_many(timeout=0),
                lambda: me.call("work", b"?", timeout=0),
                lambda: me.call_stream("work", b"?"),
                lambda: me.publish("news", b"x"),
                lambda: me.subscribe("news"),
                lambda: me.trim("news"),
                lambda: me.lock("y"),
                lambda: me.try_lock("y"),
                lambda: me.purge(),
                lambda: me.redrive("work"),
                lambda: me.tap("work"),
                lambda: me.untap(),
                lambda: me.set_status("idle"),
                lambda: me.update_status("idle"),
                lambda: me.status,
                lambda: me.beat(),
                lambda: me.take_role("tester"),
                lambda: me.drop_role("tester"),
                lambda: me.roles,
                lambda: me.set_tags(["gpu"]),
                lambda: me.tags,
                lambda: me.epoch,
                lambda: me.descriptor(),
                lambda: msg.reply(b"x"),
                lambda: msg.reply_part(b"x"),
                lambda: msg.forward("work"),
                lambda: msg.detach(),
                lambda: msg.nack(0.1),
                lambda: msg.array("uint8"),
                lambda: loan.publish_to("news"),
                lambda: loan.array("uint8"),
                lambda: lock.release(),
                lambda: lock.__enter__(),
                lambda: answers.next(0),
                lambda: next(answers),
                lambda: answers.__enter__(),
                lambda: next(loop),
                lambda: descriptor.try_next(),
                lambda: descriptor.rearm(),
                lambda: news.recv(0),
                lambda: news.try_recv(),
                lambda: news.recv_bytes(0),
                lambda: news.position,
                lambda: news.missed,
                lambda: next(news),
                lambda: news.__enter__(),
                lambda: sample.data,
                lambda: bytes(sample),
                lambda: sample.array("uint8"),
                lambda: sample.__enter__(),
            ],
        )


def test_everything_is_refused_in_another_thread(bus: swarmbus.Bus) -> None:
    with everything(bus) as (_, calls):
        for number, call in enumerate(calls):
            with pytest.raises(swarmbus.WrongThread, match="alice"):
                in_thread(call)
                pytest.fail(f"call {number} was let through")


def test_everything_is_refused_in_a_forked_child(bus: swarmbus.Bus) -> None:
    with everything(bus) as (me, calls):

        def refused() -> None:
            for number, call in enumerate(calls):
                with pytest.raises(swarmbus.Forked, match="attach"):
                    call()
                    pytest.fail(f"call {number} was let through")

        in_fork(refused)
        # The child's end has disturbed nothing.
        assert me.recv_bytes(timeout=0) == b"x"
        assert bus.locks("x")[0].state == "held"
        assert len(bus.topics()[0].subscribers) == 1


def test_everything_is_refused_after_the_end(bus: swarmbus.Bus) -> None:
    with everything(bus) as (me, calls):
        me.close()
        for number, call in enumerate(calls):
            with pytest.raises((swarmbus.Closed, swarmbus.Released)):
                call()
                pytest.fail(f"call {number} was let through")
        me.close()
    assert bus.locks() == []
    assert bus.topics()[0].subscribers == ()


def test_everything_is_refused_on_a_destroyed_bus(bus: swarmbus.Bus) -> None:
    with everything(bus) as (me, _):
        bus.destroy()
        calls: list[Call] = [
            lambda: me.send_many("alice", [b"x"]),
            lambda: me.recv_bytes(),
            lambda: me.recv_many(),
            lambda: me.call("work", b"?"),
            lambda: me.publish("news", b"x"),
            lambda: me.lock("y"),
            lambda: me.set_status("idle"),
            lambda: me.take_role("tester"),
            lambda: me.descriptor(),
            lambda: bus.attach("bob"),
            lambda: bus.stand_by("bob"),
            lambda: bus.take_over("bob"),
            lambda: bus.declare("more"),
            lambda: bus.declare_topic("more"),
        ]
        for number, call in enumerate(calls):
            with pytest.raises(swarmbus.Closed):
                call()
                pytest.fail(f"call {number} was let through")


def test_wrong_names_and_lengths_are_refused(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        for name in ("", "a\0b", "x" * 64, "größe", "*"):
            for call in (bus.attach, bus.declare, bus.declare_topic, bus.take_over, bus.stand_by, me.subscribe, me.tap):
                with pytest.raises(swarmbus.InvalidName):
                    call(name)
        for call in (bus.attach, bus.declare_topic, me.subscribe, me.tap):
            with pytest.raises(swarmbus.InvalidArgument, match="bus"):
                call("elsewhere/alice")
        for length in (2**40, 2**63):
            with pytest.raises((swarmbus.TooLarge, OverflowError)):
                me.loan(length)
        with pytest.raises(OverflowError):
            me.loan(2**64)
        with pytest.raises(swarmbus.OutOfMemory):
            held = [me.loan(8 << 20) for _ in range(100)]
            del held


class Rang(Exception):
    """Raised by a signal's handler."""


@pytest.mark.parametrize(
    "wait", ["recv", "many", "several", "call", "answers", "topic", "lock", "publish", "forward", "stand_by"]
)
def test_a_signal_ends_every_wait(bus: swarmbus.Bus, wait: str) -> None:
    bus.declare("full", limit=1)
    bus.declare("empty")
    bus.declare_topic("news", capacity=1)

    def ring(number: int, frame: object) -> None:
        raise Rang

    with bus.attach("alice") as me, bus.attach("bob") as bob:
        me.send("full", b"x")
        me.send("alice", b"x")
        lock = bob.lock("x")
        subscription = bob.subscribe("news")
        mine = me.subscribe("news")
        me.publish("news", b"x")
        assert mine.recv_bytes() == b"x"
        msg = me.recv()
        answers = me.call_stream("empty", b"?")
        waits: dict[str, Call] = {
            "recv": me.recv,
            "many": me.recv_many,
            "several": lambda: me.recv(queue=["alice", "empty2"]),
            "call": lambda: me.call("empty", b"?"),
            "answers": answers.next,
            "topic": mine.recv,
            "lock": lambda: me.lock("x"),
            "publish": lambda: me.publish("news", b"y"),
            "forward": lambda: msg.forward("full"),
            "stand_by": lambda: bus.stand_by("bob"),
        }
        bus.declare("empty2")
        before = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Rang):
                waits[wait]()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        # All is as it was: the message still is there to be forwarded, and so on.
        assert not msg.released
        msg.release()
        lock.release()
        subscription.close()
        assert me.recv_bytes(queue="full", timeout=0) == b"x"


def test_what_a_handler_closes_in_a_wait_ends_the_wait(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news")
    me = bus.attach("alice")
    news = me.subscribe("news")
    for close, wait, error in (
        (news.close, news.recv, swarmbus.Released),
        (me.close, me.recv, swarmbus.Closed),
    ):

        def ring(number: int, frame: object, close: Call = close) -> None:
            close()

        before = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(error):
                wait()
        finally:
            signal.signal(signal.SIGALRM, before)
    assert bus.info().members == 0
