"""The ways that `speed.py` compares: ours, and the rivals' of `benches/peers/python`, which has the works too."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PEERS = Path(__file__).resolve().parents[3] / "benches" / "peers" / "python"
# Behind the installed packages, whose names some of its modules have.
sys.path.append(str(PEERS))

child = importlib.import_module("child")
swarmbus_rival = importlib.import_module("rivals.swarmbus")

BATCH = 256

Work = Callable[[Any, Any], dict[str, Any]]


class Bytes(swarmbus_rival.End):  # type: ignore[misc, name-defined]
    """Ourselves: messages are copied out and released in one call."""

    def messages(self) -> Iterator[bytes]:
        receive = self.agent.recv_bytes
        while True:
            yield receive()


def batches_lead(end: Any, trial: Any) -> dict[str, Any]:
    """Receives batches of bytes, looks at each message, and measures from the end of the warm-up on."""
    receive, clock = end.agent.recv_bytes_many, time.perf_counter
    warm = None
    count = base = 0
    while True:
        batch = receive(BATCH)
        count += len(batch)
        ends = False
        for data in batch:
            if data[0]:
                ends = True
        if ends:
            break
        if warm is None:
            warm = clock() + trial.warm_up
            began = clock()
        elif not base and clock() >= warm:
            began, base = clock(), count
    ended = clock()
    return {"count": count - base, "rate": (count - base) / (ended - began)}


def batches_follower(end: Any, trial: Any) -> dict[str, Any]:
    """Sends batches as fast as it can."""
    batch = (child.messages(trial) * BATCH)[:BATCH]
    send, to = end.agent.send_many, end.to
    until = time.perf_counter() + trial.warm_up + trial.measured
    count = 0
    while time.perf_counter() < until:
        for _ in range(4):
            send(to, batch)
        count += 4 * BATCH
    end.send(child.last_message(trial))
    return {"count": count + 1}


@dataclass(frozen=True)
class Way:
    """A way of sending and receiving, and which module has to be installed for it."""

    name: str
    what: str
    end: Callable[[], Any]
    needs: str | None = None
    polls: bool = False
    in_batches: bool = False

    def is_here(self) -> bool:
        return self.needs is None or importlib.util.find_spec(self.needs) is not None

    def works(self, one_way: bool) -> tuple[Work, Work]:
        """What the side that measures does, and what the other does."""
        if self.in_batches:
            return batches_lead, batches_follower
        if one_way:
            return child.one_way_lead, child.one_way_follower
        return child.round_trip_lead, child.round_trip_follower


def rival(name: str, what: str, needs: str | None, polls: bool = False) -> Way:
    module = name.split()[0]
    return Way(name, what, lambda: importlib.import_module(f"rivals.{module}"), needs, polls)


def ours(name: str, what: str, end: type, in_batches: bool = False) -> Way:
    return Way(name, what, lambda: SimpleNamespace(End=end), in_batches=in_batches)


# What all are compared with.
MEASURE = "pyzmq"

WAYS = [
    rival(MEASURE, "PUSH and PULL over ipc", "zmq"),
    rival("mp_pipe", "multiprocessing.Pipe, send_bytes", None),
    rival("mp_queue", "multiprocessing.Queue", None),
    rival("iceoryx2", "its package, an event for each message", "iceoryx2"),
    rival("iceoryx2 polling", "its package, both sides ask again and again", "iceoryx2", polls=True),
    rival("zenoh", "two peers over TCP", "zenoh"),
    ours("views", "send; for msg in me: msg.data", swarmbus_rival.End),
    ours("recv_bytes", "send; recv_bytes", Bytes),
    ours("batches", f"send_many of {BATCH}; recv_bytes_many", swarmbus_rival.End, in_batches=True),
]
