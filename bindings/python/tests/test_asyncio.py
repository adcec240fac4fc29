"""asyncio: one event loop, any number of agents, no thread for each; nothing is lost when somebody gives up."""

from __future__ import annotations

import asyncio
import random
import select
import threading

import pytest

import swarmbus
from conftest import GUARD_S


def test_messages_are_awaited(bus: swarmbus.Bus) -> None:
    async def run() -> None:
        with bus.attach("alice") as alice, bus.attach("bob") as bob:
            waiting = asyncio.create_task(alice.arecv(timeout=GUARD_S))
            await asyncio.sleep(0)
            await bob.asend("alice", b"hello")
            with await waiting as msg:
                assert (bytes(msg), msg.sender) == (b"hello", "bob")
            with pytest.raises(swarmbus.Timeout):
                await alice.arecv(timeout=0)
            with pytest.raises(swarmbus.Timeout):
                await alice.arecv(timeout=0.01)

    asyncio.run(run())


def test_loops_end_with_their_queue_and_release_their_turns(bus: swarmbus.Bus) -> None:
    bus.declare("work")

    async def run() -> None:
        with bus.attach("alice") as alice, bus.attach("bob") as bob:

            async def consume(agent: swarmbus.Agent) -> list[int]:
                got = []
                async for msg in agent.amessages("work"):
                    got.append(msg.data[0])
                    await asyncio.sleep(0)
                return got

            consumers = [asyncio.create_task(consume(agent)) for agent in (alice, bob)]
            for number in range(50):
                await alice.asend("work", bytes([number]))
            await asyncio.sleep(0.01)
            bus.close_queue("work")
            one, two = await asyncio.wait_for(asyncio.gather(*consumers), GUARD_S)
            assert sorted(one + two) == list(range(50))

    asyncio.run(run())
    chunks = bus.info().heap.chunks
    assert (chunks.queued, chunks.in_flight) == (0, 0)


def test_a_hundred_agents_in_one_loop(bus: swarmbus.Bus) -> None:
    agents = 50

    async def run() -> None:
        before = threading.active_count()
        all_of_them = [bus.attach(f"a{number}") for number in range(agents)]

        async def serve(agent: swarmbus.Agent) -> None:
            async for msg in agent:
                msg.reply(b"from " + agent.name.encode())

        servers = [asyncio.create_task(serve(agent)) for agent in all_of_them]
        with bus.attach("asker") as asker:
            answers = await asyncio.gather(*(asker.acall(agent.name, b"?", timeout=GUARD_S) for agent in all_of_them))
            assert {bytes(answer) for answer in answers} == {f"from a{number}".encode() for number in range(agents)}
            for answer in answers:
                answer.release()
        assert threading.active_count() == before
        for server in servers:
            server.cancel()
        await asyncio.gather(*servers, return_exceptions=True)
        del servers
        for agent in all_of_them:
            agent.close()

    asyncio.run(run())


def test_a_call_waits_although_there_is_other_mail(bus: swarmbus.Bus) -> None:
    async def run() -> None:
        with bus.attach("alice") as alice, bus.attach("bob") as bob:
            alice.send("alice", b"mail")
            asking = asyncio.create_task(alice.acall("bob", b"?", timeout=GUARD_S))
            with await bob.arecv(timeout=GUARD_S) as question:
                await asyncio.sleep(0.01)
                question.reply(b"!")
            with await asking as answer:
                assert bytes(answer) == b"!"
            assert alice.recv_bytes(timeout=0) == b"mail"
            with pytest.raises(swarmbus.Timeout):
                await alice.acall("bob", b"?", timeout=0.01)
            question = bob.recv()
            question.reply_part(b"part")
            question.reply(b"end")
            with pytest.raises(swarmbus.UnknownAgent):
                await alice.acall("nobody", b"?")
            asking = asyncio.create_task(alice.acall("bob", b"?"))
            await asyncio.sleep(0.001)
            bob.recv(timeout=GUARD_S).reply_part(b"part")
            with pytest.raises(swarmbus.BrokenAnswer):
                await asking

    asyncio.run(run())


