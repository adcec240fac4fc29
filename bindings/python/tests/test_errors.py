"""The exception classes mirror the core's errors."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import swarmbus
from swarmbus import _swarmbus

# Without site packages and their hooks, but with this package.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(swarmbus.__file__).parent.parent)}


def test_every_error_of_the_core_has_a_class_with_its_code() -> None:
    for code, name in _swarmbus.error_codes():
        kind = getattr(swarmbus, name)
        assert issubclass(kind, swarmbus.Error), name
        assert kind.code == code, name
        assert kind.__doc__


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (swarmbus.Timeout, TimeoutError),
        (swarmbus.UnknownAgent, LookupError),
        (swarmbus.OutOfMemory, MemoryError),
        (swarmbus.TooLarge, ValueError),
        (swarmbus.InvalidName, ValueError),
        (swarmbus.InvalidArgument, ValueError),
        (swarmbus.Permission, PermissionError),
        (swarmbus.BusExists, FileExistsError),
        (swarmbus.UnknownBus, LookupError),
        (swarmbus.System, OSError),
        (swarmbus.WrongThread, RuntimeError),
        (swarmbus.Forked, RuntimeError),
        (swarmbus.Released, RuntimeError),
    ],
)
def test_errors_are_what_they_resemble(kind: type[swarmbus.Error], builtin: type[Exception]) -> None:
    assert issubclass(kind, builtin)
    error = kind("what was wrong")
    assert str(error) == "what was wrong"


def test_errors_keep_their_attributes_in_a_pickle(bus: swarmbus.Bus) -> None:
    with bus.attach("alice") as me, pytest.raises(swarmbus.UnknownAgent) as caught:
        me.send("nobody", b"x")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), copy.name, copy.bus, str(copy)) == (
        swarmbus.UnknownAgent,
        "nobody",
        bus.name,
        str(caught.value),
    )


def test_every_public_name_has_a_docstring() -> None:
    for name in swarmbus.__all__:
        # The rest are a version and aliases of types, which carry no text.
        assert (
            not callable(getattr(swarmbus, name))
            or name in ("AgentState", "Content", "Lane", "Policy")
            or getattr(swarmbus, name).__doc__
        ), name
    for kind in (swarmbus.Agent, swarmbus.Bus, swarmbus.Loan, swarmbus.Message):
        for name, value in vars(kind).items():
            if not name.startswith("_"):
                assert value.__doc__, f"{kind.__name__}.{name}"


def test_the_classes_can_not_be_made_by_hand() -> None:
    for kind in (swarmbus.Agent, swarmbus.Bus, swarmbus.Loan, swarmbus.Message, swarmbus.Messages):
        with pytest.raises(TypeError):
            kind()


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, swarmbus; print(*(name for name in ('dataclasses', 'inspect', 'typing') if name in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-S", "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "\n"), run.stderr


def test_names_that_do_not_exist_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = swarmbus.nothing  # type: ignore[attr-defined]
    assert set(swarmbus.__all__) <= set(dir(swarmbus))


def test_a_bus_of_another_layout_names_both_versions(bus: swarmbus.Bus) -> None:
    path = Path(f"/dev/shm/swarmbus.{bus.name}")
    with path.open("r+b", buffering=0) as segment:
        segment.seek(8)
        ours = int.from_bytes(segment.read(8), sys.byteorder)

        def say(layout: int) -> None:
            segment.seek(8)
            segment.write(layout.to_bytes(8, sys.byteorder))

        for layout, advice in [(ours + 1, "upgrade this program"), (ours - 1, "create it anew")]:
            say(layout)
            with pytest.raises(swarmbus.WrongVersion, match=advice) as caught:
                swarmbus.open(bus.name)
            error = caught.value
            assert (error.bus, error.found, error.expected) == (bus.name, layout, ours)
            assert error.made_by and error.made_by in str(error)
        say(ours)
    swarmbus.open(bus.name)
