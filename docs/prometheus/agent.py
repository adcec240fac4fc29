"""An agent of the swarm that check.py watches, `agent.py DUTY`: does something of all that is exported, without end."""

import contextlib
import sys
import time

import swarmbus


def ask(me: swarmbus.Agent) -> None:
    """Asks, publishes, holds a lock, loses messages and is refused, ten times a second."""
    number = 0
    while True:
        number += 1
        me.beat()
        with me.lock("files/**"):
            me.call("answerer-1", {"number": number}, timeout=60).release()
        me.publish("news", b"something new")
        me.send("jobs", b"a job")
        me.send("forgotten", b"nobody takes this in time", time_to_live=0.01)
        for _ in range(5):
            with contextlib.suppress(swarmbus.Full):
                me.send("stuck", b"nobody takes this", timeout=0)
        time.sleep(0.05)
        with contextlib.suppress(swarmbus.Timeout):
            me.recv_bytes(timeout=0.05, queue="forgotten")


def answer(me: swarmbus.Agent) -> None:
    """Answers, and works off jobs."""
    me.bus.declare_topic("news")
    news = me.subscribe("news")
    me.set_status("in_progress", task="to answer")
    while True:
        me.beat()
        with contextlib.suppress(swarmbus.Timeout), me.recv(timeout=1, queue=["answerer-1", "jobs"]) as message:
            if message.queue != "jobs":
                message.reply(b"yes")
        while news.try_recv() is not None:
            pass


def listen(me: swarmbus.Agent) -> None:
    """Takes what comes."""
    for _ in me:
        pass


def main() -> None:
    duty = {"ask": ask, "answer": answer, "listen": listen}[sys.argv[1]]
    with swarmbus.connect() as me, contextlib.suppress(swarmbus.Closed):
        while True:
            # Who answers may have been started anew.
            with contextlib.suppress(swarmbus.Timeout):
                duty(me)
            time.sleep(0.1)


main()
