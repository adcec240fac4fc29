"""Calls whatever there is to call with whatever there is to give: `random_calls.py BUS SEED SECONDS`.

A process of its own: should it crash, its status says so. A timer interrupts it all the time, in waits and elsewhere.
What may come of a call is a value or an exception of Python's or ours; a panic of the compiled half is neither.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import swarmbus

NAMES: list[Any] = ["alice", "bob", "work", "small", "news", "laps", "dead", "@tester", "**"]
WRONG: list[Any] = ["", "a/b", "a\0b", "x" * 300, "größe", "idle", "low", "json", "retained", b"", b"x" * 70_000]
NUMBERS: list[Any] = [0, 1, 7, -1, 2**31, 2**63, 2**64, 2**70, 0.001, -1.0, float("nan"), float("inf"), True, None]
THINGS: list[Any] = [
    bytearray(9),
    memoryview(b"abc")[::2],
    [],
    ["work", "alice"],
    [b"x", b"y"],
    {"a": 1},
    object(),
    int,
]
POOL = NAMES * 3 + WRONG + NUMBERS * 2 + THINGS
TIMES: list[Any] = [0, 0, 0.001, 0.001, None, -1, float("inf"), "soon"]
# They end what the others need, or write where they must not.
LEFT_ALONE = {"destroy", "create", "close_queue"}
HELD_MOST = 60

calls = 0
armed = False


class Alarm(Exception):
    """Raised by the timer's handler."""


def ring(number: int, frame: object) -> None:
    global armed
    if armed:
        armed = False
        raise Alarm


def calls_of(thing: Any) -> list[tuple[str, Callable[..., Any]]]:
    own = [name for name in dir(thing) if name[0] != "_" and name not in LEFT_ALONE]
    special = ["__enter__", "__exit__", "__iter__", "__next__", "__len__", "__bytes__", "__repr__"]
    found = []
    for name in own + [name for name in special if hasattr(type(thing), name)]:
        with contextlib.suppress(swarmbus.Error):
            attribute = getattr(thing, name)
            if callable(attribute):
                found.append((name, attribute))
    return found


def arguments(chance: random.Random, held: list[Any], call: Callable[..., Any]) -> tuple[list[Any], dict[str, Any]]:
    given: list[Any] = []
    named: dict[str, Any] = {}
    try:
        wanted = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        wanted = {}.values()
    for parameter in wanted:
        choice: Any = chance.choice(TIMES if parameter.name in ("timeout", "delay") else POOL)
        if chance.random() < 0.1:
            choice = chance.choice(held)
        if parameter.kind is parameter.KEYWORD_ONLY:
            if chance.random() < 0.3 or parameter.name == "timeout":
                named[parameter.name] = choice
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            if parameter.default is parameter.empty or parameter.name == "timeout" or chance.random() < 0.5:
                given.append(choice)
            else:
                break
    if chance.random() < 0.02:
        given.append(chance.choice(POOL))
    return given, named


def play(bus: swarmbus.Bus, held: list[Any], chance: random.Random, until: float) -> None:
    global calls
    while time.monotonic() < until:
        try:
            if len(held) < 4:
                held.append(bus.attach(chance.choice(["alice", "bob"])))
            thing = chance.choice(held)
            name, call = chance.choice(calls_of(thing))
            given, named = arguments(chance, held, call)
            if name in ("close", "__exit__") and chance.random() < 0.8:
                continue
            result = call(*given, **named)
            calls += 1
            if inspect.iscoroutine(result):
                result.close()
            elif type(result).__module__ == "swarmbus" or isinstance(result, memoryview):
                held.append(result)
            elif isinstance(result, list):
                held.extend(result[:3])
            while len(held) > chance.randrange(10, HELD_MOST):
                held.pop(chance.randrange(1, len(held)))
        except (Alarm, SystemError):
            raise
        except Exception:
            calls += 1


def main() -> None:
    global armed
    bus, seed, seconds = swarmbus.open(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    bus.declare("work", max_deliveries=5, dead_letters="dead")
    bus.declare("small", limit=1)
    bus.declare_topic("news", capacity=4, retain=2)
    bus.declare_topic("laps", policy="lossy", capacity=2)
    signal.signal(signal.SIGALRM, ring)
    chance = random.Random(seed)
    held: list[Any] = [bus]
    until = time.monotonic() + seconds
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    while time.monotonic() < until:
        with contextlib.suppress(Alarm):
            try:
                armed = True
                play(bus, held, chance, until)
            finally:
                armed = False
    signal.setitimer(signal.ITIMER_REAL, 0)
    held.clear()
    gc.collect()
    print(calls)


if __name__ == "__main__":
    main()
