"""A process of a trial, written in Python: `child.py RIVAL TRIAL SEAT`.

It speaks with the harness as its own processes do, in lines of JSON, and does the works of Python's face. A rival is a
module in `rivals/` with a class `End`, or with a function `pair` if its two ends must come from one process: the lead
forks the follower then.
"""

import ctypes
import importlib
import json
import multiprocessing
import os
import signal
import sys
import time

# The first eight bytes of a message are zero but in the last one; all others are alike.
WORD = 8
END = b"\xff" * WORD
# Short messages would be slowed by a look at the clock each: one in so many has one.
LOOKS_EVERY = 64
LONG = 4096


class Trial:
    """What a process has to know."""

    def __init__(self, text):
        fields = json.loads(text)
        self.one_way = fields["kind"] == "OneWay"
        self.bytes = fields["bytes"]
        self.polls = fields["manner"] == "polling"
        self.warm_up = seconds(fields["warm_up"])
        self.measured = seconds(fields["measured"])
        self.cores = fields["cores"]
        self.tag = fields["tag"]
        self.folder = fields["folder"]
        self.port = fields["port"]
        # Messages that fit between two processes, where a rival lets us say.
        self.depth = max(4, min(1024, (1 << 20) // self.bytes))


def seconds(duration):
    return duration["secs"] + duration["nanos"] / 1e9


def messages(trial):
    """A few messages to choose from: what is measured is their way, with a copy of each byte, not their making."""
    return [bytes(WORD) + bytes([byte]) * (trial.bytes - WORD) for byte in range(1, 5)]


def last_message(trial):
    return END + bytes(trial.bytes - WORD)


def one_way_lead(end, trial):
    """Receives, and measures from the end of the warm-up to the last message."""
    every = LOOKS_EVERY if trial.bytes < LONG else 1
    clock = time.perf_counter
    count = torn = base = 0
    first = began = None
    for data in end.messages():
        count += 1
        if data[WORD] != data[-1]:
            torn += 1
        if data[0]:
            break
        if began is None and count % every == 0:
            now = clock()
            first = now if first is None else first
            if now - first >= trial.warm_up:
                began, base = now, count
    ended = clock()
    if torn:
        raise ValueError(f"{torn} of {count} messages did not end as they began")
    if began is None:
        raise ValueError("no message came after the warm-up; measure for longer (--seconds)")
    return {"count": count - 1 - base, "rate": (count - 1 - base) / (ended - began)}


def one_way_follower(end, trial):
    """Sends as fast as it can."""
    every = LOOKS_EVERY if trial.bytes < LONG else 1
    choice = messages(trial)
    until = time.perf_counter() + trial.warm_up + trial.measured
    count = 0
    while time.perf_counter() < until:
        for index in range(every):
            end.send(choice[index & 3])
        count += every
    end.send(last_message(trial))
    end.flush()
    return {"count": count + 1}


def round_trip_lead(end, trial):
    """Asks and measures."""
    choice = messages(trial)
    clock = time.perf_counter_ns
    taken = []
    answers = end.messages()
    began = clock()
    warm = began + int(trial.warm_up * 1e9)
    until = warm + int(trial.measured * 1e9)
    count = 0
    while True:
        asked = clock()
        end.send(choice[count & 3])
        data = next(answers)
        now = clock()
        if data[WORD] != data[-1]:
            raise ValueError("a message did not end as it began")
        count += 1
        if now >= warm:
            taken.append(now - asked)
            if now >= until:
                break
    end.send(last_message(trial))
    end.flush()
    taken.sort()
    at = {
        name: float(taken[int(part * (len(taken) - 1))])
        for name, part in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
    }
    return {"count": len(taken), "latency": at}


def round_trip_follower(end, trial):
    """Answers."""
    choice = messages(trial)
    count = 0
    for data in end.messages():
        if data[0]:
            break
        if data[WORD] != data[-1]:
            raise ValueError("a message did not end as it began")
        end.send(choice[count & 3])
        count += 1
    return {"count": count}


def forked(end, trial, work):
    """The follower that the lead has forked: it ends with it, and goes to its core."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if trial.cores:
        os.sched_setaffinity(0, [trial.cores[1]])
    work(end, trial)


def say(word):
    print(json.dumps(word), flush=True)


def listen():
    if not sys.stdin.readline():
        sys.exit("the harness has given up")


def live(rival, trial, seat):
    is_lead = seat == "lead"
    module = importlib.import_module(f"rivals.{rival}")
    works = (one_way_lead, one_way_follower) if trial.one_way else (round_trip_lead, round_trip_follower)
    say("Up")
    listen()
    other = None
    if not hasattr(module, "pair"):
        end = module.End(trial, is_lead)
    elif is_lead:
        end, theirs = module.pair(trial)
        other = multiprocessing.get_context("fork").Process(target=forked, args=(theirs, trial, works[1]), daemon=True)
    else:
        end = None
    say("Ready")
    listen()
    if other:
        other.start()
    if end is None:
        say({"Done": {"count": 0}})
    else:
        if hasattr(end, "settle"):
            end.settle()
        say({"Done": works[not is_lead](end, trial)})
    # Others may still need what this process holds: the harness says when all is over.
    sys.stdin.readline()
    if hasattr(end, "close"):
        end.close()
    # Nothing that a rival's library does at its end is part of the work.
    os._exit(0)


if __name__ == "__main__":
    try:
        live(sys.argv[1], Trial(sys.argv[2]), sys.argv[3])
    except Exception as error:
        say({"Failed": f"{sys.argv[3]}: {type(error).__name__}: {error}"})
        os._exit(1)
