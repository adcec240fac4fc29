#!/usr/bin/env python3
"""What one queue carries on machines with more processors: a simulation of its contended cache lines.

A sender works by itself (chunk, header, payload), then needs the line of `tail` and the line of its slot for itself alone. A
line that another processor had last takes a transfer to come; eight slots share one. The receiver takes the
messages in order and releases them. Senders beyond the processors wait for a processor and contend for nothing
meanwhile: nobody holds anything that others wait for. A full queue makes senders wait.

What is not modelled: payloads larger than a line, sleeping and waking, the allocator's own lines, clock frequencies.

    python3 benches/model.py                                     # with the figures of docs/scale.md
    python3 benches/model.py --transfer 130 --send 90 --take 80  # another machine's, ns
    python3 benches/model.py --check 1=3.1 2=3.0 8=2.6           # beside what was measured: senders=millions a second
"""

import argparse
import heapq
import random
from dataclasses import dataclass

SLOTS_IN_A_LINE = 8
LOCAL_NS = 5  # an atomic operation on a line that is there


@dataclass
class Machine:
    """Times in nanoseconds."""

    cores: int
    transfer: float
    send: float
    take: float
    limit: int = 1000


class Line:
    """A cache line that one processor at a time may write."""

    def __init__(self, transfer: float) -> None:
        self.transfer, self.owner, self.free_at = transfer, -1, 0.0

    def write(self, who: int, at: float) -> float:
        """When `who`, who asks at `at`, has written."""
        begun = max(at, self.free_at)
        self.free_at = begun + (LOCAL_NS if self.owner == who else self.transfer)
        self.owner = who
        return self.free_at


def rate(machine: Machine, senders: int, messages: int = 20_000) -> float:
    """Messages a second from so many senders to one queue."""
    receiver = -2
    # The receiver has a processor, unless there is only one; senders share the others.
    running = max(1, min(senders, machine.cores - 1))
    tail = Line(machine.transfer)
    slots = [Line(machine.transfer) for _ in range(machine.limit // SLOTS_IN_A_LINE)]
    dice = random.Random(1)
    ready = [(dice.random() * machine.send, who) for who in range(running)]
    heapq.heapify(ready)
    taken: list[float] = []
    receiver_free = 0.0
    for number in range(messages):
        at, who = heapq.heappop(ready)
        if number >= machine.limit:
            at = max(at, taken[number - machine.limit])  # no room before that
        line = slots[number // SLOTS_IN_A_LINE % len(slots)]
        sent = line.write(who, tail.write(who, at))
        tail.free_at = sent  # who comes before that finds the slot used, and is no further
        heapq.heappush(ready, (sent + machine.send * dice.uniform(0.8, 1.2), who))
        if receiver_free <= sent:
            # It waits for this very slot: the line goes to it and back.
            seen = line.write(receiver, sent)
        else:
            # It is behind, and senders are elsewhere: one transfer brings it a line of slots.
            seen = receiver_free + (machine.transfer if number % SLOTS_IN_A_LINE == 0 else LOCAL_NS)
        receiver_free = seen + machine.take + machine.transfer  # that of the chunk
        taken.append(receiver_free)
    return messages / taken[-1] * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transfer", type=float, default=65, help="a line from processor to processor, ns")
    parser.add_argument("--send", type=float, default=150, help="a sender's own work, ns")
    parser.add_argument("--take", type=float, default=130, help="the receiver's own work, ns")
    parser.add_argument("--cores", type=int, nargs="*", default=[2, 4, 8, 32, 128])
    parser.add_argument("--senders", type=int, nargs="*", default=[1, 2, 4, 8, 32, 128])
    parser.add_argument("--check", nargs="*", default=[], metavar="SENDERS=MILLIONS", help="measured on two cores")
    options = parser.parse_args()
    times = (options.transfer, options.send, options.take)
    if options.check:
        print("senders  measured  model  (M/s, 2 cores)")
        for pair in options.check:
            senders, measured = pair.split("=")
            found = rate(Machine(2, *times), int(senders)) / 1e6
            print(f"{senders:>7}  {float(measured):8.2f}  {found:5.2f}  {found / float(measured):4.2f}x")
        return
    print("millions of messages a second into one queue")
    print("senders " + "".join(f"{cores:>4} cores" for cores in options.cores))
    for senders in options.senders:
        rates = (rate(Machine(cores, *times), senders) / 1e6 for cores in options.cores)
        print(f"{senders:>7} " + "".join(f"{found:10.2f}" for found in rates))
    print(f"bound of the receiver: {1e3 / (options.take + options.transfer):.2f}", end="; ")
    print(f"of the lines of tail and slot: {1e3 / (2 * options.transfer):.2f}")


if __name__ == "__main__":
    main()
