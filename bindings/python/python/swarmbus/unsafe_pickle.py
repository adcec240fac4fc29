"""Python objects of any kind as messages, by pickle: off until a program calls `allow()`.

Unsafe: to unpickle a message is to run whatever code its sender has put into it. Everybody who may write to the bus is
a sender. Where JSON or bytes will do, use them.

    from swarmbus import unsafe_pickle

    unsafe_pickle.allow()
    unsafe_pickle.send(me, "bob", {1, 2, 3})
    with me.recv() as msg:
        value = unsafe_pickle.load(msg)
"""

from __future__ import annotations

import pickle
from typing import Any

from ._errors import InvalidArgument
from ._swarmbus import Agent, Message

_allowed = False


def allow() -> None:
    """Says for this process that every sender on its buses is trusted with all that this process may do."""
    global _allowed
    _allowed = True


def _check() -> None:
    if not _allowed:
        raise InvalidArgument(
            "pickles are off: who unpickles a message runs whatever code its sender put into it; "
            "send JSON or bytes, or call swarmbus.unsafe_pickle.allow() if every sender is trusted"
        )


def send(agent: Agent, to: str, value: object, **options: Any) -> int:
    """Sends `value` pickled; the options are those of ``Agent.send``."""
    _check()
    return agent.send(to, pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL), **options)


def load(message: Message) -> Any:
    """The value of a message that was sent by `send`."""
    _check()
    with message.data as view:
        return pickle.loads(view)
