"""What the bytes of a message are: plain, JSON, or an archive of another language."""

from __future__ import annotations

import json
from typing import Any

import pytest

import swarmbus
from conftest import GUARD_S

VALUES: list[dict[str, Any] | list[Any]] = [
    {},
    [],
    {"path": "a.py", "lines": [1, 2.5, None, True], "deep": {"er": [[]]}},
    ["ß", "\u2028", "\U0001f41d", 2**80, -0.0],
    [list(range(50_000))],
]


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_dicts_and_lists_travel_as_json(bus: swarmbus.Bus, number: int) -> None:
    value = VALUES[number]
    with bus.attach("alice") as me:
        me.send("alice", value)
        with me.recv(timeout=GUARD_S) as msg:
            assert (msg.content, msg.schema) == ("json", None)
            assert msg.json() == value
            assert json.loads(msg.text()) == value
            assert b": " not in bytes(msg)
        me.send("alice", value, content="json")
        with me.recv(timeout=GUARD_S) as msg:
            assert msg.json() == value


def test_json_may_come_as_plain_bytes(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b"[1, 2]")
        with me.recv(timeout=GUARD_S) as msg:
            assert (msg.content, msg.json(), msg.text()) == ("bytes", [1, 2], "[1, 2]")


def test_what_is_no_json_or_text_is_a_wrong_type(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", b'{"x": \xff}', content="json")
        with me.recv(timeout=GUARD_S) as msg:
            with pytest.raises(swarmbus.WrongType, match="8 bytes of content type json are no JSON"):
                msg.json()
            with pytest.raises(swarmbus.WrongType, match="are no text") as caught:
                msg.text()
            assert isinstance(caught.value.__cause__, UnicodeDecodeError)
        me.send("alice", b"")
        with me.recv(timeout=GUARD_S) as msg:
            assert msg.text() == ""
            with pytest.raises(swarmbus.WrongType):
                msg.json()
        me.send("alice", b"[" * 100_000)
        with me.recv(timeout=GUARD_S) as msg, pytest.raises(swarmbus.WrongType):
            msg.json()


def test_an_ended_message_has_no_text_left(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        me.send("alice", {"x": 1})
        with me.recv(timeout=GUARD_S) as msg:
            pass
        for read in (msg.json, msg.text):
            with pytest.raises(swarmbus.Released):
                read()
        assert msg.content == "json"


def test_an_archive_shows_its_schema_and_its_bytes(bus: swarmbus.Bus) -> None:
    schema = swarmbus.schema_id("acme.task/1")
    assert schema == 0x6DC7_1059_B7A9_7242
    archive = b"sixteen bytes..." + schema.to_bytes(8, "little")
    with bus.attach("alice") as me:
        me.send("alice", archive, content="rkyv")
        with me.recv(timeout=GUARD_S) as msg:
            assert (msg.content, msg.schema) == ("rkyv", schema)
            assert bytes(msg.data[:-8]) == b"sixteen bytes..."
            assert f"24 bytes of rkyv {schema:016x}" in repr(msg)
            for read in (msg.json, msg.text):
                with pytest.raises(swarmbus.WrongType, match=f"archive of schema {schema:016x}"):
                    read()
        me.send("alice", b"short", content="rkyv")
        with me.recv(timeout=GUARD_S) as msg:
            assert (msg.content, msg.schema) == ("rkyv", None)
            with pytest.raises(swarmbus.WrongType):
                msg.json()


def test_what_cannot_be_json_is_not_sent(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        for value in ([object()], {"x": b"bytes"}, {(1, 2): 3}):
            with pytest.raises(TypeError):
                me.send("alice", value)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="JSON"):
            me.send("alice", [float("nan")])
        with pytest.raises(swarmbus.InvalidArgument, match=r"content=.bytes"):
            me.send("alice", {"x": 1}, content="bytes")
        assert me.try_recv() is None
