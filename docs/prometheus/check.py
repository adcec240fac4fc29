#!/usr/bin/env python3
"""Watches a real swarm with a real Prometheus: check.py SWARMBUS FOLDER.

Every expression of the rules and dashboards is asked for over Prometheus' HTTP API and must have an answer. Then
things go wrong in earnest (agents are killed, one is stopped, queues fill, the supervisor is killed, the bus is
destroyed), and the alerts for that must fire. The interpreter that runs this runs the agents, too, so it must have the
package swarmbus. Everything happens in FOLDER and on a bus of its own; nothing stays but logs there.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SWARMBUS, FOLDER = sys.argv[1], Path(sys.argv[2])
BUS = f"check-metrics-{os.getpid()}"
# A guard against hangs. The longest threshold of the rules that are made to fire is 2 minutes.
PATIENCE_S = 300

TOPOLOGY = f"""
[bus]
name = "{BUS}"
heap = "64MiB"
limit = 40
queues = ["jobs", "stuck", "forgotten"]
[metrics]
listen = "127.0.0.1:0"
agents = true
[pool.asker]
command = ["{sys.executable}", "{HERE}/agent.py", "ask"]
size = 1
depends_on = ["answerer"]
[pool.answerer]
command = ["{sys.executable}", "{HERE}/agent.py", "answer"]
size = 1
[pool.listener]
command = ["{sys.executable}", "{HERE}/agent.py", "listen"]
size = 2
[pool.victim]
command = ["{SWARMBUS}", "recv", "--follow"]
size = 2
restart = {{ policy = "always", first = "100ms", most = "100ms", failures = 1000 }}
"""

# What fires by what is done below, and needs no more than that.
BY_FAULTS = {
    "SwarmbusAgentsRestarting",
    "SwarmbusPoolRestarting",
    "SwarmbusAgentStalled",
    "SwarmbusQueueFilling",
    "SwarmbusQueueFull",
    "SwarmbusQueueNotTaken",
    "SwarmbusSendsRefused",
    "SwarmbusDeadLetters",
    "SwarmbusMessagesDropped",
    "SwarmbusMailboxFilling",
    "SwarmbusMailboxWithoutAgent",
}


def say(text: str) -> None:
    print(text, flush=True)


def wait_for(what: str, so: Callable[[], Any]) -> Any:
    begun = time.monotonic()
    while not (found := so()):
        if time.monotonic() - begun > PATIENCE_S:
            sys.exit(f"check.py: waited in vain for {what}")
        time.sleep(0.5)
    return found


def run(*words: str) -> str:
    done = subprocess.run([SWARMBUS, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"check.py: swarmbus {' '.join(words)}: {done.stderr}")
    return done.stdout


@contextmanager
def swarm() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A supervisor with its swarm, and the address of its exporter."""
    (FOLDER / "swarm.toml").write_text(TOPOLOGY)
    log = (FOLDER / "up.log").open("w")
    supervisor = subprocess.Popen([SWARMBUS, "up", "swarm.toml", "--quiet"], cwd=FOLDER, stdout=log, stderr=log)
    printed = Path(os.environ["XDG_RUNTIME_DIR"]) / "swarmbus" / BUS / "metrics.out"
    try:
        wait_for("the exporter", lambda: supervisor.poll() is None and printed.exists() and "\n" in printed.read_text())
        yield supervisor, printed.read_text().split()[0]
    finally:
        subprocess.run([SWARMBUS, "down", BUS], capture_output=True, check=False)
        supervisor.kill()
        supervisor.wait()


