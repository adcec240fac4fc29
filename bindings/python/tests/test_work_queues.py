"""Work queues: put off, forwarded, kept, dead letters, several at once; roles and names handed over."""

from __future__ import annotations

import time

import pytest

import swarmbus
from conftest import GUARD_S


def test_dead_letters_are_kept_and_sent_again(bus: swarmbus.Bus) -> None:
    bus.declare("work", max_deliveries=2, dead_letters="dead")
    with bus.attach("alice") as me:
        me.send("work", b"task")
        for _ in range(2):
            me.recv(queue="work", timeout=0).nack()
        assert me.try_recv("work") is None
        [work] = [queue for queue in bus.queues() if queue.name == "work"]
        assert (work.max_deliveries, work.dead_letters, work.undelivered) == (2, "dead", 1)
        [letter] = bus.peek("dead")
        assert (letter.data, letter.sender) == (b"task", "alice")
        assert me.redrive("dead") == 1
        with me.recv(queue="work", timeout=0) as msg:
            assert (bytes(msg), msg.deliveries, msg.queue) == (b"task", 1, "work")
        me.send("dead", b"put there directly")
        assert me.redrive("dead", 10) == 0
        assert me.purge("dead") == 1
        assert me.purge() == 0


def test_what_expires_is_a_dead_letter(bus: swarmbus.Bus) -> None:
    bus.declare("work", dead_letters="dead")
    with bus.attach("alice") as me:
        me.send("work", b"late", time_to_live=0.001)
        me.send("work", b"in time", time_to_live=3600)
        time.sleep(0.01)
        assert me.recv_bytes(queue="work", timeout=0) == b"in time"
        assert me.recv_bytes(queue="dead", timeout=0) == b"late"
        for wrong in (-1.0, float("nan"), float("inf")):
            with pytest.raises(swarmbus.InvalidArgument, match="time_to_live"):
                me.send("work", b"x", time_to_live=wrong)


def test_a_message_is_put_off(bus: swarmbus.Bus) -> None:
    bus.declare("work")
    with bus.attach("alice") as me:
        me.send("work", b"later")
        msg = me.recv(queue="work", timeout=0)
        with msg.data, pytest.raises(BufferError):
            msg.nack(0.2)
        for wrong in (-1.0, 1e9):
            with pytest.raises(swarmbus.InvalidArgument):
                msg.nack(wrong)
        assert not msg.released
        msg.nack(3600)
        assert me.try_recv("work") is None
        assert me.purge("work") == 1
        me.send("work", b"soon")
        before = time.monotonic()
        me.recv(queue="work", timeout=0).nack(0.2)
        with me.recv(queue="work", timeout=GUARD_S) as again:
            assert time.monotonic() - before >= 0.2
            assert again.deliveries == 2


def test_a_message_is_forwarded(bus: swarmbus.Bus) -> None:
    bus.declare("next", limit=1)
    with bus.attach("alice") as me:
        sent = me.send("alice", b"x")
        msg = me.recv()
        with msg.data, pytest.raises(BufferError, match="forwarded"):
            msg.forward("next")
        with pytest.raises(swarmbus.UnknownAgent):
            msg.forward("nowhere")
        msg.forward("next")
        with pytest.raises(swarmbus.Released, match="forwarded"):
            msg.release()
        me.send("alice", b"y")
        with me.recv() as other:
            with pytest.raises(swarmbus.Full):
                other.forward("next", timeout=0)
            with pytest.raises(swarmbus.Timeout):
                other.forward("next", timeout=0.01)
            assert bytes(other) == b"y"
        with me.recv(queue="next") as moved:
            assert (moved.id, moved.sender, moved.queue) == (sent, "alice", "next")


def test_a_message_is_kept_as_a_loan(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"hello")
        msg = me.recv()
        loan = msg.detach()
        with pytest.raises(swarmbus.Released, match="detached"):
            bytes(msg)
        with loan.data as view:
            view[0:1] = b"J"
        loan.publish("alice")
        assert me.recv_bytes(timeout=0) == b"Jello"


