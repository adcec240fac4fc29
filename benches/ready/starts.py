"""A start of the interpreter for each agent: `starts.py AGENTS`."""

import os
import pathlib
import subprocess
import sys

command = [sys.executable, str(pathlib.Path(__file__).with_name("agent.py"))]
names = [f"w-{number}" for number in range(1, int(sys.argv[1]) + 1)]
agents = [subprocess.Popen(command, env={**os.environ, "SWARMBUS_AGENT": name}) for name in names]
for agent in agents:
    agent.wait()
