"""Topics: published once, read by everybody."""

from __future__ import annotations

import gc
import threading

import pytest

import swarmbus
from conftest import GUARD_S


def test_everybody_reads_what_is_published(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news")
    with bus.attach("alice") as alice, bus.attach("bob") as bob, bus.attach("carol") as carol:
        with bob.subscribe("news") as bobs, carol.subscribe("news") as carols:
            assert alice.publish("news", b"one", correlation=7) == 0
            assert alice.publish("news", {"n": 2}) == 1
            for subscription in (bobs, carols):
                with subscription.recv(timeout=GUARD_S) as sample:
                    assert (bytes(sample), sample.sender, sample.correlation) == (b"one", "alice", 7)
                    assert (sample.position, sample.missed, len(sample), sample.content) == (0, 0, 3, "bytes")
                assert subscription.recv().json() == {"n": 2}
                assert subscription.try_recv() is None
                assert (subscription.topic, subscription.position, subscription.missed) == ("news", 2, 0)
            [info] = bus.topics()
            assert (info.name, info.policy, info.published) == ("news", "back-pressure", 2)
            assert [subscriber.agent for subscriber in info.subscribers] == ["bob", "carol"]
        assert bus.topics()[0].subscribers == ()


def test_a_sample_is_read_in_place_and_pins_its_subscription(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news")
    with bus.attach("alice") as me, me.subscribe("news") as news:
        me.publish("news", b"one")
        me.publish("news", b"two")
        sample = news.recv()
        view = sample.data
        assert view.readonly
        assert bytes(view) == b"one"
        for call in (news.recv, news.try_recv, news.close, me.close):
            with pytest.raises(BufferError, match="view"):
                call()
        sample.release()
        assert bytes(view) == b"one"
        view.release()
        assert sample.released
        with pytest.raises(swarmbus.Released, match="bytes"):
            bytes(sample)
        with pytest.raises(swarmbus.Released):
            sample.__enter__()
        assert bytes(news.recv()) == b"two"


def test_the_next_sample_ends_the_last_one(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news")
    with bus.attach("alice") as me, me.subscribe("news") as news:
        for text in (b"one", b"two", b"three"):
            me.publish("news", text)
        first = news.recv()
        second = news.recv()
        assert first.released
        del first
        gc.collect()
        assert bytes(second) == b"two"
        assert news.recv_bytes(timeout=GUARD_S) == b"three"
        assert second.released


def test_a_loan_is_published_in_a_topic(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news")
    with bus.attach("alice") as me, me.subscribe("news") as news:
        with me.loan(8) as loan:
            with loan.data as view:
                view[:3] = b"abc"
                with pytest.raises(BufferError):
                    loan.publish_to("news", 3)
            assert loan.publish_to("news", 3, content="json") == 0
            with pytest.raises(swarmbus.Released, match="topic"):
                loan.publish_to("news")
        sample = news.recv()
        assert (bytes(sample), sample.content) == (b"abc", "json")


def test_policies(bus: swarmbus.Bus) -> None:
    bus.declare_topic("waits", capacity=2)
    bus.declare_topic("drops", policy="drop-new", capacity=2)
    bus.declare_topic("laps", policy="lossy", capacity=2)
    with bus.attach("alice") as alice, bus.attach("bob") as bob:
        waits, drops, laps = (bob.subscribe(topic) for topic in ("waits", "drops", "laps"))
        for topic in ("waits", "drops", "laps"):
            for number in range(2):
                assert alice.publish(topic, bytes([number])) == number
        with pytest.raises(swarmbus.Full):
            alice.publish("waits", b"x", timeout=0)
        with pytest.raises(swarmbus.Timeout):
            alice.publish("waits", b"x", timeout=0.01)
        assert alice.publish("drops", b"x") is None
        for number in range(2, 20):
            alice.publish("laps", bytes([number]))
        assert [waits.recv_bytes(), waits.recv_bytes()] == [b"\0", b"\1"]
        assert [drops.recv_bytes(), drops.recv_bytes()] == [b"\0", b"\1"]
        sample = laps.recv()
        assert sample.missed > 0
        assert laps.missed == sample.missed == bytes(sample)[0]
        for subscription in (waits, drops, laps):
            subscription.close()
            assert subscription.closed
            subscription.close()


def test_late_subscribers_get_what_is_retained(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news", capacity=8, retain=3)
    with bus.attach("alice") as me:
        for number in range(5):
            me.publish("news", bytes([number]))
        for start, first in (("retained", 2), (2, 3), (100, 2)):
            with me.subscribe("news", start=start) as news:  # type: ignore[arg-type]
                assert news.recv_bytes(timeout=GUARD_S) == bytes([first])
        with me.subscribe("news", start="now") as news:
            assert news.try_recv() is None
            with pytest.raises(swarmbus.InvalidArgument, match="already"):
                me.subscribe("news")
        for wrong in ("yesterday", -1, 2**40, True):
            with pytest.raises(swarmbus.InvalidArgument, match="start"):
                me.subscribe("news", start=wrong)  # type: ignore[arg-type]
        assert me.trim("news") >= 0


def test_wrong_use_says_what_to_do(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news")
    bus.declare("work")
    with pytest.raises(swarmbus.InvalidArgument, match="policy"):
        bus.declare_topic("more", policy="any")  # type: ignore[arg-type]
    with bus.attach("alice") as me:
        with pytest.raises(swarmbus.UnknownAgent, match="olds"):
            me.subscribe("olds")
        with pytest.raises(swarmbus.WrongKind):
            me.subscribe("work")
        with pytest.raises(swarmbus.WrongKind):
            me.send("news", b"x")
        with pytest.raises(swarmbus.WrongKind):
            me.publish("work", b"x")
        news = me.subscribe("news")
        with pytest.raises(swarmbus.Timeout):
            news.recv(timeout=0.01)
    assert news.closed
    with pytest.raises(swarmbus.Closed):
        news.recv()


def test_a_subscription_forgotten_in_another_thread_ends_with_the_next_call(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news")
    with bus.attach("alice") as me:
        kept = [me.subscribe("news")]
        thread = threading.Thread(target=kept.clear)
        thread.start()
        thread.join(GUARD_S)
        me.try_recv()
        assert bus.topics()[0].subscribers == ()


def test_a_loop_over_a_topic_in_another_thread(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news", capacity=4)
    got: list[bytes] = []
    ready = threading.Event()

    def read() -> None:
        with bus.attach("bob") as bob, bob.subscribe("news") as news:
            ready.set()
            for sample in news:
                got.append(bytes(sample))
                if len(got) == 100:
                    break

    thread = threading.Thread(target=read)
    thread.start()
    assert ready.wait(GUARD_S)
    with bus.attach("alice") as me:
        for number in range(100):
            me.publish("news", bytes([number]), timeout=GUARD_S)
    thread.join(GUARD_S)
    assert got == [bytes([number]) for number in range(100)]
