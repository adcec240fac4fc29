"""The coordinator: hands out the files, collects the answers, and checks them against a pass of its own."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from typing import Any

import swarmbus
from analysis import ROOT, FileStats, analyse, corpus
from chaos import kill_holder
from display import Progress
from report import findings, memory, totals

AGENTS = int(os.environ["SWARMBUS_POOL_SIZE"])
KILLS = min(5, AGENTS)
OUT_MAX = 2 * AGENTS
"""Files that are out at one time: enough to keep every agent busy, few enough for a drain to be quick."""
SILENCE_MAX_S = 120.0
"""A swarm that says nothing for this long is broken."""


class Job:
    """The files that go out and the answers that come in."""

    def __init__(self, me: swarmbus.Agent, files: list[str]) -> None:
        self.me = me
        self.files = files
        self.waiting = deque(files)
        self.sent = 0
        self.received = 0
        self.stats: dict[str, FileStats] = {}
        self.deliveries: dict[str, int] = {}
        self.killed: list[str] = []
        self.progress = Progress("analysing", len(files))

    def run(self) -> bool:
        """Until all is answered, also what the killed held; False if a drain kept files from going out."""
        try:
            while self.waiting or len(self.stats) < self.sent or self.redelivered() < len(self.killed):
                self.hand_out()
                with self.me.recv(timeout=SILENCE_MAX_S) as message:
                    self.collect(message.sender, json.loads(bytes(message)))
                midway = self.waiting and len(self.stats) >= len(self.files) // 2
                if midway and len(self.killed) < KILLS:
                    self.kill()
        except swarmbus.Closed:
            pass
        self.progress.end()
        return len(self.stats) == len(self.files)

    def hand_out(self) -> None:
        """Sends files while not too many are out."""
        try:
            while self.waiting and self.sent - len(self.stats) < OUT_MAX:
                self.me.send("files", self.waiting[0].encode())
                self.waiting.popleft()
                self.sent += 1
        except swarmbus.Closed:
            # The swarm drains: no more goes out, and what is out comes back.
            self.waiting.clear()

    def collect(self, agent: str | None, answer: dict[str, Any]) -> None:
        """Keeps an answer, unless its file has one already: delivery is at least once."""
        self.received += 1
        delivery = answer.pop("delivery")
        stats = FileStats.from_json(answer)
        if delivery > 1:
            self.deliveries[stats.file] = max(delivery, self.deliveries.get(stats.file, 1))
            self.progress.say(f"redelivered {stats.file}: {agent} has answered, at delivery {delivery}")
        if stats.file in self.stats:
            self.progress.say(f"discarded {stats.file}: {agent} has answered it a second time")
            return
        self.stats[stats.file] = stats
        self.progress.reached(len(self.stats))

    def kill(self) -> None:
        """Kills one more agent, if one that was spared so far holds a file just now."""
        victim = kill_holder(self.me.bus, spared=[self.me.name, *self.killed])
        if victim is not None and victim.agent is not None:
            self.killed.append(victim.agent)
            self.progress.say(f"killed {victim.agent} (pid {victim.pid}) while it held a file")

    def redelivered(self) -> int:
        """How often a file was delivered again."""
        return sum(count - 1 for count in self.deliveries.values())


def alone(files: list[str]) -> dict[str, FileStats]:
    """The same work without a swarm."""
    progress = Progress("checking", len(files))
    stats = {}
    for file in files:
        stats[file] = analyse(file)
        progress.reached(len(stats))
    progress.end()
    return stats


def main() -> str | None:
    """Runs the job, reports and checks; says what is wrong."""
    files = corpus()
    if not files:
        return f"there are no Python files below {ROOT}"
    print(f"{len(files)} files below {ROOT}, {AGENTS} agents", flush=True)

    with swarmbus.connect() as me:
        job = Job(me, files)
        begun = time.monotonic()
        if not job.run():
            return f"stopped after {len(job.stats)} of {len(files)} files"
        seconds = time.monotonic() - begun
        memory_used = memory(me.bus, {f"worker-{index}" for index in range(1, AGENTS + 1)})
    print(findings(job.stats))
    print(f"\nkilled {len(job.killed)} agents, redelivered {job.redelivered()} files,", end=" ")
    print(f"discarded {job.received - len(job.stats)} duplicates")
    messages = job.sent + job.received
    print(f"{messages} messages in {seconds:.1f} s: {messages / seconds:.0f} per second, analysis included")
    print(f"memory: {memory_used}", flush=True)

    begun = time.monotonic()
    expected = alone(files)
    print(f"a single process: {time.monotonic() - begun:.1f} s")
    if job.stats != expected:
        differing = [file for file in files if job.stats[file] != expected[file]]
        return f"totals differ: {totals(job.stats)}, not {totals(expected)}; see {', '.join(differing)}"
    if not 0 < KILLS == len(job.killed) <= job.redelivered():
        return f"{len(job.killed)} of {KILLS} agents killed: the job was too short"
    print("totals equal")
    return None


if __name__ == "__main__":
    sys.exit(main())
