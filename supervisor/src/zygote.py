"""Imports what a pool needs once, and forks its agents on request.

Standard input is a socket to the supervisor. A request is a line of JSON: a list of agents, each with its slot, arguments, variables and
log. The answer is a line for each: its slot and its process, or why there is none. The end of the socket is the end of this process.

Agents are forked by a child that ends at once, so that they fall to the supervisor, the nearest subreaper, which can then wait for them. The
answer is given after that.
"""

import gc
import importlib
import json
import os
import runpy
import socket
import sys


def receive(control, rest):
    """Waits for whole lines: the agents asked for, and the beginning of the next line; None at the end."""
    while b"\n" not in rest:
        more = control.recv(1 << 20)
        if not more:
            return None, b""
        rest += more
    lines, rest = rest.rsplit(b"\n", 1)
    return [agent for line in lines.split(b"\n") for agent in json.loads(line)], rest


def become(agent):
    """Turns the forked process into the agent: its group, output and variables."""
    os.setpgid(0, 0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    log = os.open(agent["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)
    for name, value in agent["env"]:
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    # Python's own generator is seeded anew after a fork; NumPy's is not.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def fork_all(agents, answers):
    """Forks the agents and reports them. Returns in each of them, with the agent; never in the process that forks."""
    for agent in agents:
        try:
            pid = os.fork()
        except OSError as error:
            report = {"slot": agent["slot"], "error": str(error)}
        else:
            if pid == 0:
                os.close(answers)
                return agent
            # Whoever is first: the group must be there before the supervisor hears of it.
            try:
                os.setpgid(pid, pid)
            except OSError:
                pass
            report = {"slot": agent["slot"], "pid": pid}
        os.write(answers, json.dumps(report).encode() + b"\n")
    os._exit(0)


def serve(control):
    """Answers requests until the supervisor has gone. Returns in each agent, with what it is to run."""
    rest = b""
    while True:
        agents, rest = receive(control, rest)
        if agents is None:
            os._exit(0)
        reader, answers = os.pipe()
        between = os.fork()
        if between == 0:
            os.close(reader)
            control.close()
            agent = fork_all(agents, answers)
            become(agent)
            return agent
        os.close(answers)
        with os.fdopen(reader, "rb") as pipe:
            reports = pipe.read()
        os.waitpid(between, 0)
        control.sendall(reports)


def main(target, preload):
    """Imports, serves, and in each agent runs the program."""
    kind, name = target
    os.environ.pop("SWARMBUS_ZYGOTE", None)
    sys.path[0] = os.getcwd() if kind == "module" else os.path.dirname(os.path.abspath(name))
    for module in preload:
        importlib.import_module(module)
    # What is there now is never collected, so that its pages stay shared.
    gc.collect()
    gc.freeze()
    control = socket.socket(fileno=os.dup(0))
    threads = len(os.listdir("/proc/self/task"))
    control.sendall(json.dumps({"ready": True, "threads": threads}).encode() + b"\n")
    sys.stdout.flush()
    agent = serve(control)
    sys.argv = [name, *agent["args"]]
    if kind == "module":
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    with open(name, "rb") as file:
        code = compile(file.read(), name, "exec")
    namespace = sys.modules["__main__"].__dict__
    for key in [key for key in namespace if not key.startswith("__")]:
        del namespace[key]
    namespace["__file__"] = name
    exec(code, namespace)


main((sys.argv[1], sys.argv[2]), sys.argv[3:])
