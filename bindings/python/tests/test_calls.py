"""Questions, answers, and answers in parts."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import swarmbus
from conftest import GUARD_S


def serving(bus: swarmbus.Bus, serve: Callable[[swarmbus.Message], None], questions: int = 1) -> threading.Thread:
    """An agent `server` in a thread of its own, which answers so many questions."""
    ready = threading.Event()

    def run() -> None:
        with bus.attach("server") as server:
            ready.set()
            for _ in range(questions):
                with server.recv(timeout=GUARD_S) as question:
                    serve(question)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(GUARD_S)
    return thread


def test_a_question_gets_its_answer(bus: swarmbus.Bus) -> None:
    def add(question: swarmbus.Message) -> None:
        question.reply({"sum": sum(question.json())})

    thread = serving(bus, add)
    with bus.attach("alice") as me, me.call("server", [1, 2, 3], timeout=GUARD_S) as answer:
        assert (answer.json(), answer.sender, answer.lane, answer.more_follows) == (
            {"sum": 6},
            "server",
            "reply",
            False,
        )
    thread.join(GUARD_S)


def test_nobody_answers(bus: swarmbus.Bus) -> None:
    bus.declare("server")
    with bus.attach("alice") as me:
        with pytest.raises(swarmbus.Timeout):
            me.call("server", b"?", timeout=0.01)
        with pytest.raises(swarmbus.UnknownAgent):
            me.call("nobody", b"?")
        question = me.recv(queue="server")
        question.reply(b"too late")
        question.release()
        with pytest.raises(swarmbus.Timeout):
            me.recv(timeout=0)


def parts(question: swarmbus.Message) -> None:
    for number in range(3):
        # A view of the question does not keep it from being answered.
        with question.data as view:
            question.reply_part(bytes(view) + bytes([number]), timeout=GUARD_S)
    question.reply(b"end")


def test_an_answer_in_parts(bus: swarmbus.Bus) -> None:
    thread = serving(bus, parts, 4)
    with bus.attach("alice") as me:
        with me.call_stream("server", b"?", timeout=GUARD_S) as answers:
            got = [(bytes(part), part.more_follows) for part in answers]
            assert got == [(b"?\0", True), (b"?\1", True), (b"?\2", True), (b"end", False)]
            assert answers.next(0) is None
        with pytest.raises(swarmbus.BrokenAnswer, match="call_stream"):
            me.call("server", b"?", timeout=GUARD_S)
        one, two = me.call_stream("server", b"1"), me.call_stream("server", b"2")
        assert one.question != two.question
        assert [bytes(part) for part in two] == [b"2\0", b"2\1", b"2\2", b"end"]
        first = one.next(GUARD_S)
        assert first is not None
        assert bytes(first) == b"1\0"
        first.release()
        one.close()
        one.close()
        assert one.next() is None
    thread.join(GUARD_S)
    chunks = bus.info().heap.chunks
    assert (chunks.queued, chunks.in_flight) == (0, 0)


def test_answers_that_are_forgotten_end(bus: swarmbus.Bus) -> None:
    thread = serving(bus, parts)
    with bus.attach("alice") as me:
        answers = [me.call_stream("server", b"?")]
        thread.join(GUARD_S)
        other = threading.Thread(target=answers.clear)
        other.start()
        other.join(GUARD_S)
        assert me.try_recv() is None
    chunks = bus.info().heap.chunks
    assert (chunks.queued, chunks.in_flight) == (0, 0)


def test_what_cannot_be_answered_says_so(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"x")
        msg = me.recv()
        msg.release()
        with pytest.raises(swarmbus.Released):
            msg.reply(b"y")
        with pytest.raises(swarmbus.Released):
            msg.reply_part(b"y")
        with pytest.raises(TypeError):
            msg.reply(5)  # type: ignore[arg-type]
        answers = me.call_stream("alice", b"?")
        with pytest.raises(swarmbus.Timeout):
            answers.next(0)
    with pytest.raises(swarmbus.Closed):
        answers.next(0)
