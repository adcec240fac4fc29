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
