"""The least that a zygote can do, `bare.py AGENTS`: imports once, and forks. No supervision, no logs, no groups."""

import os
import sys

import forked

for number in range(1, int(sys.argv[1]) + 1):
    if os.fork() == 0:
        forked.be_agent(f"w-{number}")
        sys.exit()
for _ in range(int(sys.argv[1])):
    os.wait()
