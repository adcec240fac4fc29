"""The exceptions of Swarmbus: one class for each error of the core, with the core's stable code.

The compiled module raises them by name and sets the attributes that are declared here.
"""


class Error(Exception):
    """Base of all errors of Swarmbus."""

    code: int = 0
    """The stable code of the C interface; 0 where these bindings alone can raise the error."""


class Timeout(Error, TimeoutError):
    """The deadline passed."""

    code = -1


class Full(Error):
    """The lane is at its limit and stayed so until the deadline."""

    code = -2
    queue: str = ""
    limit: int = 0


class Closed(Error):
    """Intake is stopped, or the bus, or this agent, is closed."""

    code = -3
    what: str = ""


class UnknownAgent(Error, LookupError):
    """No mailbox or queue has this name."""

    code = -4
    name: str = ""
    bus: str = ""


class AgentBusy(Error):
    """The mailbox has a living owner: the process `pid`."""

    code = -5
    name: str = ""
    pid: int = 0


class TooLarge(Error, ValueError):
    """The payload is larger than a chunk can be."""

    code = -6
    length: int = 0
    limit: int = 0


class OutOfMemory(Error, MemoryError):
    """Neither the heap nor /dev/shm has room."""

    code = -7
    wanted: int = 0


class InvalidName(Error, ValueError):
    """Not a name: names are 1 to 63 of ``A-Z a-z 0-9 . _ -``."""

    code = -8
    name: str = ""
    reason: str = ""


class InvalidArgument(Error, ValueError):
    """An argument makes no sense."""

    code = -9


class BusExists(Error, FileExistsError):
    """A bus of this name exists."""

    code = -10
    bus: str = ""


class UnknownBus(Error, LookupError):
    """No bus of this name is on this host."""

    code = -11
    bus: str = ""


class NotReady(Error):
    """The bus's file is no finished segment."""

    code = -12
    bus: str = ""


class WrongVersion(Error):
    """Another version of the library made the bus."""

    code = -13
    bus: str = ""
    found: int = 0
    expected: int = 0
    made_by: str = ""


class WrongBoot(Error):
    """The bus was made before the last boot."""

    code = -14
    bus: str = ""


class ForeignNamespace(Error):
    """The bus was made in another pid namespace, from where nobody can tell who lives."""

    code = -15
    bus: str = ""


class Permission(Error, PermissionError):
    """The bus is not ours to use."""

    code = -16
    bus: str = ""
    reason: str = ""


class Corrupt(Error):
    """Shared memory holds what can't be: some process has written over it."""

    code = -17
    at: str = ""
    invariant: str = ""


class Forked(Error, RuntimeError):
    """The agent belongs to the parent process; attach a name of its own after the fork."""

    code = -18


class Released(Error, RuntimeError):
    """The message or loan is no longer ours."""

    code = -19


class TooManyAgents(Error):
    """As many agents are attached as the bus was created for."""

    code = -20
    limit: int = 0


class Interrupted(Error, InterruptedError):
    """A wait was ended from outside."""

    code = -21


class System(Error, OSError):
    """The operating system refused; `errno` says why."""

    code = -22


class BrokenAnswer(Error):
    """The answer to a question is not whole: it came in parts to a call, a part was lost, or it began anew."""

    code = -23


class HandedOver(Error):
    """The mailbox was handed over to another owner, the process `pid`: this agent receives nothing from it any more."""

    code = -24
    name: str = ""
    pid: int = 0


class Locked(Error):
    """The lock `name` did not come in time: `holder`, of the process `pid`, has `held`."""

    code = -25
    name: str = ""
    held: str = ""
    holder: str = ""
    pid: int = 0


class WrongType(Error, TypeError):
    """The payload is not of the type asked for."""

    code = -26


class WrongKind(Error):
    """The name is in use for something else: a topic where a queue was meant, or the reverse."""

    code = -27
    name: str = ""


class WrongThread(Error, RuntimeError):
    """The agent belongs to the thread that attached it."""