def test_room_is_made(bus: swarmbus.Bus) -> None:
    bus.declare("latest", limit=2, makes_room=True)
    with bus.attach("alice") as me:
        for number in range(5):
            me.send("latest", bytes([number]), timeout=0)
        assert me.recv_bytes_many(queue="latest", timeout=0) == [b"\3", b"\4"]


def test_one_wait_for_several_queues(bus: swarmbus.Bus) -> None:
    bus.declare("a")
    bus.declare("b")
    with bus.attach("alice") as me:
        me.send("b", b"1")
        me.send("alice", b"2")
        got = set()
        for _ in range(2):
            with me.recv(timeout=0, queue=["a", "b", "alice"]) as msg:
                got.add((msg.queue, bytes(msg)))
        assert got == {("b", b"1"), ("alice", b"2")}
        assert me.try_recv(["a", "b"]) is None
        bus.close_queue("a")
        me.send("b", b"3")
        bus.close_queue("b")
        assert [bytes(msg) for msg in me.messages(["a", "b"])] == [b"3"]
        with pytest.raises(swarmbus.InvalidArgument, match="no queue"):
            me.recv(queue=[])
        for wrong in (5, [5], b"a"):
            with pytest.raises(TypeError, match="queue"):
                me.recv(queue=wrong)  # type: ignore[arg-type]


def test_a_tap_gets_copies(bus: swarmbus.Bus) -> None:
    bus.declare("work")
    with bus.attach("alice") as me, bus.attach("spy") as spy:
        spy.tap("work")
        with pytest.raises(swarmbus.AgentBusy):
            me.tap("work")
        me.send("work", b"x")
        with spy.recv(timeout=GUARD_S) as copy:
            assert (bytes(copy), copy.tapped, copy.sender) == (b"x", "work", "alice")
            with pytest.raises(swarmbus.InvalidArgument, match="copy"):
                copy.reply(b"y")
        spy.untap()
        me.send("work", b"y")
        assert spy.try_recv() is None
        with me.recv(queue="work") as msg:
            assert msg.tapped is None


def test_roles_and_tags(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as alice, bus.attach("bob") as bob:
        alice.take_role("tester")
        alice.set_tags(["gpu", "gpu"])
        assert (alice.roles, alice.tags) == (["tester"], ["gpu"])
        bob.send("@tester", b"test this")
        with alice.recv(timeout=GUARD_S) as msg:
            assert msg.queue == "@tester"
        assert [agent.name for agent in bus.agents(role="tester", alive=True)] == ["alice"]
        assert [agent.name for agent in bus.agents(tag="gpu")] == ["alice"]
        assert {name.name: name.kind for name in bus.names("*")} == {
            "@tester": "role",
            "alice": "mailbox",
            "bob": "mailbox",
        }
        assert alice.drop_role("tester")
        assert not alice.drop_role("tester")
        for wrong in ("a/b", "a\0b", "", "x" * 100):
            with pytest.raises(swarmbus.InvalidName):
                alice.take_role(wrong)
            with pytest.raises(swarmbus.InvalidName):
                alice.set_tags([wrong])


def test_a_name_is_handed_over(bus: swarmbus.Bus) -> None:
    old = bus.attach("leader")
    with pytest.raises(swarmbus.Timeout):
        bus.stand_by("leader", timeout=0.01)
    with bus.take_over("leader") as new:
        assert new.epoch > old.epoch
        with pytest.raises(swarmbus.HandedOver, match="leader"):
            old.recv()
        with pytest.raises(swarmbus.HandedOver):
            old.send("leader", b"x")
    old.close()
    with bus.stand_by("leader", timeout=GUARD_S) as next_one:
        assert next_one.name == "leader"
