"""How fast the Python face is, beside pyzmq: `python benches/speed.py [--rounds N] [--seconds S]`.

Every way of sending and receiving runs in each round, one after the other, between two processes; the table shows the
median rate of each, the median of its ratios to pyzmq's in the same round, and how long the receiver computes for a
message, which is worth something on a busy machine too. Needs pyzmq.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable

import swarmbus

BYTES = 64
BATCH = 256
END = b"\xff" * BYTES

Work = Callable[[swarmbus.Agent], tuple[float, float]]


def pump(send: Callable[[bytes], object], seconds: float, step: int = 64) -> None:
    """Sends as fast as it can, then the end."""
    data = bytes(BYTES)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for _ in range(step):
            send(data)
    send(END)


class Count:
    """How many messages came, in what time, and with how much computing."""

    def __init__(self) -> None:
        self.count = 0
        self.began, self.computed = time.perf_counter(), time.process_time()

    def stop(self) -> tuple[float, float]:
        """Messages per second, and nanoseconds of computing for each."""
        computed = (time.process_time() - self.computed) / self.count * 1e9
        return self.count / (time.perf_counter() - self.began), computed


def bus_sender(place: str, seconds: float) -> None:
    me = swarmbus.open(place).attach("sender")
    pump(lambda data: me.send("receiver", data), seconds)


def batch_sender(place: str, seconds: float) -> None:
    me = swarmbus.open(place).attach("sender")
    batch = [bytes(BYTES)] * BATCH
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for _ in range(8):
            me.send_many("receiver", batch)
    me.send("receiver", END)


def zmq_sender(place: str, seconds: float) -> None:
    import zmq

    socket = zmq.Context().socket(zmq.PUSH)
    socket.set_hwm(1000)
    socket.connect(f"ipc://{place}")
    pump(socket.send, seconds)
    socket.close()


def views(me: swarmbus.Agent) -> tuple[float, float]:
    counted = Count()
    for msg in me:
        counted.count += 1
        if msg.data[0]:
            break
    return counted.stop()


def copies(me: swarmbus.Agent) -> tuple[float, float]:
    counted = Count()
    receive = me.recv_bytes
    while not receive()[0]:
        counted.count += 1
    return counted.stop()


def batches(me: swarmbus.Agent) -> tuple[float, float]:
    counted = Count()
    receive = me.recv_bytes_many
    while True:
        got = receive(BATCH)
        counted.count += len(got)
        if got[-1][0]:
            return counted.stop()


def batches_of_messages(me: swarmbus.Agent) -> tuple[float, float]:
    counted = Count()
    receive = me.recv_many
    while True:
        got = receive(BATCH)
        counted.count += len(got)
        is_last = bytes(got[-1])[0]
        for msg in got:
            msg.release()
        if is_last:
            return counted.stop()


def on_bus(sender: Callable[[str, float], None], work: Work, seconds: float) -> tuple[float, float]:
    bus = swarmbus.Bus.create(f"speed-{os.getpid()}", agents=8, heap="256MiB")
    try:
        # A batch counts as one message: few of them, or they fill more memory than a cache holds.
        bus.declare("receiver", limit=8 if sender is batch_sender else 1000)
        with bus.attach("receiver") as me:
            process = multiprocessing.Process(target=sender, args=(bus.name, seconds), daemon=True)
            process.start()
            with me.recv() as _:
                pass
            result = work(me)
            process.join()
        return result
    finally:
        bus.destroy()


def on_zmq(seconds: float) -> tuple[float, float]:
    import zmq

    with tempfile.TemporaryDirectory() as folder:
        socket = zmq.Context.instance().socket(zmq.PULL)
        socket.set_hwm(1000)
        socket.bind(f"ipc://{folder}/s")
        process = multiprocessing.Process(target=zmq_sender, args=(f"{folder}/s", seconds), daemon=True)
        process.start()
        socket.recv()
        counted = Count()
        while not socket.recv()[0]:
            counted.count += 1
        result = counted.stop()
        process.join()
        socket.close()
    return result


def array_handed_over(length: int, rounds: int) -> float:
    """Microseconds to hand an array of so many bytes to oneself: lent, marked, published, received and looked at."""
    bus = swarmbus.Bus.create(f"speed-{os.getpid()}", agents=8, heap="256MiB")
    try:
        with bus.attach("me") as me:
            began = time.perf_counter()
            for number in range(rounds):
                with me.loan(length) as loan:
                    array = loan.array("uint8")
                    array[0] = number & 127
                    del array
                    loan.publish("me")
                with me.recv() as msg:
                    array = msg.array("uint8")
                    assert array[0] == number & 127
                    del array
            return (time.perf_counter() - began) / rounds * 1e6
    finally:
        bus.destroy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    chosen = parser.parse_args()
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        "pyzmq": lambda: on_zmq(chosen.seconds),
        "views": lambda: on_bus(bus_sender, views, chosen.seconds),
        "recv_bytes": lambda: on_bus(bus_sender, copies, chosen.seconds),
        "recv_bytes_many": lambda: on_bus(batch_sender, batches, chosen.seconds),
        "recv_many": lambda: on_bus(batch_sender, batches_of_messages, chosen.seconds),
    }
    rates: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(chosen.rounds):
        for way, measure in ways.items():
            rates[way].append(measure())
    print(f"one way, {BYTES} bytes, {chosen.rounds} rounds of {chosen.seconds} s")
    for way, measured in rates.items():
        pairs = list(zip(measured, rates["pyzmq"], strict=True))
        ratio = statistics.median(mine / its for (mine, _), (its, _) in pairs)
        less = statistics.median(its / mine for (_, mine), (_, its) in pairs)
        median, computed = (statistics.median(figures) for figures in zip(*measured, strict=True))
        print(
            f"{way:16} {median:12,.0f} messages/s  {ratio:6.2f} x pyzmq   "
            f"receiver: {computed:6.0f} ns each, {less:5.2f} x less than pyzmq"
        )
    for length in (64, 1 << 10, 1 << 20, 16 << 20):
        print(f"array of {length:>9,} bytes handed over in {array_handed_over(length, 2000):6.2f} µs")


if __name__ == "__main__":
    main()
