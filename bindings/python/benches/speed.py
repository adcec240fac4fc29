"""How fast the Python face is, beside what else Python has: `python benches/speed.py [--rounds N] [--seconds S]`.

One way and round trip between two processes that sleep until something comes (or poll, where it says so). Every way
runs in each round, one after the other; what is shown is the median of the rounds, and of the ratios to pyzmq in the
same round, which a busy machine disturbs less. Then arrays of NumPy are handed over: where they lie, what that takes.

The rivals: pip install -r benches/peers/python/requirements.txt (and numpy for the arrays). Who is not installed is
named and left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import arrays
from ways import MEASURE, WAYS, Way, child

import swarmbus

CONTEXT = multiprocessing.get_context("fork")
WORKS = ("one-way", "round-trip", "arrays")
MESSAGE_BYTES = 64
PATIENCE_S = 60.0
PORT = 17_447

Sample = dict[str, float]


class Failed(Exception):
    """A trial came to nothing."""


def trial_of(way: Way, one_way: bool, folder: str, tag: str, chosen: argparse.Namespace) -> Any:
    def duration(seconds: float) -> dict[str, int]:
        return {"secs": int(seconds), "nanos": int(seconds % 1 * 1e9)}

    fields = {
        "kind": "OneWay" if one_way else "RoundTrip",
        "bytes": MESSAGE_BYTES,
        "manner": "polling" if way.polls else "blocking",
        "warm_up": duration(chosen.seconds / 5),
        "measured": duration(chosen.seconds),
        "cores": None,
        "tag": tag,
        "folder": folder,
        "port": PORT + os.getpid() % 10_000,
    }
    return child.Trial(json.dumps(fields))


def live(seat: int, way: Way, one_way: bool, trial: Any, ends: Any, both: Any, result: Connection) -> None:
    """One of the two processes of a trial."""
    try:
        end = ends[seat] if ends else way.end().End(trial, seat == 0)
        both.wait(PATIENCE_S)
        if hasattr(end, "settle"):
            end.settle()
        computed = time.process_time()
        said = way.works(one_way)[seat](end, trial)
        said["computed"] = time.process_time() - computed
        result.send(said)
        # The other may still need what this process holds.
        both.wait(PATIENCE_S)
        if hasattr(end, "close"):
            end.close()
    except Exception as error:
        both.abort()
        result.send(f"{type(error).__name__}: {error}")
    # Nothing that a rival's library does at its end is part of the work.
    os._exit(0)


def run_pair(start: Callable[[int, Connection], Any], patience_s: float) -> list[Any]:
    """Starts two processes and returns what each of them says."""
    pipes = [CONTEXT.Pipe(duplex=False) for _ in range(2)]
    processes = [start(seat, pipe[1]) for seat, pipe in enumerate(pipes)]
    try:
        for _, sink in pipes:
            sink.close()
        said: list[Any] = [None, None]
        silent: dict[Any, int] = {source: seat for seat, (source, _) in enumerate(pipes)}
        until = time.monotonic() + patience_s
        while silent:
            speaking = wait(silent, max(0.0, until - time.monotonic()))
            if not speaking:
                raise Failed(f"it came to no end in {patience_s:.0f} s")
            source: Any
            for source in speaking:
                seat = silent.pop(source)
                try:
                    said[seat] = source.recv()
                except EOFError:
                    raise Failed("a process died") from None
                if isinstance(said[seat], str):
                    raise Failed(said[seat])
        for process in processes:
            process.join(10.0)
        return said
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
            process.join()
        for source, _ in pipes:
            source.close()


def on_new_bus(tag: str, work: Callable[[swarmbus.Bus], Any]) -> Any:
    bus = swarmbus.Bus.create(tag, agents=8, heap="1GiB")
    try:
        return work(bus)
    finally:
        bus.destroy()
        # A process of iceoryx2's that does not take its leave leaves its files.
        for path in Path("/dev/shm").glob(f"{tag}-*"):
            path.unlink(missing_ok=True)


def trial(way: Way, one_way: bool, chosen: argparse.Namespace) -> Sample:
    """One way of sending, for one round."""
    tag = f"speed-{os.getpid()}"
    with tempfile.TemporaryDirectory() as folder:
        what = trial_of(way, one_way, folder, tag, chosen)

        def pair(bus: swarmbus.Bus) -> list[Any]:
            for name in ("lead", "follower-0"):
                # A batch counts as one message: few of them, or they fill more memory than a cache holds.
                bus.declare(name, limit=8 if way.in_batches else what.depth)
            both = CONTEXT.Barrier(2)
            module: Any = way.end() if way.needs is None else None
            ends = module.pair(what) if hasattr(module, "pair") else None

            def start(seat: int, result: Connection) -> Any:
                given = (seat, way, one_way, what, ends, both, result)
                process = CONTEXT.Process(target=live, args=given, daemon=True)
                process.start()
                return process

            return run_pair(start, chosen.seconds * 2 + PATIENCE_S)

        lead, follower = on_new_bus(tag, pair)
    sample = {
        "receiver_ns": lead["computed"] / follower["count"] * 1e9,
        "sender_ns": follower["computed"] / follower["count"] * 1e9,
    }
    if one_way:
        return sample | {"rate": lead["rate"]}
    return sample | {"p50_us": lead["latency"]["p50"] / 1000, "p99_us": lead["latency"]["p99"] / 1000}


def hand_over() -> list[dict[str, Any]]:
    """Arrays, from one process to another."""

    def pair(bus: swarmbus.Bus) -> list[Any]:
        for name in ("sender", "receiver"):
            bus.declare(name)

        def play(seat: int, result: Connection) -> None:
            try:
                play_part = arrays.measure if seat else arrays.answer_all
                result.send(play_part(bus.name))
            except Exception as error:
                result.send(f"{type(error).__name__}: {error}")
            os._exit(0)

        def start(seat: int, result: Connection) -> Any:
            process = CONTEXT.Process(target=play, args=(seat, result), daemon=True)
            process.start()
            return process

        return run_pair(start, PATIENCE_S)

    measured: list[dict[str, Any]] = on_new_bus(f"speed-{os.getpid()}", pair)[1]
    return measured


def summary(samples: list[Sample], measure: list[Sample] | None) -> Sample:
    """Medians of the rounds, and of the ratios to the measure's in the same round: above 1 is better."""
    medians = {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}
    if measure and len(measure) == len(samples):
        better = (
            mine["rate"] / its["rate"] if "rate" in mine else its["p50_us"] / mine["p50_us"]
            for mine, its in zip(samples, measure, strict=True)
        )
        medians["ratio"] = statistics.median(better)
    return medians


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def all_rounds(ways: list[Way], one_way: bool, chosen: argparse.Namespace, failed: dict[str, str]) -> dict[str, Sample]:
    taken: dict[str, list[Sample]] = {way.name: [] for way in ways}
    for number in range(1, chosen.rounds + 1):
        for way in ways:
            if way.name in failed:
                continue
            try:
                sample = trial(way, one_way, chosen)
            except Failed as error:
                failed[way.name] = str(error)
                progress(f"{way.name}: {error}")
                continue
            taken[way.name].append(sample)
            said = f"{sample['rate']:12,.0f} messages/s" if one_way else f"{sample['p50_us']:12,.1f} µs"
            progress(f"round {number} of {chosen.rounds}  {way.name:17}{said}")
    whole = {name: samples for name, samples in taken.items() if name not in failed}
    return {name: summary(samples, whole.get(MEASURE)) for name, samples in whole.items()}


