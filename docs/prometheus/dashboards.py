#!/usr/bin/env python3
"""Writes the dashboards: swarm.json, bus.json, host.json. A panel: title, unit, queries by their legend."""

import json
from pathlib import Path
from typing import Any

Panel = tuple[str, str, dict[str, str]]

RATE = "$__rate_interval"
ON = 'bus=~"$bus"'
FIRING = 'ALERTS{alertname=~"Swarmbus.*", alertstate="firing"}'
RESTARTS = f"sum by (bus, pool) (increase(swarmbus_agent_restarts_total{{{ON}}}[10m]))"


def rate(metric: str, by: str) -> str:
    return f"sum by (bus, {by}) (rate({metric}{{{ON}}}[{RATE}]))"


def quantile(metric: str, part: float) -> str:
    return f"histogram_quantile({part}, sum by (bus, pool, le) (rate({metric}_bucket{{{ON}}}[{RATE}])))"


def latency(title: str, metric: str) -> Panel:
    return (title, "s", {"{{pool}} p50": quantile(metric, 0.5), "{{pool}} p99": quantile(metric, 0.99)})


DASHBOARDS: dict[str, tuple[str, list[Panel]]] = {
    "swarm": (
        "Swarmbus: the swarm",
        [
            (
                "Firing alerts",
                "none",
                {"{{alertname}} {{pool}}{{queue}}": 'ALERTS{alertname=~"Swarmbus.*", alertstate="firing"}'},
            ),
            ("Agents by state", "none", {"{{pool}} {{state}}": f"swarmbus_agents{{{ON}}}"}),
            (
                "Agents by what they say that they do",
                "none",
                {"{{pool}} {{status}}": f"swarmbus_agents_by_status{{{ON}}}"},
            ),
            (
                "Restarts in 10 minutes",
                "none",
                {"{{pool}}": f"sum by (bus, pool) (increase(swarmbus_agent_restarts_total{{{ON}}}[10m]))"},
            ),
            (
                "Longest time with messages and nothing done",
                "s",
                {"{{pool}} {{status}}": f"swarmbus_agents_longest_pending_seconds{{{ON}}}"},
            ),
            (
                "Longest start, oldest beat",
                "s",
                {
                    "{{pool}} start": f"swarmbus_agents_longest_starting_seconds{{{ON}}}",
                    "{{pool}} beat": f"swarmbus_agents_oldest_beat_seconds{{{ON}}}",
                },
            ),
            ("Messages received", "ops", {"{{pool}}": rate("swarmbus_received_messages_total", "pool")}),
            (
                "Waiting and in hand",
                "none",
                {
                    "{{pool}} waiting": f"swarmbus_mailbox_waiting_messages{{{ON}}}",
                    "{{pool}} in hand": f"swarmbus_agents_in_flight_messages{{{ON}}}",
                },
            ),
            latency("Handling, from taken to released", "swarmbus_handling_seconds"),
            latency("Coordination, from question to answer", "swarmbus_coordination_seconds"),
        ],
    ),
    "bus": (
        "Swarmbus: the bus",
        [
            ("Messages taken from queues", "ops", {"{{queue}}": rate("swarmbus_queue_taken_messages_total", "queue")}),
            (
                "Messages waiting in queues",
                "none",
                {"{{queue}}": f"swarmbus_queue_waiting_messages{{{ON}}}"},
            ),
            ("Longest time without one taken", "s", {"{{queue}}": f"swarmbus_queue_untaken_seconds{{{ON}}}"}),
            (
                "Bytes sent",
                "Bps",
                {"{{pool}}": rate("swarmbus_sent_bytes_total", "pool")},
            ),
            latency("Queueing, from send to taken", "swarmbus_queueing_seconds"),
            latency("Sending, a wait for room included", "swarmbus_sending_seconds"),
            (
                "Refused, undelivered, dropped",
                "ops",
                {
                    "{{pool}} refused": rate("swarmbus_refused_sends_total", "pool"),
                    "{{queue}} undelivered": rate("swarmbus_queue_undelivered_messages_total", "queue"),
                    "{{queue}} dropped": rate("swarmbus_queue_dropped_messages_total", "queue"),
                    "{{pool}} mailboxes undelivered": rate("swarmbus_mailbox_undelivered_messages_total", "pool"),
                },
            ),
            (
                "Topics: published, and furthest behind",
                "none",
                {
                    "{{topic}} a second": rate("swarmbus_topic_published_messages_total", "topic"),
                    "{{topic}} behind": f"swarmbus_topic_furthest_behind_messages{{{ON}}}",
                },
            ),
            (
                "Memory of the segment",
                "bytes",
                {
                    "committed": f"swarmbus_segment_committed_bytes{{{ON}}}",
                    "chunks {{state}}": f"swarmbus_heap_chunks_bytes{{{ON}}}",
                },
            ),
            (
                "Locks: longest",
                "s",
                {"{{state}}": f"swarmbus_lock_longest_seconds{{{ON}}}"},
            ),
        ],
    ),
    "host": (
        "Swarmbus: the host",
        [
            (
                "Memory",
                "bytes",
                {"available": "swarmbus_host_memory_available_bytes", "in all": "swarmbus_host_memory_bytes"},
            ),
            ("/dev/shm", "bytes", {"free": "swarmbus_shm_free_bytes", "in all": "swarmbus_shm_size_bytes"}),
            ("Load", "none", {"load": "swarmbus_host_load", "processors": "swarmbus_host_processors"}),
            ("Processors in use", "none", {"{{pool}}": rate("swarmbus_processes_cpu_seconds_total", "pool")}),
            (
                "Memory of processes",
                "bytes",
                {"{{pool}} {{kind}}": f"swarmbus_processes_memory_bytes{{{ON}}}"},
            ),
            ("Processes", "none", {"{{pool}}": f"swarmbus_processes{{{ON}}}"}),
            ("Going to sleep", "ops", {"{{pool}}": rate("swarmbus_sleeps_total", "pool")}),
            ("A look of the exporter", "s", {"look": f"swarmbus_look_seconds{{{ON}}}"}),
        ],
    ),
}

SOURCE = {"type": "prometheus", "uid": "${source}"}


def panel(number: int, title: str, unit: str, queries: dict[str, str]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + at), "expr": expr, "legendFormat": legend}
        for at, (legend, expr) in enumerate(queries.items())
    ]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "gridPos": {"x": 12 * (number % 2), "y": 8 * (number // 2), "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def dashboard(name: str, title: str, panels: list[Panel]) -> dict[str, Any]:
    return {
        "uid": f"swarmbus-{name}",
        "title": title,
        "tags": ["swarmbus"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["swarmbus"], "title": "Swarmbus"}],
        "templating": {
            "list": [
                {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "bus",
                    "label": "Bus",
                    "type": "query",
                    "datasource": SOURCE,
                    "query": "label_values(swarmbus_bus_up, bus)",
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                },
            ]
        },
        "panels": [panel(number, *one) for number, one in enumerate(panels)],
    }


if __name__ == "__main__":
    for name, (title, panels) in DASHBOARDS.items():
        text = json.dumps(dashboard(name, title, panels), indent=1) + "\n"
        Path(__file__).with_name(f"{name}.json").write_text(text)
