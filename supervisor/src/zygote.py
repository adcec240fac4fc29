"""Imports what a pool needs once, and forks its agents on request.

Standard input is a socket to the supervisor. A request is a line of JSON: a list of agents, each with its slot, arguments, variables and
log. The answer is a line for each: its slot and its process, or why there is none. The end of the socket is the end of this process.

Agents are forked by a child that ends at once, so that they fall to the supervisor, the nearest subreaper, which can then wait for them. The
answer is given after that.

What makes a fork dear is the pages that are written after it, by the agent and by the process that goes on to fork: each is copied once for every
agent. Objects that Python so much as looks at are written to. So whatever agents would do in the same way is done before: the program is compiled,
its module is there, variables that all have are set; and what happens for each agent is as little as can be. For the same reason an agent that has
done what it was for does not let go of everything that the interpreter has: it would write to all of it.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import socket
import sys
import threading
import types


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
    log = os.open(agent["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    set_variables(agent["env"])
    # Python's own generator is seeded anew after a fork; NumPy's is not.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def set_variables(pairs):
    """Sets variables, or takes them away."""
    for name, value in pairs:
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def prepare(agents):
    """Sets the variables that all have, and leaves each its own."""
    pairs = [{(name, value) for name, value in agent["env"]} for agent in agents]
    common = set.intersection(*pairs) if pairs else set()
    set_variables(common)
    for agent, own in zip(agents, pairs, strict=True):
        agent["env"] = list(own - common)
    gc.freeze()


def fork_all(agents, answers):
    """Forks the agents and reports them. Returns in each of them, with the agent; never in the process that forks."""
    prepare(agents)
    for agent in agents:
        try:
            pid = os.fork()
        except OSError as error:
            report = json.dumps({"slot": agent["slot"], "error": str(error)}).encode() + b"\n"
        else:
            if pid == 0:
                os.close(answers)
                return agent
            # Whoever is first: the group must be there before the supervisor hears of it.
            try:
                os.setpgid(pid, pid)
            except OSError:
                pass
            report = b'{"slot":%d,"pid":%d}\n' % (agent["slot"], pid)
        os.write(answers, report)
    os._exit(0)


def compiled(name, known):
    """A program and the state of its file that it was compiled from; `known` if the file is as it was. None: it cannot be compiled, and why is to
    stand in the logs of its agents."""
    try:
        meta = os.stat(name)
        state = (meta.st_ino, meta.st_mtime_ns, meta.st_size)
        if known is not None and known[1] == state:
            return known
        with open(name, "rb") as file:
            return compile(file.read(), name, "exec"), state
    except Exception:
        return None


def serve(control, name):
    """Answers requests until the supervisor has gone. Returns in each agent: what it is to be; if `name` is that of a script,
    its code; and what else was asked for, which the agent is to hold on to, since letting it go would be to write to it."""
    rest, program = b"", None
    while True:
        agents, rest = receive(control, rest)
        if agents is None:
            os._exit(0)
        if name is not None:
            program = compiled(name, program)
        reader, answers = os.pipe()
        between = os.fork()
        if between == 0:
            os.close(reader)
            control.close()
            agent = fork_all(agents, answers)
            become(agent)
            return agent, program, agents
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
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    # An agent's `__main__`; that of the zygote is held on to, since letting it go would be to write to all that it has.
    _ours, theirs = sys.modules["__main__"], types.ModuleType("__main__")
    theirs.__file__, theirs.__builtins__ = name, __builtins__
    threads = len(os.listdir("/proc/self/task"))
    control.sendall(json.dumps({"ready": True, "threads": threads}).encode() + b"\n")
    sys.stdout.flush()
    agent, program, _others = serve(control, None if kind == "module" else name)
    sys.modules["__main__"] = theirs
    sys.argv = [name, *agent["args"]]
    try:
        if kind == "module":
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        else:
            if program is None:
                with open(name, "rb") as file:
                    program = compile(file.read(), name, "exec"), None
            exec(program[0], theirs.__dict__)
    except SystemExit as ended:
        if not isinstance(ended.code, (int, types.NoneType)):
            raise
        leave(ended.code or 0, theirs)
    leave(0, theirs)


def leave(code, program):
    """Ends as an interpreter does: with its threads, what is to be done at the end, and what the program itself has left, such as open files. The
    kernel clears up the rest."""
    threading._shutdown()
    atexit._run_exitfuncs()
    program.__dict__.clear()
    # What the zygote had is frozen and not looked at.
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    os._exit(code & 0xFF)


main((sys.argv[1], sys.argv[2]), sys.argv[3:])
