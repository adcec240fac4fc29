"""NumPy arrays handed to another process: where the bytes lie on both sides, and what the way there and back takes."""

from __future__ import annotations

import statistics
import time
from typing import Any

import swarmbus

# The last is the longest message there is.
ARRAYS_BYTES = (1 << 10, 1 << 20, 16 << 20)
COUNT = 1000
# Copies of the longest take milliseconds.
COPIES = 50


def place_of(array: Any, bus: str) -> tuple[int, int]:
    """The address of an array's bytes, and how far behind the beginning of the bus' file they lie."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            start, end = (int(bound, 16) for bound in fields[0].split("-"))
            if start <= address < end:
                if not fields[-1].rstrip().endswith(f"swarmbus.{bus}"):
                    raise ValueError(f"an array is not in the bus' memory but in {fields[-1].rstrip()}")
                return address, address - start + int(fields[2], 16)
    raise ValueError("an array lies nowhere")


def answer_all(name: str) -> int:
    """Says where the first array of a length lies, and of all others that they came as they were written; how many."""
    count = 0
    with swarmbus.open(name).attach("receiver") as me:
        told = None
        for msg in me:
            if len(msg) == 0:
                break
            count += 1
            array = msg.array("uint8")
            answer: Any = "in order" if array[0] == array[-1] else "torn"
            if told != len(msg):
                told, answer = len(msg), place_of(array, name)
            del array
            me.send("sender", [answer])
    return count


def handed_over(me: swarmbus.Agent, length: int, number: int) -> Any:
    """Lends an array, marks it and publishes it."""
    loan = me.loan(length)
    array = loan.array("uint8")
    array[0] = array[-1] = number & 127
    place = place_of(array, me.bus.name) if number == 0 else None
    del array
    loan.publish("receiver")
    return place


def sent(me: swarmbus.Agent, array: Any, number: int) -> None:
    array[0] = array[-1] = number & 127
    me.send("receiver", array)


def answer(me: swarmbus.Agent) -> Any:
    with me.recv(timeout=30.0) as msg:
        said = msg.json()[0]
    if said == "torn":
        raise ValueError("an array did not end as it began")
    return said


def there_and_back(me: swarmbus.Agent, count: int, send: Any) -> float:
    """The median of what the way there and the answer's way back take, in microseconds."""
    taken = []
    for number in range(1, count + 1):
        began = time.perf_counter_ns()
        send(number)
        answer(me)
        taken.append(time.perf_counter_ns() - began)
    return statistics.median(taken) / 1000


def measure(name: str) -> list[dict[str, Any]]:
    """For each length: both addresses, and what it takes to hand an array over, and to send a copy of one."""
    import numpy

    measured = []
    with swarmbus.open(name).attach("sender") as me:
        for length in ARRAYS_BYTES:
            address, offset = handed_over(me, length, 0)
            its_address, its_offset = answer(me)
            over = there_and_back(me, COUNT, lambda number, length=length: handed_over(me, length, number))
            own = numpy.zeros(length, "uint8")
            copied = there_and_back(me, COPIES, lambda number, own=own: sent(me, own, number))
            measured.append(
                {
                    "bytes": length,
                    "sender": {"address": address, "offset": offset},
                    "receiver": {"address": its_address, "offset": its_offset},
                    "same_bytes": offset == its_offset,
                    "handed_over_us": over,
                    "sent_us": copied,
                }
            )
        me.send("receiver", b"")
    return measured
