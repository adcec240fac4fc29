"""Named locks."""

from __future__ import annotations

import threading

import pytest

import swarmbus
from conftest import GUARD_S, StartChild, line_of


def test_a_lock_keeps_others_out_and_is_released(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as alice, bus.attach("bob") as bob:
        with alice.lock("src/**") as lock:
            assert (lock.name, lock.shared, lock.released) == ("src/**", False, False)
            assert bob.try_lock("src/main.rs") is None
            with pytest.raises(swarmbus.Locked, match="alice") as caught:
                bob.lock("src/main.rs", timeout=0.01)
            assert (caught.value.name, caught.value.held, caught.value.holder) == ("src/main.rs", "src/**", "alice")
            [info] = bus.locks("src/main.rs")
            assert (info.name, info.agent, info.state, info.token) == ("src/**", "alice", "held", lock.token)
            with pytest.raises(swarmbus.InvalidArgument, match="this handle"):
                alice.lock("src/main.rs")
        assert lock.released
        with pytest.raises(swarmbus.Released):
            lock.release()
        with pytest.raises(swarmbus.Released), lock:
            pass
        later = bob.try_lock("src/main.rs")
        assert later is not None
        assert later.token > lock.token
        later.release()
    assert bus.locks() == []


def test_shared_locks_go_together(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as alice, bus.attach("bob") as bob:
        with alice.lock("x", shared=True), bob.lock("x", shared=True, timeout=0) as lock:
            assert lock.shared
            assert len(bus.locks()) == 2
        with alice.lock("x", timeout=0):
            assert bob.try_lock("x", shared=True) is None


def test_a_lock_that_is_forgotten_is_released_and_so_is_its_holders(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as alice:
        alice.lock("x")
        assert bus.locks() == []
        held = [alice.lock("x")]
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join(GUARD_S)
        alice.try_recv()
        assert bus.locks() == []
        kept = alice.lock("y")
    assert kept.released
    assert bus.locks() == []
    with pytest.raises(swarmbus.Released):
        kept.release()


def test_the_death_of_a_holder_releases_its_lock(bus: swarmbus.Bus, child: StartChild) -> None:
    process = child(
        "import swarmbus, sys, time\n"
        "me = swarmbus.open(sys.argv[1]).attach('victim')\n"
        "lock = me.lock('x')\n"
        "print('locked', flush=True)\n"
        "time.sleep(600)\n",
        bus.name,
    )
    assert line_of(process) == "locked"
    with bus.attach("alice") as me:
        assert me.try_lock("x") is None
        process.kill()
        process.wait(GUARD_S)
        with me.lock("x", timeout=GUARD_S):
            pass


def test_wrong_names_are_refused(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me:
        for name in ("", "x" * 300, "a\0b", "a\nb"):
            with pytest.raises(swarmbus.InvalidArgument):
                me.lock(name)
        with me.lock("größe/δ"):
            pass
