"""Waiting in asyncio: coroutines that try, and sleep on a descriptor of the core in between.

Nothing is taken before it is handed out, so a coroutine that is cancelled has taken nothing. Every agent has a `Watch`
for each set of queues from which it receives; however many tasks wait there, the event loop watches one descriptor.
The core has none for room in a queue, and none for topics: those are asked again, at first at once and then ever more
rarely.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeVar

from ._errors import BrokenAnswer, Closed, Error, Full, Timeout
from ._swarmbus import Agent, Answers, Descriptor, Message, Sample, Subscription

T = TypeVar("T")

FIRST_PAUSE_S = 0.000_5
LONGEST_PAUSE_S = 0.02


class Watch:
    """A descriptor, and who waits for it in one event loop."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        self.loop = asyncio.get_running_loop()
        self.waiters: set[asyncio.Future[None]] = set()

    async def ready(self) -> None:
        """Waits until the descriptor, which its caller has just found to have nothing, is readable."""
        waiter = self.loop.create_future()
        if not self.waiters:
            self.loop.add_reader(self.descriptor.fileno(), self.ring)
        self.waiters.add(waiter)
        try:
            await waiter
        finally:
            self.waiters.discard(waiter)
            if not self.waiters:
                self.loop.remove_reader(self.descriptor.fileno())

    def ring(self) -> None:
        """Wakes everybody: each looks whether there is something for it, and waits again if not."""
        self.loop.remove_reader(self.descriptor.fileno())
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()


class Watches:
    """The watches of one agent, by the queues and the roles to which they belong."""

    def __init__(self) -> None:
        self.known: dict[object, Watch] = {}

    def of(self, agent: Agent, queue: str | Iterable[str] | None) -> Watch:
        """The watch for a set of queues, made when first asked for, and anew for another event loop or new roles."""
        if queue is None or isinstance(queue, str):
            key: object = (queue, tuple(agent.roles) if queue is None else ())
        else:
            queue = list(queue)
            key = tuple(queue)
        watch = self.known.get(key)
        if watch is None or watch.loop is not asyncio.get_running_loop():
            watch = self.known[key] = Watch(agent.descriptor(queue))
        return watch


_watches: weakref.WeakKeyDictionary[Agent, Watches] = weakref.WeakKeyDictionary()

# A forked child has none of its parent's agents, nor its event loop.
os.register_at_fork(after_in_child=_watches.clear)


def _watch(agent: Agent, queue: str | Iterable[str] | None) -> Watch:
    return _watches.setdefault(agent, Watches()).of(agent, queue)


async def _within(timeout: float | None, wait: Callable[[], Any]) -> Any:
    if timeout is None:
        return await wait()
    try:
        async with asyncio.timeout(timeout):
            return await wait()
    except TimeoutError as error:
        if isinstance(error, Error):
            raise
        raise Timeout(f"timed out: what was waited for did not come within {timeout} s") from None


async def recv(agent: Agent, timeout: float | None, queue: str | Iterable[str] | None) -> Message:
    """`Agent.arecv`."""
    if timeout == 0:
        return agent.recv(0, queue)
    watch = _watch(agent, queue)

    async def wait() -> Message:
        while (message := watch.descriptor.try_next()) is None:
            await watch.ready()
        return message

    message: Message = await _within(timeout, wait)
    return message


async def messages(agent: Agent, queue: str | Iterable[str] | None) -> AsyncIterator[Message]:
    """`Agent.amessages`: a turn's message is released when the next one is asked for."""
    while True:
        try:
            message = await recv(agent, None, queue)
        except Closed:
            if agent.closed:
                raise
            return
        yield message
        message.__exit__(None, None, None)


async def _ask_again(attempt: Callable[[], T | None]) -> T:
    pause = 0.0
    while (result := attempt()) is None:
        await asyncio.sleep(pause)
        pause = min(max(2 * pause, FIRST_PAUSE_S), LONGEST_PAUSE_S)
    return result


async def send(agent: Agent, to: str, data: Any, *, timeout: float | None = None, **options: Any) -> int:
    """`Agent.asend`."""
    last: Full | None = None

    def attempt() -> int | None:
        nonlocal last
        try:
            return agent.send(to, data, timeout=0, **options)
        except Full as full:
            if timeout == 0:
                raise
            last = full
        except Timeout:
            # Another message with a key of this one's stripe is on its way.
            if timeout == 0:
                raise
        return None

    sent: int = await _within(timeout, lambda: _ask_again(attempt))
    return sent


async def call(agent: Agent, to: str, data: Any, *, timeout: float | None = None, **options: Any) -> Message:
    """`Agent.acall`."""

    async def wait() -> Message:
        answers = await _ask_again(lambda: _asked(agent, to, data, options))
        with answers:
            return await _answer(agent, answers)

    answer: Message = await _within(timeout, wait)
    return answer


def _asked(agent: Agent, to: str, data: Any, options: dict[str, Any]) -> Answers | None:
    try:
        return agent.call_stream(to, data, timeout=0, **options)
    except Full:
        return None


async def _answer(agent: Agent, answers: Answers) -> Message:
    watch = _watch(agent, None)
    pause = 0.0
    while True:
        try:
            answer = answers.next(0)
        except Timeout:
            # What makes the descriptor readable may be mail that nobody takes at the moment.
            if pause:
                await asyncio.sleep(pause)
            watch.descriptor.rearm()
            await watch.ready()
            pause = min(max(2 * pause, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            continue
        if answer is None or answer.more_follows:
            if answer is not None:
                answer.release()
            raise BrokenAnswer("it comes in parts, of which a call takes none; ask with call_stream")
        return answer


async def sample(subscription: Subscription, timeout: float | None) -> Sample:
    """`Subscription.arecv`."""
    if timeout == 0:
        return subscription.recv(0)
    found: Sample = await _within(timeout, lambda: _ask_again(subscription.try_recv))
    return found


async def samples(subscription: Subscription) -> AsyncIterator[Sample]:
    """`async for sample in subscription`."""
    while True:
        found = await sample(subscription, None)
        yield found
        found.release()
