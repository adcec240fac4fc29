"""Calls whatever there is to call with whatever there is to give: `random_calls.py BUS SEED SECONDS`.

A process of its own: should it crash, its status says so. A timer interrupts it all the time, in waits and elsewhere.
What may come of a call is a value or an exception of Python's or ours; a panic of the compiled half is neither. Now and
then what is held is used by another thread, in a forked child, or on a bus that has been destroyed. At the end it says
what it did, and what the process had of its own after a fifth of the time and at the end.
"""

from __future__ import annotations

import _imp
import asyncio
import contextlib
import gc
import importlib
import inspect
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
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
HELD_OF_KIND = 6
LEAST = 500
"""Calls that are made in any case, also where there is little time for them."""

did = dict.fromkeys(("calls", "received", "awaited", "in_threads", "in_children", "buses"), 0)
armed = False
rest = 0
"""Ticks for which nothing is raised: a handler of the last alarm may be at work; or it was lost, as in a destructor."""


class Crashed(Exception):
    """A forked child did not come to its end."""


class Module:
    """What there is to call without a bus. (Other buses of this machine are not to be touched.)"""

    schema_id = staticmethod(swarmbus.schema_id)
    buses = staticmethod(swarmbus.buses)
    connect = staticmethod(swarmbus.connect)

    @staticmethod
    def open(name: Any) -> swarmbus.Bus:
        return swarmbus.open(name)


class Side:
    """A bus of this process alone, which is destroyed while it is in use."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}-side-{os.getpid()}"
        self.bus: swarmbus.Bus | None = None

    def step(self, chance: random.Random, held: list[Any]) -> None:
        if self.bus is None:
            # An alarm may have come between its making and this name for it.
            with contextlib.suppress(swarmbus.Error):
                swarmbus.remove(self.name)
            self.bus = swarmbus.Bus.create(self.name, agents=8, heap="4MiB", limit=8)
            self.bus.declare_topic("news")
            did["buses"] += 1
            held.append(self.bus)
        elif chance.random() < 0.2:
            self.end()
        else:
            self.bus.declare("work")
            held.append(self.bus.attach(chance.choice(["alice", "bob", "carol"])))
            if chance.random() < 0.3:
                self.bus.close_queue("work")

    def end(self) -> None:
        if self.bus is not None:
            self.bus.destroy()
            self.bus = None


class Alarm(Exception):
    """Raised by the timer's handler."""


def ring(number: int, frame: object) -> None:
    global rest
    rest -= 1
    if armed and rest <= 0:
        rest = 20
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


def one_call(held: list[Any], chance: random.Random) -> None:
    """Calls one of what there is, and keeps some of what comes of it."""
    kind = chance.choice(sorted({type(thing) for thing in held}, key=repr))
    thing = chance.choice([thing for thing in held if type(thing) is kind])
    name, call = chance.choice(calls_of(thing))
    given, named = arguments(chance, held, call)
    # These end what others need, and wait for what seldom comes.
    if name in ("close", "__exit__", "__next__", "stand_by") and chance.random() < 0.8:
        return
    elsewhere = chance.random() < 0.01 and name != "stand_by"
    result = in_thread(call, given, named) if elsewhere else call(*given, **named)
    did["calls"] += 1
    if inspect.iscoroutine(result):
        result = awaited(result, chance)
    if isinstance(result, swarmbus.Message) or (name.startswith("recv_bytes") and result):
        did["received"] += 1
    for one in result[:3] if isinstance(result, list) else [result]:
        keep(held, one, chance)


def keep(held: list[Any], one: Any, chance: random.Random) -> None:
    """Keeps what there are calls of, a few of a kind: what hands out itself would push out all the rest."""
    kind = type(one)
    if (kind.__module__ != "swarmbus" and kind is not memoryview) or any(one is other for other in held):
        return
    of_kind = [at for at, other in enumerate(held) if type(other) is kind and at > 1]
    if len(of_kind) >= HELD_OF_KIND:
        held.pop(chance.choice(of_kind))
    held.append(one)
    if chance.random() < 0.1 and len(held) > 2:
        held.pop(chance.randrange(2, len(held)))


def traffic(held: list[Any], chance: random.Random) -> None:
    """Sends something somewhere, so that there is something to receive."""
    agent = chance.choice([thing for thing in held if isinstance(thing, swarmbus.Agent)])
    if chance.random() < 0.3:
        agent.publish("news", b"x" * chance.randrange(3000), timeout=0)
    else:
        agent.send(chance.choice(["alice", "bob", "work"]), b"x" * chance.randrange(3000), timeout=0)