class Prometheus:
    """A Prometheus that looks each second and waits for nothing before an alert fires."""

    def __init__(self, exporter: str) -> None:
        rules = re.sub(r"for: \w+", "for: 1s", (HERE / "swarmbus.rules.yml").read_text())
        (FOLDER / "rules.yml").write_text(rules)
        target = exporter.removeprefix("http://").removesuffix("/metrics")
        (FOLDER / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            "rule_files: [rules.yml]\n"
            f"scrape_configs: [{{job_name: swarmbus, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        self.log = (FOLDER / "prometheus.log").open("w")
        words = [
            "prometheus",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:0",
        ]
        self.process = subprocess.Popen(words, cwd=FOLDER, stdout=self.log, stderr=self.log)
        found = wait_for("Prometheus to listen", self.port)
        self.address = f"http://127.0.0.1:{found}/api/v1"

    def port(self) -> str | None:
        # Prometheus tells port 0 as it was asked for; the system knows which it is.
        found = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
        line = next((line for line in found.splitlines() if f"pid={self.process.pid}," in line), None)
        return line.split()[3].rsplit(":", 1)[1] if line else None

    def get(self, what: str, **parameters: str) -> Any:
        try:
            with urllib.request.urlopen(
                f"{self.address}/{what}?{urllib.parse.urlencode(parameters)}", timeout=60
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            sys.exit(f"check.py: {what} {parameters}: {json.load(error)['error']}")

    def query(self, expr: str) -> list[Any]:
        found: list[Any] = self.get("query", query=expr)["result"]
        return found

    def evaluated(self) -> list[Any] | None:
        """The rules, as soon as each was evaluated; one that cannot be is an end."""
        rules = [rule for group in self.get("rules")["groups"] for rule in group["rules"]]
        bad = [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] == "err"]
        if bad:
            sys.exit(f"check.py: rules that cannot be evaluated: {bad}")
        return rules if all(rule["health"] == "ok" for rule in rules) else None

    def firing(self) -> dict[str, list[Any]]:
        alerts = [alert for alert in self.get("alerts")["alerts"] if alert["state"] == "firing"]
        return {
            name: [a for a in alerts if a["labels"]["alertname"] == name]
            for name in {a["labels"]["alertname"] for a in alerts}
        }

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()


def panels() -> Iterator[tuple[str, str]]:
    for name in ("swarm", "bus", "host"):
        for panel in json.loads((HERE / f"{name}.json").read_text())["panels"]:
            for target in panel["targets"]:
                yield (
                    f"{name}: {panel['title']}",
                    target["expr"].replace("$__rate_interval", "30s").replace("$bus", BUS),
                )


def check_expressions(prometheus: Prometheus) -> None:
    """All of them are understood, and those of dashboards and all metrics that are named anywhere have data."""
    rules = wait_for("all rules to be evaluated", prometheus.evaluated)
    shown = list(panels())
    for rule in rules:
        prometheus.query(rule["query"])
    exprs = [rule["query"] for rule in rules] + [expr for _, expr in shown]
    names = {name for expr in exprs for name in re.findall(r"swarmbus_\w+", expr)}
    for name in sorted(names):
        wait_for(f"data of {name}", partial(prometheus.query, name))
    for where, expr in shown:
        # Nothing has gone wrong yet, so no alert has data.
        if not expr.startswith("ALERTS"):
            wait_for(f"data of {where}: {expr}", partial(prometheus.query, expr))
    say(f"{len(rules)} rules and {len(shown)} queries of dashboards are understood; {len(names)} metrics have data")


def pid_of(agent: str) -> int:
    agents = json.loads(run("ps", BUS, "-o", "json"))["agents"]
    found: int = next(one["pid"] for one in agents if one["name"] == agent) or 0
    return found


def kill_victims() -> None:
    for agent in ("victim-1", "victim-2"):
        if pid := pid_of(agent):
            os.kill(pid, signal.SIGKILL)


def do_harm() -> int:
    """Everything that can go wrong while a supervisor is there. The answer is the process that stands still."""
    stopped = pid_of("listener-1")
    os.kill(stopped, signal.SIGSTOP)
    for number in range(40):
        run("send", f"{BUS}/listener-1", f"{number}", "--timeout", "0")
    subprocess.run([SWARMBUS, "recv", f"{BUS}/guest", "--timeout", "0"], capture_output=True, check=False)
    run("send", f"{BUS}/guest", "for somebody who has left")
    return stopped


def check_alerts(prometheus: Prometheus, supervisor: subprocess.Popen[bytes]) -> None:
    stopped = do_harm()
    begun = time.monotonic()
    told: set[str] = set()
    try:
        while missing := BY_FAULTS - told:
            if time.monotonic() - begun > PATIENCE_S:
                sys.exit(f"check.py: alerts that do not fire: {sorted(missing)}")
            if "SwarmbusPoolRestarting" in missing:
                kill_victims()
            for name, alerts in sorted(prometheus.firing().items()):
                if name not in told:
                    told.add(name)
                    say(f"{time.monotonic() - begun:6.1f} s  {name}: {alerts[0]['annotations']['summary']}")
            time.sleep(1)
    finally:
        os.kill(stopped, signal.SIGCONT)
    supervisor.kill()
    supervisor.wait()
    wait_for("the supervisor to be missed", lambda: "SwarmbusSupervisorDown" in prometheus.firing())
    say("SwarmbusSupervisorDown fires; figures go on without the supervisor")
    run("down", BUS)
    wait_for("the exporter to be missed", lambda: "SwarmbusNotSeen" in prometheus.firing())
    say("SwarmbusNotSeen fires when the bus, and with it the exporter, is gone")


def main() -> None:
    with swarm() as (supervisor, exporter):
        page = urllib.request.urlopen(exporter, timeout=60).read()
        subprocess.run(["promtool", "check", "metrics"], input=page, check=True)
        prometheus = Prometheus(exporter)
        try:
            check_expressions(prometheus)
            check_alerts(prometheus, supervisor)
        finally:
            prometheus.stop()


main()
