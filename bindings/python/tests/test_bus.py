"""Creating, opening, declaring, looking at and destroying a bus."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

import swarmbus
from conftest import GUARD_S, remove


def test_create_makes_a_bus_that_open_finds(bus_name: str) -> None:
    created = swarmbus.Bus.create(bus_name, agents=16, heap=32 << 20, limit=7)
    opened = swarmbus.open(bus_name)
    assert created.name == opened.name == bus_name
    assert bus_name in swarmbus.buses()
    info = opened.info()
    assert info.name == bus_name
    assert info.agents_max == 16
    assert info.limit == 7
    assert info.heap.bytes >= 32 << 20
    assert repr(opened) == f"<swarmbus.Bus '{bus_name}'>"


def test_create_refuses_a_name_that_is_taken(bus: swarmbus.Bus) -> None:
    with pytest.raises(swarmbus.BusExists) as caught:
        swarmbus.Bus.create(bus.name)
    assert caught.value.bus == bus.name
    assert isinstance(caught.value, FileExistsError)


def test_open_refuses_a_bus_that_does_not_exist(bus_name: str) -> None:
    with pytest.raises(swarmbus.UnknownBus) as caught:
        swarmbus.open(bus_name)
    assert caught.value.bus == bus_name
    assert bus_name in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_open_with_create_makes_or_opens(bus_name: str) -> None:
    first = swarmbus.open(bus_name, create=True, agents=16, heap="32 MiB", limit=9)
    second = swarmbus.open(bus_name, create=True)
    assert second.info().limit == first.info().limit == 9


def test_open_takes_options_only_with_create(bus: swarmbus.Bus) -> None:
    with pytest.raises(TypeError, match="create=True"):
        swarmbus.open(bus.name, limit=3)
    with pytest.raises(TypeError, match="agents, heap, limit"):
        swarmbus.open(bus.name, create=True, size=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("32MiB", 32 << 20),
        (" 32 mib ", 32 << 20),
        ("0.0625 GiB", 64 << 20),
        ("33_554_432", 32 << 20),
        ("40MB", 40_000_000),
    ],
)
def test_sizes_are_numbers_with_units(bus_name: str, text: str, size: int) -> None:
    bus = swarmbus.Bus.create(bus_name, agents=16, heap=text)
    # The heap is rounded up to whole spans.
    assert size <= bus.info().heap.bytes < 2 * size


@pytest.mark.parametrize(
    "text", ["", "GiB", "1 furlong", "-1 MiB", "1.2.3 MiB", "99999999 TiB", "1e9", "18446744073709551616"]
)
def test_sizes_that_make_no_sense_are_refused(bus_name: str, text: str) -> None:
    with pytest.raises(swarmbus.InvalidArgument, match="heap=") as caught:
        swarmbus.Bus.create(bus_name, heap=text)
    assert isinstance(caught.value, ValueError)
    assert bus_name not in swarmbus.buses()


def test_sizes_of_other_types_are_refused(bus_name: str) -> None:
    for wrong in (None.__class__, b"1GiB", 1.5, True):
        with pytest.raises(TypeError, match="heap"):
            swarmbus.Bus.create(bus_name, heap=wrong)  # type: ignore[arg-type]
    with pytest.raises(swarmbus.InvalidArgument, match="heap=-1"):
        swarmbus.Bus.create(bus_name, heap=-1)


@pytest.mark.parametrize("name", ["", "a" * 64, "sla/sh", "nul\0", "späti", "two words"])
def test_bad_names_are_refused(bus: swarmbus.Bus, name: str) -> None:
    with pytest.raises((swarmbus.InvalidName, swarmbus.InvalidArgument)):
        bus.declare(name)
    with pytest.raises((swarmbus.InvalidName, swarmbus.InvalidArgument)):
        bus.attach(name)
    if "/" not in name:
        with pytest.raises(swarmbus.InvalidName) as caught:
            swarmbus.Bus.create(name)
        assert caught.value.reason


def test_declare_is_idempotent_and_shows_in_queues(bus: swarmbus.Bus) -> None:
    bus.declare("bob", limit=3)
    bus.declare("bob")
    [bob] = [queue for queue in bus.queues() if queue.name == "bob"]
    assert bob.owner is None
    assert bob.limit == 3
    assert not bob.closed
    assert bob.queued == bob.in_flight == 0
    assert bob.lanes == ()


def test_observers_see_members_and_messages(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as alice, bus.attach("bob") as bob:
        alice.send("bob", b"one")
        alice.send("bob", b"two", lane="high")
        held = bob.recv(timeout=GUARD_S)
        members = {member.agent: member for member in bus.members()}
        assert members["alice"].pid == members["bob"].pid == os.getpid()
        assert members["bob"].state == "live"
        assert members["bob"].in_flight == 1
        [queue] = [queue for queue in bus.queues() if queue.name == "bob"]
        assert (queue.owner, queue.queued, queue.in_flight) == (os.getpid(), 1, 1)
        assert {lane.lane: lane.depth for lane in queue.lanes} == {"normal": 1, "high": 0}
        info = bus.info()
        assert info.members >= 2
        assert info.heap.chunks.in_flight == 1
        assert info.heap.chunks.queued == 1
        assert info.heap.classes[0].payload_bytes > 0
        held.release()
    assert "alice" not in {member.agent for member in bus.members() if member.state == "live"}


def test_records_are_frozen(bus: swarmbus.Bus) -> None:
    info = bus.info()
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.name = "other"  # type: ignore[misc]
    assert dataclasses.asdict(info)["heap"]["bytes"] == info.heap.bytes


def test_addresses_may_name_the_bus(bus: swarmbus.Bus) -> None:
    bus.declare(f"{bus.name}/files")
    with bus.attach(f"{bus.name}/alice") as me:
        assert me.name == "alice"
        me.send(f"{bus.name}/files", b"x")
        with me.recv(timeout=GUARD_S, queue=f"{bus.name}/files") as msg:
            assert bytes(msg) == b"x"
        with pytest.raises(swarmbus.InvalidArgument, match="elsewhere"):
            me.send("elsewhere/bob", b"x")


def test_closed_queues_refuse_senders_and_drain(bus: swarmbus.Bus) -> None:
    bus.declare("files")
    with bus.attach("alice") as me:
        me.send("files", b"last")
        bus.close_queue("files")
        with pytest.raises(swarmbus.Closed) as caught:
            me.send("files", b"too late")
        assert "files" in caught.value.what
        with me.recv(timeout=GUARD_S, queue="files") as msg:
            assert bytes(msg) == b"last"
        with pytest.raises(swarmbus.Closed):
            me.recv(timeout=GUARD_S, queue="files")
        with pytest.raises(swarmbus.Closed):
            me.try_recv(queue="files")
        bus.reopen_queue("files")
        me.send("files", b"again")
        with me.recv(timeout=GUARD_S, queue="files") as msg:
            assert bytes(msg) == b"again"


def test_destroy_ends_the_bus_for_everybody(bus_name: str) -> None:
    bus = swarmbus.Bus.create(bus_name, agents=16, heap="32MiB")
    me = bus.attach("alice")
    bus.destroy()
    assert not Path(f"/dev/shm/swarmbus.{bus_name}").exists()
    with pytest.raises(swarmbus.Closed):
        me.recv(timeout=GUARD_S)
    with pytest.raises(swarmbus.Closed):
        me.send("alice", b"x")
    me.close()
    # The name is free again, and the old bus does not get in the new one's way.
    swarmbus.Bus.create(bus_name, agents=16, heap="32MiB")
    del me, bus
    assert swarmbus.open(bus_name).info().members == 0
    remove(bus_name)
    assert bus_name not in swarmbus.buses()


def test_connect_uses_the_environment(bus: swarmbus.Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARMBUS", raising=False)
    monkeypatch.delenv("SWARMBUS_AGENT", raising=False)
    with pytest.raises(swarmbus.Error, match="SWARMBUS"):
        swarmbus.connect()
    monkeypatch.setenv("SWARMBUS", bus.name)
    monkeypatch.setenv("SWARMBUS_AGENT", "alice")
    with swarmbus.connect() as me:
        assert me.name == "alice"
        assert me.bus.name == bus.name
