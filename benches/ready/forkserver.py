"""Agents as processes of multiprocessing's fork server, which has imported what they need: `forkserver.py AGENTS`."""

import multiprocessing
import sys

if __name__ == "__main__":
    import forked

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["forked"])
    names = [f"w-{number}" for number in range(1, int(sys.argv[1]) + 1)]
    agents = [context.Process(target=forked.be_agent, args=(name,)) for name in names]
    for agent in agents:
        agent.start()
    for agent in agents:
        agent.join()
