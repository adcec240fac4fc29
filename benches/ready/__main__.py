"""How long until a swarm is ready: every agent is attached to the bus and has answered its first message.

    python benches/ready                                       # 700 agents, in each of five ways, three rounds
    python benches/ready --ways up,bare --rounds 9 -o json
    python benches/ready --ways native --agents 2000 --drain   # and back: drained until nothing is left

The interpreter that runs this is that of the agents: it must have the package swarmbus. The ways take turns, so
that what else the machine does meets all of them. A time begins when the first process is started, an interpreter
or `swarmbus up`, and ends with the last answer. `up` makes the bus in that time; the others find it made. Processor
time is that of all processes of a way until they are ready (not of this one, which only asks): they are killed
then, and the kernel says what they took. With `--drain` they end as `up` ends them, and it is that of their whole
lives.
"""

import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import swarmbus

HERE = pathlib.Path(__file__).parent
WAYS = {
    "up": 'swarmbus up, preload = ["swarmbus"]',
    "bare": "a process that has imported swarmbus and forks",
    "forkserver": "multiprocessing, forkserver",
    "python": "an interpreter for each",
    "native": "swarmbus up, agents in Rust",
}
SCRIPTS = {"bare": "bare.py", "forkserver": "forkserver.py", "python": "starts.py"}
PATIENCE_S = 300
PR_SET_CHILD_SUBREAPER = 36


class Problem(Exception):
    """What is wrong, and what to do about it."""


def topology(bus: str, way: str, options: argparse.Namespace) -> str:
    """What `swarmbus up` is given."""
    native = way == "native"
    command = [options.native] if native else [sys.executable, str(HERE / "agent.py")]
    lines = [
        f'[bus]\nname = {json.dumps(bus)}\nqueues = ["coordinator"]',
        f"limit = {max(1000, options.agents)}",
        f"[pool.w]\nsize = {options.agents}",
        f"command = {json.dumps([*command, 'answer'] if native else command)}",
        "" if native else 'preload = ["swarmbus"]',
    ]
    return "\n".join(lines) + "\n"


def made(bus: str, starter: "subprocess.Popen[bytes]") -> swarmbus.Bus:
    """The bus that `up` makes, as soon as the queue of answers is there."""
    begun = time.monotonic()
    while time.monotonic() < begun + PATIENCE_S and starter.poll() is None:
        with contextlib.suppress(swarmbus.Error):
            opened = swarmbus.open(bus)
            if any(queue.name == "coordinator" for queue in opened.queues()):
                return opened
        time.sleep(0.001)
    raise Problem("no bus came to be")


def coordinate(me: swarmbus.Agent, agents: int, starter: "subprocess.Popen[bytes]") -> None:
    """Gives each agent that comes a task, until all have answered."""
    answered, heard = 0, time.monotonic()
    while answered < agents:
        try:
            message = me.recv(1, queue="coordinator")
        except swarmbus.Timeout:
            if starter.poll() is None and time.monotonic() < heard + PATIENCE_S:
                continue
            raise Problem(f"only {answered} of {agents} agents have answered") from None
        heard = time.monotonic()
        with message:
            if bytes(message) == b"ready":
                me.send(message.sender, b"task")
            else:
                answered += 1


def descendants(pid: int) -> Iterator[int]:
    """The processes that a process has started, and theirs."""
    with contextlib.suppress(OSError):
        for child in (pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()).split():
            yield int(child)
            yield from descendants(int(child))


def end_all() -> None:
    """Kills whatever this process has started, and waits for it. It is their subreaper, so none gets away."""
    while True:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            # Whoever lost its parent just now is ours, and is killed in the next turn.
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            time.sleep(0.005)
        except ChildProcessError:
            return