def show(ways: list[Way], results: dict[str, Any]) -> None:
    heads = {"one-way": "one way, messages/s", "round-trip": "round trip, µs (half, 99 %)"}
    for work, head in heads.items():
        if work not in results:
            continue
        print(f"\n{head:32} {'beside ' + MEASURE:>13}  computing, ns: receiver, sender")
        for way in ways:
            found = results[work].get(way.name)
            if found is None:
                continue
            if work == "one-way":
                figure = f"{found['rate']:14,.0f}"
            else:
                figure = f"{found['p50_us']:7,.1f} {found['p99_us']:6,.0f}"
            ratio = f"{found['ratio']:.2f} x" if "ratio" in found else ""
            print(f"{way.name:17} {figure:14} {ratio:>13}  {found['receiver_ns']:14,.0f} {found['sender_ns']:8,.0f}")
    if "arrays" in results:
        print("\narrays handed over, there and an answer back; the same sent, which copies")
        for one in results["arrays"]:
            where = f"at {one['sender']['offset']:#x} of the bus, both" if one["same_bytes"] else "NOT THE SAME BYTES"
            print(f"{one['bytes']:>12,} bytes {one['handed_over_us']:8.1f} µs {one['sent_us']:10.1f} µs   {where}")
            print(f"{'':18} sender sees {one['sender']['address']:#x}, receiver {one['receiver']['address']:#x}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="measured in each trial, after a fifth for warming up"
    )
    parser.add_argument("--only", metavar="WAY,…", help=f"of: {', '.join(way.name for way in WAYS)}")
    parser.add_argument("--work", metavar="WORK,…", default=",".join(WORKS), help=f"of: {', '.join(WORKS)}")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    chosen = parser.parse_args()
    names = chosen.only.split(",") if chosen.only else [way.name for way in WAYS]
    works = chosen.work.split(",")
    unknown = [*(set(names) - {way.name for way in WAYS}), *(set(works) - set(WORKS))]
    if unknown:
        parser.error(f"no such way or work: {', '.join(sorted(unknown))}")
    wanted = [way for way in WAYS if way.name in names]
    ways = [way for way in wanted if way.is_here()]
    left_out = {way.name: f"not installed (module {way.needs})" for way in wanted if not way.is_here()}
    for name, why in left_out.items():
        progress(f"{name}: left out, {why}")
    results: dict[str, Any] = {}
    for work in WORKS[:2]:
        if work in works:
            one_way = work == "one-way"
            failed: dict[str, str] = {}
            results[work] = all_rounds([way for way in ways if one_way or not way.in_batches], one_way, chosen, failed)
            left_out |= {f"{name}, {work}": why for name, why in failed.items()}
    if "arrays" in works:
        if importlib.util.find_spec("numpy"):
            results["arrays"] = hand_over()
        else:
            left_out["arrays"] = "not installed (module numpy)"
    if chosen.output == "json":
        settings = {"rounds": chosen.rounds, "seconds": chosen.seconds, "bytes": MESSAGE_BYTES, "measure": MEASURE}
        print(json.dumps({"settings": settings, "left_out": left_out, **results}, indent=2))
    else:
        show(ways, results)
        for name, why in left_out.items():
            print(f"left out: {name}: {why}")


if __name__ == "__main__":
    main()
