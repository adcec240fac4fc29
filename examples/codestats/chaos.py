"""Kills agents at the worst moment: while they hold a message."""

import os
import random
import signal
import time
from collections.abc import Collection
from pathlib import Path

import swarmbus


def kill_holder(bus: swarmbus.Bus, spared: Collection[str]) -> swarmbus.MemberInfo | None:
    """Kills an agent that holds a message and is not one of `spared`; None if there is none at this moment."""
    holders = [member for member in bus.members() if member.in_flight and member.agent not in spared]
    for member in random.sample(holders, len(holders)):
        try:
            process = os.pidfd_open(member.pid)
        except ProcessLookupError:
            continue
        try:
            # What was seen a moment ago may be done by now, so the process is stopped before the second look.
            signal.pidfd_send_signal(process, signal.SIGSTOP)
            wait_until_stopped(member.pid)
            if holds_message(bus, member):
                signal.pidfd_send_signal(process, signal.SIGKILL)
                return member
            signal.pidfd_send_signal(process, signal.SIGCONT)
        except ProcessLookupError:
            continue
        finally:
            os.close(process)
    return None


def wait_until_stopped(pid: int) -> None:
    """Returns when the process is stopped, or on its way out."""
    while True:
        try:
            # The state follows the name, which stands in parentheses and may hold anything.
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            raise ProcessLookupError(pid) from None
        if state in "TZX":
            return
        time.sleep(0.001)


def holds_message(bus: swarmbus.Bus, seen: swarmbus.MemberInfo) -> bool:
    """Whether the member that was seen is still there and holds a message now."""
    return any(
        (member.index, member.incarnation) == (seen.index, seen.incarnation) and member.in_flight
        for member in bus.members()
    )
