"""Traces: whatever sends can name one, and who receives finds it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import swarmbus
from conftest import GUARD_S

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_message_has_the_trace_that_its_sender_names(bus: swarmbus.Bus) -> None:
    with bus.attach("me") as me:
        me.send("me", b"x" * 64, traceparent=TRACE)
        me.send_many("me", [b"1", b"2"], traceparent=TRACE)
        me.loan(64).publish("me", traceparent=TRACE)
        asyncio.run(me.asend("me", b"later", traceparent=TRACE))
        me.send("me", b"without")
        assert [peeked.traceparent for peeked in bus.peek("me", 10)] == [TRACE] * 5 + [None]
        for length in (64, 1, 1, 64, 5):
            with me.recv(timeout=0) as message:
                assert (len(message), message.traceparent) == (length, TRACE)
            assert message.traceparent == TRACE
        with me.recv(timeout=0) as message:
            assert message.traceparent is None


def test_every_subscriber_finds_the_trace(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news")
    with bus.attach("me") as me, me.subscribe("news") as news:
        me.publish("news", b"1", traceparent=TRACE)
        me.loan(64).publish_to("news", traceparent=TRACE)
        me.publish("news", b"3")
        assert [news.recv(timeout=0).traceparent for _ in range(3)] == [TRACE, TRACE, None]


def test_an_answer_belongs_to_the_trace_of_its_question(bus: swarmbus.Bus) -> None:
    bus.declare("server")

    def serve() -> None:
        with bus.attach("server") as server:
            for traced in (TRACE, TRACE, None):
                with server.recv(timeout=GUARD_S) as question:
                    assert question.traceparent == traced
                    question.reply(b"answer")

    thread = threading.Thread(target=serve)
    thread.start()
    with bus.attach("me") as me:
        with me.call("server", b"?", timeout=GUARD_S, traceparent=TRACE) as answer:
            assert answer.traceparent == TRACE
        assert [part.traceparent for part in me.call_stream("server", b"?", traceparent=TRACE)] == [TRACE]
        with me.call("server", b"?", timeout=GUARD_S) as answer:
            assert answer.traceparent is None
    thread.join()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("", "the version"),
        (TRACE.upper(), "the trace id is not 32 of"),
        (TRACE[:-3], "the flag byte"),
        (TRACE.replace("b7ad6b7169203331", "0" * 16), "a parent id of nothing but zeros"),
    ],
)
def test_what_is_no_trace_is_refused(bus: swarmbus.Bus, wrong: str, why: str) -> None:
    with bus.attach("me") as me:
        with pytest.raises(swarmbus.InvalidArgument, match=why):
            me.send("me", b"", traceparent=wrong)
        with pytest.raises(TypeError):
            me.send("me", b"", traceparent=1)  # type: ignore[arg-type]
        assert me.try_recv() is None


def test_a_propagator_of_opentelemetry_carries_on(bus: swarmbus.Bus) -> None:
    tracer, propagator = TracerProvider().get_tracer("test"), TraceContextTextMapPropagator()
    with bus.attach("me") as me:
        with tracer.start_as_current_span("sends") as sender:
            carrier: dict[str, str] = {}
            propagator.inject(carrier)
            me.send("me", b"x", traceparent=carrier["traceparent"])
        with me.recv(timeout=0) as message:
            assert message.traceparent is not None
            context = propagator.extract({"traceparent": message.traceparent})
            assert get_current_span(context).get_span_context().span_id == sender.get_span_context().span_id
            with tracer.start_as_current_span("receives", context=context) as receiver:
                assert receiver.get_span_context().trace_id == sender.get_span_context().trace_id
