"""What agents say of themselves."""

from __future__ import annotations

import pytest

import swarmbus


def test_a_status_is_seen_by_others_and_stays(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        assert me.status is None
        assert bus.status_of("alice") is None
        me.set_status("blocked", done=1, total=3, task="count", note="waits", blockers=["no key", "no time"])
        me.update_status(done=2)
        me.beat()
        status = bus.status_of("alice")
        assert status == me.status
        assert status is not None
        assert (status.state, status.done, status.total, status.task) == ("blocked", 2, 3, "count")
        assert (status.note, status.blockers) == ("waits", ("no key", "no time"))
        [info] = bus.statuses("al*")
        assert info.agent == "alice"
        assert info.pid is not None
        assert info.beat_age_ns is not None
        me.update_status("completed", done=3, task="", note="", blockers=[])
    said = bus.status_of("alice")
    assert said is not None
    assert (said.state, said.done, said.blockers) == ("completed", 3, ())
    assert bus.statuses()[0].pid is None


def test_wrong_statuses_are_refused(bus: swarmbus.Bus) -> None:
    with pytest.raises(swarmbus.UnknownAgent):
        bus.status_of("nobody")
    with bus.attach("alice") as me:
        with pytest.raises(swarmbus.InvalidArgument, match="in_progress"):
            me.set_status("asleep")  # type: ignore[arg-type]
        with pytest.raises(swarmbus.InvalidArgument, match="bytes"):
            me.set_status("idle", note="x" * 10_000)
        with pytest.raises(OverflowError):
            me.set_status("idle", done=-1)
        with pytest.raises(TypeError):
            me.set_status("idle", blockers="text")
