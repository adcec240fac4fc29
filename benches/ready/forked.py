"""What a process imports before it forks agents, and what it does in each."""

import os
import pathlib
import pkgutil  # noqa: F401 (multiprocessing imports it in each agent otherwise)

import swarmbus  # noqa: F401 (it is there in the agents)

PROGRAM = compile(pathlib.Path(__file__).with_name("agent.py").read_bytes(), "agent.py", "exec")


def be_agent(name: str) -> None:
    """Runs in the agent's process."""
    os.environ["SWARMBUS_AGENT"] = name
    exec(PROGRAM, {"__name__": "__main__"})