def test_room_is_awaited(bus: swarmbus.Bus) -> None:
    bus.declare("small", limit=1)

    async def run() -> None:
        with bus.attach("alice") as alice:
            await alice.asend("small", b"1")
            with pytest.raises(swarmbus.Full):
                await alice.asend("small", b"2", timeout=0)
            with pytest.raises(swarmbus.Timeout):
                await alice.asend("small", b"2", timeout=0.01)
            sending = asyncio.create_task(alice.asend("small", b"2", timeout=GUARD_S))
            await asyncio.sleep(0.005)
            assert alice.recv_bytes(queue="small") == b"1"
            await sending
            assert alice.recv_bytes(queue="small", timeout=0) == b"2"

    asyncio.run(run())


def test_topics_are_awaited(bus: swarmbus.Bus) -> None:
    bus.declare_topic("news")

    async def run() -> None:
        with bus.attach("alice") as alice, alice.subscribe("news") as news:
            waiting = asyncio.create_task(news.arecv(timeout=GUARD_S))
            await asyncio.sleep(0.002)
            alice.publish("news", b"one")
            assert bytes(await waiting) == b"one"
            alice.publish("news", b"two")
            async for sample in news:
                assert bytes(sample) == b"two"
                break
            with pytest.raises(swarmbus.Timeout):
                await news.arecv(timeout=0.01)
            with pytest.raises(swarmbus.Timeout):
                await news.arecv(timeout=0)

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_when_waits_are_cancelled(bus: swarmbus.Bus, seed: int) -> None:
    chance = random.Random(seed)
    sent = 300
    got: list[int] = []

    async def run() -> None:
        with bus.attach("alice") as alice, bus.attach("bob") as bob:

            async def send() -> None:
                for number in range(sent):
                    await bob.asend("alice", number.to_bytes(2))
                    if chance.random() < 0.3:
                        await asyncio.sleep(0)

            sending = asyncio.create_task(send())
            while len(got) < sent:
                waiting = asyncio.create_task(alice.arecv())
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                if chance.random() < 0.5:
                    waiting.cancel()
                try:
                    with await waiting as msg:
                        got.append(int.from_bytes(msg.data))
                except asyncio.CancelledError:
                    pass
            await sending

    asyncio.run(asyncio.wait_for(run(), GUARD_S))
    assert got == list(range(sent))
    assert bus.info().heap.chunks.in_flight == 0


def test_one_agent_serves_several_loops_one_after_the_other(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as alice:
        for _ in range(3):

            async def run() -> bytes:
                waiting = asyncio.create_task(alice.arecv(timeout=GUARD_S))
                await asyncio.sleep(0)
                alice.send("alice", b"x")
                with await waiting as msg:
                    return bytes(msg)

            assert asyncio.run(run()) == b"x"


def test_what_fails_is_told_to_who_waits(bus: swarmbus.Bus) -> None:
    async def run() -> None:
        alice = bus.attach("alice")
        waiting = [asyncio.create_task(alice.arecv()) for _ in range(3)]
        await asyncio.sleep(0)
        bus.destroy()
        for task in waiting:
            with pytest.raises(swarmbus.Closed):
                await asyncio.wait_for(task, GUARD_S)
        alice.close()
        with pytest.raises(swarmbus.Closed):
            await alice.arecv()
        with pytest.raises(swarmbus.Closed):
            async for _ in alice:
                pass

    asyncio.run(run())


def test_a_descriptor_for_other_event_loops(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me, me.descriptor() as descriptor:
        assert descriptor.try_next() is None
        assert select.select([descriptor], [], [], 0) == ([], [], [])
        me.send("alice", b"x")
        assert select.select([descriptor], [], [], GUARD_S)[0] == [descriptor]
        msg = descriptor.try_next()
        assert msg is not None
        msg.release()
        descriptor.rearm()
        assert select.select([descriptor], [], [], 0) == ([], [], [])
    with pytest.raises(swarmbus.Released):
        descriptor.fileno()
    with pytest.raises(swarmbus.Closed):
        descriptor.try_next()
