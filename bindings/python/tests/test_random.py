"""Random calls in two threads: every outcome is a value or an error of ours, and nothing is lost or leaked."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import swarmbus
from conftest import GUARD_S, remove

STEPS = 15_000
SECONDS = float(os.environ.get("SWARMBUS_RANDOM_SECONDS", "3"))
"""For how long random calls are made with random arguments; ten minutes are worth the wait after changes."""
GROWTH_KIB = 8192
"""By how much a process may grow after a fifth of the time; the interpreter's own memory goes up and down by some."""
SIZES = (0, 1, 100, 5_000, 70_000)


class Player:
    """One thread's agents, and what it holds of them."""

    def __init__(self, number: int, bus: swarmbus.Bus, chance: random.Random) -> None:
        self.bus = bus
        self.chance = chance
        self.names = [f"a{number}", f"b{number}"]
        self.targets = ["a0", "b0", "a1", "b1", "files"]
        self.agents: list[swarmbus.Agent] = []
        self.messages: list[swarmbus.Message] = []
        self.loans: list[swarmbus.Loan] = []
        self.views: list[memoryview] = []
        self.inbox: list[Any] = []
        self.peer = self
        self.unexpected: BaseException | None = None

    def play(self) -> None:
        steps: list[Callable[[], object]] = [
            self.attach, self.send, self.send, self.lend, self.receive, self.receive, self.receive_work,
            lambda: self.chance.choice(self.messages).release(),
            lambda: self.chance.choice(self.messages).nack(),
            lambda: bytes(self.chance.choice(self.messages)),
            lambda: self.views.append(self.chance.choice(self.messages).data),
            lambda: self.views.append(self.chance.choice(self.loans).data),
            lambda: self.chance.choice(self.views).release(),
            self.use, self.fail, self.publish,
            lambda: self.chance.choice(self.loans).abort(),
            lambda: self.forget(self.messages),
            lambda: self.forget(self.loans),
            lambda: self.forget(self.views),
            self.leave, self.hand_over,
            lambda: repr((self.agents, self.messages, self.loans)),
        ]  # fmt: skip
        try:
            for _ in range(STEPS):
                # IndexError: there is nothing to choose from; ValueError: the view was released before.
                with contextlib.suppress(swarmbus.Error, BufferError, IndexError, ValueError):
                    self.chance.choice(steps)()
        except BaseException as error:
            self.unexpected = error
        self.agents.clear()

    def attach(self) -> None:
        self.agents = [agent for agent in self.agents if not agent.closed]
        if len(self.agents) < 2:
            self.agents.append(self.bus.attach(self.chance.choice(self.names)))

    def send(self) -> None:
        data = self.chance.randbytes(self.chance.choice(SIZES))
        self.chance.choice(self.agents).send(self.chance.choice(self.targets), data, timeout=0)

    def lend(self) -> None:
        self.loans.append(self.chance.choice(self.agents).loan(self.chance.choice(SIZES)))

    def receive(self) -> None:
        msg = self.chance.choice(self.agents).try_recv()
        if msg is not None:
            self.messages.append(msg)

    def receive_work(self) -> None:
        self.messages.append(self.chance.choice(self.agents).recv(timeout=0, queue="files"))

    def use(self) -> None:
        with self.chance.choice(self.messages) as msg:
            self.views.append(msg.data)

    def fail(self) -> None:
        with contextlib.suppress(ZeroDivisionError), self.chance.choice(self.messages):
            raise ZeroDivisionError

    def publish(self) -> None:
        length = self.chance.choice([None, 0, 1, 10**6])
        self.chance.choice(self.loans).publish(self.chance.choice(self.targets), length=length, timeout=0)

    def forget(self, things: list[Any]) -> None:
        things.pop(self.chance.randrange(len(things)))

    def leave(self) -> None:
        agent = self.chance.choice(self.agents)
        how = self.chance.random()
        if how < 0.05:
            agent.close()
        elif how < 0.1:
            with agent:
                pass

    def hand_over(self) -> None:
        """Lets the other thread hold, and drop, what belongs to this one."""
        held: list[list[Any]] = [self.messages, self.loans, self.views]
        things = self.chance.choice(held)
        self.peer.inbox.append(things.pop())
        self.inbox.clear()


@pytest.mark.parametrize("seed", range(3))
def test_random_calls_neither_crash_nor_leak(bus: swarmbus.Bus, seed: int) -> None:
    names = ("files", "a0", "b0", "a1", "b1")
    for name in names:
        bus.declare(name)
    players = [Player(number, bus, random.Random(2 * seed + number)) for number in range(2)]
    players[0].peer, players[1].peer = players[1], players[0]
    threads = [threading.Thread(target=player.play) for player in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD_S)
    assert [player.unexpected for player in players] == [None, None]
    del players, threads, thread
    gc.collect()
    chunks = bus.info().heap.chunks
    left = chunks.queued + chunks.in_flight
    with bus.attach("heir") as heir:
        assert take_everything(bus, heir, names) == left
    info = bus.info()
    assert (info.members, info.corrupt) == (0, 0)
    assert (info.heap.chunks.held, info.heap.chunks.queued, info.heap.chunks.in_flight) == (0, 0, 0)


def take_everything(bus: swarmbus.Bus, heir: swarmbus.Agent, queues: tuple[str, ...]) -> int:
    """Takes and releases all that waits, and counts it.

    Messages for which a redelivery ring has no room stay with the agent that left, which counts as dead, until there is
    room and somebody looks for the dead. Who waits does that about once a second.
    """
    taken = 0
    deadline = time.monotonic() + GUARD_S
    while True:
        taken += sum(len(take_all(heir, queue)) for queue in queues)
        if bus.info().members == 1 or time.monotonic() > deadline:
            return taken
        with contextlib.suppress(swarmbus.Timeout):
            heir.recv(timeout=1.5)


def take_all(agent: swarmbus.Agent, queue: str) -> list[int]:
    """Takes and releases all that waits in a queue, closed or not; the ids."""
    ids = []
    with contextlib.suppress(swarmbus.Closed):
        while (message := agent.try_recv(queue)) is not None:
            ids.append(message.id)
            message.release()
    return ids


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("seed", range(2))
def test_random_calls_with_random_arguments_never_crash(bus: swarmbus.Bus, seed: int) -> None:
    script = Path(__file__).with_name("random_calls.py")
    try:
        run = subprocess.run(
            [sys.executable, "-X", "faulthandler", str(script), bus.name, str(seed), str(SECONDS / 2)],
            capture_output=True,
            text=True,
        )
    finally:
        for name in swarmbus.buses():
            if name.startswith(f"{bus.name}-side-"):
                remove(name)
    assert run.returncode == 0, f"seed {seed} ended with {run.returncode}:\n{run.stderr}"
    print(f"seed {seed}: {run.stdout.strip()}")
    did = json.loads(run.stdout)
    assert did["calls"] > 100
    assert did["after"]["descriptors"] <= did["before"]["descriptors"]
    assert did["after"]["memory_kib"] <= did["before"]["memory_kib"] + GROWTH_KIB
    with bus.attach("heir") as heir:
        heir.recv_bytes_many(0)
        deadline = time.monotonic() + GUARD_S
        # Who waits looks for the dead about once a second.
        while bus.info().heap.chunks.in_flight and time.monotonic() < deadline:
            with contextlib.suppress(swarmbus.Timeout):
                heir.recv(timeout=1.5)
    info = bus.info()
    assert (info.heap.chunks.held, info.heap.chunks.in_flight, info.corrupt) == (0, 0, 0)
