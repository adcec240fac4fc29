"""What observers see of a bus: frozen records, a snapshot each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChunkCounts:
    """Chunks by what they are doing."""

    free: int
    held: int
    queued: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One size class of the heap."""

    payload_bytes: int
    spans: int
    chunks: ChunkCounts


@dataclass(frozen=True, slots=True)
class HeapInfo:
    """The memory that messages lie in."""

    bytes: int
    spans: int
    spans_active: int
    chunks: ChunkCounts
    classes: tuple[ClassInfo, ...]


@dataclass(frozen=True, slots=True)
class BusInfo:
    """A bus as a whole.

    `supervisor_pid` is None where no supervisor reaps; `corrupt` counts words that made no sense and were skipped.
    """

    name: str
    layout: int
    state: str
    created_unix_s: int
    agents_max: int
    limit: int
    segment_bytes: int
    committed_bytes: int
    supervisor_pid: int | None
    heap: HeapInfo
    members: int
    queues: int
    corrupt: int


@dataclass(frozen=True, slots=True)
class MemberInfo:
    """One handle of one process. `state` is "live" or "dead"; `agent` is None for handles without a mailbox."""

    index: int
    incarnation: int
    pid: int
    state: str
    agent: str | None
    held: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class LaneInfo:
    """How many messages wait in one lane of a queue."""

    lane: str
    depth: int


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A mailbox or work queue.

    `owner` is the pid of the mailbox's owner, or None; `lanes` are those that have carried a message.
    `undelivered` counts what became a dead letter, `dropped` what was lost for good.
    """

    name: str
    owner: int | None
    closed: bool
    limit: int
    lanes: tuple[LaneInfo, ...]
    queued: int
    in_flight: int
    sent: int
    taken: int
    max_deliveries: int | None
    dead_letters: str | None
    undelivered: int
    dropped: int


@dataclass(frozen=True, slots=True)
class SubscriberInfo:
    """Who subscribes to a topic, how many messages it has not read, and how many it missed."""

    agent: str | None
    member: int
    pid: int
    behind: int
    missed: int


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic. `policy` is "back-pressure", "drop-new" or "lossy"."""

    name: str
    policy: str
    capacity: int
    retain: int
    published: int
    dropped: int
    retained_messages: int
    retained_bytes: int
    subscribers: tuple[SubscriberInfo, ...]


@dataclass(frozen=True, slots=True)
class LockInfo:
    """A lock that somebody has or waits for.

    `state` is "held" or "waiting"; `since_ns` is when it was asked for, of CLOCK_MONOTONIC; `waits_behind` is how many
    that conflict with it were asked for before.
    """

    name: str
    shared: bool
    state: str
    agent: str | None
    member: int
    pid: int
    token: int | None
    since_ns: int
    waits_behind: int


@dataclass(frozen=True, slots=True)
class NameInfo:
    """A name on a bus. `kind` says what it is of: a mailbox, a queue, a role or a topic."""

    name: str
    kind: str
    owner: int | None


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An agent. `pid` is None if it is gone; `epoch` is how often its mailbox has changed hands."""

    name: str
    pid: int | None
    epoch: int
    tags: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """What an agent says of itself. `since_ns` is when it came into its state, of CLOCK_MONOTONIC."""

    state: str
    done: int
    total: int
    task: str
    note: str
    blockers: tuple[str, ...]
    tags: tuple[str, ...]
    roles: tuple[str, ...]
    since_ns: int


@dataclass(frozen=True, slots=True)
class StatusInfo:
    """The status of an agent, with its name, its pid (None if it is gone), and the age of its last sign of life."""

    agent: str
    pid: int | None
    state: str
    done: int
    total: int
    task: str
    note: str
    blockers: tuple[str, ...]
    tags: tuple[str, ...]
    roles: tuple[str, ...]
    since_ns: int
    beat_age_ns: int | None


@dataclass(frozen=True, slots=True)
class Peeked:
    """A message that waits in a queue."""

    id: int
    sender: str | None
    lane: str
    deliveries: int
    correlation: int
    content: str
    traceparent: str | None
    data: bytes