def awaited(coroutine: Any, chance: random.Random) -> Any:
    """Waits for it now and then, for a moment; mostly drops it."""
    global armed
    if chance.random() > 0.05:
        coroutine.close()
        return None
    did["awaited"] += 1
    # An event loop whose making or end is interrupted is nobody's fault but ours.
    armed = False
    try:
        return asyncio.run(asyncio.wait_for(coroutine, 0.002))
    finally:
        armed = True


def in_thread(call: Callable[..., Any], given: list[Any], named: dict[str, Any]) -> Any:
    """The call's result, or its error, from a thread that has ended by then."""
    outcome: list[Any] = []

    def run() -> None:
        # No signal ends a wait in here.
        if "timeout" in named:
            named["timeout"] = 0
        try:
            outcome.append((call(*given, **named), None))
        except Exception as error:
            outcome.append((None, error))

    global armed
    armed = False
    # An alarm amid an import leaves the interpreter's lock for imports taken: this thread would wait for it for ever.
    while _imp.lock_held():
        _imp.release_lock()
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    armed = True
    did["in_threads"] += 1
    result, error = outcome.pop()
    if error is not None:
        raise error
    return result


def in_child(held: list[Any], chance: random.Random) -> None:
    """A forked child uses what its parent has."""
    global armed, rest
    armed = False
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
            for _ in range(20):
                with contextlib.suppress(Alarm):
                    armed, rest = True, 0
                    try:
                        one_call(held, chance)
                    except (Alarm, SystemError):
                        raise
                    except Exception:
                        pass
                    finally:
                        armed = False
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    armed = True
    did["in_children"] += 1
    if status != 0:
        raise Crashed(f"a child ended with {os.waitstatus_to_exitcode(status)}")


def play(bus: swarmbus.Bus, side: Side, held: list[Any], chance: random.Random, is_over: Callable[[], bool]) -> None:
    global armed
    while not is_over():
        try:
            armed = True
            if len(held) < 4:
                held.append(bus.attach(chance.choice(["alice", "bob"])))
            if chance.random() < 0.2:
                traffic(held, chance)
            if chance.random() < 0.001:
                side.step(chance, held)
            if chance.random() < 0.0005:
                in_child(held, chance)
            one_call(held, chance)
        except (Alarm, SystemError, Crashed):
            raise
        except Exception:
            did["calls"] += 1


def watches() -> bool:
    """Whether the thread that watches for descriptors runs. It ends soon after the last of them."""
    for comm in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(OSError):
            if comm.read_text().strip() == "swarmbus-watch":
                return True
    return False


def footprint() -> dict[str, int]:
    """What this process has of its own."""
    deadline = time.monotonic() + 30
    while watches() and time.monotonic() < deadline:
        time.sleep(0.01)
    with open("/proc/self/status") as status:
        memory = next(line for line in status if line.startswith("RssAnon:"))
    return {"memory_kib": int(memory.split()[1]), "descriptors": len(os.listdir("/proc/self/fd"))}


def play_until(bus: swarmbus.Bus, chance: random.Random, until: float, least: int) -> dict[str, int]:
    """Plays, so many calls at least, gives back everything, and looks at what is left."""
    global armed, rest

    def is_over() -> bool:
        return time.monotonic() >= until and did["calls"] >= least

    held: list[Any] = [bus, Module()]
    side = Side(bus.name)
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    try:
        while not is_over():
            with contextlib.suppress(Alarm):
                try:
                    armed, rest = True, 0
                    play(bus, side, held, chance, is_over)
                finally:
                    armed = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    side.end()
    held.clear()
    gc.collect()
    return footprint()


def main() -> None:
    bus, seed, seconds = swarmbus.open(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    bus.declare("work", max_deliveries=5, dead_letters="dead")
    bus.declare("small", limit=1)
    bus.declare_topic("news", capacity=4, retain=2)
    bus.declare_topic("laps", policy="lossy", capacity=2)
    # So that it does not come in between.
    importlib.import_module("numpy")
    signal.signal(signal.SIGALRM, ring)
    chance = random.Random(seed)
    began = time.monotonic()
    # By then all that grows once has grown, however busy the machine is.
    before = play_until(bus, chance, began + seconds / 5, LEAST)
    after = play_until(bus, chance, began + seconds, 2 * LEAST)
    print(json.dumps(did | {"before": before, "after": after}))


if __name__ == "__main__":
    main()