def cpu_s() -> float:
    """Processor time of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(way: str, options: argparse.Namespace, folder: pathlib.Path) -> dict[str, float]:
    """One way, once."""
    bus = f"ready-{os.getpid()}"
    environment = {**os.environ, "SWARMBUS": bus, "PYTHONPATH": str(HERE)}
    supervised = way not in SCRIPTS
    if supervised:
        (folder / "swarm.toml").write_text(topology(bus, way, options))
        command = [options.swarmbus, "up", str(folder / "swarm.toml")]
    else:
        command = [sys.executable, str(HERE / SCRIPTS[way]), str(options.agents)]
        limit = max(1000, options.agents)
        swarmbus.open(bus, create=True, agents=options.agents + 64, limit=limit).declare("coordinator", limit=limit)
    used, begun = cpu_s(), time.monotonic()
    said = folder / "said"
    with said.open("wb") as log:
        starter = subprocess.Popen(command, env=environment, stderr=log)
    try:
        opened = made(bus, starter) if supervised else swarmbus.open(bus)
        with opened.attach("asker") as me:
            coordinate(me, options.agents, starter)
            taken = {"ready_ms": (time.monotonic() - begun) * 1e3}
        if options.drain:
            begun = time.monotonic()
            drained = subprocess.run([options.swarmbus, "drain", bus], stdout=subprocess.DEVNULL, check=False)
            if drained.returncode != 0 or starter.wait(PATIENCE_S) != 0 or bus in swarmbus.buses():
                raise Problem("the drain has failed, or something is left")
            taken["drained_ms"] = (time.monotonic() - begun) * 1e3
    except Problem as problem:
        raise Problem(f"{way}: {problem}; it said:\n{said.read_text(errors='replace')[-2000:]}") from None
    finally:
        end_all()
        used = cpu_s() - used
        if bus in swarmbus.buses():
            subprocess.run([options.swarmbus, "down", bus], capture_output=True, check=False)
        with contextlib.suppress(swarmbus.UnknownBus):
            swarmbus.remove(bus)
    return {**taken, "cpu_ms": used * 1e3}


def measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """All rounds, by way."""
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in options.ways}
    with tempfile.TemporaryDirectory(prefix="swarmbus-ready") as folder:
        for _ in range(options.rounds):
            for way in options.ways:
                taken[way].append(run(way, options, pathlib.Path(folder)))
    ways = {}
    for way, rounds in taken.items():
        middle = {key: round(statistics.median(of[key] for of in rounds), 1) for key in rounds[0]}
        ways[way] = {**middle, "rounds_ms": [round(of["ready_ms"], 1) for of in rounds]}
    return ways


def arguments() -> argparse.Namespace:
    """What is to be measured, and with what."""
    parser = argparse.ArgumentParser(prog="ready", description="How long until a swarm is ready.")
    parser.add_argument("--agents", type=int, default=700, help="how many (700)")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the middle counts (3)")
    parser.add_argument("--ways", default=",".join(WAYS), help="which, of " + ", ".join(WAYS))
    parser.add_argument("--drain", action="store_true", help="let them end as `swarmbus drain` does; ways of `up` only")
    parser.add_argument("--swarmbus", default="target/release/swarmbus", help="the command (target/release/swarmbus)")
    parser.add_argument(
        "--native",
        default="target/release/examples/agent",
        help="the agent in Rust: cargo build --release -p swarmbus-supervisor --examples",
    )
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    options = parser.parse_args()
    options.ways = options.ways.split(",")
    if unknown := [way for way in options.ways if way not in WAYS]:
        parser.error(f"no way {unknown[0]!r}: there are {', '.join(WAYS)}")
    if options.drain and any(way in SCRIPTS for way in options.ways):
        parser.error("only what `swarmbus up` has started can be drained: --ways up,native")
    for name in ["swarmbus"] + ["native"] * ("native" in options.ways):
        found = shutil.which(getattr(options, name))
        if not found:
            parser.error(f"{getattr(options, name)} is not there: build it, or name it with --{name}")
        setattr(options, name, str(pathlib.Path(found).absolute()))
    return options


def main() -> None:
    """Measures, and tells."""
    options = arguments()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Whoever is told to end ends what it has started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        told = measure(options)
    except Problem as problem:
        sys.exit(f"error: {problem}")
    if options.output == "json":
        print(json.dumps({"agents": options.agents, "rounds": options.rounds, "ways": told}))
        return
    print(f"{options.agents} agents, the middle of {options.rounds}:")
    for way, times in told.items():
        drained = f", drained in {times['drained_ms']:.0f} ms" if "drained_ms" in times else ""
        ready = f"{times['ready_ms']:>7.0f} ms  {times['cpu_ms']:>7.0f} ms of a processor"
        print(f"{way:<11}{ready}{drained}  ({WAYS[way]})")


main()
