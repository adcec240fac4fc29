"""Swarmbus: a zero-copy message bus in shared memory for the processes of one Linux host.

    import swarmbus

    bus = swarmbus.open("demo", create=True)
    with bus.attach("alice") as me:
        me.send("alice", b"hello")
        with me.recv(timeout=1.0) as msg:
            print(msg.sender, bytes(msg))
    bus.destroy()

Delivery is at least once: a message that was received and not released when its receiver died is delivered again,
with ``deliveries`` one higher. All errors are subclasses of ``swarmbus.Error``.
"""

from ._errors import (
    AgentBusy,
    BrokenAnswer,
    BusExists,
    Closed,
    Corrupt,
    Error,
    ForeignNamespace,
    Forked,
    Full,
    HandedOver,
    Interrupted,
    InvalidArgument,
    InvalidName,
    Locked,
    NotReady,
    OutOfMemory,
    Permission,
    Released,
    System,
    Timeout,
    TooLarge,
    TooManyAgents,
    UnknownAgent,
    UnknownBus,
    WrongBoot,
    WrongKind,
    WrongThread,
    WrongType,
    WrongVersion,
)
from ._swarmbus import (
    Agent,
    Answers,
    Bus,
    Descriptor,
    Loan,
    Lock,
    Message,
    Messages,
    Sample,
    Subscription,
    __version__,
    buses,
    connect,
    open,
    remove,
    schema_id,
)

# Most agents never look at a record or a type, and dataclasses and typing take longer to import than all the rest: they
# come when somebody asks. Type checkers know this constant.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._info import (
        AgentInfo,
        BusInfo,
        ChunkCounts,
        ClassInfo,
        HeapInfo,
        LaneInfo,
        LockInfo,
        MemberInfo,
        NameInfo,
        Peeked,
        QueueInfo,
        Status,
        StatusInfo,
        SubscriberInfo,
        TopicInfo,
    )
    from ._types import AgentState, Content, Lane, Policy
else:

    def __getattr__(name: str):
        if name in ("AgentState", "Content", "Lane", "Policy"):
            from . import _types as module
        elif name in __all__:
            from . import _info as module
        else:
            raise AttributeError(f"module 'swarmbus' has no attribute {name!r}")
        value = globals()[name] = getattr(module, name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})


__all__ = [
    "Agent",
    "AgentBusy",
    "AgentInfo",
    "AgentState",
    "Answers",
    "BrokenAnswer",
    "Bus",
    "BusExists",
    "BusInfo",
    "ChunkCounts",
    "ClassInfo",
    "Closed",
    "Content",
    "Corrupt",
    "Descriptor",
    "Error",
    "ForeignNamespace",
    "Forked",
    "Full",
    "HandedOver",
    "HeapInfo",
    "Interrupted",
    "InvalidArgument",
    "InvalidName",
    "Lane",
    "LaneInfo",
    "Loan",
    "Lock",
    "LockInfo",
    "Locked",
    "MemberInfo",
    "Message",
    "Messages",
    "NameInfo",
    "NotReady",
    "OutOfMemory",
    "Peeked",
    "Permission",
    "Policy",
    "QueueInfo",
    "Released",
    "Sample",
    "Status",
    "StatusInfo",
    "SubscriberInfo",
    "Subscription",
    "System",
    "Timeout",
    "TooLarge",
    "TooManyAgents",
    "TopicInfo",
    "UnknownAgent",
    "UnknownBus",
    "WrongBoot",
    "WrongKind",
    "WrongThread",
    "WrongType",
    "WrongVersion",
    "__version__",
    "buses",
    "connect",
    "open",
    "remove",
    "schema_id",
]
